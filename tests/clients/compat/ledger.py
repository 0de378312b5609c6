"""The compatibility table: rows from the scenarios of a run, rendered, and compared with the committed page."""

import contextlib
from dataclasses import dataclass, field
from pathlib import Path

PAGE = Path(__file__).resolve().parents[3] / "examples" / "COMPATIBILITY.md"
PLACES = ("MiniStack", "sandbox", "moto")
S3, REFUSED, SERVICES = "Objects", "Another tenant's data", "Other services"
COLUMNS = {
    S3: ("client", "what was run", "how its uploads said what the body is", "MiniStack", "sandbox"),
    REFUSED: ("client", "what was tried", "what the client said", *PLACES),
    SERVICES: ("client", "what was run", *PLACES),
}
CLIENTS = "Clients"


@dataclass
class Row:
    """One scenario of one client: what was seen of it, and what came of it at each backend."""

    seen: set[str] = field(default_factory=set)
    results: dict[str, str] = field(default_factory=dict)


class Ledger:
    """What the scenarios of a run have said."""

    def __init__(self, absent: set[str]):
        self.absent = absent
        self.versions: dict[str, str] = {}
        self.rows: dict[tuple[str, str, str], Row] = {}

    @contextlib.contextmanager
    def entry(self, section: str, client: str, what: str, place: str):
        """A scenario: all is well when the block ends. The block may add to what was seen."""
        row = self.rows.setdefault((section, client, what), Row())
        row.results[place] = "**fails**"
        yield row
        row.results[place] = "refused" if section == REFUSED else "works"

    def lines(self) -> dict[str, list[str]]:
        """The table's lines by section, in order of their text, so that the order of a run is of no importance."""
        lines = {CLIENTS: [f"| {client} | {version} |" for client, version in self.versions.items()]}
        for (section, client, what), row in self.rows.items():
            seen = [] if section == SERVICES else ["; ".join(sorted(row.seen)) or "-"]
            results = [row.results.get(place, "-") for place in COLUMNS[section] if place in PLACES]
            lines.setdefault(section, []).append(f"| {' | '.join([client, what, *seen, *results])} |")
        return {section: sorted(found, key=str.lower) for section, found in lines.items()}


def heading(section: str) -> str:
    columns = COLUMNS.get(section, ("client", "version"))
    return f"| {' | '.join(columns)} |\n|{' --- |' * len(columns)}\n"


def recorded(page: str) -> dict[str, list[str]]:
    """The lines of the tables of a page."""
    lines = {}
    for section in (CLIENTS, *COLUMNS):
        table = page.partition(heading(section))[2].partition("\n\n")[0]
        lines[section] = [line for line in table.splitlines() if line.startswith("| ")]
    return lines


def client_of(line: str) -> str:
    return line.split(" | ")[0].removeprefix("| ").partition(",")[0]


def present(lines: dict[str, list[str]], absent: set[str]) -> dict[str, list[str]]:
    """Without the rows of clients that this run did not have, and without versions."""
    kept = {section: [line for line in found if client_of(line) not in absent] for section, found in lines.items()}
    return kept | {CLIENTS: [client_of(line) for line in kept[CLIENTS]]}


def bless(ledger: Ledger, page: str) -> str:
    """The page with the tables of this run; rows of clients that the run did not have stay as they are."""
    old = recorded(page)
    for section, new in ledger.lines().items():
        kept = [line for line in old[section] if client_of(line) in ledger.absent]
        before, mark, rest = page.partition(heading(section))
        assert mark, f"the page has no table {section}"
        tail = rest[len("\n".join(old[section])) :].lstrip("\n")
        page = before + mark + "\n".join(sorted([*new, *kept], key=str.lower)) + ("\n\n" + tail if tail else "\n")
    return page
