"""In which order to copy, with the reason of each place.

Rules of this file: pure, and of constant size: the first of very many are kept, the others may go as they come. What may be lost
before the tenant is comes first; then mailboxes, the largest first, since one mailbox is never copied by two and so sets the
floor; then what shares the units of SharePoint, where the order changes nothing but what is safe first. Source: retention-domain
§2.3, §7.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from exporters.bag.formats import JsonObject
from exporters.clock import timestamp
from exporters.sources import SourceKind

KEPT = 50
CONCEALED = "(name concealed)"


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """One source in the order. Compared as it is written: urgency, deadline, kind, size."""

    urgency: int
    ends: float
    kind: int
    less: float
    label: str
    seconds: float = field(compare=False)
    reason: str = field(compare=False)

    def as_json(self, number: int) -> JsonObject:
        return {"place": number, "source": self.label, "seconds": round(self.seconds), "reason": self.reason}


@dataclass(slots=True)
class Order:
    """Gathers the first places. ends: by label, when the clock of a source's own subscription runs out."""

    ends: Mapping[str, datetime] = field(default_factory=dict)
    others: int = 0
    _places: list[Place] = field(default_factory=list)

    def add(self, kind: SourceKind, label: str | None, seconds: float, runs_out: str) -> None:
        """One source of which something is left."""
        ends = self.ends.get(label or "")
        is_mail = kind is SourceKind.MAIL
        if runs_out:
            reason = runs_out
        elif ends is not None:
            reason = f"the clock of its subscription runs out first, at {timestamp(ends)}"
        elif is_mail:
            reason = "one mailbox has four places, whoever copies: the largest sets the floor"
        else:
            reason = "files share one budget: the order only decides what is safe first"
        self._places.append(
            Place(
                0 if runs_out else 1 if ends is not None else 2,
                ends.timestamp() if ends is not None else 0.0,
                0 if is_mail else 1,
                -seconds,
                label or CONCEALED,
                seconds,
                reason,
            )
        )
        if len(self._places) > 4 * KEPT:
            self._cut()

    def first(self) -> list[Place]:
        """The first places, in order."""
        self._cut()
        return list(self._places)

    def _cut(self) -> None:
        self._places.sort()
        self.others += max(0, len(self._places) - KEPT)
        del self._places[KEPT:]
