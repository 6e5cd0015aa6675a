"""From what is owed to tasks: paths, places, and which bytes are needed.

Rules of this file: runs when the listing of a round has ended; folders before files, each in the order of their paths, so that
the same drive gets the same keys however often a run was cut off. Source: design §4 (the ledger, keys), docs/formats.md.
"""

import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import chain

from exporters.bag.formats import LISTED_KINDS, JsonObject, load_json
from exporters.bag.ledger import BagWriter
from exporters.drive.capture import asks_again
from exporters.drive.facts import is_edited, same_content
from exporters.drive.scope import Scope
from exporters.drive.settings import DriveSettings
from exporters.drive.tasks import Task
from exporters.drive.tree import Places, Tree
from exporters.outcomes import CAUSES, ExceptionCode, Outcome

ASK_AGAIN_AFTER = timedelta(hours=24)
"""How long an item that was 'not found' though listed is left alone after that; other failures are tried in every run."""


PUT_ASIDE = (
    "agreement IN ('differs', 'rewritten') AND outcome = 'copied' AND kind = 'file'"
    " AND instr(CAST(row AS TEXT), '\"again\":true') > 0"
)
"""Rows whose bytes are to be read again, and perhaps a few others."""
MOVED = 1_000_000
"""In the order of work: after everything else; of folders that moved the deepest first."""
DUE, SAMPLED, ATTACHED = 1, 2, 3
"""In the column `forced`: worth another try; its task has been given out already, by `sample`; what hangs on it is worth another
try, and its bytes are not."""
BATCH = 500


