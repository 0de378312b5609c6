"""`palisade dev`: the sandbox with its double of AWS, which verifies signatures, body hashes and policies."""

import socket
from pathlib import Path

from .backends import Key
from .palisade import binary
from .process import Child, clean_environment, free_port

LISTENERS = 5


def free_ports() -> int:
    """The first of as many free ports in a row as the sandbox takes."""
    for _ in range(50):
        base = free_port()
        try:
            for port in range(base, base + LISTENERS):
                with socket.socket() as probe:
                    probe.bind(("127.0.0.1", port))
        except OSError:
            continue
        return base
    raise RuntimeError("no free ports in a row")


class Sandbox(Child):
    """The whole of it, in a directory of its own."""

    def __init__(self, directory: Path):
        self.base = free_ports()
        super().__init__("dev", [binary(), "dev", "--port-base", self.base], directory, clean_environment(TMPDIR=str(directory)))
        self.state = directory / f"palisade-dev-{self.base}"
        self.wait_ready(lambda: "Ctrl-C ends" in self.stdout.read_text())

    @property
    def aws(self) -> int:
        """The double's port."""
        return self.base + 4

    @property
    def base_key(self) -> Key:
        """The identity that may assume the tenants' role, and nothing else."""
        return Key("AKIAPALISADEDEV00000", (self.state / "base-secret").read_text().strip())
