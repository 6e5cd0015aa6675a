"""Contacts with their photos, and the folders they lie in.

Rules of this file: `/contacts` is the default folder only; `/contactFolders` lists the folders of the top but the default one,
and its `childFolders` have to be walked. One delta a folder.
Source: reference/graph.md 3.6; data/graph/mail/contacts.json, contactFolders.json.
"""

from collections.abc import Sequence

from exporters.rehearsal.documents import Row
from exporters.rehearsal.mailboxes import NOWHERE, Mailbox
from exporters.rehearsal.routes.answers import ApiError, collection, entity, identity
from exporters.rehearsal.routes.mail_access import (
    CONTACTS,
    LIST_OPTIONS,
    Preferences,
    answer,
    exchange,
    find_item,
    find_mailbox,
    page,
    preferences,
    selected,
    shown,
)
from exporters.rehearsal.routes.mail_delta import Listing, delta
from exporters.rehearsal.routes.mail_expand import expansions, with_extended
from exporters.rehearsal.routes.mail_filters import chosen
from exporters.rehearsal.routes.query import parse_query, selection
from exporters.rehearsal.routes.router import Call, Route
from exporters.rehearsal.wire import Response


def routes() -> list[Route]:
    """The routes of contacts."""
    user = "users/{user}"
    one = f"{user}/contactFolders/{{contactFolder}}"
    found = [
        exchange(f"{user}/contactFolders", folders, CONTACTS),
        exchange(f"{user}/contactFolders/delta", folders_delta, CONTACTS),
        exchange(f"{user}/contactFolders/delta()", folders_delta, CONTACTS),
        exchange(one, folder, CONTACTS),
        exchange(f"{one}/childFolders", child_folders, CONTACTS),
    ]
    for top in (user, one):
        found += [
            exchange(f"{top}/contacts", contacts, CONTACTS),
            exchange(f"{top}/contacts/delta", contacts_delta, CONTACTS),
            exchange(f"{top}/contacts/delta()", contacts_delta, CONTACTS),
            exchange(f"{top}/contacts/{{contact}}", contact, CONTACTS),
            exchange(f"{top}/contacts/{{contact}}/photo", photo, CONTACTS),
            exchange(f"{top}/contacts/{{contact}}/photo/$value", photo_value, CONTACTS),
        ]
    return found


def _find_folder(call: Call, box: Mailbox) -> int:
    name = call.names.get("contactFolder", "contacts")
    if name.lower() != "contacts":
        return find_item(box, "contactFolder", name)[0]
    for n in box.live("contactFolder"):
        if box.row("contactFolder", n).get("_default"):
            return n
    raise ApiError(404, "ErrorItemNotFound", "There is no folder of contacts.")


# ------------------------------------------------------------------------------------------------------ folders


def _folder_row(call: Call, box: Mailbox, n: int, options: dict[str, str], wants: Preferences) -> Row:
    row = shown(box, "contactFolder", n, wants)
    row = {key: value for key, value in row.items() if key not in ("changeKey", "@odata.etag")}
    found = selected(row, selection(options, "contactFolder"))
    asked = expansions(options.get("$expand"))
    return with_extended(found, asked, call.service.tenant.content, box, "contactFolder", n)


def _folders(call: Call, box: Mailbox, numbers: Sequence[int], parameters: dict[str, str]) -> Response:
    wants = preferences(call)
    served, following = page(call, parameters, numbers)
    rows = [_folder_row(call, box, n, parameters, wants) for n in served]
    context = f"users('{call.names['user']}')/contactFolders"
    return answer(call, collection(call.service.root, context, rows, next=following), wants)


def folders(call: Call) -> Response:
    parameters, box = parse_query(call.request.query, LIST_OPTIONS), find_mailbox(call)
    tops = [n for n in box.members("contactFolder", NOWHERE) if not box.row("contactFolder", n).get("_default")]
    return _folders(call, box, [*tops, *box.members("contactFolder", _find_folder(call, box))], parameters)


