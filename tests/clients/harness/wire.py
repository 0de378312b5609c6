"""HTTP/1.1 by hand: what a client library would refuse to send, and what it would hide in an answer."""

import re
import socket
import ssl
from dataclasses import dataclass, field


@dataclass
class Message:
    """A request or a response, as it stood on the wire. Header names are in lower case."""

    start: str
    headers: list = field(default_factory=list)
    body: bytes = b""

    @property
    def status(self) -> int:
        return int(self.start.split(" ")[1])

    @property
    def method(self) -> str:
        return self.start.split(" ")[0]

    def header(self, name: str) -> str | None:
        """The only value of a header; a repeated one is an error."""
        values = [v for k, v in self.headers if k == name.lower()]
        assert len(values) <= 1, f"{name} came {len(values)} times"
        return values[0] if values else None

    @property
    def reason(self) -> str | None:
        return self.header("x-palisade-reason")


class Incomplete(Exception):
    """The bytes end before the message does."""


def parse(stream: bytes, bodiless: bool = False, ended: bool = False) -> tuple[Message, bytes]:
    """The first message of `stream` and what follows it. `ended`: no more bytes will come, so they delimit the body."""
    head, separator, rest = stream.partition(b"\r\n\r\n")
    if not separator:
        raise Incomplete
    start, *lines = head.decode("latin-1").split("\r\n")
    message = Message(start, [(k.lower(), v.strip()) for k, _, v in (line.partition(":") for line in lines)])
    is_response = start.startswith("HTTP/")
    if is_response and (message.status < 200 or message.status in (204, 304) or bodiless):
        return message, rest
    if "chunked" in (message.header("transfer-encoding") or ""):
        message.body, rest = dechunk(rest)
    elif (length := message.header("content-length")) is not None:
        if len(rest) < int(length):
            raise Incomplete
        message.body, rest = rest[: int(length)], rest[int(length) :]
    elif is_response:
        if not ended:
            raise Incomplete
        message.body, rest = rest, b""
    return message, rest


def dechunk(data: bytes) -> tuple[bytes, bytes]:
    """A chunked body and what follows it; trailers are dropped."""
    body = b""
    while True:
        size, separator, data = data.partition(b"\r\n")
        if not separator:
            raise Incomplete
        length = int(size.split(b";")[0], 16)
        if length == 0:
            trailers, separator, rest = (b"\r\n" + data).partition(b"\r\n\r\n")
            if not separator:
                raise Incomplete
            return body, rest
        if len(data) < length + 2:
            raise Incomplete
        body, data = body + data[:length], data[length + 2 :]


def chunked(body: bytes, size: int = 30_000) -> bytes:
    """HTTP's own chunks, which end nowhere near those inside."""
    pieces = [body[at : at + size] for at in range(0, len(body), size)]
    return b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in [*pieces, b""])


class Closed(Exception):
    """The peer closed the connection without an answer."""


class Connection:
    """A raw connection to one of Palisade's listeners."""

    def __init__(self, port: int, tls: ssl.SSLContext | None = None, timeout: float = 10, source: str = "127.0.0.1"):
        """`source` is the address, of the whole of 127.0.0.0/8, that the connection comes from."""
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=timeout, source_address=(source, 0))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if tls:
            self.socket = tls.wrap_socket(self.socket, server_hostname="localhost")
        self.unread = b""

    def send(self, data: bytes):
        try:
            self.socket.sendall(data)
        except OSError:
            pass  # refused while sending: the answer, if any, is still to be read

    def receive(self, bodiless: bool = False) -> Message:
        """The next final response; interim ones (1xx, but for 101) are skipped."""
        ended = False
        while True:
            try:
                message, self.unread = parse(self.unread, bodiless, ended)
                if message.status >= 200 or message.status == 101:
                    return message
                continue
            except Incomplete:
                if ended:
                    raise Closed(self.unread[:200]) from None
            try:
                data = self.socket.recv(65_536)
            except (ConnectionError, ssl.SSLError):
                data = b""
            ended, self.unread = not data, self.unread + data

    def close(self):
        self.socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def request(method: str, target: str, headers: list | dict | None = None, body: bytes = b"", length: bool = True) -> bytes:
    """The bytes of a request. `headers` may repeat names; `content-length` is added unless told otherwise."""
    pairs = list(headers.items()) if isinstance(headers, dict) else list(headers or [])
    if not any(k.lower() == "host" for k, _ in pairs):
        pairs.insert(0, ("Host", "localhost"))
    if length and (body or method in ("POST", "PUT")):
        pairs.append(("Content-Length", str(len(body))))
    lines = [f"{method} {target} HTTP/1.1"] + [f"{k}: {v}" for k, v in pairs]
    return "\r\n".join(lines).encode("utf-8", "surrogateescape") + b"\r\n\r\n" + body


def exchange(port: int, data: bytes, tls: ssl.SSLContext | None = None, timeout: float = 10, whole: bool = True, source: str = "127.0.0.1") -> Message:
    """Sends bytes on a connection of their own and reads the answer. Without `whole` there is an end to what is sent."""
    with Connection(port, tls, timeout, source) as connection:
        connection.send(data)
        if not whole:
            connection.socket.shutdown(socket.SHUT_WR)
        return connection.receive(bodiless=data.startswith(b"HEAD "))


def leaf(port: int, tls: ssl.SSLContext) -> bytes:
    """The certificate that a server shows to a connection of its own."""
    with Connection(port, tls) as connection:
        return connection.socket.getpeercert(binary_form=True)


def redact(text: str) -> str:
    """Shortens what looks like a token, for assertion messages."""
    return re.sub(r"[A-Za-z0-9+/=_.-]{60,}", lambda m: m.group()[:12] + "...", text)
