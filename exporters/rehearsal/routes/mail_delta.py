"""Delta of what lies in a mailbox: pages of a full listing, or of what has happened since.

Rules of this file: a token names the mailbox, the place and the state of its log with the log's digest there, so it outlives
the server and is refused (410) by a mailbox with another history; a round ends with the state it began with, so changes made
during a listing come with the next one. In ordinary ids a moved item is gone under the old id and new under another.
Source: reference/graph.md 3.2, 3.3; quirks Q-002, Q-003, Q-005, Q-008, Q-009, Q-077.
"""

from collections.abc import Callable, Sequence
from dataclasses import astuple, dataclass, replace
from urllib.parse import quote

from exporters.rehearsal.documents import Row
from exporters.rehearsal.links import LinkError
from exporters.rehearsal.mailbox_rows import Kind
from exporters.rehearsal.mailboxes import Happening, Mailbox
from exporters.rehearsal.routes.answers import ApiError, bad_request, collection
from exporters.rehearsal.routes.mail_access import MOST, Preferences, answer, preferences
from exporters.rehearsal.routes.query import capped_top
from exporters.rehearsal.routes.router import Call
from exporters.rehearsal.wire import Response

_FROM_SCRATCH = -1
_EMPTY_EVERY = 7  # each so many pages comes without rows
_REPEAT_EVERY = 5  # each so many pages begins with a row that has come before
_TOKENS = ("$deltatoken", "$skiptoken")


@dataclass(frozen=True)
class Round:
    """One enumeration: from the state `since` (-1: none) to `until`, standing at `position`; options of the first request."""

    since: int
    until: int
    issued: float
    position: int = 0
    page: int = 0
    given: int = 0  # rows so far
    empty_next: bool = False
    again: int = 0
    options: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Listing:
    """What is enumerated: items of a kind in a place (None: anywhere). rows: of one item, with the options of the round.

    numbers: all that ever was there in an order that stays, of which `there` tells what is there now.
    """

    box: Mailbox
    kind: Kind
    place: int | None
    name: str  # of the resource, as `message`
    rows: Callable[[int, dict[str, str], Preferences], list[Row]]
    numbers: Callable[[int], Sequence[int]]
    there: Callable[[int], bool]
    options: frozenset[str]
    most: int | None = None  # rows in all
    known_as: Callable[[Happening], str] | None = None  # the id of what is gone, where ids are neither of the two


def delta(call: Call, listing: Listing, parameters: dict[str, str]) -> Response:
    """Answer one request of a delta. parameters: with `$deltatoken` or `$skiptoken` for all but the first."""
    wants = preferences(call)
    if listing.known_as is not None:
        wants = replace(wants, immutable=False)
    with listing.box.lock:
        now = _begin(call, listing, parameters)
        options = dict(now.options)
        size = wants.page or capped_top(options, call.service.settings.mail_page, MOST)
        rows, following = _page(call, listing, now, options, wants, size)
    next_link = delta_link = None
    if following is not None:
        next_link = _link(call, listing, following, "$skiptoken")
    else:
        ended = Round(now.until, now.until, _now(call), options=now.options)
        delta_link = _link(call, listing, ended, "$deltatoken")
    body = collection(call.service.root, f"Collection({listing.name})", rows, next=next_link, delta=delta_link)
    return answer(call, body, wants)


# ------------------------------------------------------------------------------------------------------ tokens


def _now(call: Call) -> float:
    return call.service.clock.now().timestamp()


def _begin(call: Call, listing: Listing, parameters: dict[str, str]) -> Round:
    state = len(listing.box.log)
    token = parameters.get("$deltatoken") or parameters.get("$skiptoken")
    if token is None:
        given = tuple(sorted((name, value) for name, value in parameters.items() if name not in _TOKENS))
        return Round(_FROM_SCRATCH, state, _now(call), options=given)
    if len(parameters) > 1:
        raise bad_request("A link of delta is sent as it was given, without other parameters.")
    try:
        where, generation, digest, fields = call.service.links.open(token)
        *numbers, given = fields
        known = replace(Round(*numbers), options=tuple((name, value) for name, value in given))
    except (LinkError, TypeError, ValueError) as error:
        raise ApiError(400, "SyncStateInvalid", f"The sync state is invalid. {error}") from error
    if where != _where(listing):
        raise ApiError(400, "SyncStateInvalid", "The sync state belongs to another place.")
    _refuse_lost(call, listing, known, generation, digest)
    if known.since == known.until and not known.page:  # a delta link: a new round begins
        return replace(known, until=state, issued=_now(call))
    return known


