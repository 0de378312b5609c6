"""What the scenarios ask of every client."""

import subprocess
from pathlib import Path

from harness.wire import redact

from ..place import Line

PART = 5 << 20
# Everything in one, for clients that take half a second to start.
ONE_KEY = ["a b+c%2F%/é🦀//~*'()!=&?#z:;,@$"]


class Failed(Exception):
    """The client said no; the text is its own."""


class Client:
    """An S3 client with the credentials of one tenant. A key is the whole key, tenant's prefix included."""

    name: str
    # What a scenario writes and reads back: where clients encode, sign and list in ways of their own.
    keys = ["a b+c", "100%/a%2Fb", "é/漢字/🦀", "x//y", "~*'()!=&?#z:;,@$"]
    # How many objects are put and listed.
    objects = 2
    # What the client says, among other things, when it may not read, write and list.
    refusals: tuple[str, str, str]
    # DuckDB has nothing that deletes.
    deletes = True
    # How many 20 MiB become.
    parts = 4

    def __init__(self, line: Line, directory: Path, **places):
        self.line, self.directory = line, directory
        self.uri = f"s3://{line.bucket}"
        self.start(**places)

    def start(self):
        pass

    def close(self):
        pass

    def version(self) -> str:
        raise NotImplementedError

    def put(self, source: Path, key: str):
        """In parts of `PART` where the file is larger."""
        raise NotImplementedError

    def get(self, key: str, destination: Path):
        raise NotImplementedError

    def list(self, prefix: str) -> list[str]:
        raise NotImplementedError

    def delete(self, key: str):
        raise NotImplementedError


class Executable(Client):
    """A client that is a program."""

    def program(self) -> list[str]:
        raise NotImplementedError

    def environment(self) -> dict:
        return self.line.environment(HOME=str(self.directory))

    def execute(self, arguments: list[str], environment: dict) -> subprocess.CompletedProcess:
        return subprocess.run([*self.program(), *arguments], env=environment, capture_output=True, text=True, timeout=90, stdin=subprocess.DEVNULL,
                              cwd=self.directory)

    def run(self, *arguments, **more: str) -> str:
        done = self.execute([*map(str, arguments)], self.environment() | more)
        if done.returncode:
            raise Failed(redact(done.stderr + done.stdout))
        return done.stdout
