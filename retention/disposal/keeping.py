"""Until when each bag is kept, and what holds it: what people said, read from the journal.

Rules of this file: no I/O; the order of rows decides, not clocks. What is said of all bags (no `bag`) and what is said of one
both count: the later date, and every hold. A bag of which nobody said until when it is kept is never disposed of.
Source: design §4 (the journal: holds and keep-until), docs/formats.md (Journal), docs/decisions/0098.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime

from exporters.bag.formats import JsonObject
from retention.disposal.rows import BEGUN, DISPOSED, PLANNED

ALL = ""
"""In place of a bag: what is said of every bag, also of those that are made later."""


@dataclass(frozen=True, slots=True)
class Hold:
    """A reason not to dispose of a bag, until somebody lifts it. `bag`: ALL for every bag; `at`: when it was laid, as the row
    says it."""

    bag: str
    name: str
    by: str
    reason: str
    at: str | None


@dataclass(frozen=True, slots=True)
class Until:
    """Until when a bag is kept. `instant`: aware UTC, exclusive; `at`: when it was said, as the row says it."""

    instant: datetime
    by: str
    reason: str
    at: str | None


@dataclass(slots=True)
class Keeping:
    """The journal, read for what keeps bags. disposed: {bag: the row}, of bags that no run has written to since; begun, plans:
    {plan: its row}, begun ones without those that ended."""

    disposed: dict[str, JsonObject] = field(default_factory=dict)
    begun: dict[str, JsonObject] = field(default_factory=dict)
    plans: dict[str, JsonObject] = field(default_factory=dict)
    _until: dict[str, Until] = field(default_factory=dict)
    _holds: dict[tuple[str, str], Hold] = field(default_factory=dict)

    @classmethod
    def of(cls, rows: Iterable[JsonObject]) -> "Keeping":
        """rows: of the journal, oldest first."""
        found = cls()
        found.read(rows)
        return found

    def read(self, rows: Iterable[JsonObject]) -> None:
        """Take in what came since."""
        for row in rows:
            self._take(row)

    def until(self, bag: str) -> Until | None:
        """Until when a bag is kept: the later of what was said of it and of all."""
        said = [self._until[name] for name in (ALL, bag) if name in self._until]
        return max(said, key=lambda until: until.instant, default=None)

    def holds(self, bag: str) -> list[Hold]:
        """What holds a bag, oldest first."""
        return [hold for hold in self._holds.values() if hold.bag in {ALL, bag}]

    def all_holds(self) -> list[Hold]:
        """Every hold that stands."""
        return list(self._holds.values())

    def stated(self) -> dict[str, Until]:
        """{bag or ALL: until when}, as it was said."""
        return dict(self._until)

    def _take(self, row: JsonObject) -> None:
        kind, bag = row.get("type"), str(row.get("bag", ALL))
        said = (str(row.get("by")), str(row.get("reason")), row.get("at"))
        if kind == "keep_until":
            self._until[bag] = Until(datetime.fromisoformat(row["until"]), *said)
        elif kind == "held":
            self._holds.setdefault((bag, row["name"]), Hold(bag, row["name"], *said))
        elif kind == "hold_lifted":
            self._holds.pop((bag, row["name"]), None)
        elif kind == PLANNED:
            self.plans[row["plan"]] = row
        elif kind == BEGUN:
            self.begun[row["plan"]] = row
        elif kind == DISPOSED:
            self.disposed[bag] = row
            left = self.begun.get(row["plan"])
            if left is not None and all(self.disposed.get(b, {}).get("plan") == row["plan"] for b in left["bags"]):
                del self.begun[row["plan"]]
        elif isinstance(row.get("bags"), dict) and kind in {"run_ended", "folded", "composed"}:
            for written in row["bags"]:
                self.disposed.pop(written, None)
