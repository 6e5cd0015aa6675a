"""The lists of a site that are no libraries: one after the other, each to its end.

Rules of this file: a list that refuses does not stop the others; one that the site does not have any more is asked for by
itself before its items are called gone; a run without news costs one request a list, and reads nothing. Source: design §4
(Whole), graph.md §5.4, quirks Q-001, Q-061, Q-062.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from exporters.bag.digests import Hashed
from exporters.bag.formats import JsonObject, dump_json
from exporters.bag.ledger import BagDamagedError
from exporters.drive.settings import DriveSettings
from exporters.errors import RunError, SourceError
from exporters.graph.calls import segment
from exporters.graph.errors import GraphError, NotFoundError, SiteLockedError
from exporters.graph.limits import Cost
from exporters.sharepoint.inventory import LIST_SELECT, site_list
from exporters.sharepoint.lists.exceptions import worth_another_try
from exporters.sharepoint.lists.facts import cursor_scope, digest_of_list
from exporters.sharepoint.lists.fetching import Fetcher
from exporters.sharepoint.lists.listing import GONE, Listing
from exporters.sharepoint.lists.one_list import OPEN, ListCopy
from exporters.sharepoint.lists.places import Places
from exporters.sharepoint.lists.schemas import SchemaReader
from exporters.sharepoint.lists.tables import make_tables
from exporters.sharepoint.permissions import note_permissions_due
from exporters.sharepoint.run import SiteList, SiteRun

CLOSING_ROUNDS = 3
_CURSORS = cursor_scope("")
_HANGING = frozenset({"list_item", "attachment", "versions"})


class Lists:
    """A part of the copy of a site. lists: all that the site has, libraries among them, whose list side is copied with their
    files; of those only the columns are read here."""

    def __init__(self, run: SiteRun, lists: Sequence[SiteList]) -> None:
        self._run, self._all = run, list(lists)
        self._places = Places(run.writer)
        self._schemas = SchemaReader(run, self._places)
        self._fetcher = Fetcher(run.graph, run.source.id)
        self._refused: dict[str, str] = {}

    def copy(self) -> bool:
        """See `Part.copy`."""
        again, odd = self._lists_with_failures(), self._lists_that_did_not_agree()
        did = self._settle_unlisted_lists()
        for one in self._all:
            if self._run.stop.is_set():
                break
            work = partial(self._copy_one, one, has_failures=one.id in again, anew=one.id in odd)
            did = self._guarded(one.id, work) or did
        self._note_refusals()
        return did

    def _guarded(self, list_id: str, work: Callable[[], bool]) -> bool:
        """Work on one list; that it refuses is kept."""
        try:
            return work()
        except (GraphError, SourceError) as error:
            if isinstance(error, (RunError, SiteLockedError, BagDamagedError)):
                raise
            self._refused[list_id] = error.code
            return False

    def derive(self) -> None:
        """See `Part.derive`."""
        make_tables(self._run, self._places, self._all)

    # -- one list ---------------------------------------------------------------------------------------------------

    def _copy_one(self, one: SiteList, *, has_failures: bool, anew: bool) -> bool:
        """Whether there was news or work."""
        if one.drive_id is not None:
            self._schemas.refresh(one)
            return False
        run, settings = self._run, self._run.settings.drive
        cursor, digest = self._cursor(one), digest_of_list(one)
        is_changed, wider = cursor.get("digest") != digest, self._is_wider(settings, cursor)
        listing = Listing(run.graph, run.writer, run.source.id, one.id, run.stop)
        copy = ListCopy(run, one, listing, self._places, self._fetcher)
        extra, did_any = has_failures or wider, anew or bool(cursor.get(OPEN))
        for _ in range(1 + CLOSING_ROUNDS):
            news = listing.run(anew=anew)
            self._note(listing.problems)
            run.result.has_answered = True
            is_owed = run.writer.has_unfinished_work_of(one.id)
            if not (news or extra or is_changed or is_owed or anew):
                break
            note_permissions_due(run.writer, one.id)
            did = copy.round(extra=extra, is_changed=is_changed)
            did_any = did_any or news or did > 0
            extra = is_changed = anew = False
            if run.stop.is_set() or not (news or did):
                break
        if run.stop.is_set():
            return did_any
        if did_any or copy.lacks_count():
            copy.count()
            self._note(listing.problems)
        self._schemas.refresh(one)
        self._keep(one, digest, settings, is_odd=copy.is_odd)
        return did_any

    def _cursor(self, one: SiteList) -> Mapping[str, Any]:
        return self._run.writer.heads.cursors.get(cursor_scope(one.id), {})

    @staticmethod
    def _is_wider(settings: DriveSettings, cursor: Mapping[str, Any]) -> bool:
        """Whether more earlier states are asked for than an earlier run kept."""
        kept = cursor.get("settings", {}).get("versions", "current")
        return bool(cursor) and settings.versions_widen(kept)

    def _keep(self, one: SiteList, digest: str, settings: DriveSettings, *, is_odd: bool) -> None:
        """Write down what the list was, and that the copy fulfils these settings now. is_odd: it is to be counted again."""
        cursor = self._cursor(one)
        steady = {name: value for name, value in cursor.items() if name != OPEN or is_odd}
        kept = {**steady, "digest": digest, "settings": {"versions": settings.versions}}
        if kept != cursor:
            self._run.writer.emit("cursor", {**kept, "scope": cursor_scope(one.id)})

    # -- what waits without news ------------------------------------------------------------------------------------

    def _lists_with_failures(self) -> set[str]:
        """Lists with items, or files of items, that failed and are worth another try."""
        now, has_certificate = self._run.clock.now(), self._run.settings.has_certificate
        return {
            str(row["scope"]).partition("/")[0]
            for row in self._run.writer.exceptions()
            if row["kind"] in _HANGING and worth_another_try(row, now, has_certificate=has_certificate)
        }

    def _lists_that_did_not_agree(self) -> set[str]:
        """Lists whose counts were unexplained when the bag was last folded: deltas alone will never bring what is missing."""
        told = self._run.writer.folded_reconciliation().get("independent", ())
        return {str(entry["scope"]) for entry in told if entry.get("by") == "totalItemCount" and entry["unexplained"]}

    # -- lists that are gone, or refuse -----------------------------------------------------------------------------

    def _settle_unlisted_lists(self) -> bool:
        """Lists that the site does not have any more."""
        there = {one.id for one in self._all}
        cursors = self._run.writer.heads.cursors
        lost = [
            scope.removeprefix(_CURSORS)
            for scope, cursor in sorted(cursors.items())
            if scope.startswith(_CURSORS) and cursor.get("kind") != GONE
        ]
        did = False
        for list_id in lost:
            if list_id not in there:
                did = self._guarded(list_id, partial(self._settle_unlisted, list_id)) or did
        return did

    def _settle_unlisted(self, list_id: str) -> bool:
        """A list that is held and not listed: gone if the service does not find it either, else copied with the others."""
        served = self._asked_for(list_id)
        if served is None:
            return self._settle_deleted(list_id)
        self._all.append(site_list(served, None))
        return False

    def _settle_deleted(self, list_id: str) -> bool:
        run = self._run
        one = SiteList(list_id, str((run.writer.state.row(("folder", list_id, list_id)) or {}).get("name", "")), "", {})
        copy = ListCopy(
            run, one, Listing(run.graph, run.writer, run.source.id, list_id, run.stop), self._places, self._fetcher
        )
        return copy.settle_deleted()

    def _asked_for(self, list_id: str) -> JsonObject | None:
        """The list as the service has it; None if it says twice that there is none: a fresh replica may lag (Q-013). Raises:
        GraphError."""
        path = f"/sites/{segment(self._run.source.id)}/lists/{segment(list_id)}"
        for _ in range(2):
            try:
                return self._run.graph.get(path, params={"$select": LIST_SELECT}, cost=Cost.SINGLE)
            except NotFoundError:
                continue
        return None

    def _note(self, problems: set[str]) -> None:
        result = self._run.result
        result.problems += sorted(problems - set(result.problems))

    def _note_refusals(self) -> None:
        refused: dict[str, str] = self._refused | self._schemas.refused
        if refused:
            self._note({"lists_not_listed"})
            content: JsonObject = {"lists": sorted(refused.items())}
            self._run.result.digests["lists_not_listed"] = Hashed.of(dump_json(content))
