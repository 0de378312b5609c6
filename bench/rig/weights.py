"""What is measured of memory, of many tenants, of large bodies, and of starting."""

import hashlib
import os
import time
from pathlib import Path

from . import load
from .configs import Shape, envoy, palisade
from .load import Failed
from .measure import MIB, Row, Run, metric
from .peers import Nginx, Peer
from .process import Process
from .sets import CONNECTIONS, TENANTS

# Of a body, and of a chunk of one that is framed: what the SDKs for Java and Go send.
BODY, CHUNK = 64 * MIB, 64 * 1024


def _many(run: Run) -> int:
    return 5_000 if run.options.quick else 100_000


def tenants(run: Run):
    """Few tenants and many, each with a token and, in Palisade, a session, a limit and a record of its own: all warm."""
    port, many = run.lab.ports["proxy"], _many(run)

    def row(name: str, count: int, peer: Peer) -> Row:
        requests = run.requests(count, count)
        return Row(f"{count:,} tenants", name, peer, lambda seconds: load.wrk(port, requests, CONNECTIONS, seconds))

    def measure(row: Row, proxy: Process) -> dict:
        count = row.peer.shape.tenants
        _everyone(run, count)
        values = run.loaded(row, proxy)
        # What it does for its tenants by itself, while nobody asks for anything.
        before, wait = proxy.cpu(), 1 if run.options.quick else 5
        time.sleep(wait)
        return values | {"idle_used": (proxy.cpu() - before) / 1e9 / wait, "rss_mib": proxy.memory() / MIB}

    peers = [row("Palisade", n, palisade.Variant(Shape(tenants=n), remembered=max(10_000, 2 * n))) for n in (TENANTS, many)]
    # What a tenant takes without a token that is remembered for it.
    peers += [row("Palisade, few tokens", n, palisade.Variant(Shape(tenants=n), remembered=100)) for n in (TENANTS, many)]
    peers += [row("Envoy", n, envoy.Variant(Shape(tenants=n), remembered=max(4096, 2 * n))) for n in (TENANTS, many)]
    run.rounds("tenants", peers, measure, min(3, run.options.rounds))


def _everyone(run: Run, count: int):
    """Each tenant has made a request."""
    done, requests = 0, run.requests(count, count)
    while done < count:
        done += load.wrk(run.lab.ports["proxy"], requests, CONNECTIONS, 1 if count <= 1_000 else 5, first=done)["requests"]


def cold(run: Run):
    """Each request is its tenant's first, and waits for STS; and then the same tenants once more."""
    port, many = run.lab.ports["proxy"], _many(run)
    requests, peer = run.requests(many, many), palisade.Variant(Shape(tenants=many), remembered=2 * many)
    rows = [Row("first request of a tenant", "Palisade", peer, lambda seconds: load.wrk(port, requests, CONNECTIONS, seconds))]

    def measure(row: Row, proxy: Process) -> dict:
        # Not longer than there are new tenants.
        values = run.during(proxy, lambda: row.load(1 if run.options.quick else min(4, run.options.seconds)))
        calls = metric(run.lab.place, "palisade_sts_requests_total", result="ok")
        # What the functional check has asked for, and the last on each connection, which are not counted.
        if not values["requests"] - 4 <= calls <= values["requests"] + CONNECTIONS + 4:
            raise Failed(f"{calls:.0f} calls to STS for {values['requests']} requests: not every one was a tenant's first")
        return values

    run.rounds("cold", rows, measure, min(3, run.options.rounds))


def memory(run: Run):
    """Resident memory: when ready, after a request, and after 256 connections have done what they can."""
    requests, port = run.requests(TENANTS, TENANTS), run.lab.ports["proxy"]
    rows = []
    for case, shape in {"plaintext": Shape(), "TLS in and out": Shape(tls_in=True, tls_out=True)}.items():
        for name, peer in {"nginx": Nginx(shape), "Envoy": envoy.Variant(shape), "Palisade": palisade.Variant(shape)}.items():
            rows.append(Row(case, name, peer, lambda seconds, tls=shape.tls_in: load.wrk(port, requests, 256, seconds, tls)))
    rows.append(Row("plaintext", "Palisade, guard and Cedar", palisade.Variant(guard="cedar"), lambda seconds: load.wrk(port, requests, 256, seconds)))

    def measure(row: Row, proxy: Process) -> dict:
        time.sleep(0.5)
        idle, own = proxy.memory() / MIB, proxy.memory("RssAnon") / MIB
        row.load(run.options.seconds)
        return {"idle_mib": idle, "idle_own_mib": own, "peak_mib": proxy.memory("VmHWM") / MIB, "after_mib": proxy.memory() / MIB, "after_own_mib": proxy.memory("RssAnon") / MIB}

    run.rounds("memory", rows, measure, min(3, run.options.rounds))


