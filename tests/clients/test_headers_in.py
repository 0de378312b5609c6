"""What callers cannot say: identity, origin, and the words of proxies, in every spelling and by every version of HTTP."""

import json
import socket
import ssl

import h2.config
import h2.connection
import h2.events
import pytest

from harness import wire
from harness.process import wait_until

# Names by which somebody could pose as Palisade, as a proxy, or as a user.
SPOOFED = """x-palisade-passport x-palisade-subject x-palisade-issuer x-palisade-roles x-palisade-client x-palisade-context x-forwarded-for x-forwarded-host x-forwarded-proto
x-forwarded-port x-forwarded-prefix x-forwarded-server x-forwarded-ssl x-forwarded-user x-forwarded-client-cert x-forwarded-tls-client-cert forwarded x-real-ip
x-client-ip true-client-ip cf-connecting-ip x-cluster-client-ip x-proxyuser-ip via x-original-url x-rewrite-url x-original-host x-host x-original-uri script-name path-info
x-http-method-override x-http-method x-method-override front-end-https x-url-scheme remote-user x-remote-user remote-addr x-amzn-oidc-data x-amzn-oidc-identity
x-auth-request-user x-auth-request-email x-webauth-user x-consumer-id x-goog-iap-jwt-assertion x-ms-client-principal proxy x-middleware-subrequest x-sendfile-type
grpc-metadata-x-tenant-id grpcgateway-x-palisade-subject wl-proxy-client-cert $wsru sm-user iv-user x-pomerium-jwt-assertion fly-client-ip
client-cert ssl-client-verify x-request-id traceparent tracestate x-user-email""".split()
MARK = "from-the-caller"
PROXY = "127.0.0.2"


def spellings(name: str) -> list[str]:
    return [name, name.upper(), name.title(), name.replace("-", "_"), name.replace("-", "."), name.replace("-", "_", 1), name.replace("-", "~")]


def credentials(idp, tenant="acme") -> list:
    return [("Authorization", f"Bearer {idp.token(tenant)}"), ("x-tenant-id", tenant)]


def seen(answer: wire.Message) -> list:
    assert answer.status == 200, (answer.status, answer.reason)
    return json.loads(answer.body)["headers"]


@pytest.fixture(scope="module")
def behind(start, setting, authority, application):
    """A load balancer on loopback is trusted, which appends an address and sets the scheme."""
    more = {"trusted_hops": 1, "trusted_proxies": "127.0.0.0/8", "keep_headers": ["x-forwarded-prefix"], "trust_request_id": True, "trace_context": "continue"}
    return start("behind", setting.ingress(authority.certificate, authority.key, application.port, **more), setting.identity())


class H2:
    """One request by HTTP/2 over TLS, its frames as they are given."""

    def __init__(self, port: int, tls: ssl.SSLContext):
        self.socket = tls.wrap_socket(socket.create_connection(("127.0.0.1", port), 10), server_hostname="localhost")
        assert self.socket.selected_alpn_protocol() == "h2"
        self.connection = h2.connection.H2Connection(
            h2.config.H2Configuration(header_encoding="latin-1", validate_outbound_headers=False, normalize_outbound_headers=False))
        self.connection.initiate_connection()
        self.status, self.reason, self.body = None, None, b""

    def exchange(self, headers: list, trailers: list | None = None) -> "H2":
        self.connection.send_headers(1, headers, end_stream=trailers is None)
        if trailers is not None:
            self.connection.send_data(1, b"body")
            self.connection.send_headers(1, trailers, end_stream=True)
        self.socket.sendall(self.connection.data_to_send())
        over = False
        while not over and (data := self.socket.recv(65_536)):
            for event in self.connection.receive_data(data):
                if isinstance(event, h2.events.ResponseReceived):
                    self.status = int(dict(event.headers)[":status"])
                    self.reason = dict(event.headers).get("x-palisade-reason")
                if isinstance(event, h2.events.DataReceived):
                    self.body += event.data
                over |= isinstance(event, h2.events.StreamEnded | h2.events.StreamReset | h2.events.ConnectionTerminated)
            self.socket.sendall(self.connection.data_to_send())
        self.socket.close()
        return self


def pseudo(**changes) -> list:
    all_of_them = {"method": "GET", "scheme": "https", "authority": "localhost", "path": "/echo"} | changes
    return [(f":{name}", value) for name, value in all_of_them.items() if value is not None]


