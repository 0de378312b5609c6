"""The clients, unmodified: boto3 and the AWS CLI, told an endpoint and credentials and nothing else."""

import datetime
import subprocess
import sys
from pathlib import Path

import boto3
from botocore.config import Config

from .backends import REGION
from .process import clean_environment


def client(service: str, endpoint: str, tenant: str, proof: str, attempts: int = 1, ca: Path | None = None, **config):
    """What an application that serves many tenants does: the tenant as access key id, the proof as session token."""
    return boto3.client(service, endpoint_url=endpoint, region_name=REGION, aws_access_key_id=f"tenant.{tenant}", aws_secret_access_key="unused",
                        aws_session_token=proof, verify=str(ca) if ca else None,
                        config=Config(retries={"total_max_attempts": attempts, "mode": "standard"}, **config))


def environment(endpoint: str, tenant: str, proof: str) -> dict:
    """The same for a process that serves one tenant."""
    return clean_environment(AWS_ENDPOINT_URL=endpoint, AWS_REGION=REGION, AWS_DEFAULT_REGION=REGION, AWS_ACCESS_KEY_ID=f"tenant.{tenant}",
                             AWS_SECRET_ACCESS_KEY="unused", AWS_SESSION_TOKEN=proof, AWS_MAX_ATTEMPTS="1", AWS_PAGER="")


def cli(endpoint: str, tenant: str, proof: str, *arguments, **more: str) -> subprocess.CompletedProcess:
    """The AWS CLI; text in and out."""
    aws = Path(sys.executable).parent / "aws"
    return subprocess.run([str(aws), *map(str, arguments)], env=environment(endpoint, tenant, proof) | more, capture_output=True, text=True,
                          timeout=60, stdin=subprocess.DEVNULL)


def placeholder(tenant: str, proof: str | None, service: str = "s3", headers: dict | None = None, region: str = REGION,
                algorithm: str = "AWS4-HMAC-SHA256") -> dict:
    """The headers of a request that an SDK signed with placeholder keys. The signature is of no importance: nobody holds the key."""
    now = datetime.datetime.now(datetime.timezone.utc).strftime("%Y%m%dT%H%M%SZ")
    signed = {"x-amz-date": now, "x-amz-content-sha256": "UNSIGNED-PAYLOAD"} | ({"x-amz-security-token": proof} if proof else {}) | (headers or {})
    names = ";".join(sorted({"host", *(n.lower() for n in signed if n.lower() != "content-length")}))
    scope = f"tenant.{tenant}/{now[:8]}/{region}/{service}/aws4_request"
    return {"Authorization": f"{algorithm} Credential={scope}, SignedHeaders={names}, Signature={'0' * 64}"} | signed
