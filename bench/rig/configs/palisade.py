"""Palisade: an egress that takes JWTs, or an ingress; each with everything that a request passes in production."""

from dataclasses import dataclass
from pathlib import Path

from . import REGION, Shape
from ..identities import AUDIENCE, BUCKET, ISSUER, tenant

ROLE = "arn:aws:iam::111122223333:role/tenant-data"
# A limit that is there, and that no load reaches.
NO_LIMIT = {"requests_per_second": 1_000_000, "burst": 1_000_000, "concurrent": 100_000}

POLICIES = """\
@id("members")
permit (principal in Palisade::Role::"member", action, resource);

@id("auditors-read")
forbid (principal in Palisade::Role::"auditor", action, resource)
unless { action in [Palisade::Action::"read", Palisade::Action::"list"] };
"""


@dataclass(frozen=True)
class Variant:
    """How Palisade is set up."""

    shape: Shape = Shape()
    ingress: bool = False
    # `off`: there is none. `rules`: each tenant has its prefix. `cedar`: and two policies are asked.
    guard: str = "off"
    # Tokens that are remembered; fewer than are used, and none is ever found.
    remembered: int = 10_000


def config(variant: Variant, ports: dict[str, int], work: Path, jwks: dict) -> dict:
    """The configuration. Files that it names are written to `work`; certificates are there already."""
    records = work / f"tenants-{variant.shape.tenants}.yaml"
    records.write_text("tenants:\n" + "".join(f"  {tenant(n)}: {{tier: bench}}\n" for n in range(variant.shape.tenants)))
    (work / "policies.cedar").write_text(POLICIES)
    return {
        **(_ingress(variant, ports) if variant.ingress else _egress(variant, ports)),
        "admin": {"listen": f"127.0.0.1:{ports['admin']}"},
        "probes": {"listen": f"127.0.0.1:{ports['probes']}"},
        "identity": {
            "issuers": [{"issuer": ISSUER, "audience": AUDIENCE, "jwks": {"inline": jwks}}],
            "verification": {"cache": {"entries": variant.remembered, "bytes": "4GiB"}},
        },
        "tenants": {"directory": {"file": records.name}},
        "server": {"connections": 4000},
        "limits": {"tiers": {"bench": NO_LIMIT}},
        "telemetry": {"logs": {"level": "warn"}},
    }


def _egress(variant: Variant, ports: dict[str, int]) -> dict:
    shape, guard = variant.shape, {}
    port = shape.port(ports)
    s3 = {"endpoint": f"https://localhost:{port}"} if shape.tls_out else {"endpoint": f"http://127.0.0.1:{port}", "insecure": True}
    if variant.guard != "off":
        rule = {"buckets": [BUCKET], "prefix": "{tenant.id}/"}
        guard = {"guard": {"s3": [rule], **({"cedar": {"policies": "policies.cedar"}} if variant.guard == "cedar" else {})}}
    egress = {"listen": f"127.0.0.1:{ports['proxy']}", "region": REGION, "services": {"s3": s3}}
    if shape.tls_out:
        egress["ca"] = "ca.crt"
    if shape.tls_in:
        egress["tls"] = _tls()
    return {"egress": egress, **guard, "credentials": {
        "source": {"static": {"access_key_id": "AKIABASE000000000000", "secret_access_key": {"env": "BASE_SECRET"}}},
        "sts": {"endpoint": f"http://127.0.0.1:{ports['sts']}", "insecure": True},
        # The double takes any number of calls.
        "budget": {"requests_per_second": 100_000, "burst": 100_000, "concurrent": 1024, "queue": 100_000},
        "max_sessions": max(10_000, shape.tenants + 100),
        "assume_role": {"role_arn": ROLE, "session_tags": {"TenantID": "{tenant.id}"}},
    }}


def _ingress(variant: Variant, ports: dict[str, int]) -> dict:
    return {"ingress": {"listen": f"127.0.0.1:{ports['proxy']}", "tls": _tls(), "upstream": f"http://127.0.0.1:{ports['up']}",
                        "headers": {"x-user-email": "{claims.email}"}}}


def _tls() -> dict:
    return {"certificate": "tls.crt", "private_key": "tls.key"}
