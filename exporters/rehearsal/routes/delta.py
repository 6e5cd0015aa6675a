"""`/root/delta`: pages of a full listing or of what has changed, in the unhelpful ways of the real service.

Rules of this file: a token names the drive's state by its place in the log and the log's digest there, so it outlives the
server and is refused (410) by a drive with another history; a round ends with the state that it began with, so changes
made during a listing come with the next one.
Source: reference/graph.md 5.2; quirks Q-001, Q-003 to Q-006.
"""

from dataclasses import dataclass, replace
from urllib.parse import quote

from exporters.rehearsal.documents import Row
from exporters.rehearsal.items import DriveTruth
from exporters.rehearsal.links import LinkError
from exporters.rehearsal.routes.answers import ApiError, bad_request, collection, success
from exporters.rehearsal.routes.items import find_drive, served_item
from exporters.rehearsal.routes.query import capped_top, parse_query, project, selection
from exporters.rehearsal.routes.router import Call
from exporters.rehearsal.wire import Response

_FROM_SCRATCH = -1
_EMPTY_EVERY = 7  # each so many pages comes without rows
_STALE_EVERY = 5  # each so many pages repeats, outdated, a row that comes later


@dataclass
class Round:
    """One enumeration: from the state `since` (-1: none) to the state `until`, standing at `position`."""

    since: int
    until: int
    position: int
    page: int
    size: int
    select: str | None
    empty_next: bool = False
    again: int = 0  # empty pages at this place: no two links of a round are alike


def delta(call: Call) -> Response:
    """GET /drives/{drive}/root/delta and its function forms."""
    drive = find_drive(call)
    if call.names.get("item", "root") not in ("root", drive.row(drive.root)["id"]):
        raise bad_request(
            "Delta of a folder other than the root is not served by this kind of drive.", "invalidRequest"
        )
    parameters = parse_query(call.request.query, {"token", "$select", "$top", "$expand"})
    token = call.names.get("token") or parameters.get("token")
    if "$expand" in parameters:
        raise bad_request("$expand is not served on delta here.")
    selection(parameters, "driveItem")
    with drive.lock:
        drive.load()
        now = _begin(call, drive, token, parameters)
        rows, following = _page(call, drive, now)
    select = selection({"$select": now.select} if now.select is not None else {}, "driveItem")
    rows = [project(row, select) for row in rows]
    next_link = delta_link = None
    if following is not None:
        next_link = _link(call, drive, _sealed(call, drive, following))
    else:
        delta_link = _link(call, drive, _sealed(call, drive, Round(now.until, now.until, 0, 0, now.size, now.select)))
    body = collection(call.service.root, "Collection(driveItem)", rows, next=next_link, delta=delta_link)
    return success(body, call.request)


def cost(call: Call) -> int:
    """1 with a token, 2 from scratch."""
    return 1 if "token" in call.names or "token=" in call.request.query else 2


# ------------------------------------------------------------------------------------------------------ tokens


def _begin(call: Call, drive: DriveTruth, token: str | None, parameters: dict[str, str]) -> Round:
    size = capped_top(parameters, call.service.settings.delta_page, 1000)
    state, select = len(drive.log), parameters.get("$select")
    if token == "latest":  # noqa: S105
        return Round(state, state, 0, 0, size, select)
    if not token:
        return Round(_FROM_SCRATCH, state, 0, 0, size, select)
    try:
        drive_id, digest, *fields = call.service.links.open(token)
        known = Round(*fields)
    except (LinkError, TypeError, ValueError) as error:
        raise ApiError(400, "invalidRequest", f"The delta token is not valid. {error}") from error
    if drive_id != drive.id:
        raise ApiError(400, "invalidRequest", "The delta token belongs to another drive.")
    if known.until >= len(drive.chain) or drive.chain[known.until].hex()[:16] != digest:
        raise resync(call, drive)
    if known.since == known.until and known.position == 0 and known.page == 0:  # a delta link: a new round begins
        known.until = state
    known.size = capped_top(parameters, known.size, 1000)
    known.select = select if select is not None else known.select
    return known


def _sealed(call: Call, drive: DriveTruth, state: Round) -> str:
    digest = drive.chain[state.until].hex()[:16]
    return call.service.links.seal(
        drive.id,
        digest,
        state.since,
        state.until,
        state.position,
        state.page,
        state.size,
        state.select,
        state.empty_next,
        state.again,
    )


def _link(call: Call, drive: DriveTruth, token: str) -> str:
    return f"{call.service.root}/drives/{quote(drive.id, safe='!')}/root/delta?token={quote(token, safe='')}"


