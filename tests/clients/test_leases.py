"""What a compromised application may try with a passport beyond its request: begin while it lives, go on when it has ended."""

import json
import time

import pytest
from harness import wire
from harness.application import Visit
from harness.backends import BUCKET
from harness.clients import client
from harness.process import wait_until


def headers(passport: str, host: str) -> list:
    return [("Host", f"{host}.eu-west-1.amazonaws.com"), ("x-tenant-token", passport)]


@pytest.fixture
def visit(application, sidecar, authority, idp):
    """A request of acme that is inside the application; ends when released."""
    with application.visit(sidecar.port("ingress"), authority.client(), idp.token("acme"), "acme") as visit:
        yield visit


def live(sidecar, count: int, what: str):
    wait_until(lambda: sidecar.metric("palisade_passports_live") == count, 5, what)


def end(visit, sidecar):
    live(sidecar, 1, "those of other tests have ended")
    visit.release.set()
    live(sidecar, 0, "the passport ends")


def test_a_request_begun_in_time_is_not_finished_later(sidecar, visit):
    """Heads are sent while the passport lives, bodies when it has ended: of a body that is read whole, and of one that streams."""
    query = json.dumps({"TableName": "orders", "KeyConditionExpression": "pk = :p", "ExpressionAttributeValues": {":p": {"S": "acme#items"}}}).encode()
    put = b"written after the end"
    requests = {
        "whole": (wire.request("POST", "/", [*headers(visit.passport, "dynamodb"), ("x-amz-target", "DynamoDB_20120810.Query"),
                                             ("content-type", "application/x-amz-json-1.0"), ("Content-Length", str(len(query)))], length=False), query),
        "stream": (wire.request("PUT", f"/{BUCKET}/acme/late.txt", [*headers(visit.passport, "s3"), ("x-amz-content-sha256", "UNSIGNED-PAYLOAD"),
                                                                    ("Content-Length", str(len(put)))], length=False), put),
    }
    open_ = {name: wire.Connection(sidecar.port("egress")) for name in requests}
    for name, (head, _) in requests.items():
        open_[name].send(head)
    time.sleep(0.3)  # the heads are in, and checked
    end(visit, sidecar)
    for name, (_, body) in requests.items():
        with open_[name] as connection:
            connection.send(body)
            assert connection.receive().reason == "passport-unknown", name


def test_a_response_begun_in_time_breaks_off(sidecar, visit):
    size = 24 << 20
    client("s3", sidecar.url, "acme", visit.passport).put_object(Bucket=BUCKET, Key="acme/long.bin", Body=bytes(size))
    with wire.Connection(sidecar.port("egress")) as connection:
        connection.send(wire.request("GET", f"/{BUCKET}/acme/long.bin", headers(visit.passport, "s3")))
        got = len(connection.socket.recv(65536))
        end(visit, sidecar)
        try:
            while data := connection.socket.recv(1 << 20):
                got += len(data)
        except OSError:
            pass
    assert 0 < got < size, "a response outlived its passport"


def test_a_client_that_goes_is_noticed_though_its_bytes_are_unread(sidecar, application, authority, idp):
    """The first byte of a next request hides the end of the stream from an HTTP parser; the application says nothing meanwhile."""
    live(sidecar, 0, "those of other tests have ended")
    application.visits["silent"] = held = Visit()
    token = [("Authorization", f"Bearer {idp.token('acme')}"), ("x-tenant-id", "acme")]
    connection = wire.Connection(sidecar.port("ingress"), authority.client())
    try:
        connection.send(wire.request("GET", "/hold/silent", token) + b"G")
        assert held.arrived.wait(5)
        assert sidecar.metric("palisade_passports_live") == 1
        connection.socket.close()
        live(sidecar, 0, "the passport ends with its client")
    finally:
        held.release.set()
        del application.visits["silent"]