@pytest.mark.parametrize("version", ["HTTP/1.1", "HTTP/1.0", "HTTP/2"])
def test_no_spelling_of_a_spoofed_header_gets_through(sidecar, authority, idp, version):
    lines = [(spelled, MARK) for name in SPOOFED for spelled in spellings(name)]
    # As many at a time as a request may have.
    for start in range(0, len(lines), 80):
        batch = lines[start : start + 80]
        if version == "HTTP/2":
            headers = pseudo() + [(name.lower(), value) for name, value in credentials(idp) + batch]
            answer = H2(sidecar.port("ingress"), authority.client(["h2"])).exchange(headers)
            assert answer.status == 200, answer.reason
            got = json.loads(answer.body)["headers"]
        else:
            request = wire.request("GET", "/echo", credentials(idp) + batch).replace(b"HTTP/1.1", version.encode(), 1)
            got = seen(wire.exchange(sidecar.port("ingress"), request, authority.client()))
        assert not [pair for pair in got if MARK in pair[1]]
        assert len({name for name, _ in got}) == len(got), "repeated"


def test_duplicates_empty_values_and_white_space_change_nothing(sidecar, authority, idp):
    games = [("x-palisade-roles", ""), ("x-palisade-roles", '"admin"'), ("X-Palisade-Roles", "\t\"admin\" "), ("x_tenant_id", "globex"), ("x_tenant_id", ""),
             ("x-user-email", ""), ("x-user-email", MARK), ("x-forwarded-for", ""), ("x-forwarded-for", "192.0.2.1")]
    got = dict(seen(wire.exchange(sidecar.port("ingress"), wire.request("GET", "/echo", credentials(idp) + games), authority.client())))
    assert got["x-tenant-id"] == "acme" and got["x-forwarded-for"] == "127.0.0.1" and got["x-user-email"] == "user-1@acme.test"
    assert '"admin"' not in got.get("x-palisade-roles", "") and "x_tenant_id" not in got
    for name in ("x-tenant-id", "X-Tenant-Id"):
        doubled = wire.exchange(sidecar.port("ingress"), wire.request("GET", "/echo", [*credentials(idp), (name, "acme")]), authority.client())
        assert (doubled.status, doubled.reason) == (400, "tenant-ambiguous")


@pytest.mark.parametrize("version", ["HTTP/1.1", "HTTP/1.0"])
def test_connection_cannot_name_our_headers_away(sidecar, authority, idp, version):
    named = ["x-tenant-id", "X-Palisade-Passport", "x-palisade-subject", "x-forwarded-for", "forwarded", "x-request-id", "traceparent", "host", "x-user-email"]
    headers = [*credentials(idp), ("Connection", "close, " + ", ".join(named)), ("Connection", "x-palisade-roles")]
    request = wire.request("GET", "/echo", headers).replace(b"HTTP/1.1", version.encode(), 1)
    got = dict(seen(wire.exchange(sidecar.port("ingress"), request, authority.client())))
    assert not [name for name in named if name.lower() not in got]
    assert got["x-tenant-id"] == "acme" and got["host"] == "localhost" and got["forwarded"].startswith("for=127.0.0.1;proto=https;host=")


def test_trailers_of_requests_are_dropped(sidecar, authority, idp):
    trailers = [("x-tenant-id", "globex"), ("x-palisade-roles", '"admin"'), ("x-anything", MARK)]
    head = wire.request("POST", "/echo", [*credentials(idp), ("Transfer-Encoding", "chunked"), ("Trailer", "x-tenant-id")], length=False)
    tail = "".join(f"{name}: {value}\r\n" for name, value in trailers).encode()
    answer = wire.exchange(sidecar.port("ingress"), head + b"4\r\nbody\r\n0\r\n" + tail + b"\r\n", authority.client())
    got = dict(seen(answer))
    assert got["x-tenant-id"] == "acme" and "trailer" not in got and MARK not in answer.body.decode() and "globex" not in answer.body.decode()
    headers = pseudo(method="POST") + [(name.lower(), value) for name, value in credentials(idp)]
    answer = H2(sidecar.port("ingress"), authority.client(["h2"])).exchange(headers, trailers)
    assert answer.status == 200 and MARK not in answer.body.decode() and "globex" not in answer.body.decode()


