"""A certificate authority, a server certificate for `localhost`, others for any name, and clients' certificates, made for one test run."""

import datetime
import ipaddress
import ssl
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID


@dataclass
class Identity:
    """A client's certificate, in files and as it is."""

    certificate: Path
    key: Path
    leaf: x509.Certificate


class Authority:
    """Writes `ca.pem`, `tls.crt` and `tls.key` into a directory."""

    def __init__(self, directory: Path):
        self.ca, self.certificate, self.key = directory / "ca.pem", directory / "tls.crt", directory / "tls.key"
        root_key = ec.generate_private_key(ec.SECP256R1())
        root_name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test authority")])
        root = (
            self._builder(root_name, root_name, root_key.public_key())
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(x509.KeyUsage(False, False, False, False, False, True, True, False, False), critical=True)
            .sign(root_key, hashes.SHA256())
        )
        self.root_name, self.root_key, self.directory = root_name, root_key, directory
        names = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
        self.ca.write_bytes(root.public_bytes(serialization.Encoding.PEM))
        self.names = names
        self.expires = self.issue(self.certificate, self.key)

    def issue(self, certificate: Path, key: Path) -> datetime.datetime:
        """Another certificate for the server; when it ends."""
        return self._issue("localhost", self.names, certificate, key)

    def server(self, name: str) -> ssl.SSLContext:
        """What a server uses that is called `name`, and has no other name or address."""
        certificate, key = self.directory / f"{name}.crt", self.directory / f"{name}.key"
        self._issue(name, [x509.DNSName(name)], certificate, key)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
        return context

    def _issue(self, common_name: str, names: list, certificate: Path, key: Path) -> datetime.datetime:
        leaf_key = ec.generate_private_key(ec.SECP256R1())
        leaf = (
            self._builder(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)]), self.root_name, leaf_key.public_key())
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(x509.SubjectAlternativeName(names), critical=False)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
            .sign(self.root_key, hashes.SHA256())
        )
        certificate.write_bytes(leaf.public_bytes(serialization.Encoding.PEM))
        key.write_bytes(leaf_key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))
        key.chmod(0o600)
        return leaf.not_valid_after_utc

    @staticmethod
    def _builder(subject: x509.Name, issuer: x509.Name, public_key) -> x509.CertificateBuilder:
        now = datetime.datetime.now(datetime.timezone.utc)
        return (
            x509.CertificateBuilder()
            .subject_name(subject).issuer_name(issuer).public_key(public_key).serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(minutes=5)).not_valid_after(now + datetime.timedelta(days=2))
        )

    def identity(self, name: str, uris: list[str] = (), days: int = 2, usage=ExtendedKeyUsageOID.CLIENT_AUTH, subject: x509.Name | None = None,
                 dns: list[str] = ()) -> "Identity":
        """A client's certificate. `days` from now it ends, or ended."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = subject or x509.Name([x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Example, Inc."), x509.NameAttribute(NameOID.COMMON_NAME, name)])
        now = datetime.datetime.now(datetime.timezone.utc)
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject).issuer_name(self.root_name).public_key(key.public_key()).serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(days=9)).not_valid_after(now + datetime.timedelta(days=days))
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
        )
        if names := [*map(x509.UniformResourceIdentifier, uris), *map(x509.DNSName, dns)]:
            builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
        leaf = builder.sign(self.root_key, hashes.SHA256())
        made = Identity(self.directory / f"{name}.crt", self.directory / f"{name}.key", leaf)
        made.certificate.write_bytes(leaf.public_bytes(serialization.Encoding.PEM))
        made.key.write_bytes(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))
        return made

    def revoke(self, *identities: "Identity") -> Path:
        """A revocation list with these on it, in `ca.crl`."""
        now = datetime.datetime.now(datetime.timezone.utc)
        builder = x509.CertificateRevocationListBuilder().issuer_name(self.root_name).last_update(now).next_update(now + datetime.timedelta(days=1))
        builder = builder.add_extension(x509.CRLNumber(1), critical=False)
        builder = builder.add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self.root_key.public_key()), critical=False)
        for identity in identities:
            serial = identity.leaf.serial_number
            builder = builder.add_revoked_certificate(x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(now).build())
        path = self.directory / "ca.crl"
        path.write_bytes(builder.sign(self.root_key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))
        return path

    def client(self, alpn: list[str] | None = None, identity: "Identity | None" = None) -> ssl.SSLContext:
        """What a client that trusts the authority uses, and what it shows."""
        context = ssl.create_default_context(cafile=str(self.ca))
        if identity:
            context.load_cert_chain(identity.certificate, identity.key)
        if alpn:
            context.set_alpn_protocols(alpn)
        return context
