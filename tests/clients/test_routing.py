"""Each tenant reaches the application that is its own, and no other: by tables, by templates, while some are down."""

import contextlib
import json
import socket
import subprocess
import threading

import h2.config
import h2.connection
import h2.events
import h2.exceptions
import pytest
import yaml

from harness import wire
from harness.application import Application
from harness.palisade import binary
from harness.process import answers, closed_port, wait_until
from harness.websocket import connect

OWN = {"acme": "c1", "acme-eu": "c2", "globex": "c3", "acid": "c7"}
ROUTES = {"acme": "c1", "acme-eu": "c2", "globex": "sockets", "acid": "secured"}


def send(palisade, authority, idp, tenant="acme", method="GET", target="/echo", body=b"", headers=()) -> wire.Message:
    pairs = [("Authorization", f"Bearer {idp.token(tenant)}"), ("x-tenant-id", tenant), *headers]
    return wire.exchange(palisade.port("ingress"), wire.request(method, target, pairs, body), authority.client())


def line_of(palisade, answer: wire.Message) -> dict:
    """The access-log line of a request."""
    (line,) = palisade.logged([answer.header("x-request-id")]).values()
    return line


@pytest.mark.parametrize("tenant", OWN)
def test_a_tenant_reaches_its_own_application_alone(cells, authority, idp, tenant):
    before = cells.counts()
    answer = send(cells.palisade, authority, idp, tenant, "POST", "/a%2Fb?c", b"body", [("x-tenant-cell", "c2"), ("x-palisade-route", "c2")])
    assert answer.status == 200, (answer.reason, answer.body)
    seen = dict(json.loads(answer.body)["headers"])
    assert (seen["x-tenant-id"], seen["host"]) == (tenant, "localhost")
    after = cells.counts()
    assert {cell for cell in after if after[cell] != before[cell]} == {OWN[tenant]}
    assert line_of(cells.palisade, answer)["upstream"] == ROUTES[tenant]


@pytest.mark.parametrize("tenant", ["bare", "estranged", "single", "ghost", "accident", "acorn"])
def test_a_record_that_leads_nowhere_is_refused_as_no_route(cells, authority, idp, tenant):
    """Nobody else's application gets the request, and the caller learns nothing but the reason."""
    before = cells.counts()
    answer = send(cells.palisade, authority, idp, tenant)
    assert (answer.status, answer.reason) == (503, "no-route")
    assert not [word for word in (b"127.0.0.1", b"localhost", b"sock", b"169.254") if word in answer.body]
    assert cells.counts() == before
    line = line_of(cells.palisade, answer)
    assert line["reason"] == "no-route" and line["note"], line


def test_many_requests_of_two_cells_do_not_mix(cells, authority, idp):
    before = cells.counts()
    for _ in range(20):
        for tenant in OWN:
            assert send(cells.palisade, authority, idp, tenant).status == 200
    after = cells.counts()
    assert {cell: after[cell] - before[cell] for cell in after} == dict.fromkeys(OWN.values(), 20)


def test_websockets_over_a_unix_socket(cells, authority, idp):
    headers = {"Authorization": f"Bearer {idp.token('globex')}", "x-tenant-id": "globex"}
    with connect(cells.palisade.port("ingress"), authority.client(), headers) as socket_:
        assert json.loads(socket_.recv(timeout=5))["x-tenant-id"] == "globex"
        for message in ("hello", b"\x00\x01" * 40_000):
            socket_.send(message)
            assert socket_.recv(timeout=5) == message


def test_the_application_s_certificate_has_to_be_its_own(cells, authority, idp):
    answer = send(cells.palisade, authority, idp, "across")
    assert answer.reason == "upstream-unavailable"
    assert "certificate" in line_of(cells.palisade, answer)["note"]


