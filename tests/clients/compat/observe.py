"""What is seen of clients on the wire, while it passes: how they send bodies, and whether anything came back that has to stay inside."""

import re
import threading
from collections import Counter
from collections.abc import Callable
from urllib.parse import quote

from harness.backends import ACCOUNT
from harness.tap import Tap

HEAD = re.compile(rb"(GET|HEAD|PUT|POST|DELETE) (\S+) HTTP/1\.1\r\n((?:[^\r\n]+\r\n)+)\r\n")
# Extension 16, its length, that of the list, and the names.
OFFERS_HTTP2 = re.compile(rb"\x00\x10.{4}(?:\x08http/1\.1)?\x02h2", re.DOTALL)
# More than a request's head has here: a token of one or two kilobytes and twenty headers.
HEAD_BYTES = 16 << 10
ROLES = ("assumed-role", "role/tenant-")


def payload(headers: dict[str, str]) -> str:
    """How an upload says what its body is, in the words of the table."""
    declared = headers.get("x-amz-content-sha256", "no x-amz-content-sha256")
    parts = ["SHA-256 of the body" if re.fullmatch("[0-9a-f]{64}", declared) else f"`{declared}`"]
    parts += [f"`{name}`" for name in sorted(headers) if name.startswith("x-amz-checksum-") or name == "content-md5"]
    if trailer := headers.get("x-amz-trailer"):
        parts.append(f"trailer `{trailer}`")
    if "chunked" in headers.get("transfer-encoding", ""):
        parts.append("`transfer-encoding: chunked`")
    if "aws-chunked" in headers.get("content-encoding", ""):
        parts.append("`content-encoding: aws-chunked`")
    if "100-continue" in headers.get("expect", "").lower():
        parts.append("`expect: 100-continue`")
    return ", ".join(parts)


class Requests:
    """The heads of the requests on any number of connections."""

    def __init__(self):
        self.seen: list[tuple[str, str, dict]] = []

    def reader(self) -> Callable[[bytes], None]:
        tail = b""

        def look(data: bytes):
            nonlocal tail
            tail += data
            end = 0
            for found in HEAD.finditer(tail):
                end = found.end()
                lines = (line.partition(":") for line in found[3].decode("latin-1").splitlines())
                self.seen.append((found[1].decode(), found[2].decode("latin-1"), {k.lower(): v.strip() for k, _, v in lines}))
            tail = tail[max(end, len(tail) - HEAD_BYTES) :]

        return look

    def payloads(self) -> set[str]:
        """How the objects and parts were sent. A copy has no body, nor does an empty object."""
        return {payload(h) for method, _, h in self.seen if method == "PUT" and "x-amz-copy-source" not in h and h.get("content-length") != "0"}


class Hello:
    """How TLS begins on the connections through a tap that does not look inside."""

    def __init__(self, tap: Tap):
        self.tap = tap

    def protocol(self) -> str:
        """Palisade takes HTTP/2 from whoever offers it (by ALPN, RFC 7301)."""
        sent = [bytes(stream) for stream, _ in list(self.tap.streams) if stream]
        assert sent and all(stream.startswith(b"\x16\x03") for stream in sent), "what went over the wire was no TLS"
        # The first record is the client's hello.
        offers = {bool(OFFERS_HTTP2.search(stream[: 5 + int.from_bytes(stream[3:5])])) for stream in sent}
        assert len(offers) == 1, "the connections were not alike"
        return "HTTP/2" if offers.pop() else "HTTP/1.1"


class Issued:
    """The credentials that one STS has handed out, up to now."""

    KINDS = re.compile(rb"<(AccessKeyId|SecretAccessKey|SessionToken|AssumedRoleId)>([^<]+)</")

    def __init__(self, sts: Tap):
        self.sts = sts
        self.read = 0
        self.values: frozenset[bytes] = frozenset()

    def __call__(self) -> frozenset[bytes]:
        """Answers of STS are in the tap before Palisade has them, so nothing can be used before it is in here."""
        length = sum(len(received) for _, received in list(self.sts.streams))
        if length != self.read:
            plain = {value for _, value in self.KINDS.findall(self.sts.received)}
            self.values = frozenset(plain | {quote(value, safe="").encode() for value in plain})
            self.read = length
        return self.values


class Leaks:
    """Everything that reached a client, searched as it passed; `found` has what should not have."""

    def __init__(self):
        self.bytes, self.searched = Counter(), 0
        self.found: set[str] = set()
        self.lock = threading.Lock()

    def reader(self, where: str, issued: Issued, account: bool) -> Callable[[bytes], None]:
        fixed = {name.encode() for name in (*ROLES, *((ACCOUNT,) if account else ()))}
        tail = b""

        def look(data: bytes):
            nonlocal tail
            secrets = issued()
            text = tail + data
            hits = [needle for needle in (*secrets, *fixed) if needle in text]
            with self.lock:
                self.bytes[where] += len(data)
                self.searched = max(self.searched, len(secrets))
                self.found |= {f"{where}: {needle[:6].decode()}... near {near(text, needle)!r}" for needle in hits}
            tail = text[-max((len(s) for s in secrets), default=64) :]

        return look


def near(text: bytes, needle: bytes) -> bytes:
    """What stands before it, which says where it leaked and not what."""
    at = text.index(needle)
    return text[max(0, at - 80) : at]
