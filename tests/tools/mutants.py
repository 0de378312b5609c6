#!/usr/bin/env python3
"""Mutation testing of the code that trust rests on, in one build.

`cargo mutants` would build the crate anew for each of its mutants, which takes a day for a few hundred of them. This takes its list
(what to change where, and what is left out, by `.cargo/mutants.toml`) and builds a copy of the crate in which each change is there and
switched off: `a == b` becomes `(if on(7) { a != b } else { a == b })`. The test binary is then run once for each mutant, with that one switched on. A
mutant that no test notices is a survivor. A changed form that does not compile is no mutant at all. Those that cannot be switched for another reason are
built and run one by one.

usage: mutants.py [--files GLOB]... [--shard K/N] [--filter TEST]... [--singly] [--list]

  --files    instead of those of .cargo/mutants.toml
  --shard    every N-th mutant, beginning with the K-th from 0
  --filter   the tests that may notice (default: `identity::`)
  --singly   also those that cannot be switched: a build for each
  --list     prints the mutants, and what becomes of each in the build

Outcomes are written to target/mutants/outcomes.json as they come, and a run goes on where the last one of the same sources stopped. Exit code 1: survivors.
"""

import argparse
import hashlib
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import time
from collections import defaultdict
from pathlib import Path

import tree_sitter
import tree_sitter_rust

ROOT = Path(__file__).resolve().parents[2]
TARGET = Path(os.environ.get("CARGO_TARGET_DIR") or ROOT / "target")
WORK = TARGET / "mutants"
TREE = WORK / "tree"
CARGO = shlex.split(os.environ.get("CARGO", "cargo"))
LISTER = shlex.split(os.environ.get("CARGO_MUTANTS", "cargo-mutants"))
SWITCH = '''
#[doc(hidden)]
pub mod mutant {
    static ON: std::sync::OnceLock<u32> = std::sync::OnceLock::new();
    pub fn on(number: u32) -> bool {
        *ON.get_or_init(|| std::env::var("PALISADE_MUTANT").ok().and_then(|text| text.parse().ok()).unwrap_or(u32::MAX)) == number
    }
}
'''
# Tests that take seconds each. They run where the others have noticed nothing.
SLOW = ("of_two_faults", "differs_in_one_bit", "longer_or_shorter", "many_addresses", "books_are_right", "under_load", "a_flood_from_one_source")


