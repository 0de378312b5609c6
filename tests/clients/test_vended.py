"""Keys that Palisade vends: worth as much as their proof, and nothing without a signature that is right."""

import contextlib
import datetime
import http.client
import json
import re
import time
import urllib.parse

import boto3
import pytest
from botocore.auth import S3SigV4Auth, S3SigV4QueryAuth, SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials
from harness import wire
from harness.backends import BUCKET, REGION
from harness.configs import at, recorded
from harness.process import wait_until
from matrix import GET_ITEM

CREDENTIALS = "/_palisade/credentials"


def vend(palisade, proof: str, target: str = CREDENTIALS, **headers: str) -> wire.Message:
    return wire.exchange(palisade.port("egress"), wire.request("GET", target, {"Host": "127.0.0.1:8180", "Authorization": proof} | headers))


def keys(palisade, proof: str, target: str = CREDENTIALS) -> Credentials:
    answer = vend(palisade, proof, target)
    assert answer.status == 200 and answer.header("cache-control") == "no-store", answer
    document = json.loads(answer.body)
    return Credentials(document["AccessKeyId"], document["SecretAccessKey"], document["Token"])


def signed(key: Credentials, method: str, path: str, body: bytes = b"", service: str = "s3", auth=S3SigV4Auth, **headers: str) -> AWSRequest:
    """A request as botocore signs it, with a Host of its own choosing."""
    request = AWSRequest(method, f"http://127.0.0.1:8180{path}", data=body, headers=headers)
    auth(key, service, REGION).add_auth(request)
    return request


def send(palisade, request: AWSRequest, method: str | None = None, target: str | None = None, **changed: str) -> wire.Message:
    """Sends a signed request, or what somebody made of it."""
    prepared = request.prepare()
    split = urllib.parse.urlsplit(prepared.url)
    own = f"{split.path}?{split.query}" if split.query else split.path
    headers = {"Host": "127.0.0.1:8180", **{k: v if isinstance(v, str) else v.decode() for k, v in prepared.headers.items()}} | changed
    headers.pop("Content-Length", None)
    body = prepared.body or b""
    return wire.exchange(palisade.port("egress"), wire.request(method or prepared.method, target or own, headers, body))


@pytest.fixture
def acme(egress, idp) -> Credentials:
    return keys(egress, idp.token("acme"))


@pytest.fixture
def note(egress, acme) -> str:
    path = f"/{BUCKET}/acme/vended.txt"
    assert send(egress, signed(acme, "PUT", path, b"with vended keys")).status == 200
    return path


