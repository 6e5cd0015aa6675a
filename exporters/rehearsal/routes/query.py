"""Query options, taken strictly: what a route does not know is an error and not ignored.

Rules of this file: a parameter may come once; properties are those of the published schema.
Source: reference/graph.md 12 (strict), 3.1; properties.json holds the names of the v1.0 schema.
"""

import functools
from collections.abc import Collection
from pathlib import Path
from urllib.parse import unquote_plus

from exporters.rehearsal.documents import Row, parse
from exporters.rehearsal.routes.answers import bad_request

_ANNOTATIONS = {"@microsoft.graph.downloadUrl": "@microsoft.graph.downloadUrl"}
_ANNOTATIONS["content.downloadUrl"] = _ANNOTATIONS["@microsoft.graph.downloadUrl"]


@functools.cache
def properties_of(resource: str) -> frozenset[str]:
    """Names of the properties of a resource in the v1.0 schema."""
    known: dict[str, list[str]] = parse((Path(__file__).parent.parent / "properties.json").read_bytes())
    return frozenset(known[resource])


def parse_query(query: str, allowed: Collection[str]) -> dict[str, str]:
    """The parameters by name, decoded once. Raises ApiError 400 for unknown or repeated ones."""
    found: dict[str, str] = {}
    for part in query.split("&") if query else ():
        name, _, value = part.partition("=")
        name = unquote_plus(name)
        known = name if name in allowed else f"${name}" if f"${name}" in allowed else None
        if known is None:
            here = ", ".join(sorted(allowed)) or "none"
            raise bad_request(f"The query parameter '{name}' is not known here. Known: {here}.")
        if known in found:
            raise bad_request(f"The query parameter '{name}' was given more than once.")
        found[known] = unquote_plus(value)
    return found


def top(parameters: dict[str, str], default: int, most: int) -> int:
    """`$top`, or the default. Raises ApiError 400."""
    text = parameters.get("$top")
    if text is None:
        return default
    if not text.isdecimal() or int(text) < 1:
        raise bad_request("Invalid value for $top: a number from 1 on is expected.")
    if int(text) > most:
        raise bad_request(f"Invalid page size specified: '{text}'. Must be between 1 and {most} inclusive.")
    return int(text)


def capped_top(parameters: dict[str, str], default: int, most: int) -> int:
    """`$top` where the service quietly gives less. Raises ApiError 400 for what is no number."""
    return min(top(parameters, default, 1 << 31), most)


def selection(parameters: dict[str, str], resource: str) -> tuple[str, ...] | None:
    """The properties of `$select`; None without it. Raises ApiError 400 for one that the schema lacks."""
    text = parameters.get("$select")
    if text is None:
        return None
    names = tuple(name.strip() for name in text.split(",") if name.strip())
    known = properties_of(resource)
    for name in names:
        if name.partition("/")[0] not in known and not (resource == "driveItem" and name in _ANNOTATIONS):
            raise bad_request(f"Could not find a property named '{name}' on type 'microsoft.graph.{resource}'.")
    return names


def project(row: Row, names: tuple[str, ...] | None) -> Row:
    """The row cut down to the selected properties; annotations only where they were asked for."""
    if names is None:
        return row
    wanted = [_ANNOTATIONS.get(name, name.partition("/")[0]) for name in names]
    return {name: row[name] for name in wanted if name in row}
