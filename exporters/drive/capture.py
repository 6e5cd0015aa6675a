"""The work on one owed item: its bytes, its earlier versions, who can see it.

Rules of this file: runs in a worker thread and touches neither state nor ledger; gives back rows, or raises what stops the whole
source. No single item may stop the others: what the service refuses becomes a code. Source: design §4, quirks Q-013 to Q-033.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Protocol

from exporters.clock import Clock, timestamp
from exporters.drive.download import (
    Captured,
    Content,
    Downloader,
    Held,
    UnstableContentError,
    WrongContentError,
    agrees,
    grade_difference,
)
from exporters.drive.facts import JsonObject, same_content
from exporters.errors import ItemError, LastcopyError, SourceError, TransientError
from exporters.graph.answers import identifier_of, number_of, text_of
from exporters.graph.calls import segment
from exporters.graph.errors import (
    AccessDeniedError,
    ContentChangedError,
    CurrentVersionError,
    DownloadFailedError,
    ItemGaveUpError,
    LockedError,
    MalwareError,
    NotFoundError,
    PermissionMissingError,
    RightsProtectedError,
)
from exporters.graph.limits import Cost
from exporters.graph.session import GraphSession
from exporters.outcomes import CAUSES, Agreement, ExceptionCode, Outcome

ONENOTE_EXTENSIONS = (".one", ".onetoc2")
ONENOTE_PATIENCE_SECONDS = 20.0
_CURRENT = "current"
"""Stands in the row of a version until it is known what the service means by it; never written."""

_CODES: tuple[tuple[type[LastcopyError], ExceptionCode], ...] = (
    (NotFoundError, ExceptionCode.NOT_FOUND_WHILE_LISTED),
    (MalwareError, ExceptionCode.MALWARE),
    (RightsProtectedError, ExceptionCode.IRM),
    (AccessDeniedError, ExceptionCode.ACCESS_DENIED),
    (PermissionMissingError, ExceptionCode.ACCESS_DENIED),
    (LockedError, ExceptionCode.LOCKED),
    (ContentChangedError, ExceptionCode.CONTENT_UNSTABLE),
    (UnstableContentError, ExceptionCode.CONTENT_UNSTABLE),
    (DownloadFailedError, ExceptionCode.DOWNLOAD_FAILED),
    (WrongContentError, ExceptionCode.DOWNLOAD_FAILED),
    (ItemGaveUpError, ExceptionCode.DOWNLOAD_FAILED),
    (TransientError, ExceptionCode.DOWNLOAD_FAILED),
)


_HELD = ("key", "size", "sha256", "agreement", "versionId", "asked", "captured", "run")
"""What a row says of bytes that are held."""


@dataclass(frozen=True, slots=True)
class Task:
    """One item to work on. facts: as listed. row: what we hold of it, or None. is_owed: a row has to settle it. key: place
    planned for new bytes, None where none are needed. versions: "current", "all" or a number. attached: rows that hang on it
    (kinds `version`, `versions`, `permission`), by kind and id."""

    facts: JsonObject
    path: str
    row: JsonObject | None
    key: str | None
    another_key: Callable[[], str]
    version_key: Callable[[str, str, str], str]
    is_owed: bool = True
    versions: str | int = "current"
    wants_permissions: bool = False
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
        _stays(row, before)
        if row != before:
            self.rows.append(("item", row))


class Watch(Protocol):
    """Who watches over the contents of a drive. See `refusals`."""

    def served(self, item_id: str) -> None: ...

    def refused(self, item_id: str, error: LastcopyError) -> None: ...

    def check(self) -> None:
        """Raises: SourceError if the drive is not worth asking any more."""
        ...


class Capturer:
    """Works on tasks of one drive. Safe from many threads."""

    def __init__(
        self, graph: GraphSession, downloader: Downloader, clock: Clock, drive: str, run_id: str, watch: "Watch"
    ) -> None:
        """watch: is told which contents were served, and may end the whole."""
        self._graph, self._downloader, self._clock = graph, downloader, clock
        self._drive, self._run_id, self._watch = drive, run_id, watch

    def work(self, task: Task) -> Done:
        """Do all of a task. Raises: SourceError, RunError, errors of the store, ReplacedError."""
        done = Done()
        row = self._row(task)
        if task.key is not None:
            row = self._bytes(task, row, done)
        asked: JsonObject = dict(row.get("asked") or {})
        if row["outcome"] == Outcome.COPIED and row["kind"] == "file" and task.versions != "current":
            asked.pop("versions", None)
            if self._versions(task, str(row["key"]), done):
                asked["versions"] = task.versions
        if task.wants_permissions and row["outcome"] == Outcome.COPIED:
            asked.pop("permissions", None)
            if self._permissions(task, done):
                asked["permissions"] = True
        row.pop("asked", None)
        if asked:
            row["asked"] = asked
        was_held = task.row is not None and task.row["outcome"] == Outcome.COPIED
        done.is_new = row["outcome"] == Outcome.COPIED and (done.was_downloaded or not was_held)
        if task.is_owed or row != task.row:
            done.rows.append(("item", row))
        return done

    def _now(self) -> str:
        return timestamp(self._clock.now())

    def _row(self, task: Task) -> JsonObject:
        """The row so far: what we hold, with the names and facts of today."""
        facts = {k: v for k, v in task.facts.items() if k != "deleted"}
        row: JsonObject = {**facts, "path": task.path, "outcome": Outcome.COPIED.value, "run": self._run_id}
        row["captured"] = self._now()
        held = task.row
        if held is not None and held["kind"] == facts["kind"]:
            row.update({name: held[name] for name in _HELD if name in held})
            if held["outcome"] == Outcome.EXCEPTED and task.key is None and row["kind"] == "file":
                row.update({name: held[name] for name in ("outcome", "code", "reason") if name in held})
        if row["kind"] == "other":
            _except(row, ExceptionCode.UNKNOWN_KIND)
            _stays(row, held)
        return row

    # -- bytes ------------------------------------------------------------------------------------------------------

    def _path(self, item_id: str) -> str:
        return f"/drives/{segment(self._drive)}/items/{segment(item_id)}"

    def _bytes(self, task: Task, row: JsonObject, done: Done) -> JsonObject:
        facts = task.facts
        for name in ("code", "reason", "since"):
            row.pop(name, None)
        row["asked"] = {name: value for name, value in (row.get("asked") or {}).items() if name != "again"}
        row["run"], row["captured"] = self._run_id, self._now()
        path = f"{self._path(facts['id'])}/content"
        self._watch.check()
        try:
            captured = self._capture(path, str(task.key), task)
        except (ItemError, SourceError, TransientError) as error:
            self._watch.refused(facts["id"], error)
            return self._failed(row, error, task, done)
        self._watch.served(facts["id"])
        done.bytes_received, done.was_downloaded = captured.size, True
        agreement = agrees(captured.size, captured.quick_xor, facts["service"]) or grade_difference(facts["name"])
        if task.row is not None and task.row.get("key") not in {None, captured.key}:
            done.rows += self._replaced(task, task.row)
        if captured.aside:
            row["asked"]["again"] = done.is_put_aside = True
        row.update(key=captured.key, size=captured.size, sha256=captured.sha256, agreement=agreement.value)
        row.update(run=self._run_id, captured=self._now())
        row.pop("versionId", None)
        if captured.version_id is not None:
            row["versionId"] = captured.version_id
        return row

    def _capture(self, path: str, key: str, task: Task) -> Captured:
        content = Content(path, task.facts["service"], task.facts["name"], _held(task), _patience(task))
        return _asked_twice(lambda: self._downloader.capture(content, key, task.another_key))

    def _is_there(self, item_id: str) -> bool:
        """Whether the service still gives the facts of an item (1 unit)."""
        try:
            found = self._graph.get(self._path(item_id), params={"$select": "id"}, cost=Cost.SINGLE)
        except (ItemError, SourceError, TransientError):
            return False
        return found.get("id") == item_id

    def _replaced(self, task: Task, held: JsonObject) -> list[tuple[str, JsonObject]]:
        """What becomes of the bytes that we held: a row of kind `version`; or, if they had been put aside and were not the
        item's at all, a leftover, which is named when the bag is closed."""
        if asks_again(held) and same_content(task.facts, held):
            self._downloader.leave_behind()
            return []
        return [("item", self._earlier(held))]

    def _earlier(self, held: Mapping[str, object]) -> JsonObject:
        """The bytes so far as a row of kind `version`, under the key that they have."""
        kept = (
            "key",
            "size",
            "sha256",
            "agreement",
            "versionId",
            "captured",
            "run",
            "name",
            "path",
            "service",
            "modified",
        )
        row: JsonObject = {name: held[name] for name in kept if name in held}
        row.update(
            kind="version", scope=held["id"], id=held["captured"], parent=held["id"], outcome=Outcome.COPIED.value
        )
        return row

    def _failed(self, row: JsonObject, error: LastcopyError, task: Task, done: Done) -> JsonObject:
        held = task.row
        if (
            held is not None
            and held["outcome"] == Outcome.COPIED
            and held.get("key")
            and same_content(task.facts, held)
        ):
            return {
                **row,
                **{name: held[name] for name in _HELD if name in held},
            }  # a second look failed: as good as before
        if task.row is not None and task.row.get("key"):
            done.rows.append(
                ("item", self._earlier(task.row))
            )  # what we hold stays held; its newer state could not be had
        code = code_of(error)
        if row["name"].lower().endswith(ONENOTE_EXTENSIONS) and code in _GIVEN_UP:
            code = ExceptionCode.ONENOTE_UNAVAILABLE
        if code is ExceptionCode.ACCESS_DENIED and task.facts["service"].get("malware"):
            code = ExceptionCode.MALWARE  # the listing says why
        _except(row, code, _reason(code, error))
        if held is not None and same_content(task.facts, held):
            _stays(row, held)
        if code is ExceptionCode.NOT_FOUND_WHILE_LISTED and self._is_there(str(row["id"])):
            row["asked"] = {"again": True}  # its content alone is not found
        return row

    # -- versions and permissions -----------------------------------------------------------------------------------

    def _versions(self, task: Task, key: str, done: Done) -> bool:
        """Earlier versions that we do not hold; False if something may still be had another time."""
        path = f"{self._path(task.facts['id'])}/versions"
        try:
            listed = [v for page in self._graph.pages(path, cost=Cost.LISTING) for v in page]
            listed = newest_first([v for v in listed if identifier_of(v.get("id"))])
        except (ItemError, SourceError, TransientError) as error:
            row = self._versions_row(task, Outcome.EXCEPTED)
            _except(row, _version_code(error), str(error))
            done.add_exception(row, task.attached.get(("versions", "list")))
            return False
        if ("versions", "list") in task.attached:
            done.rows.append(("item", self._versions_row(task, Outcome.COPIED)))
        earlier = listed[1:]  # newest first; the newest has no content of its own
        if isinstance(task.versions, int):
            earlier = earlier[: task.versions]
        before = {version["id"]: task.attached.get(("version", version["id"])) for version in listed}
        missing = [v for v in earlier if (before[v["id"]] or {}).get("outcome") != Outcome.COPIED]
        rows = [self._version(task, key, version, done) for version in missing]
        if any(row.get("code") == _CURRENT for row in rows):
            rows = self._without_current(rows, self._version(task, key, listed[0], done))
        for row in rows:
            done.add_exception(row, before[row["id"]])
        return all(row["outcome"] == Outcome.COPIED or CAUSES[ExceptionCode(row["code"])].permanent for row in rows)

    def _without_current(self, rows: list[JsonObject], first: JsonObject) -> list[JsonObject]:
        """Rows of versions of which the service calls one the current one (Q-030), and that of the version listed first: if that
        one has content of its own, it was not the newest, and the other has none to give."""
        if first["outcome"] == Outcome.COPIED:
            return [first, *(row for row in rows if row.get("code") != _CURRENT)]
        for row in rows:
            if row.get("code") == _CURRENT:
                row["code"] = ExceptionCode.VERSION_UNAVAILABLE.value
        return rows

    def _versions_row(self, task: Task, outcome: Outcome) -> JsonObject:
        """Says whether the list of an item's versions could be read; only where it once could not."""
        row: JsonObject = {"kind": "versions", "scope": task.facts["id"], "id": "list", "name": task.facts["name"]}
        row.update(path=task.path, outcome=outcome.value, captured=self._now(), run=self._run_id)
        return row

    def _version(self, task: Task, item_key: str, version: JsonObject, done: Done) -> JsonObject:
        """The row of a version; with the code `_CURRENT` if the service says that it is the current one (Q-030)."""
        path = f"{self._path(task.facts['id'])}/versions/{segment(version['id'])}/content"
        key = task.version_key(item_key, task.facts["id"], version["id"])
        try:
            content = Content(path, _service_of(version), task.facts["name"], None, _patience(task))
            another = lambda: task.version_key(item_key, task.facts["id"], version["id"])  # noqa: E731
            captured = _asked_twice(lambda: self._downloader.capture(content, key, another))
        except CurrentVersionError as error:
            return {**self._version_row(task, version, error=error), "code": _CURRENT}
        except (ItemError, SourceError, TransientError) as error:
            return self._version_row(task, version, error=error)
        done.bytes_received += captured.size
        return self._version_row(task, version, captured=captured)

    def _version_row(
        self, task: Task, version: JsonObject, *, captured: Captured | None = None, error: LastcopyError | None = None
    ) -> JsonObject:
        row: JsonObject = {
            "kind": "version",
            "scope": task.facts["id"],
            "id": version["id"],
            "parent": task.facts["id"],
            "name": task.facts["name"],
            "path": task.path,
            "outcome": Outcome.COPIED.value,
            "captured": self._now(),
            "run": self._run_id,
            "service": _service_of(version),
        }
        if text_of(version.get("lastModifiedDateTime")):
            row["modified"] = version["lastModifiedDateTime"]
        if captured is not None:
            same = agrees(captured.size, captured.quick_xor, row["service"]) is not None
            grade = Agreement.UNHASHED if same else grade_difference(task.facts["name"])
            row.update(key=captured.key, size=captured.size, sha256=captured.sha256, agreement=grade.value)
            if captured.version_id is not None:
                row["versionId"] = captured.version_id
        if error is not None:
            _except(row, _version_code(error), str(error))
        return row

    def _permissions(self, task: Task, done: Done) -> bool:
        """Who can see the item; False if the service refused to say, which is an *excepted* row of kind `permission`."""
        path, at = f"{self._path(task.facts['id'])}/permissions", self._now()
        try:
            listed = [p for page in self._graph.pages(path, cost=Cost.PERMISSIONS) for p in page]
        except (ItemError, SourceError, TransientError) as error:
            code = ExceptionCode.PERMISSIONS_UNAVAILABLE
            row = self._permission_row(task, Outcome.EXCEPTED, at)
            row.update(code=code.value, reason=f"{CAUSES[code].reason} {error}")
            done.add_exception(row, task.attached.get(("permission", task.facts["id"])))
            return False
        value = {"scope": self._drive, "id": task.facts["id"], "captured": at, "permissions": listed}
        done.rows.append(("permissions", value))
        if ("permission", task.facts["id"]) in task.attached:
            done.rows.append(("item", self._permission_row(task, Outcome.COPIED, at)))
        return True

    def _permission_row(self, task: Task, outcome: Outcome, at: str) -> JsonObject:
        row = {"kind": "permission", "scope": self._drive, "id": task.facts["id"], "name": task.facts["name"]}
        return {**row, "path": task.path, "outcome": outcome.value, "captured": at, "run": self._run_id}


