"""The guard's rules for S3, against a store that takes everything: what they stop is what would have happened without them."""

import json
import random
import urllib.parse
from pathlib import Path

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from harness import unguarded, wire
from harness.backends import ACCOUNT, BUCKET, REGION, allow, base_user, role
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
    return run("watched-buckets", guard=RULES | {"mode": "audit"})


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


@pytest.fixture
def ruins(start, setting, doomed):
    """A door without a guard before a store of its own, and what puts that in order."""
    user, key = base_user(doomed)
    role(doomed, "tenant-open", user, [allow("s3:*", "*")])
    assume = {"role_arn": f"arn:aws:iam::{ACCOUNT}:role/tenant-open", "session_tags": {"TenantID": "{tenant.id}"}}
    palisade = start("no-guard", setting.egress({"s3": at(doomed.port)}), setting.identity(), setting.credentials(key, doomed.port, assume))
    s3 = doomed.client("s3")
    # What the catalogue asks for by names that are nearly the tenant's.
    nearly = ["acme", "ACME/x", "acme2/x", "/acme/x", "%61cme/x", "acme%62/x", "x/acme/x", "shared/x", "acm\u00e9/x", "acme/../globex/x"]
    objects = {BUCKET: ["acme/x", "globex/x", *nearly], "own-acme": ["x y"], "own-acme2": ["acme/x"], "own-globex": ["x"], "other": ["acme/x"]}

    def repair():
        there = {bucket["Name"] for bucket in s3.list_buckets()["Buckets"]}
        for bucket, keys in objects.items():
            if bucket not in there:
                s3.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": REGION})
            for key in keys:
                s3.put_object(Bucket=bucket, Key=key, Body=b"of " + key.encode())

    repair()
    return palisade, repair


def test_the_catalogue_is_what_would_have_happened(ruins, idp):
    palisade, repair = ruins

    def send(case: dict) -> wire.Message:
        method, path = case["do"].split(" ", 1)
        answer = ask(palisade, idp, method, path, case.get("headers", ()), case.get("body", "").encode(), case.get("host", HOST))
        if method not in ("GET", "HEAD") and answer.status < 300:
            repair()
        return answer

    done = unguarded.record("unguarded-s3", CATALOGUE["cases"], lambda case: case["do"], send)
    assert len(done) >= 85, len(done)


@pytest.fixture(scope="module")
def presigning(start, setting, store, pool, sts):
    """A guard in front of what presigns, with a key for what is written."""
    assume = {"role_arn": f"arn:aws:iam::{ACCOUNT}:role/tenant-open", "session_tags": {"TenantID": "{tenant.id}"}}
    rules = {"s3": [RULES["s3"][0] | {"kms": {"key": "alias/{tenant.id}", "context": {"tenant": "{tenant.id}"}}}]}
    return start("guarded-presigning", setting.egress({"s3": at(store.port)}, presign={}), setting.identity(), setting.credentials(pool, sts.port, assume),
                 {"guard": rules})


def presign(palisade, idp, **wanted) -> wire.Message:
    headers = {"Host": "127.0.0.1:8180", "Authorization": f"Bearer {idp.token('acme')}", "x-tenant-id": "acme", "content-type": "application/json"}
    return wire.exchange(palisade.port("egress"), wire.request("POST", "/_palisade/presign", headers, json.dumps(wanted).encode()))


@pytest.mark.parametrize("wanted", [
    {"method": "GET", "bucket": BUCKET, "key": "globex/x"},
    {"method": "GET", "bucket": BUCKET, "key": "acme/../globex/x"},
    {"method": "GET", "bucket": "own-globex", "key": "x"},
    {"method": "PUT", "bucket": BUCKET, "key": "globex/x"},
    {"method": "PUT", "bucket": BUCKET, "key": "acme/x", "headers": {"x-amz-acl": "public-read"}},
    {"method": "PUT", "bucket": BUCKET, "key": "acme/x",
     "headers": {"x-amz-server-side-encryption": "aws:kms", "x-amz-server-side-encryption-aws-kms-key-id": "alias/globex"}},
    {"method": "PUT", "bucket": BUCKET, "key": "acme/x", "headers": {"x-amz-copy-source": f"{BUCKET}/globex/x"}},
])
def test_no_url_is_presigned_for_what_no_rule_allows(presigning, idp, wanted):
    answer = presign(presigning, idp, **wanted)
    assert (answer.status, answer.reason) == (403, "guard-denied") and b"X-Amz-Signature" not in answer.body


