#!/usr/bin/env python3
"""Mutation testing of the code that trust rests on, in one build.

`cargo mutants` would build the crate anew for each of its mutants, which takes a day for a few hundred of them. This takes its list
(what to change where, and what is left out, by `.cargo/mutants.toml`) and builds a copy of the crate in which each change is there and
switched off: `a == b` becomes `(if on(7) { a != b } else { a == b })`. The test binary is then run once for each mutant, with that one switched on. A
mutant that no test notices is a survivor. A changed form that does not compile is no mutant at all. Those that cannot be switched for another reason are
built and run one by one.

usage: mutants.py [--files GLOB]... [--shard K/N] [--filter TEST]... [--again] [--singly] [--list]

  --files    only what fits, of what .cargo/mutants.toml has; `*` is any run of characters
  --shard    every N-th mutant, beginning with the K-th from 0
  --filter   the tests that may notice (default: those of the mutant's room, and the guard's for what the guard reads with)
  --again    what tests noticed before is taken to be noticed still, and what survived is run again: for when tests have been added
  --singly   also those that cannot be switched: a build for each
  --list     prints the mutants, and what becomes of each in the build

Outcomes are written to target/mutants/outcomes.json as they come, and a run goes on where the last one of the same sources stopped. What does not compile
is remembered beside it for as long as nothing but tests is changed, so that the next build is the first to do. Exit code 1: survivors.
"""

import argparse
import fnmatch
import hashlib
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import threading
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
# Rooms whose own tests have to notice what is changed in them. Of the others it is what the guard reads requests and rules with, so its tests may notice as well.
TRUSTED = ("identity::", "guard::")
# Tests of a room that take seconds each. They run where the others have noticed nothing.
SLOW = {
    "identity::": (
        "of_two_faults",
        "no_passport_is_worth_anything",
        "books_are_right",
        "what_is_remembered_is_bounded",
        "differs_in_one_bit",
        "handles_are_random",
        "any_text_is_taken_apart",
        "longer_or_shorter",
        "many_addresses",
        "under_load",
        "a_flood_from_one_source",
    ),
    "guard::": (
        "asked_about_only_so_often",
        "the_two_permit_what_the_many_permit",
        "no_name_is_two_tenants",
        "policies_that_permit_",
        "what_is_kept_is_bounded",
        "every_service_is_held_to_its_rules",
        "a_server_is_asked_for",
        "every_operation_of_services_that_are_judged_by_names",
    ),
}


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
        # Bodies that are wrapped and whose type has no name: both forms go into a box.
        self.boxed: set = set()
        # What is left out where any of these mutants is in.
        self.drops: dict = defaultdict(set)
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
            body = node.child_by_field_name("body")
            head = self.text[node.start_byte : body.start_byte]
            if (const := head.find(b"const fn")) >= 0:
                # The switch is no constant. Where one is wanted, the compiler will say so.
                self.drops[node.start_byte + const, node.start_byte + const + len(b"const ")].add(mutant["number"])
            if b"-> impl Iterator" in head:
                span = body.start_byte + 1, body.end_byte - 1
                self.boxed.add(span)
                self.wraps[span].append((mutant, f"Box::new({new}) as Box<dyn Iterator<Item = _> + '_>"))
            # Within another type, a type that is not named cannot be boxed from here.
            elif not re.search(rb"->.*\bimpl\b", head, re.DOTALL):
                self.inserts[body.start_byte + 1].append((mutant, f" if {on} {{ return {new}; }} "))
        elif genre == "StructField":
            while node and node.type != "struct_expression":
                node = node.parent
            after = re.match(rb"\s*,", self.text[end : node.end_byte])
            rest = end + after.end() if after else end
            self.wraps[node.start_byte, node.end_byte].append((mutant, self.slice(node.start_byte, start) + self.slice(rest, node.end_byte)))
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
                # Arms that have a condition cover nothing. Without an arm for all the rest the match would cover too little.
                arms = [arm.child_by_field_name("pattern") for arm in node.parent.children if arm.type == "match_arm"]
                if not any(self.slice(arm.start_byte, arm.end_byte).strip() == "_" for arm in arms):
                    return
                self.inserts[pattern.end_byte].append((mutant, f" if !{on} "))
            else:
                self.wraps[condition.start_byte, condition.end_byte].append((mutant, "false"))

    def switched(self, without: set[int]) -> tuple[str, list]:
        """The text with everything in it, and (first byte, last byte, mutant, whether it is the changed form) of what was added."""
        inserts = {at: [(m, t) for m, t in them if m["number"] not in without] for at, them in self.inserts.items()}
        wraps = {span: [(m, t) for m, t in them if m["number"] not in without] for span, them in self.wraps.items()}
        wraps = {span: them for span, them in wraps.items() if them}
        drops = dict(span for span, numbers in self.drops.items() if numbers - without)
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
                    put("{ Box::new({ " if span in self.boxed else "{ ")
                    emit(span[0], span[1], span)
                    put(" }) })" if span in self.boxed else " })")
                    # A fault of the wrapping itself shows up at the old form.
                    places.extend((begun, size, mutant["number"], False) for mutant, _ in wraps[span])
                    at = span[1]
                    continue
                if at in drops:
                    at = drops[at]
                    continue
                stops = [s for s in [*(span[0] for span in wraps), *inserts, *drops] if at < s < end]
                stop = min(stops, default=end)
                put(self.slice(at, stop))
                at = stop

        emit(0, len(self.text))
        return "".join(out), places


