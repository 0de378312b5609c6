"""The application behind the ingress: it echoes, streams, speaks WebSocket, and keeps requests open for as long as a test wants."""

import base64
import contextlib
import hashlib
import http.client
import json
import socket
import socketserver
import ssl
import struct
import sys
import threading
import time
import uuid
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from . import wire

BLOCK = bytes(range(256)) * 256  # 64 KiB


@dataclass
class Visit:
    """A request that is inside the application and stays there until it is released."""

    headers: dict = field(default_factory=dict)
    arrived: threading.Event = field(default_factory=threading.Event)
    release: threading.Event = field(default_factory=threading.Event)
    go_on: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    status: int | None = None

    @property
    def passport(self) -> str:
        return self.headers["x-palisade-passport"]

    @property
    def tenant(self) -> str:
        return self.headers["x-tenant-id"]


class Server(ThreadingHTTPServer):
    """Tests hang up on purpose; a connection that broke is not worth a trace."""

    daemon_threads = True

    def handle_error(self, request, client_address):
        if not isinstance(sys.exc_info()[1], OSError):
            super().handle_error(request, client_address)


class OnSocket(Server):
    """The same on a Unix socket, where clients have no address."""

    address_family = socket.AF_UNIX

    def server_bind(self):
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = "localhost", 0


