"""Where the commands of the documentation are run: a sandbox, a Palisade beside it, and a folder that has what pages suppose to be there.

Pages name the usual ports, `cargo run` and files of an operator's. Here each becomes what is at hand, and nothing else of a command is changed.
"""

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import yaml

from . import wire
from .documents import ROOT, Block
from .palisade import ADMIN_TOKEN, METRICS_TOKEN, Palisade, Plain, binary
from .process import clean_environment, free_port, free_ports
from .sandbox import BUCKET, LISTENERS, Sandbox

# What a page calls `palisade`. What serves until it is told to end (`run`, `dev`) is told so once it is ready; its exit code counts. `drain` is for a
# process that has just been started. `dev token` and `health` ask those that are running.
PALISADE = r"""#!/usr/bin/env bash
set -euo pipefail
serve() { # how to see that it is ready, what to do then; the command
  local ready=$1 then=$2 code=0
  shift 2
  "$BINARY" "$@" & local pid=$!
  until $ready >/dev/null 2>&1; do kill -0 $pid || { wait $pid; return; }; sleep 0.05; done
  $then || code=$?
  kill -TERM $pid
  wait $pid && return $code
}
case ${1-} in
  dev) if [[ $* == *token* ]]; then exec "$BINARY" "$@" --port-base "$BASE"; else serve "$BINARY health --address 127.0.0.1:$((OTHER_BASE + 2))" true "$@" --port-base "$OTHER_BASE"; fi ;;
  run) serve "$BINARY health --address $OWN_ADMIN" true "$@" ;;
  drain) serve "$BINARY health --address $OWN_ADMIN" "$BINARY $* --address $OWN_ADMIN" run --config "$OWN_CONFIG" ;;
  health) exec "$BINARY" "$@" --address "$ADMIN" ;;
  *) exec "$BINARY" "$@" ;;
esac
"""
CARGO = """#!/usr/bin/env bash
set -euo pipefail
[[ $1 == run && $2 == --release ]] || { echo "cargo $*: not here" >&2; exit 127; }
while [[ $1 != -- ]]; do shift; done
exec palisade "${@:2}"
"""


