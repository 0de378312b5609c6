"""Every check, and every way to break it, on every listener that makes it.

A case is a function from the `World` to an answer. `test_matrix.py` runs them all and compares (status, reason) with
`golden/matrix.txt`, so that what changes shows up in a review as a changed line.
"""

import json
import time
from dataclasses import dataclass
from typing import Callable

from harness import wire
from harness.application import Application, Script
from harness.backends import BUCKET
from harness.clients import placeholder
from harness.idp import IdentityProvider
from harness.palisade import Palisade
from harness.pki import Authority
from harness.process import settled

S3_HOST = "s3.eu-west-1.amazonaws.com"
HELLO = f"/{BUCKET}/acme/hello.txt"
GET_ITEM = {"TableName": "orders-acme", "Key": {"pk": {"S": "acme#1"}, "sk": {"S": "0"}}}


@dataclass
class World:
    """Everything that a case may use."""

    sidecar: Palisade
    egress: Palisade
    silo: Palisade
    troubled: Palisade
    mutual: Palisade
    workloads: object
    ruled: Palisade
    members: Palisade
    idp: IdentityProvider
    partner: IdentityProvider
    application: Application
    authority: Authority
    script: Script
    cells: Palisade
    deferring: Palisade
    worker: Palisade

    def enter(self, headers: list, target: str = "/echo", palisade: Palisade | None = None, method: str = "GET") -> wire.Message:
        """A request to the ingress."""
        port = (palisade or self.sidecar).port("ingress")
        return wire.exchange(port, wire.request(method, target, headers), self.authority.client())

    def leave(self, headers, target: str = HELLO, method: str = "GET", body: bytes = b"", palisade: Palisade | None = None) -> wire.Message:
        """A request to an egress; the Host says which service unless `headers` brings one."""
        pairs = list(headers.items()) if isinstance(headers, dict) else list(headers)
        if not any(k.lower() == "host" for k, _ in pairs):
            pairs.insert(0, ("Host", S3_HOST))
        return wire.exchange((palisade or self.egress).port("egress"), wire.request(method, target, pairs, body))

    def token(self, tenant: str = "acme", **changes) -> str:
        return self.idp.token(tenant, **changes)

    def shown(self, identity: str | None):
        """TLS with one of the clients' certificates; `stranger` is one of the servers' authority."""
        own = self.authority.identity("stranger", ["spiffe://prod/ns/acme/sa/worker"]) if identity == "stranger" else getattr(self.workloads, identity or "", None)
        return self.authority.client(identity=own)

    def visit(self, tenant: str = "acme", palisade: Palisade | None = None):
        """A request inside the application, whose passport is good until the block ends."""
        return self.application.visit((palisade or self.sidecar).port("ingress"), self.authority.client(), self.token(tenant), tenant)


Case = Callable[[World], wire.Message]


def cases() -> dict[tuple[str, str], Case]:
    """(listener, name) -> case, in the order of the golden file."""
    table: dict[tuple[str, str], Case] = {}
    for section in (tokens, tenants, revocations, users, issuers, proofs, endpoints, places, browsers, passports, contexts, deferred, certificates, data, targets, payloads, framing, trouble,
                    routes):
        for key, case in section().items():
            assert key not in table, f"{key} is there twice"
            table[key] = case
    return table


def certificates() -> dict:
    """Clients' certificates on both listeners: whose they are, what they are mapped to, and what comes beside them."""
    acme, globex = [("x-tenant-id", "acme")], [("x-tenant-id", "globex")]

    def enter(identity: str | None, headers: Callable[[World], list]) -> Case:
        return lambda w: wire.exchange(w.mutual.port("ingress"), wire.request("GET", "/echo", headers(w)), w.shown(identity))

    def leave(identity: str | None, headers: Callable[[World], list], target: str = HELLO, host: str = S3_HOST) -> Case:
        return lambda w: wire.exchange(w.mutual.port("egress"), wire.request("GET", target, [("Host", host), *headers(w)]), w.shown(identity))

    def token(tenant: str) -> Callable[[World], list]:
        return lambda w: bearer(w.token(tenant))

    ingress = {
        "workload's, token of its tenant": enter("acme", lambda w: token("acme")(w) + acme),
        "workload's, token of its tenant, none named": enter("acme", token("acme")),
        "workload's, token of its tenant, other named": enter("acme", lambda w: token("acme")(w) + globex),
        "workload's, token of another": enter("acme", token("globex")),
        "workload's, token of another, which is named": enter("acme", lambda w: token("globex")(w) + globex),
        "workload's, token of both, other named": enter("acme", lambda w: bearer(w.token(tenant_id=["acme", "globex"])) + globex),
        "workload's, no token": enter("acme", lambda w: acme),
        "ingress workload's, token alone": enter("ingress_only", token("acme")),
        "nobody's, token": enter("nobody", lambda w: token("acme")(w) + acme),
        "nobody's, token, none named": enter("nobody", token("acme")),
        "nobody's, no token": enter("nobody", lambda w: acme),
        "workload's of a suspended tenant": enter("initech", token("initech")),
        **{f"{name}": enter(identity, lambda w: token("acme")(w) + acme) for name, identity in
           {"none": None, "expired": "expired", "revoked": "revoked", "a server's": "server", "two SPIFFE ids": "two", "a stranger's": "stranger"}.items()},
    }
    egress = {
        "workload's alone": leave("acme", lambda w: []),
        "workload's alone, its tenant named": leave("acme", lambda w: acme),
        "workload's alone, other named": leave("acme", lambda w: globex),
        "workload's alone, other's data": leave("acme", lambda w: [], HELLO.replace("acme", "globex")),
        "workload's, empty token": leave("acme", lambda w: [("x-tenant-token", "")]),
        "workload's, garbage for a token": leave("acme", lambda w: [("x-tenant-token", "garbage")]),
        "workload's, token of its tenant": leave("acme", lambda w: token("acme")(w) + acme),
        "workload's, token of its tenant, none named": leave("acme", token("acme")),
        "workload's, token of another": leave("acme", token("globex")),
        "workload's, a passport": leave("acme", lambda w: [("x-tenant-token", "psp1_" + "A" * 43)]),
        "workload's, credentials": leave("acme", lambda w: [], "/_palisade/credentials", "localhost"),
        "workload's of the other listener alone": leave("ingress_only", lambda w: acme),
        "workload's of a suspended tenant": leave("initech", lambda w: []),
        "nobody's alone": leave("nobody", lambda w: acme),
        "nobody's, token": leave("nobody", lambda w: token("acme")(w) + acme),
        "none, no token": leave(None, lambda w: acme),
        **{f"{name}": leave(identity, lambda w: acme) for name, identity in
           {"expired": "expired", "revoked": "revoked", "a server's": "server", "two SPIFFE ids": "two", "a stranger's": "stranger"}.items()},
    }
    rows = {("ingress", f"certificate: {name}"): case for name, case in ingress.items()}
    return rows | {("egress", f"certificate: {name}"): case for name, case in egress.items()}


def both(name: str, headers: Callable[[World], list]) -> dict:
    """The same headers on the ingress and on an egress that takes JWTs."""
    return {("ingress", name): lambda w: w.enter(headers(w)), ("egress", name): lambda w: w.leave(headers(w))}


