"""Runs after all the others of this folder: what the clients got must hold no secret, and the page must say what happened."""

import os

from .ledger import PAGE, bless, present, recorded
from .observe import Leaks


def test_no_byte_that_reached_a_client_held_a_secret(leaks):
    least = {"MiniStack, http": 64 << 20, "MiniStack, https": 64 << 20, "sandbox, http": 64 << 20, "sandbox, https": 64 << 20, "moto, http": 4 << 10}
    assert all(leaks.bytes[where] > number for where, number in least.items()), f"only {leaks.bytes} bytes were searched: run the whole folder"
    assert leaks.searched >= 8, "hardly anything was issued, so hardly anything was looked for"
    assert not leaks.found, "\n".join(sorted(leaks.found))


def test_the_search_finds_what_it_looks_for(issuers):
    """Every credential of the run, across the border of two pieces."""
    for issued in issuers.values():
        for secret in issued():
            leaks = Leaks()
            look = leaks.reader("here", issued, account=True)
            look(b"x" * 70_000 + secret[:5])
            assert not leaks.found
            look(secret[5:] + b"x")
            assert leaks.found, "a secret passed unseen"


def test_the_page_says_what_happened(ledger):
    """`PALISADE_BLESS=1` records what happens now; read the difference before committing it. Versions are not compared."""
    if os.environ.get("PALISADE_BLESS"):
        PAGE.write_text(bless(ledger, PAGE.read_text()))
    page = recorded(PAGE.read_text())
    now, then = (present(lines, ledger.absent) for lines in (ledger.lines(), page))
    changed = [f"{mark}{line}" for section in then for mark, old, new in (("-", then, now), ("+", now, then))
               for line in old.get(section, []) if line not in new.get(section, [])]
    assert not changed, f"{PAGE.name} differs from this run (a part of the folder does not make the whole table):\n" + "\n".join(changed)


def test_every_client_has_a_version(ledger):
    assert all(version[:1].isdigit() or version[:1] == "v" for version in ledger.versions.values()), ledger.versions
