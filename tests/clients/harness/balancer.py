"""A TCP load balancer: it asks each place for its readiness, and gives new connections to those that say yes."""

import asyncio
import contextlib
import threading


class Balancer:
    """Listens on a port of its own choice. `places` are pairs of ports, of the ingress and of the probes; they may change.

    As balancers do, it leaves connections alone that it has given away, and tries the next place where one refuses a connection."""

    INTERVAL, TIMEOUT = 0.1, 5.0

    def __init__(self, places: list[tuple[int, int]]):
        self.places, self.ready, self.turn, self.refused = places, set(), 0, 0
        self.loop = asyncio.new_event_loop()
        threading.Thread(target=self.loop.run_forever, daemon=True).start()
        self.server = asyncio.run_coroutine_threadsafe(asyncio.start_server(self._accept, "127.0.0.1", 0), self.loop).result(5)
        self.port = self.server.sockets[0].getsockname()[1]
        self.checking = asyncio.run_coroutine_threadsafe(self._check(), self.loop)

    async def _check(self):
        while True:
            places = self.places
            answers = await asyncio.gather(*(self._is_ready(probes) for _, probes in places))
            self.ready = {ingress for (ingress, _), answer in zip(places, answers, strict=True) if answer}
            await asyncio.sleep(self.INTERVAL)

    async def _is_ready(self, port: int) -> bool:
        async def ask() -> bool:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            try:
                writer.write(b"GET /readyz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
                return (await reader.readline()).split(b" ")[1:2] == [b"200"]
            finally:
                writer.close()

        try:
            return await asyncio.wait_for(ask(), self.TIMEOUT)
        except (OSError, TimeoutError):
            return False

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter):
        with contextlib.closing(writer):
            ready = sorted(self.ready)
            self.turn += 1
            for number in range(len(ready)):
                try:
                    there, back = await asyncio.open_connection("127.0.0.1", ready[(self.turn + number) % len(ready)])
                except OSError:
                    self.refused += 1
                    continue
                with contextlib.closing(back):
                    await asyncio.gather(self._relay(reader, back), self._relay(there, writer))
                return

    @staticmethod
    async def _relay(source: asyncio.StreamReader, sink: asyncio.StreamWriter):
        with contextlib.suppress(OSError):
            while data := await source.read(65_536):
                sink.write(data)
                await sink.drain()
        with contextlib.suppress(OSError):
            sink.close()

    def close(self):
        async def end():
            self.server.close()
            tasks = asyncio.all_tasks() - {asyncio.current_task()}
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            # What they closed ends with the next round of the loop.
            await asyncio.sleep(0)

        asyncio.run_coroutine_threadsafe(end(), self.loop).result(5)
        self.loop.call_soon_threadsafe(self.loop.stop)
