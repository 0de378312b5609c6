"""A certificate authority, a server certificate for `localhost` and others for any name, made for one test run."""

import datetime
import ipaddress
import ssl
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID


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
        self.expires = self._issue("localhost", names, self.certificate, self.key)

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

    def client(self, alpn: list[str] | None = None) -> ssl.SSLContext:
        """What a client that trusts the authority uses."""
        context = ssl.create_default_context(cafile=str(self.ca))
        if alpn:
            context.set_alpn_protocols(alpn)
        return context
