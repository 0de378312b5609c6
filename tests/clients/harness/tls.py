"""Takes TLS off: what stands in front of an egress where an application speaks https to it."""

import asyncio
import contextlib
import ssl
import threading
from pathlib import Path


class Terminator:
    """Relays TLS on 127.0.0.1:`port` to clear text on 127.0.0.1:`target`."""

    def __init__(self, target: int, certificate: Path, key: Path):
        self.target = target
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(certificate, key)
        self.writers: list[asyncio.StreamWriter] = []
        self.loop = asyncio.new_event_loop()
        threading.Thread(target=self.loop.run_forever, daemon=True).start()
        self.server = asyncio.run_coroutine_threadsafe(asyncio.start_server(self._accept, "127.0.0.1", 0, ssl=self.context), self.loop).result(5)
        self.port = self.server.sockets[0].getsockname()[1]

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter):
        inner_reader, inner_writer = await asyncio.open_connection("127.0.0.1", self.target)
        self.writers += [writer, inner_writer]
        await asyncio.gather(self._relay(reader, inner_writer), self._relay(inner_reader, writer))

    @staticmethod
    async def _relay(source: asyncio.StreamReader, sink: asyncio.StreamWriter):
        with contextlib.suppress(OSError, ssl.SSLError):
            while data := await source.read(65_536):
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
