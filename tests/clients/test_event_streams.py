"""Streams from AWS: each frame comes as it is sent, whatever protocol is spoken on either side, and who stops reading stops them."""

import contextlib
import json
import time

import httpx
import pytest

from harness import wire
from harness.clients import placeholder
from harness.configs import at
from harness.streams import InChunks, OverHttp2

REQUESTS = {
    "h2": ("kinesis", "/", {"x-amz-target": "Kinesis_20131202.SubscribeToShard", "content-type": "application/x-amz-json-1.1"}, b"{}"),
    "http/1.1": ("lambda", "/2021-11-15/functions/f/response-streaming-invocations", {}, b"{}"),
}


@pytest.fixture(scope="module")
def upstreams(authority):
    with contextlib.closing(OverHttp2(authority.certificate, authority.key)) as http2, contextlib.closing(InChunks()) as chunks:
        yield {"h2": http2, "http/1.1": chunks}


@pytest.fixture(scope="module")
def streaming(start, setting, authority, pool, ministack, upstreams):
    services = {"kinesis": {"endpoint": f"https://localhost:{upstreams['h2'].port}", "ca": str(authority.ca)}, "lambda": at(upstreams["http/1.1"].port)}
    return start("streaming-events", setting.egress(services), setting.identity(), setting.pooled(pool, ministack.port))


@contextlib.contextmanager
def opened(palisade, token: str, upstream: str, downstream: str):
    """An iterator over the pieces of the answer's body, as they come."""
    service, path, headers, body = REQUESTS[upstream]
    headers = placeholder("acme", token, service, headers)
    client = httpx.Client(http1=downstream == "http/1.1", http2=downstream == "h2", timeout=20)
    try:
        with client.stream("POST", palisade.url + path, headers=headers, content=body) as answer:
            assert answer.status_code == 200, answer.read()
            assert answer.http_version.lower().startswith("http/2" if downstream == "h2" else "http/1.1")
            yield answer.iter_raw()
    finally:
        client.close()


@pytest.mark.parametrize("downstream", ["h2", "http/1.1"])
@pytest.mark.parametrize("upstream", ["h2", "http/1.1"])
def test_each_frame_comes_as_it_is_sent(streaming, upstreams, idp, upstream, downstream):
    """That is when the one before it has come."""
    plan, begun, arrived = upstreams[upstream].plan, time.monotonic(), b""
    plan.streams(40)
    with opened(streaming, idp.token("acme"), upstream, downstream) as pieces:
        for piece in pieces:
            arrived += piece
            for _ in range(piece.count(b";")):
                plan.go_on.release()
    assert arrived == b"".join(b"frame-%d;" % n for n in range(40))
    assert time.monotonic() - begun < 10, "each was held back for a moment"


@pytest.mark.parametrize("downstream", ["h2", "http/1.1"])
@pytest.mark.parametrize("upstream", ["h2", "http/1.1"])
def test_who_stops_reading_stops_the_stream(streaming, upstreams, idp, upstream, downstream):
    plan = upstreams[upstream].plan
    plan.streams(None, 0.05)
    with opened(streaming, idp.token("acme"), upstream, downstream) as pieces:
        assert next(pieces).startswith(b"frame-0;")
        assert not plan.left.is_set()
    assert plan.left.wait(3), "the upstream goes on streaming to nobody"


def test_a_long_poll_fits_into_the_defaults(streaming):
    """SQS holds a request for up to 20 seconds; nothing shortens that but the configuration."""
    status, effective = streaming.admin("/config")
    assert status == 200
    assert json.loads(effective)["egress"]["services"]["lambda"]["timeouts"] == {"connect": "5s", "response": "60s", "idle": "60s"}


def test_events_to_aws_are_refused(streaming, idp):
    """Each event carries a signature of its own, which is made with the placeholder's key."""
    headers = placeholder("acme", idp.token("acme"), "kinesis", {
        "x-amz-content-sha256": "STREAMING-AWS4-HMAC-SHA256-EVENTS", "content-type": "application/vnd.amazon.eventstream",
        "x-amz-target": "Kinesis_20131202.PutRecord",
    })
    answer = wire.exchange(streaming.port("egress"), wire.request("POST", "/", {"Host": "localhost"} | headers, b"\0\0\0\x10"))
    assert answer.reason == "payload-unsupported", (answer.status, answer.reason)