class Source:
    """One file, with what is to be changed in it."""

    def __init__(self, path: str, mutants: list[dict]):
        self.text = (ROOT / path).read_bytes()
        self.path = path
        self.lines = [0]
        for line in self.text.splitlines(keepends=True):
            self.lines.append(self.lines[-1] + len(line))
        parser = tree_sitter.Parser(tree_sitter.Language(tree_sitter_rust.language()))
        self.tree = parser.parse(self.text)
        # The node to be wrapped -> (mutant, text of the changed form); several may want the same.
        self.wraps: dict = defaultdict(list)
        self.inserts: dict[int, list] = defaultdict(list)
        for mutant in mutants:
            self.place(mutant)

    def offset(self, at: dict) -> int:
        start = self.lines[at["line"] - 1]
        line = self.text[start : self.lines[at["line"]]].decode()
        return start + len(line[: at["column"] - 1].encode())

    def slice(self, start: int, end: int) -> str:
        return self.text[start:end].decode()

    def place(self, mutant: dict):
        start, end = self.offset(mutant["span"]["start"]), self.offset(mutant["span"]["end"])
        node, genre, new = self.tree.root_node.descendant_for_byte_range(start, end), mutant["genre"], mutant["replacement"]
        on = f"crate::mutant::on({mutant['number']})"
        if genre == "FnValue":
            while node and node.type != "function_item":
                node = node.parent
            head = self.slice(node.start_byte, node.child_by_field_name("body").start_byte)
            if "const fn" in head or "-> impl" in head:
                return
            self.inserts[node.child_by_field_name("body").start_byte + 1].append((mutant, f" if {on} {{ return {new}; }} "))
        elif genre in ("BinaryOperator", "UnaryOperator"):
            node = node if node.parent is None or node.type.endswith("expression") else node.parent
            whole = self.slice(node.start_byte, node.end_byte)
            # A chain with `let` in it binds names for what comes behind.
            if not node.type.endswith(("expression", "_expr")) or re.search(r"\blet\b", whole):
                return
            changed = self.slice(node.start_byte, start) + (new or " ") + self.slice(end, node.end_byte)
            self.wraps[node.start_byte, node.end_byte].append((mutant, changed))
        elif genre == "MatchArmGuard":
            if re.match(r"let\b", self.slice(start, end)):
                return
            self.wraps[start, end].append((mutant, new))
        elif genre == "MatchArm":
            while node and node.type != "match_arm":
                node = node.parent
            pattern = node.child_by_field_name("pattern")
            condition = pattern.child_by_field_name("condition")
            if condition is None:
                self.inserts[pattern.end_byte].append((mutant, f" if !{on} "))
            else:
                self.wraps[condition.start_byte, condition.end_byte].append((mutant, "false"))

    def switched(self, without: set[int]) -> tuple[str, list]:
        """The text with everything in it, and (first byte, last byte, mutant, whether it is the changed form) of what was added."""
        inserts = {at: [(m, t) for m, t in them if m["number"] not in without] for at, them in self.inserts.items()}
        wraps = {span: [(m, t) for m, t in them if m["number"] not in without] for span, them in self.wraps.items()}
        wraps = {span: them for span, them in wraps.items() if them}
        out, places = [], []
        size = 0

        def put(text: str):
            nonlocal size
            out.append(text)
            size += len(text.encode())

        def emit(start: int, end: int, skip=None):
            at = start
            while at < end:
                for mutant, text in inserts.get(at, ()):
                    places.append((size, size + len(text.encode()), mutant["number"], True))
                    put(text)
                here = [span for span in wraps if span[0] == at and span[1] <= end and span != skip]
                if here:
                    span = max(here, key=lambda s: s[1])
                    put("(")
                    for mutant, text in wraps[span]:
                        form = f"if crate::mutant::on({mutant['number']}) {{ {text} }} else "
                        places.append((size, size + len(form.encode()), mutant["number"], True))
                        put(form)
                    begun = size
                    put("{ ")
                    emit(span[0], span[1], span)
                    put(" })")
                    # A fault of the wrapping itself shows up at the old form.
                    places.extend((begun, size, mutant["number"], False) for mutant, _ in wraps[span])
                    at = span[1]
                    continue
                stops = [s for s in [*(span[0] for span in wraps), *inserts] if at < s < end]
                stop = min(stops, default=end)
                put(self.slice(at, stop))
                at = stop

        emit(0, len(self.text))
        return "".join(out), places


def listed(files: list[str]) -> list[dict]:
    patterns = [part for file in files for part in ("-f", file)]
    # It takes CARGO for the name of a program, which ours need not be.
    environment = {name: value for name, value in os.environ.items() if name != "CARGO"}
    command = [*LISTER, "mutants", "--list", "--json", *patterns]
    out = subprocess.run(command, cwd=ROOT, env=environment, check=True, capture_output=True, text=True).stdout
    mutants = sorted(json.loads(out), key=lambda m: m["name"])
    for number, mutant in enumerate(mutants):
        mutant["number"] = number
    return mutants


def copy_tree():
    """The sources as they are, without lints: a switched form may well be odd."""
    shutil.rmtree(TREE, ignore_errors=True)
    names = subprocess.run(["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"], cwd=ROOT, check=True, capture_output=True).stdout
    for name in filter(None, names.decode().split("\0")):
        if (ROOT / name).is_file():
            (TREE / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, TREE / name)
    manifest = (TREE / "Cargo.toml").read_text()
    (TREE / "Cargo.toml").write_text(re.sub(r"^\[lints\.\w+\]\n(?:.+\n)*", "", manifest, flags=re.MULTILINE))


