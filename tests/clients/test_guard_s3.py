"""The guard's rules for S3, against a store that takes everything: what they stop is what would have happened without them."""

import json
import random
from pathlib import Path

import pytest
from botocore.exceptions import ClientError
from harness import wire
from harness.backends import ACCOUNT, BUCKET, REGION, allow, role
from harness.clients import client
from harness.configs import at
from harness.process import wait_until

CATALOGUE = json.loads((Path(__file__).parents[1] / "guard/s3.json").read_text())
# Every tenant's session may do everything: what the guard does not stop, nobody stops.
RULES = {"s3": [{"buckets": [BUCKET], "prefix": "{tenant.id}/"}, {"buckets": ["own-{tenant.id}"]}]}
HOST = f"s3.{REGION}.amazonaws.com"


@pytest.fixture(scope="module")
def store(ministack, pool):
    user = ministack.client("iam").get_user(UserName="palisade")["User"]["Arn"]
    role(ministack, "tenant-open", user, [allow("s3:*", "*")])
    s3 = ministack.client("s3")
    for bucket in ("own-acme", "own-globex"):
        s3.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": REGION})
    for bucket, key in ((BUCKET, "acme/x"), (BUCKET, "globex/x"), ("own-acme", "x y"), ("own-globex", "x")):
        s3.put_object(Bucket=bucket, Key=key, Body=b"of " + key.encode())
    return ministack


@pytest.fixture(scope="module")
def run(start, setting, store, pool, sts):
    def run(name: str, **parts):
        assume = {"role_arn": f"arn:aws:iam::{ACCOUNT}:role/tenant-open", "session_tags": {"TenantID": "{tenant.id}"}}
        return start(name, setting.egress({"s3": at(store.port)}), setting.identity(), setting.credentials(pool, sts.port, assume), parts)

    return run


@pytest.fixture(scope="module")
def guarded(run):
    return run("guarded", guard=RULES)


@pytest.fixture(scope="module")
def watched(run):
    return run("watched", guard=RULES | {"mode": "audit"})


@pytest.fixture(scope="module")
def open_door(run):
    return run("open-door")


def ask(palisade, idp, method: str, path: str, headers=(), body: bytes = b"", host: str = HOST) -> wire.Message:
    own = [("Host", host), ("x-tenant-id", "acme"), ("x-tenant-token", idp.token("acme"))]
    return wire.exchange(palisade.port("egress"), wire.request(method, path, [*own, *headers], body))


def line(palisade, answer: wire.Message) -> dict:
    """What the access log says of the request."""
    found = lambda: [line for line in palisade.log() if line["request_id"] == answer.header("x-request-id")]  # noqa: E731
    return wait_until(found, 5, "the log has it")[0]


def test_requests_of_the_catalogue_meet_on_the_wire_what_they_meet_in_the_unit_tests(guarded, idp):
    wrong = []
    for case in CATALOGUE["cases"]:
        method, path = case["do"].split(" ", 1)
        answer = ask(guarded, idp, method, path, case.get("headers", ()), case.get("body", "").encode(), case.get("host", HOST))
        # What passes the guard is the store's to answer.
        if answer.reason != (None if case["is"] == "allowed" else case["is"]):
            wrong.append((case["do"], case["is"], answer.status, answer.reason))
    assert not wrong


@pytest.mark.parametrize("method,path,headers,body", [
    ("GET", f"/{BUCKET}/globex/x", (), b""),
    ("GET", f"/{BUCKET}?list-type=2", (), b""),
    ("GET", f"/{BUCKET}?list-type=2&prefix=globex/", (), b""),
    ("GET", "/own-globex/x", (), b""),
    ("GET", "/", (), b""),
    ("PUT", f"/{BUCKET}/globex/planted", (), b"planted"),
    ("PUT", f"/{BUCKET}/acme/stolen", [("x-amz-copy-source", f"{BUCKET}/globex/x")], b""),
    ("PUT", f"/{BUCKET}/globex/pushed", [("x-amz-copy-source", f"{BUCKET}/acme/x")], b""),
    ("POST", f"/{BUCKET}/globex/x?uploads", (), b""),
    ("POST", f"/{BUCKET}?delete", (), b"<Delete><Object><Key>acme/none</Key></Object><Object><Key>globex/planted</Key></Object></Delete>"),
    ("DELETE", f"/{BUCKET}/globex/pushed", (), b""),
    ("PUT", "/own-acme?versioning", (), b"<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>"),
])
def test_what_is_refused_would_have_happened(guarded, watched, open_door, idp, method, path, headers, body):
    answer = ask(guarded, idp, method, path, headers, body)
    assert (answer.status, answer.reason) == (403, "guard-denied")
    assert b"<Code>AccessDenied</Code>" in answer.body
    assert ask(open_door, idp, method, path, headers, body).status in (200, 204), "nobody else would have stopped it"
    passed = ask(watched, idp, method, path, headers, body)
    assert passed.status in (200, 204)
    seen = line(watched, passed)
    assert seen["decision"] == "allowed" and seen["would_deny"].startswith("guard.s3") and "globex" not in seen["would_deny"].replace("own-globex", "")
    refused = line(guarded, answer)
    assert (refused["decision"], refused["reason"], refused["note"]) == ("refused", "guard-denied", seen["would_deny"])


