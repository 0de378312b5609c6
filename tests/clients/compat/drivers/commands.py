"""Reads commands, one a line of JSON, and answers each with a line: what the drivers in Python share."""

import json
import os
import sys

TOLD = json.loads(os.environ["PALISADE_TOLD"])


def serve(operations: dict):
    for line in sys.stdin:
        command = json.loads(line)
        try:
            answer = {"result": operations[command.pop("operation")](**command)}
        except Exception as error:
            answer = {"error": f"{type(error).__name__}: {error}"}
        print(json.dumps(answer), flush=True)
