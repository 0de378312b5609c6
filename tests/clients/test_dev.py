"""`palisade dev`: what it prints, pasted into a shell, shows what it says."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from harness.process import clean_environment
from harness.sandbox import Sandbox


@pytest.fixture
def sandbox(tmp_path):
    running = Sandbox(tmp_path)
    yield running.stdout.read_text()
    assert running.stop() == 0
    assert not [f for f in tmp_path.iterdir() if f.is_dir()], "the sandbox left its files behind"


def commands(printed: str) -> str:
    """The indented lines after the addresses."""
    assert printed.startswith("palisade dev: ready\n")
    text = printed.split("Paste these into another terminal.")[1]
    return "\n".join(line for line in text.splitlines() if line.startswith("  "))


@pytest.mark.skipif(not shutil.which("curl") and not os.environ.get("CI"), reason="the commands need curl, which is not here")
def test_the_printed_commands_tell_the_story(sandbox, tmp_path):
    environment = clean_environment(PATH=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}", HOME=str(tmp_path))
    done = subprocess.run(["bash"], input=commands(sandbox), env=environment, capture_output=True, text=True, timeout=120)
    said = done.stdout + done.stderr
    assert "command not found" not in said and "syntax error" not in said, said
    for expected in (
        '"stored": "acme/hello.txt"', "hello", '"colour": "green"',             # acme works
        "x-palisade-reason: tenant-mismatch",                                   # its token under another name
        '"reason": "aws-denied"', '"reason": "passport-unknown"',               # the application misbehaves
        " 429 ", " 503 ",                                                       # limits on the ingress and on the egress
        'palisade_refusals_total{listener="egress",reason="aws-denied",tenant="acme"} 3',
        "(AccessDenied) when calling the ListObjectsV2 operation", "welcome.txt",  # the AWS CLI on the egress
        "(AccessDeniedException) when calling the Query operation",
    ):
        assert expected in said, f"{expected}\nis not in\n{said}"
