"""The second capture of one mailbox: every item of every folder as the stream that `exportItems` gives.

Rules of this file: a folder's cursor is written after the rows of its page, and rows after the object that holds their bytes, so
that nothing owed has to be remembered: a kill repeats a page at most. What the service leaves out or refuses is a row with a
code. Nobody else's rows are touched. One thread writes, some fetch. Source: issue 6 (part 3), docs/formats.md, graph.md §4.
"""

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from exporters.bag.formats import JsonObject
from exporters.bag.ledger import BagWriter
from exporters.clock import Clock
from exporters.copied import CopyResult, Progress
from exporters.errors import ItemError, LastcopyError, SourceError
from exporters.graph.errors import (
    ForeignLinkError,
    GraphError,
    NoMailboxError,
    PermissionMissingError,
    RefusedError,
    ResyncRequiredError,
    StoppedError,
)
from exporters.graph.mailbox import Mailbox
from exporters.mail.capture.exceptions import incomplete
from exporters.mail.capture.exchange import ITEM_EXPANDS, ExportFolder, folder_service, left_out, walk
from exporters.mail.capture.exports import Exporting
from exporters.mail.capture.facts import digest, id_of, is_removed
from exporters.mail.capture.joins import Joins
from exporters.mail.capture.objects import Numbers
from exporters.mail.capture.stream_rows import StreamKeeper, is_copied, stream_facts

_PAGE = 200
_SEEN = 500
_RESTARTS = 1
CLOSING_ROUNDS = 3
SCOPE = "export"


@dataclass(slots=True)
class Streams:
    """What a run did on one mailbox of the export API. refused: folders (ids) that could not be listed, and why. failed: items
    that could not be had. unjoined: by path of a folder, items that the first capture should have and that none of its rows is.
    keyless: items of kinds that have no keys to be joined by (tasks). mass: a digest of what would vanish at once, if that is too
    much to be believed."""

    folders: int = 0
    exported: int = 0
    gone: int = 0
    failed: int = 0
    mass: str | None = None
    refused: dict[str, LastcopyError] = field(default_factory=dict)
    unjoined: dict[str, int] = field(default_factory=dict)
    keyless: int = 0


