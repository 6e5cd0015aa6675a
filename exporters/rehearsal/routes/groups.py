"""Groups of the directory, and their mailboxes: conversations, threads, posts, and what hangs on posts.

Rules of this file: a group's mailbox has limits of its own; it is reached here and nowhere under users; a thread is found under
its conversation as well.
Source: reference/graph.md 3.1; data/graph/directory/groups-unified.json; the v1.0 schema.
"""

import base64
from collections.abc import Sequence

from exporters.rehearsal.documents import Row
from exporters.rehearsal.group_truth import Thread, find_group, has_mailbox, threads_of
from exporters.rehearsal.routes.answers import bad_request, collection, entity, identity, no_mailbox, public
from exporters.rehearsal.routes.directory import missing_resource, reading
from exporters.rehearsal.routes.mail_access import LIST_OPTIONS, answer, not_found, page, preferences, selected
from exporters.rehearsal.routes.paging import page_of
from exporters.rehearsal.routes.query import parse_query, selection, top
from exporters.rehearsal.routes.router import Action, Call, Route
from exporters.rehearsal.wire import Response

_READ = frozenset({"Group.Read.All", "Group.ReadWrite.All"})
_UNIFIED = "groupTypes/any(c:c eq 'Unified')"


def routes() -> list[Route]:
    """The routes of groups."""

    def mail(template: str, action: Action) -> Route:
        whose = lambda call: f"group/{call.names['group'].lower()}"  # noqa: E731
        return Route(template, action, 1, "exchange", "exchange", _READ, mailbox=whose)

    one = "groups/{group}"
    found = [
        reading("groups", groups, 1, *_READ),
        reading(one, group, 1, *_READ),
        reading(f"{one}/members", members, 3, "GroupMember.Read.All", *_READ),
        mail(f"{one}/conversations", conversations),
        mail(f"{one}/conversations/{{conversation}}/threads", threads),
        mail(f"{one}/threads", threads),
        mail(f"{one}/threads/{{thread}}", thread),
    ]
    for above in (f"{one}/threads/{{thread}}", f"{one}/conversations/{{conversation}}/threads/{{thread}}"):
        found += [
            mail(f"{above}/posts", posts),
            mail(f"{above}/posts/{{post}}", post),
            mail(f"{above}/posts/{{post}}/attachments", attachments),
            mail(f"{above}/posts/{{post}}/attachments/{{attachment}}", attachment),
            mail(f"{above}/posts/{{post}}/attachments/{{attachment}}/$value", attachment_value),
        ]
    return found


# ---------------------------------------------------------------------------------------------------- directory


def _group_row(row: Row) -> Row:
    unified = has_mailbox(row)
    local = str(row.get("mail") or "").partition("@")[0]
    return {"mailEnabled": unified, "mailNickname": local, "securityEnabled": not unified, **public(row)}


def groups(call: Call) -> Response:
    parameters = parse_query(call.request.query, {"$select", "$top", "$skiptoken", "$filter", "$count"})
    names, wanted = selection(parameters, "group"), parameters.get("$filter")
    if wanted not in (None, _UNIFIED):
        raise bad_request(f"Of filters on groups only {_UNIFIED} is served here.", "Request_UnsupportedQuery")
    rows = [row for row in call.service.tenant.groups if wanted is None or has_mailbox(row)]
    served, following = page_of(call, parameters, rows, top(parameters, 100, 999))
    body = collection(call.service.root, "groups", [selected(_group_row(row), names) for row in served], next=following)
    return answer(call, body, preferences(call))


def _find(call: Call) -> tuple[int, Row]:
    found = find_group(call.service.tenant, call.names["group"])
    if found is None:
        raise missing_resource(call.names["group"])
    return found


def group(call: Call) -> Response:
    names = selection(parse_query(call.request.query, {"$select"}), "group")
    row = selected(_group_row(_find(call)[1]), names)
    return answer(call, entity(call.service.root, "groups/$entity", row), preferences(call))


