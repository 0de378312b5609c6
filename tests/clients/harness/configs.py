"""The configurations under test, in the words of a user's YAML."""

import json
from pathlib import Path

import yaml

from .backends import ACCOUNT, REGION, SESSION_POLICY, Key
from .idp import AUDIENCE

RECORDS = {
    "acme": {"tier": "gold", "external_id": "external-acme", "attributes": {"plan": "pro"}},
    "acme-eu": {"external_id": "external-acme-eu"},
    "globex": {"external_id": "external-globex"},
    # Known to the directory and to no more than that: there is nothing to render an external id from.
    "bare": {},
    # The trust policy of its role wants another external id.
    "estranged": {"external_id": "external-wrong"},
    "initech": {"status": "suspended", "external_id": "external-initech"},
    "partner-1": {"external_id": "external-partner-1"},
    "slow": {"external_id": "external-slow", "limits": {"requests_per_second": 1, "burst": 3}},
    # Every token for it from before the year 2100 is revoked.
    "ac-renewed": {"external_id": "external-ac-renewed", "revoked": {"issued_before": "2100-01-01T00:00:00Z"}},
    "single": {"external_id": "external-single", "limits": {"concurrent": 1}},
}


def revoked(issuer: str) -> dict:
    """What is revoked whatever the tenant, all of one issuer."""
    late = "2100-01-01T00:00:00Z"
    return {"subjects": [{"issuer": issuer, "subject": "dismissed"}, {"issuer": issuer, "subject": "signed-out", "issued_before": late},
                         {"issuer": issuer, "subject": "signed-in-again", "issued_before": "2001-01-01T00:00:00Z"}],
            "tokens": [{"issuer": issuer, "id": "leaked"}]}


class Setting:
    """What every configuration of a run shares, written into one directory."""

    def __init__(self, directory: Path, key_uri: str, issuer: str, partner: str, partner_keys: Path):
        self.directory = directory
        self.issuers = [
            {"issuer": issuer, "audience": [AUDIENCE], "jwks": {"uri": key_uri, "insecure": True}, "algorithms": ["RS256", "ES256", "EdDSA"],
             "claims": {"tenant": "tenant_id", "subject": "sub", "roles": "roles"}, "leeway": "5s",
             "tenants": ["ac*", "globex", "bare", "estranged", "initech", "slow", "single", "ghost"]},
            {"issuer": partner, "audience": [AUDIENCE], "jwks": {"file": str(partner_keys)}, "algorithms": ["RS256", "ES384"],
             "claims": {"tenant": "/app/tenant"}, "tenants": ["partner-*"]},
        ]
        (directory / "tenants.yaml").write_text(yaml.safe_dump({"tenants": RECORDS, "revoked": revoked(issuer)}))
        (directory / "session-policy.json").write_text(json.dumps(SESSION_POLICY, indent=2))

    def identity(self) -> dict:
        # All of a run's tests come from one address, and send more junk from it than anybody honest does; `test_flood.py` has the defaults.
        ample = {"verification": {"failures": {"per_second": 10_000, "burst": 100_000}}}
        return {"identity": {"issuers": [dict(i) for i in self.issuers], **ample},
                "tenants": {"directory": {"file": "tenants.yaml"}}}

    def credentials(self, key: Key, sts: int, assume_role: dict) -> dict:
        """The base identity's secret goes in by file, as it would from a mounted secret."""
        secret = self.directory / f"{key.access_key_id}.secret"
        secret.write_text(key.secret_access_key + "\n")
        return {"credentials": {
            "source": {"static": {"access_key_id": key.access_key_id, "secret_access_key": {"file": secret.name}}},
            "sts": {"endpoint": f"http://127.0.0.1:{sts}", "insecure": True, "region": REGION},
            "assume_role": {"duration": "1h", "session_name": "{tenant.id}", **assume_role},
        }}

    def pooled(self, key: Key, sts: int) -> dict:
        """One role for all tenants; tags and a session policy make it one tenant's."""
        return self.credentials(key, sts, {
            "role_arn": f"arn:aws:iam::{ACCOUNT}:role/tenant-pool",
            "source_identity": "{subject}",
            "session_tags": {"TenantID": "{tenant.id}", "Issuer": "{issuer}"},
            "transitive_tag_keys": ["TenantID"],
            "session_policy": {"file": "session-policy.json"},
        })

    def siloed(self, key: Key, sts: int, external: bool) -> dict:
        """A role for each tenant."""
        more = {"external_id": "{tenant.external_id}"} if external else {}
        return self.credentials(key, sts, {"role_arn": f"arn:aws:iam::{ACCOUNT}:role/tenant-{{tenant.id}}", **more})

    def egress(self, services: dict, **more) -> dict:
        return {"egress": {"region": REGION, "services": services, **more}}

    def ingress(self, certificate: Path, key: Path, application: int, **more) -> dict:
        return {"ingress": {"tls": {"certificate": str(certificate), "private_key": str(key)}, "upstream": f"http://127.0.0.1:{application}",
                            "headers": {"x-user-email": "{claims.email}"}, **more}}


def recorded(path: Path) -> dict:
    """An audit log, with a key of its own."""
    return {"telemetry": {"audit": {"path": str(path)}}}


def at(port: int, **more) -> dict:
    """A service that is an emulator on this machine."""
    return {"endpoint": f"http://127.0.0.1:{port}", "insecure": True, **more}