def tokens() -> dict:
    """One tenant header, one token, and everything that can be wrong with a token."""
    now = int(time.time())
    wrong: dict[str, Callable[[World], str | None]] = {
        "A": lambda w: w.token(),
        "A, ES256": lambda w: w.token(key="ec"),
        "A, EdDSA": lambda w: w.token(key="ed"),
        "B": lambda w: w.token("globex"),
        "none": lambda w: None,
        "empty": lambda w: "",
        "garbage": lambda w: "garbage",
        "two segments": lambda w: ".".join(w.token().split(".")[:2]),
        "four segments": lambda w: w.token() + ".e30",
        "header is no JSON": lambda w: w.idp.handmade("{", w.idp.claims()),
        "claims are no JSON": lambda w: w.idp.handmade({"alg": "RS256", "kid": "rsa-1"}, "{"),
        "claims are an array": lambda w: w.idp.handmade({"alg": "RS256", "kid": "rsa-1"}, "[]"),
        "20 kB": lambda w: w.token(padding="x" * 20_000),
        "expired": lambda w: w.token(exp=now - 60),
        "expired within the leeway": lambda w: w.token(exp=int(time.time()) - 1),
        "no exp": lambda w: w.token(exp=None),
        "exp is text": lambda w: w.idp.handmade({"alg": "RS256", "kid": "rsa-1"}, w.idp.claims() | {"exp": "4000000000"}),
        "not yet valid": lambda w: w.token(nbf=now + 3600),
        "issued in the future": lambda w: w.token(iat=now + 3600),
        "wrong issuer": lambda w: w.token(iss="https://evil.test/"),
        "issuer without its slash": lambda w: w.token(iss="https://idp.test"),
        "no issuer": lambda w: w.token(iss=None),
        "wrong audience": lambda w: w.token(aud="billing"),
        "audience among others": lambda w: w.token(aud=["billing", "api"]),
        "no audience": lambda w: w.token(aud=None),
        "no subject": lambda w: w.token(sub=None),
        "algorithm not allowed": lambda w: w.token(algorithm="RS512"),
        "algorithm of another key type": lambda w: w.token(key="ec", headers={"kid": "rsa-1"}),
        "alg none": lambda w: w.idp.unsigned(),
        "HS256 with the public key": lambda w: w.idp.confused(),
        "signed by a stranger": lambda w: w.idp.forged(),
        "signed by a stranger, key inside": lambda w: w.idp.forged(headers={"jwk": w.idp.stranger_jwk()}),
        "signature cut off": lambda w: w.token().rsplit(".", 1)[0] + ".",
        "signature of another token": lambda w: w.token().rsplit(".", 1)[0] + "." + w.token("globex").rsplit(".", 1)[1],
        "unknown kid": lambda w: w.token(headers={"kid": "rsa-2"}),
        "kid of another issuer's key": lambda w: w.partner.token(iss=w.idp.issuer),
        "crit": lambda w: w.token(headers={"crit": ["b64"], "b64": False}),
        "tenant claim twice": lambda w: w.idp.handmade({"alg": "RS256", "kid": "rsa-1"}, twice(w.idp.claims("globex"), "tenant_id", "acme")),
        "tenant claim missing": lambda w: w.token(tenant_id=None),
        "tenant claim is a number": lambda w: w.token(tenant_id=7),
        "tenant claim is null": lambda w: w.idp.handmade({"alg": "RS256", "kid": "rsa-1"}, w.idp.claims() | {"tenant_id": None}),
        "tenant claim is an object": lambda w: w.token(tenant_id={"acme": True}),
        "tenant claim is an empty array": lambda w: w.token(tenant_id=[]),
        "array with A": lambda w: w.token(tenant_id=["globex", "acme"]),
        "array without A": lambda w: w.token(tenant_id=["globex", "acme-eu"]),
        "array with a number": lambda w: w.token(tenant_id=["acme", 7]),
        "look-alike: case": lambda w: w.token("Acme"),
        "look-alike: longer": lambda w: w.token("acme-eu"),
        "look-alike: shorter": lambda w: w.token("acm"),
        "look-alike: final dot": lambda w: w.token("acme."),
        "look-alike: space": lambda w: w.token("acme "),
        "look-alike: cyrillic": lambda w: w.token("\u0430cme"),
        "wildcard": lambda w: w.token("*"),
        "issuer may not speak for A": lambda w: w.partner.token("x", app={"tenant": "acme"}),
        "typ at+jwt": lambda w: w.token(headers={"typ": "at+jwt"}),
        "typ application/AT+JWT": lambda w: w.token(headers={"typ": "application/AT+JWT"}),
        "typ logout+jwt": lambda w: w.token(headers={"typ": "logout+jwt"}),
        "typ dpop+jwt": lambda w: w.token(headers={"typ": "dpop+jwt"}),
        "typ is a number": lambda w: handmade(w, header={"typ": 7}),
        "kid is a path": lambda w: w.token(headers={"kid": "../../../../dev/null"}),
        "kid with a NUL": lambda w: w.token(headers={"kid": "rsa-1\0"}),
        "kid twice": lambda w: w.idp.handmade('{"alg": "RS256", "kid": "x", "kid": "rsa-1"}', w.idp.claims()),
        "bound to a key": lambda w: w.token(cnf={"jkt": "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"}),
        "subject with a line break": lambda w: w.token(sub="user-1\r\nx-palisade-roles: admin"),
        "subject with a control character": lambda w: w.token(sub="user-1\x1b[2J"),
        "subject too long": lambda w: w.token(sub="u" * 257),
        "role with a control character": lambda w: w.token(roles=["reader\x00"]),
        "scope is an object": lambda w: w.token(scope={"admin": True}),
        "exp is 1e400": lambda w: handmade(w, exp="1e400"),
        "exp loses digits": lambda w: handmade(w, exp="9007199254740993"),
        "exp is a double that lost digits": lambda w: handmade(w, exp="9007199254740993.0"),
        "nbf is minus zero": lambda w: handmade(w, nbf="-0.0"),
        "a lone surrogate": lambda w: handmade(w, name=r'"\ud800"'),
        "nested 17 deep": lambda w: handmade(w, junk="[" * 16 + "]" * 16),
        "claims and more": lambda w: w.idp.handmade({"alg": "RS256", "kid": "rsa-1"}, json.dumps(w.idp.claims()) + "{}"),
        "signature padded": lambda w: w.token() + "==",
        "signature with a spare bit set": lambda w: spare_bit(w.token()),
        "five parts, as if encrypted": lambda w: w.token() + ".e30.e30",
    }
    return {k: v for name, make in wrong.items() for k, v in both(f"token: {name}", lambda w, make=make: bearer(make(w)) + [("x-tenant-id", "acme")]).items()}


def bearer(token: str | None) -> list:
    return [] if token is None else [("Authorization", f"Bearer {token}")]


def handmade(w: World, header: dict | None = None, **members: str) -> str:
    """A good token of RS256 with members of its claims as JSON text, which no library would write."""
    claims = {name: value for name, value in w.idp.claims().items() if name not in members}
    text = json.dumps(claims)[:-1] + "".join(f', "{name}": {text}' for name, text in members.items()) + "}"
    return w.idp.handmade({"alg": "RS256", "kid": "rsa-1"} | (header or {}), text)


