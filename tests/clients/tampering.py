"""What can be made of an upload on its way to Palisade, or by an application that has keys: none of it may be stored.

A body is given in the pieces of `payloads.framed`: chunks, the empty one, trailers and their signature, the line end.
"""

from collections.abc import Callable

from harness.payloads import TRAILER

# Two chunks and a half.
SIZE = 150_000
Pieces = list[bytes]
Change = Callable[[Pieces], Pieces]


def at(number: int, change: Callable[[bytes], bytes]) -> Change:
    """Changes one piece."""

    def made(pieces: Pieces) -> Pieces:
        before = list(pieces)
        pieces = [*pieces]
        pieces[number] = change(pieces[number])
        assert pieces != before, "nothing was changed"
        return pieces

    return made


def flipped(position: int) -> Callable[[bytes], bytes]:
    """Another byte of data; a chunk's line is longer than 80 bytes, and its line end two."""
    return lambda piece: piece[:position] + bytes([piece[position] ^ 1]) + piece[position + 1 :]


def resigned(piece: bytes) -> bytes:
    """The last digit of a signature is another."""
    end = piece.index(b"\r\n")
    digit = b"0" if piece[end - 1 : end] != b"0" else b"1"
    return piece[: end - 1] + digit + piece[end:]


def replaced(old: bytes, new: bytes) -> Callable[[bytes], bytes]:
    return lambda piece: piece.replace(old, new, 1)


# What keeps the framing as it is: the signatures alone can tell.
SIGNATURES: dict[str, Change] = {
    "the first byte": at(0, flipped(len("10000;chunk-signature=") + 64 + 2)),
    "the last byte": at(2, flipped(-3)),
    "a chunk's signature": at(1, resigned),
    "two chunks' places": lambda p: [p[1], p[0], *p[2:]],
    "a chunk twice for another": lambda p: [p[0], p[0], *p[2:]],
    "the signature of the empty chunk": at(3, resigned),
}
TRAILER_SIGNATURES: dict[str, Change] = {
    "the checksum": at(4, replaced(b"=", b"A=")),
    "the signature of the trailers": at(5, resigned),
}
# What is no such body.
FRAMING: dict[str, Change] = {
    "a chunk too few": lambda p: [p[0], *p[2:]],
    "a chunk too many": lambda p: [p[0], p[0], *p[1:]],
    "no empty chunk": lambda p: p[:3],
    "a size that is one less": at(1, replaced(b"10000;", b"ffff;")),
    "a size that is no number": at(1, replaced(b"10000;", b"+10000;")),
    "no signature": at(1, lambda piece: b"10000\r\n" + piece.partition(b"\r\n")[2]),
    "no line end": lambda p: p[:-1],
    "half of a chunk": lambda p: [p[0], p[1][:30_000]],
    "a byte behind the end": lambda p: [*p, b"x"],
    "another body behind the end": lambda p: [*p, *p],
}
TRAILERS: dict[str, Change] = {
    "no trailer": lambda p: [*p[:4], *p[5:]],
    "no signature of the trailers": lambda p: [*p[:5], *p[6:]],
    "neither": lambda p: [*p[:4], *p[6:]],
    "another trailer": at(4, replaced(TRAILER.encode(), b"x-amz-checksum-crc99")),
    "one more trailer": lambda p: [*p[:4], b"x-amz-checksum-sha1:AAAA\r\n", *p[4:]],
    "the trailer twice": lambda p: [*p[:5], p[4], *p[5:]],
}
