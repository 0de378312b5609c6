"""An identity provider: keys of every kind, tokens good and bad, a key set over HTTP and as a file."""

import base64
import hashlib
import hmac
import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

AUDIENCE = "api"


def b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def assemble(header: dict | str, claims: dict | str, sign) -> str:
    """A JWT put together by hand, for what a library refuses to make; dicts are encoded, text is taken as it stands."""
    parts = [b64((p if isinstance(p, str) else json.dumps(p)).encode()) for p in (header, claims)]
    return ".".join([*parts, b64(sign(".".join(parts).encode()))])


class IdentityProvider:
    """An issuer. `token()` makes what a well-behaved one would; every deviation is an argument."""

    def __init__(self, issuer: str):
        self.issuer = issuer
        self.keys = {
            "rsa": ("RS256", rsa.generate_private_key(public_exponent=65_537, key_size=2048)),
            "ec": ("ES256", ec.generate_private_key(ec.SECP256R1())),
            "ec384": ("ES384", ec.generate_private_key(ec.SECP384R1())),
            "ed": ("EdDSA", ed25519.Ed25519PrivateKey.generate()),
        }
        # A key that is never published.
        self.stranger = rsa.generate_private_key(public_exponent=65_537, key_size=2048)

    def claims(self, tenant="acme", **changes) -> dict:
        """Claims of a good token; an argument of None removes one."""
        now = int(time.time())
        claims = {"iss": self.issuer, "aud": AUDIENCE, "sub": "user-1", "iat": now, "nbf": now, "exp": now + 600, "tenant_id": tenant,
                  "roles": ["reader"], "email": "user-1@acme.test"}
        return {k: v for k, v in (claims | changes).items() if v is not None}

    def token(self, tenant="acme", key="rsa", algorithm=None, headers=None, **changes) -> str:
        default, private = self.keys[key]
        return jwt.encode(self.claims(tenant, **changes), private, algorithm or default, {"kid": f"{key}-1"} | (headers or {}))

    def unsigned(self, tenant="acme") -> str:
        """`alg: none`, as RFC 7519 section 6 allows and nobody should."""
        return assemble({"alg": "none", "typ": "JWT", "kid": "rsa-1"}, self.claims(tenant), lambda _: b"")

    def confused(self, tenant="acme") -> str:
        """HS256 keyed with the text of the RSA public key."""
        public = self.keys["rsa"][1].public_key()
        pem = public.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
        return assemble({"alg": "HS256", "kid": "rsa-1"}, self.claims(tenant), lambda text: hmac.digest(pem, text, hashlib.sha256))

    def forged(self, tenant="acme", headers=None) -> str:
        """Signed with a key of the attacker's, under a `kid` that exists."""
        return jwt.encode(self.claims(tenant), self.stranger, "RS256", {"kid": "rsa-1"} | (headers or {}))

    def handmade(self, header: dict | str, claims: dict | str) -> str:
        """RS256 by the published key over any header and claims at all."""
        return assemble(header, claims, lambda text: jwt.algorithms.RSAAlgorithm(jwt.algorithms.RSAAlgorithm.SHA256).sign(text, self.keys["rsa"][1]))

    def stranger_jwk(self) -> dict:
        return jwt.algorithms.RSAAlgorithm.to_jwk(self.stranger.public_key(), as_dict=True)

    def jwks(self) -> dict:
        make = {"rsa": jwt.algorithms.RSAAlgorithm, "ec": jwt.algorithms.ECAlgorithm, "ec384": jwt.algorithms.ECAlgorithm, "ed": jwt.algorithms.OKPAlgorithm}
        return {"keys": [make[name].to_jwk(private.public_key(), as_dict=True) | {"kid": f"{name}-1", "use": "sig", "alg": algorithm}
                         for name, (algorithm, private) in self.keys.items()]}

    def write(self, path: Path) -> Path:
        path.write_text(json.dumps(self.jwks()))
        return path


class KeyServer:
    """Serves an issuer's key set at `/jwks.json`, and where that is at `/.well-known/openid-configuration`; notes when it was fetched.

    `mood` is what it does: `good`, or one of the ways to fail. With `tls` it serves https, as `localhost`."""

    def __init__(self, provider: IdentityProvider, tls=None):
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                server.asked.append((self.path, self.headers.get("Authorization")))
                if self.path == "/jwks.json":
                    server.times.append(time.monotonic())
                if server.bearer and self.headers.get("Authorization") != f"Bearer {server.bearer}":
                    return self.answer(401, b"")
                if self.path == "/.well-known/openid-configuration" and server.mood == "good":
                    return self.answer(200, json.dumps({"issuer": server.issuer, "jwks_uri": server.jwks_uri}).encode())
                getattr(self, server.mood)()

            def answer(self, status: int, body: bytes, length: int | None = None, **headers):
                self.send_response(status)
                for name, value in {"Content-Type": "application/json", **server.headers, **headers}.items():
                    self.send_header(name.replace("_", "-"), value)
                self.send_header("Content-Length", str(len(body) if length is None else length))
                self.end_headers()
                self.wfile.write(body)

            def good(self):
                self.answer(200, json.dumps(server.document()).encode())

            def page(self):
                self.answer(200, b"<!doctype html><title>Sign in</title>", Content_Type="text/html")

            def empty(self):
                self.answer(200, b'{"keys": []}')

            def nothing(self):
                self.answer(200, b"")

            def truncated(self):
                body = json.dumps(server.document()).encode()
                self.answer(200, body[: len(body) // 2], len(body))
                self.close_connection = True

            def huge(self):
                self.answer(200, json.dumps(server.document() | {"junk": "x" * 300_000}).encode())

            def error(self):
                self.answer(500, json.dumps(server.document()).encode())

            def moved(self):
                self.answer(302, b"", Location=server.uri)

            def slow(self):
                server.patience.wait()
                self.good()

            def log_message(self, *_):
                pass

        self.times, self.asked, self.mood, self.headers, self.bearer = [], [], "good", {}, None
        self.document = provider.jwks
        # What `slow` waits for.
        self.patience = threading.Event()
        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        if tls:
            self.http.socket = tls.wrap_socket(self.http.socket, server_side=True)
        self.origin = f"https://localhost:{self.http.server_port}" if tls else f"http://127.0.0.1:{self.http.server_port}"
        self.uri = self.jwks_uri = f"{self.origin}/jwks.json"
        self.issuer = provider.issuer
        threading.Thread(target=self.http.serve_forever, daemon=True).start()

    @property
    def fetches(self) -> int:
        return len(self.times)

    def close(self):
        self.patience.set()
        self.http.shutdown()
        self.http.server_close()
