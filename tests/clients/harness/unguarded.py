"""What would have happened without the guard: every request of a catalogue that it refuses, sent through a door that has none."""

import os
from collections.abc import Callable
from pathlib import Path

from . import wire

GOLDEN = Path(__file__).parents[1] / "golden"


def outcome(answer: wire.Message) -> str:
    """The backend's status, or why the door itself did not let it through."""
    return str(answer.status) if answer.reason in (None, "aws-denied") else answer.reason


def record(name: str, cases: list[dict], label: Callable[[dict], str], send: Callable[[dict], wire.Message]) -> list[dict]:
    """Sends every refused case, holds the outcomes against the golden file, and returns the cases that the backend carried out.

    `PALISADE_BLESS=1` records what happens now; read the difference before committing it.
    """
    refused = [case for case in cases if case["is"] not in ("allowed", "watched")]
    outcomes = [outcome(send(case)) for case in refused]
    lines = [f"{outcome:<20} | {label(case):<70} | {case['why']}\n" for case, outcome in zip(refused, outcomes, strict=True)]
    golden = GOLDEN / f"{name}.txt"
    if os.environ.get("PALISADE_BLESS"):
        golden.write_text("".join(lines))
    assert golden.read_text().splitlines(keepends=True) == lines
    return [case for case, outcome in zip(refused, outcomes, strict=True) if outcome.startswith("2")]