class StreamCapture:
    """One run on one mailbox of the export API.

    box: as `Mailbox.exports` gives it. joins: finds the items of the first capture; None for an archive,
    of which there is none. is_quiet: the first capture found nothing new, so folders that it reaches need not be asked.
    """

    def __init__(
        self,
        box: Mailbox,
        writer: BagWriter,
        clock: Clock,
        *,
        stop: threading.Event,
        progress: Progress,
        numbers: Numbers,
        result: CopyResult,
        joins: Joins | None = None,
        is_quiet: bool = False,
        accepts_removals: Callable[[str], bool] = lambda digest: False,
    ) -> None:
        self._box, self._id, self._writer = box, box.owner, writer
        self._stop, self._progress, self._is_quiet = stop, progress, is_quiet
        self._accepts = accepts_removals
        self._keeper = StreamKeeper(box.owner, writer, clock, numbers, result, joins)
        self._exporting = Exporting(box, stop)
        self._nameless: set[str] = set()
        self.found = Streams()

    def run(self) -> Streams:
        """Capture; nothing of it waits when this returns.

        Raises: GraphError if the mailbox's folders cannot be listed; RunError, errors of the store, StoppedError.
        """
        try:
            with self._exporting:
                self._all()
                self._keeper.finish()
        except GraphError:  # what was exported before is kept
            self._keeper.finish()
            raise
        except BaseException:
            self._keeper.abandon()
            raise
        return self.found

    def _all(self) -> None:
        folders = {folder.id: folder for folder in walk(self._box)}
        for folder in folders.values():
            self._settle(folder)
        self._miss_folders(folders)
        self.found.folders = len(folders)
        for folder in folders.values():
            if not (self._is_quiet and self._is_settled(folder) and self._keeper.is_reached_elsewhere(folder)):
                self._ask(folder)
        self._decide()
        self._retry(folders)
        self._close(folders)
        self._tell(folders)

    def _tell(self, folders: Mapping[str, ExportFolder]) -> None:
        """What did not join stands with a cursor, so that a run without news need not read the rows for it."""
        scope = f"{SCOPE}/{self._id}"
        held = self._writer.heads.cursors.get(scope, {})
        told = self._keeper.settle_joins(folders, anew=not self._is_quiet and bool(held.get("unjoined")))
        if told is None:
            told = dict(held.get("unjoined") or {}), int(held.get("keyless") or 0)
        self.found.unjoined, self.found.keyless = told
        value: JsonObject = {"kind": "listed", "link": "", "unjoined": told[0], "keyless": told[1]}
        if value != dict(held) and (held or any(told)):
            self._keeper.then("cursor", {"scope": scope, **value})
        self.found.failed = self._keeper.count_failed()

    # -- folders ----------------------------------------------------------------------------------------------------

    def _scope(self, folder_id: str) -> str:
        return f"{SCOPE}/{self._id}/{folder_id}"

    def _cursor(self, folder_id: str) -> Mapping[str, Any]:
        return self._writer.heads.cursors.get(self._scope(folder_id), {})

    def _is_settled(self, folder: ExportFolder) -> bool:
        """Whether all of it was listed, and it is as it was then."""
        cursor = self._cursor(folder.id)
        return cursor.get("kind") == "delta" and cursor.get("settings", {}).get("folder") == _mark(folder)

    def _settle(self, folder: ExportFolder) -> None:
        """Write the row of a folder that is not as we know it, and its new path into the rows of what lies in it. Its count waits
        until it is listed: a folder that may not be listed is no difference between two counts."""
        if not self._is_settled(folder):
            self._keeper.folder(folder, counted=False)

    def _miss_folders(self, folders: dict[str, ExportFolder]) -> None:
        """Folders that are not there any more. One that is there all the same is taken in, and the walk was not whole."""
        start = self._scope("")
        missing: list[tuple[str, JsonObject]] = []
        for scope, cursor in sorted(self._writer.heads.cursors.items()):
            folder_id = scope[len(start) :]
            if scope.startswith(start) and cursor.get("kind") != "dropped" and folder_id not in folders:
                missing.append((scope, self._writer.state.row(("folder", self._id, folder_id)) or {"id": folder_id}))
        for scope, row in sorted(missing, key=lambda one: str(one[1].get("path")).count("/")):
            folder = left_out(self._box, row, folders)
            if folder is None:
                self._keeper.folder_removed(row["id"])
                self._keeper.then("cursor", {"scope": scope, "kind": "dropped", "link": ""})
            else:
                folders[folder.id] = folder
                self._settle(folder)
                self.found.refused[folder.id] = incomplete("The export API leaves out folders that are there.")

    # -- listing ----------------------------------------------------------------------------------------------------

    def _ask(self, folder: ExportFolder) -> None:
        """List what is new in a folder, and export it; one that cannot be listed does not stop the others."""
        for restart in range(_RESTARTS + 1):
            try:
                self._list(folder, anew=restart > 0 or folder.id in self._nameless)
                if folder.id in self._nameless:
                    self._keeper.then("cursor", {"scope": self._scope(folder.id), "kind": "dropped", "link": ""})
                    raise incomplete("A listing of the export API names items without an id.")
            except (ResyncRequiredError, ForeignLinkError) as error:
                if restart == _RESTARTS:
                    self.found.refused[folder.id] = error
                continue
            except (StoppedError, PermissionMissingError, NoMailboxError):
                raise  # it is so for all of them
            except (ItemError, SourceError) as error:
                self.found.refused[folder.id] = error
            return

    def _list(self, folder: ExportFolder, *, anew: bool) -> None:
        cursor = self._cursor(folder.id)
        settings = cursor.get("settings", {})
        expand, link = settings.get("expand"), cursor.get("link")
        is_resumable = not cursor.get("full") or self._scope(folder.id) in self._writer.heads.scopes
        if link and not anew and cursor.get("kind") in ("next", "delta") and expand in ITEM_EXPANDS and is_resumable:
            self._pages(folder, link, expand, full=bool(cursor.get("full")))
            return
        full = self._keeper.holds(folder.id)
        if full:
            self._keeper.finish()
            self._writer.emit("round", {"scope": self._scope(folder.id), "state": "begun", "full": True})
        for asked in ITEM_EXPANDS:
            try:
                self._pages(folder, None, asked, full=full)
            except RefusedError:
                if asked is None:
                    raise
            else:
                return

    def _pages(self, folder: ExportFolder, link: str | None, expand: str | None, *, full: bool) -> None:
        """full: listed from the start although we hold something of it, so that what it does not bring is gone."""

        params = {"$expand": expand} if expand is not None and link is None else None
        for page in self._box.delta(link or f"{folder.route}/items/delta", params=params, page_size=_PAGE):
            self._look_for_a_stop()
            self._take(folder, page.rows, full=full)
            if page.next_link is None:
                self._end(folder, page.delta_link, expand, full=full)
            else:
                self._keep_cursor(folder, "next", page.next_link, expand, full=full)

    def _keep_cursor(
        self, folder: ExportFolder, kind: str, link: str | None, expand: str | None, *, full: bool
    ) -> None:
        settings = {"expand": expand, "folder": _mark(folder)}
        value: JsonObject = {"kind": kind, "link": link, "settings": settings}
        if full:
            value["full"] = True
        if value != dict(self._cursor(folder.id)):
            self._keeper.then("cursor", {"scope": self._scope(folder.id), **value})

    def _end(self, folder: ExportFolder, link: str | None, expand: str | None, *, full: bool) -> None:
        if full:
            self._keeper.finish()  # what was seen is known then
            self._keeper.missed(folder, self._scope(folder.id))
        if not self._is_settled(folder):
            self._keeper.listed_to_the_end(folder)
        self._keep_cursor(folder, "delta", link, expand, full=False)
        if full:
            self._keeper.then("round", {"scope": self._scope(folder.id), "state": "ended", "full": True, "link": link})

    def _take(self, folder: ExportFolder, rows: list[JsonObject], *, full: bool) -> None:
        """A page: what is new of it is exported. The last row of an id counts."""
        newest = {str(row["id"]): row for row in rows if id_of(row) is not None}
        if any(id_of(row) is None for row in rows):
            self._nameless.add(folder.id)
        if not newest:
            return
        known = self._keeper.known(list(newest))
        wanted: list[JsonObject] = []
        for item_id, served in newest.items():
            row = known.get(item_id)
            if is_removed(served):
                if row is not None and row.get("parent") == folder.id:  # else it was listed in another one meanwhile
                    self._keeper.removed(row)
                continue
            facts = stream_facts(self._id, folder, served)
            if (
                row is not None
                and is_copied(row)
                and facts["service"].get("changeKey") is not None
                and row["service"].get("changeKey") == facts["service"]["changeKey"]
            ):
                self._keeper.moved(folder, facts, row)
            else:
                wanted.append(facts)
        self._export(folder, wanted, known)
        if full:
            there = [item_id for item_id, served in newest.items() if not is_removed(served)]
            for start in range(0, len(there), _SEEN):
                self._keeper.then("seen", {"scope": self._scope(folder.id), "ids": there[start : start + _SEEN]})

    def _export(self, folder: ExportFolder, wanted: list[JsonObject], known: Mapping[str, JsonObject]) -> None:
        self._progress.listed(len(wanted))
        by_id = {str(facts["id"]): facts for facts in wanted}
        for item in self._exporting.all(folder, wanted):
            with item:
                self._keeper.keep(folder, by_id[item.item_id], known.get(item.item_id), item)
            self.found.exported += item.file is not None
            self._progress.received(item.size)
            self._progress.finished(1)
            self._keeper.close_due()

    def _look_for_a_stop(self) -> None:
        if self._stop.is_set():
            raise StoppedError(
                "The run was asked to stop while streams were exported.", code="stopped", action="Run again to go on."
            )

    def _decide(self) -> None:
        """What becomes of all that is not there any more, over all folders."""
        if self._writer.is_loaded or self._keeper.has_work or self._writer.has_unfinished_work:
            gone, mass = self._keeper.decide_removals(self._accepts)
            self.found.gone, self.found.mass = self.found.gone + gone, mass

    # -- the end ----------------------------------------------------------------------------------------------------

    def _retry(self, folders: Mapping[str, ExportFolder]) -> None:
        """What was refused in earlier runs is asked for once more."""
        owing: dict[str, list[JsonObject]] = {}
        for row in self._keeper.failed():
            owing.setdefault(str(row["parent"]), []).append(row)
        for folder_id, rows in owing.items():
            folder = folders.get(folder_id)
            if folder is None:
                continue
            self._look_for_a_stop()
            facts = [{k: v for k, v in row.items() if k not in ("code", "reason", "since", "outcome")} for row in rows]
            self._export(folder, facts, {str(row["id"]): row for row in rows})

    def _close(self, folders: Mapping[str, ExportFolder]) -> None:
        """Compare with the service's own counts, read after the listing; ask again where they differ."""
        if not (self._writer.is_loaded or self._keeper.has_work):
            return
        doubted = {item_id for item_id in folders if item_id not in self.found.refused}
        for _ in range(CLOSING_ROUNDS):
            self._keeper.finish()
            doubted = {item_id for item_id in doubted if not self._agrees(folders[item_id])}
            if not doubted:
                return
            for item_id in sorted(doubted):
                self._look_for_a_stop()
                folder = folders[item_id]
                self._ask(folder)
                if item_id not in self.found.refused:
                    self._count_again(folder)
            doubted -= self.found.refused.keys()
            self._decide()

    def _agrees(self, folder: ExportFolder) -> bool:
        expected = folder.facts["service"].get("totalItemCount")
        return expected is None or expected == self._keeper.count(folder.id)

    def _count_again(self, folder: ExportFolder) -> None:
        try:
            served = self._box.get(folder.route)
        except (ItemError, SourceError):
            return  # what we know stays, and the difference with it
        folder.facts["service"] = folder_service(served)
        self._keeper.folder(folder)  # nothing waits any more
        cursor = self._cursor(folder.id)
        if cursor.get("kind") == "delta":
            settings = {**cursor.get("settings", {}), "folder": _mark(folder)}
            self._keeper.then("cursor", {"scope": self._scope(folder.id), **cursor, "settings": settings})


def _mark(folder: ExportFolder) -> str:
    """Stands for what a folder's row says."""
    return digest({"facts": folder.facts, "path": folder.path})[:16]