def spare_bit(token: str) -> str:
    """The same signature in another spelling: 256 bytes leave four bits of the last character that say nothing."""
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    return token[:-1] + alphabet[alphabet.index(token[-1]) | 1]


def twice(claims: dict, name: str, value: str) -> str:
    """Claims with a member that is there twice; parsers disagree on which one counts."""
    return json.dumps(claims)[:-1] + f", {json.dumps(name)}: {json.dumps(value)}}}"


def tenants() -> dict:
    """One good token, and every way to name a tenant."""
    def named(*values: str, claim="acme"):
        return lambda w: bearer(w.token(tenant_id=claim)) + [("x-tenant-id", v) for v in values]

    table = {
        "none": named(),
        "B": named("globex"),
        "twice the same": named("acme", "acme"),
        "two": named("acme", "globex"),
        "list": named("acme,globex"),
        "empty": named(""),
        "case": named("ACME"),
        "one character": named("a", claim=["a", "acme"]),
        "65 characters": named("a" * 65, claim=["a" * 65]),
        "wildcard": named("*", claim="*"),
        "policy variable": named("${aws:username}", claim="${aws:username}"),
        "slash": named("acme/globex", claim="acme/globex"),
        "dots": named("acme..globex", claim="acme..globex"),
        "percent": named("acme%2f", claim="acme%2f"),
        "not ASCII": named("acm\u00e9", claim="acm\u00e9"),
        "unknown to the directory": named("ghost", claim="ghost"),
        "suspended": named("initech", claim="initech"),
        "of the other issuer": lambda w: bearer(w.token("partner-1")) + [("x-tenant-id", "partner-1")],
    }
    rows = {k: v for name, headers in table.items() for k, v in both(f"tenant: {name}", headers).items()}
    rows["ingress", "tenant: the other issuer's own"] = lambda w: w.enter(
        bearer(w.partner.token("x", app={"tenant": "partner-1"})) + [("x-tenant-id", "partner-1")])
    rows["ingress", "tenant: underscores for dashes"] = lambda w: w.enter(bearer(w.token()) + [("x_tenant_id", "acme")])
    return rows


def revocations() -> dict:
    """Good tokens, of which the directory says otherwise, and their neighbours, of which it does not."""
    acme = [("x-tenant-id", "acme")]
    table = {
        "user": lambda w: bearer(w.token(sub="dismissed")) + acme,
        "user in another case": lambda w: bearer(w.token(sub="Dismissed")) + acme,
        "user's tokens from before": lambda w: bearer(w.token(sub="signed-out")) + acme,
        "user's tokens from before, without iat": lambda w: bearer(w.token(sub="signed-in-again", iat=None)) + acme,
        "user's tokens from before, newer": lambda w: bearer(w.token(sub="signed-in-again")) + acme,
        "token": lambda w: bearer(w.token(jti="leaked")) + acme,
        "token with another id": lambda w: bearer(w.token(jti="leaked2")) + acme,
        "tenant's tokens from before": lambda w: bearer(w.token("ac-renewed")) + [("x-tenant-id", "ac-renewed")],
        "tenant's tokens from before, without iat": lambda w: bearer(w.token("ac-renewed", iat=None)) + [("x-tenant-id", "ac-renewed")],
        "tenant's tokens, for another tenant": lambda w: bearer(w.token(["ac-renewed", "acme"])) + acme,
    }
    rows = {k: v for name, headers in table.items() for k, v in both(f"revoked: {name}", headers).items()}
    for name, changes in {"user of another issuer": {"sub": "dismissed"}, "token of another issuer": {"jti": "leaked"}}.items():
        rows["ingress", f"revoked: {name}"] = lambda w, c=changes: w.enter(
            bearer(w.partner.token("x", app={"tenant": "partner-1"}, **c)) + [("x-tenant-id", "partner-1")])
    return rows


def users() -> dict:
    """A process with a directory of users: the token says who, and the directory for whom."""
    def named(tenant: str | None = "acme", issuer: str = "idp", **claims):
        header = [("x-tenant-id", tenant)] if tenant else []
        return lambda w: bearer(getattr(w, issuer).token(**claims)) + header

    table = {
        "active tenant": named(),
        "active tenant, token says another": named(tenant="acme", tenant_id="globex"),
        "active tenant, token says none": named(tenant="acme", tenant_id=None),
        "member, and not active": named("globex"),
        "member, and not active, token says so": named("globex", tenant_id="globex"),
        "no member": named("acme-eu", tenant_id="acme-eu"),
        "no tenant named": named(None),
        "unknown": named(sub="nobody"),
        "unknown, subject in another case": named(sub="User-1"),
        "of another issuer": named("acme", "partner", sub="user-2"),
        "suspended": named(sub="suspended"),
        "without an active tenant": named(sub="undecided"),
        "active for a suspended tenant": named("initech", sub="of-initech"),
        "active for an unknown tenant": named("ghost", sub="of-ghost"),
        "revoked": named(sub="dismissed"),
    }
    def cases(name, headers):
        return {("ingress", f"user: {name}"): lambda w: w.enter(headers(w), palisade=w.members),
                ("egress", f"user: {name}"): lambda w: w.leave(headers(w), palisade=w.members)}

    return {k: v for name, headers in table.items() for k, v in cases(name, headers).items()}


def issuers() -> dict:
    """An issuer that may speak for the tenants whose record names it."""
    def enter(tenant: str, **claims):
        return lambda w: w.enter(bearer(w.partner.token("x", **claims)) + [("x-tenant-id", tenant)], palisade=w.members)

    table = {"named": enter("partner-1"), "named in another case": enter("partner-2", sub="of-partner-2"),
             "not named": enter("acme", sub="of-acme"), "another is named": enter("globex", sub="of-globex")}
    return {("ingress", f"issuer: {name}"): case for name, case in table.items()}


def proofs() -> dict:
    """The three places of a proof, alone and together."""
    a, b = (lambda w: w.token()), (lambda w: w.token("globex"))
    tenant = ("x-tenant-id", "acme")
    table = {
        "x-tenant-token": lambda w: [("x-tenant-token", a(w)), tenant],
        "x-amz-security-token": lambda w: [("x-amz-security-token", a(w)), tenant],
        "the same in two places": lambda w: bearer(t := a(w)) + [("x-tenant-token", t), tenant],
        "two different": lambda w: bearer(a(w)) + [("x-tenant-token", b(w)), tenant],
        "two Authorization headers": lambda w: bearer(a(w)) + bearer(b(w)) + [tenant],
        "twice the same Authorization": lambda w: 2 * bearer(a(w)) + [tenant],
        "Basic": lambda w: [("Authorization", "Basic YTpi"), tenant],
        "bearer in lower case": lambda w: [("authorization", f"bearer {a(w)}"), tenant],
        "Bearer without a token": lambda w: [("Authorization", "Bearer"), tenant],
        "Bearer with two tokens": lambda w: [("Authorization", f"Bearer {a(w)} {b(w)}"), tenant],
    }
    return {k: v for name, headers in table.items() for k, v in both(f"proof: {name}", headers).items()}


