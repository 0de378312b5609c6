"""An S3 that keeps nothing: it counts and hashes what it gets, sends as many bytes as it is asked for, and grows by neither."""

import contextlib
import hashlib
import re
import socket
import threading

from .payloads import blocks

SIZE = re.compile(rb"[0-9a-f]+")


class Reader:
    """The bytes of a connection, by lines and by blocks."""

    def __init__(self, connection: socket.socket):
        self.connection, self.buffer = connection, b""

    def fill(self):
        data = self.connection.recv(1 << 18)
        if not data:
            raise ConnectionError("the peer has gone")
        self.buffer += data

    def line(self) -> bytes:
        while b"\r\n" not in self.buffer:
            self.fill()
        line, _, self.buffer = self.buffer.partition(b"\r\n")
        return line

    def exactly(self, length: int):
        while length:
            if not self.buffer:
                self.fill()
            data, self.buffer = self.buffer[:length], self.buffer[length:]
            length -= len(data)
            yield data


class Sink:
    """Listens on a port of its own choice. `received` has length and hash of each body, without the framing of chunks."""

    def __init__(self):
        self.received: list[tuple[int, str]] = []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self.listener.accept()
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket):
        reader = Reader(connection)
        with contextlib.suppress(OSError), connection:
            while True:
                method, target, _ = reader.line().split(b" ")
                headers = {}
                while line := reader.line():
                    name, _, value = line.partition(b":")
                    headers[name.lower()] = value.strip()
                self._answer(connection, reader, method, target, headers)

    def _answer(self, connection: socket.socket, reader: Reader, method: bytes, target: bytes, headers: dict):
        if method == b"GET":
            # The last segment of the path, where it is a number, says how much.
            size = int(name) if (name := target.split(b"?")[0].rsplit(b"/", 1)[-1]).isdigit() else 0
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size)
            for block in blocks(size):
                connection.sendall(block)
            return
        length, value = 0, hashlib.sha256()
        for data in self._body(reader, headers):
            length += len(data)
            value.update(data)
        self.received.append((length, value.hexdigest()))
        connection.sendall(b"HTTP/1.1 200 OK\r\nETag: \"0\"\r\nContent-Length: 0\r\n\r\n")

    @staticmethod
    def _body(reader: Reader, headers: dict):
        if not headers.get(b"x-amz-content-sha256", b"").startswith(b"STREAMING-"):
            yield from reader.exactly(int(headers.get(b"content-length", 0)))
            return
        while size := int(SIZE.match(reader.line())[0], 16):
            yield from reader.exactly(size)
            assert reader.line() == b""
        while reader.line():
            pass

    def close(self):
        with contextlib.suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
