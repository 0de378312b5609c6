#!/usr/bin/env python3
"""Measures Palisade beside Envoy and nginx on this machine, and writes REPORT.md beside this file. README.md says what, and how far to trust it."""

import argparse
import datetime
import json
import os
import re
import sys
from pathlib import Path

from rig import place, process, sets, weights
from rig.load import Failed
from rig.measure import Options, Run
from rig.peers import Lab
from rig.place import BENCH, RELEASED, Place
from rig.report import render

HERE = Path(__file__).resolve().parent
SETS = {"small": sets.small, "conc": sets.conc, "tls": sets.tls, "h2": sets.h2, "tokens": sets.tokens, "tenants": weights.tenants, "cold": weights.cold,
        "big": weights.big, "connect": sets.connect, "memory": weights.memory, "rate": sets.rate, "start": weights.start}


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--set", action="append", choices=[*SETS, "all"], help="what to measure; may be given several times (all)")
    parser.add_argument("--rounds", type=int, help="how often everything is measured (5; 1 with --quick)")
    parser.add_argument("--seconds", type=float, help="how long each load lasts (6; 1 with --quick)")
    parser.add_argument("--quick", action="store_true", help="a short run with few tenants: whether it works, not how fast it is")
    parser.add_argument("--only", default="", metavar="REGEX", help="only rows whose case and name it is found in")
    parser.add_argument("--binary", type=Path, default=RELEASED, help="Palisade (%(default)s)")
    parser.add_argument("--out", type=Path, help="the report (REPORT.md beside this file; target/bench/quick.md with --quick)")
    parser.add_argument("--nice", type=int, default=0, help="niceness of everything that is started: below 0, for root, where others use the machine as well")
    chosen = parser.parse_args()
    chosen.set = list(SETS) if not chosen.set or "all" in chosen.set else chosen.set
    chosen.rounds = chosen.rounds or (1 if chosen.quick else 5)
    chosen.seconds = chosen.seconds or (1 if chosen.quick else 6)
    chosen.out = chosen.out or (BENCH / "quick.md" if chosen.quick else HERE / "REPORT.md")
    return chosen


def _command() -> list[str]:
    """What was asked for, without where things are on this machine."""
    words = iter(sys.argv[1:])
    kept = ["python3", "bench/run.py"]
    for word in words:
        if word in ("--binary", "--out"):
            next(words)
        elif not word.startswith(("--binary=", "--out=")):
            kept.append(word)
    return kept


def main() -> int:
    chosen = arguments()
    if not chosen.binary.is_file():
        raise SystemExit(f"{chosen.binary} is not there: make bench-binary, or --binary")
    if (os.cpu_count() or 1) < 2:
        raise SystemExit("two CPUs are needed: one for the proxy, one for the load")
    place.programs()
    here, envoy = Place(chosen.binary.resolve()), place.envoy()
    options = Options(chosen.rounds, chosen.seconds, chosen.quick, re.compile(chosen.only))
    result = {"command": _command(), "date": datetime.date.today().isoformat(), "machine": place.machine(here, envoy),
              "options": {"rounds": options.rounds, "seconds": options.seconds}}
    here.pin_self()
    os.nice(chosen.nice)
    process.end_with_this()
    try:
        run = Run(Lab(here, envoy), options)
        result |= {"records": run.records, "failures": []}
        for name in chosen.set:
            try:
                SETS[name](run)
            except Failed as failure:
                # What is measured of the other sets is no worse for it.
                result["failures"].append(f"{name}: {failure}")
                print(result["failures"][-1], file=sys.stderr)
            # After each set, so that what was measured is not lost with what fails later.
            (BENCH / "records.json").write_text(json.dumps(result, indent=1))
            chosen.out.write_text(render(result))
    finally:
        process.stop_all()
    print(chosen.out)
    return 1 if result["failures"] else 0


if __name__ == "__main__":
    sys.exit(main())
