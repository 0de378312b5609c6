"""Where uploads end: an S3 that reads bodies to their last byte and keeps nothing."""

import contextlib
import re
import socket
import ssl
import threading
from pathlib import Path

ANSWER = b'HTTP/1.1 200 OK\r\nETag: "0"\r\nContent-Length: 0\r\n\r\n'
LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)


class Sink:
    """Listens on `port`, by TLS if there is a certificate. `bytes` counts what came, of bodies alone."""

    def __init__(self, port: int, certificate: Path | None = None, key: Path | None = None):
        self.bytes = 0
        self.tls = None
        if certificate:
            self.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self.tls.load_cert_chain(certificate, key)
        self.listener = socket.create_server(("127.0.0.1", port))
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            connection, _ = self.listener.accept()
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket):
        buffer = memoryview(bytearray(1 << 18))
        with contextlib.suppress(OSError), contextlib.closing(connection):
            if self.tls:
                connection = self.tls.wrap_socket(connection, server_side=True)
            while self._request(connection, buffer):
                pass

    def _request(self, connection: socket.socket, buffer: memoryview) -> bool:
        """One request; false at the end of the connection, and where a body has no length."""
        head = b""
        while b"\r\n\r\n" not in head:
            data = connection.recv(1 << 16)
            if not data:
                return False
            head += data
        head, _, first = head.partition(b"\r\n\r\n")
        if not (found := LENGTH.search(head)):
            connection.sendall(b"HTTP/1.1 411 Length Required\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
            return False
        left = int(found[1]) - len(first)
        while left:
            count = connection.recv_into(buffer, min(left, len(buffer)))
            if not count:
                return False
            left -= count
        self.bytes += int(found[1])
        connection.sendall(ANSWER)
        return True
