"""What a person accepted, and what that covers.

Rules of this file: an acceptance covers what the last run that ended before it showed, and nothing else. The order of rows in the
journal decides, not clocks. Of items: what runs found that had ended by then. Of a whole source: the very finding (its digest),
as long as each run that looks at that source shows it. Of a class of content that is not covered: the very state of it, of all
sources or of those that it names. A source is its bag; `name:` and its label as long as it has none.
Source: design §4 (the journal), §6 (`accept`), docs/decisions/0022, 0088.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from exporters.bag.digests import Hashed
from exporters.bag.formats import JsonObject, dump_json
from exporters.bag.keys import folded

NOT_BUILT = "not_in_this_version"
NOT_FOUND = "source_not_found"
UNRECONCILED = "not_reconciled"
MASS = "mass_disappearance"
BUILT_LATER: tuple[str, ...] = ()
"""Classes of sources that a configuration may ask for and this version does not copy."""
REFUSED = frozenset(
    {
        *("access_denied", "drive_not_found", "locked", "no_drive", "no_mailbox", "no_sites", "not_found"),
        *("permission_missing", "site_archived", "site_locked"),
    }
)
"""Codes with which a source that is there says no: a run that hears one has heard of the others that they are over."""


def digest_of(*parts: str | None) -> str:
    """A name for a finding about a whole source. parts: its code, and what else makes it another one."""
    return Hashed.of(dump_json({"finding": parts}))


def place_of(bag: str | None, label: str) -> str:
    """What acceptances know a source by."""
    return f"name:{folded(label)}" if bag is None else bag


@dataclass(slots=True)
class _Accepted:
    """number: of its row in the journal. wholes: {place: digest} that it still covers."""

    number: int
    code: str
    source: str | None
    by: str
    at: datetime | None
    wholes: dict[str, str]


@dataclass(frozen=True, slots=True)
class _Class:
    """An acceptance of a class of content. places: {place: digest}; digest: of the class as a whole, None if it is of these
    places alone."""

    name: str
    by: str
    digest: str | None
    places: dict[str, str]


@dataclass(slots=True)
class _Run:
    """The numbers of its rows in the journal."""

    started: int
    ended: int | None = None


@dataclass(slots=True)
class Acceptances:
    """The journal, read for what people accepted and what they could see. shown: {place: {code: digest}} as the newest run
    that looked there showed it."""

    shown: dict[str, dict[str, str]] = field(default_factory=dict)
    _runs: dict[str, _Run] = field(default_factory=dict)
    _accepted: list[_Accepted] = field(default_factory=list)
    _classes: list[_Class] = field(default_factory=list)
    _looks: dict[str, list[int]] = field(default_factory=dict)
    """Of each bag: the rows in which runs ended that had looked at it, and shown what it holds."""
    _rows: int = 0

    @classmethod
    def of(cls, rows: Iterable[JsonObject]) -> "Acceptances":
        """rows: of the journal, oldest first."""
        found = cls()
        for row in rows:
            found.take(row)
        return found

    def of_items(self, code: str, bag: str, runs: Mapping[str, datetime]) -> list[str]:
        """Who accepted all exceptions of a bag that have this code; nobody if one of them is open.

        runs: those that found them, and when each found the newest.
        """
        names: list[str] = []
        entries = [entry for entry in self._accepted if entry.code == code and entry.source in {None, bag}]
        for run, newest in runs.items():
            by = [e.by for e in entries if self._had_shown(run, bag, newest, e.number, e.at)]
            if not by:
                return []
            names += by
        return list(dict.fromkeys(names))

    def of_whole(self, place: str, code: str, digest: str) -> list[str]:
        """Who accepted this finding about a whole source."""
        return list(dict.fromkeys(e.by for e in self._accepted if e.code == code and e.wholes.get(place) == digest))

    def of_class(self, name: str) -> list[str]:
        """Who accepted that a class is not copied."""
        found = (e.by for e in self._accepted if e.code == NOT_BUILT and e.source in {None, name})
        return list(dict.fromkeys(found))

    def of_content(self, name: str, place: str | None, digest: str) -> list[str]:
        """Who accepted that a class of content is in this state. place: None for what is the same in all sources."""
        found = (
            one.by
            for one in self._classes
            if one.name == name and digest == (one.digest if place is None else one.places.get(place))
        )
        return list(dict.fromkeys(found))

    def is_shown(self, run: str, bag: str, found: datetime, now: datetime) -> bool:
        """Whether an exception that this run found in a bag would be covered by an acceptance that is given now."""
        return self._had_shown(run, bag, found, self._rows, now)

    def _had_shown(self, run: str, bag: str, newest: datetime, number: int, at: datetime | None) -> bool:
        """Whether it was shown by then: by the run that found it, or by a later one if that was cut off, or ended in an error
        before it came to this bag. What a run without an end found by then counts by the clock."""
        known = self._runs.get(run)
        if known is None or not any(known.started < look < number for look in self._looks.get(bag, ())):
            return False
        if known.ended is not None:
            return known.ended < number
        return at is not None and newest <= at

    def take(self, row: JsonObject) -> None:
        """The next row of the journal."""
        kind, run = row.get("type"), str(row.get("run"))
        if kind == "run_started":
            self._runs.setdefault(run, _Run(self._rows))
        elif kind == "run_ended":
            self._runs.setdefault(run, _Run(self._rows)).ended = self._rows
            for bag in row.get("bags") or {}:
                self._looks.setdefault(bag, []).append(self._rows)
            self._end_what_is_over(self._show(row))
        elif kind == "accepted" and row.get("class"):
            digest = row["digest"] if isinstance(row.get("digest"), str) else None
            self._classes.append(_Class(row["code"], str(row.get("by")), digest, dict(row.get("places") or {})))
        elif kind == "accepted":
            at = datetime.fromisoformat(row["at"]) if "at" in row else None
            wholes = {
                place: digest
                for place, digest in (row.get("wholes") or {}).items()
                if row["code"] == NOT_FOUND or self.shown.get(place, {}).get(row["code"]) == digest
            }
            self._accepted.append(_Accepted(self._rows, row["code"], row.get("source"), str(row.get("by")), at, wholes))
        self._rows += 1

    def _show(self, ended: JsonObject) -> set[str]:
        """Take in what a run showed; return the places that it looked at."""
        wholes, refused = ended.get("wholes") or {}, ended.get("refused") or []
        places = {*(ended.get("bags") or {}), *wholes}
        for place in places:
            now, before = wholes.get(place, {}), self.shown.get(place, {})
            if place in (ended.get("unanswered") or []):  # nothing is known of what was
                self.shown[place] = {**now, **before}
            elif place in refused:  # what it holds could not be looked at
                kept = {code: digest for code, digest in before.items() if code not in {MASS, *REFUSED}}
                self.shown[place] = {**kept, **now}
            else:
                self.shown[place] = dict(now)
        if ended.get("all_sources"):
            lost = {place for place in self.shown if place.startswith("name:")} - places
            places |= lost | {p for e in self._accepted for p in e.wholes if p.startswith("name:")}
            for place in lost:
                del self.shown[place]
        return places

    def _end_what_is_over(self, places: set[str]) -> None:
        for entry in self._accepted:
            for place in places & entry.wholes.keys():
                if self.shown.get(place, {}).get(entry.code) != entry.wholes[place]:
                    del entry.wholes[place]
