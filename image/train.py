#!/usr/bin/env python3
"""Makes image/pgo anew: builds a binary that counts what it executes, has bench/run.py put load on it, and keeps the counts.

usage: train.py, with the Python of the environment `bench` (`make train`). Needs what bench/README.md asks for, two CPUs, and of rustup the component
llvm-tools. It takes as long as two builds. Commit what changes in image/pgo.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import build
import profile_guided

# The paths that requests take, and what connections cost. The rest of bench/run.py is about waiting and memory.
SETS = ("small", "tls", "h2", "tokens", "cold", "connect", "big")


def llvm_profdata() -> Path:
    said = [subprocess.run(["rustc", "--print", what], check=True, capture_output=True, text=True).stdout.strip() for what in ("sysroot", "host-tuple")]
    tool = Path(said[0]) / "lib" / "rustlib" / said[1] / "bin" / "llvm-profdata"
    if not tool.is_file():
        sys.exit("train.py: the compiler's llvm-profdata is not here: rustup component add llvm-tools")
    return tool


def main():
    tool = llvm_profdata()
    # Apart from what is built without counters: cargo would put one in the other's place.
    target = build.TARGET / "train"
    counts = target / "counts"
    shutil.rmtree(counts, ignore_errors=True)
    os.environ["CARGO_TARGET_DIR"] = str(target)
    binary, _ = build.cargo_build("release", "release", f"-C profile-generate={counts}")
    load = [sys.executable, build.ROOT / "bench" / "run.py", "--binary", binary, "--out", target / "report.md", "--only", "Palisade", "--rounds", "1", "--seconds", "2"]
    subprocess.run([*load, *(word for name in SETS for word in ("--set", name))], check=True)
    raw, merged = sorted(counts.glob("*.profraw")), target / "palisade.profdata"
    if not raw:
        sys.exit(f"train.py: no counts in {counts}: did Palisade not end by itself?")
    subprocess.run([tool, "merge", "--sparse", "--output", merged, *raw], check=True)
    profile_guided.keep(merged.read_bytes(), profile_guided.toolchain(build.TRIPLE, build.CARGO))
    print(f"{profile_guided.RECORD}: {profile_guided.RECORD.stat().st_size / 1024:.0f} KiB")


if __name__ == "__main__":
    main()
