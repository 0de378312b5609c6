#!/usr/bin/env python3
"""Writes tests/guard/operations.txt: the operations of the services that the guard judges by names, with the members of their inputs.

usage: guard_operations.py    with the interpreter of the environment `clients` (venvs.py path clients)
"""

from pathlib import Path

import botocore
import botocore.session

SERVICES = {
    "events": "events",
    "firehose": "firehose",
    "kinesis": "kinesis",
    "kms": "kms",
    "logs": "logs",
    "secretsmanager": "secretsmanager",
    "sns": "sns",
    "sqs": "sqs",
    "ssm": "ssm",
    "states": "stepfunctions",
}
KINDS = {"list": "[]", "map": "{}", "structure": "{}"}


def main() -> None:
    loader = botocore.session.Session().get_component("data_loader")
    lines = [f"# Written by tests/tools/guard_operations.py from botocore {botocore.__version__}; do not edit."]
    for key, client in SERVICES.items():
        model = loader.load_service_model(client, "service-2")
        shapes = model["shapes"]
        for name, operation in sorted(model["operations"].items()):
            shape = shapes.get(operation.get("input", {}).get("shape"), {})
            members = [f"{m}{KINDS.get(shapes[s['shape']]['type'], '')}" for m, s in shape.get("members", {}).items()]
            lines.append(" ".join([key, name, *members]))
    target = Path(__file__).resolve().parents[1] / "guard" / "operations.txt"
    target.write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