def write(sources: list[Source], without: set[int]) -> dict[str, list]:
    places = {}
    for source in sources:
        text, places[source.path] = source.switched(without)
        (TREE / source.path).write_text(text)
    lib = (ROOT / "src" / "lib.rs").read_text()
    (TREE / "src" / "lib.rs").write_text(lib + SWITCH)
    return places


def build() -> tuple[Path | None, list[dict]]:
    """The test binary, or the compiler's errors."""
    command = [*CARGO, "test", "--lib", "--no-run", "--message-format", "json", "--target-dir", str(TARGET)]
    run = subprocess.run(command, cwd=TREE, capture_output=True, text=True)
    messages = [json.loads(line) for line in run.stdout.splitlines() if line.startswith("{")]
    for message in messages:
        if message.get("reason") == "compiler-artifact" and message.get("executable") and "lib" in message["target"]["kind"]:
            return Path(message["executable"]), []
    errors = [m["message"] for m in messages if m.get("reason") == "compiler-message" and m["message"]["level"] == "error"]
    if not errors:
        sys.exit(f"cargo failed:\n{run.stderr[-4000:]}")
    return None, errors


def blamed(errors: list[dict], places: dict[str, list]) -> tuple[set[int], set[int]]:
    """The mutants in whose text the errors are, for each error the narrowest: in the changed form, and in what is around it."""
    changed, around = set(), set()
    for error in errors:
        # What may not stand in a constant function is the switch.
        constant = (error.get("code") or {}).get("code") == "E0015"
        for span in [*filter(lambda s: s["is_primary"], error["spans"]), *error["spans"]]:
            inside = [(end - start, number, form) for start, end, number, form in places.get(span["file_name"], ())
                      if start <= span["byte_start"] and span["byte_end"] <= end]
            if inside:
                narrowest = min(inside)[0]
                for size, number, form in inside:
                    if size == narrowest:
                        (changed if form and not constant else around).add(number)
                break
    return changed - around, around


def switched_build(sources: list[Source]) -> tuple[Path, set[int], set[int]]:
    """Builds with as much switched as compiles together; what does not compile at all, and what does not in this way."""
    unviable: set[int] = set()
    alone: set[int] = set()
    for _ in range(30):
        places = write(sources, unviable | alone)
        binary, errors = build()
        if binary:
            return binary, unviable - alone, alone
        changed, around = blamed(errors, places)
        print(f"  {len(changed)} do not compile, {len(around)} cannot be switched", flush=True)
        if not (changed | around) - unviable - alone:
            sys.exit("the copy does not compile:\n" + "\n".join(e.get("rendered") or e["message"] for e in errors[:5]))
        unviable |= changed
        alone |= around
    sys.exit("the copy does not come to compile")


def noticed(binary: Path, number: int | None, filters: list[str], limit: float) -> str:
    """`caught`, `timeout` or `survived`: the quick tests first."""
    skip = [part for name in SLOW for part in ("--skip", name)]
    environment = os.environ | ({} if number is None else {"PALISADE_MUTANT": str(number)})
    for options in (skip, []):
        try:
            run = subprocess.run([binary, "-q", *filters, *options], cwd=TREE, env=environment, timeout=limit, stdin=subprocess.DEVNULL, capture_output=True)
        except subprocess.TimeoutExpired:
            return "timeout"
        if run.returncode:
            return "caught"
    return "survived"


