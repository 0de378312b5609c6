"""The documentation as text: its pages, what they link to, and the commands in them."""

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
PAGES = sorted([*ROOT.glob("*.md"), *(page for folder in ("bench", "benches", "charts", "config", "examples", "fuzz", "image", "tests") for page in (ROOT / folder).rglob("*.md"))])

FENCE = re.compile(r"^(`{3,})([\w-]*)\s*$")
MARK = re.compile(r"^<!-- (needs|run by): (\S+) -->$")
# What commands would be called by somebody who does not want them run.
SHELLS = {"bash", "console", "shell", "shell-session", "zsh"}


@dataclass(frozen=True)
class Block:
    """Commands of a page, from a line on, and what is said of them before they begin."""

    page: str
    line: int
    text: str
    needs: str | None
    run_by: str | None

    @property
    def is_marked(self) -> bool:
        return bool(self.needs or self.run_by)

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"


def name(page: Path) -> str:
    return str(page.relative_to(ROOT))


def fences(page: Path) -> list[tuple[int, str, list[str], str]]:
    """Each block of code: its first line, its language, its lines, and the line before it."""
    found, lines = [], page.read_text().splitlines()
    number = 0
    while number < len(lines):
        if opened := FENCE.match(lines[number]):
            end = next(n for n in range(number + 1, len(lines)) if lines[n].rstrip() == opened[1])
            found.append((number + 2, opened[2], lines[number + 1:end], lines[number - 1] if number else ""))
            number = end
        number += 1
    return found


def commands() -> list[Block]:
    blocks = []
    for page in PAGES:
        for line, language, text, before in fences(page):
            if language == "sh":
                said = dict([mark.groups()]) if (mark := MARK.match(before)) else {}
                blocks.append(Block(name(page), line, "\n".join(text) + "\n", said.get("needs"), said.get("run by")))
    return blocks


def prose(page: Path) -> str:
    """The page without its blocks of code."""
    kept, inside = [], ""
    for line in page.read_text().splitlines():
        fence = FENCE.match(line)
        if fence and not inside:
            inside = fence[1]
        elif inside and line.rstrip() == inside:
            inside = ""
        elif not inside:
            kept.append(line)
    return "\n".join(kept)


def anchors(page: Path) -> set[str]:
    """What can be linked to in a page: its headings, spelled as GitHub does."""
    spelled: dict[str, int] = {}
    found = set()
    for heading in re.findall(r"^#{1,6} (.+)$", prose(page), re.MULTILINE):
        text = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).replace("`", "").strip().lower()
        anchor = re.sub(r"[^\w\- ]", "", text).replace(" ", "-")
        count = spelled.get(anchor, 0)
        spelled[anchor] = count + 1
        found.add(f"{anchor}-{count}" if count else anchor)
    return found


def links(page: Path) -> list[tuple[str, str]]:
    """Targets within the source, each with its anchor or nothing."""
    found = re.findall(r"\]\(([^)\s#]*)(?:#([^)\s]*))?\)", prose(page))
    return [(target, anchor) for target, anchor in found if not target.startswith("https://")]
