#!/usr/bin/env python3
"""Go and the AWS SDK for Go v2 from Debian's packages, unpacked under the build directory and not installed.

usage: golang.py           fetches both and compiles the SDK; quick when that is done
       golang.py FILE OUT  compiles one program against them
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TARGET = Path(os.environ.get("CARGO_TARGET_DIR") or ROOT / "target").resolve()
HOME = TARGET / "tools" / "go"
LIBRARIES = ["golang-github-aws-aws-sdk-go-v2-dev", "golang-github-aws-smithy-go-dev", "golang-github-jmespath-go-jmespath-dev"]
# A seventh of what the packages hold is enough to compile with: no tests, no compiled standard library, no services but S3.
UNUSED = ["*/pkg/linux_*/*", "*/pkg/tool/*/[!acl]*", "*/src/cmd/*", "*/go-*/test/*", "*/go-*/api/*", "*/testdata/*", "*_test.go",
          "*/aws-sdk-go-v2/service/[!si]*", "*/aws-sdk-go-v2/service/s[!3]*", "*/usr/share/doc/*"]


def compilers() -> list[str]:
    """The packages behind Debian's `golang-go`, which is one that depends on the current version."""
    depends = subprocess.run(["apt-cache", "depends", "golang-go", "golang-src"], check=True, capture_output=True, text=True).stdout
    return sorted(set(re.findall(r"Depends: (golang-[\d.]+-\w+)", depends)))


def fetch(home: Path):
    with tempfile.TemporaryDirectory() as directory:
        subprocess.run(["apt-get", "update", "-qq"], check=True, timeout=120)
        subprocess.run(["apt-get", "download", "-qq", "-o", "APT::Sandbox::User=root", *compilers(), *LIBRARIES], check=True, cwd=directory, timeout=300)
        for package in sorted(Path(directory).glob("*.deb")):
            with subprocess.Popen(["dpkg-deb", "--fsys-tarfile", package], stdout=subprocess.PIPE) as archive:
                subprocess.run(["tar", "-x", "-C", home, *(f"--exclude={name}" for name in UNUSED)], stdin=archive.stdout, check=True)
            if archive.returncode:
                raise RuntimeError(f"{package.name} could not be unpacked")


def compile_program(source: Path, out: Path):
    (root,) = (HOME / "usr" / "lib").glob("go-*")
    environment = {"PATH": os.environ["PATH"], "HOME": str(HOME), "GOROOT": str(root), "GOPATH": str(HOME / "usr" / "share" / "gocode"),
                   "GOCACHE": str(HOME / "cache"), "GO111MODULE": "off", "CGO_ENABLED": "0", "GOTOOLCHAIN": "local"}
    subprocess.run([root / "bin" / "go", "build", "-o", out, source], env=environment, check=True, timeout=300)


def main() -> int:
    if len(sys.argv) == 3:
        compile_program(Path(sys.argv[1]), Path(sys.argv[2]))
        return 0
    if sys.argv[1:]:
        print(__doc__, file=sys.stderr)
        return 2
    done, started = HOME / "done", time.monotonic()
    if done.exists():
        return 0
    shutil.rmtree(HOME, ignore_errors=True)
    HOME.mkdir(parents=True)
    fetch(HOME)
    with tempfile.TemporaryDirectory() as directory:
        probe = Path(directory) / "main.go"
        probe.write_text('package main\n\nimport (\n\t_ "github.com/aws/aws-sdk-go-v2/credentials"\n\t_ "github.com/aws/aws-sdk-go-v2/service/s3"\n)\n\nfunc main() {}\n')
        compile_program(probe, Path(directory) / "probe")
    done.touch()
    print(f"Go and its AWS SDK: {time.monotonic() - started:.0f} s", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