def members(call: Call) -> Response:
    parameters = parse_query(call.request.query, {"$select", "$top", "$skiptoken"})
    names = selection(parameters, "user")
    users = [call.service.tenant.user(str(one)) for one in _find(call)[1].get("_members", ())]
    served, following = page_of(call, parameters, [user for user in users if user], top(parameters, 100, 999))
    short = names or ("id", "displayName", "mail", "userPrincipalName")
    rows = [{"@odata.type": "#microsoft.graph.user", **selected(public(user), short)} for user in served]
    body = collection(call.service.root, "directoryObjects", rows, next=following)
    return answer(call, body, preferences(call))


# ------------------------------------------------------------------------------------------------------ threads


def _threads(call: Call) -> list[Thread]:
    n, row = _find(call)
    if not has_mailbox(row):
        raise no_mailbox()
    wanted = call.names.get("conversation")
    found = [one for one in threads_of(call.service.tenant, n, row) if wanted in (None, one.conversation["id"])]
    if wanted is not None and not found:
        raise not_found()
    return found


def _page(call: Call, resource: str, rows: Sequence[Row], context: str) -> Response:
    parameters, wants = parse_query(call.request.query, LIST_OPTIONS), preferences(call)
    names = selection(parameters, resource)
    served, following = page(call, parameters, range(len(rows)))
    found = [selected(public(rows[place]), names) for place in served]
    where = f"groups('{call.names['group']}')/{context}"
    return answer(call, collection(call.service.root, where, found, next=following), wants)


def conversations(call: Call) -> Response:
    return _page(call, "conversation", [one.conversation for one in _threads(call)], "conversations")


def threads(call: Call) -> Response:
    return _page(call, "conversationThread", [one.row for one in _threads(call)], "threads")


def _thread(call: Call) -> Thread:
    for one in _threads(call):
        if one.row["id"] == call.names["thread"]:
            return one
    raise not_found()


def thread(call: Call) -> Response:
    names = selection(parse_query(call.request.query, {"$select"}), "conversationThread")
    row = entity(call.service.root, "groups('x')/threads/$entity", selected(_thread(call).row, names))
    return answer(call, row, preferences(call))


def posts(call: Call) -> Response:
    return _page(call, "post", _thread(call).posts, "threads('x')/posts")


def _post(call: Call) -> Row:
    for one in _thread(call).posts:
        if one["id"] == call.names["post"]:
            return one
    raise not_found()


def post(call: Call) -> Response:
    names = selection(parse_query(call.request.query, {"$select"}), "post")
    row = entity(call.service.root, "groups('x')/threads('x')/posts/$entity", selected(public(_post(call)), names))
    return answer(call, row, preferences(call))


# -------------------------------------------------------------------------------------------------- attachments


def attachments(call: Call) -> Response:
    rows = [_file_row(call, one) for one in _post(call)["_attachments"]]
    return _page(call, "fileAttachment", rows, "threads('x')/posts('x')/attachments")


def _file_row(call: Call, one: Row) -> Row:
    reference = one["_c"]
    data = call.service.tenant.content.read(reference, 0, int(reference["len"]))
    return {**public(one), "contentLocation": None, "contentBytes": base64.b64encode(data).decode()}


def _attachment(call: Call) -> Row:
    for one in _post(call)["_attachments"]:
        if one["id"] == call.names["attachment"]:
            found: Row = one
            return found
    raise not_found()


def attachment(call: Call) -> Response:
    names = selection(parse_query(call.request.query, {"$select"}), "fileAttachment")
    row = selected(_file_row(call, _attachment(call)), names)
    where = "groups('x')/threads('x')/posts('x')/attachments/$entity"
    return answer(call, entity(call.service.root, where, row), preferences(call))


def attachment_value(call: Call) -> Response:
    parse_query(call.request.query, set())
    one = _attachment(call)
    headers = {"Content-Type": str(one["contentType"]), **identity(call.request)}
    length = int(one["_c"]["len"])
    return Response(
        200, headers=headers, stream=call.service.tenant.content.pieces(one["_c"], 0, length), length=length
    )