def _asked_twice(capture: Callable[[], Captured]) -> Captured:
    """ "Not found" is asked once more: a fresh replica may lag (Q-013)."""
    try:
        return capture()
    except NotFoundError:
        return capture()


def newest_first(versions: list[JsonObject]) -> list[JsonObject]:
    """Versions in the order in which the service is said to list them; by their numbers if it did not."""
    try:
        numbers = [tuple(int(part) for part in version["id"].split(".")) for version in versions]
    except ValueError:
        return versions
    if all(one >= other for one, other in pairwise(numbers)):
        return versions
    return [
        version for _, version in sorted(zip(numbers, versions, strict=True), key=lambda pair: pair[0], reverse=True)
    ]


def _service_of(version: JsonObject) -> JsonObject:
    size = number_of(version.get("size"))
    return {} if size is None else {"size": size}


def _patience(task: Task) -> float | None:
    """Some OneNote sections answer 503 for ever and must not use up the drive's patience (Q-028): one try is enough for those
    that did so before."""
    if not task.facts["name"].lower().endswith(ONENOTE_EXTENSIONS):
        return None
    did_so = task.row is not None and task.row.get("code") == ExceptionCode.ONENOTE_UNAVAILABLE
    return 0.0 if did_so else ONENOTE_PATIENCE_SECONDS