def resync(call: Call, drive: DriveTruth, inner: str = "resyncChangesApplyDifferences") -> ApiError:
    """410: the state is unknown; `Location` begins from scratch."""
    fresh = f"{call.service.root}/drives/{quote(drive.id, safe='!')}/root/delta"
    text = (
        "Resync required. Replace any local items with the server's version (including deletes) if you're sure that "
        "the service was up to date with your local changes when you last sync'd."
    )
    return ApiError(410, "resyncRequired", text, inner=inner, headers={"Location": fresh})


# ------------------------------------------------------------------------------------------------------- pages


def _page(call: Call, drive: DriveTruth, now: Round) -> tuple[list[Row], Round | None]:
    settings = call.service.settings
    if now.empty_next or "empty-page" in call.faults:
        return [], replace(now, empty_next=False, again=now.again + 1)
    if now.since == _FROM_SCRATCH:
        numbers, position = _scan(drive, now.position, now.size)
        total = drive.count
    else:
        changed = _changed(call, drive, now)
        numbers, position = changed[now.position : now.position + now.size], now.position + now.size
        total = len(changed)
    rows = [_row(call, drive, n) for n in numbers]
    more = position < total and bool(numbers)
    if settings.odd_delta and more and now.page % _STALE_EVERY == 0:
        rows[:0] = _outdated(call, drive, now, position)
    if "deltaexcludeparent" not in call.request.headers and (now.since != _FROM_SCRATCH or settings.odd_delta):
        rows.extend(_ancestors(call, drive, numbers))
    if not more:
        return rows, None
    empty = settings.empty_pages and now.page % _EMPTY_EVERY == 1
    return rows, Round(now.since, now.until, position, now.page + 1, now.size, now.select, empty)


def _scan(drive: DriveTruth, start: int, size: int) -> tuple[list[int], int]:
    """The next `size` live items from `start`, and where to go on."""
    found: list[int] = []
    n = start
    for n in drive.live(start):
        if len(found) == size:
            return found, n
        found.append(n)
    return found, drive.count


def _changed(call: Call, drive: DriveTruth, now: Round) -> list[int]:
    """Items of the log from `since` to `until`, each once, the latest change first: children before parents mostly."""
    shown = call.service.settings.list_below_deleted
    events = drive.log[now.since : now.until]
    return list(dict.fromkeys(n for n, kind in reversed(events) if shown or kind != "deleted-below"))


def _ancestors(call: Call, drive: DriveTruth, numbers: list[int]) -> list[Row]:
    above: dict[int, None] = {}
    for n in numbers:
        if n not in drive.gone:
            above.update(dict.fromkeys(drive.ancestors(n)))
        elif drive.parents[n] not in drive.gone:
            above.update(dict.fromkeys([drive.parents[n], *drive.ancestors(drive.parents[n])]))
    here = set(numbers)
    return [_row(call, drive, n) for n in above if n not in here]


def _outdated(call: Call, drive: DriveTruth, now: Round, position: int) -> list[Row]:
    """An item of a later page with an earlier name: the later row is the one that counts (Q-003)."""
    numbers, _ = _scan(drive, position, 1) if now.since == _FROM_SCRATCH else (_changed(call, drive, now)[position:], 0)
    for n in numbers[:1]:
        if n not in drive.gone and n != drive.root:
            row = dict(_row(call, drive, n))
            row["name"] = f"earlier name of {row['name']}"
            row["eTag"] = '"{00000000-0000-0000-0000-000000000000},1"'
            return [row]
    return []


def _row(call: Call, drive: DriveTruth, n: int) -> Row:
    if n in drive.gone:
        return deleted_row(drive, n)
    row = drive.row(n)
    if n in drive.vanished and drive.log and call.service.settings.gone_items == "deleted":
        return deleted_row(drive, n)
    served = served_item(call.service, drive, n, row)
    served.pop("cTag", None)  # missing in business drives on create and modify
    reference = served["parentReference"]
    served["parentReference"] = {
        key: value for key, value in reference.items() if key in ("driveId", "driveType", "id", "siteId")
    }
    return {"@odata.type": "#microsoft.graph.driveItem", **served}


def deleted_row(drive: DriveTruth, n: int) -> Row:
    """What delta says of an item that is gone: no name, no cTag."""
    row = drive.row(n)
    reference = {"driveId": drive.id, "driveType": drive.info.get("driveType", "business")}
    if drive.parents[n] >= 0:
        reference["id"] = drive.row(drive.parents[n])["id"]
    found: Row = {"@odata.type": "#microsoft.graph.driveItem", "id": row["id"], "parentReference": reference}
    found |= {facet: {} for facet in ("folder", "file") if facet in row}
    return found | {"deleted": {"state": "deleted"}, "size": 0}
