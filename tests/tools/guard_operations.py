#!/usr/bin/env python3
"""Writes tests/guard/operations.txt: the operations of the services that the guard judges by names, with the members of their inputs.

usage: guard_operations.py    with the interpreter of the environment `clients` (venvs.py path clients)
"""

from pathlib import Path

import botocore
import botocore.session

SERVICES = {
    "bedrock-runtime": ["bedrock-runtime"],
    "events": ["events"],
    "firehose": ["firehose"],
    "kinesis": ["kinesis"],
    "kms": ["kms"],
    "lambda": ["lambda", "lambda-core", "lambda-microvms", "lambda-web"],
    "logs": ["logs"],
    "monitoring": ["cloudwatch"],
    "secretsmanager": ["secretsmanager"],
    "sns": ["sns"],
    "sqs": ["sqs"],
    "ssm": ["ssm"],
    "states": ["stepfunctions"],
}
KINDS = {"list": "[]", "map": "{}", "structure": "{}"}


def main() -> None:
    loader = botocore.session.Session().get_component("data_loader")
    lines = [f"# Written by tests/tools/guard_operations.py from botocore {botocore.__version__}; do not edit."]
    for key, clients in SERVICES.items():
        of_service = []
        for client in clients:
            model = loader.load_service_model(client, "service-2")
            shapes = model["shapes"]
            for name, operation in model["operations"].items():
                shape = shapes.get(operation.get("input", {}).get("shape"), {})
                members = [f"{m}{KINDS.get(shapes[s['shape']]['type'], '')}" for m, s in shape.get("members", {}).items()]
                of_service.append((name, members))
        lines += [" ".join([key, name, *members]) for name, members in sorted(of_service)]
    target = Path(__file__).resolve().parents[1] / "guard" / "operations.txt"
    target.write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
