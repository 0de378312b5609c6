"""S3, the application and STS in Python: for what counts instructions, which needs no speed, and so no nginx."""

import contextlib
import re
import socket
import threading
from urllib.parse import unquote

from .configs.nginx import IDENTITY_XML, SMALL, session_xml

SESSION_NAME = re.compile(rb"RoleSessionName=([^&]+)")
LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)


def s3(_: bytes) -> bytes:
    return SMALL.encode()


def sts(body: bytes) -> bytes:
    if found := SESSION_NAME.search(body):
        return session_xml().replace("$http_x_call", unquote(found[1].decode())).encode()
    return IDENTITY_XML.encode()


class Double:
    """Answers each request on `port` with 200 and what `answer` makes of its body."""

    def __init__(self, port: int, answer):
        self.answer = answer
        self.listener = socket.create_server(("127.0.0.1", port))
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            connection, _ = self.listener.accept()
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket):
        unread = b""
        with contextlib.suppress(OSError), connection:
            while True:
                while b"\r\n\r\n" not in unread:
                    if not (data := connection.recv(1 << 16)):
                        return
                    unread += data
                head, _, unread = unread.partition(b"\r\n\r\n")
                length = int(found[1]) if (found := LENGTH.search(head)) else 0
                while len(unread) < length:
                    if not (data := connection.recv(1 << 16)):
                        return
                    unread += data
                body, unread = unread[:length], unread[length:]
                said = self.answer(body)
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: text/xml\r\nContent-Length: %d\r\n\r\n" % len(said) + said)
