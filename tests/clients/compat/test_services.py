"""DynamoDB on both backends that have it, and what else applications call, on moto: JSON 1.0 and 1.1, REST-JSON and Query."""

import contextlib

import pytest

from harness.backends import ACCOUNT, REGION

from . import services
from .ledger import REFUSED, SERVICES
from .s3 import Failed

DENIED = "AccessDenied"


@pytest.fixture(params=services.ALL, ids=lambda kind: kind.name)
def make(request, wanted, connect, tmp_path):
    kind = request.param
    with contextlib.ExitStack() as stack:
        yield lambda place: stack.enter_context(contextlib.closing(kind(connect(place), tmp_path, **wanted(kind))))


@pytest.fixture
def on_moto(make, moto_place):
    return make(moto_place)


def queue(client, tenant: str) -> str:
    return f"{client.line.endpoint}/{ACCOUNT}/{tenant}-jobs"


def test_items(make, place, ledger):
    client = make(place)
    table, key = place.table.format("acme"), {"pk": {"S": "acme#compat"}, "sk": {"S": "é+ ü"}}
    with ledger.entry(SERVICES, client.name, "DynamoDB: PutItem, GetItem, Query", place.name):
        client.call("dynamodb", "PutItem", TableName=table, Item=key | {"n": {"N": "7"}, "text": {"S": "a=b&c d+漢"}})
        assert client.call("dynamodb", "GetItem", TableName=table, Key=key, ConsistentRead=True)["Item"]["text"] == {"S": "a=b&c d+漢"}
        found = client.call("dynamodb", "Query", TableName=table, KeyConditionExpression="pk = :p", ExpressionAttributeValues={":p": key["pk"]})
        assert found["Count"] == 1 and found["Items"][0]["n"] == {"N": "7"}


def test_another_tenants_items(make, place, ledger):
    client = make(place)
    with ledger.entry(REFUSED, client.name, "DynamoDB: GetItem and PutItem of another tenant's", place.name) as row:
        key = {"pk": {"S": "globex#1"}, "sk": {"S": "0"}}
        for operation, more in (("GetItem", {"Key": key}), ("PutItem", {"Item": key})):
            with pytest.raises(Failed, match="AccessDeniedException"):
                client.call("dynamodb", operation, TableName=place.table.format("globex"), **more)
        row.seen.add("`AccessDeniedException`")


def test_a_queue(on_moto, ledger):
    with ledger.entry(SERVICES, on_moto.name, "SQS: SendMessage, ReceiveMessage, DeleteMessage", "moto"):
        url, text = queue(on_moto, "acme"), "a=b&c d+漢"
        attributes = {"a": {"DataType": "String", "StringValue": "ü"}}
        sent = on_moto.call("sqs", "SendMessage", QueueUrl=url, MessageBody=text, MessageAttributes=attributes)
        (message,) = on_moto.call("sqs", "ReceiveMessage", QueueUrl=url, MessageAttributeNames=["All"])["Messages"]
        assert message["MessageId"] == sent["MessageId"] and message["Body"] == text and message["MessageAttributes"]["a"]["StringValue"] == "ü"
        on_moto.call("sqs", "DeleteMessage", QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])


def test_another_tenants_queue(on_moto, ledger):
    with ledger.entry(REFUSED, on_moto.name, "SQS: SendMessage to another tenant's queue", "moto") as row:
        with pytest.raises(Failed, match=DENIED):
            on_moto.call("sqs", "SendMessage", QueueUrl=queue(on_moto, "globex"), MessageBody="x")
        row.seen.add(f"`{DENIED}`")


def test_a_topic(on_moto, ledger):
    with ledger.entry(SERVICES, on_moto.name, "SNS: Publish", "moto"):
        topic = f"arn:aws:sns:{REGION}:{ACCOUNT}:acme-events"
        assert on_moto.call("sns", "Publish", TopicArn=topic, Message="a=b&c d+漢", Subject="a+b")["MessageId"]


def test_a_key(on_moto, ledger):
    with ledger.entry(SERVICES, on_moto.name, "KMS: Encrypt, Decrypt", "moto"):
        sealed = on_moto.blob(on_moto.call("kms", "Encrypt", KeyId="alias/acme", Plaintext=b"\x00\xffsecret")["CiphertextBlob"])
        assert on_moto.blob(on_moto.call("kms", "Decrypt", CiphertextBlob=sealed)["Plaintext"]) == b"\x00\xffsecret"


def test_a_secret(on_moto, ledger):
    with ledger.entry(SERVICES, on_moto.name, "Secrets Manager: GetSecretValue", "moto"):
        assert on_moto.call("secretsmanager", "GetSecretValue", SecretId="acme/database")["SecretString"] == "password of acme"


def test_a_function(on_moto, ledger):
    with ledger.entry(SERVICES, on_moto.name, "Lambda: Invoke", "moto"):
        answer = on_moto.call("lambda", "Invoke", FunctionName="acme-report", Payload=b'{"a": [1, "\xc3\xbc"]}')
        assert answer["StatusCode"] == 200 and on_moto.blob(answer["Payload"]) == b'{"a": [1, "\xc3\xbc"]}'


def test_no_function_without_permission(on_moto, wanted, ledger):
    """globex's role has no Lambda action."""
    with ledger.entry(REFUSED, on_moto.name, "Lambda: Invoke by a tenant whose role does not allow it", "moto") as row:
        line = on_moto.line
        line.tenant = "globex"
        other = type(on_moto)(line, on_moto.directory, **wanted(type(on_moto)))
        with contextlib.closing(other), pytest.raises(Failed, match=DENIED):
            other.call("lambda", "Invoke", FunctionName="acme-report", Payload=b"{}")
        row.seen.add(f"`{DENIED}`")