class OverHttp2:
    """An application that speaks HTTP/2 in clear and nothing else: says what it was asked, and ends as gRPC does."""

    def __init__(self):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port, self.connections = self.listener.getsockname()[1], 0
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        with contextlib.suppress(OSError):
            while True:
                client, _ = self.listener.accept()
                self.connections += 1
                threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket):
        connection = h2.connection.H2Connection(h2.config.H2Configuration(client_side=False, header_encoding="utf-8"))
        connection.initiate_connection()
        seen = {}
        with client, contextlib.suppress(OSError, h2.exceptions.ProtocolError):
            client.sendall(connection.data_to_send())
            while data := client.recv(65_536):
                for event in connection.receive_data(data):
                    if isinstance(event, h2.events.RequestReceived):
                        seen[event.stream_id] = dict(event.headers)
                    if isinstance(event, h2.events.DataReceived):
                        connection.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
                    if isinstance(event, h2.events.StreamEnded):
                        connection.send_headers(event.stream_id, [(":status", "200"), ("content-type", "application/json")])
                        connection.send_data(event.stream_id, json.dumps(seen.pop(event.stream_id)).encode())
                        connection.send_headers(event.stream_id, [("grpc-status", "0")], end_stream=True)
                client.sendall(connection.data_to_send())

    def close(self):
        self.listener.close()


def test_an_application_that_speaks_http2_alone(start, setting, authority, idp):
    with contextlib.ExitStack() as stack:
        application = stack.enter_context(contextlib.closing(OverHttp2()))
        health = {"path": "/healthz", "interval": "100ms", "timeout": "5s"}
        config = setting.ingress(authority.certificate, authority.key, application.port, protocol="http2", health=health)
        palisade = start("http2", config, setting.identity())
        stack.callback(palisade.stop)
        wait_until(lambda: gauges(palisade) == (1, 0), 10, "a check over HTTP/2")
        answer = send(palisade, authority, idp, method="POST", target="/a%2Fb?c", body=b"x" * 100_000)
        assert answer.status == 200, answer.reason
        seen = json.loads(answer.body)
        assert (seen[":method"], seen[":path"], seen[":authority"]) == ("POST", "/a%2Fb?c", f"127.0.0.1:{application.port}")
        assert (seen["x-tenant-id"], seen["x-forwarded-host"]) == ("acme", "localhost") and "host" not in seen
        assert application.connections <= 2, "requests and checks share a connection"


@pytest.fixture(scope="module")
def pair():
    with contextlib.closing(Application()) as first, contextlib.closing(Application()) as second:
        yield first, second


@pytest.fixture
def balanced(start, setting, authority, pair, request):
    """Two applications behind one route, checked often, on which readiness depends."""
    config = setting.ingress(authority.certificate, authority.key, pair[0].port, balance="round_robin", health={
        "path": "/healthz", "interval": "100ms", "timeout": "1s", "unhealthy": 2, "healthy": 2, "readiness": True})
    config["ingress"]["upstream"] = [f"http://127.0.0.1:{application.port}" for application in pair]
    for application in pair:
        application.health = 200
    palisade = start(f"balanced-{request.node.name}"[:40], config, setting.identity())
    yield palisade
    palisade.stop()


def gauges(palisade) -> tuple:
    return tuple(palisade.metric(f"palisade_upstream_{state}", upstream="default") for state in ("healthy", "unhealthy"))


