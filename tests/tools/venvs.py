#!/usr/bin/env python3
"""Makes the virtual environments of the tests under the build directory; quick when they are there already.

usage: venvs.py            makes all, prints nothing when nothing was to be done
       venvs.py NAME       makes one
       venvs.py path NAME  prints the interpreter of one (`clients`, `ministack`, `compat`, `bench`, `mutants`)
"""

import hashlib
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TARGET = Path(os.environ.get("CARGO_TARGET_DIR") or ROOT / "target")
NAMES = ("clients", "ministack", "compat")
# Made only when asked for.
ON_DEMAND = ("bench", "mutants")


def interpreter(name: str) -> Path:
    return TARGET / "venvs" / name / "bin" / "python"


def stamp(requirements: Path) -> str:
    """What an environment was made from: it is made again when this changes."""
    return hashlib.sha256(requirements.read_bytes() + sys.version.encode() + str(TARGET).encode()).hexdigest()


def make(name: str):
    requirements = ROOT / "tests" / f"requirements-{name}.txt"
    home = interpreter(name).parents[1]
    mark = home / "made-from"
    if mark.is_file() and mark.read_text() == stamp(requirements):
        return
    started = time.monotonic()
    shutil.rmtree(home, ignore_errors=True)
    subprocess.run([sys.executable, "-m", "venv", home], check=True)
    pip = [interpreter(name), "-m", "pip", "--disable-pip-version-check", "--no-input", "--quiet", "--retries", "5"]
    subprocess.run([*pip, "install", "--no-deps", "--only-binary", ":all:", "-r", requirements], check=True, timeout=900)
    subprocess.run([*pip, "check"], check=True, stdout=subprocess.DEVNULL)
    # Last, so that an interrupted installation is begun again.
    mark.write_text(stamp(requirements))
    print(f"environment `{name}`: {time.monotonic() - started:.0f} s", flush=True)


def main() -> int:
    if sys.argv[1:] in ([n] for n in NAMES + ON_DEMAND):
        make(sys.argv[1])
        return 0
    if sys.argv[1:2] == ["path"] and sys.argv[2:] in ([n] for n in NAMES + ON_DEMAND):
        print(interpreter(sys.argv[2]))
        return 0
    if sys.argv[1:]:
        print(__doc__, file=sys.stderr)
        return 2
    for name in NAMES:
        make(name)
    return 0


if __name__ == "__main__":
    sys.exit(main())