def test_what_is_vended(egress, idp, note, no_credentials_in):
    token = idp.token("acme", exp=int(time.time()) + 1800)
    for proof in (token, f"Bearer {token}"):
        document = json.loads(vend(egress, proof).body)
        assert set(document) == {"AccessKeyId", "SecretAccessKey", "Token", "Expiration"}
        assert document["AccessKeyId"] == "tenant.acme" and token not in json.dumps(document)
        end = datetime.datetime.strptime(document["Expiration"], "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=datetime.timezone.utc)
        assert 1700 < (end - datetime.datetime.now(datetime.timezone.utc)).total_seconds() < 1900
    no_credentials_in(json.dumps(document))


def test_the_tenant_may_be_said_in_three_ways_and_is_never_guessed(egress, idp):
    several = idp.token(["acme", "globex"])
    assert vend(egress, several).reason == "tenant-missing"
    assert keys(egress, several, f"{CREDENTIALS}?tenant=globex").access_key == "tenant.globex"
    assert json.loads(vend(egress, several, **{"x-tenant-id": "acme"}).body)["AccessKeyId"] == "tenant.acme"
    assert vend(egress, several, f"{CREDENTIALS}?tenant=globex", **{"x-tenant-id": "acme"}).reason == "tenant-ambiguous"
    assert vend(egress, several, f"{CREDENTIALS}?tenant=acme&tenant=acme").reason == "tenant-ambiguous"
    assert vend(egress, several, f"{CREDENTIALS}?tenant=bare").reason == "tenant-mismatch"
    assert vend(egress, idp.token("initech")).reason == "tenant-suspended"


def test_errors_are_what_an_sdk_reads(egress, idp):
    refused = vend(egress, "nonsense")
    assert (refused.status, refused.header("content-type")) == (403, "application/json") and json.loads(refused.body)["message"]
    wrong = wire.exchange(egress.port("egress"), wire.request("DELETE", CREDENTIALS, {"Host": "127.0.0.1:8180", "Authorization": idp.token("acme")}))
    assert (wrong.status, wrong.header("allow")) == (405, "GET")


def test_vended_keys_are_for_every_service(egress, acme, note):
    assert send(egress, signed(acme, "GET", note)).body == b"with vended keys"
    item = json.dumps(GET_ITEM).encode()
    headers = {"x-amz-target": "DynamoDB_20120810.GetItem", "content-type": "application/x-amz-json-1.0"}
    request = signed(acme, "POST", "/", item, "dynamodb", SigV4Auth, **headers)
    assert "x-amz-content-sha256" not in {name.lower() for name in request.headers}, "the body's hash is not declared: it has to be computed"
    assert send(egress, request).status == 200
    request.data = item.replace(b"TableName", b"TableNam\\u0065")
    assert send(egress, request).reason == "signature-mismatch"


def test_a_signature_that_is_wrong(egress, acme, note):
    assert send(egress, signed(acme, "GET", note), target=f"{note}?acl").reason == "signature-mismatch"
    assert send(egress, signed(acme, "GET", note), method="DELETE").reason == "signature-mismatch"
    assert send(egress, signed(acme, "GET", note), Host="localhost:8180").reason == "signature-mismatch"
    forged = Credentials(acme.access_key, "guessed", acme.token)
    refused = send(egress, signed(forged, "GET", note))
    assert (refused.status, refused.reason) == (403, "signature-mismatch") and b"<Code>SignatureDoesNotMatch</Code>" in refused.body


def test_what_was_signed_cannot_be_taken_away(egress, acme, note):
    """`Connection` names headers of one hop; nobody may have a signed one removed by it, and put another body under the signature."""
    request = signed(acme, "PUT", note, b"original")
    request.data = b"another body"
    assert send(egress, request).reason == "payload-hash-mismatch"
    for named in ("x-amz-content-sha256", "close, X-Amz-Content-SHA256"):
        assert send(egress, request, Connection=named).reason == "signature-mismatch"
    copy = signed(acme, "PUT", f"/{BUCKET}/acme/copy.txt", **{"x-amz-copy-source": note})
    assert send(egress, copy, Connection="x-amz-copy-source").reason == "signature-mismatch"
    assert send(egress, signed(acme, "GET", note)).body == b"with vended keys"


def test_an_old_signature(egress, acme, note, monkeypatch):
    class Clock(datetime.datetime):
        @classmethod
        def utcnow(cls):
            return datetime.datetime.now(datetime.timezone.utc).replace(tzinfo=None) - datetime.timedelta(minutes=16)

        @classmethod
        def now(cls, tz=None):
            return datetime.datetime.now(tz) - datetime.timedelta(minutes=16)

    import botocore.auth

    if hasattr(botocore.auth, "get_current_datetime"):
        monkeypatch.setattr(botocore.auth, "get_current_datetime", lambda remove_tzinfo=True: Clock.utcnow() if remove_tzinfo else Clock.now(datetime.timezone.utc))
    else:
        monkeypatch.setattr(botocore.auth.datetime, "datetime", Clock)
    request = signed(acme, "GET", note)
    refused = send(egress, request)
    assert (refused.status, refused.reason) == (403, "signature-expired") and b"RequestTimeTooSkewed" in refused.body


def test_a_session_token_alone_is_worth_nothing(egress, acme, note):
    for headers in ({"Authorization": f"Bearer {acme.token}"}, {"x-tenant-token": acme.token}, {"x-amz-security-token": acme.token}):
        target = wire.request("GET", note, {"Host": f"s3.{REGION}.amazonaws.com", "x-tenant-id": "acme"} | headers)
        assert wire.exchange(egress.port("egress"), target).reason == "proof-not-accepted"
    assert vend(egress, acme.token).reason == "proof-not-accepted"
    query = urllib.parse.urlencode({"X-Amz-Security-Token": acme.token})
    assert wire.exchange(egress.port("egress"), wire.request("GET", f"{note}?{query}", {"Host": f"s3.{REGION}.amazonaws.com"})).reason in {
        "signature-unsupported", "signature-malformed"}


def test_keys_of_another_process(egress, silo, idp):
    foreign = keys(silo, idp.token("acme"))
    refused = send(egress, signed(foreign, "GET", f"/{BUCKET}/acme/vended.txt"))
    assert (refused.status, refused.reason) == (400, "keys-unknown") and b"<Code>ExpiredToken</Code>" in refused.body, "SDKs then ask for new ones"


def test_keys_of_one_tenant_are_nobody_else_s(egress, idp, acme, note, no_credentials_in):
    globex = keys(egress, idp.token("globex"))
    mixed = Credentials("tenant.globex", acme.secret_key, acme.token)
    assert send(egress, signed(mixed, "GET", note)).reason == "tenant-ambiguous"
    assert send(egress, signed(globex, "GET", note)).reason == "aws-denied"
    answer = send(egress, signed(acme, "GET", f"/{BUCKET}/globex/welcome.txt"))
    assert answer.reason == "aws-denied"
    no_credentials_in(answer.body.decode())


def test_keys_end_with_the_passport_that_they_stand_for(sidecar, application, authority, idp):
    with application.visit(sidecar.port("ingress"), authority.client(), idp.token("acme"), "acme") as visit:
        key = keys(sidecar, visit.passport)
        request = signed(key, "PUT", f"/{BUCKET}/acme/passport.txt", b"by passport")
        assert send(sidecar, request).status == 200
        wait_until(lambda: sidecar.metric("palisade_passports_live") == 1, 5, "those of other tests have ended")
    wait_until(lambda: sidecar.metric("palisade_passports_live") == 0, 5, "the passport ends")
    assert send(sidecar, signed(key, "GET", f"/{BUCKET}/acme/passport.txt")).reason == "passport-unknown"


def presigned(key: Credentials, method: str, path: str, expires: int = 300) -> str:
    request = AWSRequest(method, f"http://127.0.0.1:8180{path}")
    S3SigV4QueryAuth(key, "s3", REGION, expires=expires).add_auth(request)
    split = urllib.parse.urlsplit(request.prepare().url)
    return f"{split.path}?{split.query}"


def plain(palisade, method: str, target: str, body: bytes = b"", **headers: str) -> wire.Message:
    return wire.exchange(palisade.port("egress"), wire.request(method, target, {"Host": "127.0.0.1:8180"} | headers, body))


def test_a_url_that_an_sdk_presigned(egress, acme, note, aws):
    aws.clear()
    assert plain(egress, "PUT", presigned(acme, "PUT", note), b"from a browser").status == 200
    url = presigned(acme, "GET", note)
    assert plain(egress, "GET", url).body == b"from a browser"
    for target in (url.replace("vended.txt", "other.txt"), url.replace("/acme/", "/globex/"), url.replace("Expires=300", "Expires=3000")):
        assert plain(egress, "GET", target).reason == "signature-mismatch"
    assert plain(egress, "DELETE", url).reason == "signature-mismatch"
    assert plain(egress, "GET", url, **{"x-amz-acl": "private"}).reason == "header-not-signed"
    assert plain(egress, "GET", url, Authorization="Bearer x").reason == "token-ambiguous"
    sent = [request for request, _ in aws.exchanges()]
    assert len(sent) == 2 and not [r for r in sent if "X-Amz" in r.start or acme.token in str(r.headers)], "something of the URL went on to AWS"


def test_a_proof_in_a_url(egress, idp, note):
    bare = Credentials("tenant.acme", "unused", idp.token("acme"))
    assert plain(egress, "GET", presigned(bare, "GET", note)).reason == "signature-unsupported"


@pytest.fixture(scope="module")
def presigning(start, directory, setting, pool, sts, aws):
    """An egress that may presign, without the taps' address in its URLs: they go straight to the emulator."""
    return start("presigning", setting.egress({"s3": at(aws.port)}, presign={"max_expires": "2m"}), setting.identity(), setting.pooled(pool, sts.port),
                 {"limits": {"tiers": {"gold": {"requests_per_second": 2000, "burst": 4000}}}}, recorded(directory / "presigning.audit"))


def ask(palisade, proof: str, tenant: str = "acme", **wanted) -> wire.Message:
    headers = {"Host": "127.0.0.1:8180", "Authorization": f"Bearer {proof}", "x-tenant-id": tenant, "content-type": "application/json"}
    return wire.exchange(palisade.port("egress"), wire.request("POST", "/_palisade/presign", headers, json.dumps(wanted).encode()))


def use(document: dict, body: bytes = b"") -> tuple[int, bytes]:
    """What somebody without Palisade does with it."""
    split = urllib.parse.urlsplit(document["url"])
    connection = http.client.HTTPConnection(split.netloc, timeout=10)
    with contextlib.closing(connection):
        connection.request(document["method"], f"{split.path}?{split.query}", body or None, document["headers"])
        response = connection.getresponse()
        return response.status, response.read()


def test_real_presigned_urls(presigning, idp):
    token = idp.token("acme")
    put = json.loads(ask(presigning, token, method="PUT", bucket=BUCKET, key="acme/a key+é.txt", headers={"content-type": "text/plain"}).body)
    assert put["headers"] == {"content-type": "text/plain"} and use(put, b"by a browser")[0] == 200
    get = json.loads(ask(presigning, token, method="GET", bucket=BUCKET, key="acme/a key+é.txt", expires_in=60).body)
    assert use(get) == (200, b"by a browser")
    assert re.search("X-Amz-Expires=60&", get["url"]) and "X-Amz-Security-Token=" in get["url"]
    left = datetime.datetime.strptime(get["expires"], "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=datetime.timezone.utc) - datetime.datetime.now(datetime.timezone.utc)
    assert 50 < left.total_seconds() <= 60
    assert use(get | {"method": "DELETE"})[0] == 403
    foreign = json.loads(ask(presigning, token, method="GET", bucket=BUCKET, key="globex/welcome.txt").body)
    assert use(foreign)[0] == 403, "the URL is worth what the tenant's session is"


def test_what_is_handed_out_is_on_record_before(presigning, idp):
    url = json.loads(ask(presigning, idp.token("acme"), method="GET", bucket=BUCKET, key="acme/hello.txt").body)["url"]
    record = presigning.records("presigned")[-1]
    assert (record["tenant"], record["service"], record["operation"]) == ("acme", "s3", "GetObject")
    assert record["plan"]["access_key_id"] in url and "hello.txt" not in json.dumps(record)
    key = keys(presigning, idp.token("globex"))
    record = presigning.records("keys-vended")[-1]
    assert record["tenant"] == "globex" and "plan" not in record, "no session is behind placeholder keys"
    assert key.secret_key not in json.dumps(record) and key.token not in json.dumps(record)


def test_what_is_not_presigned(presigning, egress, idp):
    token, good = idp.token("acme"), {"method": "GET", "bucket": BUCKET, "key": "acme/a"}
    assert ask(egress, token, **good).reason == "not-found", "it is off by default"
    assert ask(presigning, token, **good | {"expires_in": 121}).reason == "malformed-request"
    assert ask(presigning, token, **good | {"method": "DELETE"}).reason == "malformed-request"
    assert ask(presigning, token, **good | {"query": {"acl": ""}}).reason == "malformed-request"
    for parameter in ("X-Amz-Expires", "x-amz-copy-source", "Signature"):
        assert ask(presigning, token, **good | {"query": {parameter: "1"}}).reason == "malformed-request"
    copy = good | {"method": "PUT", "headers": {"x-amz-copy-source": f"{BUCKET}/globex/welcome.txt"}}
    assert ask(presigning, token, **copy).reason == "operation-refused"
    assert ask(presigning, token, tenant="globex", **good).reason == "tenant-mismatch"
    assert ask(presigning, idp.token("initech"), tenant="initech", **good).reason == "tenant-suspended"
    assert ask(presigning, token, **good | {"region": "us-east-1"}).reason == "region-not-allowed"


def test_the_log_says_what_was_presigned_and_not_the_url(presigning, idp):
    url = json.loads(ask(presigning, idp.token("acme"), method="GET", bucket=BUCKET, key="acme/a").body)["url"]
    token = urllib.parse.parse_qs(urllib.parse.urlsplit(url).query)["X-Amz-Security-Token"][0]
    wait_until(lambda: any(line.get("operation") == "GetObject" for line in presigning.log()), 5, "the request is logged")
    assert token not in presigning.everything_written() and "X-Amz-Signature" not in presigning.everything_written()


def test_boto3_takes_its_keys_from_the_endpoint(egress, idp, monkeypatch):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", f"{egress.url}{CREDENTIALS}")
    monkeypatch.setenv("AWS_CONTAINER_AUTHORIZATION_TOKEN", idp.token("acme"))
    session = boto3.Session(region_name=REGION)
    s3 = session.client("s3", endpoint_url=egress.url, config=Config(retries={"total_max_attempts": 1}, s3={"addressing_style": "path"}))
    s3.put_object(Bucket=BUCKET, Key="acme/from-the-endpoint.txt", Body=b"x" * 100_000)
    assert s3.get_object(Bucket=BUCKET, Key="acme/from-the-endpoint.txt")["Body"].read() == b"x" * 100_000
    assert session.get_credentials().get_frozen_credentials().access_key == "tenant.acme"
