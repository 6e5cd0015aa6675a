"""One round over all folders of a mailbox, written into the ledger as it comes.

Rules of this file: first what is new in each folder that is known, then the walk (so that counts are read after the listing),
then folders that are new; a cursor is written when every row of its page is listed; a folder whose delta state is lost is listed
again by itself (Q-002); one that cannot be listed does not stop the others; a round that brings nothing reads nothing but
the head. Source: design §4 (the ledger, Whole), docs/formats.md (cursors), quirks Q-002, Q-008 to Q-010, Q-077.
"""

import hashlib
import threading
from collections.abc import Container, Iterable, Iterator
from typing import Any

from exporters.bag.formats import JsonObject, dump_json, load_json
from exporters.bag.ledger import BagWriter
from exporters.errors import ItemError, LastcopyError, SourceError
from exporters.graph.errors import (
    ForeignLinkError,
    GaveUpError,
    ItemGaveUpError,
    NotFoundError,
    PagingLoopError,
    RefusedError,
    ResyncRequiredError,
    StoppedError,
    UnsupportedError,
)
from exporters.graph.mailbox import Mailbox
from exporters.mail.capture.ahead import Ahead
from exporters.mail.capture.collections import Collection, First, collection_at, collection_of
from exporters.mail.capture.doubts import confirm, is_odd, missed
from exporters.mail.capture.exceptions import INCOMPLETE, NO_MAILBOX, incomplete
from exporters.mail.capture.facts import id_of, is_removed, item_facts, listed_facts
from exporters.mail.capture.news import ListingDigest, is_news, uncounted
from exporters.mail.capture.refusals import MOST_FOLDERS, Refusals
from exporters.mail.capture.walk import CONTACTS, Walk, Walker, walked_as
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
        """Folders that were listed from the start in this round."""
        self._missing: dict[str, LastcopyError] = {}
        self._refusals = Refusals(MOST_FOLDERS)
        self._ahead: Ahead[First, Any] | None = None
        self._nameless: set[str] = set()

    def run(self, anew: Iterable[str] = ()) -> bool:
        """List to the end of a round; whether it brought any news. Removals are not decided yet.

        Raises: SourceError, RunError; StoppedError: the next run goes on after the page that was the last.
        """
        self.refused, self.relisted, self._missing, self._nameless = {}, set(), {}, set()
        anew = set(anew)
        known = [collection for collection in self._known() if collection.folder not in anew]
        news = self._ask_all(known, frozenset())
        asked = {collection.scope for collection in known}
        # what became of these the walk tells: one that is there still is listed from the start
        asked -= self._missing.keys()
        self._missing = {}
        changed = self._walk()
        news = bool(changed) or news
        news = self._ask_all(self._new(asked, changed), anew) or news
        self.refused |= self._missing  # the walk found them just now: the next round tells
        return news or bool(self._missing)

    def _ask_all(self, collections: list[Collection], anew: Container[str]) -> bool:
        """List these; whether that brought news. The service is asked for several at once, and they are taken one by one."""
        cursors, news = self._writer.heads.cursors, False
        firsts = {one.scope: one.first(cursors.get(one.scope, {}), anew=one.folder in anew) for one in collections}
        with Ahead(firsts.values(), self._request) as self._ahead:
            for collection in collections:
                try:
                    news = self._ask(collection, anew=collection.folder in anew) or news
                finally:
                    self._ahead.leave(firsts[collection.scope])
        self._ahead = None
        return news

    def _new(self, asked: set[str], changed: set[str]) -> list[Collection]:
        """Collections of the walk that were not asked for in this round, and may have something new."""
        found: list[Collection] = []
        for facts in self.walk.folders.values():
            collection = collection_of(facts)
            if collection is None or collection.scope in asked:
                continue
            # a thread says when it changed last
            is_told = collection.word == "threads" and facts["service"].get("changed") is not None
            if not (is_told and self._is_live(collection.scope) and facts["id"] not in changed):
                found.append(collection)
        return found

    def recoverable_of(self, scopes: Iterable[str]) -> set[str]:
        """Those of folders of Recoverable Items."""
        found = {
            one.scope for facts in self.walk.folders.values() if (one := collection_of(facts)) and one.is_recoverable
        }
        cursors = self._writer.heads.cursors
        return {scope for scope in scopes if scope in found or cursors.get(scope, {}).get("recoverable")}

    def _known(self) -> list[Collection]:
        """Collections that have a cursor; the one whose listing from the start was cut off goes first: what it has seen is known
        now only."""
        cursors = self._writer.heads.cursors
        found: list[Collection] = []
        for scope in sorted(cursors, key=lambda scope: (not cursors[scope].get("full"), scope)):
            if (collection := collection_at(scope, cursors[scope])) is None:
                continue
            if collection.word == "threads" or not self._is_live(scope):
                continue
            if self._settings.recoverable == "all" or not collection.is_recoverable:
                found.append(collection)
        return found

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
        is_as_before = cursor.get("digest") == self._digest() and cursor.get("wellKnown") == self.walk.well_known
        if is_as_before and not self._writer.is_loaded:
            self.refused |= self.walk.refused
            return set()
        gone = self._gone_folders(walker)
        changed = {facts["id"] for facts in self._news_of(list(self.walk.folders.values()))} | gone
        self.refused |= self.walk.refused
        value: JsonObject = {"kind": "listed", "link": "", "digest": self._digest(), "wellKnown": self.walk.well_known}
        if not (cursor or self.walk.folders or self.walk.refused):
            self._note_empty()
        if any(cursor.get(name) != value[name] for name in value):
            self._writer.emit("cursor", {"scope": FOLDERS, **value})
        return changed

    def _note_empty(self) -> None:
        """A group without conversations is listed to its end, too, though there is nothing of which a round could be made."""
        for state in "begun", "ended":
            self._writer.emit("round", {"scope": FOLDERS, "state": state, "full": True, "link": None})

    def _digest(self) -> str:
        found = hashlib.sha256()
        for item_id in sorted(self.walk.folders):
            found.update(dump_json(self.walk.folders[item_id]))
        for part in sorted(self.walk.refused):
            found.update(part.encode())
        return found.hexdigest()

    def _gone_folders(self, walker: Walker) -> set[str]:
        """Folders that are not there any more, in those parts of the walk that went through, are listed as deleted."""
        asked = {"mail", "contacts", "calendar", "tasks", "threads"}
        asked |= {"recoverable"} if self._settings.recoverable == "all" else set()
        query = "kind = 'folder' AND scope = '' AND outcome = 'copied'"
        missing: list[JsonObject] = []
        gone: list[JsonObject] = []
        for row in map(load_json, self._writer.state.rows(query)):
            if row["id"] in self.walk.folders or walked_as(row) in self.walk.refused:
                continue
            if walked_as(row) not in asked:
                gone += uncounted(row)
            elif not (self._writer.state.listed("", row["id"]) or {}).get("deleted"):
                missing.append(row)
        for row in walker.look_for(missing):
            facts: JsonObject = {"scope": "", "id": row["id"], "deleted": True}
            gone.append({**facts, **{name: row[name] for name in ("kind", "name", "parent") if name in row}})
        self._writer.emit_all([("listed", facts) for facts in gone])
        return {facts["id"] for facts in gone}

    # -- items ------------------------------------------------------------------------------------------------------

    def _ask(self, collection: Collection, *, anew: bool = False) -> bool:
        """List one collection; whether that brought news. What cannot be listed is kept in `refused`."""
        self._look_for_a_stop()
        try:
            news = self._list_collection(collection, anew=anew)
            if collection.scope in self._nameless:
                raise incomplete("A listing names items without an id.")
        except (*NO_MAILBOX, StoppedError):
            raise
        except NotFoundError as error:
            if collection.folder != CONTACTS:  # that one was not found by the walk either: there are no contacts
                self._missing[collection.scope] = error
            self._drop(collection)
            return False
        except (ItemError, SourceError) as error:
            self.refused[collection.scope] = error
            is_full = self._writer.heads.cursors.get(collection.scope, {}).get("full")
            if (
                is_full
                or self._writer.heads.round is not None
                or isinstance(error, (PagingLoopError, ForeignLinkError))
                or error.code == INCOMPLETE
            ):
                self._drop(collection)
            if isinstance(error, GaveUpError | ItemGaveUpError):
                self._refusals.refused(error)
            return error.code == INCOMPLETE  # the next round may know more
        self._refusals.served()
        return news

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
            except (
                ResyncRequiredError,
                ForeignLinkError,
            ):  # the state is lost, or was made at another address of the service
                if restart == RESTARTS:
                    raise
            except UnsupportedError:  # a mailbox that is over its quota, say
                if not collection.has_delta:
                    raise
                return self._plain(collection)
        raise AssertionError("unreachable")

    def _delta(self, collection: Collection, *, anew: bool) -> bool:
        cursor = self._writer.heads.cursors.get(collection.scope, {})
        if anew or collection.link_at(cursor) is None:
            return self._from_the_start(collection)
        pages, expand = self._asked(collection.first(cursor, anew=False)), cursor.get("settings", {}).get("expand", 0)
        try:
            return self._pages(collection, pages, expand, bool(cursor.get("full")))
        except RefusedError:  # a link that is not taken any more
            return self._from_the_start(collection)

    def _asked(self, first: First) -> Iterator[Any]:
        """The pages that begin with this request; it may have been sent already."""
        pages = None if self._ahead is None else self._ahead.pages(first)
        return self._request(first) if pages is None else pages

    def _request(self, first: First) -> Iterator[Any]:
        if first.size is None:
            return self._mailbox.pages(first.where, params=dict(first.params))
        return self._mailbox.delta(first.where, params=dict(first.params), page_size=first.size)

    def _from_the_start(self, collection: Collection) -> bool:
        self._begin(collection)
        for number, expand in enumerate(collection.expands):
            try:
                return self._pages(collection, self._asked(collection.from_the_start(expand)), number, full=True)
            except RefusedError:
                if expand is None:
                    raise
        raise AssertionError("unreachable")

    def _begin(self, collection: Collection) -> None:
        self.relisted.add(collection.folder)
        self._writer.emit("round", {"scope": collection.scope, "state": "begun", "full": True})

    def _pages(self, collection: Collection, pages: Iterable[Any], expand: int, full: bool) -> bool:
        news = False
        settings = {"asked": collection.asked, "expand": expand}
        for page in pages:
            news = self._take(collection, page.rows, full) or news
            kind, link = ("next", page.next_link) if page.next_link is not None else ("delta", page.delta_link)
            before = self._writer.heads.cursors.get(collection.scope, {})
            cursor: JsonObject = {"kind": kind, "link": link, "settings": settings}
            if collection.is_recoverable:
                cursor["recoverable"] = True
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
        """A listing from the start has ended: what it did not bring is not in this folder any more. Raises: SourceError if that
        is not so."""
        state, news = self._writer.state, False
        confirm(self._mailbox, state, collection)
        while found := missed(state, collection, _SEEN):
            facts = {"scope": "", "deleted": True, "kind": collection.kind, "parent": collection.folder}
            named = [{**facts, "id": item_id, "name": name.decode("utf-8", "surrogatepass")} for item_id, name in found]
            self._writer.emit_all([("listed", one) for one in named])
            news = True
        return news

    def _take(self, collection: Collection, rows: list[JsonObject], full: bool) -> bool:
        """A page; whether it brought news. The last row of an id counts (Q-003)."""
        there = self._named(collection, rows)
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
            if not is_news(one, owed, row):
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
        if cursor is not None and cursor.get("kind") == "listed" and collection.fits(cursor) and not anew:
            told = ListingDigest()
            for page in self._listed(collection):
                told.take(page)
            if told.value == cursor.get("digest"):
                return False
        self._begin(collection)
        digest, news = self._take_listed(collection)
        if collection.word == "events" and is_odd(
            self._writer.state, collection
        ):  # nothing counts them: they are listed twice
            again, more = self._take_listed(collection)
            if again != digest:  # neither is what there is: the next round lists them once more
                digest, more = "", True
            news = news or more
        news = self._miss(collection) or news
        self._end_listed(collection, {"asked": collection.asked}, digest)
        return news

    def _take_listed(self, collection: Collection) -> tuple[str, bool]:
        """List all once; (digest of what came, whether it brought news)."""
        told, news = ListingDigest(), False
        for page in self._listed(collection):
            told.take(page)
            self._see(collection, (row["id"] for row in page))
            facts = [listed_facts(collection.kind, row, collection.folder, collection.asked) for row in page]
            news = bool(self._news_of(facts)) or news
        return told.value, news

    def _end_listed(self, collection: Collection, settings: JsonObject, told: str) -> None:
        """A listing that leaves no link has ended."""
        value: JsonObject = {
            "scope": collection.scope,
            "kind": "listed",
            "link": "",
            "settings": settings,
            "digest": told,
        }
        if collection.is_recoverable:
            value["recoverable"] = True
        self._writer.emit("cursor", value)
        self._end_round(collection)

    def _plain(self, collection: Collection) -> bool:
        """All items as they are, of a folder that tells no changes; delta is asked for again in the next round."""
        self._begin(collection)
        for number, expand in enumerate(collection.expands):
            news = False
            try:
                for page in self._mailbox.pages(collection.plain_path, params=collection.plain_params(expand)):
                    self._look_for_a_stop()
                    news = self._take(collection, page, full=True) or news
            except RefusedError:
                if expand is None:
                    raise
                continue
            news = self._miss(collection) or news
            self._end_listed(collection, {"asked": collection.asked, "expand": number}, "")
            return news
        raise AssertionError("unreachable")

    def _listed(self, collection: Collection) -> Iterator[list[JsonObject]]:
        for page in self._asked(collection.from_the_start(None)):
            self._look_for_a_stop()
            yield self._named(collection, page)

    def _named(self, collection: Collection, rows: list[JsonObject]) -> list[JsonObject]:
        """Rows with an id; that there are others makes the listing one that is not whole."""
        there = [row for row in rows if id_of(row) is not None]
        if len(there) < len(rows):
            self._nameless.add(collection.scope)
        return there

    def _look_for_a_stop(self) -> None:
        if self._stop.is_set():
            raise StoppedError(
                "The run was asked to stop while a mailbox was listed.", code="stopped", action="Run again to go on."
            )
