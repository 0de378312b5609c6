"""The signed context: what an application gets that verifies rather than trusts a header."""

import json
import shutil
import subprocess
import sys
import time

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519

from harness import recipes, wire
from harness.configs import at
from harness.palisade import Palisade
from harness.process import clean_environment

KEYS = "/.well-known/jwks.json"
AUDIENCE, ISSUER = "app", "https://palisade.test/"


def pem(key) -> str:
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()).decode()


@pytest.fixture(scope="module")
def ingress(start, setting, authority, application, directory):
    """Starts an ingress that signs, with nothing behind it but the application."""
    def start_one(name: str, **context) -> Palisade:
        return start(name, setting.ingress(authority.certificate, authority.key, application.port,
                                           context={"audience": AUDIENCE, "issuer": ISSUER} | context), setting.identity())

    return start_one


@pytest.fixture(scope="module")
def signing(ingress, directory) -> Palisade:
    for name in ("context-1.pem", "context-2.pem"):
        (directory / name).write_text(pem(ec.generate_private_key(ec.SECP256R1())))
    return ingress("signing", keys=[{"file": "context-1.pem"}, {"file": "context-2.pem"}])


@pytest.fixture(scope="module")
def signing_ed25519(ingress, directory) -> Palisade:
    (directory / "context-ed.pem").write_text(pem(ed25519.Ed25519PrivateKey.generate()))
    return ingress("signing-ed25519", algorithm="EdDSA", lifetime="1s", keys=[{"file": "context-ed.pem"}])


def headers_of(palisade: Palisade, authority, token: str, tenant: str = "acme", sent: list = ()) -> dict:
    """What the application gets."""
    request = wire.request("GET", "/echo", [("Authorization", f"Bearer {token}"), ("x-tenant-id", tenant), *sent])
    answer = wire.exchange(palisade.port("ingress"), request, authority.client())
    assert answer.status == 200, (answer.status, answer.reason)
    headers = [(k, v) for k, v in json.loads(answer.body)["headers"]]
    assert len({k for k, _ in headers if k.startswith("x-palisade-")}) == len([k for k, _ in headers if k.startswith("x-palisade-")]), "one came twice"
    return dict(headers)


def key_set(palisade: Palisade) -> wire.Message:
    return wire.exchange(palisade.port("probes"), wire.request("GET", KEYS, {"Host": "localhost"}))


def verified(palisade: Palisade, context: str) -> dict:
    keys = jwt.PyJWKSet.from_dict(json.loads(key_set(palisade).body))
    key = keys[jwt.get_unverified_header(context)["kid"]]
    return jwt.decode(context, key, algorithms=["ES256", "EdDSA"], audience=AUDIENCE, issuer=ISSUER)


def test_it_says_what_was_verified(signing, authority, idp):
    token = idp.token(["acme", "globex"], sub="alice", roles=["reader", 'a", "b'])
    headers = headers_of(signing, authority, token)
    claims = verified(signing, headers["x-palisade-context"])
    now = int(time.time())
    assert now - 5 <= claims.pop("iat") <= now and now + 55 <= claims.pop("exp") <= now + 60
    assert claims == {"iss": ISSUER, "aud": AUDIENCE, "sub": "alice", "idp": idp.issuer, "tenant": "acme", "roles": ["reader", 'a", "b'],
                      "jti": headers["x-request-id"]}
    assert jwt.get_unverified_header(headers["x-palisade-context"])["typ"] == "palisade-context+jwt"


def test_it_ends_with_the_token(signing, authority, idp):
    end = int(time.time()) + 20
    claims = verified(signing, headers_of(signing, authority, idp.token("acme", exp=end))["x-palisade-context"])
    assert claims["exp"] == end + 5, "the leeway of the test's configuration is five seconds"


def test_callers_cannot_send_one(signing, sidecar, authority, idp):
    forged = [(name, "e30.e30.x") for name in ("x-palisade-context", "X-Palisade-Context", "x_palisade_context")]
    headers = headers_of(signing, authority, idp.token("acme"), sent=forged)
    assert "e30.e30.x" not in headers.values() and verified(signing, headers["x-palisade-context"])["tenant"] == "acme"
    off = headers_of(sidecar, authority, idp.token("acme"), sent=forged)
    assert "x-palisade-context" not in off and "e30.e30.x" not in off.values(), "it is removed where none is made, too"


