"""Services that speak JSON 1.0, JSON 1.1 and Query, through one egress, with a role for each tenant.

moto stands for AWS here: it checks signatures and role policies.
"""

import pytest
from botocore.exceptions import ClientError

from harness.backends import ACCOUNT, REGION
from harness.clients import client, cli


@pytest.fixture
def aws_for(services, idp):
    return lambda service, tenant: client(service, services.url, tenant, idp.token(tenant))


def queue(endpoint: str, tenant: str) -> str:
    return f"{endpoint}/{ACCOUNT}/{tenant}-jobs"


def test_a_queue_of_ones_own(services, aws_for):
    for tenant in ("acme", "globex"):
        sqs, url = aws_for("sqs", tenant), queue(services.url, tenant)
        sqs.send_message(QueueUrl=url, MessageBody=f"for {tenant}", MessageAttributes={"a": {"DataType": "String", "StringValue": "ü"}})
        (message,) = sqs.receive_message(QueueUrl=url, MessageAttributeNames=["All"])["Messages"]
        assert message["Body"] == f"for {tenant}" and message["MessageAttributes"]["a"]["StringValue"] == "ü"
        sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])


def test_nobody_elses_queue(services, aws_for):
    with pytest.raises(ClientError) as caught:
        aws_for("sqs", "acme").send_message(QueueUrl=queue(services.url, "globex"), MessageBody="x")
    response = caught.value.response
    assert response["ResponseMetadata"]["HTTPHeaders"]["x-palisade-reason"] == "aws-denied"
    assert "AccessDenied" in response["Error"]["Code"] and response["ResponseMetadata"]["HTTPStatusCode"] in (400, 403)
    assert ACCOUNT not in str(response) and "assumed-role" not in str(response)


def test_a_topic(aws_for):
    for tenant in ("acme", "globex"):
        topic = f"arn:aws:sns:{REGION}:{ACCOUNT}:{tenant}-events"
        assert aws_for("sns", tenant).publish(TopicArn=topic, Message="a=b&c d+é")["MessageId"]


def test_a_secret(aws_for):
    assert aws_for("secretsmanager", "acme").get_secret_value(SecretId="acme/database")["SecretString"] == "password of acme"


def test_a_key(aws_for):
    kms = aws_for("kms", "acme")
    sealed = kms.encrypt(KeyId="alias/acme", Plaintext=b"\x00secret")["CiphertextBlob"]
    assert kms.decrypt(CiphertextBlob=sealed)["Plaintext"] == b"\x00secret"


def test_a_role_has_what_its_tenant_has_and_no_more(aws_for):
    """globex's role has no KMS action; acme's has."""
    with pytest.raises(ClientError) as caught:
        aws_for("kms", "globex").encrypt(KeyId="alias/acme", Plaintext=b"x")
    assert caught.value.response["ResponseMetadata"]["HTTPHeaders"]["x-palisade-reason"] == "aws-denied"


def test_the_cli_on_each_protocol(services, idp):
    for arguments in (
        # Version 1 of the CLI has a host of its own for SQS that wins over AWS_ENDPOINT_URL.
        ("--endpoint-url", services.url, "sqs", "send-message", "--queue-url", queue(services.url, "acme"), "--message-body", "hi"),
        ("sns", "publish", "--topic-arn", f"arn:aws:sns:{REGION}:{ACCOUNT}:acme-events", "--message", "hi"),
        ("secretsmanager", "get-secret-value", "--secret-id", "acme/database"),
        ("kms", "encrypt", "--key-id", "alias/acme", "--plaintext", "aGk="),
    ):
        done = cli(services.url, "acme", idp.token("acme"), *arguments)
        assert done.returncode == 0, f"{arguments}: {done.stderr}"


@pytest.mark.parametrize("call", [
    lambda c: c("sts").get_caller_identity(),
    lambda c: c("sts").assume_role(RoleArn=f"arn:aws:iam::{ACCOUNT}:role/tenant-globex", RoleSessionName="x" * 8),
    lambda c: c("cognito-identity").get_open_id_token_for_developer_identity(IdentityPoolId=f"{REGION}:1", Logins={"a": "b"}),
    lambda c: c("iam").create_access_key(UserName="palisade"),
    lambda c: c("ecr").get_authorization_token(),
], ids=["sts:GetCallerIdentity", "sts:AssumeRole", "cognito-identity:GetOpenIdToken", "iam:CreateAccessKey", "ecr:GetAuthorizationToken"])
def test_nothing_that_hands_out_credentials(aws_for, call):
    with pytest.raises(ClientError) as caught:
        call(lambda service: aws_for(service, "acme"))
    headers = caught.value.response["ResponseMetadata"]["HTTPHeaders"]
    assert headers["x-palisade-reason"] in ("operation-refused", "service-not-allowed")
    assert "AccessDenied" in caught.value.response["Error"]["Code"]
