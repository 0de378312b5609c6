"""Palisade on this machine, in front of AWS itself."""

import json
import os
import uuid
from dataclasses import dataclass

import pytest
import yaml

from harness.clients import client
from harness.idp import AUDIENCE, IdentityProvider
from harness.palisade import Palisade

NEEDED = {
    "PALISADE_AWS_REGION": "the region",
    "PALISADE_AWS_ROLE_ARN": "the role for tenants' data",
    "PALISADE_AWS_BUCKET": "the bucket",
    "PALISADE_AWS_TABLE": "the DynamoDB table",
}


def pytest_configure(config):
    missing = [f"  {name}  {what}" for name, what in NEEDED.items() if not os.environ.get(name)]
    if missing:
        pytest.exit("These tests need an AWS account; tests/aws/README.md says how to set one up. Not set:\n" + "\n".join(missing), returncode=2)


@dataclass
class Aws:
    """A running Palisade and two tenants that nobody else uses."""

    palisade: Palisade
    idp: IdentityProvider
    a: str
    b: str
    bucket: str
    table: str
    account: str

    def client(self, service: str, tenant: str):
        return client(service, self.palisade.url, tenant, self.idp.token(tenant), attempts=3)


def session_policy(bucket: str, table: str, region: str, account: str) -> dict:
    return {"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Action": ["s3:GetObject", "s3:PutObject", "s3:DeleteObject"], "Resource": f"arn:aws:s3:::{bucket}/{{tenant.id}}/*"},
        {"Effect": "Allow", "Action": "s3:ListBucket", "Resource": f"arn:aws:s3:::{bucket}", "Condition": {"StringLike": {"s3:prefix": "{tenant.id}/*"}}},
        {"Effect": "Allow", "Action": "dynamodb:*", "Resource": f"arn:aws:dynamodb:{region}:{account}:table/{table}",
         "Condition": {"ForAllValues:StringLike": {"dynamodb:LeadingKeys": "{tenant.id}#*"}, "Null": {"dynamodb:LeadingKeys": "false"}}},
    ]}


@pytest.fixture(scope="session", params=["tags alone", "tags and a session policy"])
def aws(request, tmp_path_factory):
    region, role, bucket, table = (os.environ[name] for name in NEEDED)
    directory, account = tmp_path_factory.mktemp("aws"), role.split(":")[4]
    idp, run = IdentityProvider("https://idp.test/"), uuid.uuid4().hex[:8]
    a, b = f"palisade-test-{run}-a", f"palisade-test-{run}-b"
    idp.write(directory / "jwks.json")
    (directory / "tenants.yaml").write_text(yaml.safe_dump({"tenants": {a: {}, b: {}}}))
    assume = {"role_arn": role, "session_name": "{tenant.id}", "session_tags": {"TenantID": "{tenant.id}"}, "source_identity": "{subject}"}
    if "policy" in request.param:
        (directory / "policy.json").write_text(json.dumps(session_policy(bucket, table, region, account)))
        assume["session_policy"] = {"file": "policy.json"}
    config = {
        "egress": {"region": region, "services": {"s3": {}, "dynamodb": {}}},
        "identity": {"issuers": [{"issuer": idp.issuer, "audience": [AUDIENCE], "jwks": {"file": "jwks.json"}, "algorithms": ["RS256"],
                                  "claims": {"tenant": "tenant_id"}}]},
        "tenants": {"directory": {"file": "tenants.yaml"}},
        "credentials": {"source": {"default_chain": {}}, "shared_with_application": "accepted", "assume_role": assume},
    }
    # Palisade gets what the person who runs this has: that is its base identity here.
    home = os.path.expanduser("~/.aws")
    defaults = {"AWS_CONFIG_FILE": f"{home}/config", "AWS_SHARED_CREDENTIALS_FILE": f"{home}/credentials", "AWS_EC2_METADATA_DISABLED": "false"}
    palisade = Palisade("aws", config, directory, **defaults | {k: v for k, v in os.environ.items() if k.startswith("AWS_")})
    yield Aws(palisade, idp, a, b, bucket, table, account)
    assert palisade.stop() == 0
