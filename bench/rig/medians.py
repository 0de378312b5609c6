"""The records of a run, by what was measured: the median over the rounds of each value."""

import statistics
from dataclasses import dataclass, field


@dataclass
class Medians:
    """`tables[set][case, name]` has each value's median; the order is that of the measurements."""

    tables: dict[str, dict[tuple[str, str], dict[str, float]]] = field(default_factory=dict)
    # The same with the lowest and the highest, for values that the report shows with their spread.
    spread: dict[tuple[str, str, str, str], tuple[float, float]] = field(default_factory=dict)

    @classmethod
    def of(cls, records: list[dict]) -> "Medians":
        seen: dict[str, dict[tuple[str, str], dict[str, list[float]]]] = {}
        for record in records:
            values = seen.setdefault(record["set"], {}).setdefault((record["case"], record["name"]), {})
            for name, value in record["values"].items():
                values.setdefault(name, []).append(value)
        made = cls()
        for set_, rows in seen.items():
            for (case, name), values in rows.items():
                made.tables.setdefault(set_, {})[case, name] = {k: statistics.median(v) for k, v in values.items()}
                made.spread |= {(set_, case, name, k): (min(v), max(v)) for k, v in values.items()}
        return made

    def get(self, set_: str, case: str, name: str, value: str) -> float | None:
        """None where that was not measured. A case is named by how it begins."""
        for (have, who), values in self.tables.get(set_, {}).items():
            if who == name and have.startswith(case):
                return values.get(value)
        return None
