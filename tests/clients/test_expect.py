"""`Expect: 100-continue` from end to end: the client is asked for its body when AWS asks for it, and not at all when AWS answers."""

import hashlib
import os
import re
import socket
import time

import pytest
from botocore.exceptions import ClientError

from harness import wire
from harness.backends import BUCKET
from harness.clients import client, placeholder

KEY = f"/{BUCKET}/acme/expected"
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
# How long Palisade waits for an upstream that says nothing. One that always waited would do so each of some times.
PATIENCE, TIMES = 1.0, 3


def upload(token: str, body: bytes, *more: tuple) -> bytes:
    """The head of an upload whose body waits."""
    headers = [("Host", "s3.eu-west-1.amazonaws.com"), *placeholder("acme", token).items(), *(more or [("Expect", "100-continue")]),
               ("Content-Length", str(len(body)))]
    return wire.request("PUT", KEY, headers, length=False)


def until(connection: wire.Connection, end: bytes) -> bytes:
    """What comes, up to and with `end`."""
    data = b""
    while not data.endswith(end):
        piece = connection.socket.recv(1)
        assert piece, f"closed after {data!r}"
        data += piece
    return data


def test_the_client_is_asked_when_the_upstream_asks(troubled, script, idp):
    script.says(200, b"stored")
    took = []
    with wire.Connection(troubled.port("egress")) as connection:
        for _ in range(TIMES):
            begun = time.monotonic()
            connection.send(upload(idp.token("acme"), b"body"))
            assert until(connection, b"\r\n\r\n") == CONTINUE
            connection.send(b"body")
            answer = connection.receive()
            took.append(time.monotonic() - begun)
            assert (answer.status, answer.body) == (200, b"stored")
            assert answer.header("connection") is None, "the connection is as good as before"
    assert min(took) < PATIENCE, took
    for method, path, headers, body in script.requests[-TIMES:]:
        assert (method, path, headers["expect"], body) == ("PUT", KEY, "100-continue", b"body")
        assert "expect" not in headers["authorization"]


@pytest.mark.parametrize("status, seen, reason", [(404, 404, None), (412, 412, None), (403, 403, None), (307, 403, "aws-redirect")])
def test_a_final_answer_comes_at_once_and_the_body_is_never_asked_for(troubled, script, idp, status, seen, reason):
    script.says(status, b"<Error><Code>Fitting</Code></Error>", Content_Type="application/xml", Location="https://evil.test/")
    before, took = len(script.requests), []
    for _ in range(TIMES):
        with script.answering_at_once(), wire.Connection(troubled.port("egress")) as connection:
            begun = time.monotonic()
            connection.send(upload(idp.token("acme"), b"body"))
            connection.unread = until(connection, b"\r\n\r\n")
            assert connection.unread.startswith(b"HTTP/1.1 %d " % seen), "an interim answer came first"
            answer = connection.receive()
            took.append(time.monotonic() - begun)
            assert (answer.status, answer.reason) == (seen, reason)
            assert answer.header("connection") == "close"
            assert connection.socket.recv(1) == b"", "the connection stays open"
            assert script.dropped.wait(2), "the upstream's connection is kept for a body that never comes"
    assert min(took) < PATIENCE / 2, took
    assert len(script.requests) == before, "the body was sent"


def test_another_expectation_is_417(troubled, idp):
    answer = wire.exchange(troubled.port("egress"), upload(idp.token("acme"), b"", ("Expect", "200-maybe")))
    assert (answer.status, answer.reason, answer.header("connection")) == (417, "expectation-failed", "close")


def test_boto3_puts_an_object(egress, idp, aws, ministack):
    s3, body = client("s3", egress.url, "acme", idp.token("acme")), os.urandom(1 << 20)
    aws.clear()
    took = []
    for _ in range(TIMES):
        begun = time.monotonic()
        s3.put_object(Bucket=BUCKET, Key="acme/expected", Body=body)
        took.append(time.monotonic() - begun)
    assert hashlib.sha256(s3.get_object(Bucket=BUCKET, Key="acme/expected")["Body"].read()).digest() == hashlib.sha256(body).digest()
    s3.delete_object(Bucket=BUCKET, Key="acme/expected")
    assert b"\r\nexpect: 100-continue\r\n" in aws.sent.lower()
    assert re.search(rb"HTTP/1\.1 100[^\r]*\r\n\r\n", aws.received), "the emulator did not ask for the body"
    assert min(took) < PATIENCE, f"{took} s for uploads that were asked for"


def test_boto3_sees_the_error_of_an_upload_that_is_refused(troubled, script, idp):
    script.says(412, b"<Error><Code>PreconditionFailed</Code><Message>m</Message></Error>", Content_Type="application/xml")
    before = len(script.requests)
    s3 = client("s3", troubled.url, "acme", idp.token("acme"))
    with script.answering_at_once():
        for _ in range(2):
            with pytest.raises(ClientError, match="PreconditionFailed"):
                s3.put_object(Bucket=BUCKET, Key="acme/expected", Body=os.urandom(1 << 20))
    assert len(script.requests) == before, "the body was sent"


def test_the_application_is_asked_too(sidecar, authority, idp):
    head = wire.request("POST", "/upload", [("Authorization", f"Bearer {idp.token('acme')}"), ("x-tenant-id", "acme"), ("Expect", "100-continue"),
                                            ("Content-Length", "4")], length=False)
    took = []
    with wire.Connection(sidecar.port("ingress"), authority.client()) as connection:
        for _ in range(TIMES):
            begun = time.monotonic()
            connection.send(head)
            assert until(connection, b"\r\n\r\n") == CONTINUE
            took.append(time.monotonic() - begun)
            connection.send(b"body")
            assert hashlib.sha256(b"body").hexdigest() in connection.receive().body.decode()
    assert min(took) < PATIENCE, took


def test_a_client_that_goes_while_it_waits_is_noticed(troubled, script, idp):
    """Nothing is asked for on behalf of somebody who is gone."""
    before = len(script.requests)
    with script.answering_at_once(after=10):
        connection = wire.Connection(troubled.port("egress"))
        connection.send(upload(idp.token("acme"), b"body"))
        connection.socket.shutdown(socket.SHUT_RDWR)
        connection.close()
        assert script.dropped.wait(4), "the upstream's connection outlives its client"
    assert len(script.requests) == before
