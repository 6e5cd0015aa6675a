"""The mailboxes of groups: conversations, threads, posts, and what hangs on posts.

Rules of this file: a group's mailbox has limits of its own; it is reached here and nowhere under users; a thread is found under
its conversation as well.
Source: reference/graph.md 3.1; data/graph/directory/groups-unified.json; the v1.0 schema.
"""

import base64
from collections.abc import Sequence

from exporters.rehearsal.documents import Row
from exporters.rehearsal.group_truth import Thread, find_group, has_mailbox, threads_of
from exporters.rehearsal.routes.answers import collection, entity, identity, no_mailbox, public
from exporters.rehearsal.routes.directory import missing_resource
from exporters.rehearsal.routes.mail_access import LIST_OPTIONS, answer, not_found, page, preferences, selected
from exporters.rehearsal.routes.query import parse_query, selection
from exporters.rehearsal.routes.router import Action, Call, Route
from exporters.rehearsal.wire import Response

_READ = frozenset({"Group.Read.All", "Group.ReadWrite.All"})


def routes() -> list[Route]:
    """The routes of groups."""

    def mail(template: str, action: Action) -> Route:
        whose = lambda call: f"group/{call.names['group'].lower()}"  # noqa: E731
        return Route(template, action, 1, "exchange", "exchange", _READ, mailbox=whose)

    one = "groups/{group}"
    found = [
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


# ------------------------------------------------------------------------------------------------------ threads


def _find(call: Call) -> tuple[int, Row]:
    found = find_group(call.service.tenant, call.names["group"])
    if found is None:
        raise missing_resource(call.names["group"])
    return found


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