def _refuse_lost(call: Call, listing: Listing, known: Round, generation: int, digest: str) -> None:
    box, most = listing.box, call.service.settings.state_seconds
    if generation != box.generation:
        text = f"The sync state generation is not found; generation={generation};[highest={box.generation}]"
        raise ApiError(410, "SyncStateNotFound", text)
    stale = most is not None and _now(call) - known.issued > most
    if stale or known.until >= len(box.chain) or box.chain[known.until].hex()[:16] != digest:
        text = "The sync state generation is not found. The delta token is expired and data must be synchronized again."
        raise ApiError(410, "syncStateNotFound", text)


def _where(listing: Listing) -> str:
    return f"{listing.box.folder}/{listing.name}/{listing.kind}/{listing.place}"


def _link(call: Call, listing: Listing, state: Round, name: str) -> str:
    digest = listing.box.chain[state.until].hex()[:16]
    token = call.service.links.seal(_where(listing), listing.box.generation, digest, list(astuple(state)))
    return f"{call.service.hosts.graph}{call.request.path}?{name}={quote(token, safe='')}"


# ------------------------------------------------------------------------------------------------------- pages


def _page(
    call: Call, listing: Listing, now: Round, options: dict[str, str], wants: Preferences, size: int
) -> tuple[list[Row], Round | None]:
    settings = call.service.settings
    if now.empty_next or "empty-page" in call.faults:
        return [], replace(now, empty_next=False, again=now.again + 1)
    if now.since == _FROM_SCRATCH:
        rows, position, total = _scanned(listing, now, options, wants, size)
        if settings.odd_delta and now.page % _REPEAT_EVERY == 2 and options.get("changeType", "created") == "created":
            rows = [*_scanned(listing, replace(now, position=0), options, wants, 1)[0], *rows]
    else:
        happened = _happened(listing, now, options, wants)
        position, total = now.position + size, len(happened)
        rows = [row for one in happened[now.position : position] for row in _told(listing, one, options, wants)]
    given = now.given + len(rows)
    if settings.odd_delta and now.page % 2:
        rows.reverse()  # no order is promised
    if position >= total or (listing.most is not None and given >= listing.most):
        return rows, None
    empty = settings.empty_pages and now.page % _EMPTY_EVERY == 1
    return rows, replace(now, position=position, page=now.page + 1, given=given, empty_next=empty)


def _scanned(
    listing: Listing, now: Round, options: dict[str, str], wants: Preferences, size: int
) -> tuple[list[Row], int, int]:
    """Rows from `position` on, where to go on, and where the end is."""
    numbers = listing.numbers(now.until)
    rows: list[Row] = []
    position = now.position
    if options.get("changeType", "created") != "created":
        return rows, len(numbers), len(numbers)
    while position < len(numbers) and len(rows) < size:
        n = numbers[position]
        position += 1
        if listing.there(n):
            rows.extend(listing.rows(n, options, wants))
    return rows, position, len(numbers)


def _happened(listing: Listing, now: Round, options: dict[str, str], wants: Preferences) -> list[Happening]:
    """The last happening of each id from `since` to `until`."""
    found: dict[str, Happening] = {}
    for one in listing.box.log[now.since : now.until]:
        if one.kind == listing.kind and listing.place in (None, one.place):
            key = one.immutable if wants.immutable else one.id
            found.pop(key, None)
            found[key] = one
    kinds = {"created": "created", "updated": "updated", "deleted": "removed"}
    only = kinds.get(options.get("changeType", ""))
    return [one for one in found.values() if only in (None, one.op)]


def _told(listing: Listing, one: Happening, options: dict[str, str], wants: Preferences) -> list[Row]:
    if one.op != "removed" and listing.there(one.n):
        return listing.rows(one.n, options, wants)
    known = one.immutable if wants.immutable else one.id
    if listing.known_as is not None:
        known = listing.known_as(one)
    row: Row = {"@odata.type": f"#microsoft.graph.{listing.name}", "id": known, "@removed": {"reason": "deleted"}}
    if listing.name in ("mailFolder", "mailboxFolder"):
        del row["@odata.type"]
    return [row]
