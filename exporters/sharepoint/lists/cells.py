"""Columns of a list → columns of a table; values as served → text of its cells: decisions without I/O.

Rules of this file: nothing is guessed: what has no form of its own stands as JSON; dates stand as served; who or what a number
stands for is written beside the number, `null` where that is gone (Q-063); no cell begins with what a spreadsheet takes for
a formula. The JSON is the record. Source: graph.md §5.4, design §10 (CSV cells), RFC 4180.
"""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from dataclasses import dataclass
from typing import Any, Literal

from exporters.bag.formats import JsonObject
from exporters.graph.answers import object_of, objects_of, text_of

JOINT = "; "
"""Between the values of a cell that holds several."""
NONE = "null"
"""For what a number stands for that nothing has any more."""
_DANGEROUS = ("=", "+", "-", "@", "\t", "\r")
_LOOKUP = "LookupId"
_PEOPLE = "Author", "Editor"
_OF_ALL: tuple[tuple[str, str], ...] = (
    ("ContentType", "Content Type"), ("Created", "Created"), ("Author", "Created By"), ("Modified", "Modified"),
    ("Editor", "Modified By"), ("_UIVersionString", "Version"), ("Attachments", "Attachments"),
)  # fmt: skip
"""What items have whether or not the list's columns name it: internal name, and name shown."""
_NEVER = frozenset({"id", "ID", "@odata.etag"})
Resolve = Callable[[str, str, str], str | None]
"""(list, column of it, item id) → what that column says there; None if that list has no such item; empty if nothing is held of
the list. The list of people is `people`."""
PEOPLE_LIST = "people"


@dataclass(frozen=True, slots=True)
class Column:
    """A column of the table. kind: the value, or the numbers of what it looks up. of: where, as (list, column)."""

    name: str
    title: str
    kind: Literal["value", "ids"] = "value"
    of: tuple[str, str] | None = None

    def cell(self, fields: Mapping[str, Any], resolve: Resolve) -> str:
        """The text for an item."""
        if self.kind == "ids":
            return JOINT.join(_ids(self.name, fields))
        if self.of is None:
            return text_of_value(fields.get(self.name))
        return JOINT.join(_values(self.name, fields, self.of, resolve))


def columns_of(schema: Iterable[Mapping[str, Any]], seen: Set[str], own_list: str) -> list[Column]:
    """The columns of the table. schema: as `/columns` served them. seen: names of fields that any item has.

    Hidden columns are left out; what items have and no column names comes last.
    """
    known: dict[str, Mapping[str, Any]] = {}
    for column in schema:
        if name := text_of(column.get("name")):
            known.setdefault(name, column)
    shown = [name for name, column in known.items() if _is_shown(name, column)]
    titles = {name: text_of(known[name].get("displayName")) or name for name in shown}
    for name, title in _OF_ALL:
        if name not in known and (name in seen or f"{name}{_LOOKUP}" in seen):
            titles[name] = title
    bases = {name.removesuffix(_LOOKUP) for name in seen}
    for name in sorted(bases - {*known, *titles} - _NEVER):
        titles[name] = name
    found = [Column("id", "ID")]
    for name, title in titles.items():
        found += _columns(name, title, known.get(name, {}), seen, own_list)
    return _told_apart(found)


def _is_shown(name: str, column: Mapping[str, Any]) -> bool:
    return name not in _NEVER and column.get("hidden") is not True


def _columns(name: str, title: str, column: Mapping[str, Any], seen: Set[str], own_list: str) -> list[Column]:
    of: tuple[str, str] | None = None
    if name in _PEOPLE or isinstance(column.get("personOrGroup"), dict):
        of = (PEOPLE_LIST, "Title")
    elif isinstance(column.get("lookup"), dict):
        lookup = object_of(column.get("lookup"))
        of = (text_of(lookup.get("listId")) or own_list, text_of(lookup.get("columnName")) or "Title")
    elif f"{name}{_LOOKUP}" in seen:
        return (
            [Column(name, title), Column(name, f"{title} (id)", "ids")]
            if name in seen
            else [Column(name, f"{title} (id)", "ids")]
        )
    return (
        [Column(name, title)] if of is None else [Column(name, title, of=of), Column(name, f"{title} (id)", "ids", of)]
    )


