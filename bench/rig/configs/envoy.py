"""Envoy: the filters that come closest to what Palisade does to a request, in the same order."""

import json
from dataclasses import dataclass
from pathlib import Path

from . import ENVOYS, REGION, Shape
from ..identities import AUDIENCE, ISSUER

EXTENSIONS = "type.googleapis.com/envoy.extensions."
TLS_VERSIONS = {"tls_minimum_protocol_version": "TLSv1_2", "tls_maximum_protocol_version": "TLSv1_3"}


@dataclass(frozen=True)
class Variant:
    """How Envoy is set up."""

    shape: Shape = Shape()
    # Tokens that are remembered; 0 is Envoy's default, which is none.
    remembered: int = 4096
    # Hashes whole bodies, for which each has to be held; otherwise they are UNSIGNED-PAYLOAD.
    signs_bodies: bool = False
    # Of a connection and of the cluster; by default Envoy's 1 MiB.
    buffer: int | None = None


def config(variant: Variant, ports: dict[str, int], work: Path, jwks: dict) -> dict:
    """The configuration, complete in itself but for certificates."""
    shape = variant.shape
    filters = [_tokens(jwks, variant.remembered), _same_tenant(), _limit(shape.tenants), _signing(variant.signs_bodies),
               _extension("http", "router", "filters.http.router.v3.Router")]
    limit = {"per_connection_buffer_limit_bytes": variant.buffer} if variant.buffer else {}
    manager = _extension("network", "http_connection_manager", "filters.network.http_connection_manager.v3.HttpConnectionManager",
                         stat_prefix="in", http_filters=filters, route_config={"virtual_hosts": [{"name": "all", "domains": ["*"], "routes": [
                             {"match": {"prefix": "/"}, "route": {"cluster": "upstream", "timeout": "300s"}}]}]})
    chain = {"filters": [manager], **({"transport_socket": _downstream(work)} if shape.tls_in else {})}
    ample = {name: 100_000 for name in ("max_connections", "max_pending_requests", "max_requests")}
    cluster = {"name": "upstream", "type": "STATIC", "connect_timeout": "5s", "circuit_breakers": {"thresholds": [ample]},
               "load_assignment": {"cluster_name": "upstream", "endpoints": [{"lb_endpoints": [{"endpoint": {"address": _at(shape.port(ports))}}]}]},
               **({"transport_socket": _upstream(work)} if shape.tls_out else {}), **limit}
    return {"admin": {"address": _at(ports["admin"])},
            "static_resources": {"listeners": [{"name": "in", "address": _at(ports["proxy"]), "filter_chains": [chain], **limit}], "clusters": [cluster]}}


def _at(port: int) -> dict:
    return {"socket_address": {"address": "127.0.0.1", "port_value": port}}


def _extension(kind: str, name: str, type_: str, **settings) -> dict:
    return {"name": f"envoy.filters.{kind}.{name}", "typed_config": {"@type": EXTENSIONS + type_, **settings}}


def _tokens(jwks: dict, remembered: int) -> dict:
    provider = {"issuer": ISSUER, "audiences": [AUDIENCE], "local_jwks": {"inline_string": json.dumps(jwks)}, "payload_in_metadata": "claims"}
    if remembered:
        provider["jwt_cache_config"] = {"jwt_cache_size": remembered, "jwt_max_token_size": 4096}
    rules = [{"match": {"prefix": "/"}, "requires": {"provider_name": "idp"}}]
    return _extension("http", "jwt_authn", "filters.http.jwt_authn.v3.JwtAuthentication", providers={"idp": provider}, rules=rules)


def _same_tenant() -> dict:
    """The header is what the claim says: a condition in CEL, which Envoy takes as a tree."""
    def within(inner: dict, *names: str) -> dict:
        for name in names:
            inner = {"call_expr": {"function": "_[_]", "args": [inner, {"const_expr": {"string_value": name}}]}}
        return inner

    def member(of: str, field: str) -> dict:
        return {"select_expr": {"operand": {"ident_expr": {"name": of}}, "field": field}}

    claim = within(member("metadata", "filter_metadata"), "envoy.filters.http.jwt_authn", "claims", "tenant_id")
    same = {"call_expr": {"function": "_==_", "args": [within(member("request", "headers"), "x-tenant-id"), claim]}}
    policy = {"permissions": [{"any": True}], "principals": [{"any": True}], "condition": same}
    return _extension("http", "rbac", "filters.http.rbac.v3.RBAC", rules={"action": "ALLOW", "policies": {"tenant": policy}})


def _limit(tenants: int) -> dict:
    """A bucket for each value of the header, and so large that no load empties it."""
    bucket = {"max_tokens": 100_000_000, "tokens_per_fill": 100_000_000, "fill_interval": "1s"}
    always = {"default_value": {"numerator": 100}}
    by_tenant = [{"request_headers": {"header_name": "x-tenant-id", "descriptor_key": "tenant"}}]
    return _extension("http", "local_ratelimit", "filters.http.local_ratelimit.v3.LocalRateLimit", stat_prefix="limit", token_bucket=bucket,
                      filter_enabled=always, filter_enforced=always, always_consume_default_token_bucket=False,
                      max_dynamic_descriptors=max(1000, 2 * tenants), rate_limits=[{"actions": by_tenant}],
                      descriptors=[{"entries": [{"key": "tenant"}], "token_bucket": bucket}])


def _signing(signs_bodies: bool) -> dict:
    keys = {"access_key_id": ENVOYS.access_key_id, "secret_access_key": ENVOYS.secret_access_key, "session_token": ENVOYS.session_token}
    return _extension("http", "aws_request_signing", "filters.http.aws_request_signing.v3.AwsRequestSigning", service_name="s3", region=REGION,
                      use_unsigned_payload=not signs_bodies, credential_provider={"inline_credential": keys})


def _downstream(work: Path) -> dict:
    pair = {"certificate_chain": {"filename": str(work / "tls.crt")}, "private_key": {"filename": str(work / "tls.key")}}
    context = {"alpn_protocols": ["h2", "http/1.1"], "tls_params": TLS_VERSIONS, "tls_certificates": [pair]}
    return {"name": "tls", "typed_config": {"@type": EXTENSIONS + "transport_sockets.tls.v3.DownstreamTlsContext", "common_tls_context": context}}


def _upstream(work: Path) -> dict:
    context = {"tls_params": TLS_VERSIONS, "validation_context": {"trusted_ca": {"filename": str(work / "ca.crt")}}}
    return {"name": "tls", "typed_config": {"@type": EXTENSIONS + "transport_sockets.tls.v3.UpstreamTlsContext", "sni": "localhost",
                                            "common_tls_context": context}}
