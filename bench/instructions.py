#!/usr/bin/env python3
"""Counts the instructions that Palisade executes for a request, under valgrind, and compares them with those in instructions.json.

A count is not a time, but unlike a time it is the same on a busy machine: what has become slower by work shows here. Each path
has a process of its own, which is warm when the counted requests begin.
"""

import argparse
import hashlib
import json
import os
import re
import shutil
import socket
import ssl
import subprocess
import sys
import time
from pathlib import Path

from rig import process
from rig.configs import HOST, Shape, palisade
from rig.doubles import Double, s3, sts
from rig.identities import Issuer, certificates, path, tenant
from rig.pace import complete
from rig.place import RELEASED, Place
from rig.process import Process, answering

RECORDED = Path(__file__).resolve().parent / "instructions.json"
BODY = b"0123456789abcdef" * 4096
# Requests before it is counted, which pay for what is made once, and requests that are.
WARM, COUNTED = 30, 200
# Seconds for which it is watched while nobody asks for anything.
IDLE = 5
# Reading configuration and keys takes a debug build under valgrind half a minute.
PATIENCE = 300

PATHS = {
    "egress, GET": (palisade.Variant(), b""),
    "egress, GET, guard": (palisade.Variant(guard="rules"), b""),
    "egress, PUT of 64 KiB, hashed": (palisade.Variant(), BODY),
    "ingress, GET": (palisade.Variant(Shape(tls_in=True), ingress=True), b""),
}


class Bench:
    """What stands around Palisade, and one client."""

    def __init__(self, binary: Path):
        self.place = Place(binary)
        # Any: what else runs here does not count.
        self.cpus = ",".join(map(str, sorted(os.sched_getaffinity(0))))
        self.ports, self.work = self.place.ports, self.place.work
        certificates(self.work)
        self.issuer = Issuer()
        Double(self.ports["up"], s3)
        Double(self.ports["sts"], sts)

    def count(self, variant: palisade.Variant, body: bytes) -> int:
        """Instructions for each of some requests, one after the other on one connection, once others like them were answered."""
        config, out = self.work / "palisade.json", self.work / "callgrind.out"
        config.write_text(json.dumps(patient(palisade.config(variant, self.ports, self.work, self.issuer.jwks()))))
        for old in self.work.glob("callgrind.out*"):
            old.unlink()
        argv = ["valgrind", "--tool=callgrind", "--vgdb-poll=1000", f"--callgrind-out-file={out}", self.place.binary, "run", "--config", config]
        # One worker, so that no work is moved from one to another; and it is seldom asked whether it is ready, for the sake of the first dump.
        running = Process("palisade", argv, self.cpus, self.work / "valgrind.log", answering(self.ports["probes"], "/readyz"), stdout=Path("/dev/null"),
                          patience=PATIENCE, pause=0.5, BASE_SECRET="unused", TOKIO_WORKER_THREADS="1")
        try:
            with self._connection(variant) as connection:
                request = self._request(body)
                self._until_dumped(running, lambda: [exchange(connection, request) for _ in range(WARM)])
                busy = self._until_dumped(running, lambda: [exchange(connection, request) for _ in range(COUNTED)])
                idle = self._until_dumped(running, lambda: time.sleep(IDLE))
        finally:
            running.stop(PATIENCE)
        counted, background = (_total(Path(f"{out}.{dump}")) for dump in (2, 3))
        # What is done by the clock, and not for a request, is the more the slower the machine is.
        return round((counted - background * busy / idle) / COUNTED)

    def _until_dumped(self, running: Process, do) -> float:
        """Seconds of wall time that this dump is about."""
        began = time.monotonic()
        do()
        self._dump(running)
        return time.monotonic() - began

    def _dump(self, running: Process):
        """Has callgrind write what it has counted since the last time. It looks for that while it executes something, so it is given something if need be."""
        asked = subprocess.Popen(["vgdb", f"--pid={running.process.pid}", "--wait=240", "--max-invoke-ms=0", "dump"], stdout=subprocess.DEVNULL,
                                 stderr=subprocess.DEVNULL)
        alive, began = answering(self.ports["probes"], "/livez"), time.monotonic()
        while asked.poll() is None:
            waited = time.monotonic() - began
            if waited > PATIENCE:
                asked.kill()
                raise SystemExit("callgrind does not answer")
            time.sleep(0.1)
            if waited > 3:
                alive()

    def _connection(self, variant: palisade.Variant) -> socket.socket:
        connection = socket.create_connection(("127.0.0.1", self.ports["proxy"]), timeout=PATIENCE)
        if not variant.shape.tls_in:
            return connection
        return ssl.create_default_context(cafile=str(self.work / "ca.crt")).wrap_socket(connection, server_hostname="localhost")

    def _request(self, body: bytes) -> bytes:
        headers = {"Host": HOST, "x-tenant-id": tenant(0), "Authorization": f"Bearer {self.issuer.token(tenant(0))}"}
        if body:
            headers |= {"x-amz-content-sha256": hashlib.sha256(body).hexdigest(), "Content-Length": str(len(body))}
        head = f"{'PUT' if body else 'GET'} {path(0)} HTTP/1.1\r\n" + "".join(f"{name}: {value}\r\n" for name, value in headers.items()) + "\r\n"
        return head.encode() + body