class Stage:
    """`beside` is the running process that pages mean by the ports 8443, 8180, 8190 and 8191; `audit` is where its audit log is."""

    def __init__(self, directory: Path):
        self.directory = directory
        with contextlib.ExitStack() as stack:
            self.sandbox = Sandbox(directory)
            stack.callback(self.sandbox.stop)
            self.base = self.sandbox.aws - 4
            self.files = directory / f"palisade-dev-{self.base}"
            self.audit = directory / "audit"
            self.audit.mkdir()
            key = subprocess.run([binary(), "audit", "key", "--out", self.audit / "audit.pem"], capture_output=True, text=True, check=True)
            (self.audit / "audit.pub").write_text(key.stdout)
            audit = {"path": str(self.audit / "audit.log"), "checkpoint": {"key": {"file": str(self.audit / "audit.pem")}}}
            for file in self.files.iterdir():
                shutil.copy(file, directory)
            self.beside = Palisade("beside", self.config() | {"telemetry": {"audit": audit}}, directory)
            stack.callback(self.beside.stop)
            self.token = subprocess.run([binary(), "dev", "token", "--tenant", "acme", "--port-base", str(self.base)], capture_output=True, text=True, check=True).stdout.strip()
            self.work()
            self.prepare()
            self.end = stack.pop_all()

    def config(self) -> dict:
        """That of the sandbox, at other ports, with what pages ask about besides."""
        config = yaml.safe_load((self.files / "palisade.yaml").read_text())
        double = {"endpoint": f"http://127.0.0.1:{self.sandbox.aws}", "insecure": True}
        config["egress"]["services"]["sqs"] = double | {"unguarded": True}
        return config | {"guard": {"mode": "audit"}}

    def work(self):
        """Two requests to AWS, of which one is refused: there is something to see in logs, metrics and sessions."""
        for target in (f"/{BUCKET}?list-type=2&prefix=acme/", f"/{BUCKET}?list-type=2&prefix=globex/"):
            pairs = {"Host": "s3.eu-west-1.amazonaws.com", "Authorization": f"Bearer {self.token}", "x-tenant-id": "acme"}
            answer = wire.exchange(self.beside.port("egress"), wire.request("GET", target, pairs))
            assert answer.status == (403 if "globex" in target else 200), answer

    def prepare(self):
        own, port = self.config(), free_ports(4)
        for number, listener in enumerate(("ingress", "egress", "admin", "probes")):
            own[listener] = own[listener] | {"listen": f"127.0.0.1:{port + number}"}
        own["admin"]["token"] = {"file": "beside.admin"}
        self.own = yaml.dump(own, Dumper=Plain, sort_keys=False)
        self.bin = self.directory / "bin"
        self.bin.mkdir()
        for name, text in (("palisade", PALISADE), ("cargo", CARGO)):
            (self.bin / name).write_text(text)
            (self.bin / name).chmod(0o755)
        ports = {str(18_443 + n): str(self.base + n) for n in range(LISTENERS)}
        usual = {"ingress": "8443", "egress": "8180", "admin": "8190", "probes": "8191"}
        self.ports = ports | {port: str(self.beside.port(listener)) for listener, port in usual.items()}
        self.environment = clean_environment(
            BINARY=str(binary()), BASE=str(self.base), OTHER_BASE=str(free_ports(LISTENERS)), ADMIN=f"127.0.0.1:{self.ports['8190']}", OWN_ADMIN=f"127.0.0.1:{port + 2}",
            TMPDIR=str(self.directory), ADMIN_TOKEN=ADMIN_TOKEN, METRICS_TOKEN=METRICS_TOKEN, PROOF=self.token, AWS_PAGER="",
            PATH=os.pathsep.join([str(self.bin), str(Path(sys.executable).parent), os.environ["PATH"]]))

    def folder(self, page: str) -> Path:
        """A page's own, in which its blocks follow each other."""
        folder = self.directory / "pages" / re.sub(r"\W", "-", page)
        if not folder.exists():
            folder.mkdir(parents=True)
            for part in ("config", "examples"):
                shutil.copytree(ROOT / part, folder / part)
            for file in self.directory.iterdir():
                if file.is_file():
                    shutil.copy(file, folder)
            (folder / "palisade.yaml").write_text(self.own)
            (folder / "access.log").write_text("".join(json.dumps(line) + "\n" for line in self.beside.log()))
            (folder / "proof").write_text(self.token)
            (folder / "item.json").write_text(json.dumps({"TableName": "orders", "Key": {"pk": {"S": "acme#1"}}}))
            (folder / "message.json").write_text(json.dumps({"QueueUrl": "https://sqs.eu-west-1.amazonaws.com/111122223333/jobs-acme", "MessageBody": "hello"}))
        return folder

    def written(self, block: Block, folder: Path) -> str:
        """The block, with what is here in place of what is at an operator's."""
        text = re.sub(r"\b\d{4,5}\b", lambda port: self.ports.get(port[0], port[0]), block.text)
        for theirs, ours in (("s3://pool/", f"s3://{BUCKET}/"), ("/pool?", f"/{BUCKET}?"), ("/run/proof", str(folder / "proof")), ("/var/log/palisade/", f"{self.audit}/")):
            text = text.replace(theirs, ours)
        return text

    def run(self, block: Block) -> subprocess.CompletedProcess:
        """In a shell that stops at the first command that fails."""
        folder = self.folder(block.page)
        if "audit verify" in block.text:
            self.hand_over_the_log(folder)
        script = folder / f"line-{block.line}.sh"
        script.write_text(self.written(block, folder))
        environment = self.environment | {"HOME": str(folder), "OWN_CONFIG": str(folder / "palisade.yaml")}
        arguments = ["bash", "-euo", "pipefail", str(script)]
        shell = subprocess.Popen(arguments, cwd=folder, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True)
        try:
            out, err = shell.communicate(timeout=60)
        except subprocess.TimeoutExpired:
            # With whatever it has begun.
            os.killpg(shell.pid, signal.SIGKILL)
            out, err = shell.communicate()
        return subprocess.CompletedProcess(arguments, shell.returncode, out, err)

    def hand_over_the_log(self, folder: Path):
        """The key that the log is signed with, and a head of it."""
        shutil.copy(self.audit / "audit.pub", folder)
        status, head = self.beside.admin("/audit/head")
        assert status == 200, head
        (folder / "head").write_bytes(head)

    def close(self):
        self.end.close()
