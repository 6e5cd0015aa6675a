"""The work on one owed item: its bytes, then what hangs on it.

Rules of this file: runs in a worker thread and touches neither state nor ledger; gives back rows, or raises what stops the whole
source. No single item may stop the others: what the service refuses becomes a code. Source: design §4, quirks Q-013 to Q-033.
"""

from collections.abc import Mapping

from exporters.clock import Clock, timestamp
from exporters.drive.attached import Attached
from exporters.drive.download import Captured, Content, Downloader, Held, agrees, grade_difference
from exporters.drive.exceptions import GIVEN_UP, ONENOTE_EXTENSIONS, code_of, make_exception, reason_of, stays
from exporters.drive.facts import JsonObject, is_edited, same_content
from exporters.drive.removals import of_former_kind
from exporters.drive.tasks import Done, Task, Watch, asked_twice, item_route, patience_of
from exporters.errors import ItemError, LastcopyError, SourceError, TransientError
from exporters.graph.limits import Cost
from exporters.graph.session import GraphSession
from exporters.outcomes import ExceptionCode, Outcome

_HELD = ("key", "size", "sha256", "agreement", "versionId", "asked", "captured", "run")
"""What a row says of bytes that are held."""


class Capturer:
    """Works on tasks of one drive. Safe from many threads."""

    def __init__(
        self, graph: GraphSession, downloader: Downloader, clock: Clock, drive: str, run_id: str, watch: Watch
    ) -> None:
        """watch: is told which contents were served, and may end the whole."""
        self._graph, self._downloader, self._clock = graph, downloader, clock
        self._drive, self._run_id, self._watch = drive, run_id, watch
        self._attached = Attached(graph, downloader, clock, drive, run_id)

    def work(self, task: Task) -> Done:
        """Do all of a task. Raises: SourceError, RunError, errors of the store, ReplacedError."""
        done = Done()
        row = self._row(task)
        if task.key is not None:
            row = self._bytes(task, row, done)
        asked = _still_asked(task, row)
        beside = row.get("key") or task.beside
        if beside is not None and row["kind"] == "file" and task.versions != "current":
            asked.pop("versions", None)
            if self._attached.versions(task, str(beside), done):
                asked["versions"] = task.versions
        if task.wants_permissions and row["outcome"] == Outcome.COPIED:
            asked.pop("permissions", None)
            if self._attached.permissions(task, done):
                asked["permissions"] = True
        row.pop("asked", None)
        if asked:
            row["asked"] = asked
        was_held = task.row is not None and task.row["outcome"] == Outcome.COPIED
        done.is_new = row["outcome"] == Outcome.COPIED and (done.was_downloaded or not was_held)
        if was_held and task.row is not None and task.row["run"] == self._run_id:
            done.is_new = False  # counted already: it changed while it was copied
        if task.is_owed or row != task.row:
            done.rows.append(("item", row))
        if task.former is not None:
            former = of_former_kind(task.former, self._run_id, self._now())
            done.rows += [] if former is None else [("item", former)]
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
            make_exception(row, ExceptionCode.UNKNOWN_KIND)
            stays(row, held)
        return row

    # -- bytes ------------------------------------------------------------------------------------------------------

    def _bytes(self, task: Task, row: JsonObject, done: Done) -> JsonObject:
        facts = task.facts
        for name in ("code", "reason", "since"):
            row.pop(name, None)
        row["asked"] = {name: value for name, value in (row.get("asked") or {}).items() if name != "again"}
        row["run"], row["captured"] = self._run_id, self._now()
        path = f"{item_route(self._drive, facts['id'])}/content"
        self._watch.check()
        try:
            captured = self._capture(path, str(task.key), task)
        except (ItemError, SourceError, TransientError) as error:
            self._watch.refused(error)
            return self._failed(row, error, task, done)
        self._watch.served()
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
        content = Content(path, task.facts["service"], task.facts["name"], _held(task), patience_of(task))
        return asked_twice(lambda: self._downloader.capture(content, key, task.another_key))

    def _is_there(self, item_id: str) -> bool:
        """Whether the service still gives the facts of an item (1 unit)."""
        try:
            found = self._graph.get(item_route(self._drive, item_id), params={"$select": "id"}, cost=Cost.SINGLE)
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
        if row["name"].lower().endswith(ONENOTE_EXTENSIONS) and code in GIVEN_UP:
            code = ExceptionCode.ONENOTE_UNAVAILABLE
        if code is ExceptionCode.ACCESS_DENIED and task.facts["service"].get("malware"):
            code = ExceptionCode.MALWARE  # the listing says why
        make_exception(row, code, reason_of(code, error))
        if held is not None and same_content(task.facts, held):
            stays(row, held)
        else:
            row["asked"].pop("versions", None)  # there may be further ones of this content
        if code is ExceptionCode.NOT_FOUND_WHILE_LISTED and self._is_there(str(row["id"])):
            row["asked"]["again"] = True  # its content alone is not found
        return row


def _still_asked(task: Task, row: JsonObject) -> JsonObject:
    """What has been asked of an item, less what is not known any more: its versions since it was edited, who can see it since
    that changed. What is asked for now is added by whoever does it."""
    asked: JsonObject = dict(row.get("asked") or {})
    if task.row is not None:
        if is_edited(task.facts, task.row):
            asked.pop("versions", None)
        if task.row.get("service", {}).get("shared") != task.facts["service"].get("shared"):
            asked.pop("permissions", None)
    return asked


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
