"""One round over all folders of a mailbox, written into the ledger as it comes.

Rules of this file: first what is new in each folder that is known, then the walk (so that counts are read after the listing),
then folders that are new; a cursor is written when every row of its page is listed; a folder whose delta state is lost is listed
again by itself (Q-002); one that cannot be listed does not stop the others; a round that brings nothing reads nothing but
the head. Source: design §4 (the ledger, Whole), docs/formats.md (cursors), quirks Q-002, Q-008 to Q-010, Q-077.
"""

import hashlib
import threading
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from exporters.bag.formats import JsonObject, dump_json, load_json
from exporters.bag.ledger import BagWriter
from exporters.errors import ItemError, LastcopyError, SourceError
from exporters.graph.errors import NoMailboxError, NotFoundError, RefusedError, ResyncRequiredError, StoppedError
from exporters.graph.mailbox import Mailbox
from exporters.mail.capture.collections import PAGES, Collection, collection_at, collection_of
from exporters.mail.capture.facts import digest, id_of, is_removed, item_facts, listed_facts, same_facts
from exporters.mail.capture.walk import Walk, Walker, walked_as
from exporters.mail.settings import MailSettings

FOLDERS = "folders"
RESTARTS = 1
_SEEN = 500


class Listing:
    """Rounds over one mailbox. anew: folders (ids) that are to be listed from the start, whatever link there is."""

    def __init__(
        self,
        mailbox: Mailbox,
        writer: BagWriter,
        settings: MailSettings,
        *,
        stop: threading.Event,
        is_group: bool = False,
    ) -> None:
        self._mailbox, self._writer, self._settings = mailbox, writer, settings
        self._stop, self._is_group = stop, is_group
        self.refused: dict[str, LastcopyError] = {}
        """Scopes of collections, and parts of the walk, that could not be listed in this round, and why."""
        self.walk = Walk()
        self.relisted: set[str] = set()
        """Folders that were listed from the start in this run."""

    def run(self, anew: Iterable[str] = ()) -> bool:
        """List to the end of a round; whether it brought any news. Removals are not decided yet.

        Raises: SourceError, RunError; StoppedError: the next run goes on after the page that was the last.
        """
        self.refused = {}
        anew = set(anew)
        news = False
        asked: set[str] = set()
        for scope in self._known_scopes():
            collection = collection_at(scope)
            if collection is None or collection.word == "threads" or not self._is_live(scope):
                continue
            if collection.folder not in anew:
                asked.add(scope)
                news = self._ask(collection) or news
        changed = self._walk()
        news = bool(changed) or news
        for facts in self.walk.folders.values():
            collection = collection_of(facts)
            if collection is None or collection.scope in asked:
                continue
            if collection.word == "threads" and self._is_live(collection.scope) and facts["id"] not in changed:
                continue
            news = self._ask(collection, anew=collection.folder in anew) or news
        return news

    def _known_scopes(self) -> list[str]:
        """Scopes of cursors; the one whose listing from the start was cut off goes first: what it has seen is known now only."""
        cursors = self._writer.heads.cursors
        return sorted(cursors, key=lambda scope: (not cursors[scope].get("full"), scope))

    def _is_live(self, scope: str) -> bool:
        cursor = self._writer.heads.cursors.get(scope)
        return cursor is not None and cursor.get("kind") != "dropped"

    # -- folders ----------------------------------------------------------------------------------------------------

    def _walk(self) -> set[str]:
        """Walk, and write down what is new; ids of folders of which something is."""
        cursor: JsonObject = self._writer.heads.cursors.get(FOLDERS, {})
        walker = Walker(
            self._mailbox, recoverable=self._settings.recoverable == "all", well_known=cursor.get("wellKnown") or {}
        )
        self.walk = walker.group() if self._is_group else walker.mailbox()
        self.refused |= self.walk.refused
        value: JsonObject = {"kind": "listed", "link": "", "digest": self._digest(), "wellKnown": self.walk.well_known}
        is_as_before = all(cursor.get(name) == value[name] for name in value)
        if is_as_before and not self._writer.is_loaded:
            return set()
        changed = {facts["id"] for facts in self._news_of(list(self.walk.folders.values()))} | self._gone_folders()
        if not is_as_before:
            self._writer.emit("cursor", {"scope": FOLDERS, **value})
        return changed

    def _digest(self) -> str:
        found = hashlib.sha256()
        for item_id in sorted(self.walk.folders):
            found.update(dump_json(self.walk.folders[item_id]))
        for part in sorted(self.walk.refused):
            found.update(part.encode())
        return found.hexdigest()

    def _gone_folders(self) -> set[str]:
        """Folders that the walk did not find any more, in those parts of it that went through, are listed as deleted."""
        asked = {"mail", "contacts", "calendar", "tasks", "threads"}
        asked |= {"recoverable"} if self._settings.recoverable == "all" else set()
        query = "kind = 'folder' AND scope = '' AND outcome = 'copied'"
        gone: list[JsonObject] = []
        for row in map(load_json, self._writer.state.rows(query)):
            item_id = row["id"]
            if item_id in self.walk.folders or walked_as(row) in self.walk.refused or walked_as(row) not in asked:
                continue
            owed = self._writer.state.listed("", item_id)
            if owed is None or not owed.get("deleted"):
                facts: JsonObject = {"scope": "", "id": item_id, "deleted": True}
                facts.update({name: row[name] for name in ("kind", "name", "parent") if name in row})
                gone.append(facts)
        self._writer.emit_all([("listed", facts) for facts in gone])
        return {facts["id"] for facts in gone}

    # -- items ------------------------------------------------------------------------------------------------------

    def _ask(self, collection: Collection, *, anew: bool = False) -> bool:
        """List one collection; whether that brought news. What cannot be listed is kept in `refused`."""
        self._look_for_a_stop()
        try:
            return self._list_collection(collection, anew=anew)
        except (NoMailboxError, StoppedError):
            raise
        except NotFoundError as error:
            if collection.folder in self.walk.folders:  # the walk found it just now
                self.refused[collection.scope] = error
            self._drop(collection)
            return False  # what became of it the walk tells
        except (ItemError, SourceError) as error:
            self.refused[collection.scope] = error
            if self._writer.heads.cursors.get(collection.scope, {}).get("full") or self._writer.heads.round is not None:
                self._drop(collection)
            return False

    def _drop(self, collection: Collection) -> None:
        """The next listing of it begins at its start."""
        if collection.scope in self._writer.heads.cursors:
            self._writer.emit("cursor", {"scope": collection.scope, "kind": "dropped", "link": ""})
        if self._writer.heads.round is not None:
            self._end_round(collection)

    def _end_round(self, collection: Collection) -> None:
        self._writer.emit("round", {"scope": collection.scope, "state": "ended", "full": True, "link": None})

    def _list_collection(self, collection: Collection, *, anew: bool) -> bool:
        for restart in range(RESTARTS + 1):
            try:
                if collection.has_delta:
                    return self._delta(collection, anew=anew or restart > 0)
                return self._whole(collection, anew=anew)
            except ResyncRequiredError:
                if restart == RESTARTS:
                    raise
        raise AssertionError("unreachable")

    def _delta(self, collection: Collection, *, anew: bool) -> bool:
        cursor = self._writer.heads.cursors.get(collection.scope, {})
        expand = cursor.get("settings", {}).get("expand", 0)
        link = cursor.get("link")
        if anew or not link or cursor.get("kind") == "dropped" or not self._fits(cursor, collection):
            return self._from_the_start(collection)
        pages = self._mailbox.delta(link, page_size=PAGES[collection.word])
        return self._pages(collection, pages, expand, bool(cursor.get("full")))

    def _fits(self, cursor: Mapping[str, Any], collection: Collection) -> bool:
        """Whether a link was made with what we ask for today (Q-009); `expand` says which of the expansions the service took."""
        settings = cursor.get("settings", {})
        return bool(settings.get("asked") == self._asked(collection))

    def _asked(self, collection: Collection) -> str:
        return digest({"params": collection.params(None), "expands": list(collection.expands)})[:16]

    def _from_the_start(self, collection: Collection) -> bool:
        self._begin(collection)
        for number, expand in enumerate(collection.expands):
            pages = self._mailbox.delta(
                collection.path, params=collection.params(expand), page_size=PAGES[collection.word]
            )
            try:
                return self._pages(collection, pages, number, full=True)
            except RefusedError:
                if expand is None:
                    raise
        raise AssertionError("unreachable")

    def _begin(self, collection: Collection) -> None:
        self.relisted.add(collection.folder)
        self._writer.emit("round", {"scope": collection.scope, "state": "begun", "full": True})

    def _pages(self, collection: Collection, pages: Iterable[Any], expand: int, full: bool) -> bool:
        news = False
        settings = {"asked": self._asked(collection), "expand": expand}
        for page in pages:
            news = self._take(collection, page.rows, full) or news
            kind, link = ("next", page.next_link) if page.next_link is not None else ("delta", page.delta_link)
            before = self._writer.heads.cursors.get(collection.scope, {})
            cursor: JsonObject = {"kind": kind, "link": link, "settings": settings}
            if full and kind == "next":
                cursor["full"] = True
            elif full:
                news = self._miss(collection) or news
            if cursor != before:
                self._writer.emit("cursor", {"scope": collection.scope, **cursor})
            if kind == "next":
                self._look_for_a_stop()
        if full:
            self._end_round(collection)
        return news

    def _miss(self, collection: Collection) -> bool:
        """A listing from the start has ended: what it did not bring is not in this folder any more."""
        query = (
            "SELECT id, name FROM tree WHERE scope = '' AND parent = ? AND alive = 1 AND kind = ? AND NOT EXISTS"
            " (SELECT 1 FROM seen WHERE seen.scope = ? AND seen.id = tree.id) LIMIT ?"
        )
        values = (collection.folder, collection.kind, collection.scope, _SEEN)
        news = False
        while found := self._writer.state.db.execute(query, values).fetchall():
            facts = {"scope": "", "deleted": True, "kind": collection.kind, "parent": collection.folder}
            named = [{**facts, "id": item_id, "name": name.decode("utf-8", "surrogatepass")} for item_id, name in found]
            self._writer.emit_all([("listed", one) for one in named])
            news = True
        return news

    def _take(self, collection: Collection, rows: list[JsonObject], full: bool) -> bool:
        """A page; whether it brought news. The last row of an id counts (Q-003)."""
        there = [row for row in rows if id_of(row) is not None]
        if not there:
            return False
        facts = [
            {"scope": "", "id": row["id"], "deleted": True, "kind": collection.kind, "parent": collection.folder}
            if is_removed(row)
            else item_facts(collection.kind, row, collection.folder)
            for row in there
        ]
        if full:
            self._see(collection, (one["id"] for one in facts if not one.get("deleted")))
        return bool(self._news_of(facts))

    def _see(self, collection: Collection, ids: Iterable[str]) -> None:
        found = list(dict.fromkeys(ids))
        for start in range(0, len(found), _SEEN):
            self._writer.emit("seen", {"scope": collection.scope, "ids": found[start : start + _SEEN]})

    def _news_of(self, facts: list[JsonObject]) -> list[JsonObject]:
        """Write down what is not known already; return it."""
        known = self._writer.state.known("", list({one["id"] for one in facts})) if facts else {}
        news: list[JsonObject] = []
        for one in facts:
            owed, row = known[one["id"]]
            if not _is_news(one, owed, row):
                continue
            named = owed or row or {}
            news.append({**one, "name": named.get("name", "")} if one.get("deleted") else one)
            known[one["id"]] = news[-1], row
        self._writer.emit_all([("listed", one) for one in news])
        return news

    # -- what has no delta ------------------------------------------------------------------------------------------

    def _whole(self, collection: Collection, *, anew: bool) -> bool:
        """Ids and change keys of all, which are compared with those that we hold if they are not as they were."""
        cursor = self._writer.heads.cursors.get(collection.scope)
        if cursor is not None and cursor.get("kind") == "listed" and not anew:
            told = Digest()
            for page in self._listed(collection):
                told.take(page)
            if told.value == cursor.get("digest"):
                return False
        self._begin(collection)
        told, news = Digest(), False
        for page in self._listed(collection):
            told.take(page)
            self._see(collection, (row["id"] for row in page))
            news = bool(self._news_of([listed_facts(collection.kind, row, collection.folder) for row in page])) or news
        news = self._miss(collection) or news
        self._writer.emit("cursor", {"scope": collection.scope, "kind": "listed", "link": "", "digest": told.value})
        self._end_round(collection)
        return news

    def _listed(self, collection: Collection) -> Iterator[list[JsonObject]]:
        for page in self._mailbox.pages(collection.path, params=collection.params(None)):
            self._look_for_a_stop()
            yield [row for row in page if id_of(row) is not None]

    def _look_for_a_stop(self) -> None:
        if self._stop.is_set():
            raise StoppedError(
                "The run was asked to stop while a mailbox was listed.", code="stopped", action="Run again to go on."
            )


class Digest:
    """Stands for ids and change keys, in whatever order they come."""

    def __init__(self) -> None:
        self._sum, self._number = 0, 0

    def take(self, page: Iterable[Mapping[str, Any]]) -> None:
        """Take in rows."""
        for row in page:
            text = f"{row.get('id')}\0{row.get('changeKey') or row.get('@odata.etag')}"
            self._sum += int.from_bytes(hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest(), "big")
            self._number += 1

    @property
    def value(self) -> str:
        return f"{self._number}-{self._sum % (1 << 256):064x}"


def _is_news(facts: Mapping[str, Any], owed: Mapping[str, Any] | None, row: Mapping[str, Any] | None) -> bool:
    """owed, row: what we know of the item already. That a folder does not have it any more is news only if we think it has."""
    held = row is not None and row["outcome"] != "gone" and row.get("code") != "vanished"
    if facts.get("deleted"):
        newest = owed if owed is not None else row
        if newest is None or newest.get("parent") != facts["parent"]:
            return False
        return not owed.get("deleted") if owed is not None else held
    if owed is not None:
        return owed != facts
    return row is None or not held or not same_facts(facts, row)
