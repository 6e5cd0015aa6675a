"""What pages a site has now, against what the bag says.

Rules of this file: the whole list is read, each time from its start: the service has no delta of pages. A page is called gone
when two whole listings, one after the other, do not have it: rows may move from page to page of a listing while it is read. Too
much at once needs a person's word. Source: design §4 (Whole), graph.md §5.4; quirk Q-005.
"""

from collections.abc import Callable, Iterator, Sequence

from exporters.bag.formats import JsonObject, load_json
from exporters.bag.ledger import BagWriter
from exporters.bag.removed import begin_removed, digest_of_removed, is_mass
from exporters.errors import SourceError
from exporters.graph.calls import segment
from exporters.graph.limits import Cost
from exporters.graph.session import GraphSession
from exporters.outcomes import CAUSES, ExceptionCode, Outcome
from exporters.sharepoint.pages.facts import KIND, SCOPE, Digest, facts_of, is_alive, path_of, same_facts

_BATCH = 500
_ALIVE = "outcome != 'gone' AND (code IS NULL OR code != 'vanished')"


class PageWithoutIdError(SourceError):
    """The service lists something that has no id: the listing is not whole."""

    def __init__(self) -> None:
        super().__init__(
            "the service lists a page that has no id",
            code="malformed",
            action="Run the export again; if it recurs, report it with the request id.",
        )


class Listing:
    """The listings of one run. digest: of the newest whole one. missing: pages that the newest one did not have, and of which
    nothing is decided yet."""

    def __init__(self, graph: GraphSession, writer: BagWriter, site_id: str, is_stopped: Callable[[], bool]) -> None:
        self._graph, self._writer, self._is_stopped = graph, writer, is_stopped
        self._path = f"/sites/{segment(site_id)}/pages"
        self.digest = ""
        self.missing = 0
        db = writer.state.db
        for table in ("pages_listed", "pages_missing", "pages_missing_now"):
            db.execute(f"CREATE TEMP TABLE IF NOT EXISTS {table} (id TEXT PRIMARY KEY) WITHOUT ROWID")
            db.execute(f"DELETE FROM {table}")  # noqa: S608 - names of ours

    def run(self) -> int:
        """List, and put down what is new; how many pages are. Raises: GraphError, PageWithoutIdError."""
        db, digest, news = self._writer.state.db, Digest(), 0
        db.execute("DELETE FROM pages_listed")
        for page in self._graph.pages(self._path, cost=Cost.LISTING):
            found = {}
            for served in page:
                facts = facts_of(served)
                if facts is None:
                    raise PageWithoutIdError
                found[facts["id"]] = facts
            news += self._take([facts for facts in found.values() if self._is_first(facts["id"])], digest)
        self.digest = digest.text
        return news

    def _is_first(self, page_id: str) -> bool:
        """Note that a page is listed; False if it was already: listings may overlap."""
        insert = "INSERT OR IGNORE INTO pages_listed VALUES (?)"
        return self._writer.state.db.execute(insert, (page_id,)).rowcount > 0

    def _take(self, listed: Sequence[JsonObject], digest: Digest) -> int:
        known, news = self._writer.state.known(SCOPE, [facts["id"] for facts in listed]), 0
        for facts in listed:
            digest.add(facts)
            owed, row = known[facts["id"]]
            if owed == facts or (owed is None and row is not None and is_alive(row) and same_facts(facts, row)):
                continue
            self._writer.emit("listed", facts)
            news += 1
        return news

    def removals(self, may_remove: Callable[[str | None], bool]) -> Iterator[JsonObject] | None:
        """The rows of pages that are gone, to be written down at once; None if too many would vanish. may_remove: is given a name
        for their mass, None if that is none. What this listing does not have, and the one before had, waits for the next."""
        db = self._writer.state.db
        db.execute("DELETE FROM pages_missing_now")
        db.execute(
            "INSERT INTO pages_missing_now SELECT id FROM ("  # noqa: S608 - constants of ours
            f" SELECT id FROM rows WHERE kind = '{KIND}' AND scope = '' AND {_ALIVE}"
            f" UNION SELECT id FROM owed WHERE kind = '{KIND}' AND scope = '')"
            " WHERE id NOT IN (SELECT id FROM pages_listed)"
        )
        begin_removed(self._writer.state)
        db.execute("INSERT INTO removed SELECT id FROM pages_missing_now WHERE id IN (SELECT id FROM pages_missing)")
        db.execute("DELETE FROM pages_missing")
        db.execute("INSERT INTO pages_missing SELECT id FROM pages_missing_now")
        self.missing = self._writer.state.count("SELECT count(*) FROM pages_missing")
        state = self._writer.state
        if not may_remove(digest_of_removed(state, SCOPE) if is_mass(state, SCOPE) else None):
            return None
        return self._gone()

    def _gone(self) -> Iterator[JsonObject]:
        after, db = "", self._writer.state.db
        query = "SELECT id FROM removed WHERE id > ? ORDER BY id LIMIT ?"
        while batch := db.execute(query, (after, _BATCH)).fetchall():
            for (page_id,) in batch:
                row = self._removal(page_id)
                if row is not None:
                    yield row
            after = batch[-1][0]
        db.execute("DELETE FROM pages_missing WHERE id IN (SELECT id FROM removed)")
        self.missing = self._writer.state.count("SELECT count(*) FROM pages_missing")

    def _removal(self, page_id: str) -> JsonObject | None:
        row, owed = self._writer.state.row((KIND, SCOPE, page_id)), self._writer.state.listed(SCOPE, page_id)
        if row is not None and row["outcome"] == Outcome.COPIED:
            return {**row, "outcome": Outcome.GONE.value}
        if row is None and owed is None:
            return None
        if row is not None and row["outcome"] == Outcome.GONE:
            return row  # it was listed again, and is gone again before it was read: what is owed of it is settled
        facts = row or {"path": path_of(owed or {}), **(owed or {})}
        code = ExceptionCode.VANISHED
        return {**facts, "outcome": Outcome.EXCEPTED.value, "code": code.value, "reason": CAUSES[code].reason}


def owed_pages(writer: BagWriter) -> Iterator[tuple[JsonObject, JsonObject | None]]:
    """Pages that owe work, with their rows, in the order of their names: so that the same pages get the same keys however often a
    run was cut off. The state may be written to meanwhile."""
    state, after = writer.state, (b"", "")
    query = (
        "SELECT tree.name, owed.id, owed.listed FROM owed JOIN tree ON tree.scope = owed.scope AND tree.id = owed.id"
        " WHERE owed.scope = '' AND owed.kind = ? AND owed.deleted = 0 AND (tree.name, owed.id) > (?, ?)"
        " ORDER BY tree.name, owed.id LIMIT ?"
    )
    while batch := state.db.execute(query, (KIND, *after, _BATCH)).fetchall():
        for _, page_id, listed in batch:
            yield load_json(listed), state.row((KIND, SCOPE, page_id))
        after = batch[-1][:2]
