"""The ingress as callers and the application see it: TLS, identity headers, streams, upgrades."""

import base64
import json
import socket
import ssl
import time

import httpx
import pytest

from harness import wire
from harness.application import Visit
from harness.backends import BUCKET
from harness.clients import client
from harness.process import wait_until
from harness.websocket import connect


@pytest.fixture
def call(sidecar, authority, idp):
    def call(method="GET", target="/echo", tenant="acme", token=None, body=b"", headers=()):
        pairs = [("Authorization", f"Bearer {token or idp.token(tenant)}"), ("x-tenant-id", tenant), *headers]
        return wire.exchange(sidecar.port("ingress"), wire.request(method, target, pairs, body), authority.client())

    return call


def seen(answer: wire.Message) -> dict:
    """What the application got, header by header; a repeated one fails."""
    assert answer.status == 200, (answer.status, answer.reason)
    pairs = json.loads(answer.body)["headers"]
    assert len({k for k, _ in pairs}) == len(pairs), f"repeated: {sorted(k for k, _ in pairs)}"
    return dict(pairs)


def test_tls_versions_and_protocols(sidecar, authority):
    def handshake(low, high, alpn) -> tuple:
        context = authority.client(alpn)
        context.minimum_version, context.maximum_version = low, high
        with socket.create_connection(("127.0.0.1", sidecar.port("ingress")), 5) as raw, context.wrap_socket(raw, server_hostname="localhost") as tls:
            return tls.version(), tls.selected_alpn_protocol()

    v12, v13 = ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3
    assert handshake(v13, v13, ["h2", "http/1.1"]) == ("TLSv1.3", "h2")
    assert handshake(v12, v12, ["http/1.1"]) == ("TLSv1.2", "http/1.1")
    with pytest.warns(DeprecationWarning), pytest.raises(ssl.SSLError):
        handshake(ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1, ["http/1.1"])


def test_plain_http_on_the_tls_port_harms_nobody(sidecar, call):
    with pytest.raises((wire.Closed, AssertionError, IndexError, ValueError)):
        wire.exchange(sidecar.port("ingress"), wire.request("GET", "/echo"))
    assert call().status == 200


def test_what_the_application_gets(call, idp):
    token = idp.token("acme", roles=["reader", 'quo"te', "a, b"])
    answer = call(token=token)
    headers = seen(answer)
    assert headers["x-tenant-id"] == "acme" and headers["x-palisade-subject"] == "user-1" and headers["x-user-email"] == "user-1@acme.test"
    assert headers["x-palisade-issuer"] == idp.issuer
    assert headers["x-palisade-roles"] == '"reader", "quo\\"te", "a, b"'
    assert len(headers["x-palisade-passport"]) >= 43, "256 bits need as many characters"
    assert headers["x-request-id"] == answer.header("x-request-id") and headers["traceparent"].startswith("00-")
    assert token not in answer.body.decode() and "authorization" not in headers


def test_identity_headers_cannot_be_spoofed(call):
    mine = {"x-palisade-passport": "mine", "x-palisade-subject": "root", "x-palisade-roles": '"admin"', "x-user-email": "root@acme.test",
            "X-Palisade-Anything": "1", "x-tenant-token": ""}
    spoofed = [(k, v) for k, v in mine.items() if v]
    headers = seen(call(headers=spoofed + [("x_tenant_id", "globex")]))
    assert not {v for _, v in spoofed} & set(headers.values())
    assert "x-palisade-anything" not in headers


def test_a_missing_claim_removes_its_header(call, idp):
    """Set or removed, never left as the caller sent it."""
    headers = seen(call(token=idp.token("acme", email=None), headers=[("x-user-email", "root@acme.test")]))
    assert "x-user-email" not in headers


def test_bodies_and_methods_pass(call):
    for method in ("GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"):
        body = b"\x00\xff payload" if method in ("POST", "PUT", "PATCH") else b""
        got = json.loads(call(method, "/a%2Fb/../c?x=%20&y=+", body=body).body)
        assert (got["method"], got["target"], base64.b64decode(got["body"])) == (method, "/a%2Fb/../c?x=%20&y=+", body)
    assert call("HEAD").status == 200