def endpoints() -> dict:
    """The rules about methods and paths: each way to fit one, to miss it, and to write a path so that somebody reads another."""
    def ask(target="/parks/7", method="GET", **claims):
        return lambda w: w.enter(bearer(w.token(**claims)) + [("x-tenant-id", claims.get("tenant", "acme"))], target, w.ruled, method)

    def nobody(target, method="POST", headers=()):
        return lambda w: w.enter(list(headers), target, w.ruled, method)

    admin, none = ["admin"], []
    table = {
        "role, own method": ask(),
        "role, HEAD": ask(method="HEAD"),
        "role, final slash": ask("/parks/"),
        "role, another method": ask(method="DELETE"),
        "role, another method, admin": ask(method="DELETE", roles=admin),
        "no role": ask(roles=none),
        "no roles at all": ask(roles=None),
        "role in capitals": ask(roles=["READER"]),
        "roles in one text": ask(roles="x reader"),
        "scope": ask("/reports/1", scope="openid reports:read"),
        "scope as a list": ask("/reports/1", scope=["reports:read"]),
        "no scope": ask("/reports/1"),
        "another scope": ask("/reports/1", scope="reports:write"),
        "a scope with a star is no pattern": ask("/reports/1", scope="reports:x"),
        "tier": ask("/premium/1"),
        "another tier": ask("/premium/1", tenant="globex"),
        "no rule": ask("/elsewhere"),
        "no rule, no token": nobody("/elsewhere", "GET"),
        "no token": nobody("/parks/7", "GET"),
        "a look-alike: case": ask("/Parks/7", roles=admin),
        "a look-alike: longer": ask("/parksx", roles=admin),
        "a look-alike: a format": ask("/parks.json", roles=admin),
        "public": nobody("/hooks/a"),
        "public, with a bad token": nobody("/hooks/a", headers=[("Authorization", "Bearer junk"), ("x-tenant-id", "acme")]),
        "public, with two tokens": nobody("/hooks/a", headers=[("Authorization", "Bearer a"), ("x-tenant-token", "b")]),
        "public, escaped": nobody("/%68ooks/a"),
        "public, another method": nobody("/hooks/a", "PUT"),
        "public, a segment more": nobody("/hooks/a/b"),
        "public, dots behind": nobody("/hooks/../parks/7"),
        "public, escaped dots behind": nobody("/hooks/%2e%2e/parks/7"),
        "public, an escaped slash": nobody("/hooks/..%2fparks"),
        "tenant in the path": ask("/t/acme/x"),
        "tenant in the path, another": ask("/t/globex/x"),
        "tenant in the path, escaped": ask("/t/%61cme/x"),
        "tenant in the path, malformed": ask("/t/acme%3a/x"),
    }
    spellings = {
        "an escaped slash": "/parks%2f7", "an escaped backslash": "/parks%5c7", "a backslash": "/parks\\7", "dots": "/x/../parks/7", "one dot": "/./parks/7",
        "escaped dots": "/x/%2e%2e/parks/7", "half-escaped dots": "/x/.%2e/parks/7", "twice escaped": "/x/%252e%252e/parks", "a parameter": "/parks;x=1/7",
        "an escaped parameter": "/parks%3bx/7", "dots and a parameter": "/x/..;/parks/7", "an empty segment": "/parks//7", "a slash before": "//parks/7",
        "NUL": "/parks/7%00", "a line end": "/parks/7%0d%0a", "a final dot": "/parks./7", "a final space": "/parks%20/7", "overlong": "/parks%c0%af7",
        "full width": "/p%ef%bd%81rks/7", "the long s": "/park%c5%bf/7", "invisible": "/pa%c2%adrks/7", "no escape": "/parks/%zz", "IIS's own escape": "/%u0070arks/7",
        "an escaped question mark": "/parks%3fx", "an escaped percent sign": "/parks/100%25", "a brace": "/parks/{7}",
    }
    rows = {("ingress", f"endpoint: {name}"): case for name, case in table.items()}
    rows |= {("ingress", f"endpoint: path, {name}"): ask(target, roles=admin) for name, target in spellings.items()}
    rows["ingress", "endpoint: path, escaped letters"] = ask("/%70arks/%37")
    rows["ingress", "endpoint: path, other letters"] = ask("/parks/%E6%97%A5%20x%40y")
    rows["ingress", "endpoint: path, without rules as it comes"] = lambda w: w.enter(bearer(w.token()) + [("x-tenant-id", "acme")], "/a%2Fb/../c;x//")
    return rows


def places() -> dict:
    """Where the tenant and the token may stand besides the headers."""
    domain = "app.example.com"

    def ask(*headers, target="/echo", method="GET", tenant: str | None = None, bear=True, sign="acme"):
        def case(w: World) -> wire.Message:
            pairs = [(k, v.replace("TOKEN", w.token(sign))) for k, v in headers]
            pairs += (bearer(w.token(sign)) if bear else []) + ([("x-tenant-id", tenant)] if tenant else [])
            return w.enter(pairs, target, w.ruled, method)
        return case

    def host(name: str, **more):
        return ask(("Host", name), **more)

    def cookie(value: str, *headers, **more):
        return ask(("Cookie", value), *headers, bear=False, tenant="acme", **more)

    own = ("Host", "api.example.com")
    table = {
        "host": host(f"acme.{domain}"),
        "host, capitals and a port": host(f"ACME.{domain.upper()}:8443"),
        "host, final dot": host(f"acme.{domain}."),
        "host and header": host(f"acme.{domain}", tenant="acme"),
        "host and another header": host(f"acme.{domain}", tenant="globex"),
        "host of another tenant": host(f"globex.{domain}"),
        "host, two labels": host(f"acme.x.{domain}"),
        "host, punycode": host(f"xn--acme-epa.{domain}"),
        "host, no label": host(domain),
        "host, a longer domain": host(f"acme.{domain}.evil.test"),
        "host, an address": host("[::1]:8443"),
        "path": ask(target="/at/acme/echo"),
        "path, and no rule for it": ask(target="/at/acme/x"),
        "path and another header": ask(target="/at/acme/echo", tenant="globex"),
        "path, another tenant": ask(target="/at/globex/echo"),
        "rule's path and host": host(f"acme.{domain}", target="/t/acme/x"),
        "rule's path and another host": host(f"globex.{domain}", target="/t/acme/x"),
        "rule's path, another tenant": ask(target="/t/globex/x"),
        "cookie": cookie("__Host-token=TOKEN"),
        "cookie among others": cookie("a=1; __Host-token=TOKEN; b=2"),
        "cookie and the same in a header": cookie("__Host-token=TOKEN", ("Authorization", "Bearer TOKEN")),
        "cookie and another in a header": cookie("__Host-token=TOKEN", ("x-tenant-token", "other")),
        "cookie twice": cookie("__Host-token=TOKEN; __Host-token=TOKEN"),
        "cookie in two lines": cookie("__Host-token=TOKEN", ("Cookie", "__Host-token=TOKEN")),
        "cookie, empty": cookie("__Host-token="),
        "cookie, junk": cookie("__Host-token=junk"),
        "cookie of another name": cookie("token=TOKEN"),
        "cookie of another case": cookie("__host-token=TOKEN"),
        "cookie of another tenant": cookie("__Host-token=TOKEN", sign="globex"),
        "cookie, POST": cookie("__Host-token=TOKEN", method="POST"),
        "cookie, POST, own page": cookie("__Host-token=TOKEN", ("Sec-Fetch-Site", "same-origin"), method="POST"),
        "cookie, POST, user": cookie("__Host-token=TOKEN", ("Sec-Fetch-Site", "none"), method="POST"),
        "cookie, POST, sibling": cookie("__Host-token=TOKEN", ("Sec-Fetch-Site", "same-site"), method="POST"),
        "cookie, POST, stranger": cookie("__Host-token=TOKEN", ("Sec-Fetch-Site", "cross-site"), method="POST"),
        "cookie, POST, own origin": cookie("__Host-token=TOKEN", own, ("Origin", "https://api.example.com"), method="POST"),
        "cookie, POST, trusted origin": cookie("__Host-token=TOKEN", own, ("Origin", "https://app.example.com"), method="POST"),
        "cookie, POST, another origin": cookie("__Host-token=TOKEN", own, ("Origin", "https://evil.test"), method="POST"),
        "cookie, POST, no origin to tell": cookie("__Host-token=TOKEN", own, ("Origin", "null"), method="POST"),
        "header, POST, another origin": ask(("Origin", "https://evil.test"), tenant="acme", method="POST"),
        "cookie, WebSocket of a stranger": cookie("__Host-token=TOKEN", own, ("Origin", "https://evil.test"), ("Connection", "Upgrade"), ("Upgrade", "websocket"),
                                                  ("Sec-WebSocket-Key", "x"), ("Sec-WebSocket-Version", "13"), target="/ws"),
    }
    return {("ingress", f"place: {name}"): case for name, case in table.items()}


