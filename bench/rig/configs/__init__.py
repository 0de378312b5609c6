"""The configurations of what is compared, and of what stands around it. All forward to the same upstream."""

from dataclasses import dataclass

REGION = "us-east-1"
# What the clients call: a host of S3, so that a request says by itself which service it is for.
HOST = f"s3.{REGION}.amazonaws.com"


@dataclass(frozen=True)
class Keys:
    """AWS credentials as a proxy has them. They sign, and open nothing."""

    access_key_id: str
    secret_access_key: str
    session_token: str


# What Envoy has in its configuration, and what STS answers to Palisade.
ENVOYS = Keys("ASIAENVOY00000000000", "envoy/not/a/secret/but/as/long/as/one/00", "E" * 400)
SESSION = Keys("ASIASESSION000000000", "sts/not/a/secret/but/as/long/as/one/0000", "T" * 400)


@dataclass(frozen=True)
class Shape:
    """What all peers can vary alike."""

    tls_in: bool = False
    tls_out: bool = False
    # Whose port requests are forwarded to: `up` answers small things and large ones, `sink` swallows bodies.
    upstream: str = "up"
    tenants: int = 100

    def port(self, ports: dict[str, int]) -> int:
        return ports[self.upstream + ("_tls" if self.tls_out else "")]
