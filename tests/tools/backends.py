#!/usr/bin/env python3
"""The emulated AWS of the client suite, provisioned, until Ctrl-C. `make backends` runs it."""

import signal
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "clients"))

from harness import backends  # noqa: E402


def main():
    with tempfile.TemporaryDirectory() as directory:
        running = []
        try:
            running.append(pool := backends.ministack(backends.ministack_python(), Path(directory)))
            running.append(services := backends.moto(Path(directory)))
            for name, backend, key in (
                ("MiniStack (STS, S3, DynamoDB)", pool, backends.provision_pool(pool)),
                ("moto (SQS, SNS, Secrets Manager, KMS, Lambda)", services, backends.provision_services(services)),
            ):
                print(f"{name}: {backend.url}  root {backend.root.access_key_id}/{backend.root.secret_access_key}")
                print(f"  Palisade's own identity: {key.access_key_id} {key.secret_access_key}", flush=True)
            print("Ctrl-C ends both.", flush=True)
            signal.sigwait({signal.SIGINT, signal.SIGTERM})
        finally:
            for backend in running:
                backend.stop()


if __name__ == "__main__":
    # Blocked, so that `sigwait` gets them and the servers are stopped in order.
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})
    main()
