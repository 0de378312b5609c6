"""`palisade dev`, whose double of AWS judges what MiniStack lets pass: bodies against their hashes, and the signature of every chunk."""

from pathlib import Path

from .backends import Key
from .palisade import binary
from .process import Child, clean_environment, free_ports

BUCKET = "palisade-demo"
TABLE = "demo"
ROLE = "tenant-data"
LISTENERS = 5


class Sandbox(Child):
    """The whole sandbox; `aws` is the port of its double of AWS, and `key` the identity that may assume its role."""

    def __init__(self, directory: Path):
        base = free_ports(LISTENERS)
        super().__init__("dev", [binary(), "dev", "--port-base", base], directory, clean_environment(TMPDIR=str(directory)))
        self.wait_ready(lambda: "Ctrl-C ends" in self.stdout.read_text())
        self.aws = base + 4
        self.key = Key("AKIAPALISADEDEV00000", (directory / f"palisade-dev-{base}" / "base-secret").read_text().strip())
