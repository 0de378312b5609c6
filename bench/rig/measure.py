"""One measurement: what a load cost the proxy, and who else used the machine meanwhile. Rounds of them, interleaved."""

import os
import re
import sys
import time
import urllib.request
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from .check import check
from .identities import path, tenant
from .peers import Lab, Peer
from .place import Place
from .process import Process

TICK = os.sysconf("SC_CLK_TCK")
MIB = 1 << 20


@dataclass(frozen=True)
class Row:
    """A line of the report: which proxy (None is the upstream itself), under which load. `load` is called with the seconds that it is to last."""

    case: str
    name: str
    peer: Peer | None
    load: Callable[[float], dict]


@dataclass(frozen=True)
class Options:
    rounds: int
    seconds: float
    quick: bool
    only: re.Pattern


class Run:
    """The measurements of one invocation. `records` grows by one with each: set, case, name, round, and values by name."""

    def __init__(self, lab: Lab, options: Options):
        self.lab, self.options, self.records = lab, options, []
        self._checked, self._requests = set(), {}

    def requests(self, count: int, tenants: int, algorithm: str = "ES256") -> Path:
        """A file for `wrk.lua`; made once."""
        key = (count, tenants, algorithm)
        if key not in self._requests:
            self._requests[key] = self.lab.issuer.requests(self.lab.place.memory / f"requests-{count}-{tenants}-{algorithm}", *key)
        return self._requests[key]

    def one_request(self, number: int = 0, key: str = "key") -> tuple[str, str, str]:
        """For generators that send one request again and again."""
        return path(number, key), tenant(number), self.lab.issuer.token(tenant(number))

    def wanted(self, row: Row) -> bool:
        return bool(self.options.only.search(f"{row.case} {row.name}"))

    def rounds(self, set_: str, rows: Iterable[Row], measure: Callable[[Row, Process | None], dict], rounds: int | None = None):
        """All rows, and all again, so that a slow minute of the machine touches each of them alike."""
        rows = [row for row in rows if self.wanted(row)]
        for number in range(rounds or self.options.rounds):
            for row in rows:
                self.record(set_, row, number, self._one(row, measure))

    def record(self, set_: str, row: Row, number: int, values: dict):
        self.records.append({"set": set_, "case": row.case, "name": row.name, "round": number, "values": values})
        shown = " ".join(f"{name}={value:.4g}" for name, value in values.items())
        print(f"{set_} {number} | {row.case} | {row.name} | {shown}", file=sys.stderr, flush=True)

    def _one(self, row: Row, measure: Callable[[Row, Process | None], dict]) -> dict:
        if row.peer is None:
            return measure(row, None)
        with self.lab.start(row.peer) as proxy:
            if row.peer not in self._checked:
                check(self.lab, row.peer, proxy)
                self._checked.add(row.peer)
            return measure(row, proxy)

    def loaded(self, row: Row, proxy: Process | None) -> dict:
        """Warms up, and then measures the load: rate, latency where the generator has it, and CPU of the proxy for each request."""
        row.load(1)
        return self.during(proxy, lambda: row.load(self.options.seconds))

    def during(self, proxy: Process | None, load: Callable[[], dict]) -> dict:
        own = [p for p in (proxy, self.lab.upstream) if p]
        before, busy, ours, began = [p.cpu() for p in own], _busy(), _children(), time.monotonic()
        values = load()
        wall, used = time.monotonic() - began, [(p.cpu() - b) / 1e9 for p, b in zip(own, before, strict=True)]
        if proxy:
            values |= {"cpu_us": used[0] * 1e6 / values["requests"], "used": used[0] / wall}
        # CPUs that were used by what is no part of this.
        return values | {"others": max(0.0, (_busy() - busy - sum(used) - (_children() - ours)) / wall)}


def _busy() -> float:
    """Seconds that the CPUs of the proxy and of the load, together, were not idle; what the hypervisor took is counted as busy."""
    fields = [int(f) for f in Path("/proc/stat").read_text().splitlines()[0].split()[1:9]]
    return (sum(fields) - fields[3] - fields[4]) / TICK


def _children() -> float:
    """CPU seconds of this process (the judge and the sinks) and of the generators that it has waited for."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


def metric(place: Place, name: str, **labels: str) -> float:
    """The sum of all of Palisade's series of that name with these labels."""
    with urllib.request.urlopen(f"http://127.0.0.1:{place.ports['admin']}/metrics", timeout=10) as answer:
        text = answer.read().decode()
    lines = re.findall(rf"^{name}(?:\{{(.*)\}})? (\S+)$", text, re.MULTILINE)
    return sum(float(value) for have, value in lines if all(f'{k}="{v}"' in have for k, v in labels.items()))