def _held(task: Task) -> Held | None:
    row = task.row
    if row is None or not row.get("key"):
        return None
    no_hash = not task.facts["service"].get("quickXorHash")
    same_size = task.facts["service"].get("size") == row.get("service", {}).get("size")
    may_be_same = (no_hash and same_size) or (asks_again(row) and same_content(task.facts, row))
    return Held(row["key"], row["sha256"], row.get("versionId"), may_be_same)


def asks_again(row: JsonObject) -> bool:
    """Whether the content of a row is to be asked for in the next run, with or without news."""
    return bool((row.get("asked") or {}).get("again"))


_GIVEN_UP = frozenset({ExceptionCode.DOWNLOAD_FAILED, ExceptionCode.REFUSED})


def code_of(error: LastcopyError) -> ExceptionCode:
    """The code of an error that concerns one item."""
    for kind, code in _CODES:
        if isinstance(error, kind):
            return code
    return ExceptionCode.REFUSED


def _reason(code: ExceptionCode, error: LastcopyError) -> str | None:
    """More than the general reason, where the error says more: what is missing, or what a stranger's answer was."""
    if code is ExceptionCode.REFUSED:
        return str(error)
    if code is ExceptionCode.DOWNLOAD_FAILED:
        return f"{CAUSES[code].reason} {str(error)[:1].upper()}{str(error)[1:]}"
    if code is ExceptionCode.ACCESS_DENIED and error.action:
        return f"{CAUSES[code].reason} {error.action}"
    return None


def _version_code(error: LastcopyError) -> ExceptionCode:
    code = code_of(error)
    return ExceptionCode.VERSION_UNAVAILABLE if code is ExceptionCode.NOT_FOUND_WHILE_LISTED else code


def _stays(row: JsonObject, before: JsonObject | None) -> None:
    """An exception that stays keeps the time and the reason with which it was found: what a person accepted stays accepted."""
    if before is not None and row["outcome"] == Outcome.EXCEPTED and before.get("code") == row["code"]:
        row.update({name: before[name] for name in ("captured", "run", "reason") if name in before})


def _except(row: JsonObject, code: ExceptionCode, reason: str | None = None) -> None:
    for name in ("size", "sha256", "agreement", "versionId", "key"):
        row.pop(name, None)
    row.update(outcome=Outcome.EXCEPTED.value, code=code.value, reason=reason or CAUSES[code].reason)