def test_what_a_rule_adds_has_to_be_sent_with_a_presigned_url(presigning, store, idp):
    put = json.loads(presign(presigning, idp, method="PUT", bucket=BUCKET, key="acme/presigned", headers={"content-type": "text/plain"}).body)
    own, begin = "content-type", "x-amz-server-side-encryption"
    assert set(put["headers"]) == {own, begin, f"{begin}-aws-kms-key-id", f"{begin}-context"}
    assert (put["headers"][begin], put["headers"][f"{begin}-aws-kms-key-id"]) == ("aws:kms", "alias/acme")
    split = urllib.parse.urlsplit(put["url"])
    signed = urllib.parse.parse_qs(split.query)["X-Amz-SignedHeaders"][0].split(";")
    assert set(put["headers"]) <= set(signed)

    def use(headers: dict) -> int:
        return wire.exchange(store.port, wire.request("PUT", f"{split.path}?{split.query}", {"Host": split.netloc} | headers, b"x")).status

    assert use(put["headers"]) == 200
    head = store.client("s3").head_object(Bucket=BUCKET, Key="acme/presigned")
    assert (head["ServerSideEncryption"], head["SSEKMSKeyId"]) == ("aws:kms", "alias/acme")
    get = json.loads(presign(presigning, idp, method="GET", bucket=BUCKET, key="acme/presigned").body)
    assert get["headers"] == {}, "nothing is added to what is read"


@pytest.fixture(scope="module")
def vended(guarded, idp):
    """Keys as `GET /_palisade/credentials` gives them to an SDK: their signatures are checked."""
    own = [("Host", "127.0.0.1:8180"), ("Authorization", idp.token("acme"))]
    return json.loads(wire.exchange(guarded.port("egress"), wire.request("GET", "/_palisade/credentials", own)).body)


def test_urls_that_sdks_presign_are_judged_as_what_they_stand_for(guarded, vended, idp):
    session = boto3.Session(vended["AccessKeyId"], vended["SecretAccessKey"], vended["Token"], REGION)
    s3 = session.client("s3", endpoint_url=guarded.url, config=Config(signature_version="s3v4", s3={"addressing_style": "path"}))

    def use(operation: str, method: str, body: bytes = b"", **parameters) -> wire.Message:
        split = urllib.parse.urlsplit(s3.generate_presigned_url(operation, Params={"Bucket": BUCKET} | parameters))
        return wire.exchange(guarded.port("egress"), wire.request(method, f"{split.path}?{split.query}", {"Host": split.netloc}, body))

    assert use("put_object", "PUT", b"by url", Key="acme/by-url").status == 200
    assert use("get_object", "GET", Key="acme/by-url").body == b"by url"
    assert use("list_objects_v2", "GET", Prefix="acme/").status == 200
    for operation, method, parameters in (
        ("get_object", "GET", {"Key": "globex/x"}),
        ("put_object", "PUT", {"Key": "globex/x"}),
        ("delete_object", "DELETE", {"Key": "globex/x"}),
        ("list_objects_v2", "GET", {"Prefix": "globex/"}),
        ("list_objects_v2", "GET", {}),
        ("get_object", "GET", {"Bucket": "own-globex", "Key": "x"}),
    ):
        answer = use(operation, method, **parameters)
        assert (answer.status, answer.reason) == (403, "guard-denied"), (operation, parameters)


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
