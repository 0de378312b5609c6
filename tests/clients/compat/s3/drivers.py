"""Clients that are libraries of another interpreter: a process of it reads commands, one a line, and answers each."""

import json
import subprocess
from pathlib import Path

from harness.backends import REGION
from harness.wire import redact

from .base import PART, Client, Failed

DRIVERS = Path(__file__).resolve().parents[1] / "drivers"


class Driver:
    """Such a process. What it is connected to goes in by its environment, as JSON."""

    def __init__(self, command: list, line, directory: Path, **more):
        told = {"endpoint": line.endpoint, "host": f"{line.host}:{line.port}", "scheme": line.scheme, "ca": str(line.ca or ""), "region": REGION,
                "bucket": line.bucket, "key": f"tenant.{line.tenant}", "proof": line.proof, "part": PART, **more}
        self.errors = (directory / "driver.stderr").open("w+")
        environment = line.environment(HOME=str(directory), PALISADE_TOLD=json.dumps(told))
        self.process = subprocess.Popen([str(c) for c in command], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.errors, text=True,
                                        cwd=directory, env=environment)

    def call(self, operation: str, **arguments):
        self.process.stdin.write(json.dumps({"operation": operation, **arguments}) + "\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline()
        if not answer:
            self.errors.seek(0)
            raise RuntimeError(f"the driver ended:\n{redact(self.errors.read())}")
        answer = json.loads(answer)
        if "error" in answer:
            raise Failed(redact(answer["error"]))
        return answer["result"]

    def close(self):
        self.process.stdin.close()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait(10)
        self.process.stdout.close()
        self.errors.close()


class Driven(Client):
    def drive(self, *command, **more):
        self.driver = Driver([*command], self.line, self.directory, **more)
        self.call = self.driver.call

    def close(self):
        self.driver.close()

    def version(self) -> str:
        return self.call("version")

    def put(self, source: Path, key: str):
        self.call("put", source=str(source), key=key)

    def get(self, key: str, destination: Path):
        self.call("get", key=key, destination=str(destination))

    def list(self, prefix: str) -> list[str]:
        return self.call("list", prefix=prefix)

    def delete(self, key: str):
        self.call("delete", key=key)


class PyArrow(Driven):
    """C++, with the AWS SDK for C++."""

    name = "PyArrow"
    keys = [key for key in Client.keys if "//" not in key]
    refusals = ("ACCESS_DENIED",) * 3
    parts = 2

    def start(self, compat_python):
        self.drive(compat_python, DRIVERS / "arrow.py")


class DuckDb(Driven):
    """C++, with an S3 implementation of its own, for tables in files."""

    name = "DuckDB httpfs"
    # What follows a question mark is a setting of the client's.
    keys = [key.replace("?", "") for key in Client.keys]
    refusals = ("403",) * 3
    deletes = False

    def start(self, compat_python):
        self.drive(compat_python, DRIVERS / "duck.py")


class JavaScript(Driven):
    """The AWS SDK for JavaScript v3, with its helper for uploads in parts."""

    name = "AWS SDK for JavaScript"
    refusals = ("AccessDenied",) * 3

    def start(self, sdk_js):
        self.drive("node", "--no-warnings", DRIVERS / "sdk.cjs", sdk=str(sdk_js))
