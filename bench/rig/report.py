"""The report: Markdown out of the records of a run, and nothing else."""

import shlex
from dataclasses import dataclass

from .medians import Medians
from .targets import TARGETS, Target

NOTHING = "–"


@dataclass(frozen=True)
class Column:
    title: str
    value: str
    digits: int = 1
    # Beside the median also the lowest and the highest.
    spread: bool = False


CPU, RATE = Column("CPU µs a request", "cpu_us", spread=True), Column("requests a second", "rps", 0)
LATENCY = [Column("p50 ms", "p50_ms", 2), Column("p99 ms", "p99_ms", 2), Column("p99.9 ms", "p999_ms", 2)]
LOAD = [CPU, RATE, *LATENCY, Column("of its CPU used", "used", 2)]

# By set: title, what the reader has to know, and columns.
SETS: dict[str, tuple[str, str, list[Column]]] = {
    "small": ("Small requests", "GET, 128 bytes of answer, 100 tenants with a token each, all seen before. Closed loop.", LOAD),
    "conc": ("Concurrency", "The same with fewer connections, and with more.", LOAD),
    "tls": ("TLS", "The same, c=64, connections kept. *in* is from clients, *out* is to the upstream. The ingress forwards to the application in clear.", LOAD),
    "h2": ("HTTP/2", "32 connections of 4 requests each, one token; HTTP/1.1 to the upstream.", [CPU, RATE, Column("of its CPU used", "used", 2)]),
    "tokens": ("Tokens", "*seen*: 100 tokens in turn. *never seen*: thousands in turn, so that each is forgotten before it comes again, and for Envoy without its cache.", LOAD),
    "tenants": ("Many tenants", "A token, a session, a limit and a record for each; every one has made a request before. With *few tokens*, a hundred are remembered.", [*LOAD, Column("and idle", "idle_used", 3), Column("RSS MiB", "rss_mib")]),
    "cold": ("Cold tenants", "Every request is its tenant's first: a token to verify, and a call to STS to wait for, which answers at once.", LOAD),
    "big": ("Large bodies", "64 MiB each, HTTP/1.1. *peak* is since the proxy was warm.",
            [Column("CPU µs a MiB", "cpu_us_mib", 0, spread=True), Column("MiB/s", "mib_s", 0), Column("peak RSS MiB", "peak_mib")]),
    "connect": ("New connections", "TLS 1.3 handshakes are full ones, one after the other, with ECDSA on P-256.", [CPU, RATE, *LATENCY]),
    "memory": ("Memory", "Resident: half a second after start, at most under c=256, and after it. *own* is without what is mapped from files, the program itself above all.",
               [Column("idle MiB", "idle_mib"), Column("own", "idle_own_mib"), Column("peak MiB", "peak_mib"), Column("after MiB", "after_mib"), Column("own", "after_own_mib")]),
    "rate": ("Latency at fixed rates", "Open loop, 64 connections: latency counts from when a request was due, whether or not there was a connection for it "
             "(corrected for coordinated omission).", [*LATENCY, CPU, RATE]),
    "start": ("Start", "From the start of the process until it says that it is ready. Palisade asks STS who it is before.", [Column("ms", "ready_ms", spread=True)]),
}


def render(run: dict) -> str:
    """`run` has `command`, `date`, `machine`, `options`, `records` and `failures`, as `run.py` keeps them."""
    medians = Medians.of(run["records"])
    parts = ["# Palisade, Envoy and nginx side by side", _introduction(run), "## Targets", _targets(medians)]
    for name in SETS:
        if name in medians.tables:
            title, note, columns = SETS[name]
            parts += [f"## {title}", note, _table(medians, name, columns)]
    if run["failures"]:
        parts += ["## Not measured", "\n".join(f"* {failure}" for failure in run["failures"])]
    parts += ["## Machine", "\n".join(f"* **{what}**: {value}" for what, value in run["machine"].items()), _noise(run["records"])]
    return "\n\n".join(parts) + "\n"


def _introduction(run: dict) -> str:
    options = run["options"]
    return (f"Written by `{' '.join(map(shlex.quote, run['command']))}`, {run['date']}: medians of {options['rounds']} interleaved rounds of {options['seconds']:g} s"
            f" (large bodies, memory and tenants: at most 3 rounds). Loopback, the proxy on one CPU, load and upstream on another; CPU time is the proxy's own, user and system. "
            "It is the figure to compare: a fast proxy keeps the generator busy rather than itself, and then requests a second are the generator's. "
            "What each proxy does, and the limits of the method: [README.md](README.md).")


def _targets(medians: Medians) -> str:
    rows = [_target(target, medians) for target in TARGETS]
    return _markdown(["", "target", "beyond", "measured", "met"], rows)


def _target(target: Target, medians: Medians) -> list[str]:
    sign = "≥" if target.least else "≤"
    bound = lambda b: NOTHING if b in (None, float("inf")) else f"{sign} {b:g} {target.unit}"  # noqa: E731
    value = target.measure(medians)
    if value is None:
        return [target.what, bound(target.target), bound(target.beyond), "not measured", NOTHING]
    if target.met(value, target.beyond):
        met = "beyond"
    elif target.target == float("inf"):
        met = "no"
    else:
        met = "yes" if target.met(value, target.target) else "**no**"
    return [target.what, bound(target.target), bound(target.beyond), f"{value:.3g} {target.unit}", met]


def _table(medians: Medians, set_: str, columns: list[Column]) -> str:
    rows, table = [], medians.tables[set_]
    columns = [c for c in columns if any(c.value in values for values in table.values())]
    measure = next((v for v in ("cpu_us", "cpu_us_mib") if any(v in values for values in table.values())), None)
    titles = ["", "", *(c.title for c in columns), *(["CPU × nginx", "CPU × Envoy"] if measure else [])]
    previous = None
    for (case, name), values in table.items():
        cells = [_cell(medians, set_, case, name, values, column) for column in columns]
        if measure:
            cells += [_times(values.get(measure), table.get((case, peer), {}).get(measure), name == peer) for peer in ("nginx", "Envoy")]
        rows.append([case if case != previous else "", f"**{name}**" if name.startswith("Palisade") else name, *cells])
        previous = case
    used = [n for n in range(len(titles)) if n < 2 or any(row[n] != NOTHING for row in rows)]
    return _markdown([titles[n] for n in used], [[row[n] for n in used] for row in rows])


def _cell(medians: Medians, set_: str, case: str, name: str, values: dict[str, float], column: Column) -> str:
    if column.value not in values:
        return NOTHING
    text = f"{values[column.value]:,.{column.digits}f}"
    low, high = medians.spread[set_, case, name, column.value]
    return f"{text} ({low:,.{column.digits}f}–{high:,.{column.digits}f})" if column.spread and low != high else text


def _times(value: float | None, of: float | None, itself: bool) -> str:
    return NOTHING if itself or not value or not of else f"{value / of:.2f}"


def _noise(records: list[dict]) -> str:
    others = sorted(record["values"]["others"] for record in records if "others" in record["values"])
    if not others:
        return ""
    text = f"CPUs used by anything else while measuring: median {others[len(others) // 2]:.2f}, at most {others[-1]:.2f}."
    return text if others[len(others) // 2] < 0.1 else f"{text} **The machine was not quiet: these figures are not to be relied on.**"


def _markdown(titles: list[str], rows: list[list[str]]) -> str:
    lines = [titles, ["---"] * len(titles), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