class Application:
    """Listens on a port of its own choice, or on a Unix socket; `requests` counts what got this far, and `checks` what asked for its health."""

    def __init__(self, path: Path | None = None, tls: ssl.SSLContext | None = None):
        application = self
        self.visits: dict[str, Visit] = {}
        self.requests, self.checks, self.health = 0, 0, 200
        # The headers of every request for work.
        self.seen: list[dict] = []
        # Of a WebSocket that the application keeps open after its caller has gone: the passport, and leave to go.
        self.stayed, self.stay = "", threading.Event()

        class Handler(_Handler):
            app = application

        self.http = OnSocket(str(path), Handler) if path else Server(("127.0.0.1", 0), Handler)
        if tls:
            # The handshake waits for the first read, so that one that fails ends its own thread.
            self.http.socket = tls.wrap_socket(self.http.socket, server_side=True, do_handshake_on_connect=False)
        self.port = self.http.server_port
        threading.Thread(target=self.http.serve_forever, daemon=True).start()

    def close(self):
        self.stay.set()
        for visit in self.visits.values():
            visit.release.set()
        self.http.shutdown()
        self.http.server_close()

    @contextlib.contextmanager
    def visit(self, ingress: int, tls, token: str, tenant: str):
        """Sends a request through the ingress and yields when it is inside; it ends with the block."""
        name, visit = uuid.uuid4().hex, Visit()
        self.visits[name] = visit

        def call():
            connection = http.client.HTTPSConnection("localhost", ingress, context=tls, timeout=90)
            connection.request("GET", f"/hold/{name}", headers={"Authorization": f"Bearer {token}", "x-tenant-id": tenant})
            visit.status = connection.getresponse().status
            connection.close()
            visit.arrived.set()

        caller = threading.Thread(target=call, daemon=True)
        caller.start()
        assert visit.arrived.wait(10), "the request did not reach the application"
        assert visit.headers, f"the request was answered with {visit.status} and never reached the application"
        try:
            yield visit
        finally:
            visit.release.set()
            caller.join(10)
            del self.visits[name]
        assert visit.status == 200


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    app: Application

    def handle_any(self):
        url = urlsplit(self.path)
        if url.path == "/healthz":
            return self.healthz()
        self.app.requests += 1
        query = {k: v[0] for k, v in parse_qs(url.query).items()}
        name = url.path.strip("/").partition("/")[0]
        {"hold": self.hold, "events": self.events, "upload": self.upload, "download": self.download, "ws": self.websocket,
         "ws-stays": self.stays, "work": self.work, "slam": self.slam, "trickle": self.trickle}.get(name, self.echo)(query)

    do_GET = do_POST = do_PUT = do_DELETE = do_PATCH = do_HEAD = do_OPTIONS = handle_any

    def answer(self, body: bytes, content_type="application/json"):
        self.send_response(200)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def blocks(self):
        """The request's body, piece by piece, by whichever framing it has."""
        if "chunked" in self.headers.get("Transfer-Encoding", ""):
            while size := int(self.rfile.readline().split(b";")[0], 16):
                yield self.rfile.read(size)
                self.rfile.readline()
            while self.rfile.readline().strip():
                pass
            return
        left = int(self.headers.get("Content-Length", 0))
        while left:
            block = self.rfile.read(min(left, 65_536))
            if not block:
                raise ConnectionError("the body was cut short")
            left -= len(block)
            yield block

    def healthz(self):
        self.app.checks += 1
        self.app.last_check = {k.lower(): v for k, v in self.headers.items()}
        self.send_response(self.app.health)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def echo(self, _):
        body = b"".join(self.blocks())
        headers = [[k.lower(), v] for k, v in self.headers.items()]
        self.answer(json.dumps({"method": self.command, "target": self.path, "headers": headers, "body": base64.b64encode(body).decode()}).encode())

    def hold(self, _):
        visit = self.app.visits[self.path.rsplit("/", 1)[1]]
        visit.headers = {k.lower(): v for k, v in self.headers.items()}
        visit.arrived.set()
        visit.release.wait(60)
        self.answer(b"{}")

    def switch(self):
        key = self.headers["Sec-WebSocket-Key"] + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
        self.send_response(101)
        self.send_header("Upgrade", "websocket")
        self.send_header("Connection", "Upgrade")
        self.send_header("Sec-WebSocket-Accept", base64.b64encode(hashlib.sha1(key.encode()).digest()).decode())
        self.end_headers()
        self.close_connection = True

    def stays(self, _):
        """A WebSocket on which nothing is said, and that does not end with its caller."""
        self.switch()
        self.app.stayed = self.headers["x-palisade-passport"]
        self.app.stay.wait(30)

    def trickle(self, query):
        """A response that never ends by itself: a byte now and then, of the head or of the body."""
        visit = self.app.visits[query["name"]]
        visit.headers = {k.lower(): v for k, v in self.headers.items()}
        kind = query.get("type", "text/plain").encode()
        head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Type: " + kind + b"\r\nx-filler: "
        self.wfile.write(head if query["part"] == "head" else head + b"\r\n\r\n")
        visit.arrived.set()
        while not visit.release.wait(0.1):
            self.wfile.write(b"a" if query["part"] == "head" else b"1\r\na\r\n")
            self.wfile.flush()
        self.wfile.write(b"\r\n\r\n0\r\n\r\n" if query["part"] == "head" else b"0\r\n\r\n")

    def work(self, query):
        """What an application is for: it does something in AWS for the tenant of the request, with what the request brought."""
        self.app.seen.append({k.lower(): v for k, v in self.headers.items()})
        tenant, body = self.headers["x-tenant-id"], b"".join(self.blocks())
        headers = {"Host": "s3.eu-west-1.amazonaws.com", "x-tenant-token": self.headers["x-palisade-passport"], "x-amz-content-sha256": "UNSIGNED-PAYLOAD"}
        done = wire.exchange(int(query["egress"]), wire.request(self.command, f"/pool-data/{tenant}/work.txt", headers, body), timeout=30)
        self.answer(json.dumps({"status": done.status, "reason": done.reason, "body": done.body.decode("latin-1")}).encode())

    def slam(self, _):
        """Hangs up without an answer."""
        self.close_connection = True

    def upload(self, _):
        digest, length = hashlib.sha256(), 0
        for block in self.blocks():
            digest.update(block)
            length += len(block)
        self.answer(json.dumps({"sha256": digest.hexdigest(), "length": length}).encode())

    def download(self, query):
        left = int(query["bytes"])
        self.send_response(200)
        self.send_header("Content-Length", str(left))
        self.end_headers()
        while left:
            self.wfile.write(BLOCK[: min(left, len(BLOCK))])
            left -= min(left, len(BLOCK))

    def events(self, query):
        """Server-sent events, one at a time: `gap` seconds apart, or, of a visit that is named, as often as the test lets it go on."""
        visit = self.app.visits.get(query.get("name"))
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for number in range(int(query["count"])):
            event = f"data: {number}\n\n".encode()
            self.wfile.write(b"%x\r\n%s\r\n" % (len(event), event))
            self.wfile.flush()
            if not visit:
                time.sleep(float(query["gap"]))
                continue
            visit.arrived.set()
            visit.go_on.acquire(timeout=60)
        self.wfile.write(b"0\r\n\r\n")

    def websocket(self, _):
        """RFC 6455, as much of it as an echo needs: the first message is the request's headers, the rest comes back as sent."""
        self.switch()
        self.frame(1, json.dumps({k.lower(): v for k, v in self.headers.items()}).encode())
        while True:
            head = self.rfile.read(2)
            if len(head) < 2:
                return
            length = head[1] & 127
            if length == 126:
                (length,) = struct.unpack(">H", self.rfile.read(2))
            elif length == 127:
                (length,) = struct.unpack(">Q", self.rfile.read(8))
            mask = self.rfile.read(4)
            data = bytes(b ^ mask[i % 4] for i, b in enumerate(self.rfile.read(length)))
            self.frame(head[0] & 15, data)
            if head[0] & 15 == 8:
                return

    def frame(self, opcode: int, data: bytes):
        if len(data) < 126:
            length = bytes([len(data)])
        elif len(data) < 1 << 16:
            length = b"\x7e" + struct.pack(">H", len(data))
        else:
            length = b"\x7f" + struct.pack(">Q", len(data))
        self.wfile.write(bytes([0x80 | opcode]) + length + data)
        self.wfile.flush()

    def log_message(self, *_):
        pass


