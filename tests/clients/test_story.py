"""The story: two tenants and unmodified clients; each gets at its own data and at nobody else's."""

import contextlib
import io
import json
import threading

import pytest
from boto3.s3.transfer import TransferConfig
from botocore.exceptions import ClientError

from harness.backends import BUCKET, REGION, assumed
from harness.clients import client
from harness.tap import Tap
from harness.wire import redact

# Where signing goes wrong first: what has to be encoded, what must not be normalised, what looks like something else.
KEYS = ["plain.txt", "a b+c", "100%", "a%2Fb", "x//y", "./dots/../kept", "é/ü/漢字/🦀", "~*'()!", "q?x=1&y=2#z", "=;,:@$", "tab\tkey", "_palisade/credentials"]


def refused(code: str, call, *arguments, **named) -> ClientError:
    """The call is refused with this code, and the client library knows it for what it is."""
    with pytest.raises(ClientError) as caught:
        call(*arguments, **named)
    assert caught.value.response["Error"]["Code"] == code, redact(str(caught.value))
    return caught.value


def reason(error: ClientError) -> str:
    return error.response["ResponseMetadata"]["HTTPHeaders"].get("x-palisade-reason")


def test_objects_with_boto3(door):
    for tenant in ("acme", "globex"):
        s3 = door.client("s3", tenant)
        s3.put_object(Bucket=BUCKET, Key=f"{tenant}/boto/1", Body=tenant.encode(), ContentType="text/plain", Metadata={"of": tenant})
        got = s3.get_object(Bucket=BUCKET, Key=f"{tenant}/boto/1")
        assert got["Body"].read() == tenant.encode() and got["Metadata"] == {"of": tenant} and got["ContentType"] == "text/plain"
        assert s3.head_object(Bucket=BUCKET, Key=f"{tenant}/boto/1")["ContentLength"] == len(tenant)
        assert s3.get_object(Bucket=BUCKET, Key=f"{tenant}/boto/1", Range="bytes=1-2")["Body"].read() == tenant.encode()[1:3]
        assert [o["Key"] for o in s3.list_objects_v2(Bucket=BUCKET, Prefix=f"{tenant}/boto/")["Contents"]] == [f"{tenant}/boto/1"]
        s3.delete_object(Bucket=BUCKET, Key=f"{tenant}/boto/1")
        with pytest.raises(s3.exceptions.NoSuchKey):
            s3.get_object(Bucket=BUCKET, Key=f"{tenant}/boto/1")


@pytest.mark.parametrize("key", KEYS)
def test_any_object_key(door, ministack, key):
    s3 = door.client("s3", "acme")
    s3.put_object(Bucket=BUCKET, Key=f"acme/keys/{key}", Body=key.encode())
    assert s3.get_object(Bucket=BUCKET, Key=f"acme/keys/{key}")["Body"].read() == key.encode()
    # The same bytes under the same key for somebody who does not go through Palisade.
    assert ministack.client("s3").get_object(Bucket=BUCKET, Key=f"acme/keys/{key}")["Body"].read() == key.encode()
    s3.delete_object(Bucket=BUCKET, Key=f"acme/keys/{key}")


def test_multipart_upload_with_boto3(door):
    data = bytes(range(256)) * (12 << 12)  # 12 MiB
    settings = TransferConfig(multipart_threshold=5 << 20, multipart_chunksize=5 << 20, max_concurrency=3)
    s3 = door.client("s3", "acme")
    s3.upload_fileobj(io.BytesIO(data), BUCKET, "acme/parts", Config=settings)
    assert s3.head_object(Bucket=BUCKET, Key="acme/parts")["ETag"].strip('"').endswith("-3"), "it went up in one piece"
    back = io.BytesIO()
    s3.download_fileobj(BUCKET, "acme/parts", back, Config=settings)
    assert back.getvalue() == data


