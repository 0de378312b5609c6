"""AWS endpoints that stream: frames one at a time, over HTTP/2 or in chunks, and a note of when a reader left."""

import contextlib
import socket
import ssl
import threading
import time
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import h2.config
import h2.connection
import h2.events
import h2.exceptions

from .application import Server


class Plan:
    """What every request gets, and what became of it. `count` of None is without end; without a `gap` the reader says when to go on."""

    def __init__(self):
        self.count, self.gap, self.go_on, self.left = 0, None, threading.Semaphore(0), threading.Event()

    def streams(self, count: int | None, gap: float | None = None):
        self.count, self.gap, self.go_on = count, gap, threading.Semaphore(0)
        self.left.clear()

    def frames(self):
        number = 0
        while number != self.count:
            yield b"frame-%d;" % number
            number += 1
            is_over = self.left.wait(self.gap) if self.gap else not self.go_on.acquire(timeout=10)
            if is_over:
                return


class OverHttp2:
    """TLS, and nothing but `h2` by ALPN."""

    def __init__(self, certificate: Path, key: Path):
        self.plan = Plan()
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(certificate, key)
        self.context.set_alpn_protocols(["h2"])
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        with contextlib.suppress(OSError):
            while True:
                threading.Thread(target=self._serve, args=(self.listener.accept()[0],), daemon=True).start()

    def _serve(self, client: socket.socket):
        # The TLS object is used by several threads; a timeout on reads lets the lock go now and then.
        lock = threading.Lock()
        with contextlib.suppress(OSError), self.context.wrap_socket(client, server_side=True) as tls:
            tls.settimeout(0.02)
            connection = h2.connection.H2Connection(h2.config.H2Configuration(client_side=False))
            connection.initiate_connection()
            tls.sendall(connection.data_to_send())
            while True:
                try:
                    with lock:
                        data = tls.recv(65_536)
                except TimeoutError:
                    time.sleep(0.005)
                    continue
                if not data:
                    break
                with lock:
                    events = connection.receive_data(data)
                    tls.sendall(connection.data_to_send())
                for event in events:
                    if isinstance(event, h2.events.StreamEnded):
                        threading.Thread(target=self._stream, args=(connection, tls, lock, event.stream_id), daemon=True).start()
                    if isinstance(event, h2.events.StreamReset):
                        self.plan.left.set()
        self.plan.left.set()

    def _stream(self, connection, tls, lock, stream: int):
        def send(step, *arguments, **more):
            with lock:
                step(stream, *arguments, **more)
                tls.sendall(connection.data_to_send())

        with contextlib.suppress(OSError, h2.exceptions.ProtocolError):
            send(connection.send_headers, [(":status", "200"), ("content-type", "application/vnd.amazon.eventstream")])
            for frame in self.plan.frames():
                send(connection.send_data, frame)
            if not self.plan.left.is_set():
                send(connection.end_stream)

    def close(self):
        self.plan.left.set()
        self.listener.close()


class InChunks:
    """HTTP/1.1 in clear."""

    def __init__(self):
        self.plan = plan = Plan()

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                self.rfile.read(int(self.headers.get("Content-Length", 0)))
                self.send_response(200)
                self.send_header("Content-Type", "application/vnd.amazon.eventstream")
                self.send_header("Transfer-Encoding", "chunked")
                self.end_headers()
                try:
                    for frame in plan.frames():
                        self.wfile.write(b"%x\r\n%s\r\n" % (len(frame), frame))
                    self.wfile.write(b"0\r\n\r\n")
                except OSError:
                    plan.left.set()
                    self.close_connection = True

            def log_message(self, *_):
                pass

        self.http = Server(("127.0.0.1", 0), Handler)
        self.port = self.http.server_port
        threading.Thread(target=self.http.serve_forever, daemon=True).start()

    def close(self):
        self.plan.left.set()
        self.http.shutdown()
        self.http.server_close()
