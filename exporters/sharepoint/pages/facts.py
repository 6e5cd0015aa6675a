"""A page as the service lists it → the facts that its rows hold.

Rules of this file: no I/O; each field may be missing or odd. Source: graph.md §5.4, docs/formats.md (bag of a site, rows).
"""

import hashlib
from typing import Final

from exporters.bag.formats import JsonObject, dump_json
from exporters.graph.answers import identifier_of, text_of
from exporters.outcomes import Outcome

KIND: Final = "page"
SCOPE: Final = ""
LIBRARY_PATH = "/Site Pages"
_TYPE = "#microsoft.graph.sitePage"
_COMPARED = ("name", "created", "modified", "service")


def facts_of(served: JsonObject) -> JsonObject | None:
    """The value of a `listed` row; None of something that has no id."""
    page_id = identifier_of(served.get("id"))
    if page_id is None:
        return None
    facts: JsonObject = {"kind": KIND, "scope": SCOPE, "id": page_id, "parent": None}
    facts["name"] = text_of(served.get("name")) or ""
    for name, at in (("created", "createdDateTime"), ("modified", "lastModifiedDateTime")):
        if text_of(served.get(at)):
            facts[name] = served[at]
    told = {name: text_of(served.get(name)) for name in ("eTag", "title")}
    facts["service"] = {name: value for name, value in told.items() if value is not None}
    if (of_type := text_of(served.get("@odata.type"))) not in {None, _TYPE}:
        facts["service"]["type"] = of_type
    return facts


def is_site_page(facts: JsonObject) -> bool:
    """Whether it can be asked for with its canvas; what else is listed (links to news elsewhere) has none."""
    return "type" not in facts["service"]


def same_facts(facts: JsonObject, row: JsonObject) -> bool:
    """Whether nothing is new of a page: neither by its eTag, nor by its date and names."""
    return all(facts.get(name) == row.get(name) for name in _COMPARED)


def facts_of_row(row: JsonObject) -> JsonObject:
    """The facts that a row holds, as they were listed."""
    names = ("kind", "scope", "id", "parent", *_COMPARED)
    return {name: row[name] for name in names if name in row}


def path_of(facts: JsonObject) -> str:
    """Where a page stands in its site."""
    return f"{LIBRARY_PATH}/{facts['name']}"


def is_alive(row: JsonObject) -> bool:
    """Whether the service lists it, as far as its row knows."""
    return bool(row["outcome"] != Outcome.GONE and row.get("code") != "vanished")


class Digest:
    """A name for what a listing says, in whatever order it comes."""

    def __init__(self) -> None:
        self._sum = 0

    def add(self, facts: JsonObject) -> None:
        """Take a page in."""
        self._sum += int.from_bytes(hashlib.sha256(dump_json(facts)).digest(), "big")

    @property
    def text(self) -> str:
        """64 hex digits."""
        return f"{self._sum % (1 << 256):064x}"
