"""The licences of what is in the image, with their texts: one document, each text once."""

import os
import re
from pathlib import Path

from sbom import Crate, Runtime

NAMED = re.compile(r"(LICEN[CS]E|COPYING|COPYRIGHT|NOTICE|UNLICENSE)([-._].*)?$", re.IGNORECASE)
SOURCE = {".rs", ".toml", ".py", ".go", ".c", ".h"}
LINE = "=" * 100
# Whose the copyright is.
NOTICE = re.compile(r"\s*(Copyright|COPYRIGHT|\(c\)|\(C\)|©)(?!\w)")
# Nothing of what a licence says.
BRACKETS = str.maketrans("", "", "[]{}\"'")


def texts(folder: Path) -> list[Path]:
    """The licence files of a package, and of what it carries along: code in C has its own."""
    found = []
    for base, folders, names in os.walk(folder):
        # Neither what a build has left there, nor what git keeps.
        folders[:] = sorted(name for name in folders if name not in ("target", ".git"))
        found += [Path(base) / name for name in sorted(names) if NAMED.match(name) and Path(name).suffix not in SOURCE]
    return found


def whole(text: str, notices: list[str]) -> str:
    """The text, behind the notices of all who have put their work under it in the same words."""
    missing = [notice for notice in notices if notice not in text]
    return "\n".join([*missing, "", text] if missing else [text])


def document(own: Crate, others: list[Crate], around: list[Runtime], standard: Path) -> str:
    """`standard` holds texts by SPDX identifier, for packages that come without one."""
    rows, by_text = [], {}

    def take(label: str, licence: str, files: list[Path]):
        named = [standard / f"{name}.txt" for name in re.findall(r"[A-Za-z0-9.-]+", licence)]
        files = [file for file in files if file.is_file()] or [file for file in named if file.is_file()]
        if not files:
            raise SystemExit(f"licences: no text for {label} ({licence}): add one to {standard}, or leave the crate out")
        numbers = []
        for file in files:
            text = "\n".join(line.rstrip() for line in file.read_text(errors="replace").strip().splitlines())
            # Many are the same but for whose the copyright is, where their lines end, and which brackets are to be filled in.
            notices = [line.strip() for line in text.splitlines() if NOTICE.match(line)]
            words = " ".join(word for line in text.splitlines() if not NOTICE.match(line) for word in line.split())
            words = words.translate(BRACKETS).replace("https://", "http://")
            number, _, others_of_it = by_text.setdefault(words, (len(by_text) + 1, text, []))
            others_of_it += [notice for notice in notices if notice not in others_of_it]
            numbers.append(number)
        rows.append((label, licence, ", ".join(str(number) for number in dict.fromkeys(numbers))))

    take(f"{own.name} {own.version}", own.licence, [own.folder / "LICENSE"])
    for crate in others:
        take(f"{crate.name} {crate.version}", crate.licence, texts(crate.folder))
    for part in around:
        take(f"{part.name} {part.version}", part.licence, part.texts)

    width = max(len(label) for label, _, _ in rows)
    table = "".join(f"{label:{width}}  {licence}  {numbers}\n" for label, licence, numbers in rows)
    body = "".join(f"\n{LINE}\n[{number}]\n{LINE}\n\n{whole(text, notices)}\n" for number, text, notices in by_text.values())
    return (
        "What this image is made of, under which licence (SPDX), and the numbers of the texts below.\n\n"
        f"{table}\n"
        "The C library is linked statically. Palisade's source and Cargo.lock are all that is needed to link it with another version of it.\n"
        f"{body}"
    )
