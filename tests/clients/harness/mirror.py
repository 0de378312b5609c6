"""The same requests sent twice: straight to a backend, and through Palisade. What comes back has to be the same.

Both ways lead over one tap in front of the backend, so what Palisade makes of a request is compared as well, and not only
what the backend makes of that.
"""

import hashlib
import json
import re
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from urllib.parse import quote, urlencode

from botocore.auth import S3SigV4Auth, SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from . import http2, wire
from .backends import REGION, Key
from .clients import placeholder
from .payloads import Chain, unframed
from .tap import Tap

CONTENT_SHA256 = "x-amz-content-sha256"

# Between neighbours: RFC 9110, section 7.6.1, and `Expect`, which Palisade answers itself.
HOP = {"connection", "expect", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade"}
# What makes a request its sender's.
SIGNATURE = {"authorization", "x-amz-date", "x-amz-security-token"}
# Palisade's own, on every answer.
OURS = {"x-request-id"}
# Made anew for each answer. That these are there is compared; what they say is not.
FRESH_HEADERS = {"date", "last-modified", "x-amz-request-id", "x-amzn-requestid", "x-amz-id-2"}
# The same inside documents, by element and by member. Ids that more than one place names are `Side.made_up`.
FRESH_TEXT = re.compile(
    rb"<(CreationDate|LastModified|Initiated|RequestId|RequestID|HostId|MessageId|ReceiptHandle)>[^<]+"
    rb'|"(MessageId|TableId|CiphertextBlob)": "[^"]+"|"(\w+Date|\w+DateTime)": [0-9.]+'
)


@dataclass(frozen=True)
class Session:
    """What STS issued."""

    key: Key
    token: str

    @classmethod
    def assume(cls, sts, **parameters) -> "Session":
        made = sts.assume_role(**parameters)["Credentials"]
        return cls(Key(made["AccessKeyId"], made["SecretAccessKey"]), made["SessionToken"])

    def sign(self, service: str, method: str, url: str, headers: list, body: bytes) -> list:
        """botocore's signature. The URL is signed as it stands, so it has to be in AWS's spelling."""
        request = AWSRequest(method, url, data=body)
        for name, value in headers:
            request.headers.add_header(name, value)
        credentials = Credentials(self.key.access_key_id, self.key.secret_access_key, self.token)
        auth = (Announced if service == "s3" else SigV4Auth)(credentials, service, REGION)
        auth.announced = request.headers[CONTENT_SHA256]
        auth.add_auth(request)
        return list(request.headers.items())


class Announced(S3SigV4Auth):
    """Signs for the body what the request announces, as S3 wants it in each payload mode."""

    announced: str

    def payload(self, request) -> str:
        return self.announced


@dataclass(frozen=True)
class Transfer:
    """How bodies go over the wire. A backend that is asked directly is asked by HTTP/1.1."""

    is_http2: bool = False
    has_length: bool = True


TRANSFERS = {"content-length": Transfer(), "chunked": Transfer(has_length=False), "HTTP/2": Transfer(is_http2=True),
             "HTTP/2, no length": Transfer(is_http2=True, has_length=False)}


@dataclass(frozen=True)
class Exchange:
    """One request as its sender sees it answered, and as the backend was asked it: once, unless something is wrong."""

    label: str
    answer: wire.Message
    asked: list[wire.Message]


@dataclass
class Side:
    """One of the two ways to a backend. Everything that is sent and comes back on it is kept."""

    port: int
    tap: Tap
    # What its signatures are made with.
    secret: str
    # From service, method, target, headers and body: the headers to send.
    authorise: Callable[[str, str, str, list, bytes], list]
    bucket: str = ""
    # What keys begin with, where a tenant may write only there.
    prefix: str = ""
    is_palisade: bool = False
    # Buckets in the host's name, as S3 takes them; no backend here has such names, and Palisade puts them into the path.
    is_virtual: bool = False
    transfer: Transfer = Transfer()
    exchanges: list[Exchange] = field(default_factory=list)
    # Ids that the backend made up on this side, and what to call them on both.
    ids: dict[str, str] = field(default_factory=dict)

    def send(self, method: str, target: str, headers: dict | list | None = None, body: bytes = b"", service: str = "s3", spelt: str | None = None,
             host: str | None = None, sealed: Callable[[Chain], bytes] | None = None, cut: int | None = None) -> wire.Message:
        """`target` is in AWS's spelling; `spelt` is the same in another, and what Palisade is sent. `sealed` makes a body whose
        signatures go on from the head's. The connection, or the stream, ends behind `cut` bytes of the body."""
        pairs = [("Host", host or f"127.0.0.1:{self.port}"), *(headers.items() if isinstance(headers, dict) else headers or [])]
        if service == "s3" and not any(k == CONTENT_SHA256 for k, _ in pairs):
            pairs.append((CONTENT_SHA256, hashlib.sha256(body).hexdigest()))
        # The length is said behind the signature, not under it, so that a body may be changed and nothing but the body is wrong.
        pairs = [(k, v) for k, v in pairs if k.lower() != "content-length"]
        signed = self.authorise(service, method, target, pairs, body)
        if sealed:
            said = {k.lower(): v for k, v in signed}
            body = sealed(Chain(self.secret, said["x-amz-date"], REGION, said["authorization"].rsplit("=", 1)[1]))
        answer = self._exchange(method, spelt if spelt and self.is_palisade else target, signed, body, cut)
        name = dict(pairs).get("X-Amz-Target") or (body[:40].decode() if service != "s3" else "")
        self.tap.finish()
        asked = [request for request, _ in self.tap.exchanges()]
        self.tap.clear()
        self.exchanges.append(Exchange(f"{method} {target[:100]} {name}".strip(), answer, asked))
        return answer

    def _exchange(self, method: str, target: str, headers: list, body: bytes, cut: int | None) -> wire.Message:
        is_chunked = False
        if body or method in ("POST", "PUT"):
            is_chunked = not self.transfer.has_length
            headers = [*headers, ("Transfer-Encoding", "chunked") if is_chunked else ("Content-Length", str(len(body)))]
        if self.is_palisade and self.transfer.is_http2:
            return http2.exchange(self.port, method, target, headers, body[:cut], whole=cut is None)
        head = wire.request(method, target, headers, length=False)
        return wire.exchange(self.port, head + (wire.chunked(body) if is_chunked else body)[:cut], timeout=20, whole=cut is None)

    def object(self, method: str, key: str, query: str = "", headers: dict | list | None = None, body: bytes = b"", spelt: str | None = None,
               **more) -> wire.Message:
        """An operation on an object; `spelt` is the path below the bucket."""
        return self._s3(method, "/" + quote(self.prefix + key, safe="/~"), query, headers, body, spelt, **more)

    def on_bucket(self, method: str, query: str = "", headers: dict | list | None = None, body: bytes = b"", spelt: str | None = None) -> wire.Message:
        """An operation on the bucket; `spelt` is the query."""
        return self._s3(method, "/", query, headers, body, spelt and f"/?{spelt}")

    def _s3(self, method, path, query, headers, body, spelt, **more) -> wire.Message:
        target = path + (f"?{query}" if query else "")
        if self.is_virtual:
            return self.send(method, target, headers, body, host=f"{self.bucket}.s3.{REGION}.amazonaws.com", spelt=spelt, **more)
        return self.send(method, f"/{self.bucket}{target}", headers, body, spelt=spelt and f"/{self.bucket}{spelt}", **more)

    def json(self, service: str, target: str, parameters: dict, version: str = "1.0") -> dict:
        """A call in AWS's JSON protocols, and what its answer says."""
        headers = {"Content-Type": f"application/x-amz-json-{version}", "X-Amz-Target": target}
        return json.loads(self.send("POST", "/", headers, json.dumps(parameters, ensure_ascii=False).encode(), service).body or b"{}")

    def query(self, service: str, action: str, version: str, **parameters: str) -> str:
        """A call in the Query protocol, and its answer."""
        body = urlencode({"Action": action, "Version": version} | parameters).encode()
        headers = {"Content-Type": "application/x-www-form-urlencoded; charset=utf-8"}
        return self.send("POST", "/", headers, body, service).body.decode()

    def made_up(self, name: str, value: str) -> str:
        """Notes that the backend chose `value`, which what is compared calls `name`."""
        self.ids[value] = f"{{{name}}}"
        return value


@dataclass
class Mirror:
    """A backend with its two ways in."""

    tap: Tap
    session: Session
    egress: int
    tenant: str
    proof: Callable[[], str]
    bucket: str = ""
    prefix: str = ""
    # Puts the backend into the state that every case begins with.
    clear: Callable[[], None] = lambda: None

    def direct(self, transfer: Transfer = Transfer()) -> Side:
        return self._signed(self.tap.port, self.session, is_palisade=False, transfer=transfer)

    def vended(self, transfer: Transfer = Transfer()) -> Side:
        """Through Palisade with keys that it vended, under which it checks every signature."""
        asked = wire.request("GET", "/_palisade/credentials", {"Host": f"127.0.0.1:{self.egress}", "Authorization": f"Bearer {self.proof()}"})
        made = json.loads(wire.exchange(self.egress, asked).body)
        session = Session(Key(made["AccessKeyId"], made["SecretAccessKey"]), made["Token"])
        return self._signed(self.egress, session, is_palisade=True, transfer=transfer)

    def _signed(self, port: int, session: Session, **more) -> Side:
        def authorise(service, method, target, headers, body):
            return session.sign(service, method, f"http://127.0.0.1:{port}{target}", headers, body)

        return Side(port, self.tap, session.key.secret_access_key, authorise, self.bucket, self.prefix, **more)

    def through(self, is_virtual: bool = False, transfer: Transfer = Transfer()) -> Side:
        def authorise(service, _method, _target, headers, _body):
            made = placeholder(self.tenant, self.proof(), service, dict(headers))
            return [*headers, *((name, made[name]) for name in ("Authorization", "x-amz-date", "x-amz-security-token"))]

        return Side(self.egress, self.tap, "unused", authorise, self.bucket, self.prefix, is_palisade=True, is_virtual=is_virtual, transfer=transfer)

    def play(self, case: Callable[[Side], object], side: Side) -> Side:
        self.clear()
        case(side)
        return side

    def compare(self, case: Callable[[Side], object], statuses: str, is_virtual: bool = False, transfer: Transfer = Transfer()):
        """Plays a case on both sides. `statuses` are what has to come back, so that two failures are not taken for agreement."""
        direct = self.play(case, self.direct(transfer))
        got = [exchange.answer.status for exchange in direct.exchanges]
        assert got == [int(status) for status in statuses.split()], f"the backend itself answers otherwise: {got}"
        found = differences(direct, self.play(case, self.through(is_virtual, transfer)))
        assert not found, "\n".join(found[:4])


Parts = tuple[str, list, bytes]


def differences(direct: Side, through: Side) -> list[str]:
    """Where the two sides are not the same, exchange by exchange."""
    found = []
    for one, other in zip(direct.exchanges, through.exchanges, strict=True):
        here = [answer(one.answer, direct), *(question(q, direct) for q in one.asked)]
        there = [answer(other.answer, through), *(question(q, through) for q in other.asked)]
        if (len(one.asked), len(other.asked)) != (1, 1):
            found.append(f"{one.label}: the backend was asked {len(one.asked)} times, and {len(other.asked)} times by Palisade")
        if not all(other.answer.header(name) for name in OURS):
            found.append(f"{one.label}: one of {OURS} is missing")
        for a, b in zip(here, there):
            found += [f"{one.label}:\n  direct:  {x!r}\n  through: {y!r}" for x, y in zip(a, b) if x != y]
    return found


def answer(message: wire.Message, side: Side) -> Parts:
    """What of an answer has to be the same on both sides."""
    body = renamed(FRESH_TEXT.sub(lambda m: m[0].split(b">")[0].split(b":")[0] + b" ...", message.body), side)
    headers = []
    for name, value in message.headers:
        if name in HOP or (side.is_palisade and name in OURS):
            continue
        # RFC 9110, section 8.6: none with a 204, and with a 304 the length that a 200 would have had. hyper sends none with either.
        if name == "content-length" and message.status in (204, 304):
            assert value == "0", f"{message.start}: content-length {value}"
            continue
        if name == "content-length" and message.body:
            assert value == str(len(message.body))
            value = str(len(body))
        if name == "x-amz-crc32":
            assert int(value) == zlib.crc32(message.body), "the checksum is not that of the body"
            value = str(zlib.crc32(body))
        headers.append((name, "..." if name in FRESH_HEADERS and value else renamed(value.encode("latin-1"), side)))
    return message.start, sorted(headers, key=repr), body


def question(message: wire.Message, side: Side) -> Parts:
    """What of a request has to be the same, whoever sends it to the backend."""
    headers = [(k, v) for k, v in message.headers if k not in HOP | SIGNATURE]
    # The ids in a body may differ in length. A hash is bound to them; it was checked against the body on the way.
    if side.ids:
        headers = [(k, v) for k, v in headers if k not in ("content-length", CONTENT_SHA256)]
    # Where a method has no use for a body, none and one of no bytes are the same (RFC 9110, section 8.6).
    if message.method in ("GET", "HEAD", "DELETE"):
        headers = [pair for pair in headers if pair != ("content-length", "0")]
    body = message.body
    # Signed chunks are signed anew, in sizes of Palisade's own.
    if (message.header(CONTENT_SHA256) or "").startswith("STREAMING-AWS4-HMAC-SHA256-PAYLOAD"):
        headers = [(k, v) for k, v in headers if k != "content-length"]
        data, trailers = unframed(body)
        body = data + b"\n".join(trailers)
    return renamed(message.start.encode(), side).decode(), sorted(headers), renamed(body, side)


def renamed(data: bytes, side: Side) -> bytes:
    for value, name in side.ids.items():
        for spelling in (value, quote(value, safe="~")):
            data = data.replace(spelling.encode(), name.encode())
    return data
