"""One page: asked for with its canvas, and put into the store as it came.

Rules of this file: runs in a worker thread and touches neither state nor ledger; bytes that are held already are not stored
again; what is in the place of a page is taken over if it is the same. Source: design §4, graph.md §5.4.
"""

from dataclasses import dataclass

from exporters.bag.digests import Hashed
from exporters.bag.formats import JsonObject
from exporters.bag.ledger import BagWriter
from exporters.drive.download import WrongContentError
from exporters.drive.exceptions import code_of, reason_of
from exporters.errors import ItemError, LastcopyError, SourceError, TransientError
from exporters.graph.answers import json_object_and_bytes
from exporters.graph.calls import segment
from exporters.graph.errors import SiteLockedError
from exporters.graph.limits import Cost
from exporters.graph.session import GraphSession
from exporters.outcomes import ExceptionCode
from exporters.sharepoint.pages.facts import is_site_page
from exporters.store.errors import ObjectExistsError, ObjectMissingError

_CAST = "microsoft.graph.sitePage"


@dataclass(frozen=True, slots=True)
class Task:
    """A page to read. facts: as listed; row: what we hold of it; key: planned for bytes that are new. size: as far as it is
    known."""

    facts: JsonObject
    row: JsonObject | None
    key: str
    size: int = 0


@dataclass(frozen=True, slots=True)
class Done:
    """What came of it: bytes at a key, or an error. is_in_the_way: other bytes lie at the planned key; data: those that have no
    place yet."""

    task: Task
    key: str | None = None
    sha256: str = ""
    received: int = 0
    version_id: str | None = None
    is_new: bool = False
    error: LastcopyError | None = None
    data: bytes | None = None

    @property
    def is_in_the_way(self) -> bool:
        return self.data is not None

    @property
    def code(self) -> ExceptionCode | None:
        """Of the exception that it is."""
        return None if self.error is None else code_of(self.error)

    @property
    def reason(self) -> str | None:
        """More than the code says."""
        return None if self.error is None else reason_of(code_of(self.error), self.error)


class Capturer:
    """Reads the pages of one site. Safe from many threads."""

    def __init__(self, graph: GraphSession, writer: BagWriter, site_id: str) -> None:
        self._graph, self._writer = graph, writer
        self._path = f"/sites/{segment(site_id)}/pages"

    def work(self, task: Task) -> Done:
        """Read and store it. Raises: SiteLockedError, StoppedError, RunError, errors of the store as a whole."""
        try:
            data = self._read(task)
        except SiteLockedError:
            raise
        except (ItemError, SourceError, TransientError) as error:
            return Done(task, error=error)
        sha256, row = Hashed.of(data), task.row
        if row is not None and row.get("sha256") == sha256 and row.get("key") is not None:
            return Done(task, row["key"], sha256, len(data), row.get("versionId"))
        return self.put(task, data, task.key)

    def put(self, task: Task, data: bytes, key: str) -> Done:
        """Store bytes that are new."""
        sha256 = Hashed.of(data)
        try:
            version = self._writer.put_payload(key, [data], size=len(data)).version_id
        except ObjectExistsError:  # put by a run that was cut off, or by us, and the answer was lost
            if self._sha256_at(key) != sha256:
                return Done(task, sha256=sha256, received=len(data), data=data)
            version = self._writer.adopt(key)
        except ItemError as error:  # the store cannot take this one
            return Done(task, error=error)
        return Done(task, key, sha256, len(data), version, is_new=True)

    def _read(self, task: Task) -> bytes:
        path = f"{self._path}/{segment(task.facts['id'])}"
        params = None
        if is_site_page(task.facts):
            path, params = f"{path}/{_CAST}", {"$expand": "canvasLayout"}
        call = self._graph.call(path, params=params, cost=Cost.SINGLE)
        page, data = self._graph.exchange(call, json_object_and_bytes)
        if str(page.get("id")).casefold() != task.facts["id"].casefold():
            raise WrongContentError(
                "The service gave another page than the one that was asked for.",
                code="download_failed",
                action="Check for a proxy that answers in its place.",
            )
        return data

    def _sha256_at(self, key: str) -> str | None:
        try:
            with self._writer.store.open(f"{self._writer.bag}/{key}") as chunks:
                return Hashed(chunks).drain().sha256
        except ObjectMissingError:
            return None
