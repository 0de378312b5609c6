#!/usr/bin/env python3
"""Puts the compatibility tests' clients that are no Python packages under the build directory; quick when they are there already.

usage: clients.py             gets what is missing
       clients.py javascript  prints where the AWS SDK for JavaScript is, or nothing

rclone and restic come from Debian's packages (22 MB), unpacked and not installed; what is on the path already will do, if it is of the same
version. The AWS SDK for JavaScript is installed by npm (some 30 MB) where there is one that reaches its registry, unless PALISADE_AWS_SDK_JS names
a bundle or a directory with `node_modules`. Without it the tests of that client are not run, which is said and is no error.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from venvs import TARGET

# By what each prints of itself.
PROGRAMS = {"rclone": ("version", "rclone v1.60.1"), "restic": ("version", "restic 0.14.0")}
JAVASCRIPT = "3.1168.0"
PACKAGES = ("client-dynamodb", "client-kms", "client-lambda", "client-s3", "client-secrets-manager", "client-sns", "client-sqs", "lib-storage")
BIN, JS = TARGET / "tools" / "bin", TARGET / "tools" / "js"
MARK = JS / "made-from"


def is_right(name: str, program: str | Path | None) -> bool:
    if not program or not os.access(program, os.X_OK):
        return False
    argument, expected = PROGRAMS[name]
    return subprocess.run([program, argument], capture_output=True, text=True, timeout=30).stdout.startswith(expected)


def from_debian(names: list[str]):
    with tempfile.TemporaryDirectory() as work:
        # apt's own user, who downloads for root, has to get in.
        os.chmod(work, 0o755)
        download = ["apt-get", "download", "-qq", *names]
        if subprocess.run(download, cwd=work, stderr=subprocess.DEVNULL, timeout=240).returncode:
            subprocess.run(["apt-get", "update", "-qq"], check=True, timeout=120)
            subprocess.run(download, cwd=work, check=True, timeout=240)
        for package in Path(work).glob("*.deb"):
            subprocess.run(["dpkg-deb", "-x", package, work], check=True, timeout=60)
        for name in names:
            part = BIN / f"{name}.part"
            shutil.copy(Path(work) / "usr" / "bin" / name, part)
            os.replace(part, BIN / name)


def programs():
    BIN.mkdir(parents=True, exist_ok=True)
    missing = []
    for name in PROGRAMS:
        if is_right(name, BIN / name):
            continue
        (BIN / name).unlink(missing_ok=True)
        if is_right(name, there := shutil.which(name)):
            (BIN / name).symlink_to(there)
        else:
            missing.append(name)
    if missing:
        started = time.monotonic()
        from_debian(missing)
        print(f"{', '.join(missing)}: {time.monotonic() - started:.0f} s", flush=True)
    for name, (_, expected) in PROGRAMS.items():
        assert is_right(name, BIN / name), f"{name} is not {expected}"


def npm(*arguments: str, seconds: int) -> bool:
    """Whether it came to a good end, and in time."""
    try:
        return not subprocess.run(["npm", *arguments], cwd=JS, capture_output=True, stdin=subprocess.DEVNULL, timeout=seconds).returncode
    except (FileNotFoundError, subprocess.TimeoutExpired):
        return False


def is_installed() -> bool:
    return MARK.is_file() and MARK.read_text() == JAVASCRIPT


def javascript():
    if os.environ.get("PALISADE_AWS_SDK_JS"):
        return
    if not MARK.is_file() or MARK.read_text().split()[0] != JAVASCRIPT:
        shutil.rmtree(JS, ignore_errors=True)
        JS.mkdir(parents=True)
        packages = [f"@aws-sdk/{name}@{JAVASCRIPT}" for name in PACKAGES]
        options = ("--no-save", "--no-package-lock", "--no-audit", "--no-fund", "--ignore-scripts", "--prefix", str(JS))
        # A question first: an installation that cannot reach anything takes minutes to say so.
        there = npm("view", "--fetch-retries=0", packages[0], "version", seconds=10) and npm("install", *options, *packages, seconds=180)
        MARK.write_text(JAVASCRIPT if there else f"{JAVASCRIPT} not to be had")
    if not is_installed():
        print(f"AWS SDK for JavaScript: npm cannot get it, so its compatibility tests will not run (remove {JS} to try again)", flush=True)


def main() -> int:
    if sys.argv[1:] == ["javascript"]:
        print(JS if is_installed() else "")
        return 0
    if sys.argv[1:]:
        print(__doc__, file=sys.stderr)
        return 2
    programs()
    javascript()
    return 0


if __name__ == "__main__":
    sys.exit(main())