def test_objects_with_the_cli(door, tmp_path):
    source = tmp_path / "big file.bin"
    source.write_bytes(bytes(range(256)) * (9 << 12))  # over the CLI's threshold for parts
    for tenant in ("acme", "globex"):
        for arguments in (
            ("s3", "cp", source, f"s3://{BUCKET}/{tenant}/cli/big file.bin"),
            ("s3", "ls", f"s3://{BUCKET}/{tenant}/cli/"),
            ("s3", "cp", f"s3://{BUCKET}/{tenant}/cli/big file.bin", tmp_path / tenant),
            ("s3api", "head-object", "--bucket", BUCKET, "--key", f"{tenant}/cli/big file.bin"),
            ("s3", "rm", f"s3://{BUCKET}/{tenant}/cli/big file.bin"),
        ):
            done = door.cli(tenant, *arguments)
            assert done.returncode == 0, f"{arguments[:2]}: {redact(done.stderr)}"
        assert (tmp_path / tenant).read_bytes() == source.read_bytes()
    done = door.cli("acme", "s3", "cp", f"s3://{BUCKET}/globex/hello.txt", "-")
    assert done.returncode != 0 and "403" in done.stderr
    done = door.cli("acme", "s3api", "get-object", "--bucket", BUCKET, "--key", "globex/hello.txt", tmp_path / "stolen")
    assert done.returncode != 0 and "(AccessDenied)" in done.stderr and not (tmp_path / "stolen").exists()


def test_items_with_boto3(door):
    for tenant in ("acme", "globex"):
        items = door.client("dynamodb", tenant)
        items.put_item(TableName=f"orders-{tenant}", Item={"pk": {"S": f"{tenant}#2"}, "sk": {"S": "é"}, "n": {"N": "7"}, "b": {"B": b"\x00\xff"}})
        got = items.get_item(TableName=f"orders-{tenant}", Key={"pk": {"S": f"{tenant}#2"}, "sk": {"S": "é"}})
        assert got["Item"]["n"] == {"N": "7"} and got["Item"]["b"] == {"B": b"\x00\xff"}
        found = items.query(TableName=f"orders-{tenant}", KeyConditionExpression="pk = :p", ExpressionAttributeValues={":p": {"S": f"{tenant}#1"}})
        assert found["Count"] == 1 and found["Items"][0]["of"] == {"S": tenant}


def test_items_with_the_cli(door):
    key = json.dumps({"pk": {"S": "acme#1"}, "sk": {"S": "0"}})
    done = door.cli("acme", "dynamodb", "get-item", "--table-name", "orders-acme", "--key", key)
    assert done.returncode == 0 and json.loads(done.stdout)["Item"]["of"] == {"S": "acme"}, redact(done.stderr)
    done = door.cli("acme", "dynamodb", "get-item", "--table-name", "orders-globex", "--key", key)
    assert done.returncode != 0 and "(AccessDeniedException)" in done.stderr


@pytest.mark.parametrize("victim", ["globex", "acme-eu"])
def test_no_object_of_another_tenant(door, ministack, victim, no_credentials_in):
    """`acme-eu` begins as `acme` does: a prefix without its separator would let this through."""
    s3, theirs = door.client("s3", "acme"), f"{victim}/hello.txt"
    attempts = [
        lambda: s3.get_object(Bucket=BUCKET, Key=theirs),
        lambda: s3.put_object(Bucket=BUCKET, Key=theirs, Body=b"mine now"),
        lambda: s3.delete_object(Bucket=BUCKET, Key=theirs),
        lambda: s3.copy_object(Bucket=BUCKET, Key="acme/stolen", CopySource=f"{BUCKET}/{theirs}"),
        lambda: s3.create_multipart_upload(Bucket=BUCKET, Key=f"{victim}/parts"),
        lambda: s3.list_objects_v2(Bucket=BUCKET, Prefix=f"{victim}/"),
        lambda: s3.list_objects_v2(Bucket=BUCKET),
        lambda: s3.get_object(Bucket=BUCKET, Key=f"acme/../{theirs}"),
    ]
    for attempt in attempts[:-1]:
        error = refused("AccessDenied", attempt)
        assert reason(error) == "aws-denied"
        no_credentials_in(str(error.response))
    # An S3 key is not a path: this names an object of acme's that does not exist.
    refused("NoSuchKey", attempts[-1])
    assert ministack.client("s3").get_object(Bucket=BUCKET, Key=theirs)["Body"].read() == f"hello {victim}".encode()


@pytest.mark.parametrize("victim", ["globex", "acme-eu"])
def test_no_item_of_another_tenant(door, victim, no_credentials_in):
    items, key = door.client("dynamodb", "acme"), {"pk": {"S": f"{victim}#1"}, "sk": {"S": "0"}}
    for attempt in (
        lambda: items.get_item(TableName=f"orders-{victim}", Key=key),
        lambda: items.put_item(TableName=f"orders-{victim}", Item=key),
        lambda: items.query(TableName=f"orders-{victim}", KeyConditionExpression="pk = :p", ExpressionAttributeValues={":p": key["pk"]}),
        lambda: items.scan(TableName="orders-acme"),
    ):
        error = refused("AccessDeniedException", attempt)
        assert reason(error) == "aws-denied"
        no_credentials_in(str(error.response))