def listed(files: list[str]) -> list[dict]:
    # It takes CARGO for the name of a program, which ours need not be.
    environment = {name: value for name, value in os.environ.items() if name != "CARGO"}
    out = subprocess.run([*LISTER, "mutants", "--list", "--json"], cwd=ROOT, env=environment, check=True, capture_output=True, text=True).stdout
    mutants = sorted(json.loads(out), key=lambda m: m["name"])
    mutants = [m for m in mutants if not files or any(fnmatch.fnmatchcase(m["file"], pattern) for pattern in files)]
    for number, mutant in enumerate(mutants):
        mutant["number"] = number
    return mutants


def put(name: str, content: bytes):
    """Writes what differs: what does not is not to be built again."""
    file = TREE / name
    if not file.is_file() or file.read_bytes() != content:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)


def copy_tree(switched: set[str]):
    """The sources as they are, but for those that are to be `switched`; without lints: a switched form may well be odd."""
    listed = subprocess.run(["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"], cwd=ROOT, check=True, capture_output=True).stdout
    names = {name for name in listed.decode().split("\0") if name and (ROOT / name).is_file()}
    for file in TREE.rglob("*"):
        if file.is_file() and str(file.relative_to(TREE)) not in names:
            file.unlink()
    for name in names - switched - {"Cargo.toml", "src/lib.rs"}:
        put(name, (ROOT / name).read_bytes())
    manifest = (ROOT / "Cargo.toml").read_text()
    put("Cargo.toml", re.sub(r"^\[lints\.\w+\]\n(?:.+\n)*", "", manifest, flags=re.MULTILINE).encode())
    put("src/lib.rs", (ROOT / "src" / "lib.rs").read_bytes() + SWITCH.encode())


def write(sources: list[Source], without: set[int]) -> dict[str, list]:
    places = {}
    for source in sources:
        text, places[source.path] = source.switched(without)
        put(source.path, text.encode())
    return places


