"""What a passport is worth and how long: grace, upgrades, uses, actions, and what operators see of it."""

import contextlib
import json
import socket
import threading
import time

import h2.connection
import h2.errors
import pytest
from botocore.exceptions import ClientError

from harness import wire
from harness.application import Visit
from harness.backends import BUCKET
from harness.clients import client, placeholder
from harness.process import wait_until
from harness.websocket import connect
from matrix import GET_ITEM, HELLO, S3_HOST

DYNAMODB = {"X-Amz-Target": "DynamoDB_20120810.GetItem", "Content-Type": "application/x-amz-json-1.0"}


@pytest.fixture(scope="module")
def started(start, setting, authority, application, pool, sts, pooled_services):
    def run(name: str, endpoints: list | None = None, **passport):
        identity = setting.identity()
        identity["identity"]["passport"] = passport
        more = {"endpoints": endpoints} if endpoints else {}
        return start(name, setting.ingress(authority.certificate, authority.key, application.port, **more), setting.egress(pooled_services), identity,
                     setting.pooled(pool, sts.port))
    return run


@pytest.fixture(scope="module")
def bound(started):
    return started("passports-bound", actions=["s3:GetObject", "s3:list*"], max_uses=5)


@pytest.fixture(scope="module")
def graceful(started):
    return started("passports-graceful", grace="5s")


@pytest.fixture(scope="module")
def brief(started):
    return started("passports-brief", grace="1s")


@pytest.fixture(scope="module")
def stalling(started):
    return started("passports-stalling", stall="2s")


def get(palisade, passport: str, target: str = HELLO, method: str = "GET", body: bytes = b"", **headers: str) -> wire.Message:
    message = wire.request(method, target, {"Host": S3_HOST} | placeholder("acme", passport) | headers, body)
    return wire.exchange(palisade.port("egress"), message)


def is_over(palisade, passport: str, *reasons: str) -> bool:
    """Whether it is refused for one of the reasons. Where it ends while it is asked about, what is on its way under it is cut off."""
    try:
        return get(palisade, passport).reason in reasons
    except wire.Closed:
        return False


def item(palisade, passport: str) -> wire.Message:
    headers = placeholder("acme", passport, "dynamodb", {k.lower(): v for k, v in DYNAMODB.items()}) | {"Host": "localhost"}
    return wire.exchange(palisade.port("egress"), wire.request("POST", "/", headers, json.dumps(GET_ITEM).encode()))


def redeemed(palisade) -> dict:
    return {result: palisade.metric("palisade_passport_redemptions_total", result=result) for result in ("ok", "late", "expired", "unknown", "refused")}


def test_actions_are_those_of_iam_and_nothing_else_is_signed(bound, application, authority, idp, aws):
    enter = lambda: application.visit(bound.port("ingress"), authority.client(), idp.token("acme"), "acme")  # noqa: E731
    before = redeemed(bound)
    with enter() as visit:
        assert get(bound, visit.passport).body == b"hello acme"
        assert get(bound, visit.passport, f"/{BUCKET}?list-type=2&prefix=acme%2F").status == 200
        sent = len(aws.exchanges())
        denied = get(bound, visit.passport, f"/{BUCKET}/acme/new.txt", "PUT", b"x")
        assert (denied.status, denied.reason) == (403, "action-not-allowed") and b"<Code>AccessDenied</Code>" in denied.body
        assert item(bound, visit.passport).reason == "action-not-allowed"
        assert get(bound, visit.passport, f"{HELLO}?ACL").reason == "action-not-allowed", "to S3 that is GetObject, by a name that is not known"
        assert len(aws.exchanges()) == sent, "something went out all the same"
    with enter() as visit, pytest.raises(ClientError) as caught:
        client("s3", bound.url, "acme", visit.passport).copy_object(Bucket=BUCKET, Key="acme/copy.txt", CopySource=f"{BUCKET}/acme/hello.txt")
    assert caught.value.response["Error"]["Code"] == "AccessDenied"
    after = wait_until(lambda: (now := redeemed(bound))["refused"] - before["refused"] == 4 and now, 5, "all is counted")
    assert (after["ok"] - before["ok"], after["unknown"] - before["unknown"]) == (2, 0)
    notes = lambda: [line["note"] for line in bound.log() if line.get("reason") == "action-not-allowed" and line["operation"] == "PutObject"]  # noqa: E731
    note = wait_until(notes, 5, "the log has the refusal")[0]
    assert note == "the proof is not for s3:PutObject"


