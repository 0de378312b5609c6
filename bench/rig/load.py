"""The load generators, and what they say. Each answer is checked to be a success: a figure of refusals is none."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

from .configs import HOST

HERE = Path(__file__).resolve().parents[1]
UNITS = {"us": 1e-3, "ms": 1.0, "s": 1e3}


class Failed(Exception):
    """Requests were refused or broke."""


def wrk(port: int, requests: Path, connections: int, seconds: float, tls: bool = False, first: int = 0, close: bool = False) -> dict:
    """HTTP/1.1, each connection sends its next request when it has the answer to the last."""
    environment = os.environ | {"REQUESTS": str(requests), "FIRST": str(first), "HOST_HEADER": HOST} | ({"CLOSE": "1"} if close else {})
    url = f"{'https' if tls else 'http'}://localhost:{port}"
    argv = ["wrk", "-t1", f"-c{connections}", f"-d{max(1, round(seconds))}s", "--timeout", "30s", "-s", str(HERE / "wrk.lua"), url]
    out = _run(argv, environment)
    values = json.loads(out.strip().splitlines()[-1])
    if values["refused"] or values["broken"] or not values["requests"]:
        raise Failed(f"wrk: {values['requests']} requests, {values['refused']} refused, {values['broken']} broken")
    return values | {"rps": values["requests"] / values["seconds"]}


def h2load(port: int, request: tuple[str, str, str], clients: int, streams: int, *, seconds: float = 0, count: int = 0, tls: bool = False,
           http1: bool = False, body: Path | None = None, headers: dict[str, str] | None = None) -> dict:
    """HTTP/2 (or HTTP/1.1) with `streams` requests at once on each connection; all are the same request: path, tenant, token."""
    path, tenant, token = request
    sent = {":authority": HOST, "x-tenant-id": tenant, "authorization": f"Bearer {token}", **(headers or {})}
    argv = ["h2load", "-t1", f"-c{clients}", f"-m{streams}", *(["--h1"] if http1 else []), *([f"-n{count}"] if count else [f"-D{max(1, round(seconds))}"])]
    if body:
        argv += ["-d", str(body)]
        sent[":method"] = "PUT"
    for name, value in sent.items():
        argv += ["-H", f"{name}: {value}"]
    out = _run([*argv, f"{'https' if tls else 'http'}://localhost:{port}{path}"])
    finished = re.search(r"finished in ([\d.]+)(us|ms|s), ([\d.]+) req/s", out)
    requests = re.search(r"(\d+) succeeded, (\d+) failed, (\d+) errored, (\d+) timeout", out)
    statuses = re.search(r"status codes: (\d+) 2xx, (\d+) 3xx, (\d+) 4xx, (\d+) 5xx", out)
    if not (finished and requests and statuses):
        raise Failed(f"h2load: {out[-400:]}")
    good, bad = int(statuses[1]), sum(map(int, [*statuses.groups()[1:], *requests.groups()[1:]]))
    if bad or not good or (count and good != count):
        raise Failed(f"h2load: {good} good, {bad} bad\n{out[-400:]}")
    return {"requests": good, "seconds": float(finished[1]) * UNITS[finished[2]] / 1e3, "rps": float(finished[3])}


def handshakes(port: int, seconds: float) -> dict:
    """New TLS 1.3 connections, one after the other, without resumption and without a request."""
    argv = ["openssl", "s_time", "-connect", f"localhost:{port}", "-new", "-tls1_3", "-time", str(max(1, round(seconds)))]
    out = _run(argv)
    found = re.search(r"(\d+) connections in ([\d.]+) real seconds", out)
    if not found or not int(found[1]):
        raise Failed(f"openssl s_time: {out[-400:]}")
    return {"requests": int(found[1]), "seconds": float(found[2]), "rps": int(found[1]) / float(found[2])}


def pace(port: int, requests: Path, connections: int, rate: int, seconds: float) -> dict:
    """`rate` requests a second, whatever the answers do. Latency counts from when a request was due."""
    values = json.loads(_run([sys.executable, str(HERE / "rig" / "pace.py"), str(port), str(requests), HOST, str(connections), str(rate), str(seconds)]))
    if values["refused"]:
        raise Failed(f"pace: {values['refused']} refused")
    return values


def _run(argv: list[str], environment: dict | None = None) -> str:
    done = subprocess.run(argv, env=environment, capture_output=True, text=True, timeout=600)
    if done.returncode != 0:
        raise Failed(f"{argv[0]} ended with {done.returncode}: {(done.stdout + done.stderr)[-600:]}")
    return done.stdout
