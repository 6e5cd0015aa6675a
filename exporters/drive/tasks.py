"""One item to work on, and what came of it.

Rules of this file: vocabulary, and what each request of a task has in common. Source: design §4, quirks Q-013, Q-028.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from exporters.drive.download import Captured
from exporters.drive.exceptions import ONENOTE_EXTENSIONS, stays
from exporters.drive.facts import JsonObject
from exporters.errors import LastcopyError
from exporters.graph.calls import segment
from exporters.graph.errors import NotFoundError
from exporters.outcomes import ExceptionCode

ONENOTE_PATIENCE_SECONDS = 20.0


@dataclass(frozen=True, slots=True)
class Task:
    """One item to work on.

    facts: as listed. row: what we hold of it under its kind, or None. former: its row under the kind that it had last, if that is
    another. is_owed: a row has to settle it. key: place planned for new bytes, None where none are needed. beside: place planned
    for bytes that were refused, where its earlier versions alone are asked for. versions: "current", "all" or a number. attached:
    rows that hang on it (kinds `version`, `versions`, `permission`), by kind and id."""

    facts: JsonObject
    path: str
    row: JsonObject | None
    key: str | None
    another_key: Callable[[], str]
    version_key: Callable[[str, str, str], str]
    is_owed: bool = True
    beside: str | None = None
    versions: str | int = "current"
    wants_permissions: bool = False
    former: JsonObject | None = None
    attached: Mapping[tuple[str, str], JsonObject] = field(default_factory=dict)

    @property
    def asks(self) -> bool:
        """Whether it needs any request."""
        return self.key is not None or self.versions != "current" or self.wants_permissions

    @property
    def size(self) -> int:
        """Bytes to receive, as listed."""
        return 0 if self.key is None else int(self.facts["service"].get("size") or 0)


@dataclass(slots=True)
class Done:
    """What came of a task: ledger rows in order, as (type, value)."""

    rows: list[tuple[str, JsonObject]] = field(default_factory=list)
    bytes_received: int = 0
    was_downloaded: bool = False
    is_new: bool = False
    """Held for the first time, or with newer bytes."""
    is_put_aside: bool = False
    """The bytes are not as listed, for no known reason, and are to be read again in the next run."""

    def add_exception(self, row: JsonObject, before: JsonObject | None) -> None:
        """Add an item row that may be an exception, unless it says just what `before` says."""
        stays(row, before)
        if row != before:
            self.rows.append(("item", row))


class Watch(Protocol):
    """Who watches over the contents of a drive. See `refusals`."""

    def served(self) -> None: ...

    def refused(self, error: LastcopyError) -> None: ...

    def check(self) -> None:
        """Raises: SourceError if the drive is not worth asking any more."""
        ...


def item_route(drive: str, item_id: str) -> str:
    """The route of an item, without host and version."""
    return f"/drives/{segment(drive)}/items/{segment(item_id)}"


def asked_twice(capture: Callable[[], Captured]) -> Captured:
    """ "Not found" is asked once more: a fresh replica may lag (Q-013)."""
    try:
        return capture()
    except NotFoundError:
        return capture()


def patience_of(task: Task) -> float | None:
    """Some OneNote sections answer 503 for ever and must not use up the drive's patience (Q-028): one try is enough for those
    that did so before."""
    if not task.facts["name"].lower().endswith(ONENOTE_EXTENSIONS):
        return None
    did_so = task.row is not None and task.row.get("code") == ExceptionCode.ONENOTE_UNAVAILABLE
    return 0.0 if did_so else ONENOTE_PATIENCE_SECONDS