def start(run: Run):
    """From the start of the process until it says that it is ready."""
    peers = {"nginx": Nginx(), "Envoy": envoy.Variant(), "Palisade": palisade.Variant(), "Palisade, ingress": palisade.Variant(Shape(tls_in=True), ingress=True),
             "Palisade, guard and Cedar": palisade.Variant(guard="cedar")}
    rows = [Row("100 tenants", name, peer, lambda _: {}) for name, peer in peers.items()]
    rows.append(Row(f"{_many(run):,} tenants", "Palisade", palisade.Variant(Shape(tenants=_many(run))), lambda _: {}))
    run.rounds("start", rows, lambda _, proxy: {"ready_ms": proxy.start_time * 1e3}, max(5, run.options.rounds))


def big(run: Run):
    """64 MiB up in each payload mode, and down; one at a time, and eight at once."""
    block = os.urandom(MIB)
    plain, framed, trailed = _bodies(run.lab.place.memory, block)
    digest = hashlib.sha256(block * (BODY // MIB)).hexdigest()
    chunked = {"x-amz-decoded-content-length": str(BODY), "content-encoding": "aws-chunked"}
    unsigned = ("PUT, unsigned", plain, {"x-amz-content-sha256": "UNSIGNED-PAYLOAD"})
    hashed = ("PUT, hash", plain, {"x-amz-content-sha256": digest})
    signed = ("PUT, signed chunks", framed, {"x-amz-content-sha256": "STREAMING-AWS4-HMAC-SHA256-PAYLOAD", **chunked})
    trailing = ("PUT, unsigned chunks", trailed, {"x-amz-content-sha256": "STREAMING-UNSIGNED-PAYLOAD-TRAILER", "x-amz-trailer": "x-amz-checksum-crc32", **chunked})
    down = ("GET", None, {})
    rows = []
    for together in (1, 8):
        for way, both in (("in clear", False), ("TLS in and out", True)):
            for mode, body, headers in (unsigned, hashed, signed, trailing, down):
                if both and body not in (plain, None):
                    continue
                shape = Shape(both, both, "sink" if body else "up")
                peers = {"Palisade": palisade.Variant(shape)}
                if mode in ("PUT, unsigned", "GET"):
                    peers = {"nginx": Nginx(shape), "Envoy": envoy.Variant(shape)} | peers
                    peers = ({} if both else {"direct": None}) | peers
                elif mode == "PUT, hash" and not both:
                    # Envoy hashes what it holds, and refuses what it may not.
                    peers = {"Envoy, buffers of 80 MiB": envoy.Variant(shape, signs_bodies=True, buffer=80 * MIB)} | peers
                for name, peer in peers.items():
                    rows.append(_transfer(run, f"{mode}, {way}, {together} at once", name, peer, shape, body, headers, together))

    def measure(row: Row, proxy: Process | None) -> dict:
        row.load(0)
        if proxy:
            proxy.forget_peak()
        before = sum(sink.bytes for sink in run.lab.sinks)
        values = run.during(proxy, lambda: row.load(1))
        moved = values["requests"] * BODY / MIB
        if "PUT" in row.case and (arrived := (sum(sink.bytes for sink in run.lab.sinks) - before) / MIB) < moved:
            raise Failed(f"{row.case}: {arrived:.0f} of {moved:.0f} MiB arrived")
        out = {"mib_s": moved / values["seconds"], "others": values["others"]}
        if proxy:
            out |= {"cpu_us_mib": values["cpu_us"] / (BODY / MIB), "peak_mib": proxy.memory("VmHWM") / MIB}
        return out

    run.rounds("big", rows, measure, min(3, run.options.rounds))


def _transfer(run: Run, case: str, name: str, peer: Peer | None, shape: Shape, body: Path | None, headers: dict, together: int) -> Row:
    port = run.lab.ports["proxy"] if peer else shape.port(run.lab.ports)
    request, count = run.one_request(key="upload" if body else "big"), together * (2 if run.options.quick else 4)

    def send(which: float) -> dict:
        # 0 is the warm-up.
        return load.h2load(port, request, together, 1, count=count if which else together, tls=bool(peer) and shape.tls_in, http1=True, body=body, headers=headers)

    return Row(case, name, peer, send)


def _bodies(directory: Path, block: bytes) -> tuple[Path, Path, Path]:
    """What is sent and fetched: plain; framed, with signatures of the right form; framed, with a checksum behind."""
    down = directory / "bench-bucket" / "tenant-000000"
    down.mkdir(parents=True, exist_ok=True)
    plain, framed, trailed = (directory / name for name in ("plain", "framed", "trailed"))
    chunks = [block[at : at + CHUNK] for at in range(0, MIB, CHUNK)]
    signature = b";chunk-signature=" + b"0" * 64
    with plain.open("wb") as p, framed.open("wb") as f, trailed.open("wb") as t:
        for _ in range(BODY // MIB):
            p.write(block)
            for chunk in chunks:
                f.write(b"%x%s\r\n%s\r\n" % (len(chunk), signature, chunk))
                t.write(b"%x\r\n%s\r\n" % (len(chunk), chunk))
        f.write(b"0%s\r\n\r\n" % signature)
        # Nobody on this way computes it: S3 would.
        t.write(b"0\r\nx-amz-checksum-crc32:AAAAAA==\r\n\r\n")
    if not (down / "big").exists():
        (down / "big").hardlink_to(plain)
    return plain, framed, trailed