def test_http2(sidecar, authority, idp):
    headers = {"authorization": f"Bearer {idp.token('acme')}", "x-tenant-id": "acme"}
    with httpx.Client(http2=True, http1=False, verify=authority.client(), base_url=f"https://localhost:{sidecar.port('ingress')}") as http:
        for _ in range(3):
            answer = http.post("/echo", content=b"over h2", headers=headers)
            assert answer.http_version == "HTTP/2" and answer.status_code == 200
            assert base64.b64decode(answer.json()["body"]) == b"over h2"
        refused = http.get("/echo", headers=headers | {"x-tenant-id": "globex"})
        assert (refused.status_code, refused.headers["x-palisade-reason"]) == (403, "tenant-mismatch")
        assert http.get("/echo", headers=headers).status_code == 200, "a refusal cost the connection"


def test_events_arrive_when_they_are_sent(sidecar, authority, application, idp):
    """Each is sent when the one before it has come."""
    application.visits["events"] = visit = Visit()
    started, arrived = time.monotonic(), []
    headers = {"authorization": f"Bearer {idp.token('acme')}", "x-tenant-id": "acme"}
    url = f"https://localhost:{sidecar.port('ingress')}/events?count=100&name=events"
    with httpx.stream("GET", url, headers=headers, verify=authority.client(), timeout=10) as answer:
        for line in answer.iter_lines():
            if line.startswith("data:"):
                arrived.append(line)
                visit.go_on.release()
    del application.visits["events"]
    assert arrived == [f"data: {number}" for number in range(100)]
    assert time.monotonic() - started < 10, "each was held back for a moment"


def test_websocket(sidecar, authority, idp):
    """It passes, and its passport lives as long as the connection."""
    headers = {"Authorization": f"Bearer {idp.token('acme')}", "x-tenant-id": "acme"}
    with connect(sidecar.port("ingress"), authority.client(), headers) as socket_:
        inside = json.loads(socket_.recv(timeout=5))
        for message in ("hello", b"\x00\x01" * 40_000):
            socket_.send(message)
            assert socket_.recv(timeout=5) == message
        s3 = client("s3", sidecar.url, "acme", inside["x-palisade-passport"])
        assert s3.head_object(Bucket=BUCKET, Key="acme/hello.txt")["ContentLength"] == len("hello acme")

    def ended() -> bool:
        try:
            s3.get_object(Bucket=BUCKET, Key="acme/hello.txt")
        except s3.exceptions.ClientError as error:
            return error.response["ResponseMetadata"]["HTTPHeaders"]["x-palisade-reason"] == "passport-unknown"
        return False

    wait_until(ended, 5, "the passport of a closed connection ends")


def test_a_websocket_without_a_token_is_refused(sidecar, authority):
    from websockets.exceptions import InvalidStatus

    with pytest.raises(InvalidStatus) as caught:
        connect(sidecar.port("ingress"), authority.client(), {"x-tenant-id": "acme"})
    assert caught.value.response.status_code == 401


def test_only_websockets_may_upgrade(call):
    """An `h2c` upgrade that reached the application would be a tunnel past every check (RFC 7540, section 3.2)."""
    for protocol in ("h2c", "TLS/1.2", "HTTP/2.0"):
        headers = [("Connection", "Upgrade, HTTP2-Settings"), ("Upgrade", protocol), ("HTTP2-Settings", "AAMAAABkAARAAAAAAAIAAAAA")]
        answer = call(headers=headers)
        if answer.status == 200:
            assert not {"upgrade", "http2-settings"} & set(seen(answer)), f"{protocol} reached the application"
        else:
            assert answer.reason == "malformed-request"


def test_passports_end_when_the_client_goes(sidecar, authority, application, idp):
    wait_until(lambda: sidecar.metric("palisade_passports_live") == 0, 5, "those of other tests have ended")
    data = wire.request("GET", "/events?count=100&gap=0.1", {"Authorization": f"Bearer {idp.token('acme')}", "x-tenant-id": "acme"})
    with wire.Connection(sidecar.port("ingress"), authority.client()) as connection:
        connection.send(data)
        wait_until(lambda: sidecar.metric("palisade_passports_live") == 1, 5, "a passport is live")
    wait_until(lambda: sidecar.metric("palisade_passports_live") == 0, 5, "it ends with its client")


def test_many_requests_on_one_connection(sidecar, authority, idp):
    """Identity belongs to a request, not to a connection."""
    with wire.Connection(sidecar.port("ingress"), authority.client()) as connection:
        for tenant in ("acme", "globex", "acme"):
            connection.send(wire.request("POST", "/echo", {"Authorization": f"Bearer {idp.token(tenant)}", "x-tenant-id": tenant}, b"x"))
            assert seen(connection.receive())["x-tenant-id"] == tenant
        connection.send(wire.request("GET", "/echo", {"x-tenant-id": "acme"}))
        assert connection.receive().reason == "token-missing"