def patient(config: dict) -> dict:
    """With deadlines that hold for a program that runs fifty times slower than it is meant to."""
    config["server"] |= {"handshake_timeout": "1m", "header_timeout": "1m", "idle_timeout": "5m"}
    config["identity"]["verification"]["wait"] = "30s"
    if "egress" in config:
        config["egress"]["services"]["s3"]["timeouts"] = {"connect": "1m", "response": "5m"}
        config["credentials"]["sts"]["timeout"] = "30s"
    else:
        config["ingress"]["timeouts"] = {"connect": "1m", "response": "5m"}
    return config


def exchange(connection: socket.socket, request: bytes):
    """One request, and its whole answer."""
    connection.sendall(request)
    answer = b""
    while not complete(answer):
        if not (data := connection.recv(65_536)):
            raise SystemExit(f"the connection ended behind {answer[:300]!r}")
        answer += data
    if not answer.startswith(b"HTTP/1.1 200"):
        raise SystemExit(f"refused: {answer[:600].decode(errors='replace')}")


def _total(dump: Path) -> int:
    found = re.search(r"^(?:totals|summary): (\d+)", dump.read_text(errors="replace"), re.MULTILINE)
    if not found:
        raise SystemExit(f"{dump.name} has no total")
    return int(found[1])


def compare(measured: dict[str, int], recorded: dict[str, int], tolerance: float) -> tuple[list[str], bool]:
    """A line for each path, and whether none of them has become dearer by more than the tolerance (in percent)."""
    lines, good = [], True
    for name, count in measured.items():
        if (old := recorded.get(name)) is None:
            lines.append(f"{name}: {count:,} (not recorded)")
            continue
        change = (count / old - 1) * 100
        verdict = "MORE THAN RECORDED" if change > tolerance else "less than recorded: record it" if change < -tolerance else "as recorded"
        good = good and change <= tolerance
        lines.append(f"{name}: {count:,} instructions a request, {change:+.1f} % ({verdict})")
    return lines, good


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--binary", type=Path, default=RELEASED, help="Palisade (%(default)s)")
    parser.add_argument("--profile", help="what the counts are recorded under (release for what is in images; else by default the name of the binary's directory)")
    parser.add_argument("--record", action="store_true", help="write the counts to instructions.json, for this profile")
    parser.add_argument("--tolerance", type=float, default=3, help="percent by which a path may have become dearer (%(default)s)")
    parser.add_argument("--only", default="", metavar="REGEX", help="only paths in whose name it is found")
    chosen = parser.parse_args()
    if not shutil.which("valgrind"):
        raise SystemExit("valgrind is needed: apt-get install --no-install-recommends valgrind")
    process.end_with_this()
    profile = chosen.profile or ("release" if chosen.binary.resolve() == RELEASED.resolve() else chosen.binary.resolve().parent.name)
    bench, measured = Bench(chosen.binary.resolve()), {}
    try:
        for name, (variant, body) in PATHS.items():
            if re.search(chosen.only, name):
                measured[name] = bench.count(variant, body)
                print(f"{name}: {measured[name]:,}", file=sys.stderr, flush=True)
    finally:
        process.stop_all()
    recorded = json.loads(RECORDED.read_text()) if RECORDED.exists() else {}
    if chosen.record:
        kept = recorded.get(profile, {}).get("paths", {}) | measured
        valgrind = subprocess.run(["valgrind", "--version"], capture_output=True, text=True).stdout.strip()
        rustc = re.search(r"rustc [\d.]+", subprocess.run([chosen.binary, "version"], capture_output=True, text=True).stdout)
        recorded[profile] = {"made_by": f"{rustc[0] if rustc else 'rustc'}, {valgrind}", "paths": kept}
        RECORDED.write_text(json.dumps(recorded, indent=2) + "\n")
        return 0
    if profile not in recorded:
        print(f"nothing is recorded for the profile {profile}: --record", file=sys.stderr)
        return 2
    lines, good = compare(measured, recorded[profile]["paths"], chosen.tolerance)
    print(f"{profile}, recorded with {recorded[profile]['made_by']}", *lines, sep="\n")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
