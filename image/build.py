#!/usr/bin/env python3
"""Builds the static binary and the folder that becomes the image.

usage: build.py FOLDER [--sandbox] [--profile dev]

FOLDER is made anew, as the root of the image: the binary, the roots of public authorities, licences, and the bill of materials. Needs Rust, a C
compiler with its static C library, Debian's package ca-certificates, and Python 3.11; no docker.
"""

import argparse
import json
import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path

import licences
import profile_guided
import sbom

ROOT = Path(__file__).resolve().parents[1]
TARGET = Path(os.environ.get("CARGO_TARGET_DIR") or ROOT / "target")
CARGO = os.environ.get("CARGO", "cargo")
# Not those of the machine that builds, to which somebody may have added an authority.
AUTHORITIES = Path("/usr/share/ca-certificates/mozilla")
# What is built for: this machine.
TRIPLE = f"{platform.machine()}-unknown-linux-gnu"
FEATURES = {"release": ["cedar"], "sandbox": ["cedar", "sandbox"]}


def cargo_build(kind: str, profile: str, flags: str) -> tuple[Path, Path]:
    """The binary, compiled with `flags` as well, and Cargo's record of what it was made of."""
    static = "-C target-feature=+crt-static"
    # The C library relocates itself by the compact table since 2.36. Against one before, the program would crash at its start.
    name, version = platform.libc_ver()
    if name == "glibc" and tuple(map(int, version.split(".")[:2])) >= (2, 36):
        static += " -C link-arg=-Wl,-z,pack-relative-relocs"
    # In messages, files of crates, and those that they have written while they were built, have names that begin here: where they lay on the machine that
    # builds is nobody's business.
    home = Path(os.environ.get("CARGO_HOME") or Path.home() / ".cargo")
    static += f" --remap-path-prefix={home / 'registry' / 'src'}=crates --remap-path-prefix={TARGET}=target"
    # The sandbox has the default features, as what `cargo build` makes.
    features = ["--no-default-features", "--features", ",".join(FEATURES[kind])] if kind == "release" else []
    what = ["--locked", "--profile", profile, *features, "--bin", "palisade", "--message-format", "json-render-diagnostics"]
    environment = dict(os.environ)
    if profile == "dev":
        # For CI: only the last link differs from what `cargo build` has made, so that nothing is compiled again.
        command = [*CARGO.split(), "rustc", *what, "--", *static.split()]
    else:
        # An explicit target keeps the flag from build scripts and macros, which the compiler has to load.
        environment["RUSTFLAGS"] = " ".join(filter(None, [os.environ.get("RUSTFLAGS"), static, flags]))
        command = [*CARGO.split(), "build", "--target", TRIPLE, *what]
    done = subprocess.run(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True)
    if done.returncode:
        sys.exit(done.returncode)
    record = TARGET / "image" / f"{kind}.build.json"
    record.parent.mkdir(parents=True, exist_ok=True)
    record.write_text(done.stdout)
    executables = [message["executable"] for message in map(json.loads, done.stdout.splitlines()) if message.get("executable")]
    return Path(executables[-1]), record


def assemble(folder: Path, kind: str, binary: Path, record: Path):
    shutil.rmtree(folder, ignore_errors=True)
    share = folder / "usr" / "share" / "palisade"
    for made in (folder / "usr" / "local" / "bin", folder / "etc" / "palisade", folder / "etc" / "ssl" / "certs", share):
        made.mkdir(parents=True)
    own = folder / "usr" / "local" / "bin" / "palisade"
    # Symbols are a fifth of it. What is built for oneself keeps them.
    subprocess.run(["strip", "--strip-all", "-o", own, binary], check=True)
    own.chmod(0o755)

    roots = sorted(AUTHORITIES.glob("*.crt"))
    if not roots:
        sys.exit(f"build.py: {AUTHORITIES} has no certificates: install Debian's package ca-certificates")
    (folder / "etc" / "ssl" / "certs" / "ca-certificates.crt").write_text("".join(root.read_text() for root in roots))

    package, others = sbom.crates(ROOT, record, FEATURES[kind], TRIPLE)
    around = sbom.runtime()
    document = sbom.document(package, others, around, own, sbom.moment(ROOT))
    (share / "sbom.cdx.json").write_text(json.dumps(document, separators=(",", ":")) + "\n")
    sysroot = subprocess.run(["rustc", "--print", "sysroot"], check=True, capture_output=True, text=True).stdout.strip()
    (share / "licences.txt").write_text(licences.document(package, others, around, Path(sysroot) / "share" / "doc" / "rust" / "licenses"))

    if kind == "sandbox":
        # For its own files, and for a volume that is shared with others: a new volume takes the mode over.
        for name in ("tmp", "sandbox"):
            (folder / name).mkdir()
            (folder / name).chmod(0o1777)
    size = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
    print(f"{folder}: {size / 2**20:.1f} MiB, of which the binary {own.stat().st_size / 2**20:.1f}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--sandbox", action="store_true", help="with `palisade dev`")
    parser.add_argument("--profile", choices=["release", "dev"], default="release", help="dev: quickly, beside a `cargo build`")
    arguments = parser.parse_args()
    kind = "sandbox" if arguments.sandbox else "release"
    # The sandbox is for laptops, and of other features.
    flags = profile_guided.use(TRIPLE, CARGO, TARGET / "image") if (kind, arguments.profile) == ("release", "release") else ""
    binary, record = cargo_build(kind, arguments.profile, flags)
    assemble(arguments.folder.resolve(), kind, binary, record)


if __name__ == "__main__":
    main()
