"""Bodies of any size in S3's payload modes, block by block: what SDKs send, never in memory as a whole.

Sources: "Signature calculations for the Authorization header: transferring payload in multiple chunks" in the S3 API
reference, with and without trailing headers.
"""

import base64
import hashlib
import hmac
import itertools
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

from .application import BLOCK

EMPTY = hashlib.sha256().hexdigest()
TRAILER = "x-amz-checksum-crc32"


def blocks(size: int) -> Iterator[bytes]:
    for start in range(0, size, len(BLOCK)):
        yield BLOCK[: size - start]


def digest(size: int) -> str:
    value = hashlib.sha256()
    for block in blocks(size):
        value.update(block)
    return value.hexdigest()


def checksum(size: int) -> str:
    value = 0
    for block in blocks(size):
        value = zlib.crc32(block, value)
    return base64.b64encode(value.to_bytes(4, "big")).decode()


@dataclass
class Chain:
    """The signatures of a body's chunks, each over the one before; the first is over that of the request's head."""

    secret: str
    date: str
    region: str
    signature: str

    def _sign(self, algorithm: str, *hashes: str) -> str:
        key = f"AWS4{self.secret}".encode()
        scope = (self.date[:8], self.region, "s3", "aws4_request")
        for part in scope:
            key = hmac.digest(key, part.encode(), "sha256")
        text = "\n".join((algorithm, self.date, "/".join(scope), self.signature, *hashes))
        self.signature = hmac.digest(key, text.encode(), "sha256").hex()
        return self.signature

    def chunk(self, data: bytes) -> str:
        return self._sign("AWS4-HMAC-SHA256-PAYLOAD", EMPTY, hashlib.sha256(data).hexdigest())

    def trailer(self, name: str, value: str) -> str:
        return self._sign("AWS4-HMAC-SHA256-TRAILER", hashlib.sha256(f"{name}:{value}\n".encode()).hexdigest())


def framed(size: int, chain: Chain | None, trailer: str | None) -> Iterator[bytes]:
    """aws-chunked: chunks signed or not, and a checksum behind them or not."""
    for data in itertools.chain(blocks(size), [b""]):
        extension = f";chunk-signature={chain.chunk(data)}" if chain else ""
        yield b"%x%s\r\n" % (len(data), extension.encode()) + (data + b"\r\n" if data else b"")
    if trailer:
        yield f"{TRAILER}:{trailer}\r\n".encode()
        if chain:
            yield f"x-amz-trailer-signature:{chain.trailer(TRAILER, trailer)}\r\n".encode()
    yield b"\r\n"


def unframed(body: bytes) -> tuple[bytes, list[bytes]]:
    """What aws-chunked frames: the data, and the lines of the trailers but for their signature."""
    data = b""
    while True:
        line, _, body = body.partition(b"\r\n")
        size = int(line.partition(b";")[0], 16)
        if not size:
            return data, [line for line in body.split(b"\r\n") if line and not line.startswith(b"x-amz-trailer-signature:")]
        data, body = data + body[:size], body[size + 2 :]


@dataclass(frozen=True)
class Mode:
    """A payload mode: what `x-amz-content-sha256` says, and how the body is framed."""

    announced: str
    is_framed: bool = False
    is_signed: bool = False
    has_trailer: bool = False

    def headers(self, size: int) -> dict:
        """What goes into the request's head."""
        if not self.is_framed:
            return {"x-amz-content-sha256": self.announced or digest(size), "content-length": str(size)}
        trailer = {"x-amz-trailer": TRAILER} if self.has_trailer else {}
        # Signatures have one length, so a chain that begins anywhere says how long the body will be.
        length = sum(map(len, self.body(size, Chain("", "20260101T000000Z", "", EMPTY))))
        return {"x-amz-content-sha256": self.announced, "x-amz-decoded-content-length": str(size), "content-encoding": "aws-chunked",
                "content-length": str(length)} | trailer

    def body(self, size: int, chain: Chain) -> Iterator[bytes]:
        """`chain` goes on from the signature of the request's head."""
        if not self.is_framed:
            return blocks(size)
        return framed(size, chain if self.is_signed else None, checksum(size) if self.has_trailer else None)


MODES: dict[str, Mode] = {
    "hash": Mode(""),
    "unsigned": Mode("UNSIGNED-PAYLOAD"),
    "unsigned chunks, trailer": Mode("STREAMING-UNSIGNED-PAYLOAD-TRAILER", is_framed=True, has_trailer=True),
    "signed chunks": Mode("STREAMING-AWS4-HMAC-SHA256-PAYLOAD", is_framed=True, is_signed=True),
    "signed chunks, trailer": Mode("STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER", is_framed=True, is_signed=True, has_trailer=True),
}
SIGNED_MODES = {name: mode for name, mode in MODES.items() if mode.is_signed}