@pytest.mark.parametrize("name, headers", [
    ("authority twice", [*pseudo(), (":authority", "evil.test")]),
    ("path twice", [*pseudo(), (":path", "/admin")]),
    ("method twice", [*pseudo(), (":method", "DELETE")]),
    ("no path", pseudo(path=None)),
    ("empty path", pseudo(path="")),
    ("no method", pseudo(method=None)),
    ("unknown pseudo-header", [*pseudo(), (":tenant", "acme")]),
    ("a response's pseudo-header", [*pseudo(), (":status", "200")]),
    ("pseudo-header behind a field", [*pseudo(authority=None), ("accept", "*/*"), (":authority", "localhost")]),
    ("capitals", [*pseudo(), ("X-Tenant-Id", "globex")]),
    ("Host and authority disagree", [*pseudo(), ("host", "evil.test")]),
    ("authority with a user", pseudo(authority="user@localhost")),
    ("connection", [*pseudo(), ("connection", "x-tenant-id")]),
    ("white space in a value", [*pseudo(), ("x-a", "b\r\nx-tenant-id: globex")]),
    ("colon in a name", [*pseudo(), ("x-a: b", "c")]),
])
def test_games_with_pseudo_headers_reach_nobody(sidecar, authority, application, idp, name, headers):
    before = application.requests
    proof = [(key.lower(), value) for key, value in credentials(idp)]
    answer = H2(sidecar.port("ingress"), authority.client(["h2"])).exchange(headers + proof)
    assert answer.status is None or (400 <= answer.status < 500), f"{name}: {answer.status}"
    assert application.requests == before, name


def test_pseudo_headers_in_trailers_change_nothing(sidecar, authority, idp):
    """The body may be complete when they come; whether they are refused or dropped, the request stays what it was."""
    headers = pseudo(method="POST") + [(name.lower(), value) for name, value in credentials(idp)]
    answer = H2(sidecar.port("ingress"), authority.client(["h2"])).exchange(headers, [(":path", "/admin"), (":method", "DELETE"), (":authority", "evil.test")])
    if answer.status == 200:
        got = json.loads(answer.body)
        assert (got["method"], got["target"], dict(got["headers"])["host"]) == ("POST", "/echo", "localhost")


def test_without_a_trusted_proxy_the_peer_is_the_client(sidecar, authority, idp):
    said = [("X-Forwarded-For", "192.0.2.1"), ("Forwarded", "for=192.0.2.1;proto=http;host=evil"), ("X-Forwarded-Proto", "http"), ("X-Forwarded-Host", "evil"),
            ("X-Request-Id", "mine"), ("X-Forwarded-Prefix", "/evil")]
    answer = wire.exchange(sidecar.port("ingress"), wire.request("GET", "/echo", credentials(idp) + said), authority.client())
    got = dict(seen(answer))
    assert (got["x-forwarded-for"], got["x-real-ip"], got["x-forwarded-proto"], got["x-forwarded-host"]) == ("127.0.0.1", "127.0.0.1", "https", "localhost")
    assert got["x-forwarded-port"] == "443" and got["forwarded"] == 'for=127.0.0.1;proto=https;host="localhost"' and "x-forwarded-prefix" not in got
    line = wait_until(lambda: next((line for line in sidecar.log() if line["request_id"] == answer.header("x-request-id")), None), 5, "the log's line")
    assert line["client_address"] == "127.0.0.1" and line["peer"].startswith("127.0.0.1:")


def test_behind_a_trusted_proxy_its_word_is_taken_and_no_more(behind, authority, idp):
    trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"

    def call(*headers) -> tuple[dict, dict]:
        answer = wire.exchange(behind.port("ingress"), wire.request("GET", "/echo", credentials(idp) + list(headers)), authority.client())
        got = dict(seen(answer))
        assert answer.header("x-request-id") == got["x-request-id"]
        log = lambda: [line for line in behind.log() if line["request_id"] == got["x-request-id"]]
        return got, wait_until(log, 5, "the log's line")[-1]

    said = [("X-Forwarded-For", "203.0.113.66, 198.51.100.7"), ("X-Forwarded-Proto", "http"), ("X-Forwarded-Host", "evil.test"), ("Forwarded", "for=203.0.113.66"),
            ("X-Request-Id", "lb-1"), ("traceparent", trace), ("tracestate", "a=1"), ("X-Forwarded-Prefix", "/shop"), ("X_Forwarded_Prefix", "/evil"), ("X-Client-Ip", "203.0.113.66")]
    got, line = call(*said)
    assert (got["x-forwarded-for"], got["x-forwarded-proto"], got["x-forwarded-port"]) == ("198.51.100.7", "http", "80")
    assert got["forwarded"] == 'for=198.51.100.7;proto=http;host="localhost"' and got["x-forwarded-host"] == "localhost", "the host is not among forwarded_fields"
    assert got["x-request-id"] == "lb-1" and line["client_address"] == "198.51.100.7" and line["peer"].startswith("127.0.0.1:")
    assert got["traceparent"].startswith(trace[:36]) and got["traceparent"] != trace and got["traceparent"].endswith("-01") and got["tracestate"] == "a=1"
    assert got["x-forwarded-prefix"] == "/shop" and "x_forwarded_prefix" not in got and "x-client-ip" not in got
    # Not through the proxy, as far as can be seen: nothing is believed.
    got, line = call(*[pair for pair in said if pair[0] != "X-Forwarded-For"])
    assert got["x-forwarded-for"] == "127.0.0.1" and got["x-forwarded-proto"] == "https" and got["x-request-id"] != "lb-1" and "x-forwarded-prefix" not in got
    assert not got["traceparent"].startswith(trace[:36]) and "tracestate" not in got and line["client_address"] == "127.0.0.1"
    for unreadable in ("unknown", "_hidden", "198.51.100", "203.0.113.66, "):
        assert call(("X-Forwarded-For", unreadable))[0]["x-forwarded-for"] == "127.0.0.1", unreadable
    assert call(("X-Forwarded-For", "203.0.113.66"), ("X-Forwarded-For", "[2001:db8::1]:4711"))[0]["forwarded"].startswith('for="[2001:db8::1]";')
    got, _ = call(("X-Forwarded-For", "198.51.100.7"), ("X-Request-Id", "a b"), ("traceparent", "00-" + "0" * 32 + trace[35:]))
    assert got["x-request-id"] != "a b" and len(got["x-request-id"]) == 32 and "0" * 32 not in got["traceparent"]


