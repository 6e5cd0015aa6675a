"""The mailbox import and export API, as far as it reads: settings, folders, items, delta, `exportItems`.

Rules of this file: v1.0 tells of the primary mailbox only, beta of the archive too; at most 20 ids a call, answered in no order,
each singly; with `export_omits` an answer to several ids leaves some out without a word.
Source: reference/graph.md 4; data/graph/mailbox-export; quirk Q-059.
"""

import base64
import hashlib
from collections.abc import Sequence
from dataclasses import replace

from exporters.rehearsal.documents import Row, parse
from exporters.rehearsal.export_truth import (
    Place,
    auxiliary_id,
    children,
    every_place,
    exported_id,
    find_by_id,
    find_exported,
    folder_kinds,
    held,
    id_of,
    is_in_auxiliary,
    is_item,
    item_class,
    item_kinds,
    mailbox_id,
    place_row,
    top_places,
)
from exporters.rehearsal.fasttransfer_streams import container, message_stream, other_stream
from exporters.rehearsal.mailbox_rows import IdError, Kind
from exporters.rehearsal.mailboxes import Mailbox
from exporters.rehearsal.mime_streams import header_lines
from exporters.rehearsal.routes.answers import ApiError, bad_request, collection, denied, entity
from exporters.rehearsal.routes.calendars import zones_of
from exporters.rehearsal.routes.mail_access import (
    LIST_OPTIONS,
    answer,
    exchange,
    find_mailbox,
    find_owner,
    not_found,
    page,
    preferences,
    selected,
    shown,
)
from exporters.rehearsal.routes.mail_delta import Listing, delta
from exporters.rehearsal.routes.mail_expand import expansions, search_key, with_extended
from exporters.rehearsal.routes.mail_filters import chosen
from exporters.rehearsal.routes.query import parse_query, selection
from exporters.rehearsal.routes.router import Action, Call, Route
from exporters.rehearsal.wire import Response

_FOLDERS = frozenset({"MailboxFolder.Read.All"})
_ITEMS = frozenset({"MailboxItem.Read.All"})
_EXPORT = frozenset({"MailboxItem.Export.All", "MailboxItem.ImportExport.All"})
_SETTINGS = frozenset({"User.Read.All"})
_MOST_IDS = 20
_FOLDER_KINDS: dict[Kind, Kind] = {"message": "folder", "event": "calendar", "contact": "contactFolder", "task": "list"}
_DELTA = frozenset({"$select", "$expand", "$top"})


def routes(*, beta: bool = False) -> list[Route]:
    """The routes of the export API; of beta those that tell of archives."""
    top = "admin/exchange/mailboxes/{mailbox}"
    one = f"{top}/folders/{{folder}}"

    def route(template: str, action: Action, roles: frozenset[str], method: str = "GET") -> Route:
        return Route(template, action, 1, "exchange", "exchange", roles, mailbox=_limits_of, method=method)

    settings = beta_settings if beta else exchange_settings
    return [
        exchange("users/{user}/settings/exchange", settings, _SETTINGS),
        route(f"{top}/folders", folders, _FOLDERS),
        route(f"{top}/folders/delta", folders_delta, _FOLDERS),
        route(f"{top}/folders/delta()", folders_delta, _FOLDERS),
        route(one, folder, _FOLDERS),
        route(f"{one}/childFolders", child_folders, _FOLDERS),
        route(f"{one}/items", items, _ITEMS),
        route(f"{one}/items/delta", items_delta, _ITEMS),
        route(f"{one}/items/delta()", items_delta, _ITEMS),
        route(f"{one}/items/{{item}}", item, _ITEMS),
        route(f"{top}/exportItems", export_items, _EXPORT, "POST"),
    ]


# --------------------------------------------------------------------------------------------------- mailboxes


def exchange_settings(call: Call) -> Response:
    return _settings(call, archive=False)


def beta_settings(call: Call) -> Response:
    return _settings(call, archive=True)


def _settings(call: Call, *, archive: bool) -> Response:
    parse_query(call.request.query, {"$select"})
    find_mailbox(call)
    user, tenant = find_owner(call), call.service.tenant
    row: Row = {"primaryMailboxId": mailbox_id(tenant, user["_dir"])}
    if archive and user.get("_archive"):
        row["inPlaceArchiveMailboxId"] = mailbox_id(tenant, user["_archive"])
    context = f"users('{call.names['user']}')/settings/exchange/$entity"
    return answer(call, entity(call.service.root, context, row), preferences(call))


def _limits_of(call: Call) -> str:
    """The primary mailbox has one limit for all that reaches it; an archive has its own."""
    found = find_by_id(call.service.tenant, call.names["mailbox"])
    if found is None or found[1] != found[0].get("_dir"):
        return call.names["mailbox"].lower()
    return str(found[0]["id"]).lower()


