"""`$filter` and `$orderby` of mailboxes, as far as an exporter may want them; the rest is refused with a reason.

Rules of this file: comparisons of one property with a literal, joined by `and`; dates compare as instants; sorting takes that
each property is filtered too, in the same order.
Source: reference/graph.md 3.3; data/graph/errors/400-inefficient-filter.json.
"""

import re
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

from exporters.rehearsal.documents import Row
from exporters.rehearsal.routes.answers import ApiError, bad_request
from exporters.rehearsal.routes.query import properties_of

Test = Callable[[Row], bool]
_TERM = re.compile(r"^(\w[\w/]*)\s+(eq|ne|ge|gt|le|lt)\s+(.+)$")
_INSTANT = re.compile(r"^\d{4}-\d\d-\d\dT")
_COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "eq": lambda one, other: bool(one == other),
    "ne": lambda one, other: bool(one != other),
    "ge": lambda one, other: bool(one >= other),
    "gt": lambda one, other: bool(one > other),
    "le": lambda one, other: bool(one <= other),
    "lt": lambda one, other: bool(one < other),
}


def instant(text: str) -> datetime:
    """An aware instant of Graph's dates, which have up to seven digits of a second. Raises ValueError."""
    head, _, rest = text.replace("Z", "+00:00").partition(".")
    if not rest:
        return datetime.fromisoformat(head)
    digits, zone = re.match(r"(\d*)(.*)", rest).groups()  # type: ignore[union-attr]  # it fits anything
    return datetime.fromisoformat(f"{head}.{digits[:6]:0<6}{zone}")


def filtered(parameters: dict[str, str], resource: str) -> tuple[Test | None, list[str]]:
    """The test of `$filter`, and the properties it names, in order. Raises ApiError 400."""
    text = parameters.get("$filter")
    if text is None:
        return None, []
    tests, names = [], []
    for term in re.split(r"\s+and\s+", text.strip()):
        name, test = _term(term.strip(), resource)
        names.append(name)
        tests.append(test)
    return (lambda row: all(test(row) for test in tests)), names


def _term(term: str, resource: str) -> tuple[str, Test]:
    found = _TERM.match(term)
    if found is None:
        raise bad_request(f"'{term}' is not served as a filter here. Known: PROPERTY eq|ne|ge|gt|le|lt VALUE.")
    name, operator, literal = found.groups()
    if name not in properties_of(resource):
        raise bad_request(f"Could not find a property named '{name}' on type 'microsoft.graph.{resource}'.")
    wanted, compare = _literal(literal), _COMPARE[operator]

    def test(row: Row) -> bool:
        value = row.get(name)
        if isinstance(wanted, datetime):
            value = instant(value) if isinstance(value, str) and _INSTANT.match(value) else None
        if value is None or wanted is None or type(value) is not type(wanted):
            return operator == "ne" if value != wanted else operator == "eq"
        return compare(value, wanted)

    return name, test


def _literal(text: str) -> Any:
    if text in ("true", "false", "null"):
        return {"true": True, "false": False, "null": None}[text]
    if text.startswith("'") and text.endswith("'") and len(text) > 1:
        return text[1:-1].replace("''", "'")
    if _INSTANT.match(text):
        try:
            return instant(text)
        except ValueError as error:
            raise bad_request(f"'{text}' is not a date.") from error
    if text.lstrip("-").isdecimal():
        return int(text)
    raise bad_request(f"'{text}' is not a literal that is served here.")


def sorted_by(parameters: dict[str, str], filters: list[str], resource: str) -> tuple[str, bool] | None:
    """Property and whether downwards, of `$orderby`; one property is served. Raises ApiError 400."""
    text = parameters.get("$orderby")
    if text is None:
        return None
    names = [part.split() for part in text.split(",")]
    if filters and filters[: len(names)] != [name[0] for name in names]:
        message = "The restriction or sort order is too complex for this operation."
        raise ApiError(400, "InefficientFilter", message)
    if len(names) != 1 or names[0][0] not in properties_of(resource):
        raise bad_request(f"Sorting by '{text}' is not served here.")
    return names[0][0], names[0][1:] == ["desc"]


def chosen(
    parameters: dict[str, str], numbers: Sequence[int], row: Callable[[int], Row], resource: str
) -> Sequence[int]:
    """`numbers` after `$filter` and `$orderby`; rows are only read if there is one of the two. Raises ApiError 400."""
    test, names = filtered(parameters, resource)
    order = sorted_by(parameters, names, resource)
    if test is not None:
        numbers = [n for n in numbers if test(row(n))]
    if order is not None:
        numbers = sorted(numbers, key=lambda n: str(row(n).get(order[0]) or ""), reverse=order[1])
    return numbers
