"""AWS as far as it can be had on one machine, and the accounts, roles and data that the tests rely on.

MiniStack verifies SigV4 and enforces role, session and trust policies, so a crossing that it refuses was refused by
policy. It does not evaluate policy variables or `dynamodb:LeadingKeys`: DynamoDB is isolated by table here. moto serves
more services and enforces role policies alone, so there every tenant has a role of its own.
"""

import io
import json
import os
import sys
import urllib.request
import zipfile
from dataclasses import dataclass
from pathlib import Path

import boto3
from botocore.config import Config

from .process import Child, answers, clean_environment, free_port

REGION = "eu-west-1"
ACCOUNT = "111122223333"
BUCKET = "pool-data"
TENANTS = ("acme", "acme-eu", "globex", "slow", "single")


@dataclass(frozen=True)
class Key:
    """An access key."""

    access_key_id: str
    secret_access_key: str


class Backend:
    """A running emulator and how to reach it."""

    def __init__(self, child: Child, port: int, root: Key):
        self.child, self.port, self.root = child, port, root

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def client(self, service: str, key: Key | None = None, token: str | None = None):
        """A boto3 client that talks to the emulator directly, as root unless told otherwise."""
        key = key or self.root
        return boto3.client(service, endpoint_url=self.url, region_name=REGION, aws_access_key_id=key.access_key_id,
                            aws_secret_access_key=key.secret_access_key, aws_session_token=token,
                            config=Config(retries={"max_attempts": 0}, s3={"addressing_style": "path"}))

    def stop(self):
        self.child.stop()


def ministack(python: Path, directory: Path) -> Backend:
    """MiniStack with authentication on, in a virtual environment of its own: it pins its botocore."""
    port = free_port()
    environment = clean_environment(
        AUTH="true", BIND_HOST="127.0.0.1", GATEWAY_PORT=str(port), MINISTACK_ACCOUNT_ID=ACCOUNT, MINISTACK_REGION=REGION,
        CLOUDTRAIL_RECORDING="1", IOT_MTLS_ENABLED="0", SFTP_ENABLED="0", LOG_LEVEL="WARNING", TMPDIR=str(directory),
        AWS_ACCESS_KEY_ID="test", AWS_SECRET_ACCESS_KEY="test",
    )
    child = Child("ministack", [python, "-m", "ministack"], directory, environment)
    child.wait_ready(lambda: answers(port, "/_ministack/health"))
    return Backend(child, port, Key("test", "test"))


def moto(directory: Path) -> Backend:
    """moto's server, open until `moto_lock` is called."""
    port = free_port()
    environment = clean_environment(MOTO_ACCOUNT_ID=ACCOUNT, PYTHONWARNINGS="ignore")
    child = Child("moto", [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", port], directory, environment)
    child.wait_ready(lambda: answers(port, "/moto-api/"))
    return Backend(child, port, Key("testing", "testing"))


def moto_lock(backend: Backend):
    """From now on moto checks signatures and role policies."""
    reset = urllib.request.Request(f"{backend.url}/moto-api/reset-auth", data=b"0", headers={"Content-Type": "text/plain"}, method="POST")
    urllib.request.urlopen(reset, timeout=5).close()


def document(*statements: dict) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def allow(actions: list | str, resources: list | str, **more) -> dict:
    return {"Effect": "Allow", "Action": actions, "Resource": resources} | more


def base_user(backend: Backend) -> tuple[str, Key]:
    """Palisade's own identity: it may assume tenant roles and nothing else."""
    iam = backend.client("iam")
    arn = iam.create_user(UserName="palisade")["User"]["Arn"]
    may = ["sts:AssumeRole", "sts:TagSession", "sts:SetSourceIdentity"]
    iam.put_user_policy(UserName="palisade", PolicyName="assume", PolicyDocument=document(allow(may, f"arn:aws:iam::{ACCOUNT}:role/tenant-*")))
    made = iam.create_access_key(UserName="palisade")["AccessKey"]
    return arn, Key(made["AccessKeyId"], made["SecretAccessKey"])


def role(backend: Backend, name: str, trusted: str, statements: list, condition: dict | None = None) -> str:
    """A role that `trusted` may assume with tags, under a condition."""
    iam = backend.client("iam")
    trust = {"Effect": "Allow", "Principal": {"AWS": trusted}, "Action": ["sts:AssumeRole", "sts:TagSession", "sts:SetSourceIdentity"]}
    if condition:
        trust["Condition"] = condition
    arn = iam.create_role(RoleName=name, AssumeRolePolicyDocument=document(trust))["Role"]["Arn"]
    iam.put_role_policy(RoleName=name, PolicyName="data", PolicyDocument=document(*statements))
    return arn


# The template that the pooled model puts between one shared role and one tenant.
SESSION_POLICY = {
    "Version": "2012-10-17",
    "Statement": [
        {"Effect": "Allow", "Resource": f"arn:aws:s3:::{BUCKET}/{{tenant.id}}/*",
         "Action": ["s3:GetObject", "s3:PutObject", "s3:DeleteObject", "s3:AbortMultipartUpload", "s3:ListMultipartUploadParts"]},
        {"Effect": "Allow", "Resource": f"arn:aws:s3:::{BUCKET}", "Action": "s3:ListBucket",
         "Condition": {"StringLike": {"s3:prefix": "{tenant.id}/*"}}},
        {"Effect": "Allow", "Action": ["dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:Query"],
         "Resource": f"arn:aws:dynamodb:{REGION}:{ACCOUNT}:table/orders-{{tenant.id}}"},
        {"Effect": "Allow", "Action": ["s3:ListBucket", "s3:GetObject", "s3:PutObject", "s3:DeleteObject"],
         "Resource": ["arn:aws:s3:::backups-{tenant.id}", "arn:aws:s3:::backups-{tenant.id}/*"]},
    ],
}


def provision_pool(backend: Backend) -> Key:
    """A bucket for all, a table and a bucket a tenant, one role for all (which demands the tenant tag), a role a tenant (which demands its external id)."""
    s3, dynamodb = backend.client("s3"), backend.client("dynamodb")
    s3.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": REGION})
    for tenant in TENANTS:
        s3.create_bucket(Bucket=f"backups-{tenant}", CreateBucketConfiguration={"LocationConstraint": REGION})
        s3.put_object(Bucket=BUCKET, Key=f"{tenant}/hello.txt", Body=f"hello {tenant}".encode())
        dynamodb.create_table(
            TableName=f"orders-{tenant}", BillingMode="PAY_PER_REQUEST",
            KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
            AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}, {"AttributeName": "sk", "AttributeType": "S"}],
        )
        dynamodb.put_item(TableName=f"orders-{tenant}", Item={"pk": {"S": f"{tenant}#1"}, "sk": {"S": "0"}, "of": {"S": tenant}})
    user, key = base_user(backend)
    everything = [allow("s3:*", [f"arn:aws:s3:::{BUCKET}", f"arn:aws:s3:::{BUCKET}/*", "arn:aws:s3:::backups-*"]),
                  allow("dynamodb:*", f"arn:aws:dynamodb:{REGION}:{ACCOUNT}:table/orders-*")]
    role(backend, "tenant-pool", user, everything, {"StringLike": {"aws:RequestTag/TenantID": "*"}})
    for tenant in (*TENANTS, "estranged"):
        role(backend, f"tenant-{tenant}", user,
             [allow(["s3:GetObject", "s3:PutObject"], f"arn:aws:s3:::{BUCKET}/{tenant}/*")],
             {"StringEquals": {"sts:ExternalId": f"external-{tenant}"}})
    return key