class Planner:
    """Plans the work of one round on one drive."""

    def __init__(self, writer: BagWriter, scope: Scope, settings: DriveSettings, lock: threading.RLock) -> None:
        self._writer, self._state, self._settings = writer, writer.state, settings
        self._scope, self._drive = scope, scope.drive
        self._lock = lock
        self._tree = Tree(self._state, scope)
        self._had_rows = self._state.has_items(scope.drive)
        self._places_made: Places | None = None
        self._has_sampled = False
        self._given_out: tuple[int, bytes, str] = (-2 * MOVED, b"", "")
        db = self._state.db
        db.execute(
            "CREATE TEMP TABLE IF NOT EXISTS work (id TEXT PRIMARY KEY, depth INT, path BLOB, forced INT) WITHOUT ROWID"
        )
        db.execute(
            "CREATE TEMP TABLE IF NOT EXISTS besides (id TEXT, captured TEXT, PRIMARY KEY (id, captured)) WITHOUT ROWID"
        )
        db.execute("DELETE FROM work")

    @property
    def _places(self) -> Places:
        """Made from all keys, when first needed."""
        if self._places_made is None:
            self._places_made = Places(self._state, self._scope, self._writer.run.stamp)
        return self._places_made

    def add_owed(self) -> None:
        """What is listed and not settled, and what lies below folders that were renamed or moved (or below all, of a library that
        was renamed)."""
        db = self._state.db
        db.execute(
            "INSERT OR IGNORE INTO work SELECT id, 0, NULL, 0 FROM owed WHERE scope = ? AND deleted = 0", (self._drive,)
        )
        for start in chain(self._renamed_roots(), self._moved_folders()):
            db.execute(
                "WITH RECURSIVE below(id) AS (SELECT ? UNION SELECT tree.id FROM below JOIN tree"
                " ON tree.scope = ? AND tree.parent = below.id WHERE tree.alive = 1)"
                " INSERT OR IGNORE INTO work SELECT id, 0, NULL, 0 FROM below",
                (start, self._drive),
            )

    def _renamed_roots(self) -> Iterator[str]:
        """The root of a library whose row has another name of the library: no listing tells of that."""
        if not self._scope.is_alone:
            query = "SELECT id FROM tree WHERE scope = ? AND parent IS NULL AND alive = 1 AND kind = 'folder'"
            roots = self._state.db.execute(query, (self._drive,)).fetchall()
            yield from (item_id for (item_id,) in roots if self._path_changed(item_id))

    def _moved_folders(self) -> Iterator[str]:
        query = (
            "SELECT owed.id FROM owed JOIN tree ON tree.scope = owed.scope AND tree.id = owed.id WHERE owed.scope = ?"
            " AND owed.deleted = 0 AND tree.kind IN ('folder', 'package') AND owed.id > ? ORDER BY owed.id LIMIT ?"
        )
        after = ""
        while batch := self._state.db.execute(query, (self._drive, after, BATCH)).fetchall():
            yield from (item_id for (item_id,) in batch if self._path_changed(item_id))
            after = batch[-1][0]

    def _path_changed(self, item_id: str) -> bool:
        """Whether rows below this folder may say another path: it moved, or it was not known when they were written."""
        if not self._had_rows:  # the first run; looking for rows below each folder would be a read for each item
            return False
        row = self._state.item_row(self._drive, item_id)
        if row is not None:
            return row.get("path") != self._tree.path(item_id)
        return bool(
            self._state.count(
                "SELECT EXISTS (SELECT 1 FROM tree JOIN rows ON rows.scope = tree.scope AND rows.id = tree.id"
                " AND rows.kind = tree.kind WHERE tree.scope = ? AND tree.parent = ?)",
                (self._drive, item_id),
            )
        )

    def add_failed(self, now: datetime) -> None:
        """Excepted rows that may succeed today, and bytes that were put aside until they are read again."""
        rows = map(load_json, self._state.rows("outcome = 'excepted'"))
        self._force(
            (item_of(row), DUE if row["kind"] in LISTED_KINDS else ATTACHED)
            for row in rows
            if is_of(row, self._drive) and may_succeed(row, now)
        )
        put_aside = map(load_json, self._state.rows(f"{PUT_ASIDE} AND scope = ?", (self._drive,)))
        self._force((row["id"], DUE) for row in put_aside if asks_again(row))

    def add_unasked(self, *, refresh_permissions: bool) -> None:
        """Files for which the settings ask more than was done (they were widened), or whose sharing is asked again."""
        rows = map(
            load_json,
            self._state.rows(
                "outcome = 'copied' AND scope = ? AND kind IN ('file', 'folder', 'package')", (self._drive,)
            ),
        )
        self._force(
            (row["id"], ATTACHED)
            for row in rows
            if self._asks_more(row) or (refresh_permissions and self._is_asked(row))
        )

    def _asks_more(self, row: JsonObject) -> bool:
        asked = row.get("asked") or {}
        versions = row["kind"] == "file" and self._settings.versions_widen(asked.get("versions", "current"))
        return versions or (self._is_asked(row) and not asked.get("permissions"))

    def _is_asked(self, facts: JsonObject) -> bool:
        if self._settings.permissions == "all":
            return facts["kind"] in {"file", "folder", "package"}
        return self._settings.permissions == "shared" and "shared" in facts.get("service", {})

    def _force(self, items: Iterator[tuple[str, int]]) -> None:
        """items: (id, why: DUE or ATTACHED)."""
        query = (
            "INSERT INTO work VALUES (?, 0, NULL, ?)"
            " ON CONFLICT DO UPDATE SET forced = excluded.forced WHERE work.forced != ?"
        )
        self._state.db.executemany(query, ((item_id, why, DUE) for item_id, why in items))

    def plan(self) -> None:
        """Work out paths. Folders that moved come last of all (`moved_folders`): as long as their own row is not written, what
        lies below them is owed too, however often a run is cut off."""
        db, after = self._state.db, ""
        db.execute("DROP INDEX IF EXISTS temp.work_in_order")
        while batch := db.execute("SELECT id FROM work WHERE id > ? ORDER BY id LIMIT ?", (after, BATCH)).fetchall():
            db.executemany("UPDATE work SET depth = ?, path = ? WHERE id = ?", [self._planned(i) for (i,) in batch])
            after = batch[-1][0]
        db.execute("CREATE INDEX temp.work_in_order ON work (depth, path, id)")

    def _planned(self, item_id: str) -> tuple[int, bytes, str]:
        """(place in the order of work, path, id)."""
        path = self._tree.path(item_id) or self._lost_path(item_id)
        node = self._state.node(self._drive, item_id)
        depth = -MOVED + path.count("/") if node is not None and node[2] != "file" else 0
        if depth < 0 and self._path_changed(item_id):
            depth = 2 * MOVED - path.count("/")
        return depth, path.encode("utf-8", "surrogatepass"), item_id

    def tasks(self, *, moved_folders: bool) -> Iterator[Task]:
        """The tasks, folders first; or those of moved folders alone. The state may be written to while they are taken."""
        db = self._state.db
        after: tuple[int, bytes, str] = (1 if moved_folders else -2 * MOVED, b"", "")
        query = "SELECT depth, path, id, forced FROM work WHERE (depth, path, id) > (?, ?, ?) ORDER BY depth, path, id LIMIT ?"
        while batch := db.execute(query, (*after, BATCH)).fetchall():
            known = self._state.known(self._drive, [found[2] for found in batch])
            for depth, path, item_id, forced in batch:
                if depth >= MOVED and not moved_folders:
                    return
                if self._is_sampled(item_id):
                    continue
                self._given_out = (depth, path, item_id)
                task = self._task(item_id, path.decode("utf-8", "surrogatepass"), forced, *known[item_id])
                if task is not None:
                    yield task
            after = batch[-1][:3]

    def sample(self, number: int) -> list[Task]:
        """Some of the files that `tasks` has not given out yet, from all over the drive; it leaves them out from then on."""
        db, self._has_sampled = self._state.db, True
        query = (
            "SELECT work.id, work.path FROM work JOIN owed ON owed.scope = ? AND owed.id = work.id"
            " WHERE owed.deleted = 0 AND owed.kind = 'file' AND work.forced != ?"
            " AND (work.depth, work.path, work.id) > (?, ?, ?) ORDER BY random() LIMIT ?"
        )
        found = db.execute(query, (self._drive, SAMPLED, *self._given_out, number)).fetchall()
        db.executemany("UPDATE work SET forced = ? WHERE id = ?", ((SAMPLED, item_id) for item_id, _ in found))
        known = self._state.known(self._drive, [item_id for item_id, _ in found])
        tasks = [self._task(i, path.decode("utf-8", "surrogatepass"), 0, *known[i]) for i, path in found]
        return [task for task in tasks if task is not None]

    def _is_sampled(self, item_id: str) -> bool:
        query = "SELECT count(*) FROM work WHERE id = ? AND forced = ?"
        return self._has_sampled and bool(self._state.count(query, (item_id, SAMPLED)))

    def _lost_path(self, item_id: str) -> str:
        node = self._state.node(self._drive, item_id)
        return self._tree.lost(node[0] if node else "", node[1] if node else item_id)

    def _task(
        self, item_id: str, path: str, forced: int, owed: JsonObject | None, row: JsonObject | None
    ) -> Task | None:
        facts = owed or (facts_of_row(row) if row else None)
        if facts is None or facts.get("deleted"):
            return None
        if owed is None and row is not None and _is_over(row):
            return None  # whatever is asked of it: it is gone, and no listing says otherwise
        if owed is None and not forced and row is not None and row.get("path") == path:
            return None
        former = None
        if (
            row is not None and row["kind"] != facts["kind"]
        ):  # what is held of the kind that it has now, from an earlier time
            former, row = row, self._state.row((facts["kind"], self._drive, item_id))
        key = None
        if facts["kind"] == "file" and self._needs_bytes(facts, row, forced == DUE or owed is not None):
            is_held = row is not None and row.get("key") and not asks_again(row)  # what was put aside holds no place
            with self._lock:
                place = self._places.another if is_held else self._places.file
                key = place(facts.get("parent"), facts["name"], item_id)
        return replace(self._with_extras(facts, path, row, key, is_owed=owed is not None), former=former)

    def _with_extras(
        self, facts: JsonObject, path: str, row: JsonObject | None, key: str | None, *, is_owed: bool
    ) -> Task:
        asked = (row or {}).get("asked") or {}
        is_refused = key is None and row is not None and row["outcome"] == Outcome.EXCEPTED  # see `refused`
        wants_versions = facts["kind"] == "file" and self._settings.versions != "current" and not is_refused
        new_sharing = row is None or row.get("service", {}).get("shared") != facts["service"].get("shared")
        wants_permissions = self._is_asked(facts) and (
            new_sharing or not asked.get("permissions") or self._settings.refresh_permissions
        )
        more = key is not None or self._settings.versions_widen(asked.get("versions", "current"))
        more = more or (row is not None and row["kind"] == "file" and is_edited(facts, row))
        return Task(
            facts=facts,
            path=path,
            row=row,
            key=key,
            another_key=lambda: self._another(facts),
            version_key=self._version_key,
            is_owed=is_owed,
            versions=self._settings.versions if wants_versions and more else "current",
            wants_permissions=wants_permissions,
            attached=self._attached(facts["id"]) if wants_versions or wants_permissions else {},
        )

    def refused(self) -> Iterator[Task]:
        """Files whose bytes could not be had, with their earlier versions alone, as far as these were not asked for yet; each
        once in a run. To be taken when it is known that the drive is not given up."""
        if self._settings.versions == "current":
            return
        query = (
            "SELECT id, row FROM rows INDEXED BY rows_excepted WHERE outcome = 'excepted' AND kind = 'file'"
            " AND scope = ? AND code != 'vanished'"
            " AND id > ? AND NOT EXISTS (SELECT 1 FROM owed WHERE owed.scope = rows.scope AND owed.id = rows.id)"
            " ORDER BY id LIMIT ?"
        )
        after = ""
        while batch := self._state.db.execute(query, (self._drive, after, BATCH)).fetchall():
            rows = (load_json(data) for _, data in batch)
            yield from (self._versions_alone(row) for row in rows if self._is_unasked(row))
            after = batch[-1][0]

    def _is_unasked(self, row: JsonObject) -> bool:
        if not lacks_versions(row, self._settings):
            return False
        taken = self._state.db.execute("INSERT OR IGNORE INTO besides VALUES (?, ?)", (row["id"], row["captured"]))
        return taken.rowcount > 0

    def _versions_alone(self, row: JsonObject) -> Task:
        with self._lock:
            beside = self._places.file(row.get("parent"), row["name"], row["id"])
        return Task(
            facts=facts_of_row(row),
            path=row["path"],
            row=row,
            key=None,
            another_key=lambda: self._another(row),
            version_key=self._version_key,
            is_owed=False,
            beside=beside,
            versions=self._settings.versions,
            attached=self._attached(row["id"]),
        )

    def _another(self, facts: JsonObject) -> str:
        with self._lock:
            return self._places.another(facts.get("parent"), facts["name"], facts["id"])

    def _version_key(self, item_key: str, item_id: str, version_id: str) -> str:
        with self._lock:
            return self._places.version(item_key, item_id, version_id)

    def _attached(self, item_id: str) -> dict[tuple[str, str], JsonObject]:
        query = (
            "SELECT kind, id, row FROM rows WHERE kind IN ('version', 'versions') AND scope = ?1"
            " UNION ALL SELECT kind, id, row FROM rows WHERE kind = 'permission' AND scope = ?2 AND id = ?1"
        )
        found = self._state.db.execute(query, (item_id, self._drive))
        return {(kind, row_id): load_json(data) for kind, row_id, data in found}

    def _needs_bytes(self, facts: JsonObject, row: JsonObject | None, is_due: bool) -> bool:
        """is_due: what was excepted is worth another try: a person or the clock says so, or its facts have changed."""
        if row is None or row["kind"] != "file":
            return True
        if row["outcome"] == Outcome.EXCEPTED:
            return row.get("code") == ExceptionCode.VANISHED or is_due or not same_content(facts, row)
        return not same_content(facts, row) or (is_due and asks_again(row))