def build() -> tuple[Path | None, list[dict]]:
    """The test binary, or the compiler's errors."""
    command = [*CARGO, "test", "--lib", "--no-run", "--message-format", "json", "--target-dir", str(TARGET)]
    # The tests run a thousand times: what it takes to make them quick comes back soon.
    environment = {"CARGO_PROFILE_DEV_OPT_LEVEL": "1", "CARGO_PROFILE_TEST_OPT_LEVEL": "1"} | os.environ
    run = subprocess.run(command, cwd=TREE, env=environment, capture_output=True, text=True)
    messages = [json.loads(line) for line in run.stdout.splitlines() if line.startswith("{")]
    for message in messages:
        if message.get("reason") == "compiler-artifact" and message.get("executable") and "lib" in message["target"]["kind"]:
            # The next build of the crate itself would have the same place.
            return Path(shutil.copy2(message["executable"], WORK / "tests")), []
    errors = [m["message"] for m in messages if m.get("reason") == "compiler-message" and m["message"]["level"] == "error"]
    if not errors:
        sys.exit(f"cargo failed:\n{run.stderr[-4000:]}")
    return None, errors


def written(span: dict) -> dict:
    """Where a span stands in the crate: of what a macro has made, where the macro is called."""
    while span.get("expansion"):
        span = span["expansion"]["span"]
    return span


def blamed(errors: list[dict], places: dict[str, list], mutants: list[dict]) -> tuple[set[int], set[int]]:
    """The mutants in whose text the errors are, for each error the narrowest: in the changed form, and in what is around it."""
    changed, around = set(), set()
    for error in errors:
        # What may not stand in a constant function is the switch.
        constant = (error.get("code") or {}).get("code") == "E0015"
        for span in map(written, [*filter(lambda s: s["is_primary"], error["spans"]), *error["spans"]]):
            inside = [(end - start, number, form) for start, end, number, form in places.get(span["file_name"], ())
                      if start <= span["byte_start"] and span["byte_end"] <= end]
            if inside:
                narrowest = min(inside)[0]
                for size, number, form in inside:
                    if size == narrowest:
                        (changed if form and not constant else around).add(number)
                break
        else:
            # Of a whole function: what the switch is of another type than its result may be, such as an opaque one.
            for span in filter(lambda s: s["is_primary"], error["spans"]):
                whole = places.get(span["file_name"], ())
                around |= {number for start, end, number, _ in whole if span["byte_start"] <= start and end <= span["byte_end"]}
            # Whatever is called where a constant is wanted, from wherever.
            if constant and (called := re.search(r"`([^`]+)`", error["message"])):
                name = called[1].rsplit("::", 1)[-1]
                around |= {m["number"] for m in mutants if ((m.get("function") or {}).get("function_name") or "").rsplit("::", 1)[-1] == name}
    return changed - around, around


def switched_build(sources: list[Source], mutants: list[dict]) -> tuple[Path, set[int], set[int]]:
    """Builds with as much switched as compiles together; what does not compile at all, and what does not in this way."""
    file, code = WORK / "builds.json", digest_of(code_of)
    old = json.loads(file.read_text()) if file.is_file() else {}
    of = {mutant["name"]: mutant["number"] for mutant in mutants}
    known = old if old.get("code") == code else {"unviable": [], "alone": []}
    unviable, alone = ({of[name] for name in known[kind] if name in of} for kind in ("unviable", "alone"))
    for _ in range(30):
        places = write(sources, unviable | alone)
        binary, errors = build()
        if binary:
            names = {kind: sorted({m["name"] for m in mutants if m["number"] in them} | set(known[kind])) for kind, them in (("unviable", unviable - alone), ("alone", alone))}
            file.write_text(json.dumps({"code": code, **names}, indent=1))
            return binary, unviable - alone, alone
        changed, around = blamed(errors, places, mutants)
        print(f"  {len(changed)} do not compile, {len(around)} cannot be switched", flush=True)
        if not (changed | around) - unviable - alone:
            sys.exit("the copy does not compile:\n" + "\n".join(e.get("rendered") or e["message"] for e in errors[:5]))
        unviable |= changed
        alone |= around
    sys.exit("the copy does not come to compile")


