"""Where the journal lies: in the store, or beside the state as long as there is no store.

Rules of this file: a journal beside the state ends with a row `moved` when its rows stand in the store; whoever loses that number
follows. A segment is copied once: the first line of its copy names the SHA-256 of what it was, and who wrote it.
Source: design §4 (the journal); docs/decisions/0071.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from exporters.bag.formats import JsonObject
from exporters.clock import Clock
from exporters.errors import ConfigurationError
from exporters.store.folder import FolderStore
from exporters.store.protocol import Store
from exporters.store.segments import ReplacedError, Segment
from retention.config import Config
from retention.journal import FOLDER, MOVED, Journal

SUFFIX = "-journal"
LOCAL = "local"
_COPIED = "copied"
_GUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")


@dataclass(frozen=True, slots=True)
class Place:
    """A store that holds the journal. name: tells one place from another; is_local: beside the state."""

    store: Store
    name: str
    is_local: bool


def local_folder(config: Config) -> Path:
    """The folder beside the state that holds the journal as long as there is no store."""
    url = config.settings.state
    prefix = "sqlite:///"
    if url.startswith(prefix):
        file = config.base / url.removeprefix(prefix)
        return file.with_name(f"{file.stem}{SUFFIX}")
    return config.base / f"lastcopy{SUFFIX}"


@contextmanager
def opened_place(config: Config, clock: Clock) -> Iterator[Place]:
    """Where the journal is now. Raises: ConfigurationError, errors of the store."""
    from retention.opening import configured_store, read_root

    local = local_folder(config)
    if config.settings.store is None:
        place = Place(FolderStore(local, url=f"file:{local}"), LOCAL, is_local=True)
        _refuse_moved(place, clock)
        yield place
        return
    store = configured_store(config, clock)
    try:
        root = read_root(store)
        if root is None:  # no export has made it a store yet
            yield Place(FolderStore(local, url=f"file:{local}"), LOCAL, is_local=True)
        else:
            _refuse_foreign(config, root)
            move(config, store, clock)
            yield Place(store, config.store.url, is_local=False)
    finally:
        store.close()


def move(config: Config, store: Store, clock: Clock) -> int:
    """Copy what lies beside the state into the store's journal, and end it there; return how many segments were copied.

    Called twice, in parallel, cut off: a segment may be copied twice, never left out; rows that say again what is known change
    nothing. Raises: errors of the store.
    """
    folder = local_folder(config)
    if not (folder / FOLDER).is_dir():
        return 0
    old, new, number = Journal(FolderStore(folder, url=f"file:{folder}"), clock), Journal(store, clock), 0
    segments = list(old.news())
    if not segments or _is_moved(segments[-1]):
        return 0
    there = {str(segment.first.get(_COPIED)) for segment in new.news() if segment.first.get(_COPIED)}
    while True:
        for segment in segments:
            if segment.position.sha256 not in there:
                _copy(segment, new)
                number += 1
        try:
            old.append_here([{"type": MOVED, "to": config.store.url}])
        except ReplacedError:  # a sweep was faster: its segment is copied too
            segments = list(old.news())
            if segments and _is_moved(segments[-1]):
                return number
            continue
        return number


def moved_to(rows: Iterator[JsonObject]) -> str | None:
    """Where a journal went on, if one of these rows says so."""
    return next((str(row.get("to")) for row in rows if row.get("type") == MOVED), None)


def _copy(segment: Segment, new: Journal) -> None:
    rows = list(segment.rows())
    while True:
        with suppress(ReplacedError):
            new.append_here(rows, first={_COPIED: segment.position.sha256, "written_by": segment.first.get("writer")})
            return
        for _ in new.news():
            pass


def _is_moved(segment: Segment) -> bool:
    return moved_to(segment.rows()) is not None


def _refuse_foreign(config: Config, root: JsonObject) -> None:
    """A slip in `store.url` must not lay one tenant's journal into the store of another. The configuration may name the tenant
    by a domain, which nobody can compare without asking it. Raises: ConfigurationError."""
    from retention.opening import refuse_foreign

    tenant, holder = config.settings.tenant, str(root["tenant"]["id"])
    if tenant is not None and _GUID.fullmatch(tenant.id) and _GUID.fullmatch(holder):
        refuse_foreign(root, {"id": holder if tenant.id.casefold() == holder.casefold() else tenant.id})


def _refuse_moved(place: Place, clock: Clock) -> None:
    """A journal that went on in a store is not written here again. Raises: ConfigurationError."""
    numbers = [info.key for info in place.store.list(FOLDER)]
    if not numbers:
        return
    last = int(numbers[-1].removeprefix(FOLDER).removesuffix(".jsonl"))
    to = moved_to(Journal(place.store, clock).segment(last).rows())
    if to is not None:
        raise ConfigurationError(
            f"the journal beside the state went on in {to}",
            code="journal_moved",
            action="Name that store as `store.url` in the configuration.",
        )