def test_an_unwell_application_gets_no_requests_until_it_is_well_again(balanced, authority, idp, pair):
    first, second = pair
    wait_until(lambda: gauges(balanced) == (2, 0), 10, "both to be well")
    assert not {"x-tenant-id", "x-palisade-passport", "authorization"} & first.last_check.keys(), "a check is nobody's"
    before = (first.requests, second.requests)
    assert all(send(balanced, authority, idp).status == 200 for _ in range(10))
    assert (first.requests - before[0], second.requests - before[1]) == (5, 5)

    first.health = 500
    wait_until(lambda: gauges(balanced) == (1, 1), 10, "the first to be out of use")
    before = (first.requests, second.requests)
    assert all(send(balanced, authority, idp).status == 200 for _ in range(10))
    assert (first.requests - before[0], second.requests - before[1]) == (0, 10)
    assert answers(balanced.port("probes"), "/readyz"), "one is enough"

    second.health = 500
    wait_until(lambda: gauges(balanced) == (0, 2), 10, "both to be out of use")
    before = (first.requests, second.requests)
    refused = send(balanced, authority, idp)
    assert (refused.status, refused.reason, refused.header("retry-after")) == (502, "upstream-unavailable", "1")
    assert line_of(balanced, refused)["duration_ms"] < 1000 and (first.requests, second.requests) == before, "it was sent all the same"
    assert not answers(balanced.port("probes"), "/readyz")
    status, body = balanced.admin("/readyz")
    assert status == 503 and b"application" in body

    first.health = 200
    wait_until(lambda: gauges(balanced) == (1, 1) and answers(balanced.port("probes"), "/readyz"), 10, "the first to be back")
    assert send(balanced, authority, idp).status == 200


def test_without_a_connection_the_next_application_gets_the_whole_request(start, setting, authority, idp, pair):
    config = setting.ingress(authority.certificate, authority.key, pair[0].port)
    config["ingress"]["upstream"] = [f"http://127.0.0.1:{closed_port()}", f"http://127.0.0.1:{pair[0].port}"]
    palisade = start("fallover", config, setting.identity())
    body = bytes(range(256)) * 400
    for _ in range(6):
        answer = send(palisade, authority, idp, method="POST", target="/upload", body=body)
        assert answer.status == 200 and json.loads(answer.body)["length"] == len(body), answer.reason


def test_what_was_sent_is_not_sent_elsewhere(start, setting, authority, idp, pair):
    """`/slam` reads the request and hangs up: it may have been carried out."""
    config = setting.ingress(authority.certificate, authority.key, pair[0].port)
    config["ingress"]["upstream"] = [f"http://127.0.0.1:{application.port}" for application in pair]
    palisade = start("slam", config, setting.identity())
    for _ in range(4):
        before = pair[0].requests + pair[1].requests
        assert send(palisade, authority, idp, target="/slam").reason == "upstream-unavailable"
        assert pair[0].requests + pair[1].requests == before + 1


def test_what_cannot_be_right_is_told_at_the_start(cells, directory):
    """The same binary's `check`: shadowed rules, tokens that would choose, values that would run together."""
    def check(**changes) -> tuple[int, str]:
        config = yaml.safe_load((directory / "checked-base.yaml").read_text())
        config["ingress"] |= changes
        (directory / "checked.yaml").write_text(yaml.safe_dump(config))
        done = subprocess.run([binary(), "check", "--config", directory / "checked.yaml"], capture_output=True, text=True, timeout=30)
        return done.returncode, done.stderr

    plain = dict(cells.palisade.config)
    plain["ingress"] = {key: plain["ingress"][key] for key in ("tls", "listen")} | {"upstream": "http://127.0.0.1:8080"}
    (directory / "checked-base.yaml").write_text(yaml.safe_dump(plain))
    assert check()[0] == 0
    for changes, why in [
        ({"routes": [{"cells": ["c1"], "upstream": "http://a"}, {"cells": ["c1"], "tiers": ["gold"], "upstream": "http://b"}]}, "never holds"),
        ({"upstream": "http://{claims.host}.internal"}, "caller's token"),
        ({"upstream": "http://{tenant.cell}-{tenant.id}.internal"}, "two placeholders in one label"),
        ({"upstream": "http://app.{tenant.cell}"}, "would be the domain"),
        ({"upstream": "http://{tenant.attributes.address}:80"}, "upstream_addresses"),
        ({"upstream": "unix:/run/../app.sock"}, "not a plain path"),
    ]:
        code, said = check(**changes)
        assert code == 2 and why in said, (changes, said)
    code, said = check(upstream="http://app-{tenant.cell}.internal")
    assert code == 0 and "cross a network in plain HTTP" in said and "bare: the upstream is named by the tenant's record" in said, said
