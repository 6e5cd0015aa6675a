"""Asks for what hangs on an item by itself: members and owners of groups and roles, DNS records of domains.

Rules of this file: a listing that came in several pages, or empty, is compared with the service's own count, and asked for once
more if they differ; what is refused is said in the part, and never stops the others. Safe from many threads. Source: graph.md
§3.1, §7.4, §8.1.
"""

import threading
from collections.abc import Mapping

from exporters.bag.digests import Hashed
from exporters.bag.formats import JsonObject, dump_json
from exporters.directory.folders import MEMBER_SELECT, PAGE
from exporters.directory.items import Part
from exporters.directory.refusals import DENIED, HIDDEN_MEMBERS, refusal_of
from exporters.directory.sorted_rows import SortedRows
from exporters.errors import ItemError, SourceError, TransientError
from exporters.graph.answers import identifier_of
from exporters.graph.calls import segment
from exporters.graph.counting import count_of
from exporters.graph.errors import GaveUpError, StoppedError
from exporters.graph.limits import Cost
from exporters.graph.session import GraphSession
from exporters.outcomes import CAUSES, ExceptionCode

REFUSALS = (ItemError, SourceError, TransientError)
"""What concerns one thing; all else concerns the run."""
MOST_IN_A_ROW = 3
_MEMBERS: Mapping[str, str] = {"$select": MEMBER_SELECT, "$top": PAGE}


class Asker:
    """At one tenant, in one run."""

    def __init__(self, graph: GraphSession, stop: threading.Event) -> None:
        self._graph, self._stop = graph, stop
        self._lock, self._given_up = threading.Lock(), 0

    def people_of_group(self, graph: JsonObject) -> tuple[Part, ...]:
        """Members and owners."""
        path = f"/groups/{segment(graph['id'])}"
        hint = HIDDEN_MEMBERS if graph.get("visibility") == "HiddenMembership" else ""
        members = self._part("members", f"{path}/members", _MEMBERS, Cost.GROUP_MEMBERS, hint=hint)
        return members, self._part("owners", f"{path}/owners", _MEMBERS, Cost.DIRECTORY, hint=hint)

    def people_of_role(self, graph: JsonObject) -> tuple[Part, ...]:
        """Members of an activated role; who may activate it is not listed here."""
        path = f"/directoryRoles/{segment(graph['id'])}/members"
        return (self._part("members", path, {"$select": MEMBER_SELECT}, Cost.DIRECTORY, is_counted=False),)

    def records_of_domain(self, graph: JsonObject) -> tuple[Part, ...]:
        """DNS records: those that the services want, and those that prove whose it is."""
        path, parts = f"/domains/{segment(graph['id'])}", []
        for name, of in (("records", "serviceConfigurationRecords"), ("verificationRecords", "verificationDnsRecords")):
            parts.append(self._part(name, f"{path}/{of}", {}, Cost.DIRECTORY, is_counted=False))
        return tuple(parts)

    def _part(
        self,
        name: str,
        path: str,
        params: Mapping[str, str],
        cost: Cost,
        *,
        is_counted: bool = True,
        hint: str = "",
    ) -> Part:
        """One listing. Raises: StoppedError; RunError; GaveUpError where one thing after the other fails."""
        rows = SortedRows()
        try:
            for again in (True, False):
                is_whole = self._fill(rows, path, params, cost, is_counted=is_counted)
                if is_whole:
                    break
                if again:
                    rows.close()
                    rows = SortedRows()
        except REFUSALS as error:
            rows.close()
            self._note(error)
            code, reason = refusal_of(error)
            return Part(
                name, None, code, f"{CAUSES[code].reason} {hint}" if hint and isinstance(error, DENIED) else reason
            )
        except BaseException:
            rows.close()
            raise
        self._note(None)
        if is_whole:
            return Part(name, rows)
        unstable = ExceptionCode.CONTENT_UNSTABLE
        return Part(name, rows, unstable, f"{CAUSES[unstable].reason} The service counts others than it lists.")

    def _fill(self, rows: SortedRows, path: str, params: Mapping[str, str], cost: Cost, *, is_counted: bool) -> bool:
        """List to the end; whether that is the whole, by the service's own count where not just one page had rows."""
        pages = 0
        for page in self._graph.pages(path, params=params, cost=cost):
            if self._stop.is_set():
                raise StoppedError("The run was asked to stop.", code="stopped", action="Run again to go on.")
            pages += bool(page)
            for row in page:
                data = dump_json(row)
                rows.add(identifier_of(row.get("id")) or f"\0{Hashed.of(data)}", data)
        return pages == 1 or not is_counted or self._counts_as(path, len(rows))

    def _counts_as(self, path: str, number: int) -> bool:
        try:
            return count_of(self._graph, path) == number
        except REFUSALS:
            return True  # no count is no count of another number

    def _note(self, error: Exception | None) -> None:
        """Raises: the error, where the service gives up one thing after the other."""
        with self._lock:
            self._given_up = self._given_up + 1 if isinstance(error, GaveUpError) else 0
            if error is not None and self._given_up >= MOST_IN_A_ROW:
                raise error
