"""A server process: pinned, awaited, looked at from outside, and stopped by its own pid."""

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

LIVE: list["Process"] = []


class Process:
    """Runs `argv` on a CPU (or some: `0,1`) until `stop`. Its output goes to a file, which a failure to start quotes."""

    def __init__(self, name: str, argv: list, cpu: int | str, log: Path, ready: Callable[[], bool], stdout: Path | None = None, patience: float = 60, pause: float = 0.0005, **environment: str):
        self.name = name
        kept = {k: v for k, v in os.environ.items() if k in ("PATH", "HOME", "LANG", "TMPDIR")}
        with log.open("wb") as err, (stdout or log).open("ab") as out:
            self.started = time.monotonic()
            # Not by `preexec_fn`, which forks a copy of this process and takes longer than a proxy's own start.
            self.process = subprocess.Popen(["taskset", "-c", str(cpu), *map(str, argv)], stdin=subprocess.DEVNULL, stdout=out, stderr=err, env=kept | environment)
        LIVE.append(self)
        while not ready():
            if self.process.poll() is not None or time.monotonic() - self.started > patience:
                self.stop()
                raise SystemExit(f"{name} did not start:\n{log.read_text(errors='replace')[-4000:]}")
            time.sleep(pause)
        # Seconds from its start until it was ready.
        self.start_time = time.monotonic() - self.started

    def pids(self) -> list[int]:
        """The process and its children: nginx has its workers."""
        pid = self.process.pid
        return [pid, *map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split())]

    def cpu(self) -> int:
        """Nanoseconds of CPU so far, of all threads, those that have ended too."""
        # clock_getcpuclockid(3): what CPUCLOCK_SCHED of a process is called. /proc/PID/stat has the same in steps of 10 ms.
        return sum(time.clock_gettime_ns(~pid << 3 | 2) for pid in self.pids())

    def memory(self, field: str = "VmRSS") -> int:
        """Resident bytes: now (`VmRSS`), without what is mapped from files (`RssAnon`), or at most since `forget_peak` (`VmHWM`)."""
        statuses = (Path(f"/proc/{pid}/status").read_text() for pid in self.pids())
        return sum(int(re.search(rf"^{field}:\s+(\d+) kB$", status, re.MULTILINE)[1]) * 1024 for status in statuses)

    def forget_peak(self):
        for pid in self.pids():
            Path(f"/proc/{pid}/clear_refs").write_text("5")

    def stop(self, grace: float = 5):
        if self in LIVE:
            LIVE.remove(self)
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(grace)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait(5)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()


def listening(port: int) -> Callable[[], bool]:
    """Ready once something accepts connections there."""
    def probe() -> bool:
        with socket.socket() as one:
            one.settimeout(1)
            return one.connect_ex(("127.0.0.1", port)) == 0
    return probe


def answering(port: int, path: str) -> Callable[[], bool]:
    """Ready once a GET there is answered with 200."""
    ask = f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode()

    def probe() -> bool:
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=1) as one:
                one.sendall(ask)
                return one.recv(64).startswith(b"HTTP/1.1 200")
        except OSError:
            return False
    return probe


def end_with_this():
    """Whatever ends this process ends those that it started, if its end is `stop_all`."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: sys.exit(1))


def stop_all():
    for process in reversed(LIVE.copy()):
        process.stop()