def _find_box(call: Call) -> Mailbox:
    """Raises ApiError 404, 403."""
    found = find_by_id(call.service.tenant, call.names["mailbox"])
    if found is None:
        raise ApiError(404, "ErrorItemNotFound", "The mailbox was not found.")
    user, folder = found
    if user["id"] in call.service.settings.denied_mailboxes:
        raise denied("exchange")
    box = call.service.tenant.mailboxes.of({**user, "_dir": folder})
    if box is None:
        raise not_found()
    return box


def _find_place(call: Call, box: Mailbox) -> Place:
    """Of the path: an id, or a well-known name of mail."""
    name = call.names["folder"]
    if name.lower() in box.named:
        return _at_home(call, Place("folder", box.named[name.lower()]))
    try:
        found = find_exported(box, folder_kinds(), name)
    except IdError as error:
        raise ApiError(400, "ErrorInvalidIdMalformed", "Id is malformed.") from error
    if found is None:
        raise not_found()
    return _at_home(call, Place(*found))


def _home(call: Call, place: Place) -> str:
    """The id of the mailbox in which a folder lies: of an archive that was expanded, perhaps of the auxiliary one."""
    found = find_by_id(call.service.tenant, call.names["mailbox"])
    if found is None or not call.service.settings.expanded_archives or found[1] != found[0].get("_archive"):
        return call.names["mailbox"]
    tenant, folder = call.service.tenant, found[1]
    return auxiliary_id(tenant, folder) if is_in_auxiliary(place) else mailbox_id(tenant, folder)


def _at_home(call: Call, place: Place) -> Place:
    """The folder, if it lies in the mailbox that was asked. Raises ApiError 308."""
    home = _home(call, place)
    if home.lower() == call.names["mailbox"].lower():
        return place
    head, _, rest = call.request.path.partition("/mailboxes/")
    location = f"{call.service.hosts.graph}{head}/mailboxes/{home}/{rest.partition('/')[2]}"
    if call.request.query:
        location += f"?{call.request.query}"
    raise ApiError(308, "permanentRedirect", "The folder lies in another mailbox.", headers={"Location": location})


# ------------------------------------------------------------------------------------------------------ folders


def _folder_row(call: Call, box: Mailbox, place: Place, options: dict[str, str]) -> Row:
    row = selected(place_row(box, place), selection(options, "mailboxFolder"))
    return with_extended(row, expansions(options.get("$expand")), call.service.tenant.content, box, place.kind, place.n)


def _folders(call: Call, box: Mailbox, places: Sequence[Place]) -> Response:
    parameters, wants = parse_query(call.request.query, LIST_OPTIONS), preferences(call)
    numbers = chosen(parameters, range(len(places)), lambda n: place_row(box, places[n]), "mailboxFolder")
    served, following = page(call, parameters, numbers)
    rows = [_folder_row(call, box, places[n], parameters) for n in served]
    context = f"admin/exchange/mailboxes/{call.names['mailbox']}/folders"
    return answer(call, collection(call.service.root, context, rows, next=following), wants)


def folders(call: Call) -> Response:
    box = _find_box(call)
    return _folders(call, box, top_places(box))


def child_folders(call: Call) -> Response:
    box = _find_box(call)
    return _folders(call, box, children(box, _find_place(call, box)))


def folder(call: Call) -> Response:
    parameters = parse_query(call.request.query, {"$select", "$expand"})
    box = _find_box(call)
    row = _folder_row(call, box, _find_place(call, box), parameters)
    return answer(call, entity(call.service.root, "admin/exchange/mailboxes/folders/$entity", row), preferences(call))


def folders_delta(call: Call) -> Response:
    """Flat; changes of mail folders are told, other folders do not change here."""
    parameters = parse_query(call.request.query, _DELTA | {"$deltatoken", "$skiptoken"})
    box = _find_box(call)
    others = [place for place in every_place(box) if place.kind != "folder"]
    below = set(box.below_root())

    def place_at(n: int) -> Place:
        return Place("folder", n) if n >= 0 else others[n]  # folders keep their numbers, others stand before them

    listing = Listing(
        box=box,
        kind="folder",
        place=None,
        name="mailboxFolder",
        rows=lambda n, given, _: [_folder_row(call, box, place_at(n), given)],
        numbers=lambda until: range(-len(others), box.rows["folder"].count),
        there=lambda n: n < 0 or n in below,
        options=_DELTA,
        known_as=lambda one: exported_id("folder", box.user, one.n, one.id),
    )
    return delta(call, listing, parameters)


# -------------------------------------------------------------------------------------------------------- items


def _item_row(call: Call, box: Mailbox, kind: Kind, n: int, options: dict[str, str]) -> Row:
    row, told = box.row(kind, n), shown(box, kind, n, preferences(call))
    whole = {
        "@odata.type": "#microsoft.graph.mailboxItem",
        "@odata.etag": told["@odata.etag"],
        "id": id_of(box, kind, n),
        "createdDateTime": row.get("createdDateTime"),
        "lastModifiedDateTime": row.get("lastModifiedDateTime"),
        "changeKey": told["changeKey"],
        "categories": row.get("categories", []),
        "type": item_class(kind, row),
        "size": int(row.get("_size", 0)) // 4 + 500,  # what the listing says is far below what comes
    }
    found = selected(whole, selection(options, "mailboxItem"))
    return with_extended(found, expansions(options.get("$expand")), call.service.tenant.content, box, kind, n)