def rooms_of(file: str) -> list[str]:
    room = Path(file).with_suffix("").parts[1] + "::"
    return [room] if room in TRUSTED else [room, "guard::"]


class Tests:
    """The test binary's tests that may notice: first the quick ones of the mutant's own module, then those of the modules
    around it, then all quick ones, then the slow ones. The first that fails ends it."""

    def __init__(self, filters: list[str], rooms: list[str]):
        self.filters, self.rooms = filters, rooms
        # In seconds, for each step: until the tests have been timed.
        self.limits = (600.0, 600.0, 600.0, 600.0)

    def steps(self, file: str | None) -> list[tuple[list[str], bool, float]]:
        """Filters, whether slow tests are left out, and the time that it may take."""
        parts = [] if file is None else Path(file).with_suffix("").parts[1:]
        own = "::".join(parts) + "::"
        rooms = rooms_of(file) if file else self.rooms
        near = [f"{parts[0]}::{parts[1]}::", f"{parts[0]}::tests::{parts[1]}"] if len(parts) > 1 else []
        filters = self.filters or rooms
        slow = [name for room in rooms for name in SLOW.get(room, ())]
        steps = [([own], True), (near, True), (filters, True), (slow, False)]
        wanted = [any(own.startswith(f) for f in filters), bool(near) and not self.filters, True, bool(slow) and not self.filters]
        return [(*step, limit) for step, limit, is_wanted in zip(steps, self.limits, wanted) if is_wanted]

    def timed(self, binary: Path) -> float:
        """Runs them without a mutant; how long they take."""
        taken = []
        for step in self.steps(None):
            begun = time.monotonic()
            if self.step(binary, None, *step) != "survived":
                sys.exit("the tests fail without any mutant")
            taken.append(time.monotonic() - begun)
        quick, slow = taken[0], sum(taken[1:])
        self.limits = (*[max(30, 5 * quick)] * 3, max(60, 5 * slow))
        return quick + slow

    def noticed(self, binary: Path, mutant: dict, is_on: bool) -> str:
        """`caught`, `timeout` or `survived`."""
        for step in self.steps(mutant["file"]):
            outcome = self.step(binary, mutant["number"] if is_on else None, *step)
            if outcome != "survived":
                return outcome
        return "survived"

    def step(self, binary: Path, number: int | None, filters: list[str], is_quick: bool, limit: float) -> str:
        skip = [part for names in SLOW.values() for name in names for part in ("--skip", name)] if is_quick else []
        environment = os.environ | ({} if number is None else {"PALISADE_MUTANT": str(number)})
        command = [binary, *filters, *skip]
        run = subprocess.Popen(command, cwd=TREE, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        clock = threading.Timer(limit, run.kill)
        clock.start()
        try:
            # A line for each test, as it ends.
            if any(line.rstrip().endswith("... FAILED") for line in run.stdout):
                return "caught"
            is_late = not clock.is_alive()
            return "survived" if run.wait() == 0 else "timeout" if is_late else "caught"
        finally:
            clock.cancel()
            run.kill()
            run.wait()


def singly(mutant: dict, tests: Tests) -> str:
    """One mutant in a build of its own."""
    text = (ROOT / mutant["file"]).read_text().splitlines(keepends=True)
    (first, left), (last, right) = ((mutant["span"][end]["line"] - 1, mutant["span"][end]["column"] - 1) for end in ("start", "end"))
    new = mutant["replacement"] or " "
    changed = [*text[:first], text[first][:left] + new + text[last][right:], *text[last + 1 :]]
    (TREE / mutant["file"]).write_text("".join(changed))
    try:
        binary, _ = build()
        return tests.noticed(binary, mutant, is_on=False) if binary else "unviable"
    finally:
        (TREE / mutant["file"]).write_text("".join(text))


def code_of(file: Path) -> bytes:
    """What of a file is no test: the tests of a module are its end, or files of their own."""
    if "tests" in file.relative_to(ROOT / "src").parts or file.name == "tests.rs":
        return b""
    return file.read_bytes().split(b"\n#[cfg(test)]\nmod tests {")[0]


def digest_of(part) -> str:
    """Of `part` of every source file."""
    digest = hashlib.sha256()
    for file in sorted((ROOT / "src").rglob("*.rs")):
        if text := part(file):
            digest.update(f"{file.relative_to(ROOT)} {len(text)}\n".encode() + text)
    return digest.hexdigest()


class Outcomes:
    """What is known, kept on disk. It holds for the very sources that it was found with; by `again`, what tests noticed holds although there are others."""

    def __init__(self, again: bool):
        self.file, self.found_with = WORK / "outcomes.json", {"sources": digest_of(Path.read_bytes), "code": digest_of(code_of)}
        old = json.loads(self.file.read_text()) if self.file.is_file() else {}
        self.known = {}
        if again and old.get("code") == self.found_with["code"]:
            self.known = {name: outcome for name, outcome in old["outcomes"].items() if outcome != "survived"}
        elif old.get("sources") == self.found_with["sources"]:
            self.known = old["outcomes"]

    def add(self, mutant: dict, outcome: str):
        self.known[mutant["name"]] = outcome
        self.file.write_text(json.dumps(self.found_with | {"outcomes": self.known}, indent=1))
        if outcome == "survived":
            print(f"SURVIVED {mutant['name']}", flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", action="append", default=[])
    parser.add_argument("--shard", default="0/1")
    parser.add_argument("--filter", action="append", default=[])
    parser.add_argument("--again", action="store_true")
    parser.add_argument("--singly", action="store_true")
    parser.add_argument("--list", action="store_true")
    arguments = parser.parse_args()
    mutants = listed(arguments.files)
    by_file = defaultdict(list)
    for mutant in mutants:
        by_file[mutant["file"]].append(mutant)
    sources = [Source(path, them) for path, them in by_file.items()]
    placed = {m["number"] for s in sources for them in [*s.wraps.values(), *s.inserts.values()] for m, _ in them}
    print(f"{len(mutants)} mutants in {len(sources)} files, {len(placed)} to be switched", flush=True)

    WORK.mkdir(parents=True, exist_ok=True)
    outcomes = Outcomes(arguments.again)
    copy_tree(set(by_file))
    binary, unviable, unswitched = switched_build(sources, mutants)
    placed -= unviable | unswitched
    if arguments.list:
        for mutant in mutants:
            kind = "switched" if mutant["number"] in placed else "unviable" if mutant["number"] in unviable else "alone"
            print(f"{kind:8} {mutant['name']}")
        return 0
    tests = Tests(arguments.filter, sorted({room for path in by_file for room in rooms_of(path)}))
    print(f"built; the tests take {tests.timed(binary):.0f} s", flush=True)

    shard, shards = map(int, arguments.shard.split("/"))
    chosen = [m for m in mutants[shard::shards] if m["name"] not in outcomes.known]
    for mutant in chosen:
        if mutant["number"] in unviable:
            outcomes.add(mutant, "unviable")
        elif mutant["number"] in placed:
            outcomes.add(mutant, tests.noticed(binary, mutant, is_on=True))
    alone = [m for m in chosen if m["number"] not in placed | unviable]
    if arguments.singly and alone:
        for source in sources:
            put(source.path, source.text)
        for mutant in alone:
            outcomes.add(mutant, singly(mutant, tests))

    names = {m["name"] for m in mutants[shard::shards]}
    results = {name: outcome for name, outcome in outcomes.known.items() if name in names}
    counts = {kind: sum(outcome == kind for outcome in results.values()) for kind in ("caught", "timeout", "unviable", "survived")}
    print(", ".join(f"{number} {kind}" for kind, number in counts.items()) + f", {len(names) - len(results)} not run")
    return 1 if counts["survived"] else 0


if __name__ == "__main__":
    sys.exit(main())