def facts_of_row(row: JsonObject) -> JsonObject:
    """The facts that a row holds, as they were listed."""
    names = ("scope", "id", "kind", "name", "parent", "created", "modified", "service")
    return {name: row[name] for name in names if name in row}


def _is_over(row: JsonObject) -> bool:
    return row["outcome"] == Outcome.GONE or row.get("code") == ExceptionCode.VANISHED


def lacks_versions(row: JsonObject, settings: DriveSettings) -> bool:
    """Whether an excepted row is that of a file whose earlier versions were not asked for."""
    if row["kind"] != "file" or row.get("code") == ExceptionCode.VANISHED:
        return False
    return settings.versions_widen((row.get("asked") or {}).get("versions", "current"))


def is_of(row: JsonObject, drive: str) -> bool:
    """Whether a row is about something of this drive, as far as it says so: one of a version names its item alone."""
    return row["kind"] in {"version", "versions"} or row["scope"] == drive


def item_of(row: JsonObject) -> str:
    """Id of the drive's item that a row is about."""
    return str(row["scope"] if row["kind"] in {"version", "versions"} else row["id"])


def may_succeed(row: JsonObject, now: datetime) -> bool:
    """Whether an excepted row is worth another try today."""
    if row["outcome"] != Outcome.EXCEPTED or row["code"] not in set(ExceptionCode):
        return False
    code = ExceptionCode(row["code"])
    if code is ExceptionCode.NOT_FOUND_WHILE_LISTED and not asks_again(row):
        return now - datetime.fromisoformat(row["captured"]) >= ASK_AGAIN_AFTER
    if code is ExceptionCode.MALWARE:  # what the listing does not mark was found when it was read, and may pass
        return "malware" not in row.get("service", {})
    return not CAUSES[code].permanent