def test_an_endpoint_s_rule_stands_in_place_of_what_holds_for_all(started, application, authority, idp):
    ruled = started("passports-ruled", [{"path": "/hold/one-use", "passport": {"max_uses": 1, "max_age": "3s"}}, {"path": "/hold/writes", "passport": {"actions": "s3:PutObject"}}, {"path": "/**"}],
                    actions="s3:GetObject", max_uses=2)
    outcome = {}
    for name in ("writes", "others", "one-use"):
        with held(application, ruled, authority, idp, name) as (visit, _):
            calls = [("GET", HELLO, b""), ("PUT", f"/{BUCKET}/acme/ruled.txt", b"x"), ("GET", HELLO, b"")]
            outcome[name] = [answer.reason or answer.status for answer in (get(ruled, visit.passport, target, method, body) for method, target, body in calls)]
            if name == "one-use":
                wait_until(lambda: get(ruled, visit.passport).reason == "passport-expired", 10, "it ends before its request")
    assert outcome == {"one-use": [200, "passport-used-up", "passport-used-up"], "writes": ["action-not-allowed", 200, "passport-used-up"],
                       "others": [200, "action-not-allowed", "passport-used-up"]}


def test_uses_are_counted_and_those_of_vended_keys_too(bound, application, authority, idp):
    with application.visit(bound.port("ingress"), authority.client(), idp.token("acme"), "acme") as visit:
        assert get(bound, visit.passport, **{"x-tenant-id": "globex"}).reason == "tenant-ambiguous"
        other = wire.request("GET", HELLO, {"Host": S3_HOST, "x-tenant-token": visit.passport, "x-tenant-id": "globex"})
        assert wire.exchange(bound.port("egress"), other).reason == "tenant-mismatch", "not its tenant, so not a use"
        vended = wire.request("GET", "/_palisade/credentials", {"Host": "127.0.0.1:8180", "Authorization": visit.passport})
        document = json.loads(wire.exchange(bound.port("egress"), vended).body)
        s3 = boto(bound, document)
        for _ in range(4):
            assert s3.get_object(Bucket=BUCKET, Key="acme/hello.txt")["Body"].read() == b"hello acme"
        with pytest.raises(ClientError) as caught:
            s3.get_object(Bucket=BUCKET, Key="acme/hello.txt")
        assert caught.value.response["ResponseMetadata"]["HTTPHeaders"]["x-palisade-reason"] == "passport-used-up"
        used_up = get(bound, visit.passport)
        assert (used_up.status, used_up.reason) == (403, "passport-used-up") and b"<Code>AccessDenied</Code>" in used_up.body
    # The next request has a passport of its own.
    with application.visit(bound.port("ingress"), authority.client(), idp.token("acme"), "acme") as visit:
        assert get(bound, visit.passport).status == 200


def boto(palisade, document: dict):
    import boto3
    from botocore.config import Config

    return boto3.client("s3", endpoint_url=palisade.url, region_name="eu-west-1", aws_access_key_id=document["AccessKeyId"],
                        aws_secret_access_key=document["SecretAccessKey"], aws_session_token=document["Token"],
                        config=Config(retries={"total_max_attempts": 1, "mode": "standard"}, s3={"addressing_style": "path"}))


@contextlib.contextmanager
def held(application, palisade, authority, idp, name: str, target: str | None = None):
    """A request that is inside the application, on a connection that the test has in hand."""
    application.visits[name] = visit = Visit()
    connection = wire.Connection(palisade.port("ingress"), authority.client())
    try:
        connection.send(wire.request("GET", target or f"/hold/{name}", [("Authorization", f"Bearer {idp.token('acme')}"), ("x-tenant-id", "acme")]))
        assert visit.arrived.wait(5)
        yield visit, connection
    finally:
        visit.release.set()
        connection.close()
        del application.visits[name]


def test_grace_follows_a_regular_end_and_no_other(graceful, brief, application, authority, idp):
    for palisade, pause, expected in ((graceful, 0, (200, None)), (brief, 1.1, (400, "passport-unknown"))):
        with held(application, palisade, authority, idp, "regular") as (visit, connection):
            visit.release.set()
            assert connection.receive().status == 200
            time.sleep(pause)
            answer = get(palisade, visit.passport)
            assert (answer.status, answer.reason) == expected
    # The caller goes: by closing, or by ending its side before there is an answer.
    for name, go in {"closed": lambda c: c.close(), "half-closed": lambda c: socket.socket.shutdown(c.socket, socket.SHUT_WR)}.items():
        with held(application, graceful, authority, idp, name) as (visit, connection):
            assert get(graceful, visit.passport).status == 200
            go(connection)
            wait_until(lambda: is_over(graceful, visit.passport, "passport-unknown"), 4, f"{name}: the passport ends at once")


