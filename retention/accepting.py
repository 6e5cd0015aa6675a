"""The verb `accept`: what can be accepted, and the row that says who did.

Rules of this file: only what a run that ended has shown, save what can never be covered, and that nobody has a name of the
configuration: both are known beforehand. What is accepted in one command stands in one segment, or none of it
does. A name that means several sources is refused. Source: design §4 (the journal), §6.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime

from exporters.bag.formats import EXCEPTIONS, JsonObject, load_json
from exporters.bag.keys import folded
from exporters.bag.lines import read_lines
from exporters.clock import Clock
from exporters.errors import ConfigurationError
from exporters.outcomes import ExceptionCode
from exporters.store.errors import ObjectMissingError
from exporters.store.protocol import Store
from retention.acceptance import BUILT_LATER, NOT_BUILT, NOT_FOUND, REFUSED, Acceptances, digest_of, place_of
from retention.classes import CLASSES
from retention.config import Config
from retention.covering import coverage_by
from retention.findings import PASSING, REASONS
from retention.history import History
from retention.journal import Journal
from retention.selection import Names, means, records_of, unknown_source

KNOWN = frozenset({*map(str, ExceptionCode), *REASONS, *REFUSED, NOT_BUILT, NOT_FOUND})


def accept(
    store: Store, clock: Clock, *, code: str, source: str | None, by: str, reason: str
) -> tuple[JsonObject, int]:
    """Write an acceptance into the journal; return what was written, and how many items it covers.

    Raises: ConfigurationError, errors of the store.
    """
    journal = Journal(store, clock)
    row, items = _of_code(store, clock, Acceptances.of(journal.rows()), code, source)
    row |= {"by": by, "reason": reason}
    journal.append([row])
    return row, items


def accept_all(
    store: Store, config: Config, clock: Clock, *, codes: Sequence[str], source: str | None, by: str, reason: str
) -> list[tuple[JsonObject, int]]:
    """The same for several codes, some of which may be classes of content that are not covered (of these the number is that of
    sources, 0 for the tenant as a whole). Raises: ConfigurationError, RunError, errors of the store."""
    journal = Journal(store, clock)
    history = History.of_rows(journal.rows())
    made: list[tuple[JsonObject, int]] = []
    for code in dict.fromkeys(codes):
        if code in CLASSES or any(row.name == code for row in coverage_by(store, config, history)):
            row, number = _of_class(store, config, history, code, source)
        else:
            row, number = _of_code(store, clock, history.acceptances, code, source)
        made.append((row | {"by": by, "reason": reason}, number))
    journal.append([row for row, _ in made])
    return made


def _of_class(store: Store, config: Config, history: History, name: str, source: str | None) -> tuple[JsonObject, int]:
    """The acceptance of a class in the states that it has now, less what is accepted already."""
    rows = [row for row in coverage_by(store, config, history) if row.name == name and row.counts]
    names, wide = Names(records_of(store)), {row.digest for row in rows if row.place is None}
    if source is not None:
        labels = {row.place: names.labels_of_bag(row.place) | {row.source} for row in rows if row.place is not None}
        wide, rows = set(), [row for row in rows if row.place is not None and _means_one(source, labels[row.place])]
    places = {row.place: row.digest for row in rows if row.place is not None}
    if not wide and not places:
        of_it = "" if source is None else f" at {source} alone"
        raise ConfigurationError(
            f"there is nothing of the class {name!r} to accept{of_it}: it is covered, or no run has shown it",
            code="code_not_shown",
            action="See what is not covered with `lastcopy ready`.",
        )
    row: JsonObject = {"type": "accepted", "code": name, "class": True}
    row["digest"] = min(wide) if wide else digest_of("class", name, *sorted(places.values()))
    row |= {"source": source} if source is not None else {}
    row |= {"places": dict(sorted(places.items()))} if places else {}
    return row, len(places)


def _means_one(source: str, labels: Iterable[str | None]) -> bool:
    return means(source, [label for label in labels if label is not None])


def _of_code(store: Store, clock: Clock, told: Acceptances, code: str, source: str | None) -> tuple[JsonObject, int]:
    """The acceptance of exceptions, or of a finding about whole sources, and how many items it covers."""
    if code in PASSING:
        raise ConfigurationError(
            f"{code!r} cannot be accepted: it passes",
            code="not_acceptable",
            action="Run `lastcopy export` again, at a quiet hour if need be.",
        )
    names = Names(records_of(store))

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
    row: JsonObject = {"type": "accepted", "code": code}
    row |= {"source": place} if place is not None else {}
    row |= {"wholes": dict(sorted(wholes.items()))} if wholes else {}
    return row, items.get(code, 0)


def _place(names: Names, told: Acceptances, source: str, code: str, shows: Callable[[str], bool]) -> str:
    """The bag that is meant, a class, or the name of a source that has no bag. A name of several (a user's OneDrive and mailbox
    have one) means the only one that shows the code. Raises: ConfigurationError."""
    if code == NOT_BUILT:
        if source not in BUILT_LATER:
            raise unknown_source(source, list(BUILT_LATER))
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