class Script:
    """An AWS endpoint that says what it is told to, whatever it is asked; `{token}` in a body is the session token that it got."""

    def __init__(self, tls: ssl.SSLContext | None = None):
        script = self
        self.status, self.headers, self.body, self.hang, self.requests = 200, {}, b"", threading.Event(), []
        self.hang.set()
        # Whether bodies are asked for; if not, after how many seconds the answer comes, and whether the connection then ended.
        self.asks, self.pause, self.dropped = True, 0.0, threading.Event()

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def handle_expect_100(self):
                if script.asks:
                    return super().handle_expect_100()
                self.connection.settimeout(script.pause or None)
                if script.pause and self.ended():
                    return False
                self.answer()
                self.connection.settimeout(5)
                self.ended()
                return False

            def ended(self) -> bool:
                """Waits for the end of the connection. A byte of the body would not be one."""
                self.close_connection = True
                try:
                    ended = self.rfile.read(1) == b""
                except ConnectionError:
                    ended = True
                except TimeoutError:
                    ended = False
                if ended:
                    script.dropped.set()
                return ended

            def do_GET(self):
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                script.requests.append((self.command, self.path, dict(self.headers), body))
                script.hang.wait(30)
                self.answer()

            def answer(self):
                answer = script.body.replace(b"{token}", self.headers.get("x-amz-security-token", "").encode())
                self.send_response(script.status)
                for name, value in ({"Content-Length": str(len(answer))} | script.headers).items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(answer)

            do_PUT = do_POST = do_DELETE = do_GET

            def log_message(self, *_):
                pass

        self.http = Server(("127.0.0.1", 0), Handler)
        if tls:
            # The handshake waits for the first read, so that one that fails ends its own thread.
            self.http.socket = tls.wrap_socket(self.http.socket, server_side=True, do_handshake_on_connect=False)
        self.port = self.http.server_port
        threading.Thread(target=self.http.serve_forever, daemon=True).start()

    def says(self, status: int, body: bytes = b"", **headers: str):
        self.status, self.body, self.headers = status, body, {k.replace("_", "-"): v for k, v in headers.items()}

    @contextlib.contextmanager
    def answering_at_once(self, after: float = 0.0):
        """Uploads that wait to be asked for get the answer instead."""
        self.asks, self.pause = False, after
        self.dropped.clear()
        try:
            yield
        finally:
            self.asks = True

    @contextlib.contextmanager
    def silent(self):
        self.hang.clear()
        try:
            yield
        finally:
            self.hang.set()

    def close(self):
        self.hang.set()
        self.http.shutdown()
        self.http.server_close()