def browsers() -> dict:
    """Scripts of other origins."""
    app, asks = ("Origin", "https://app.example.com"), ("Access-Control-Request-Method", "PUT")

    def ask(*headers, method="OPTIONS", target="/parks/7"):
        return lambda w: w.enter(list(headers), target, w.ruled, method)

    table = {
        "preflight": ask(app, asks),
        "preflight, no rule for it": ask(app, asks, target="/elsewhere"),
        "preflight, another origin": ask(("Origin", "https://evil.test"), asks),
        "preflight, origin with a slash": ask(("Origin", "https://app.example.com/"), asks),
        "preflight, origin of another scheme": ask(("Origin", "http://app.example.com"), asks),
        "preflight, two origins": ask(app, app, asks),
        "preflight, null": ask(("Origin", "null"), asks),
        "OPTIONS without a method asked for": ask(app),
        "OPTIONS without an origin": ask(asks),
        "a preflight by GET": ask(app, asks, method="GET"),
        "preflight, no CORS": lambda w: w.enter([app, asks], "/echo", w.sidecar, "OPTIONS"),
    }
    return {("ingress", f"browser: {name}"): case for name, case in table.items()}


def passports() -> dict:
    """The egress behind an ingress takes passports; A's request is inside the application while each of these is sent."""
    def inside(make, tenant="acme", **more):
        def case(w: World) -> wire.Message:
            with w.visit(tenant) as visit:
                return w.leave(make(w, visit.passport), palisade=w.sidecar, **more)
        return case

    def ended(w: World) -> wire.Message:
        with w.visit() as visit:
            passport = visit.passport
        settled()
        return w.leave(placeholder("acme", passport), palisade=w.sidecar)

    def expired(w: World) -> wire.Message:
        with w.visit(palisade=w.troubled) as visit:
            time.sleep(4.2)
            return w.leave(placeholder("acme", visit.passport), palisade=w.troubled)

    def used_up(w: World) -> wire.Message:
        with w.visit(palisade=w.troubled) as visit:
            w.script.says(200, b"fine")
            for _ in range(3):
                assert w.leave(placeholder("acme", visit.passport), palisade=w.troubled).status == 200
            return w.leave(placeholder("acme", visit.passport), palisade=w.troubled)

    def not_for(method: str, target: str, headers: dict | None = None):
        def case(w: World) -> wire.Message:
            with w.visit(palisade=w.troubled) as visit:
                w.script.says(200, b"fine")
                return w.leave(placeholder("acme", visit.passport, headers=headers), target, method, palisade=w.troubled)
        return case

    def stolen(w: World) -> wire.Message:
        with w.visit() as visit:
            return w.leave(placeholder("acme", visit.passport), palisade=w.troubled)

    def inside_troubled_dynamodb(w: World) -> wire.Message:
        with w.visit(palisade=w.troubled) as visit:
            return w.leave(dynamodb | {"x-tenant-token": visit.passport}, "/", "POST", json.dumps(GET_ITEM).encode(), w.troubled)

    dynamodb = {"Host": "dynamodb.eu-west-1.amazonaws.com", "X-Amz-Target": "DynamoDB_20120810.GetItem", "Content-Type": "application/x-amz-json-1.0"}
    table = {
        "A": inside(lambda w, p: placeholder("acme", p)),
        "A, without a tenant": inside(lambda w, p: {"x-tenant-token": p}),
        "A, as bearer": inside(lambda w, p: {"Authorization": f"Bearer {p}"}),
        "A, with its tenant": inside(lambda w, p: {"x-tenant-token": p, "x-tenant-id": "acme"}),
        "A, naming B": inside(lambda w, p: {"x-tenant-token": p, "x-tenant-id": "globex"}),
        "A, naming B as access key": inside(lambda w, p: placeholder("globex", p)),
        "A, naming A and B": inside(lambda w, p: placeholder("acme", p) | {"x-tenant-id": "globex"}),
        "A, for B's object": inside(lambda w, p: placeholder("acme", p), target=f"/{BUCKET}/globex/hello.txt"),
        "B, for A's object": inside(lambda w, p: placeholder("globex", p), tenant="globex"),
        "A, DynamoDB": inside(lambda w, p: dynamodb | {"x-tenant-token": p}, target="/", method="POST", body=json.dumps(GET_ITEM).encode()),
        "made up": inside(lambda w, p: placeholder("acme", p[:5] + "A" * (len(p) - 5))),
        "changed": inside(lambda w, p: placeholder("acme", p[:-1] + ("A" if p[-1] != "A" else "B"))),
        "empty": inside(lambda w, p: {"x-tenant-token": ""}),
        "twice": inside(lambda w, p: [("x-tenant-token", p), ("x-tenant-token", p)]),
        "with a JWT beside it": inside(lambda w, p: [("x-tenant-token", p), *bearer(w.token())]),
        "a JWT instead": inside(lambda w, p: placeholder("acme", w.token())),
        "none": inside(lambda w, p: {"x-tenant-id": "acme"}),
        "ended": ended,
        "expired": expired,
        "of another process": stolen,
        "as often as it may": used_up,
        "action: its own": not_for("GET", HELLO),
        "action: another": not_for("PUT", HELLO),
        "action: a version": not_for("GET", f"{HELLO}?versionId=1"),
        "action: a copy": not_for("PUT", HELLO, {"x-amz-copy-source": HELLO}),
        "action: another by its subresource": not_for("GET", f"{HELLO}?acl"),
        "action: two at once": not_for("GET", f"{HELLO}?attributes&acl"),
        "action: a subresource in capitals": not_for("GET", f"{HELLO}?Versioning"),
        "action: a parameter that nobody knows": not_for("GET", f"{HELLO}?new"),
        "action: of another service": inside_troubled_dynamodb,
    }
    return {("passport", f"passport: {name}"): case for name, case in table.items()}


