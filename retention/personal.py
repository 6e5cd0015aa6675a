"""Clocks of one user, drive, file, group or package, as far as somebody has to be told of them. Pure.

Rules of this file: no clock, no I/O. An object is what happened to somebody or something, with its place in the journal; what
came of it is reckoned by `related_clocks`. Of several words about one thing the earliest rules. Of a mark only the smallest
threshold that is due is told. Source: retention-domain §2.3, §5 (personal and object clocks); docs/decisions/0076.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from exporters.bag.formats import JsonObject
from exporters.clock import timestamp
from retention.reminders import DAY, SEVERITIES, object_thresholds, severity_of
from retention.tracked import Personal

if TYPE_CHECKING:  # a sweep that has nothing to say of anybody needs no policy
    from retention.policy import Policy

MEANINGS = {
    "mailbox_at_risk_from": "the mailbox may be removed",
    "onedrive_read_only_from": "the OneDrive is read-only",
    "onedrive_archived_from": "the OneDrive is archived, and nobody can read it",
    "user_restore_until": "the user cannot be restored any more",
    "onedrive_recycle_from": "the OneDrive goes to the recycle bin",
    "onedrive_purge_from": "the OneDrive is deleted for good",
    "onedrive_unreadable_from": "nobody can read the OneDrive any more",
    "group_restore_until": "the group cannot be restored any more",
    "recycle_purge_from": "it leaves the recycle bin for good",
    "recoverable_until": "the mail cannot be recovered any more",
    "package_expires": "the export package expires",
    "keep_until": "the time of this copy is over, and it may be disposed of",
    "lock_ends": "the lock of this copy ends, and it is to be kept longer",
}
"""What each mark means, for what is to come and for what is over."""


LONG_OVER = timedelta(days=31)
"""What had passed so long before anybody knew of it is told no more: nothing can be done, and most of it was seen to."""


@dataclass(frozen=True, slots=True)
class Mark:
    """One instant of one thing."""

    owner: Personal
    kind: str
    at: datetime

    def as_json(self) -> JsonObject:
        return {"object": self.owner.id, "name": self.owner.name, "mark": self.kind, "at": timestamp(self.at)}


@dataclass(frozen=True, slots=True)
class Item:
    """A mark with the threshold that is due."""

    mark: Mark
    days: int

    @property
    def severity(self) -> str:
        return severity_of(self.mark.kind, self.days)

    def as_json(self) -> JsonObject:
        return {**self.mark.as_json(), "threshold_days": self.days, "severity": self.severity}


@dataclass(frozen=True, slots=True)
class Told:
    """How far somebody was told: what is due until then, of things that the first so many rows of the journal speak of."""

    until: datetime
    rows: int


def marks_of(policy: "Policy", things: Iterable[Personal], *, zone: str | None, segment: str) -> list[Mark]:
    """Every mark that runs, in the order of time. Raises: EventError."""
    from retention.related_clocks import object_marks, read_object_event

    earliest: dict[tuple[str, str, str], Mark] = {}
    for one in things:
        reckoned = object_marks(policy, read_object_event(one.event, zone=zone), segment=segment)
        for kind, at in reckoned.clocks.items():
            place = (one.kind, one.name.casefold(), kind)
            if at is not None and (place not in earliest or at < earliest[place].at):
                earliest[place] = Mark(one, kind, at)
    return sorted(earliest.values(), key=lambda mark: (mark.at, mark.owner.name, mark.kind))


def due_by(marks: Iterable[Mark], until: datetime, told: Told | None) -> list[Item]:
    """Of each mark the smallest threshold that is due by `until`, unless it was told. told: what was, None: nothing ever."""
    found = []
    for mark in marks:
        due = [days for days in object_thresholds([mark.kind])[mark.kind] if mark.at - days * DAY <= until]
        if not due:
            continue
        is_due_since = told is not None and mark.at - due[-1] * DAY > told.until
        is_new = (told is None or mark.owner.number > told.rows) and until - mark.at <= LONG_OVER
        if is_due_since or is_new:
            found.append(Item(mark, due[-1]))
    return found


def loudest(items: Sequence[JsonObject]) -> str:
    """The severity of a digest: the highest of what is in it."""
    return max((str(item["severity"]) for item in items), key=SEVERITIES.index)


def ahead(marks: Iterable[Mark], now: datetime) -> list[Mark]:
    """The marks that lie ahead, or passed within the last day."""
    return [mark for mark in marks if mark.at > now - timedelta(days=1)]