def _told_apart(columns: Sequence[Column]) -> list[Column]:
    """Titles that come more than once get the internal name, and if need be a number."""
    count: dict[str, int] = {}
    for column in columns:
        count[column.title] = count.get(column.title, 0) + 1
    found, taken = [], set[str]()
    for column in columns:
        title = column.title if count[column.title] == 1 else f"{column.title} [{column.name}]"
        base, number = title, 1
        while title in taken:
            number += 1
            title = f"{base} {number}"
        taken.add(title)
        found.append(Column(column.name, title, column.kind, column.of))
    return found


def _ids(name: str, fields: Mapping[str, Any]) -> list[str]:
    value = fields.get(f"{name}{_LOOKUP}", fields.get(name))
    entries = value if isinstance(value, list) else [value]
    found = [object_of(entry).get(_LOOKUP) if isinstance(entry, dict) else entry for entry in entries]
    if f"{name}{_LOOKUP}" not in fields:  # a value that names no number has none
        found = [object_of(entry).get(_LOOKUP) for entry in entries]
    return [str(one) for one in found if one is not None]


def _values(name: str, fields: Mapping[str, Any], of: tuple[str, str], resolve: Resolve) -> list[str]:
    """What each number stands for: as the value itself says, else as the list that is looked up does, else nothing."""
    value = fields.get(name)
    told = objects_of(value) if isinstance(value, list) else objects_of([value])
    if told:
        return [_resolved(entry, of, resolve) for entry in told]
    if isinstance(value, str) and value:
        return [value]
    if f"{name}{_LOOKUP}" in fields:
        return [_shown(resolve(*of, one)) for one in _ids(name, fields)]
    return [] if value is None else [text_of_value(value)]


def _resolved(entry: JsonObject, of: tuple[str, str], resolve: Resolve) -> str:
    number, told = entry.get(_LOOKUP), entry.get("LookupValue")
    if told is not None or number is None:
        return text_of_value(told)
    return _shown(resolve(*of, str(number)) or None)


def _shown(found: str | None) -> str:
    """Who or what is not there any more is said to be none: its number stands beside it."""
    return NONE if found is None else found


def text_of_value(value: Any) -> str:
    """The text of any value as served."""
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return JOINT.join(text_of_value(entry) for entry in value)
    if isinstance(value, dict):
        return _text_of_object(value)
    return json.dumps(value)


def _text_of_object(value: JsonObject) -> str:
    if (label := text_of(value.get("Label"))) is not None:  # managed metadata
        return label
    if "LookupValue" in value:
        return text_of(value.get("LookupValue")) or ""
    if (url := text_of(value.get("Url"))) is not None:
        description = text_of(value.get("Description"))
        return url if not description or description == url else f"{description} <{url}>"
    if (name := text_of(value.get("DisplayName"))) is not None:  # a place
        rest = _leaves({key: part for key, part in value.items() if key != "DisplayName"})
        return f"{name} ({', '.join(rest)})" if rest else name
    return json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":"))


def _leaves(value: Any) -> list[str]:
    """All texts and numbers in a structure."""
    if isinstance(value, dict):
        return [leaf for part in value.values() for leaf in _leaves(part)]
    if isinstance(value, list):
        return [leaf for part in value for leaf in _leaves(part)]
    return [text] if (text := text_of_value(value)) else []


def safe_cell(text: str) -> str:
    """The text as a cell that no spreadsheet takes for a formula."""
    return f"'{text}" if text.startswith(_DANGEROUS) else text