def items(call: Call) -> Response:
    parameters, wants = parse_query(call.request.query, LIST_OPTIONS), preferences(call)
    box = _find_box(call)
    place = _find_place(call, box)
    there = held(box, place)
    numbers = chosen(parameters, there, lambda n: box.row(place.items, n), "mailboxItem")
    served, following = page(call, parameters, numbers)
    rows = [_item_row(call, box, place.items, n, parameters) for n in served]
    context = f"admin/exchange/mailboxes/{call.names['mailbox']}/folders('x')/items"
    return answer(call, collection(call.service.root, context, rows, next=following), wants)


def item(call: Call) -> Response:
    parameters = parse_query(call.request.query, {"$select", "$expand"})
    box = _find_box(call)
    kind, n = _find_item(box, call.names["item"])
    row = _item_row(call, box, kind, n, parameters)
    return answer(call, entity(call.service.root, "admin/exchange/mailboxes/items/$entity", row), preferences(call))


def _find_item(box: Mailbox, item_id: str) -> tuple[Kind, int]:
    try:
        found = find_exported(box, item_kinds(), item_id)
    except IdError as error:
        raise ApiError(400, "ErrorInvalidIdMalformed", "Id is malformed.") from error
    if found is None or box.row(*found).get("_goneAfterListing"):
        raise not_found()
    return found


def items_delta(call: Call) -> Response:
    parameters = parse_query(call.request.query, _DELTA | {"$deltatoken", "$skiptoken"})
    box = _find_box(call)
    place = _find_place(call, box)
    kind, where = place.items, place.n
    listing = Listing(
        box=box,
        kind=kind,
        place=where,
        name="mailboxItem",
        rows=lambda n, given, _: [_item_row(call, box, kind, n, given)],
        numbers=lambda until: [*box.base(kind, where), *(n for at, n in box.arrivals(kind, where) if at < until)],
        there=lambda n: box.lies_in(kind, n, where) and is_item(box, kind, n),
        options=_DELTA,
        known_as=lambda one: exported_id(kind, box.user, one.n, one.id),
    )
    return delta(call, listing, parameters)


# ------------------------------------------------------------------------------------------------------- export


def export_items(call: Call) -> Response:
    """POST: the streams of up to 20 items."""
    parse_query(call.request.query, set())
    try:
        ids = parse(call.request.body)["itemIds"]
    except (ValueError, KeyError, TypeError) as error:
        raise bad_request("The body needs itemIds.") from error
    if not isinstance(ids, list) or not 1 <= len(ids) <= _MOST_IDS or not all(isinstance(one, str) for one in ids):
        raise bad_request(f"itemIds holds 1 to {_MOST_IDS} ids.", "ErrorInvalidRequest")
    box = _find_box(call)
    order = sorted(ids, key=lambda one: hashlib.sha256(one.encode()).digest())
    if call.service.settings.export_omits and len(order) > 1:
        order = order[: -max(1, len(order) // 5)]
    rows = [_exported(call, box, one) for one in order]
    body = collection(call.service.root, "Collection(microsoft.graph.exportItemResponse)", rows)
    return answer(call, body, replace(preferences(call), applied=()))


def _exported(call: Call, box: Mailbox, item_id: str) -> Row:
    try:
        kind, n = _find_item(box, item_id)
    except ApiError as error:
        key = "Error" if len(item_id) % 2 else "error"  # one documented sample has it large
        return {"itemId": item_id, key: {"code": error.code, "message": error.message}}
    home = _home(call, Place(_FOLDER_KINDS[kind], box.place(kind, n)))
    if home.lower() != call.names["mailbox"].lower():
        where = f"{call.service.root}/admin/exchange/mailboxes/{home}/exportItems"
        return {"itemId": item_id, "Error": {"code": "ErrorArchiveFolderMovedPermanently", "message": where}}
    data = container(item_stream(call, box, kind, n))
    change_key = shown(box, kind, n, preferences(call))["changeKey"]
    return {"itemId": item_id, "changeKey": change_key, "data": base64.b64encode(data).decode()}


def item_stream(call: Call, box: Mailbox, kind: Kind, n: int) -> bytes:
    """The FastTransfer stream of an item, without its container."""
    row, reader = box.row(kind, n), call.service.tenant.content
    key = base64.b64decode(search_key(box, kind, n))
    if kind != "message":
        zones = zones_of(call)
        times = (zones.instant(row["start"]), zones.instant(row["end"])) if kind == "event" else (None, None)
        return other_stream(kind, row, key, times)
    headers = None
    if "_mime" in row and not row.get("isDraft"):
        headers = header_lines(reader, row["_mime"]).decode("utf-8", "replace") + "\r\n"
    return message_stream(row, key, reader, headers)
