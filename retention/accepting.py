"""The verb `accept`: what can be accepted, and the row that says who did.

Rules of this file: only what a run that ended has shown, save that a class is not built and that nobody has a name of the
configuration: both are known beforehand. A name that means several sources is refused. Source: design §4 (the journal), §6.
"""

from collections.abc import Callable, Iterable, Iterator
from datetime import datetime

from exporters.bag.formats import EXCEPTIONS, JsonObject, load_json
from exporters.bag.keys import folded
from exporters.bag.lines import read_lines
from exporters.clock import Clock
from exporters.errors import ConfigurationError
from exporters.outcomes import ExceptionCode
from exporters.store.errors import ObjectMissingError
from exporters.store.protocol import Store
from retention.acceptance import CLASSES, NOT_BUILT, NOT_FOUND, REFUSED, Acceptances, digest_of, place_of
from retention.findings import PASSING, REASONS
from retention.journal import Journal
from retention.selection import Names, means, records_of, unknown_source

KNOWN = frozenset({*map(str, ExceptionCode), *REASONS, *REFUSED, NOT_BUILT, NOT_FOUND})


def accept(
    store: Store, clock: Clock, *, code: str, source: str | None, by: str, reason: str
) -> tuple[JsonObject, int]:
    """Write an acceptance into the journal; return what was written, and how many items it covers.

    Raises: ConfigurationError, errors of the store.
    """
    if code in PASSING:
        raise ConfigurationError(
            f"{code!r} cannot be accepted: it passes",
            code="not_acceptable",
            action="Run `lastcopy export` again, at a quiet hour if need be.",
        )
    journal = Journal(store, clock)
    told, names = Acceptances.of(journal.rows()), Names(records_of(store))

    def shows(bag: str) -> bool:
        """Whether a source has something that would be accepted."""
        return code in told.shown.get(bag, {}) or code in _items(store, [bag], told, clock.now())

    place = None if source is None else _place(names, told, source, code, shows)
    wholes = {p: found[code] for p, found in told.shown.items() if code in found and place in {None, p}}
    if code == NOT_FOUND and place is not None and place.startswith("name:"):
        wholes[place] = digest_of(NOT_FOUND)
    bags = [bag for bag in names.bags([]) if code != NOT_BUILT and place in {None, bag}]
    items = _items(store, bags, told, clock.now())
    if code != NOT_BUILT and not wholes and code not in items:
        seen = {c for p, found in told.shown.items() if place in {None, p} for c in found}
        raise _not_shown(code, source, {*seen, *items} - PASSING, told)
    row: JsonObject = {"type": "accepted", "code": code, "by": by, "reason": reason}
    row |= {"source": place} if place is not None else {}
    row |= {"wholes": dict(sorted(wholes.items()))} if wholes else {}
    journal.append([row])
    return row, items.get(code, 0)


def _place(names: Names, told: Acceptances, source: str, code: str, shows: Callable[[str], bool]) -> str:
    """The bag that is meant, a class, or the name of a source that has no bag. A name of several (a user's OneDrive and mailbox
    have one) means the only one that shows the code. Raises: ConfigurationError."""
    if code == NOT_BUILT:
        if source not in CLASSES:
            raise unknown_source(source, list(CLASSES))
        return source
    exact = names.bag_of(source) or (source if source in told.shown and source.startswith("name:") else None)
    if exact is not None:
        return exact
    found = [bag for bag in names.bags([]) if means(source, names.labels_of_bag(bag))]
    nameless = [p for p in told.shown if p.startswith("name:") and means(source, [p.removeprefix("name:")])]
    if len({bag.partition("/")[0] for bag in found}) == len(found) > 1:  # of several of one kind a person has to choose
        found = [bag for bag in found if shows(bag)] or found
    if len(found) + len(nameless) > 1:
        raise _ambiguous(source, [*map(names.described, found), *nameless])
    if found or nameless:
        return (found + nameless)[0]
    if code == NOT_FOUND and "/" in source:
        return place_of(None, folded(source))
    raise unknown_source(source, names.bags([]))


def _items(store: Store, bags: Iterable[str], told: Acceptances, now: datetime) -> dict[str, int]:
    """How many exceptions of each code an acceptance would cover now."""
    found: dict[str, int] = {}
    for bag in bags:
        for row in _exceptions(store, bag):
            if told.is_shown(str(row.get("run")), bag, datetime.fromisoformat(row["captured"]), now):
                found[row["code"]] = found.get(row["code"], 0) + 1
    return found


def _exceptions(store: Store, bag: str) -> Iterator[JsonObject]:
    """The exceptions in the last fold of a bag; none if there is no fold."""
    try:
        for line in read_lines(store, f"{bag}/{EXCEPTIONS}"):
            yield load_json(line)
    except (ObjectMissingError, ValueError):
        return


def _ambiguous(source: str, candidates: list[str]) -> ConfigurationError:
    return ConfigurationError(
        f"{len(candidates)} sources have, or have had, the name {source!r}",
        code="source_ambiguous",
        action=f"Name one as kind/NAME, or by its id: {'; '.join(candidates)}.",
    )


def _not_shown(code: str, source: str | None, seen: set[str], told: Acceptances) -> ConfigurationError:
    allowed = ", ".join(sorted(seen - {ExceptionCode.VANISHED.value})) or "nothing"
    of_it = "" if source is None else f" of {source}"
    if code not in KNOWN and not any(code in found for found in told.shown.values()):
        return ConfigurationError(
            f"there is no exception {code!r}", code="code_unknown", action=f"What can be accepted{of_it}: {allowed}."
        )
    return ConfigurationError(
        f"no run that has ended shows {code!r}{of_it}, and nothing is accepted in advance",
        code="code_not_shown",
        action=f"What can be accepted{of_it} now: {allowed}.",
    )