def provision_services(backend: Backend) -> Key:
    """A queue, a topic, a secret and a function a tenant, and one KMS key, in moto. Its functions answer with what they are given.

    moto knows the resource of SQS calls alone; for the others it compares actions, which it names after operations. So queues are
    isolated by name, and `globex`, whose role has no action of KMS or Lambda, shows that a tenant has no more than its own role has.
    `tenant-mirror` may do everything: what policies say is no subject of the tests that assume it.
    """
    sqs, sns, secrets, kms = (backend.client(s) for s in ("sqs", "sns", "secretsmanager", "kms"))
    configure = urllib.request.Request(f"{backend.url}/moto-api/config", data=b'{"lambda": {"use_docker": false}}', method="POST",
                                       headers={"Content-Type": "application/json"})
    urllib.request.urlopen(configure, timeout=5).close()
    runs_as = backend.client("iam").create_role(RoleName="function", AssumeRolePolicyDocument=document())["Role"]["Arn"]
    code = io.BytesIO()
    with zipfile.ZipFile(code, "w") as archive:
        archive.writestr("function.py", "def handler(event, _): return event")
    user, key = base_user(backend)
    kms.create_alias(AliasName="alias/acme", TargetKeyId=kms.create_key()["KeyMetadata"]["Arn"])
    for tenant, more in (("acme", ["kms:Encrypt", "kms:Decrypt", "lambda:Invoke"]), ("globex", [])):
        sqs.create_queue(QueueName=f"{tenant}-jobs")
        sns.create_topic(Name=f"{tenant}-events")
        backend.client("lambda").create_function(FunctionName=f"{tenant}-report", Runtime="python3.12", Role=runs_as, Handler="function.handler",
                                                 Code={"ZipFile": code.getvalue()})
        secrets.create_secret(Name=f"{tenant}/database", SecretString=f"password of {tenant}")
        role(backend, f"tenant-{tenant}", user, [
            allow("sqs:*", f"arn:aws:sqs:{REGION}:{ACCOUNT}:{tenant}-*"),
            allow(["sns:Publish", "secretsmanager:GetSecretValue", *more], "*"),
        ])
    role(backend, "tenant-mirror", user, [allow("*", "*")])
    moto_lock(backend)
    return key


def assumed(backend: Backend, session: str) -> list[dict]:
    """What the emulator's CloudTrail has of the AssumeRole calls for a session name: their parameters, newest first."""
    events = backend.client("cloudtrail").lookup_events(LookupAttributes=[{"AttributeKey": "EventSource", "AttributeValue": "sts.amazonaws.com"}])
    calls = [json.loads(e["CloudTrailEvent"])["requestParameters"] for e in events["Events"]]
    return [c for c in calls if c.get("Action") == "AssumeRole" and c.get("RoleSessionName") == session]


def ministack_python() -> Path:
    """The interpreter of MiniStack's environment; `tests/tools/venvs.py` makes it and says where."""
    path = os.environ.get("MINISTACK_PYTHON")
    if not path:
        raise RuntimeError("MINISTACK_PYTHON is not set: run the suite by `make test-clients`")
    return Path(path)