def contexts() -> dict:
    """What Palisade signs for the application is no proof for Palisade."""
    def signed(w: World) -> str:
        with w.visit(palisade=w.deferring) as visit:
            return visit.headers["x-palisade-context"]

    return both("context: as a token", lambda w: bearer(signed(w)) + [("x-tenant-id", "acme")])


def deferred() -> dict:
    """What is sealed for later, on both sides."""
    order = {"purpose": "report", "audience": "reports", "actions": ["s3:GetObject"], "lifetime": "15m"}

    def ask(w: World, proof: str, palisade: Palisade | None = None, tenant: list = (), **changes) -> wire.Message:
        body = json.dumps(order | changes).encode()
        return w.leave([("Host", "127.0.0.1:8180"), ("x-tenant-token", proof), *tenant], "/_palisade/defer", "POST", body, palisade or w.deferring)

    def sealed(w: World, **changes) -> str:
        with w.visit(palisade=w.deferring) as visit:
            return json.loads(ask(w, visit.passport, **changes).body)["context"]

    def used(make=lambda w, c: {"x-tenant-token": c}, target: str = HELLO, method: str = "GET", at=lambda w: w.worker, **changes):
        return lambda w: w.leave(make(w, sealed(w, **changes)), target, method, palisade=at(w))

    def expired(w: World) -> wire.Message:
        context = sealed(w, lifetime="1s")
        time.sleep(1.2)
        return w.leave({"x-tenant-token": context}, palisade=w.worker)

    def inside(**changes):
        def case(w: World) -> wire.Message:
            with w.visit(palisade=w.deferring) as visit:
                return ask(w, visit.passport, **changes)
        return case

    def ended(w: World) -> wire.Message:
        with w.visit(palisade=w.deferring) as visit:
            passport = visit.passport
        settled()
        return ask(w, passport)

    redeeming = {
        "A": used(),
        "A, as bearer": used(lambda w, c: {"Authorization": f"Bearer {c}"}),
        "A, signed": used(lambda w, c: placeholder("acme", c)),
        "A, naming B": used(lambda w, c: {"x-tenant-token": c, "x-tenant-id": "globex"}),
        "A, naming B as access key": used(lambda w, c: placeholder("globex", c)),
        "A, for B's object": used(target=f"/{BUCKET}/globex/hello.txt"),
        "A, another action": used(method="DELETE"),
        "A, an action that is a header away": used(lambda w, c: {"x-tenant-token": c, "x-amz-copy-source": HELLO}, method="PUT"),
        "A, with a JWT beside it": used(lambda w, c: [("x-tenant-token", c), *bearer(w.token())]),
        "A, where it was sealed": used(at=lambda w: w.deferring),
        "A, where JWTs are taken": used(lambda w, c: {"x-tenant-token": c, "x-tenant-id": "acme"}, at=lambda w: w.egress),
        "A, on an ingress": lambda w: w.enter([("x-tenant-token", sealed(w)), ("x-tenant-id", "acme")]),
        "changed": used(lambda w, c: {"x-tenant-token": c[:-1] + ("A" if c[-1] != "A" else "B")}),
        "cut": used(lambda w, c: {"x-tenant-token": c[:-2]}),
        "made up": used(lambda w, c: {"x-tenant-token": c[:5] + "A" * (len(c) - 5)}),
        "for another audience": used(audience="mails"),
        "expired": expired,
        "a JWT instead": lambda w: w.leave(placeholder("acme", w.token()), palisade=w.worker),
        "none": lambda w: w.leave({"x-tenant-id": "acme"}, palisade=w.worker),
    }
    sealing = {
        "A": inside(),
        "A, naming B": inside(tenant=[("x-tenant-id", "globex")]),
        "unknown audience": inside(audience="nobody"),
        "more actions": inside(actions=["s3:GetObject", "s3:DeleteObject"]),
        "all actions": inside(actions=["s3:*"]),
        "longer": inside(lifetime="1h1s"),
        "no lifetime": inside(lifetime=None),
        "a number of uses": inside(max_uses=1),
        "of an ended request": ended,
        "of a context": lambda w: ask(w, sealed(w)),
        "of a JWT": lambda w: ask(w, w.token(), tenant=[("x-tenant-id", "acme")]),
        "not switched on": lambda w: ask(w, w.token(), w.egress, [("x-tenant-id", "acme")]),
        "on the worker's side": lambda w: ask(w, sealed(w), w.worker),
    }
    rows = {("deferred", f"deferred: {name}"): case for name, case in redeeming.items()}
    return rows | {("deferred", f"defer: {name}"): case for name, case in sealing.items()}


def data() -> dict:
    """Tenant by tenant by resource: the token, the tenant header, and whose data is asked for."""
    table = {}
    for token in ("acme", "globex"):
        for header in ("acme", "globex"):
            for owner in ("acme", "globex", "acme-eu"):
                signed = lambda w, token=token, header=header: placeholder(header, w.token(token))  # noqa: E731
                name = f"token {token}, named {header}, of {owner}"
                table["egress", f"get: {name}"] = lambda w, s=signed, o=owner: w.leave(s(w), f"/{BUCKET}/{o}/hello.txt")
                table["egress", f"list: {name}"] = lambda w, s=signed, o=owner: w.leave(s(w), f"/{BUCKET}?list-type=2&prefix={o}%2F")
                table["egress", f"item: {name}"] = lambda w, t=token, h=header, o=owner: item(w, t, h, o)
    return table


def item(w: World, token: str, header: str, owner: str) -> wire.Message:
    headers = placeholder(header, w.token(token), "dynamodb", {"x-amz-target": "DynamoDB_20120810.GetItem", "content-type": "application/x-amz-json-1.0"})
    return w.leave(headers | {"Host": "localhost"}, "/", "POST", json.dumps(GET_ITEM | {"TableName": f"orders-{owner}"}).encode())