def test_the_keys_are_published_where_there_are_any(signing, sidecar):
    answer = key_set(signing)
    keys = json.loads(answer.body)["keys"]
    assert answer.header("content-type") == "application/jwk-set+json" and answer.header("cache-control") == "public, max-age=300"
    assert [(k["kty"], k["crv"], k["use"], k["alg"]) for k in keys] == [("EC", "P-256", "sig", "ES256")] * 2
    assert all(set(k) == {"kty", "crv", "x", "y", "use", "alg", "kid"} for k in keys), "something private is published"
    assert key_set(sidecar).status == 404
    for listener in ("ingress", "admin"):
        assert signing.port(listener) and KEYS not in str(signing.admin(KEYS)), listener


def test_a_key_of_a_file_outlives_the_process_and_a_drawn_one_does_not(ingress, signing, authority, idp):
    context = headers_of(signing, authority, idp.token("acme"))["x-palisade-context"]
    twin = ingress("signing-twin", keys=[{"file": "context-2.pem"}, {"file": "context-1.pem"}])
    assert verified(twin, context)["tenant"] == "acme", "replicas know each other's"
    drawn = [ingress(f"drawn-{n}") for n in range(2)]
    own = headers_of(drawn[0], authority, idp.token("acme"))["x-palisade-context"]
    assert verified(drawn[0], own)["tenant"] == "acme"
    with pytest.raises(KeyError):
        verified(drawn[1], own)


def test_it_is_no_proof(signing, start, setting, authority, application, idp, pool, ministack, directory):
    """Not even where somebody believes in our own keys: the type is refused before the key is looked at."""
    (directory / "own-keys.json").write_text(key_set(signing).body.decode())
    believing = setting.identity()
    believing["identity"]["issuers"].append({"issuer": ISSUER, "audience": [AUDIENCE], "jwks": {"file": "own-keys.json"}, "algorithms": ["ES256"],
                                             "claims": {"tenant": "tenant"}, "tenants": ["acme"]})
    palisade = start("believing", setting.ingress(authority.certificate, authority.key, application.port),
                     setting.egress({"s3": at(ministack.port)}, proofs=["passport", "jwt"]), believing, setting.pooled(pool, ministack.port))
    context = headers_of(signing, authority, idp.token("acme"))["x-palisade-context"]
    for place in (("Authorization", f"Bearer {context}"), ("x-tenant-token", context), ("x-amz-security-token", context)):
        headers = [place, ("x-tenant-id", "acme")]
        assert wire.exchange(palisade.port("ingress"), wire.request("GET", "/echo", headers), authority.client()).reason == "proof-not-accepted"
        headers.append(("Host", "s3.eu-west-1.amazonaws.com"))
        assert wire.exchange(palisade.port("egress"), wire.request("GET", "/pool-data/acme/hello.txt", headers)).reason == "proof-not-accepted"
    # The same claims under another type, signed with the same key, are taken: so it is the type that decides.
    key = serialization.load_pem_private_key((directory / "context-1.pem").read_bytes(), None)
    token = jwt.encode(verified(signing, context), key, "ES256", headers={"kid": jwt.get_unverified_header(context)["kid"]})
    headers = [("x-tenant-token", token), ("x-tenant-id", "acme")]
    assert wire.exchange(palisade.port("ingress"), wire.request("GET", "/echo", headers), authority.client()).status == 200


def test_more_roles_than_fit_are_refused(signing, sidecar, authority, idp):
    many = idp.token("acme", roles=[f"role-{n:040}" for n in range(120)])
    request = wire.request("GET", "/echo", [("Authorization", f"Bearer {many}"), ("x-tenant-id", "acme")])
    assert wire.exchange(signing.port("ingress"), request, authority.client()).reason == "context-too-large"
    assert wire.exchange(sidecar.port("ingress"), request, authority.client()).status == 200


