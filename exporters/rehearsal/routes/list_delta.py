"""`/lists/{list}/items/delta`: pages of all items of a list, or of those that have changed.

Rules of this file: as the delta of a drive: a token names the list's state by its place in the log and the log's digest there;
a round ends with the state that it began with; now and then a page is empty, and a row comes twice, outdated first.
Source: reference/graph.md 5.4, 5.2; quirks Q-001, Q-003, Q-005.
"""

from dataclasses import dataclass, replace
from urllib.parse import quote

from exporters.rehearsal.documents import Row
from exporters.rehearsal.links import LinkError
from exporters.rehearsal.list_truth import SiteLists
from exporters.rehearsal.routes.answers import ApiError, collection, success
from exporters.rehearsal.routes.list_rows import Form, Items, find_list, items_of
from exporters.rehearsal.routes.query import capped_top, parse_query
from exporters.rehearsal.routes.router import Call
from exporters.rehearsal.wire import Response

_FROM_SCRATCH = -1
_EMPTY_EVERY = 7
_STALE_EVERY = 5


@dataclass
class Round:
    """One enumeration: from the state `since` (-1: none) to the state `until`, standing at `position`."""

    since: int
    until: int
    position: int
    page: int
    size: int
    select: str | None
    expand: str
    empty_next: bool = False
    again: int = 0


def delta(call: Call) -> Response:
    """GET …/items/delta and its function forms."""
    site, lists, one = find_list(call)
    parameters = parse_query(call.request.query, {"token", "$select", "$expand", "$top"})
    there = items_of(call, one)
    with there.lock:
        now = _begin(call, site, there, call.names.get("token") or parameters.get("token"), parameters)
        form = Form(now.select, now.expand)
        form.check()
        rows, following = _page(call, site, lists, there, now, form)
    next_link = delta_link = None
    if following is not None:
        next_link = _link(call, site, there, following)
    else:
        ended = Round(now.until, now.until, 0, 0, now.size, now.select, now.expand)
        delta_link = _link(call, site, there, ended)
    body = collection(call.service.root, "Collection(listItem)", rows, next=next_link, delta=delta_link)
    return success(body, call.request)


# ------------------------------------------------------------------------------------------------------ tokens


def _begin(call: Call, site: Row, there: Items, token: str | None, parameters: dict[str, str]) -> Round:
    size = capped_top(parameters, call.service.settings.lists_page, 5_000)
    state, select, expand = len(there.log), parameters.get("$select"), parameters.get("$expand", "")
    if token == "latest":  # noqa: S105
        return Round(state, state, 0, 0, size, select, expand)
    if not token:
        return Round(_FROM_SCRATCH, state, 0, 0, size, select, expand)
    try:
        list_id, digest, *fields = call.service.links.open(token)
        known = Round(*fields)
    except (LinkError, TypeError, ValueError) as error:
        raise ApiError(400, "invalidRequest", f"The delta token is not valid. {error}") from error
    if list_id != there.id:
        raise ApiError(400, "invalidRequest", "The delta token belongs to another list.")
    if known.until >= len(there.chain) or there.chain[known.until].hex()[:16] != digest:
        raise _resync(call, site, there)
    if known.since == known.until and known.position == 0 and known.page == 0:  # a delta link: a new round begins
        known.until = state
    known.size = capped_top(parameters, known.size, 5_000)
    return known


def _link(call: Call, site: Row, there: Items, state: Round) -> str:
    digest = there.chain[state.until].hex()[:16]
    token = call.service.links.seal(
        there.id,
        digest,
        state.since,
        state.until,
        state.position,
        state.page,
        state.size,
        state.select,
        state.expand,
        state.empty_next,
        state.again,
    )
    return f"{_address(call, site, there)}?token={quote(token, safe='')}"


def _address(call: Call, site: Row, there: Items) -> str:
    return f"{call.service.root}/sites/{site['id']}/lists/{there.id}/items/delta"


def _resync(call: Call, site: Row, there: Items) -> ApiError:
    """410: the state is unknown; `Location` begins from scratch."""
    headers = {"Location": _address(call, site, there)}
    inner = "resyncChangesApplyDifferences"
    return ApiError(410, "resyncRequired", "Resync required.", inner=inner, headers=headers)


# ------------------------------------------------------------------------------------------------------- pages


def _page(
    call: Call, site: Row, lists: SiteLists, there: Items, now: Round, form: Form
) -> tuple[list[Row], Round | None]:
    settings = call.service.settings
    if now.empty_next or "empty-page" in call.faults:
        return [], replace(now, empty_next=False, again=now.again + 1)
    if now.since == _FROM_SCRATCH:
        numbers, position, total = _scan(there, now)
    else:
        changed = list(dict.fromkeys(n for n, _ in reversed(there.log[now.since : now.until])))
        numbers, position = changed[now.position : now.position + now.size], now.position + now.size
        total = len(changed)
    rows = [_row(call, site, lists, there, n, form) for n in numbers]
    more = position < total and bool(numbers)
    if settings.odd_delta and more and now.page % _STALE_EVERY == 0:
        rows[:0] = [_outdated(row) for row in rows[-1:] if "deleted" not in row]
    if not more:
        return rows, None
    empty = settings.empty_pages and now.page % _EMPTY_EVERY == 1
    return rows, replace(now, position=position, page=now.page + 1, empty_next=empty, again=0)


def _scan(there: Items, now: Round) -> tuple[list[int], int, int]:
    """The next live items, where to go on, and where it ends."""
    found: list[int] = []
    for n in there.live(now.position):
        if len(found) == now.size:
            return found, n, there.count
        found.append(n)
    return found, there.count, there.count


def _row(call: Call, site: Row, lists: SiteLists, there: Items, n: int, form: Form) -> Row:
    kind = {"@odata.type": "#microsoft.graph.listItem"}
    if n in there.gone:
        return {**kind, "id": str(there.row(n)["id"]), "deleted": {"state": "deleted"}}
    return {**kind, **form.serve(call, site, lists, there, n)}


def _outdated(row: Row) -> Row:
    """The same item as it was: the later row is the one that counts (Q-003)."""
    earlier = {**row, "eTag": '"00000000-0000-0000-0000-000000000000,1"'}
    if "fields" in row:
        earlier["fields"] = {**row["fields"], "Title": "an earlier title"}
    return earlier