@pytest.fixture(scope="module")
def fronted(start, setting, authority, application):
    """A proxy at 127.0.0.2 is believed about the host too, by which tenants and the application's own pages are told."""
    more = {"trusted_proxies": PROXY, "forwarded_fields": ["for", "host"], "tenant_from": {"host": "{tenant}.app.example.com"}, "token_cookie": "__Host-token"}
    return start("fronted", setting.ingress(authority.certificate, authority.key, application.port, **more), setting.identity())


def test_the_tenant_of_the_host_is_that_of_the_host_that_a_trusted_proxy_names(fronted, authority, idp):
    def call(source: str, host: str, *said: tuple) -> wire.Message:
        headers = [("Host", host), ("Authorization", f"Bearer {idp.token('acme')}"), *said]
        return wire.exchange(fronted.port("ingress"), wire.request("GET", "/echo", headers), authority.client(), source=source)

    by, names = ("X-Forwarded-For", "192.0.2.1"), lambda host: ("X-Forwarded-Host", host)
    acme, globex, inside = "acme.app.example.com", "globex.app.example.com", "ingress.internal"
    for source, host, said in [(PROXY, inside, [by, names(acme)]), (PROXY, globex, [by, names(acme)]), (PROXY, acme, [by]), (PROXY, acme, [names(globex)]),
                               ("127.0.0.1", acme, [by, names(globex)])]:
        got = dict(seen(call(source, host, *said)))
        assert (got["x-tenant-id"], got["x-forwarded-host"], got["host"]) == ("acme", acme, host), (source, host, said)
    for source, host, said, reason in [(PROXY, inside, [by, names(globex)], "tenant-mismatch"), (PROXY, acme, [by, names(globex)], "tenant-mismatch"),
                                       (PROXY, acme, [by, names(inside)], "tenant-missing"), (PROXY, inside, [by, names("x.y.app.example.com")], "tenant-malformed"),
                                       (PROXY, inside, [by, names(acme), ("x-tenant-id", "globex")], "tenant-ambiguous"),
                                       ("127.0.0.1", inside, [by, names(acme)], "tenant-missing"), (PROXY, inside, [names(acme)], "tenant-missing")]:
        assert call(source, host, *said).reason == reason, (source, host, said)


def test_the_applications_own_pages_are_those_of_the_host_that_a_trusted_proxy_names(fronted, authority, idp):
    def post(source: str, origin: str, *said: tuple) -> str | None:
        headers = [("Host", "ingress.internal"), ("Cookie", f"__Host-token={idp.token('acme')}"), ("x-tenant-id", "acme"), ("Origin", origin), *said]
        return wire.exchange(fronted.port("ingress"), wire.request("POST", "/echo", headers), authority.client(), source=source).reason

    said = [("X-Forwarded-For", "192.0.2.1"), ("X-Forwarded-Host", "shop.example")]
    assert post(PROXY, "https://shop.example", *said) is None
    assert post(PROXY, "https://ingress.internal", ("X-Forwarded-For", "192.0.2.1")) is None
    for source, origin in [(PROXY, "https://ingress.internal"), (PROXY, "https://evil.test"), (PROXY, "http://shop.example"), ("127.0.0.1", "https://shop.example")]:
        assert post(source, origin, *said) == "origin-not-allowed", (source, origin)