def test_no_context_and_no_key_in_the_logs(signing, authority, idp):
    context = headers_of(signing, authority, idp.token("acme"))["x-palisade-context"]
    written = signing.everything_written() + str(signing.admin("/config"))
    assert context not in written and "PRIVATE KEY" not in written and "[redacted]" in written


RECIPES = {"python": [sys.executable, recipes.EXAMPLES / "context" / "verify.py"], "node": ["node", recipes.EXAMPLES / "context" / "verify.mjs"]}


@pytest.fixture(params=RECIPES)
def verify(request):
    """Runs a recipe; the claims, or what it says against them."""
    if request.param == "node" and not shutil.which("node"):
        pytest.skip("not run: node is not here")

    def verify(palisade: Palisade, context: str, **variables: str):
        environment = clean_environment(CONTEXT=context, PALISADE_KEYS=f"http://127.0.0.1:{palisade.port('probes')}{KEYS}", AUDIENCE=AUDIENCE, ISSUER=ISSUER) | variables
        done = subprocess.run(RECIPES[request.param], env=environment, capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL)
        if done.returncode == 0:
            return json.loads(done.stdout)
        assert done.returncode == 1 and done.stderr.startswith("refused: "), done.stderr
        return done.stderr

    return verify


def test_the_recipes(verify, signing, signing_ed25519, authority, idp):
    token = idp.token("acme", sub="alice")
    context = headers_of(signing, authority, token)["x-palisade-context"]
    claims = verify(signing, context)
    assert (claims["tenant"], claims["sub"], claims["roles"]) == ("acme", "alice", verified(signing, context)["roles"])

    header, payload, signature = context.split(".")
    other = headers_of(signing, authority, idp.token("globex"), "globex")["x-palisade-context"].split(".")
    none = jwt.encode({"tenant": "acme"}, None, "none", headers={"typ": "palisade-context+jwt"})
    key = ec.generate_private_key(ec.SECP256R1())
    own = {"kid": jwt.get_unverified_header(context)["kid"]}
    forged = jwt.encode(verified(signing, context), key, "ES256", headers=own | {"typ": "palisade-context+jwt"})
    for bad in (f"{header}.{other[1]}.{signature}", f"{header}.{payload}.{other[2]}", f"{header}.{payload}.", none, forged, token, "", "x"):
        assert isinstance(verify(signing, bad), str), bad[:40]
    assert isinstance(verify(signing, context, AUDIENCE="other"), str) and isinstance(verify(signing, context, ISSUER="other"), str)

    brief = headers_of(signing_ed25519, authority, token)["x-palisade-context"]
    assert verified_late(signing_ed25519, brief), "it is good but for its age"
    time.sleep(1.1)
    assert isinstance(verify(signing_ed25519, brief), str), "an expired one was taken"


def test_a_recipe_takes_ed25519_too(verify, ingress, authority, idp, directory):
    (directory / "context-long.pem").write_text(pem(ed25519.Ed25519PrivateKey.generate()))
    palisade = ingress(f"long-{len(list(directory.glob('long-*.yaml')))}", algorithm="EdDSA", keys=[{"file": "context-long.pem"}])
    assert verify(palisade, headers_of(palisade, authority, idp.token("acme"))["x-palisade-context"])["tenant"] == "acme"


def test_a_recipe_refuses_another_type(verify, signing, authority, idp, directory):
    """An access token that is signed with a key of the same set."""
    context = headers_of(signing, authority, idp.token("acme"))["x-palisade-context"]
    key = serialization.load_pem_private_key((directory / "context-1.pem").read_bytes(), None)
    kid = jwt.get_unverified_header(context)["kid"]
    for typ in ("at+jwt", "JWT"):
        assert isinstance(verify(signing, jwt.encode(verified(signing, context), key, "ES256", headers={"kid": kid, "typ": typ})), str), typ


def verified_late(palisade: Palisade, context: str) -> bool:
    key = jwt.PyJWKSet.from_dict(json.loads(key_set(palisade).body)).keys[0]
    return bool(jwt.decode(context, key, algorithms=["EdDSA"], audience=AUDIENCE, issuer=ISSUER, options={"verify_exp": False}))
