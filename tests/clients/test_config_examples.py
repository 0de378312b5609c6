"""The full example of `config/`, run: what belongs to the place is replaced (addresses, files, keys), everything else is as it ships."""

import shutil
from pathlib import Path

import pytest
import yaml
from botocore.exceptions import ClientError
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from harness.backends import BUCKET, assumed
from harness.clients import cli, client
from harness.configs import at
from harness.palisade import Palisade

CONFIG = Path(__file__).resolve().parents[2] / "config"


@pytest.fixture(scope="module")
def shipped(tmp_path_factory, setting, authority, application, pool, sts, aws):
    directory = tmp_path_factory.mktemp("shipped")
    for name in ("tenants.yaml", "session-policy.json", "jwks.json", "policies.cedar"):
        shutil.copy(CONFIG / name, directory)
    config = yaml.safe_load((CONFIG / "full.yaml").read_text())
    config["ingress"] |= {"upstream": f"http://127.0.0.1:{application.port}",
                          "tls": {"certificate": str(authority.certificate), "private_key": str(authority.key),
                                  "client_ca": str(authority.ca), "client_auth": "optional"}}
    # The application of this place is one, on loopback; the other upstreams, and what goes with them, are elsewhere.
    for key in ("routes", "upstream_ca", "upstream_addresses", "balance", "health"):
        del config["ingress"][key]
    (directory / "secrets").mkdir()
    key = ec.generate_private_key(ec.SECP256R1())
    (directory / "secrets" / "context.pem").write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))
    (directory / "secrets" / "audit.pem").write_bytes(ed25519.Ed25519PrivateKey.generate().private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))
    for service in ("s3", "dynamodb"):
        config["egress"]["services"][service] |= at(aws.port)
    del config["egress"]["services"]["monitoring"]["ca"]
    first = config["identity"]["issuers"][0]
    first |= {name: setting.issuers[0][name] for name in ("issuer", "audience", "jwks")}
    first["claims"]["tenant"] = setting.issuers[0]["claims"]["tenant"]
    first["required_claims"] = {"email": "*"}
    key = directory / "base-secret"
    key.write_text(pool.secret_access_key)
    config["credentials"]["source"] = {"static": {"access_key_id": pool.access_key_id, "secret_access_key": {"file": key.name}}}
    config["credentials"]["sts"] = {"endpoint": f"http://127.0.0.1:{sts.port}", "insecure": True, "region": "eu-west-1"}
    config["credentials"]["assume_role"]["role_arn"] = "arn:aws:iam::111122223333:role/tenant-pool"
    palisade = Palisade("shipped", config, directory)
    yield palisade
    assert palisade.stop() == 0


def test_two_tenants_work_and_cross_nowhere(shipped, application, authority, idp, ministack):
    tenants = {"acme": "globex", "globex": "acme"}
    for tenant, other in tenants.items():
        with application.visit(shipped.port("ingress"), authority.client(), idp.token(tenant), tenant) as visit:
            assert visit.headers["x-tenant-id"] == tenant and visit.headers["x-tenant-cell"] in ("c1", "c2")
            s3 = client("s3", shipped.url, tenant, visit.passport)
            s3.put_object(Bucket=BUCKET, Key=f"{tenant}/shipped.txt", Body=tenant.encode())
            assert s3.get_object(Bucket=BUCKET, Key=f"{tenant}/shipped.txt")["Body"].read() == tenant.encode()
            listed = cli(shipped.url, tenant, visit.passport, "s3", "ls", f"s3://{BUCKET}/{tenant}/")
            assert listed.returncode == 0 and "shipped.txt" in listed.stdout, listed.stderr
            with pytest.raises(ClientError) as crossed:
                s3.get_object(Bucket=BUCKET, Key=f"{other}/hello.txt")
            assert crossed.value.response["Error"]["Code"] == "AccessDenied"
            assert cli(shipped.url, tenant, visit.passport, "s3", "ls", f"s3://{BUCKET}/{other}/").returncode != 0


def test_sts_received_what_the_configuration_says(shipped, application, authority, idp, ministack):
    """Session name, tags and source identity, as CloudTrail shows them on the side of STS."""
    for tenant, cell in {"acme": "c1", "globex": "c2"}.items():
        with application.visit(shipped.port("ingress"), authority.client(), idp.token(tenant), tenant) as visit:
            client("s3", shipped.url, tenant, visit.passport).head_object(Bucket=BUCKET, Key=f"{tenant}/hello.txt")
        call = next(call for call in assumed(ministack, tenant) if cell in str(call))
        assert call["Tags.member.1.Key"] == "TenantID" and call["Tags.member.1.Value"] == tenant
        assert call["Tags.member.2.Key"] == "Cell" and call["Tags.member.2.Value"] == cell
        assert call["TransitiveTagKeys.member.1"] == "TenantID"
        assert call["SourceIdentity"], "the user is not in the audit trail"