def test_a_proof_works_for_its_own_tenant_alone(door):
    """The placeholder access key names the tenant; A's proof under B's name is refused before AWS hears of it."""
    door.proofs["globex"] = door.proofs["acme"]
    error = refused("AccessDenied", door.client("s3", "globex").get_object, Bucket=BUCKET, Key="globex/hello.txt")
    assert reason(error) == "tenant-mismatch"
    error = refused("AccessDeniedException", door.client("dynamodb", "globex").get_item, TableName="orders-globex",
                    Key={"pk": {"S": "globex#1"}, "sk": {"S": "0"}})
    assert reason(error) == "tenant-mismatch"


def test_a_passport_ends_with_its_request(sidecar, application, authority, idp):
    with application.visit(sidecar.port("ingress"), authority.client(), idp.token("acme"), "acme") as visit:
        s3 = client("s3", sidecar.url, "acme", visit.passport)
        s3.head_object(Bucket=BUCKET, Key="acme/hello.txt")
    error = refused("ExpiredToken", s3.get_object, Bucket=BUCKET, Key="acme/hello.txt")
    assert reason(error) == "passport-unknown"


def test_a_session_is_what_the_configuration_says(door, ministack):
    """What STS received, from the CloudTrail of the STS side."""
    assert door.palisade.admin("/tenants/acme/evict", "POST")[0] == 200
    door.client("s3", "acme").head_object(Bucket=BUCKET, Key="acme/hello.txt")
    call = assumed(ministack, "acme")[0]
    assert call["RoleArn"].endswith(":role/tenant-pool")
    tags = {call[f"Tags.member.{n}.Key"]: call[f"Tags.member.{n}.Value"] for n in (1, 2)}
    assert tags == {"TenantID": "acme", "Issuer": "https://idp.test/"} and "Tags.member.3.Key" not in call
    assert call["TransitiveTagKeys.member.1"] == "TenantID" and "TransitiveTagKeys.member.2" not in call
    assert call["SourceIdentity"] == "user-1" and call["DurationSeconds"] == "3600"
    policy = json.loads(call["Policy"])
    assert policy["Statement"][0]["Resource"] == f"arn:aws:s3:::{BUCKET}/acme/*" and policy["Statement"][2]["Resource"].endswith(":table/orders-acme")
    assert len(call["Policy"]) < len(json.dumps(policy)), "the policy was not sent compact"


def test_one_call_to_sts_serves_many_requests(start, setting, pool, ministack, pooled_services, idp):
    """Cold, and all at once: the first request asks STS, the others wait for its answer."""
    failures = []
    with contextlib.closing(Tap(ministack.port)) as sts:
        fresh = start("cold", setting.egress(pooled_services), setting.identity(), setting.pooled(pool, sts.port))

        def get():
            try:
                client("s3", fresh.url, "acme-eu", idp.token("acme-eu")).head_object(Bucket=BUCKET, Key="acme-eu/hello.txt")
            except ClientError as error:
                failures.append(error)

        threads = [threading.Thread(target=get) for _ in range(12)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
        assert not failures and len([asked for asked, _ in sts.exchanges() if b"Action=AssumeRole&" in asked.body]) == 1
    assert fresh.metric("palisade_sts_requests_total") == 1 == fresh.metric("palisade_tenant_sessions")


def test_aws_never_sees_the_proof_and_the_client_never_a_credential(door, aws, no_credentials_in):
    aws.clear()
    s3 = door.client("s3", "acme")
    s3.put_object(Bucket=BUCKET, Key="acme/wire", Body=b"over the wire")
    s3.get_object(Bucket=BUCKET, Key="acme/wire")["Body"].read()
    refused("AccessDenied", s3.get_object, Bucket=BUCKET, Key="globex/hello.txt")
    refused("AccessDeniedException", door.client("dynamodb", "acme").get_item, TableName="orders-globex", Key={"pk": {"S": "x"}, "sk": {"S": "0"}})
    no_credentials_in(door.tap.received.decode("latin-1"))
    sent = aws.sent.decode("latin-1")
    assert f"/{REGION}/s3/aws4_request" in sent and "ASIA" in sent, "nothing signed went out"
    for hint in (door.proofs["acme"], "tenant.acme", "x-tenant-id", "x-palisade"):
        assert hint not in sent and hint.title() not in sent, f"{redact(hint)} went to AWS"
