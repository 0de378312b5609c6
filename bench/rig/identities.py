"""Keys, certificates and tokens of a run. All are made anew for it, and none is worth anything elsewhere."""

import base64
import datetime
import ipaddress
import json
import secrets
import time
from collections.abc import Iterator
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa, utils
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

ISSUER, AUDIENCE = "https://idp.bench.test/", "sidecar"
BUCKET = "bench-bucket"


def tenant(number: int) -> str:
    return f"tenant-{number:06d}"


def path(number: int, key: str = "key") -> str:
    """The target of a tenant's requests, the same for every proxy: what is the tenant's begins with its id."""
    return f"/{BUCKET}/{tenant(number)}/{key}"


def _b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _number(value: int, length: int) -> str:
    return _b64(value.to_bytes(length, "big"))


class Issuer:
    """Signs tokens as an identity provider does, by RS256 (2048 bits) and ES256."""

    def __init__(self):
        self._rsa = rsa.generate_private_key(public_exponent=65_537, key_size=2048)
        self._ec = ec.generate_private_key(ec.SECP256R1())

    def jwks(self) -> dict:
        r, e = self._rsa.public_key().public_numbers(), self._ec.public_key().public_numbers()
        return {"keys": [
            {"kty": "RSA", "kid": "rsa", "alg": "RS256", "use": "sig", "n": _number(r.n, 256), "e": _number(r.e, 3)},
            {"kty": "EC", "kid": "ec", "alg": "ES256", "use": "sig", "crv": "P-256", "x": _number(e.x, 32), "y": _number(e.y, 32)},
        ]}

    def token(self, name: str, algorithm: str = "ES256") -> str:
        """An access token of a common size (900 to 1,200 bytes) for one tenant; no two are alike."""
        now, user = int(time.time()), secrets.token_hex(8)
        header = {"alg": algorithm, "typ": "JWT", "kid": "rsa" if algorithm == "RS256" else "ec"}
        claims = {
            "iss": ISSUER, "aud": [AUDIENCE], "sub": f"user|{user}", "iat": now, "nbf": now - 30, "exp": now + 86_400, "jti": secrets.token_hex(16),
            "tenant_id": name, "azp": "web-application", "scope": "openid profile email objects:read objects:write reports:read",
            "roles": ["member", "report-reader", "object-writer"], "email": f"{user}@{name}.example", "email_verified": True, "name": "Alex Example",
            "locale": "en-GB", "auth_time": now - 60, "acr": "urn:mace:incommon:iap:silver", "amr": ["pwd", "otp"], "sid": secrets.token_hex(16),
        }
        signed = ".".join(_b64(json.dumps(part).encode()) for part in (header, claims))
        return f"{signed}.{_b64(self._sign(signed.encode(), algorithm))}"

    def _sign(self, data: bytes, algorithm: str) -> bytes:
        if algorithm == "RS256":
            return self._rsa.sign(data, padding.PKCS1v15(), hashes.SHA256())
        r, s = utils.decode_dss_signature(self._ec.sign(data, ec.ECDSA(hashes.SHA256())))
        return r.to_bytes(32, "big") + s.to_bytes(32, "big")

    def requests(self, file: Path, count: int, tenants: int, algorithm: str = "ES256") -> Path:
        """Writes what `wrk.lua` reads: `count` requests, each with a token of its own, in turn over the tenants."""
        with file.open("w") as out:
            out.writelines(self._lines(count, tenants, algorithm))
        return file

    def _lines(self, count: int, tenants: int, algorithm: str) -> Iterator[str]:
        for number in range(count):
            one = number % tenants
            yield f"{path(one)} {tenant(one)} {self.token(tenant(one), algorithm)}\n"


def certificates(directory: Path):
    """`ca.crt`, and `tls.crt` with `tls.key` for localhost: ECDSA on P-256, as most servers have it."""
    ca_key, ca_name = ec.generate_private_key(ec.SECP256R1()), _name("bench authority")
    key = ec.generate_private_key(ec.SECP256R1())
    ca = _certificate(ca_name, ca_name, ca_key.public_key()).add_extension(x509.BasicConstraints(ca=True, path_length=0), True)
    here = x509.SubjectAlternativeName([x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    leaf = (_certificate(_name("localhost"), ca_name, key.public_key()).add_extension(x509.BasicConstraints(ca=False, path_length=None), True)
            .add_extension(here, False).add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), False))
    pem = serialization.Encoding.PEM
    (directory / "ca.crt").write_bytes(ca.sign(ca_key, hashes.SHA256()).public_bytes(pem))
    (directory / "tls.crt").write_bytes(leaf.sign(ca_key, hashes.SHA256()).public_bytes(pem))
    (directory / "tls.key").write_bytes(key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))


def _name(common: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)])


def _certificate(subject: x509.Name, issuer: x509.Name, key) -> x509.CertificateBuilder:
    now = datetime.datetime.now(datetime.timezone.utc)
    return (x509.CertificateBuilder().subject_name(subject).issuer_name(issuer).public_key(key).serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(hours=1)).not_valid_after(now + datetime.timedelta(days=30)))
