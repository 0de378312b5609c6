"""What release binaries are laid out by (image/pgo): that it is there, of the compiler that images are built with, and used for no other."""

import importlib.util
import json
import re
import shlex
from pathlib import Path

import pytest

IMAGE = Path(__file__).resolve().parents[2] / "image"
X86 = "x86_64-unknown-linux-gnu"
# What LLVM's indexed profiles begin with.
MAGIC = b"\xfflprofi\x81"


@pytest.fixture
def profile_guided():
    spec = importlib.util.spec_from_file_location("profile_guided", IMAGE / "profile_guided.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def made_by() -> dict:
    return json.loads((IMAGE / "pgo" / "made-by.json").read_text())


def test_images_are_built_with_the_compiler_that_it_is_of(made_by):
    dockerfile = (IMAGE.parent / "Dockerfile").read_text()
    image = re.search(r"^ARG RUST=rust:([0-9.]+)-", dockerfile, re.MULTILINE)[1]
    assert [re.match(rf"{tool} {re.escape(image)}\.", made_by[tool]) is not None for tool in ("rustc", "cargo")] == [True, True], (image, made_by)


def test_the_compiler_of_the_record_is_given_the_record(profile_guided, made_by, tmp_path, monkeypatch):
    monkeypatch.setattr(profile_guided, "toolchain", lambda triple, cargo: made_by)
    option, value, *_ = shlex.split(profile_guided.use(X86, "cargo", tmp_path))
    assert option == "-C" and value.startswith("profile-use=")
    record = Path(value.removeprefix("profile-use="))
    assert record.parent == tmp_path and record.read_bytes().startswith(MAGIC)
    # Cargo builds anew where flags change, and looks into no file.
    monkeypatch.setattr(profile_guided.lzma, "decompress", lambda packed: b"another")
    assert record.name not in profile_guided.use(X86, "cargo", tmp_path)


@pytest.mark.parametrize("what", ["rustc", "cargo", "target"])
def test_another_toolchain_builds_without_it_and_says_so(profile_guided, made_by, tmp_path, monkeypatch, capsys, what):
    monkeypatch.setattr(profile_guided, "toolchain", lambda triple, cargo: made_by | {what: "another one"})
    assert profile_guided.use(X86, "cargo", tmp_path) == ""
    assert f"another one and not {made_by[what]}" in capsys.readouterr().err and not list(tmp_path.iterdir())
