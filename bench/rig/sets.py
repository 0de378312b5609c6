"""What is measured under small requests: which proxies, which variants, which load."""

from collections.abc import Iterable

from . import load
from .configs import Shape, envoy, palisade
from .load import Failed
from .measure import Row, Run, metric
from .peers import Nginx, Peer
from .process import Process

# At once, where nothing else is said.
CONNECTIONS = 64
TENANTS = 100


def _wrk(run: Run, case: str, name: str, peer: Peer | None, connections: int = CONNECTIONS, count: int = TENANTS, algorithm: str = "ES256") -> Row:
    """HTTP/1.1, `count` tokens in turn over the tenants. Each run goes on where the one before has ended."""
    tls, done = bool(peer) and peer.shape.tls_in, 0
    port = run.lab.ports["proxy" if peer else "up"]

    def send(seconds: float) -> dict:
        nonlocal done
        values = load.wrk(port, run.requests(count, min(count, TENANTS), algorithm), connections, seconds, tls, first=done)
        # The last on each connection was sent, and not counted.
        done += values["requests"] + connections
        return values

    return Row(case, name, peer, send)


def small(run: Run):
    """The main figures: small answers, in clear, tokens that were seen before."""
    case = "plaintext, c=64"
    run.rounds("small", [
        _wrk(run, case, "direct", None),
        _wrk(run, case, "nginx", Nginx()),
        _wrk(run, case, "Envoy", envoy.Variant()),
        _wrk(run, case, "Palisade", palisade.Variant()),
        _wrk(run, case, "Palisade, guard", palisade.Variant(guard="rules")),
        _wrk(run, case, "Palisade, guard and Cedar", palisade.Variant(guard="cedar")),
    ], run.loaded)


def conc(run: Run):
    """Fewer connections, and more."""
    peers = {"direct": None, "nginx": Nginx(), "Envoy": envoy.Variant(), "Palisade": palisade.Variant()}
    run.rounds("conc", [_wrk(run, f"plaintext, c={c}", name, peer, c) for c in (32, 256) for name, peer in peers.items()], run.loaded)


def tls(run: Run):
    """TLS 1.3 on either side, connections that are kept. The ingress is here, since it has no other listener."""
    shapes = {"TLS in": Shape(tls_in=True), "TLS out": Shape(tls_out=True), "TLS in and out": Shape(tls_in=True, tls_out=True)}
    rows = []
    for case, shape in shapes.items():
        rows += [_wrk(run, case, "nginx", Nginx(shape)), _wrk(run, case, "Envoy", envoy.Variant(shape)), _wrk(run, case, "Palisade", palisade.Variant(shape))]
        if case == "TLS in":
            rows.append(_wrk(run, case, "Palisade, ingress", palisade.Variant(shape, ingress=True)))
    run.rounds("tls", rows, run.loaded)


def h2(run: Run):
    """HTTP/2 from clients, 32 connections of 4 requests each; HTTP/1.1 to the upstream, as AWS has it. One token."""
    secure = Shape(tls_in=True)
    peers = [
        ("h2 over TLS", "nginx", Nginx(secure)), ("h2 over TLS", "Envoy", envoy.Variant(secure)), ("h2 over TLS", "Palisade", palisade.Variant(secure)),
        ("h2 over TLS", "Palisade, ingress", palisade.Variant(secure, ingress=True)),
        ("h2 in clear", "nginx", Nginx(http2=True)), ("h2 in clear", "Envoy", envoy.Variant()), ("h2 in clear", "Palisade", palisade.Variant()),
    ]
    port, request = run.lab.ports["proxy"], run.one_request()

    def row(case: str, name: str, peer: Peer) -> Row:
        return Row(case, name, peer, lambda seconds: load.h2load(port, request, 32, 4, seconds=seconds, tls=peer.shape.tls_in))

    run.rounds("h2", [row(*one) for one in peers], run.loaded)


def tokens(run: Run):
    """Tokens that were seen before, and tokens that were not: of these there are so many that none is remembered until it comes again."""
    remembered, many = 1_000, 4_000 if run.options.quick else 12_000
    rows = []
    for algorithm in ("ES256", "RS256"):
        for name, peer in {"Envoy": envoy.Variant(), "Palisade": palisade.Variant()}.items():
            rows.append(_wrk(run, f"{algorithm}, seen", name, peer, algorithm=algorithm))
        # Without a cache at all, which is what Envoy does unless told otherwise, and cheaper than one in which nothing is found.
        for name, peer in {"Envoy": envoy.Variant(remembered=0), "Palisade": palisade.Variant(remembered=remembered)}.items():
            rows.append(_wrk(run, f"{algorithm}, never seen", name, peer, count=many, algorithm=algorithm))

    def measure(row: Row, proxy: Process) -> dict:
        values = run.loaded(row, proxy)
        if isinstance(row.peer, palisade.Variant):
            found, checked = (metric(run.lab.place, "palisade_token_verifications_total", result=result) for result in ("cached", "ok"))
            share = found / (found + checked)
            if ("never" in row.case) != (share < 0.02):
                raise Failed(f"{row.case}: {share:.1%} of the tokens were remembered")
        return values

    run.rounds("tokens", rows, measure)


def connect(run: Run):
    """New connections: one for each request in clear, and TLS 1.3 handshakes by themselves."""
    secure, port = Shape(tls_in=True), run.lab.ports["proxy"]
    # Each connection leaves a port behind for a minute, and there are 28,000 of them.
    seconds, requests = min(run.options.seconds, 2), run.requests(TENANTS, TENANTS)
    rows = []
    for name, make in {"nginx": Nginx, "Envoy": envoy.Variant, "Palisade": palisade.Variant}.items():
        rows += [Row("plaintext, a connection a request", name, make(), lambda _: load.wrk(port, requests, CONNECTIONS, seconds, close=True)),
                 Row("TLS 1.3 handshakes", name, make(secure), lambda _: load.handshakes(port, run.options.seconds))]
    run.rounds("connect", rows, lambda row, proxy: run.during(proxy, lambda: row.load(0)))


def rate(run: Run):
    """Latency at rates that are given, by an open loop."""
    port, requests = run.lab.ports["proxy"], run.requests(TENANTS, TENANTS)
    peers = {"nginx": Nginx(), "Envoy": envoy.Variant(), "Palisade": palisade.Variant()}

    def row(rate: int, name: str, peer: Peer) -> Row:
        return Row(f"{rate} requests a second", name, peer, lambda seconds: load.pace(port, requests, CONNECTIONS, rate, seconds))

    run.rounds("rate", [row(rate, name, peer) for rate in (500, 2000, 4000) for name, peer in peers.items()], run.loaded)


def all_variants() -> Iterable[tuple[str, palisade.Variant]]:
    """How Palisade is set up in any set, for a test of the configurations."""
    for tls_in, tls_out in ((False, False), (True, False), (False, True), (True, True)):
        yield f"in{'+tls' * tls_in} out{'+tls' * tls_out}", palisade.Variant(Shape(tls_in, tls_out, "sink" if tls_out else "up"))
    for guard in ("rules", "cedar"):
        yield guard, palisade.Variant(guard=guard)
    yield "ingress", palisade.Variant(Shape(tls_in=True), ingress=True)
    yield "few tokens, many tenants", palisade.Variant(Shape(tenants=5_000), remembered=1_000)
