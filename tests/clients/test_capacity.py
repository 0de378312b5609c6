"""What the process holds: a bounded amount for each connection, next to nothing for each byte that streams, and heads up to their limit."""

import contextlib
import http.client
import json
import resource
import socket
import ssl

import pytest

from harness import wire
from harness.backends import REGION, Key
from harness.clients import placeholder
from harness.configs import at
from harness.payloads import MODES, Chain, digest
from harness.process import wait_until
from harness.sink import Sink

KIB, MIB = 1 << 10, 1 << 20
# `server.connections`, and what a process with that many idle ones may take.
CONNECTIONS, IDLE = 10_000, 200 * MIB
# Handshakes are slow in Python: so many are made, and the rest is reckoned.
TLS_CONNECTIONS = 1_000
# Each has its own ports, of which a run leaves many in TIME_WAIT.
SOURCES = [f"127.0.0.{n}" for n in range(1, 9)]

SIZES = [16 * MIB, 64 * MIB, 256 * MIB]
# Bytes of memory for each byte of a body, and all of them together.
SLOPE, GROWTH = 0.01, 16 * MIB

# The defaults of `server`.
HEADER_BYTES, HEADERS, URI_BYTES = 64 * KIB, 100, 16 * KIB


@pytest.fixture(scope="module")
def descriptors():
    """Room for both ends of all connections, here and in the processes that are started."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    need = CONNECTIONS + 1_000
    if resource.RLIM_INFINITY != hard < need:
        pytest.fail(f"{need} file descriptors are needed and the hard limit is {hard}: raise it (ulimit -Hn)")
    if resource.RLIM_INFINITY != soft < need:
        resource.setrlimit(resource.RLIMIT_NOFILE, (need, hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.fixture
def crowded(descriptors, start, setting, authority, request):
    """A new process for each test: what was once taken is not always given back."""
    unused = Key("AKIAUNUSED0000000000", "unused")
    # On a slow machine the first would be closed before the last is there.
    patient = {"idle_timeout": "5m"}
    palisade = start(f"crowded-{request.node.name}", setting.ingress(authority.certificate, authority.key, 9, server=patient),
                     setting.egress({"s3": at(9)}, server=patient), setting.identity(), setting.siloed(unused, 9, external=False), ready="/livez")
    yield palisade
    palisade.stop()


@pytest.fixture(scope="module")
def sink():
    with contextlib.closing(Sink()) as server:
        yield server


@pytest.fixture(scope="module")
def streaming(start, setting, pool, ministack, sink):
    services = {"s3": at(sink.port), "dynamodb": at(sink.port)}
    return start("streaming-bodies", setting.egress(services), setting.identity(), setting.siloed(pool, ministack.port, external=True))


REFUSED = wire.request("GET", "/bucket/key", {"Host": f"s3.{REGION}.amazonaws.com"})


class Crowd:
    """Connections that have each made a request, which was refused, and make no other."""

    def __init__(self, port: int, tls: ssl.SSLContext | None = None):
        self.port, self.tls, self.sockets = port, tls, []

    def join(self, count: int):
        """All are connected before any is waited for, some at a time: the kernel's queue of a listener is short."""
        for _ in range(0, count, 100):
            new = [self.connect() for _ in range(100)]
            for one in new:
                one.sendall(REFUSED)
            assert all(one.recv(4 * KIB).startswith(b"HTTP/1.1 40") for one in new)

    def connect(self) -> socket.socket:
        source = SOURCES[len(self.sockets) % len(SOURCES)]
        one = socket.create_connection(("127.0.0.1", self.port), timeout=10, source_address=(source, 0))
        if self.tls:
            one = self.tls.wrap_socket(one, server_hostname="localhost")
        self.sockets.append(one)
        return one

    def close(self):
        for one in self.sockets:
            one.close()


def test_ten_thousand_idle_connections(crowded):
    """And one more waits for its turn, after which the process is as before."""
    with contextlib.closing(Crowd(crowded.port("egress"))) as crowd:
        crowd.join(CONNECTIONS)
        held = crowded.memory()
        assert crowded.metric("palisade_connections", listener="egress") == CONNECTIONS
        late = crowd.connect()
        late.sendall(REFUSED)
        late.settimeout(0.5)
        with pytest.raises(TimeoutError):
            late.recv(1)
        crowd.sockets[0].close()
        late.settimeout(10)
        assert late.recv(4 * KIB).startswith(b"HTTP/1.1 403")
    wait_until(lambda: crowded.metric("palisade_connections", listener="egress") == 0, 15, "every connection has ended")
    assert wire.exchange(crowded.port("egress"), REFUSED).reason == "token-missing"
    assert held < IDLE, f"{held / MIB:.0f} MiB for {CONNECTIONS} connections"


