"""The record of what a loaded Palisade executes, by which the compiler lays release binaries out (profile-guided optimisation).

What requests go through lies together then, and calls on its way are inlined. The record is a file of the repository and not made by each build, so that the same
source is compiled in the same way. It says how often what was executed, and decides how the code is compiled and where it lies, not what it does.

Functions that have changed since it was made are compiled as without it. Their names hold hashes of the compiler, of Cargo's settings and of the target: for another of
these it says nothing.
"""

import hashlib
import json
import lzma
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent / "pgo"
RECORD, MADE_BY = HERE / "palisade.profdata.xz", HERE / "made-by.json"
# What counts as hot, and what is inlined where. With LLVM's own bounds (99 % of all that is executed, 325 and 45), reading a configuration is hot as well: binaries are larger by
# a seventh, and requests as fast.
BOUNDS = {"profile-summary-cutoff-hot": 800_000, "inlinehint-threshold": 50, "inline-cold-callsite-threshold": 0}


def toolchain(triple: str, cargo: str) -> dict[str, str]:
    """All that names depend on, but for Cargo.toml."""
    def said(command: list[str]) -> str:
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()

    return {"rustc": said(["rustc", "-V"]), "cargo": said([*cargo.split(), "-V"]), "target": triple}


def use(triple: str, cargo: str, folder: Path) -> str:
    """The compiler's flags; none, with a warning, where the record was made for another compiler or another target."""
    made_by, here = json.loads(MADE_BY.read_text()), toolchain(triple, cargo)
    if made_by != here:
        other = ", ".join(f"{here[name]} and not {made_by[name]}" for name in here if here[name] != made_by[name])
        print(f"build.py: built without the record in image/pgo, since this is {other}; `make train` makes one for it", file=sys.stderr)
        return ""
    return " ".join([f"-C profile-use={unpacked(folder)}", *(f"-C llvm-args=-{name}={bound}" for name, bound in BOUNDS.items())])


def unpacked(folder: Path) -> Path:
    """The record as the compiler reads it. Its name says what is in it: Cargo looks at flags, and not at what they point to."""
    data = lzma.decompress(RECORD.read_bytes())
    file = folder / f"{hashlib.sha256(data).hexdigest()[:16]}.profdata"
    if not file.exists():
        folder.mkdir(parents=True, exist_ok=True)
        file.write_bytes(data)
    return file


def keep(data: bytes, made_by: dict[str, str]):
    """Makes this the record of the repository."""
    HERE.mkdir(exist_ok=True)
    RECORD.write_bytes(lzma.compress(data, preset=9 | lzma.PRESET_EXTREME))
    MADE_BY.write_text(json.dumps(made_by, indent=2) + "\n")
