"""`translateExchangeIds`: ordinary ids into immutable ones, and back.

Rules of this file: a POST that reads; up to 1,000 ids, each answered or with its own error; entry and EWS ids are not served.
Source: reference/graph.md 3.3; data/graph/mail/translateExchangeIds.json.
"""

from exporters.rehearsal.documents import Row, parse
from exporters.rehearsal.mailbox_rows import IMMUTABLE, IdError, Kind
from exporters.rehearsal.mailboxes import Mailbox
from exporters.rehearsal.routes.answers import bad_request, success
from exporters.rehearsal.routes.mail_access import find_mailbox, mailbox_of
from exporters.rehearsal.routes.query import parse_query
from exporters.rehearsal.routes.router import Call, Route
from exporters.rehearsal.wire import Response

_TYPES = ("restId", "restImmutableEntryId")
_MOST = 1000
_KINDS: tuple[Kind, ...] = ("message", "event", "contact", "task")


def routes() -> list[Route]:
    """The one route."""
    roles = frozenset({"User.Read.All", "User.ReadBasic.All"})
    template = "users/{user}/translateExchangeIds"
    return [Route(template, translate, 1, "exchange", "exchange", roles, mailbox=mailbox_of, method="POST")]


def translate(call: Call) -> Response:
    """POST: inputIds, sourceIdType, targetIdType."""
    parse_query(call.request.query, set())
    try:
        body = parse(call.request.body)
        ids, source, target = body["inputIds"], body["sourceIdType"], body["targetIdType"]
    except (ValueError, KeyError, TypeError) as error:
        raise bad_request("The body needs inputIds, sourceIdType and targetIdType.") from error
    if source not in _TYPES or target not in _TYPES:
        raise bad_request(f"Of types of ids {' and '.join(_TYPES)} are served here.")
    if not isinstance(ids, list) or len(ids) > _MOST:
        raise bad_request(f"inputIds holds at most {_MOST} ids.")
    box = find_mailbox(call)
    rows = [_translated(box, str(one), immutable=target == _TYPES[1]) for one in ids]
    context = f"{call.service.root}/$metadata#Collection(microsoft.graph.convertIdResult)"
    return success({"@odata.context": context, "value": rows}, call.request)


def _translated(box: Mailbox, item_id: str, *, immutable: bool) -> Row:
    for kind in sorted(IMMUTABLE.intersection(_KINDS)):
        try:
            n = box.find(kind, item_id)
        except IdError:
            n = None
        if n is not None:
            row = box.row(kind, n)
            return {"sourceId": item_id, "targetId": box.rows[kind].immutable_id(n, row) if immutable else row["id"]}
    return {"sourceId": item_id, "errorDetails": {"code": "ErrorItemNotFound", "message": "The id is not known."}}