def targets() -> dict:
    """Where a request says that it is going, and what it says it does there."""
    def sdk(target=HELLO, method="GET", host="127.0.0.1:8180", headers=None, body=b"", **scope):
        return lambda w: w.leave(placeholder("acme", w.token(), headers=headers, **scope) | {"Host": host}, target, method, body)

    def plain(host, target=HELLO, method="GET"):
        return lambda w: w.leave([("Host", host), ("x-tenant-id", "acme"), ("x-tenant-token", w.token())], target, method)

    dynamo = {"X-Amz-Target": "DynamoDB_20120810.GetItem", "Content-Type": "application/x-amz-json-1.0"}
    table = {
        "scope": sdk(),
        "Host": plain(S3_HOST),
        "absolute form": plain(S3_HOST, f"http://{S3_HOST}{HELLO}"),
        "absolute form, other Host": plain(S3_HOST, f"http://dynamodb.eu-west-1.amazonaws.com{HELLO}"),
        "no service": plain("127.0.0.1:8180"),
        "service not listed": sdk(service="ec2"),
        "service not listed, by Host": plain("ec2.eu-west-1.amazonaws.com"),
        "service that hands out credentials": sdk("/?Action=AssumeRole", service="sts"),
        "region not listed": sdk(region="us-west-2"),
        "region not listed, by Host": plain("s3.us-west-2.amazonaws.com"),
        "region that is none": sdk(region="eu-west-1.evil.test"),
        "scope and Host disagree on the service": sdk(host="dynamodb.eu-west-1.amazonaws.com"),
        "scope and Host disagree on the region": sdk(host="s3.us-east-1.amazonaws.com"),
        "foreign host": plain("evil.test"),
        "host that begins like AWS": plain(f"{S3_HOST}.evil.test"),
        "host that ends like AWS": plain("s3.eu-west-1.evilamazonaws.com"),
        "Multi-Region Access Point": plain("mfzwi23gnjvgw.mrap.accesspoint.s3-global.amazonaws.com", "/acme/hello.txt"),
        "Transfer Acceleration": plain(f"{BUCKET}.s3-accelerate.amazonaws.com", "/acme/hello.txt"),
        "bucket before our own name": sdk("/acme/hello.txt", host=f"{BUCKET}.localhost:8180"),
        "bucket before our own name, without a signature": plain(f"{BUCKET}.localhost:8180", "/acme/hello.txt"),
        "bucket before our own name, of B": sdk("/globex/hello.txt", host=f"{BUCKET}.localhost:8180"),
        "bucket before our own name, DynamoDB": sdk("/", "POST", host=f"{BUCKET}.localhost", headers=dynamo, body=json.dumps(GET_ITEM).encode(), service="dynamodb"),
        "bucket before our own address": sdk("/acme/hello.txt", host=f"{BUCKET}.127.0.0.1:8180"),
        "bucket before our own name, which goes on": sdk("/acme/hello.txt", host=f"{BUCKET}.localhost.evil.test"),
        "no bucket before our own name": sdk("/acme/hello.txt", host="..localhost:8180"),
        "metadata address": plain("169.254.169.254", "/latest/meta-data/iam/security-credentials/"),
        "host with user info": plain(f"evil.test@{S3_HOST}"),
        "S3 session": sdk(f"/{BUCKET}?session"),
        "two operations": sdk("/?Action=Scan", "POST", headers=dynamo, body=json.dumps(GET_ITEM).encode(), service="dynamodb"),
        "no operation": sdk("/", "POST", headers={"Content-Type": "application/x-amz-json-1.0"}, body=b"{}", service="dynamodb"),
        "unknown path of ours": plain("127.0.0.1:8180", "/_palisade/nothing"),
        "credentials endpoint": lambda w: w.leave([("Host", "127.0.0.1:8180"), ("Authorization", w.token()), ("x-tenant-id", "acme")], "/_palisade/credentials"),
        "credentials endpoint, other tenant": lambda w: w.leave([("Host", "127.0.0.1:8180"), ("Authorization", w.token())], "/_palisade/credentials?tenant=globex"),
        "credentials endpoint, wrong method": lambda w: w.leave([("Host", "127.0.0.1:8180"), ("Authorization", w.token())], "/_palisade/credentials", "POST"),
        "credentials endpoint, as a bucket's key": lambda w: w.leave(placeholder("acme", w.token()) | {"Host": f"{BUCKET}.s3.eu-west-1.amazonaws.com"}, "/_palisade/credentials"),
        "presign, not switched on": lambda w: w.leave([("Host", "127.0.0.1:8180"), ("Authorization", w.token())], "/_palisade/presign", "POST", b"{}"),
        "credentials endpoint, no proof": lambda w: w.leave([("Host", "127.0.0.1:8180")], "/_palisade/credentials"),
    }
    return {("egress", f"target: {name}"): case for name, case in table.items()}


def payloads() -> dict:
    """Placeholder signatures and the promises that they make about the body."""
    hashes = {"wrong hash": "0" * 64, "no hash at all": "nonsense", "signed chunks, no length": "STREAMING-AWS4-HMAC-SHA256-PAYLOAD",
              "signed chunks, no trailer": "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER", "sigv4a chunks": "STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD"}
    put = f"/{BUCKET}/acme/payload"

    def sdk(headers=None, target=put, method="PUT", body=b"data", change=lambda h: h, **scope):
        return lambda w: w.leave(change(placeholder("acme", w.token(), headers=headers, **scope)), target, method, body)

    def large(w: World) -> wire.Message:
        headers = placeholder("acme", w.token(), "dynamodb", {"x-amz-target": "DynamoDB_20120810.PutItem", "content-type": "application/x-amz-json-1.0"})
        return w.leave(headers | {"Host": "localhost"}, "/", "POST", b'{"TableName":"orders-acme","pad":"' + b"x" * 70_000 + b'"}')

    table = {name: sdk({"x-amz-content-sha256": value}) for name, value in hashes.items()} | {
        "unsigned": sdk(),
        "over the body limit": large,
        "SigV4A": sdk(algorithm="AWS4-ECDSA-P256-SHA256"),
        "SigV2": sdk(change=lambda h: h | {"Authorization": "AWS tenant.acme:c2lnbmF0dXJl"}),
        "signed query": lambda w: w.leave([], f"{put}?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=tenant.acme%2F20260101%2Feu-west-1%2Fs3%2Faws4_request"
                                          f"&X-Amz-Date=20260101T000000Z&X-Amz-Expires=60&X-Amz-SignedHeaders=host&X-Amz-Signature={'0' * 64}"
                                          f"&X-Amz-Security-Token={w.token()}"),
        "no credential scope": sdk(change=lambda h: h | {"Authorization": "AWS4-HMAC-SHA256 Credential=tenant.acme, SignedHeaders=host, Signature=00"}),
        "credential twice": sdk(change=lambda h: h | {"Authorization": h["Authorization"] + ", Credential=tenant.globex/20260101/eu-west-1/s3/aws4_request"}),
        "header outside the signature": sdk(change=lambda h: h | {"x-amz-acl": "public-read"}),
        "a key that is no placeholder": sdk(change=lambda h: h | {"Authorization": h["Authorization"].replace("tenant.acme", "AKIAIOSFODNN7EXAMPLE")}),
    }
    return {("egress", f"payload: {name}"): case for name, case in table.items()}


