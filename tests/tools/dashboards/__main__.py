"""Writes charts/palisade/files/dashboard-*.json: `make dashboards`. With `--check` it says which are not as they would be written."""

import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from dashboards.pages import DASHBOARDS  # noqa: E402

FILES = Path(__file__).resolve().parents[3] / "charts" / "palisade" / "files"


def texts() -> dict[Path, str]:
    return {FILES / f"dashboard-{name}.json": json.dumps(content, indent=1, ensure_ascii=False) + "\n" for name, content in DASHBOARDS.items()}


def main() -> int:
    wanted = texts()
    stale = [path for path in {*FILES.glob("dashboard-*.json"), *wanted} if not path.exists() or path.read_text() != wanted.get(path)]
    if "--check" in sys.argv[1:]:
        for path in sorted(stale):
            print(f"{path}: not what tests/tools/dashboards says; run `make dashboards`", file=sys.stderr)
        return bool(stale)
    for path in FILES.glob("dashboard-*.json"):
        path.unlink()
    for path, text in wanted.items():
        path.write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
