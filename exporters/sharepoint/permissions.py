"""Who can see a site, its lists and their items, and the groups of the site.

Rules of this file: nothing announces a change of this, so each thing is asked for once, and again with `--refresh permissions`;
what a list has newly is asked for when the list has news. What this application cannot be told is said in the coverage, with
what to do. Files of libraries are asked for with their drive. Prices: 5 units each list and item, and each page of SharePoint's
own API. Source: design §7 (`drive.permissions`), §9; graph.md §5.2, §5.4; Microsoft's pages on the permissions of sites, lists
and list items (v1.0).

    permissions = Permissions(run, lists)
    permissions.copy()
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import quote

from exporters.bag.digests import Hashed
from exporters.bag.formats import JsonObject, dump_json, load_json
from exporters.bag.ledger import BagWriter
from exporters.clock import timestamp
from exporters.drive.planning import may_succeed
from exporters.errors import ItemError, LastcopyError, SourceError, TransientError
from exporters.graph.calls import segment
from exporters.graph.errors import AccessDeniedError, PermissionMissingError, SiteLockedError, StoppedError
from exporters.graph.limits import Cost
from exporters.graph.rest import SharePointRest
from exporters.outcomes import CAUSES, ExceptionCode, Outcome
from exporters.sharepoint.groups import read_assignments, read_groups
from exporters.sharepoint.run import SiteList, SiteRun
from exporters.sharepoint.sharing import Ask, Sharing

CURSOR = "permissions"
SITE = "site"
"""Scope of the `permissions` row that has what was granted to applications."""
NEED_CERTIFICATE, NEED_FULL_CONTROL, UNREAD = "need_certificate", "need_full_control", "permissions_unread"
_REFUSALS = (PermissionMissingError, AccessDeniedError)
"""What the application as such may not be told: said in the coverage, and no more (docs/decisions/0056)."""
_ORDER = ("none", "shared", "all")
_FULL_CONTROL = "Sites.FullControl.All"
_PAGE = 5_000
_BATCH = 500
_CLASSES = ("site_permissions", "site_groups", "list_permissions", "item_permissions")
_BY_CERTIFICATE = "Sign in with a certificate, and grant Sites.Read.All (application) of SharePoint."


def note_permissions_due(writer: BagWriter, list_id: str) -> None:
    """Leave word that a list has news: its items may be new, or have permissions of their own by now."""
    cursor = writer.heads.cursors.get(CURSOR)
    if cursor is not None and list_id not in cursor["due"]:
        writer.emit("cursor", {"scope": CURSOR, **cursor, "due": sorted({*cursor["due"], list_id})})


class Permissions:
    """A part of the copy of a site. lists: all that the site has and that are copied, libraries among them."""

    def __init__(self, run: SiteRun, lists: Sequence[SiteList], web_url: str = "") -> None:
        """web_url: address of the site, for SharePoint's own API."""
        self._run, self._writer, self._lists, self._web_url = run, run.writer, lists, web_url
        self._asked = run.settings.drive.permissions
        self._refresh = run.settings.drive.refresh_permissions
        self._lacks: dict[str, JsonObject] = {}

    # -- whether there is anything to do ----------------------------------------------------------------------------

    @property
    def _cursor(self) -> Mapping[str, Any]:
        return self._writer.heads.cursors.get(CURSOR, {})

    @property
    def _digest(self) -> str:
        """Of what there is to ask for, and what this application may ask."""
        ids = sorted(one.id for one in self._lists)
        may = [self._run.settings.has_certificate, self._may_read_grants]
        return Hashed.of(dump_json({"lists": ids, "may": may}))

    @property
    def _may_read_grants(self) -> bool:
        return _FULL_CONTROL in self._run.graph.roles()

    @property
    def _is_wider(self) -> bool:
        kept = self._cursor.get("settings", {}).get("permissions", "none")
        return _ORDER.index(self._asked) > _ORDER.index(kept)

    def _failed(self) -> set[tuple[str, str]]:
        """What was refused, and is worth another try today. Of what is gone it is settled that nobody will know."""
        now, ids, found = self._run.clock.now(), {one.id for one in self._lists}, set[tuple[str, str]]()
        for row in self._writer.exceptions():
            if row["kind"] == "permission" and self._is_of_a_list(row, ids) and may_succeed(row, now):
                if self._is_gone(row, ids):
                    code = ExceptionCode.VANISHED
                    settled = {"code": code.value, "reason": CAUSES[code].reason, "captured": timestamp(now)}
                    self._writer.emit("item", {**row, **settled, "run": self._writer.run.id})
                else:
                    found.add((row["scope"], row["id"]))
        return found

    def _is_of_a_list(self, row: JsonObject, ids: set[str]) -> bool:
        """Whether it is not of a file or folder of a library, which are asked for with their drive."""
        return row["scope"] in ids or self._writer.state.row(("site", "list", row["scope"])) is not None

    def _is_gone(self, row: JsonObject, ids: set[str]) -> bool:
        if row["scope"] not in ids:
            return True
        item = self._writer.state.row(("list_item", row["scope"], row["id"]))
        return item is not None and (item["outcome"] == Outcome.GONE or item.get("code") == ExceptionCode.VANISHED)

    # -- the work ---------------------------------------------------------------------------------------------------

    def copy(self) -> bool:
        """See `Part`. Raises: SiteLockedError, StoppedError, RunError, errors of the store."""
        if self._asked == "none":
            return False
        cursor, failed = self._cursor, self._failed()
        is_whole = not cursor or self._refresh or self._is_wider or cursor["digest"] != self._digest
        if not (is_whole or cursor["due"] or failed):
            self._lacks = dict(cursor["lacks"])
            return False
        self._lacks = {} if is_whole else dict(cursor["lacks"])
        if is_whole:
            self._writer.emit("cursor", self._value({**cursor, "digest": ""}))  # whoever is cut off begins again
            self._ask_site()
        sharing = Sharing(self._run)
        sharing.take(self._asks(sharing, failed, set(cursor.get("due", ())), is_whole=is_whole))
        if sharing.refused is not None:
            self._note("list_permissions", "in part", sharing.refused)
        if self._run.stop.is_set():
            return True
        is_read = not any(lack["code"] == UNREAD for lack in self._lacks.values())  # else it is tried in the next run
        told = {"digest": self._digest if is_read else "", "due": [], "lacks": self._lacks}
        self._writer.emit("cursor", self._value({**told, "settings": {"permissions": self._asked}}))
        self._refresh = False
        return True

    def derive(self) -> None:
        """Nothing is made of them."""

    def _value(self, more: Mapping[str, Any]) -> JsonObject:
        empty = {"scope": CURSOR, "kind": "listed", "link": "", "digest": "", "settings": {}, "due": [], "lacks": {}}
        return {**empty, **more}

    # -- the site itself --------------------------------------------------------------------------------------------

    def _ask_site(self) -> None:
        if self._may_read_grants:
            self._guarded("site_permissions", self._read_grants)
        else:
            reason = f"What was granted to applications is told to those with {_FULL_CONTROL} alone."
            alternative = "Get-PnPAzureADAppSitePermission, or the SharePoint admin centre"
            self._lack("site_permissions", "not reachable", NEED_FULL_CONTROL, reason, alternative)
        if self._run.settings.has_certificate:
            if isinstance(self._guarded("site_groups", self._read_web), PermissionMissingError):
                self._lacks["item_permissions"] = self._lacks["site_groups"]
        else:
            reason = "Groups of the site, their members and what they may do are told by SharePoint's own API alone."
            self._lack("site_groups", "not reachable", NEED_CERTIFICATE, reason, _BY_CERTIFICATE)
            if self._asked == "shared":
                reason = "Which items of lists have permissions of their own is told by SharePoint's own API alone."
                alternative = f"drive.permissions: all, which asks for each item (5 units). Or: {_BY_CERTIFICATE}"
                self._lack("item_permissions", "not reachable", NEED_CERTIFICATE, reason, alternative)

    def _read_grants(self) -> None:
        path = f"/sites/{segment(self._run.source.id)}/permissions"
        granted = [one for page in self._run.graph.pages(path, cost=Cost.PERMISSIONS) for one in page]
        at = timestamp(self._run.clock.now())
        value = {"scope": SITE, "id": self._run.source.id, "captured": at, "permissions": granted}
        self._writer.emit("permissions", value)

    def _read_web(self) -> None:
        rest = self._rest()
        read_groups(self._run, rest)
        read_assignments(self._run, rest)

    def _rest(self) -> SharePointRest:
        return SharePointRest(self._run.graph, self._web_url)

    def _guarded(self, of: str, read: Callable[[], None]) -> LastcopyError | None:
        """Read something; what is refused is said in the coverage."""
        try:
            read()
        except (SiteLockedError, StoppedError):
            raise
        except (ItemError, SourceError, TransientError) as error:
            self._note(of, "not reachable", error)
            return error
        return None

    def _note(self, of: str, state: str, error: LastcopyError) -> None:
        """What could not be read; unless the application may not read it, the run is not whole."""
        self._lack(of, state, UNREAD, str(error), error.action)
        if not isinstance(error, _REFUSALS):
            result = self._run.result
            if UNREAD not in result.problems:
                result.problems.append(UNREAD)
            result.digests[UNREAD] = Hashed.of(dump_json({name: lack["code"] for name, lack in self._lacks.items()}))

    def _lack(self, of: str, state: str, code: str, reason: str, alternative: str) -> None:
        self._lacks[of] = {"state": state, "code": code, "reason": reason, "alternative": alternative}

    # -- lists and items --------------------------------------------------------------------------------------------

    def _asks(self, sharing: Sharing, failed: set[tuple[str, str]], due: set[str], *, is_whole: bool) -> Iterator[Ask]:
        for one in self._lists:
            if (is_whole and self._wants(one.id, one.id)) or (one.id, one.id) in failed:
                yield Ask(one.id, one.id, one.name, f"/{one.name}")
        for one in self._lists:
            if one.drive_id is None and (is_whole or one.id in due):
                yield from self._items(one)
        for scope, item_id in sorted(failed):
            row = self._writer.state.row(("list_item", scope, item_id)) if scope != item_id else None
            if row is not None and scope not in due and not is_whole:
                yield _of(row)

    def _wants(self, scope: str, item_id: str) -> bool:
        query = "SELECT EXISTS (SELECT 1 FROM permissions WHERE scope = ? AND id = ?)"
        return self._refresh or not self._writer.state.count(query, (scope, item_id))

    def _items(self, one: SiteList) -> Iterator[Ask]:
        """Items of a list that are to be asked for: all, or those that have permissions of their own."""
        if self._asked == "all":
            yield from (_of(row) for row in self._rows(one.id) if self._wants(one.id, row["id"]))
        elif self._run.settings.has_certificate and "item_permissions" not in self._lacks:
            uniques = self._uniques(one)
            if uniques is not None:
                found = (self._writer.state.row(("list_item", one.id, item_id)) for item_id in uniques)
                yield from (_of(row) for row in found if row is not None and self._wants(one.id, row["id"]))
                self._settle_others(one)

    def _rows(self, list_id: str) -> Iterator[JsonObject]:
        """The items of a list that are held and live."""
        after, db = "", self._writer.state.db
        query = (
            "SELECT row FROM rows WHERE kind = 'list_item' AND scope = ? AND outcome = 'copied' AND id > ?"
            " ORDER BY id LIMIT ?"
        )
        while batch := [load_json(data) for (data,) in db.execute(query, (list_id, after, _BATCH)).fetchall()]:
            yield from batch
            after = batch[-1]["id"]

    def _uniques(self, one: SiteList) -> Iterator[str] | None:
        """Ids of items with permissions of their own, by a temporary table; None if that was refused."""
        db = self._writer.state.db
        db.execute("CREATE TEMP TABLE IF NOT EXISTS item_sharing (id TEXT PRIMARY KEY, is_own) WITHOUT ROWID")
        db.execute("DELETE FROM item_sharing")
        path = f"/web/lists(guid'{quote(one.id, safe='-')}')/items?$select=Id,HasUniqueRoleAssignments&$top={_PAGE}"
        try:
            for again in (True, False):
                for page in self._rest().pages(path):
                    told = ((str(row.get("Id")), row.get("HasUniqueRoleAssignments") is True) for row in page)
                    db.executemany("INSERT OR REPLACE INTO item_sharing VALUES (?, ?)", told)
                if not self._leaves_out(one):
                    break
                if not again:  # who is not in it has not lost what it had
                    raise _left_out(one)
        except (SiteLockedError, StoppedError):
            raise
        except (ItemError, SourceError, TransientError) as error:
            is_all = isinstance(error, PermissionMissingError)
            self._note("item_permissions", "not reachable" if is_all else "in part", error)
            return None
        return self._batches_of_uniques()

    def _leaves_out(self, one: SiteList) -> bool:
        """Whether the listing of who has permissions of its own lacks items that are held."""
        query = (
            "SELECT EXISTS (SELECT 1 FROM rows WHERE kind = 'list_item' AND scope = ? AND outcome = 'copied'"
            " AND id NOT IN (SELECT id FROM item_sharing))"
        )
        return bool(self._writer.state.count(query, (one.id,)))

    def _batches_of_uniques(self) -> Iterator[str]:
        after, query = "", "SELECT id FROM item_sharing WHERE is_own AND id > ? ORDER BY id LIMIT ?"
        while batch := self._writer.state.db.execute(query, (after, _BATCH)).fetchall():
            yield from (item_id for (item_id,) in batch)
            after = batch[-1][0]

    def _settle_others(self, one: SiteList) -> None:
        """Items that had permissions of their own, and have none any more: an empty row says so."""
        query = (
            "SELECT id FROM permissions WHERE scope = ? AND id != scope AND id IN (SELECT id FROM item_sharing WHERE NOT is_own)"
            " AND instr(CAST(row AS TEXT), '\"permissions\":[]') = 0"
        )
        at = timestamp(self._run.clock.now())
        for (item_id,) in self._writer.state.db.execute(query, (one.id,)).fetchall():
            value = {"scope": one.id, "id": item_id, "captured": at, "permissions": []}
            self._writer.emit("permissions", value)

    # -- coverage ---------------------------------------------------------------------------------------------------

    def coverage(self) -> list[JsonObject]:
        """Rows of coverage of the classes that are said here."""
        if self._asked == "none":
            return [{"class": of, "state": "not asked", "alternative": "drive.permissions: shared"} for of in _CLASSES]
        rows = [{"class": of, "state": "covered", **self._lacks.get(of, {})} for of in _CLASSES]
        cursor = self._cursor
        if not cursor or not cursor["digest"] or cursor["due"]:
            unfinished = {"state": "in part", "reason": "Not all could be asked for yet."}
            rows = [{**row, **unfinished} if row["state"] == "covered" else row for row in rows]
        return rows


def _left_out(one: SiteList) -> SourceError:
    return SourceError(
        f"SharePoint leaves out items of the list {one.name!r} where it tells which have permissions of their own.",
        code="listing_incomplete",
        action="Run the export again.",
    )


def _of(row: JsonObject) -> Ask:
    return Ask(row["scope"], row["id"], str(row.get("name", "")), str(row.get("path", "")))