def child_folders(call: Call) -> Response:
    parameters, box = parse_query(call.request.query, LIST_OPTIONS), find_mailbox(call)
    return _folders(call, box, box.members("contactFolder", _find_folder(call, box)), parameters)


def folder(call: Call) -> Response:
    parameters, wants = parse_query(call.request.query, {"$select", "$expand"}), preferences(call)
    box = find_mailbox(call)
    row = _folder_row(call, box, _find_folder(call, box), parameters, wants)
    return answer(call, entity(call.service.root, f"users('{call.names['user']}')/contactFolders/$entity", row), wants)


def folders_delta(call: Call) -> Response:
    options = frozenset({"$select", "$expand", "$top"})
    parameters, box = parse_query(call.request.query, options | {"$deltatoken", "$skiptoken"}), find_mailbox(call)
    gone = box.rows["contactFolder"].gone
    listing = Listing(
        box=box,
        kind="contactFolder",
        place=None,
        name="contactFolder",
        rows=lambda n, given, wants: [_folder_row(call, box, n, given, wants)],
        numbers=lambda until: range(box.rows["contactFolder"].count),
        there=lambda n: n not in gone,
        options=options,
    )
    return delta(call, listing, parameters)


# ----------------------------------------------------------------------------------------------------- contacts


def _contact_row(call: Call, box: Mailbox, n: int, options: dict[str, str], wants: Preferences) -> Row:
    found = selected(shown(box, "contact", n, wants), selection(options, "contact"))
    asked = expansions(options.get("$expand"))
    return with_extended(found, asked, call.service.tenant.content, box, "contact", n)


def contacts(call: Call) -> Response:
    parameters, wants = parse_query(call.request.query, LIST_OPTIONS), preferences(call)
    box = find_mailbox(call)
    numbers = box.members("contact", _find_folder(call, box))
    numbers = chosen(parameters, numbers, lambda n: box.row("contact", n), "contact")
    served, following = page(call, parameters, numbers)
    rows = [_contact_row(call, box, n, parameters, wants) for n in served]
    context = f"users('{call.names['user']}')/contacts"
    return answer(call, collection(call.service.root, context, rows, next=following), wants)


def contacts_delta(call: Call) -> Response:
    options = frozenset({"$select", "$expand", "$top"})
    parameters, box = parse_query(call.request.query, options | {"$deltatoken", "$skiptoken"}), find_mailbox(call)
    place = _find_folder(call, box)
    listing = Listing(
        box=box,
        kind="contact",
        place=place,
        name="contact",
        rows=lambda n, given, wants: [_contact_row(call, box, n, given, wants)],
        numbers=lambda until: [
            *box.base("contact", place),
            *(n for at, n in box.arrivals("contact", place) if at < until),
        ],
        there=lambda n: box.lies_in("contact", n, place),
        options=options,
    )
    return delta(call, listing, parameters)


def contact(call: Call) -> Response:
    parameters, wants = parse_query(call.request.query, {"$select", "$expand"}), preferences(call)
    box = find_mailbox(call)
    n, _ = find_item(box, "contact", call.names["contact"])
    row = _contact_row(call, box, n, parameters, wants)
    return answer(call, entity(call.service.root, f"users('{call.names['user']}')/contacts/$entity", row), wants)


def _photo(call: Call) -> Row:
    _, row = find_item(find_mailbox(call), "contact", call.names["contact"])
    found: Row | None = row.get("_photo")
    if found is None:
        raise ApiError(404, "ErrorItemNotFound", "The photo wasn't found.")
    return found


def photo(call: Call) -> Response:
    """What there is to know of a photo; 404 without one."""
    parse_query(call.request.query, set())
    _photo(call)
    row = {"id": "default", "@odata.mediaContentType": "image/jpeg", "width": 96, "height": 96}
    return answer(call, entity(call.service.root, "photo/$entity", row), preferences(call))


def photo_value(call: Call) -> Response:
    parse_query(call.request.query, set())
    found, content = _photo(call), call.service.tenant.content
    headers = {"Content-Type": "image/jpeg", **identity(call.request)}
    length = int(found["len"])
    return Response(200, headers=headers, stream=content.pieces(found, 0, length), length=length)
