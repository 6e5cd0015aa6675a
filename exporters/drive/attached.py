"""What hangs on an item: its earlier versions, and who can see it.

Rules of this file: runs in a worker thread and touches neither state nor ledger; each version has an outcome of its own, and what
is held already is not asked for again. Source: design §4, quirks Q-030, Q-031.
"""

from itertools import pairwise

from exporters.clock import Clock, timestamp
from exporters.drive.download import Captured, Content, Downloader, agrees, grade_difference
from exporters.drive.exceptions import code_of, make_exception, version_code
from exporters.drive.facts import JsonObject
from exporters.drive.tasks import Done, Task, asked_twice, item_route, patience_of
from exporters.errors import ItemError, LastcopyError, SourceError, TransientError
from exporters.graph.answers import identifier_of, number_of, text_of
from exporters.graph.calls import segment
from exporters.graph.errors import CurrentVersionError
from exporters.graph.limits import Cost
from exporters.graph.session import GraphSession
from exporters.outcomes import CAUSES, Agreement, ExceptionCode, Outcome

_CURRENT = "current"
"""Stands in the row of a version until it is known what the service means by it; never written."""


class Attached:
    """Asks for what hangs on the items of one drive. Safe from many threads."""

    def __init__(self, graph: GraphSession, downloader: Downloader, clock: Clock, drive: str, run_id: str) -> None:
        self._graph, self._downloader, self._clock = graph, downloader, clock
        self._drive, self._run_id = drive, run_id

    def _now(self) -> str:
        return timestamp(self._clock.now())

    def versions(self, task: Task, key: str, done: Done) -> bool:
        """Earlier versions that we do not hold; False if something may still be had another time. key: of the item, or planned
        for it."""
        path = f"{item_route(self._drive, task.facts['id'])}/versions"
        try:
            listed = [v for page in self._graph.pages(path, cost=Cost.LISTING) for v in page]
            nameless = [v for v in listed if identifier_of(v.get("id")) is None]
            named = {v["id"]: v for v in listed if identifier_of(v.get("id")) is not None}  # pages may overlap
            listed = newest_first(list(named.values()))
        except (ItemError, SourceError, TransientError) as error:
            if _says_no_more(task, error):
                self._settle_list(task, done)
                return True
            row = self._versions_row(task, Outcome.EXCEPTED)
            make_exception(row, version_code(error), str(error))
            done.add_exception(row, task.attached.get(("versions", "list")))
            return False
        is_whole = bool(listed) and not nameless  # the current one is always listed (graph.md 5)
        if not is_whole:
            row = self._versions_row(task, Outcome.EXCEPTED)
            what = "versions without an id" if nameless else "no version, not even the current one"
            make_exception(row, ExceptionCode.VERSION_UNAVAILABLE, f"The service lists {what}.")
            done.add_exception(row, task.attached.get(("versions", "list")))
        else:
            self._settle_list(task, done)
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
        return is_whole and all(
            row["outcome"] == Outcome.COPIED or CAUSES[ExceptionCode(row["code"])].permanent for row in rows
        )

    def _without_current(self, rows: list[JsonObject], first: JsonObject) -> list[JsonObject]:
        """Rows of versions of which the service calls one the current one (Q-030), and that of the version listed first: if that
        one has content of its own, it was not the newest, and the other has none to give. Of several that it calls so, at most
        one is: each is an exception."""
        current = [row for row in rows if row.get("code") == _CURRENT]
        has_content = first["outcome"] == Outcome.COPIED
        if has_content and len(current) == 1:
            return [first, *(row for row in rows if row is not current[0])]
        for row in current:
            row["code"] = ExceptionCode.VERSION_UNAVAILABLE.value
        return [first, *rows] if has_content else rows

    def _settle_list(self, task: Task, done: Done) -> None:
        """A list that was refused once is no exception any more."""
        if ("versions", "list") in task.attached:
            done.rows.append(("item", self._versions_row(task, Outcome.COPIED)))

    def _versions_row(self, task: Task, outcome: Outcome) -> JsonObject:
        """Says whether the list of an item's versions could be read; only where it once could not."""
        row: JsonObject = {"kind": "versions", "scope": task.facts["id"], "id": "list", "name": task.facts["name"]}
        row.update(path=task.path, outcome=outcome.value, captured=self._now(), run=self._run_id)
        return row

    def _version(self, task: Task, item_key: str, version: JsonObject, done: Done) -> JsonObject:
        """The row of a version; with the code `_CURRENT` if the service says that it is the current one (Q-030)."""
        path = f"{item_route(self._drive, task.facts['id'])}/versions/{segment(version['id'])}/content"
        key = task.version_key(item_key, task.facts["id"], version["id"])
        try:
            content = Content(path, _service_of(version), task.facts["name"], None, patience_of(task))
            another = lambda: task.version_key(item_key, task.facts["id"], version["id"])  # noqa: E731
            captured = asked_twice(lambda: self._downloader.capture(content, key, another))
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
            make_exception(row, version_code(error), str(error))
            mark = task.facts["service"].get("malware")
            if mark is not None and row["code"] == ExceptionCode.MALWARE:
                row["service"]["malware"] = mark  # known by the listing: not worth another try as long as it says so
        return row

    def permissions(self, task: Task, done: Done) -> bool:
        """Who can see the item; False if the service refused to say, which is an *excepted* row of kind `permission`."""
        path, at = f"{item_route(self._drive, task.facts['id'])}/permissions", self._now()
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


def _says_no_more(task: Task, error: LastcopyError) -> bool:
    """Whether the list of versions is refused for the very reason for which the content was: the item's row says so already, and
    once the content is had, or changes, the versions are asked for again."""
    return task.beside is not None and task.row is not None and task.row.get("code") == code_of(error)


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
