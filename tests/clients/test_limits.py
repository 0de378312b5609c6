"""Per-tenant limits: they bite in the shape that each client knows, and nobody else feels them."""

import pytest
from botocore.exceptions import ClientError

from harness import wire
from harness.backends import BUCKET
from harness.clients import client
from harness.process import wait_until


def drain(call) -> ClientError:
    """Calls until refused; the burst of the tenant `slow` is 3 and it gets 1 request per second."""
    for _ in range(6):
        try:
            call()
        except ClientError as error:
            return error
    raise AssertionError("six calls at once went through")


def test_s3_says_slow_down(egress, idp):
    s3 = client("s3", egress.url, "slow", idp.token("slow"))
    error = drain(lambda: s3.get_object(Bucket=BUCKET, Key="slow/hello.txt"))
    assert error.response["Error"]["Code"] == "SlowDown" and error.response["ResponseMetadata"]["HTTPStatusCode"] == 503
    headers = error.response["ResponseMetadata"]["HTTPHeaders"]
    assert headers["x-palisade-reason"] == "rate-limited" and int(headers["retry-after"]) >= 1
    # The others are served meanwhile, and the SDK's own retries bring this tenant through.
    client("s3", egress.url, "acme", idp.token("acme")).head_object(Bucket=BUCKET, Key="acme/hello.txt")
    client("s3", egress.url, "slow", idp.token("slow"), attempts=8).head_object(Bucket=BUCKET, Key="slow/hello.txt")
    assert egress.metric("palisade_rate_limited_total", listener="egress", tenant="slow", limit="requests") >= 1
    assert egress.metric("palisade_rate_limited_total", tenant="acme") == 0


def test_dynamodb_says_throttling(egress, idp):
    items = client("dynamodb", egress.url, "slow", idp.token("slow"))
    error = drain(lambda: items.get_item(TableName="orders-slow", Key={"pk": {"S": "slow#1"}, "sk": {"S": "0"}}))
    assert error.response["Error"]["Code"] == "ThrottlingException" and error.response["ResponseMetadata"]["HTTPStatusCode"] == 400


def test_the_ingress_says_429(sidecar, authority, idp):
    token = idp.token("slow")

    def get():
        data = wire.request("GET", "/echo", {"Authorization": f"Bearer {token}", "x-tenant-id": "slow"})
        return wire.exchange(sidecar.port("ingress"), data, authority.client())

    answers = [get() for _ in range(6)]
    limited = [a for a in answers if a.status == 429]
    assert limited and answers[0].status == 200
    assert limited[0].reason == "rate-limited" and int(limited[0].header("retry-after")) >= 1
    assert limited[0].header("ratelimit-policy").startswith('"requests";q=') and limited[0].header("ratelimit").startswith('"requests";r=0')
    assert limited[0].header("content-type") == "application/problem+json"


def test_a_concurrency_cap(sidecar, application, authority, idp):
    token = idp.token("single")
    data = wire.request("GET", "/echo", {"Authorization": f"Bearer {token}", "x-tenant-id": "single"})
    with application.visit(sidecar.port("ingress"), authority.client(), token, "single"):
        refused = wire.exchange(sidecar.port("ingress"), data, authority.client())
        assert (refused.status, refused.reason) == (429, "concurrency-limited")
        assert sidecar.metric("palisade_inflight_requests", listener="ingress", tenant="single") == 1
    wait_until(lambda: wire.exchange(sidecar.port("ingress"), data, authority.client()).status == 200, 5, "the place is free again")
    wait_until(lambda: sidecar.metric("palisade_inflight_requests", listener="ingress", tenant="single") == 0, 5, "nothing is in flight")


def test_a_changed_limit_takes_effect_without_a_restart(start, setting, directory, pool, ministack, pooled_services, idp):
    """The tenant file is read again; a broken one leaves the old records in force."""
    file = directory / "moving-tenants.yaml"
    file.write_text("tenants: {acme: {status: active}}\n")
    parts = setting.identity() | {"tenants": {"directory": {"file": file.name}}}
    moving = start("moving", setting.egress(pooled_services), parts, setting.pooled(pool, ministack.port))
    s3 = client("s3", moving.url, "acme", idp.token("acme"))
    s3.head_object(Bucket=BUCKET, Key="acme/hello.txt")
    file.write_text("tenants: {acme: {status: active, limits: {requests_per_second: 0.1, burst: 1}}}\n")

    def limited() -> bool:
        try:
            s3.get_object(Bucket=BUCKET, Key="acme/hello.txt")
            return False
        except ClientError as error:
            return error.response["Error"]["Code"] == "SlowDown"

    wait_until(limited, 15, "the new limit")
    file.write_text("tenants: {acme: {status: suspended}}\n")

    def suspended() -> bool:
        with pytest.raises(ClientError) as caught:
            s3.get_object(Bucket=BUCKET, Key="acme/hello.txt")
        return caught.value.response["ResponseMetadata"]["HTTPHeaders"]["x-palisade-reason"] == "tenant-suspended"

    wait_until(suspended, 15, "the suspension")
    file.write_text("tenants: {acme: {status: activ")
    with pytest.raises(TimeoutError):
        wait_until(lambda: not suspended(), 4, "the broken file let the tenant in")
