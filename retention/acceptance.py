"""Accepting exceptions by name: what may be accepted, and the row that says so.

Rules of this file: only codes that a run can show; a source is kept as its bag, whose name never changes. Source: design §4 (the
journal), §6 (`accept`).
"""

from exporters.bag.formats import JsonObject
from exporters.clock import Clock
from exporters.errors import ConfigurationError
from exporters.outcomes import ExceptionCode
from exporters.store.protocol import Store
from retention.journal import Journal
from retention.selection import Names, means, records_of, unknown_source

NOT_BUILT = "not_in_this_version"
NOT_FOUND = "source_not_found"
UNRECONCILED = "not_reconciled"
CLASSES = ("mail", "sharepoint", "directory")
OF_SOURCES = frozenset(
    {
        NOT_BUILT,
        NOT_FOUND,
        UNRECONCILED,
        "mass_disappearance",
        "content_differs",
        "permission_missing",
        "access_denied",
        "site_locked",
        "locked",
        "no_drive",
        "not_found",
    }
)
"""Codes of whole sources, beside those of items."""


def accept(store: Store, clock: Clock, *, code: str, source: str | None, by: str, reason: str) -> JsonObject:
    """Write an acceptance into the journal; return what was written. Raises: ConfigurationError, errors of the store."""
    allowed = {str(item) for item in ExceptionCode} | OF_SOURCES | _seen_codes(store)
    if code not in allowed:
        raise ConfigurationError(
            f"there is no exception {code!r}", code="code_unknown", action=f"Allowed: {', '.join(sorted(allowed))}."
        )
    row: JsonObject = {"type": "accepted", "code": code, "by": by, "reason": reason}
    if source is not None:
        row["source"] = _place_of(store, source, code)
    Journal(store, clock).append([row])
    return row


def _place_of(store: Store, source: str, code: str) -> str:
    if source in CLASSES:
        return source
    records = list(records_of(store))
    names = Names(records)
    found = [bag for bag in names.bags([]) if means(source, names.labels_of_bag(bag))]
    if found:
        return found[0]
    if code in OF_SOURCES and "/" in source:
        return source  # a source that never had a bag
    raise unknown_source(source, names.bags([]))


def _seen_codes(store: Store) -> set[str]:
    """Codes that the newest run showed for whole sources."""
    from exporters.bag.formats import load_json

    newest = None
    for info in store.list("runs/"):
        newest = info.key
    if newest is None:
        return set()
    record = load_json(store.read(newest))
    rows = [row for source in record.get("sources", []) for row in source.get("coverage", [])]
    return {str(row["code"]) for row in rows if row.get("code")} | set(record.get("exceptions", {}))