def test_metrics_say_what_was_decided_and_by_which_rule(guarded, watched, idp):
    for palisade, decision in ((guarded, "denied"), (watched, "would_deny")):
        count = lambda decision, rule: palisade.metric("palisade_guard_decisions_total", service="s3", decision=decision, rule=rule)  # noqa: B023, E731
        before = [count(decision, rule) for rule in ("guard.s3[0]", "guard.s3")] + [count("allowed", "_none")]
        ask(palisade, idp, "GET", f"/{BUCKET}/globex/x")
        ask(palisade, idp, "GET", "/nobodys/x")
        ask(palisade, idp, "GET", f"/{BUCKET}/acme/x")
        after = [count(decision, rule) for rule in ("guard.s3[0]", "guard.s3")] + [count("allowed", "_none")]
        assert [b - a for a, b in zip(before, after, strict=True)] == [1, 1, 1]


def test_sdks_raise_their_own_error(guarded, idp):
    s3 = client("s3", guarded.url, "acme", idp.token("acme"))
    s3.put_object(Bucket=BUCKET, Key="acme/mine", Body=b"mine")
    assert s3.get_object(Bucket=BUCKET, Key="acme/mine")["Body"].read() == b"mine"
    with pytest.raises(ClientError) as error:
        s3.get_object(Bucket=BUCKET, Key="globex/x")
    assert error.value.response["Error"]["Code"] == "AccessDenied"
    s3.put_object(Bucket=BUCKET, Key="acme/to go", Body=b"x")
    gone = s3.delete_objects(Bucket=BUCKET, Delete={"Objects": [{"Key": "acme/to go"}, {"Key": "acme/<&>'\" é"}]})
    assert {d["Key"] for d in gone["Deleted"]} == {"acme/to go", "acme/<&>'\" é"}
    with pytest.raises(ClientError) as error:
        s3.delete_objects(Bucket=BUCKET, Delete={"Objects": [{"Key": "acme/mine"}, {"Key": "globex/x"}]})
    assert error.value.response["Error"]["Code"] == "AccessDenied"
    assert s3.get_object(Bucket=BUCKET, Key="acme/mine")["Body"].read() == b"mine", "nothing of the request was carried out"


def test_what_is_written_is_encrypted_with_the_tenant_s_key(run, store, idp):
    kms = {"key": "alias/{tenant.id}", "context": {"tenant": "{tenant.id}"}}
    s3 = client("s3", run("sealed", guard={"s3": [RULES["s3"][0] | {"kms": kms}]}).url, "acme", idp.token("acme"))
    s3.put_object(Bucket=BUCKET, Key="acme/sealed", Body=b"x")
    s3.copy_object(Bucket=BUCKET, Key="acme/copied", CopySource={"Bucket": BUCKET, "Key": "acme/sealed"})
    root = store.client("s3")
    for key in ("acme/sealed", "acme/copied"):
        head = root.head_object(Bucket=BUCKET, Key=key)
        assert (head["ServerSideEncryption"], head["SSEKMSKeyId"]) == ("aws:kms", "alias/acme"), key
    for more in ({"ServerSideEncryption": "AES256"}, {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": "alias/globex"}):
        with pytest.raises(ClientError) as error:
            s3.put_object(Bucket=BUCKET, Key="acme/other", Body=b"x", **more)
        assert error.value.response["Error"]["Code"] == "AccessDenied"


def spelt(key: str, chance: random.Random) -> str:
    """One of the ways to write a key into a path."""
    return "".join(f"%{byte:02{chance.choice('xX')}}" if byte >= 0x80 or chance.random() < 0.3 or chr(byte) not in PLAIN else chr(byte)
                   for byte in key.encode())


PLAIN = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.~/!$&'()*+,;=:@"
PIECES = ["acme", "globex", "acme2", "/", "//", "%", "%2F", "%61", "+", " ", ".", "é", "a", "-", "#", "?", "&", "\\", "\t", "ACME", "https:"]


def test_the_verdict_is_about_the_key_that_is_stored(guarded, open_door, store, idp):
    """Whatever the spelling, a key is let through exactly if what the store keeps begins with the tenant's prefix."""
    chance = random.Random(20_261_128)
    root = store.client("s3")
    allowed = 0
    for number in range(250):
        body = f"{number}".encode()
        key = chance.choice(["", "acme/", "acme", "/acme/", "acme2/", "globex/"]) + "".join(chance.choices(PIECES, k=chance.randrange(1, 5)))
        path = f"/own-acme/{spelt(key, chance)}"
        stored = ask(open_door, idp, "PUT", path, [], body)
        if stored.status != 200:
            continue
        (kept,) = (o["Key"] for o in root.list_objects_v2(Bucket="own-acme")["Contents"] if o["Key"] != "x y")
        root.delete_object(Bucket="own-acme", Key=kept)
        answer = ask(guarded, idp, "GET", path.replace("/own-acme/", f"/{BUCKET}/", 1))
        mine = kept.startswith("acme/")
        assert (answer.reason is None) == mine, (path, kept, answer.status, answer.reason)
        allowed += mine
    assert allowed > 30, "the comparison is of both kinds"