def singly(mutant: dict, filters: list[str], limit: float) -> str:
    """One mutant in a build of its own."""
    text = (ROOT / mutant["file"]).read_text().splitlines(keepends=True)
    (first, left), (last, right) = ((mutant["span"][end]["line"] - 1, mutant["span"][end]["column"] - 1) for end in ("start", "end"))
    new = mutant["replacement"] or " "
    changed = [*text[:first], text[first][:left] + new + text[last][right:], *text[last + 1 :]]
    (TREE / mutant["file"]).write_text("".join(changed))
    try:
        binary, _ = build()
        return noticed(binary, None, filters, limit) if binary else "unviable"
    finally:
        (TREE / mutant["file"]).write_text("".join(text))


class Outcomes:
    """What is known, kept on disk. It holds for the very sources that it was found with."""

    def __init__(self, mutants: list[dict]):
        digest = hashlib.sha256()
        for file in sorted((ROOT / "src").rglob("*.rs")):
            digest.update(file.read_bytes())
        self.file, self.sources = WORK / "outcomes.json", digest.hexdigest()
        old = json.loads(self.file.read_text()) if self.file.is_file() else {}
        self.known = old.get("outcomes", {}) if old.get("sources") == self.sources else {}
        self.total = len(mutants)

    def add(self, mutant: dict, outcome: str):
        self.known[mutant["name"]] = outcome
        self.file.write_text(json.dumps({"sources": self.sources, "outcomes": self.known}, indent=1))
        if outcome == "survived":
            print(f"SURVIVED {mutant['name']}", flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", action="append", default=[])
    parser.add_argument("--shard", default="0/1")
    parser.add_argument("--filter", action="append", default=[])
    parser.add_argument("--singly", action="store_true")
    parser.add_argument("--list", action="store_true")
    arguments = parser.parse_args()
    filters = arguments.filter or ["identity::"]
    mutants = listed(arguments.files)
    by_file = defaultdict(list)
    for mutant in mutants:
        by_file[mutant["file"]].append(mutant)
    sources = [Source(path, them) for path, them in by_file.items()]
    placed = {m["number"] for s in sources for them in [*s.wraps.values(), *s.inserts.values()] for m, _ in them}
    print(f"{len(mutants)} mutants in {len(sources)} files, {len(placed)} to be switched", flush=True)

    WORK.mkdir(parents=True, exist_ok=True)
    outcomes = Outcomes(mutants)
    copy_tree()
    binary, unviable, unswitched = switched_build(sources)
    placed -= unviable | unswitched
    if arguments.list:
        for mutant in mutants:
            kind = "switched" if mutant["number"] in placed else "unviable" if mutant["number"] in unviable else "alone"
            print(f"{kind:8} {mutant['name']}")
        return 0
    begun = time.monotonic()
    if noticed(binary, None, filters, 600) != "survived":
        sys.exit("the tests fail without any mutant")
    usual = time.monotonic() - begun
    print(f"built; the tests take {usual:.0f} s", flush=True)

    shard, shards = map(int, arguments.shard.split("/"))
    chosen = [m for m in mutants[shard::shards] if m["name"] not in outcomes.known]
    limit = max(60, 5 * usual)
    for mutant in chosen:
        if mutant["number"] in unviable:
            outcomes.add(mutant, "unviable")
        elif mutant["number"] in placed:
            outcomes.add(mutant, noticed(binary, mutant["number"], filters, limit))
    alone = [m for m in chosen if m["number"] not in placed | unviable]
    if arguments.singly and alone:
        write([], set())
        for source in sources:
            (TREE / source.path).write_bytes(source.text)
        for mutant in alone:
            outcomes.add(mutant, singly(mutant, filters, limit))

    names = {m["name"] for m in mutants[shard::shards]}
    results = {name: outcome for name, outcome in outcomes.known.items() if name in names}
    counts = {kind: sum(outcome == kind for outcome in results.values()) for kind in ("caught", "timeout", "unviable", "survived")}
    print(", ".join(f"{number} {kind}" for kind, number in counts.items()) + f", {len(names) - len(results)} not run")
    return 1 if counts["survived"] else 0


if __name__ == "__main__":
    sys.exit(main())
