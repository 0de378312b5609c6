"""Where a client is, and what it is told."""

from dataclasses import dataclass
from pathlib import Path

from harness import clients

from .observe import Hello, Issued, Requests


@dataclass
class Place:
    """A backend with an egress in front of it, and what there is."""

    name: str
    egress: int
    issued: Issued
    proofs: dict[str, str]
    bucket: str = ""
    table: str = ""
    account: bool = True

    def boto3(self, service: str, tenant: str):
        """For the tests themselves, past the taps; not where the egress has TLS."""
        return clients.client(service, f"http://127.0.0.1:{self.egress}", tenant, self.proofs[tenant])


@dataclass
class Line:
    """What a client is told, and what is seen of it."""

    place: Place
    requests: Requests
    tenant: str = "acme"
    host: str = "127.0.0.1"
    scheme: str = "http"
    port: int = 0
    ca: Path | None = None
    hello: Hello | None = None

    @property
    def endpoint(self) -> str:
        return f"{self.scheme}://{self.host}:{self.port}"

    @property
    def bucket(self) -> str:
        return self.place.bucket

    @property
    def proof(self) -> str:
        return self.place.proofs[self.tenant]

    def environment(self, **more: str) -> dict:
        """What every client that reads AWS's variables gets."""
        return clients.environment(self.endpoint, self.tenant, self.proof) | more
