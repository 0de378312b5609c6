"""Two tenants, one role, AWS's own judgement."""

import contextlib

import pytest
from botocore.exceptions import ClientError

from harness.clients import client
from harness.tap import Tap


def denied(code: str, call, **arguments):
    with pytest.raises(ClientError) as caught:
        call(**arguments)
    assert caught.value.response["Error"]["Code"] == code
    assert caught.value.response["ResponseMetadata"]["HTTPHeaders"]["x-palisade-reason"] == "aws-denied"


@pytest.fixture
def objects(aws):
    """An object of each tenant, put there through Palisade and removed again."""
    for tenant in (aws.a, aws.b):
        aws.client("s3", tenant).put_object(Bucket=aws.bucket, Key=f"{tenant}/a b+c/é", Body=tenant.encode())
    yield
    for tenant in (aws.a, aws.b):
        aws.client("s3", tenant).delete_object(Bucket=aws.bucket, Key=f"{tenant}/a b+c/é")


@pytest.fixture
def items(aws):
    for tenant in (aws.a, aws.b):
        aws.client("dynamodb", tenant).put_item(TableName=aws.table, Item={"pk": {"S": f"{tenant}#1"}, "of": {"S": tenant}})
    yield
    for tenant in (aws.a, aws.b):
        aws.client("dynamodb", tenant).delete_item(TableName=aws.table, Key={"pk": {"S": f"{tenant}#1"}})


def test_each_tenant_has_its_own_objects_and_no_others(aws, objects):
    for mine, theirs in ((aws.a, aws.b), (aws.b, aws.a)):
        s3 = aws.client("s3", mine)
        assert s3.get_object(Bucket=aws.bucket, Key=f"{mine}/a b+c/é")["Body"].read() == mine.encode()
        assert s3.list_objects_v2(Bucket=aws.bucket, Prefix=f"{mine}/")["KeyCount"] == 1
        denied("AccessDenied", s3.get_object, Bucket=aws.bucket, Key=f"{theirs}/a b+c/é")
        denied("AccessDenied", s3.put_object, Bucket=aws.bucket, Key=f"{theirs}/mine", Body=b"x")
        denied("AccessDenied", s3.delete_object, Bucket=aws.bucket, Key=f"{theirs}/a b+c/é")
        denied("AccessDenied", s3.list_objects_v2, Bucket=aws.bucket, Prefix=f"{theirs}/")
        denied("AccessDenied", s3.list_objects_v2, Bucket=aws.bucket)
        denied("AccessDenied", s3.copy_object, Bucket=aws.bucket, Key=f"{mine}/stolen", CopySource={"Bucket": aws.bucket, "Key": f"{theirs}/a b+c/é"})


def test_each_tenant_has_its_own_items_and_no_others(aws, items):
    for mine, theirs in ((aws.a, aws.b), (aws.b, aws.a)):
        table, key = aws.client("dynamodb", mine), {"pk": {"S": f"{theirs}#1"}}
        assert table.get_item(TableName=aws.table, Key={"pk": {"S": f"{mine}#1"}})["Item"]["of"] == {"S": mine}
        denied("AccessDeniedException", table.get_item, TableName=aws.table, Key=key)
        denied("AccessDeniedException", table.put_item, TableName=aws.table, Item=key)
        denied("AccessDeniedException", table.delete_item, TableName=aws.table, Key=key)
        denied("AccessDeniedException", table.query, TableName=aws.table, KeyConditionExpression="pk = :p", ExpressionAttributeValues={":p": key["pk"]})
        denied("AccessDeniedException", table.batch_get_item, RequestItems={aws.table: {"Keys": [{"pk": {"S": f"{mine}#1"}}, key]}})
        denied("AccessDeniedException", table.scan, TableName=aws.table)


def test_a_token_of_one_tenant_does_not_speak_for_the_other(aws, objects):
    s3 = client("s3", aws.palisade.url, aws.b, aws.idp.token(aws.a))
    with pytest.raises(ClientError) as caught:
        s3.get_object(Bucket=aws.bucket, Key=f"{aws.b}/a b+c/é")
    assert caught.value.response["ResponseMetadata"]["HTTPHeaders"]["x-palisade-reason"] == "tenant-mismatch"


def test_aws_own_words_about_role_and_account_stay_inside(aws, objects):
    with contextlib.closing(Tap(aws.palisade.port("egress"))) as tap:
        s3 = client("s3", f"http://127.0.0.1:{tap.port}", aws.a, aws.idp.token(aws.a))
        denied("AccessDenied", s3.get_object, Bucket=aws.bucket, Key=f"{aws.b}/a b+c/é")
        seen = tap.received.decode("latin-1")
    assert aws.account not in seen and "assumed-role" not in seen and "ASIA" not in seen