def test_a_stream_that_is_reset_ends_its_passport(sidecar, application, authority, idp):
    """In HTTP/2 a caller takes back one request and keeps the connection."""
    application.visits["reset"] = visit = Visit()
    context = authority.client()
    context.set_alpn_protocols(["h2"])
    with socket.create_connection(("127.0.0.1", sidecar.port("ingress")), timeout=10) as plain, context.wrap_socket(plain, server_hostname="localhost") as tls:
        connection = h2.connection.H2Connection()
        connection.initiate_connection()
        connection.send_headers(1, [(":method", "GET"), (":scheme", "https"), (":authority", "localhost"), (":path", "/hold/reset"),
                                    ("authorization", f"Bearer {idp.token('acme')}"), ("x-tenant-id", "acme")], end_stream=True)
        tls.sendall(connection.data_to_send())
        try:
            assert visit.arrived.wait(5)
            assert get(sidecar, visit.passport).status == 200
            connection.reset_stream(1, h2.errors.ErrorCodes.CANCEL)
            tls.sendall(connection.data_to_send())
            wait_until(lambda: is_over(sidecar, visit.passport, "passport-unknown"), 5, "the passport ends with its stream")
        finally:
            visit.release.set()
            del application.visits["reset"]


WEBSOCKET = [("Upgrade", "websocket"), ("Connection", "Upgrade"), ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="), ("Sec-WebSocket-Version", "13")]
ENDS = {
    "without a body": ("HEAD", "/echo", [], 200),
    "an upgrade that is not taken": ("GET", "/echo", WEBSOCKET, 200),
    "an application that hangs up": ("GET", "/slam", [], 502),
    "a body that is asked for": ("POST", "/upload", [("Expect", "100-continue"), ("Content-Length", "0")], 200),
    "a request that is refused": ("GET", "/echo", [("x-tenant-id", "initech")], 400),
}


@pytest.mark.parametrize("name", ENDS)
def test_no_passport_is_left_behind(sidecar, authority, idp, name):
    method, target, more, status = ENDS[name]
    token = [("Authorization", f"Bearer {idp.token('acme')}"), ("x-tenant-id", "acme")]
    none_is_left = lambda: sidecar.metric("palisade_passports_live") == 0  # noqa: E731
    wait_until(none_is_left, 5, "those of other tests have ended")
    made = sidecar.metric("palisade_passports_minted_total")
    with wire.Connection(sidecar.port("ingress"), authority.client()) as connection:
        connection.send(wire.request(method, target, [*token, *more], length=False))
        assert connection.receive(bodiless=method == "HEAD").status == status
        # The connection stays; it is the response that counts.
        wait_until(none_is_left, 5, "the passport ends")
    assert sidecar.metric("palisade_passports_minted_total") == made + (status != 400)


@pytest.mark.parametrize("longest", [60, 2])
def test_an_event_stream_keeps_its_passport_and_nothing_else_does(started, application, authority, idp, longest):
    aging = started(f"passports-aging-{longest}", max_age="1s", upgrade_max_age=f"{longest}s")
    token = [("Authorization", f"Bearer {idp.token('acme')}"), ("x-tenant-id", "acme")]
    with connect(aging.port("ingress"), authority.client(), dict(token)) as socket_, \
         held(application, aging, authority, idp, "slow") as (visit, _), \
         held(application, aging, authority, idp, "stream", "/trickle?name=stream&part=body&type=text/event-stream") as (stream, _), \
         held(application, aging, authority, idp, "trickle", "/trickle?name=trickle&part=body") as (trickle, _):
        passport = json.loads(socket_.recv(timeout=5))["x-palisade-passport"]
        time.sleep(2.1)
        for merely_slow in (visit, trickle):
            assert get(aging, merely_slow.passport).reason == "passport-expired"
        for lasting in (passport, stream.passport):
            assert get(aging, lasting).reason == (None if longest > 2 else "passport-expired"), "max_age is over, and upgrade_max_age where it is short"
        socket_.send("still there")
        assert socket_.recv(timeout=5) == "still there"


def test_a_websocket_whose_caller_has_gone_gives_no_authority(graceful, application, authority, idp):
    token = [("Authorization", f"Bearer {idp.token('acme')}"), ("x-tenant-id", "acme")]
    with wire.Connection(graceful.port("ingress"), authority.client()) as connection:
        connection.send(wire.request("GET", "/ws-stays", [*token, *WEBSOCKET]))
        assert connection.receive().status == 101
        passport = wait_until(lambda: application.stayed, 5, "the application says what it got")
        assert get(graceful, passport).status == 200
    wait_until(lambda: is_over(graceful, passport, "passport-unknown"), 4, "the passport ends though the application stays")
    application.stay.set()


def test_operators_see_for_which_request_and_what_comes_late(brief, application, authority, idp):
    before = redeemed(brief)
    with application.visit(brief.port("ingress"), authority.client(), idp.token("acme"), "acme") as visit:
        good = get(brief, visit.passport)
        inside = visit.headers["x-request-id"]
    time.sleep(1.1)
    late = get(brief, visit.passport)
    made_up = get(brief, "psp1_" + "A" * 43)
    assert (late.status, late.reason, late.body.replace(late.header("x-request-id").encode(), b"")) == (
        made_up.status, made_up.reason, made_up.body.replace(made_up.header("x-request-id").encode(), b"")), "outside they look alike"
    lines = lambda: {line["request_id"]: line for line in brief.log()}  # noqa: E731
    of = lambda answer: wait_until(lambda: lines().get(answer.header("x-request-id")), 5, "the log has it")  # noqa: E731
    assert of(good)["for_request"] == of(late)["for_request"] == inside and lines()[inside]["listener"] == "ingress"
    assert "for_request" not in of(made_up) and of(late)["note"].startswith("it ended ")
    after = redeemed(brief)
    assert {k: after[k] - before[k] for k in after} == {"ok": 1, "late": 1, "expired": 0, "unknown": 1, "refused": 0}
    # One in ten seconds is warned about, and says how many were not.
    warnings = lambda: [json.loads(line) for line in brief.stderr.read_text().splitlines() if inside in line]  # noqa: E731
    latest, held_back = late.header("x-request-id"), 0
    for _ in range(10):
        if warnings():
            break
        time.sleep(0.1)
    else:
        # Another test's came first.
        time.sleep(10)
        latest, held_back = get(brief, visit.passport).header("x-request-id"), 1
    for _ in range(5):
        get(brief, visit.passport)
    (warning,) = wait_until(warnings, 5, "the warning")
    assert warning["request_id"] == latest and "after its request had ended" in warning["message"] and warning["held_back"] >= held_back
    assert visit.passport[5:] not in brief.everything_written()


def fill(connection: wire.Connection):
    """Sends until nobody takes any more: from then on, the end of what is sent stays in the sender's kernel."""
    connection.socket.settimeout(0.5)
    with pytest.raises(TimeoutError):
        for _ in range(4096):
            connection.socket.sendall(b"x" * 65_536)


@contextlib.contextmanager
def uploading(application, palisade, authority, idp, name: str):
    """A large upload to an application that reads the head alone, on a connection that the test has in hand."""
    application.visits[name] = visit = Visit()
    token = [("Authorization", f"Bearer {idp.token('acme')}"), ("x-tenant-id", "acme")]
    with wire.Connection(palisade.port("ingress"), authority.client()) as connection:
        connection.send(wire.request("POST", f"/hold/{name}", [*token, ("Content-Length", str(1 << 30))], length=False))
        try:
            assert visit.arrived.wait(5)
            assert get(palisade, visit.passport).status == 200
            fill(connection)
            yield visit, connection
        finally:
            visit.release.set()
            del application.visits[name]


def test_an_upload_that_nobody_reads_gives_no_authority_once_its_caller_may_have_gone(stalling, application, authority, idp):
    with uploading(application, stalling, authority, idp, "cancelled") as (visit, connection):
        connection.close()
        # Where the kernel gives up what nobody reads, the request itself has ended.
        ended = ("passport-expired", "passport-unknown")
        wait_until(lambda: is_over(stalling, visit.passport, *ended), 8, "the passport ends though its caller's end is not to be seen")
    with uploading(application, stalling, authority, idp, "waiting") as (visit, connection):
        wait_until(lambda: is_over(stalling, visit.passport, "passport-expired"), 8, "a caller that waits looks the same")
        visit.release.set()
        connection.socket.settimeout(5)
        assert connection.receive().status == 200, "the request goes on"


def test_a_websocket_that_nobody_reads_gives_no_authority_once_its_caller_may_have_gone(stalling, application, authority, idp):
    application.stayed, application.stay = "", threading.Event()
    token = [("Authorization", f"Bearer {idp.token('acme')}"), ("x-tenant-id", "acme")]
    try:
        with wire.Connection(stalling.port("ingress"), authority.client()) as connection:
            connection.send(wire.request("GET", "/ws-stays", [*token, *WEBSOCKET]))
            assert connection.receive().status == 101
            passport = wait_until(lambda: application.stayed, 5, "the application says what it got")
            assert get(stalling, passport).status == 200
            fill(connection)
        wait_until(lambda: is_over(stalling, passport, "passport-unknown"), 8, "the passport ends though its caller's end is not to be seen")
    finally:
        application.stay.set()
