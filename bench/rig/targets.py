"""What Palisade is meant to reach, and how that is read off the measurements."""

from collections.abc import Callable
from dataclasses import dataclass

from .medians import Medians

PALISADE, ENVOY, NGINX, PLAIN = "Palisade", "Envoy", "nginx", "plaintext, c=64"


@dataclass(frozen=True)
class Target:
    """`measure` gives a number, or None where something it needs was not measured. Lower is better, unless `least` says that it is the least."""

    what: str
    unit: str
    target: float
    beyond: float | None
    measure: Callable[[Medians], float | None]
    least: bool = False

    def met(self, value: float, bound: float | None) -> bool:
        return bound is not None and (value >= bound if self.least else value <= bound)


def _value(set_: str, case: str, name: str, value: str) -> Callable[[Medians], float | None]:
    return lambda m: m.get(set_, case, name, value)


def _of(combine: Callable[..., float], *parts: Callable[[Medians], float | None]) -> Callable[[Medians], float | None]:
    def measure(m: Medians) -> float | None:
        values = [part(m) for part in parts]
        return None if None in values else combine(*values)
    return measure


def _ratio(a: Callable, b: Callable) -> Callable[[Medians], float | None]:
    return _of(lambda x, y: x / y, a, b)


def _extra(algorithm: str) -> Callable[[Medians], float | None]:
    case = lambda seen: _value("tokens", f"{algorithm}, {seen}", PALISADE, "cpu_us")  # noqa: E731
    return _of(lambda new, old: new - old, case("never seen"), case("seen"))


def _big(mode: str, name: str, value: str, together: int = 1) -> Callable[[Medians], float | None]:
    return _value("big", f"{mode}, in clear, {together} at once", name, value)


def _stream(mode: str) -> Callable[[Medians], float | None]:
    """What each of seven more streams adds to the peak."""
    return _of(lambda eight, one: (eight - one) / 7, *(_big(mode, PALISADE, "peak_mib", n) for n in (8, 1)))


def _tenant_kib(name: str) -> Callable[[Medians], float | None]:
    """Resident memory that each tenant adds."""
    def measure(m: Medians) -> float | None:
        rows = [(case, values["rss_mib"]) for (case, who), values in m.tables.get("tenants", {}).items() if who == name]
        if len(rows) < 2:
            return None
        (few, small), (many, large) = sorted((int(case.split()[0].replace(",", "")), mib) for case, mib in rows)
        return (large - small) * 1024 / (many - few)
    return measure


def _many_tenants(m: Medians) -> float | None:
    rates = [values["rps"] for (_, name), values in m.tables.get("tenants", {}).items() if name == PALISADE]
    return rates[1] / rates[0] if len(rates) == 2 else None


def _per_second(name: str) -> Callable[[Medians], float | None]:
    return _of(lambda us: 1e6 / us, _value("connect", "TLS 1.3 handshakes", name, "cpu_us"))


SMALL_CPU, SMALL_RPS, SMALL_P99 = ({n: _value("small", PLAIN, n, v) for n in (PALISADE, ENVOY, NGINX)} for v in ("cpu_us", "rps", "p99_ms"))

TARGETS = [
    Target("small signed request, plaintext, token seen before", "µs CPU", 35, 25, SMALL_CPU[PALISADE]),
    Target("the same, throughput", "× Envoy", 2.5, None, _ratio(SMALL_RPS[PALISADE], SMALL_RPS[ENVOY]), least=True),
    Target("the same, CPU", "× nginx", float("inf"), 2, _ratio(SMALL_CPU[PALISADE], SMALL_CPU[NGINX])),
    Target("the same, TLS in and out", "µs CPU", 45, 35, _value("tls", "TLS in and out", PALISADE, "cpu_us")),
    Target("h2 over TLS from clients", "µs CPU", 55, 40, _value("h2", "h2 over TLS", PALISADE, "cpu_us")),
    Target("token never seen, ES256, on top", "µs CPU", 60, None, _extra("ES256")),
    Target("token never seen, RS256, on top", "µs CPU", 30, None, _extra("RS256")),
    Target("p99 at c=64", "× Envoy", 0.5, None, _ratio(SMALL_P99[PALISADE], SMALL_P99[ENVOY])),
    Target("p99 at c=64", "× nginx", float("inf"), 2, _ratio(SMALL_P99[PALISADE], SMALL_P99[NGINX])),
    Target("resident memory, idle", "MiB", 15, 12, _value("memory", "plaintext", PALISADE, "idle_mib")),
    Target("resident memory, after c=256", "MiB", 25, 20, _value("memory", "plaintext", PALISADE, "after_mib")),
    Target("many tenants, warm, throughput", "× that of 100", 0.9, None, _many_tenants, least=True),
    Target("memory of a tenant, its token remembered", "KiB", 4, None, _tenant_kib(PALISADE)),
    Target("memory of a tenant, its token not remembered", "KiB", 4, None, _tenant_kib("Palisade, few tokens")),
    Target("64 MiB PUT, hash verified on the fly", "ms CPU a MiB", 1.2, 0.9, _of(lambda us: us / 1e3, _big("PUT, hash", PALISADE, "cpu_us_mib"))),
    Target("the same, memory of a stream", "MiB", 1, None, _stream("PUT, hash")),
    Target("64 MiB PUT, chunks signed anew", "ms CPU a MiB", 1.4, None, _of(lambda us: us / 1e3, _big("PUT, signed chunks", PALISADE, "cpu_us_mib"))),
    Target("the same, memory of a stream", "MiB", 1, None, _stream("PUT, signed chunks")),
    *(Target(f"64 MiB {mode}, CPU", "× Envoy", 1, None, _ratio(_big(mode, PALISADE, "cpu_us_mib"), _big(mode, ENVOY, "cpu_us_mib")))
      for mode in ("PUT, unsigned", "GET")),
    *(Target(f"64 MiB {mode}, throughput", "× nginx", 1, None, _ratio(_big(mode, PALISADE, "mib_s"), _big(mode, NGINX, "mib_s")), least=True)
      for mode in ("PUT, unsigned", "GET")),
    Target("TLS 1.3 handshakes a CPU second", "× nginx", 1, None, _ratio(_per_second(PALISADE), _per_second(NGINX)), least=True),
    Target("start to ready", "ms", 50, None, _value("start", "100 tenants", PALISADE, "ready_ms")),
]
