"""A relay of TLS that looks inside: it ends a client's TLS and begins its own, so that tests see what is encrypted on both sides."""

import asyncio
import contextlib
import ssl
import threading
from collections.abc import Callable

from .pki import Authority
from .tap import Watch


class TlsTap:
    """Relays TLS on 127.0.0.1:`port` to TLS on 127.0.0.1:`target`, by HTTP/1.1. `watch` is that of `Tap`."""

    def __init__(self, target: int, authority: Authority, watch: Callable[[], tuple[Watch, Watch]]):
        self.target, self.watch, self.client = target, watch, authority.client()
        server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        server.load_cert_chain(authority.certificate, authority.key)
        self.writers: list[asyncio.StreamWriter] = []
        self.loop = asyncio.new_event_loop()
        threading.Thread(target=self.loop.run_forever, daemon=True).start()
        self.server = asyncio.run_coroutine_threadsafe(asyncio.start_server(self._accept, "127.0.0.1", 0, ssl=server), self.loop).result(5)
        self.port = self.server.sockets[0].getsockname()[1]

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter):
        inner_reader, inner_writer = await asyncio.open_connection("127.0.0.1", self.target, ssl=self.client, server_hostname="localhost")
        self.writers += [writer, inner_writer]
        sent, received = self.watch()
        await asyncio.gather(self._relay(reader, inner_writer, sent), self._relay(inner_reader, writer, received))

    @staticmethod
    async def _relay(source: asyncio.StreamReader, sink: asyncio.StreamWriter, look: Watch):
        with contextlib.suppress(OSError, ssl.SSLError):
            while data := await source.read(65_536):
                look(data)
                sink.write(data)
                await sink.drain()
        with contextlib.suppress(OSError, ssl.SSLError):
            sink.close()

    def close(self):
        async def end():
            self.server.close()
            for writer in self.writers:
                writer.transport.abort()
            await asyncio.gather(*(asyncio.all_tasks() - {asyncio.current_task()}))

        asyncio.run_coroutine_threadsafe(end(), self.loop).result(5)
        self.loop.call_soon_threadsafe(self.loop.stop)