def framing() -> dict:
    """HTTP that is malformed, contradictory or too large, on each listener."""
    def raw(start: str, *lines: str, body: str = "") -> bytes:
        return "\r\n".join([start, *lines, "", body]).encode("latin-1")

    host = "Host: localhost"
    messages = {
        "no Host": raw("GET / HTTP/1.1"),
        "two Hosts": raw("GET / HTTP/1.1", host, "Host: other"),
        "Host with a path": raw("GET / HTTP/1.1", "Host: localhost/a"),
        "two lengths": raw("POST / HTTP/1.1", host, "Content-Length: 1", "Content-Length: 2", body="ab"),
        "a length that is none": raw("POST / HTTP/1.1", host, "Content-Length: +1", body="a"),
        "length and chunks": raw("POST / HTTP/1.1", host, "Content-Length: 5", "Transfer-Encoding: chunked", body="0\r\n\r\n"),
        "chunked twice": raw("POST / HTTP/1.1", host, "Transfer-Encoding: chunked, chunked", body="0\r\n\r\n"),
        "gzip, chunked": raw("POST / HTTP/1.1", host, "Transfer-Encoding: gzip, chunked", body="0\r\n\r\n"),
        "identity and chunked": raw("POST / HTTP/1.1", host, "Transfer-Encoding: identity", "Transfer-Encoding: chunked", body="0\r\n\r\n"),
        "chunked is not last": raw("POST / HTTP/1.1", host, "Transfer-Encoding: chunked, identity", body="0\r\n\r\n"),
        "space before the colon": raw("GET / HTTP/1.1", host, "x-tenant-id : acme"),
        "folded header": raw("GET / HTTP/1.1", host, "x-a: b", " c"),
        "NUL in a header": raw("GET / HTTP/1.1", host, "x-a: b\0c"),
        "CR in a header": raw("GET / HTTP/1.1", host, "x-a: b\rc"),
        "HTTP/1.0 without Host": raw("GET / HTTP/1.0"),
        "TRACE": raw("TRACE / HTTP/1.1", host),
        "CONNECT": raw("CONNECT evil.test:443 HTTP/1.1", "Host: evil.test:443"),
        "unknown method": raw("BREW / HTTP/1.1", host),
        "asterisk": raw("OPTIONS * HTTP/1.1", host),
        "long target": raw("GET /" + "a" * 17_000 + " HTTP/1.1", host),
        "many headers": raw("GET / HTTP/1.1", host, *(f"x-{n}: 1" for n in range(110))),
        "long headers": raw("GET / HTTP/1.1", host, f"x-a: {'a' * 70_000}"),
        "an expectation": raw("POST / HTTP/1.1", host, "Expect: 200-maybe", "Content-Length: 1", body="a"),
        "upgrade to h2c": raw("GET / HTTP/1.1", host, "Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA"),
    }

    def send(listener: str, data: bytes) -> Case:
        tls = (lambda w: w.authority.client()) if listener == "ingress" else (lambda w: None)
        return lambda w: wire.exchange(w.sidecar.port(listener), data, tls(w))

    def slow(w: World) -> wire.Message:
        return wire.exchange(w.troubled.port("ingress"), b"GET / HTTP/1.1\r\nHost: localhost\r\nx-slow", w.authority.client())

    rows = {(listener, f"wire: {name}"): send(listener, data) for listener in ("ingress", "egress", "admin", "probes") for name, data in messages.items()}
    rows["ingress", "wire: headers that never end"] = slow
    return rows


def trouble() -> dict:
    """The tenant's plan, STS, AWS and the application failing in their own ways."""
    def aws(status: int, body: str = "", **headers: str) -> Case:
        def case(w: World) -> wire.Message:
            w.script.says(status, body.encode(), **headers)
            return w.leave(placeholder("acme", w.token()), palisade=w.troubled)
        return case

    def error(status: int, code: str, inside: str = "") -> Case:
        return aws(status, f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>m</Message>{inside}</Error>", Content_Type="application/xml")

    def silent(w: World) -> wire.Message:
        with w.script.silent():
            return w.leave(placeholder("acme", w.token()), palisade=w.troubled)

    def stalled(w: World) -> wire.Message:
        """The client promises a body, sends a part of it, and falls silent."""
        w.script.says(200)
        headers = {"Host": S3_HOST} | placeholder("acme", w.token()) | {"Content-Length": "1000"}
        return wire.exchange(w.troubled.port("egress"), wire.request("PUT", f"/{BUCKET}/acme/stalled", headers, b"some", length=False))

    def silo(tenant: str, owner: str) -> Case:
        return lambda w: w.leave(placeholder(tenant, w.token(tenant)), f"/{BUCKET}/{owner}/hello.txt", palisade=w.silo)

    endpoint = "<Endpoint>pool-data.s3.us-west-2.amazonaws.com</Endpoint>"
    table = {
        "role per tenant: own": silo("acme", "acme"),
        "role per tenant: other's": silo("acme", "globex"),
        "role per tenant: nothing to render": silo("bare", "acme"),
        "role per tenant: STS says no": silo("estranged", "acme"),
        "AWS: 200": aws(200, "fine"),
        "AWS: not found": error(404, "NoSuchKey"),
        "AWS: its own fault": error(500, "InternalError"),
        "AWS: slow down": error(503, "SlowDown"),
        "AWS: denied": error(403, "AccessDenied", "<HostId>assumed-role/tenant-pool/acme</HostId>"),
        "AWS: unknown key": error(403, "InvalidAccessKeyId", "<AWSAccessKeyId>ASIA</AWSAccessKeyId>"),
        "AWS: expired token": error(400, "ExpiredToken", "<Token-0>{token}</Token-0>"),
        "AWS: bad signature": error(403, "SignatureDoesNotMatch", "<CanonicalRequest>x-amz-security-token:{token}</CanonicalRequest>"),
        "AWS: an error that echoes the token": error(400, "InvalidArgument", "<Echo>{token}</Echo>"),
        "AWS: a denial that is no XML": aws(403, "<html>no", Content_Type="text/html"),
        "AWS: moved": aws(301, f"<Error><Code>PermanentRedirect</Code>{endpoint}</Error>", Content_Type="application/xml", Location="https://s3.us-west-2.amazonaws.com/"),
        "AWS: moved for now": aws(307, f"<Error><Code>TemporaryRedirect</Code>{endpoint}</Error>", Content_Type="application/xml", Location="https://evil.test/"),
        "AWS: silent": silent,
        "a body that never ends": stalled,
        "AWS: down": lambda w: w.leave(placeholder("acme", w.token(), "dynamodb", {"x-amz-target": "DynamoDB_20120810.GetItem"}) | {"Host": "localhost"}, "/", "POST",
                                       json.dumps(GET_ITEM).encode(), w.troubled),
    }
    rows = {("egress", f"trouble: {name}"): case for name, case in table.items()}
    rows["ingress", "trouble: a body that never ends"] = lambda w: wire.exchange(
        w.troubled.port("ingress"), wire.request("POST", "/upload", bearer(w.token()) + [("x-tenant-id", "acme"), ("Content-Length", "1000")], b"some", length=False),
        w.authority.client())
    rows["ingress", "trouble: the application hangs up"] = lambda w: w.enter(bearer(w.token()) + [("x-tenant-id", "acme")], "/slam")
    return rows


def routes() -> dict:
    """Each tenant's upstream is its own, and where a record leads nowhere there is no other."""
    def enter(tenant: str, *more: tuple) -> Case:
        return lambda w: w.enter([("Authorization", f"Bearer {w.token(tenant)}"), ("x-tenant-id", tenant), *more], palisade=w.cells)

    return {("ingress", f"route: {name}"): case for name, case in {
        "a cell of the table": enter("acme"),
        "another cell of the table": enter("acme-eu"),
        "a cell's socket": enter("globex"),
        "over TLS": enter("acid"),
        "over TLS, the certificate is another's": enter("across"),
        "another cell in a header": enter("acme-eu", ("x-tenant-cell", "c1"), ("x-palisade-route", "c1")),
        "nobody on the cell's socket": enter("slow"),
        "no route, and no upstream for everybody": enter("bare"),
        "a cell that is no label": enter("estranged"),
        "a cell that climbs out of its directory": enter("acorn"),
        "a name that leads to this machine": enter("single"),
        "an address of this machine": enter("ghost"),
        "the address of the metadata service": enter("accident"),
        "suspended": enter("initech"),
    }.items()}