def test_ten_thousand_idle_connections_with_tls(crowded, authority):
    """Reckoned from the memory of the last half of fewer."""
    with contextlib.closing(Crowd(crowded.port("ingress"), authority.client())) as crowd:
        crowd.join(TLS_CONNECTIONS // 2)
        half = crowded.memory()
        crowd.join(TLS_CONNECTIONS // 2)
        whole = crowded.memory()
        assert crowded.metric("palisade_connections", listener="ingress") == TLS_CONNECTIONS
    each = (whole - half) / (TLS_CONNECTIONS // 2)
    held = whole + each * (CONNECTIONS - TLS_CONNECTIONS)
    assert held < IDLE, f"{held / MIB:.0f} MiB for {CONNECTIONS} connections, {each / KIB:.1f} KiB for each"


@pytest.fixture
def peaks(streaming):
    """Measures the highest memory while something is done, in a process that has done it before."""

    def measure(do, *amounts) -> list[int]:
        do(amounts[0])
        highest = []
        before = streaming.memory()
        for amount in amounts:
            streaming.forget_peak()
            do(amount)
            highest.append(streaming.memory("VmHWM") - before)
        return highest

    return measure


def flat(sizes: list[int], highest: list[int]):
    slope = (highest[-1] - highest[0]) / (sizes[-1] - sizes[0])
    assert slope < SLOPE and max(highest) < GROWTH, f"{[f'{h / MIB:.1f} MiB' for h in highest]}, {slope:.4f} bytes for each byte"


def put(palisade, sink: Sink, idp, mode, size: int, target: str = "/bucket/acme/body"):
    """A body in a payload mode; what arrives is what was sent."""
    signed = placeholder("acme", idp.token("acme"), "s3", mode.headers(size))
    chain = Chain("unused", signed["x-amz-date"], REGION, signed["Authorization"].rsplit("=", 1)[1])
    connection = http.client.HTTPConnection("127.0.0.1", palisade.port("egress"), timeout=60)
    with contextlib.closing(connection):
        connection.request("PUT", target, body=mode.body(size, chain), headers=signed)
        answer = connection.getresponse()
        assert answer.status == 200, answer.read()
    assert sink.received[-1] == (size, digest(size))


def get(palisade, idp, size: int):
    connection = http.client.HTTPConnection("127.0.0.1", palisade.port("egress"), timeout=60)
    with contextlib.closing(connection):
        connection.request("GET", f"/bucket/acme/{size}", headers=placeholder("acme", idp.token("acme")))
        answer, length = connection.getresponse(), 0
        while block := answer.read(MIB):
            length += len(block)
        assert (answer.status, length) == (200, size)


@pytest.mark.parametrize("mode", MODES)
def test_uploads_of_any_size_take_the_same_memory(streaming, sink, idp, peaks, mode):
    flat(SIZES, peaks(lambda size: put(streaming, sink, idp, MODES[mode], size), *SIZES))


def test_downloads_of_any_size_take_the_same_memory(streaming, idp, peaks):
    flat(SIZES, peaks(lambda size: get(streaming, idp, size), *SIZES))


def test_parts_one_after_another_take_the_memory_of_one(streaming, sink, idp, peaks):
    """A multipart upload of 50 parts, and of five."""
    part, counts = 5 * MIB, [5, 50]

    def upload(count: int):
        for number in range(1, count + 1):
            put(streaming, sink, idp, MODES["hash"], part, f"/bucket/acme/parts?partNumber={number}&uploadId=u")

    flat([count * part for count in counts], peaks(upload, *counts))


def test_the_chain_of_signatures_is_as_documented():
    """The example of the S3 API reference: 66,560 bytes of `a`, in two chunks and the empty one."""
    chain = Chain("wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", "20130524T000000Z", "us-east-1",
                  "4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9")
    assert [chain.chunk(b"a" * length) for length in (65_536, 1_024, 0)] == [
        "ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648",
        "0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497",
        "b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9",
    ]


S3 = {"Host": f"s3.{REGION}.amazonaws.com"}
DYNAMODB = {"Host": f"dynamodb.{REGION}.amazonaws.com", "X-Amz-Target": "DynamoDB_20120810.GetItem", "Content-Type": "application/x-amz-json-1.0"}


def head(idp, service: str, size: int = 0, lines: int = 0, uri: int = 0) -> bytes:
    """A good request, filled up to a size of its headers (as Palisade counts it: four bytes a line besides name and value), to
    a number of them, or to a length of its target."""
    headers = [*(S3 if service == "s3" else DYNAMODB).items(), ("x-tenant-id", "acme"), ("x-tenant-token", idp.token("acme"))]
    method, target, body = ("GET", "/bucket/acme/0", b"") if service == "s3" else ("POST", "/", b"{}")
    if body:
        headers.append(("Content-Length", str(len(body))))
    headers += [(f"x-{n}", "1") for n in range(lines - len(headers))]
    if size:
        headers.append(("x-a", "a" * (size - sum(len(k) + len(v) + 4 for k, v in headers) - len("x-a") - 4)))
    if uri:
        target += "?x-id=" + "a" * (uri - len(target) - len("?x-id="))
    return wire.request(method, target, headers, body, length=False)


@pytest.mark.parametrize("service", ["s3", "dynamodb"])
@pytest.mark.parametrize("limit, status, reason", [
    ({"size": HEADER_BYTES}, 431, "headers-too-large"), ({"lines": HEADERS}, 431, "headers-too-large"), ({"uri": URI_BYTES}, 414, "uri-too-long"),
], ids=["header bytes", "header lines", "target"])
def test_heads_up_to_the_limit(streaming, idp, service, limit, status, reason):
    """What is within the limit goes to the service; what is over it is refused in the words of the service, and the process goes on."""
    within, over = head(idp, service, **limit), head(idp, service, **{what: number + 1 for what, number in limit.items()})
    assert wire.exchange(streaming.port("egress"), within).status == 200
    refused = wire.exchange(streaming.port("egress"), over)
    assert (refused.status, refused.reason) == (status, reason)
    if service == "s3":
        assert refused.header("content-type") == "application/xml" and b"<Error><Code>InvalidRequest</Code>" in refused.body
    else:
        assert refused.header("content-type") == "application/x-amz-json-1.0" and json.loads(refused.body)["__type"].endswith("ValidationException")
    assert wire.exchange(streaming.port("egress"), within).status == 200
