"""To Do: lists, tasks with what hangs on them, and their delta.

Rules of this file: checklist items come within a task only if they are expanded; dates are served as they are, which is UTC.
Source: reference/graph.md 3.6; data/graph/mail/todo-lists.json, todo-tasks.json.
"""

from collections.abc import Callable

from exporters.rehearsal.documents import Row
from exporters.rehearsal.mailboxes import Mailbox
from exporters.rehearsal.routes.answers import bad_request, collection, entity, identity, public
from exporters.rehearsal.routes.mail_access import (
    LIST_OPTIONS,
    TASKS,
    Preferences,
    answer,
    exchange,
    find_item,
    find_mailbox,
    not_found,
    page,
    preferences,
    selected,
    shown,
)
from exporters.rehearsal.routes.mail_delta import Listing, delta
from exporters.rehearsal.routes.mail_expand import expansions
from exporters.rehearsal.routes.mail_filters import chosen
from exporters.rehearsal.routes.query import parse_query, selection
from exporters.rehearsal.routes.router import Call, Route
from exporters.rehearsal.wire import Response

_HANGING = ("checklistItems", "linkedResources", "attachments")
_DELTA = frozenset({"$select", "$expand", "$top"})


def routes() -> list[Route]:
    """The routes of To Do."""
    lists = "users/{user}/todo/lists"
    one, tasks = f"{lists}/{{list}}", f"{lists}/{{list}}/tasks"
    task = f"{tasks}/{{task}}"
    return [
        exchange(lists, all_lists, TASKS),
        exchange(f"{lists}/delta", lists_delta, TASKS),
        exchange(f"{lists}/delta()", lists_delta, TASKS),
        exchange(one, single_list, TASKS),
        exchange(tasks, list_tasks, TASKS),
        exchange(f"{tasks}/delta", tasks_delta, TASKS),
        exchange(f"{tasks}/delta()", tasks_delta, TASKS),
        exchange(task, single_task, TASKS),
        exchange(f"{task}/checklistItems", _hanging("checklistItems"), TASKS),
        exchange(f"{task}/linkedResources", _hanging("linkedResources"), TASKS),
        exchange(f"{task}/attachments", _hanging("attachments"), TASKS),
        exchange(f"{task}/attachments/{{attachment}}/$value", attachment_value, TASKS),
    ]


def _list_row(box: Mailbox, n: int, options: dict[str, str]) -> Row:
    row = {"@odata.type": "#microsoft.graph.todoTaskList", **public(box.row("list", n))}
    return selected(row, selection(options, "todoTaskList"))


def _task_row(box: Mailbox, n: int, options: dict[str, str], wants: Preferences) -> Row:
    row = {key: value for key, value in shown(box, "task", n, wants).items() if key != "changeKey"}
    asked = expansions(options.get("$expand"))
    if unknown := set(asked) - set(_HANGING):
        raise bad_request(f"$expand={', '.join(unknown)} is not served on tasks here.")
    hanging = {name: _parts(box.row("task", n), name, short=True) for name in asked}
    left = {key: value for key, value in row.items() if key not in _HANGING}
    return selected(left, selection(options, "todoTask")) | hanging


def _parts(row: Row, name: str, *, short: bool) -> list[Row]:
    if name != "attachments":
        return [public(one) for one in row.get(name, ())]
    return [
        {"@odata.type": "#microsoft.graph.taskFileAttachment", **public(one)}
        | ({} if short else {"@odata.mediaContentType": one.get("contentType")})
        for one in row.get("_attachments", ())
    ]


def all_lists(call: Call) -> Response:
    parameters, wants = parse_query(call.request.query, LIST_OPTIONS), preferences(call)
    box = find_mailbox(call)
    served, following = page(call, parameters, list(box.live("list")))
    rows = [_list_row(box, n, parameters) for n in served]
    context = f"users('{call.names['user']}')/todo/lists"
    return answer(call, collection(call.service.root, context, rows, next=following), wants)


def single_list(call: Call) -> Response:
    parameters, wants = parse_query(call.request.query, {"$select"}), preferences(call)
    box = find_mailbox(call)
    row = _list_row(box, find_item(box, "list", call.names["list"])[0], parameters)
    return answer(call, entity(call.service.root, f"users('{call.names['user']}')/todo/lists/$entity", row), wants)


def lists_delta(call: Call) -> Response:
    parameters, box = parse_query(call.request.query, _DELTA | {"$deltatoken", "$skiptoken"}), find_mailbox(call)
    gone = box.rows["list"].gone
    listing = Listing(
        box=box,
        kind="list",
        place=None,
        name="todoTaskList",
        rows=lambda n, given, _: [_list_row(box, n, given)],
        numbers=lambda until: range(box.rows["list"].count),
        there=lambda n: n not in gone,
        options=_DELTA,
    )
    return delta(call, listing, parameters)


def list_tasks(call: Call) -> Response:
    parameters, wants = parse_query(call.request.query, LIST_OPTIONS), preferences(call)
    box = find_mailbox(call)
    numbers = box.members("task", find_item(box, "list", call.names["list"])[0])
    served, following = page(call, parameters, chosen(parameters, numbers, lambda n: box.row("task", n), "todoTask"))
    rows = [_task_row(box, n, parameters, wants) for n in served]
    context = f"users('{call.names['user']}')/todo/lists('x')/tasks"
    return answer(call, collection(call.service.root, context, rows, next=following), wants)


def tasks_delta(call: Call) -> Response:
    parameters, box = parse_query(call.request.query, _DELTA | {"$deltatoken", "$skiptoken"}), find_mailbox(call)
    place = find_item(box, "list", call.names["list"])[0]
    listing = Listing(
        box=box,
        kind="task",
        place=place,
        name="todoTask",
        rows=lambda n, given, wants: [_task_row(box, n, given, wants)],
        numbers=lambda until: [*box.base("task", place), *(n for at, n in box.arrivals("task", place) if at < until)],
        there=lambda n: box.lies_in("task", n, place),
        options=_DELTA,
    )
    return delta(call, listing, parameters)


def _find_task(call: Call) -> tuple[Mailbox, int]:
    box = find_mailbox(call)
    place, _ = find_item(box, "list", call.names["list"])
    n, _ = find_item(box, "task", call.names["task"])
    if not box.lies_in("task", n, place):
        raise not_found()
    return box, n


def single_task(call: Call) -> Response:
    parameters, wants = parse_query(call.request.query, {"$select", "$expand"}), preferences(call)
    box, n = _find_task(call)
    row = _task_row(box, n, parameters, wants)
    return answer(call, entity(call.service.root, f"users('{call.names['user']}')/todo/tasks/$entity", row), wants)


def _hanging(name: str) -> Callable[[Call], Response]:
    def parts(call: Call) -> Response:
        parameters, wants = parse_query(call.request.query, LIST_OPTIONS), preferences(call)
        box, n = _find_task(call)
        rows = _parts(box.row("task", n), name, short=False)
        served, following = page(call, parameters, range(len(rows)))
        context = f"users('{call.names['user']}')/todo/lists('x')/tasks('x')/{name}"
        body = collection(call.service.root, context, [rows[place] for place in served], next=following)
        return answer(call, body, wants)

    return parts


def attachment_value(call: Call) -> Response:
    """The bytes of a file that hangs on a task."""
    parse_query(call.request.query, set())
    box, n = _find_task(call)
    for one in box.row("task", n).get("_attachments", ()):
        if one["id"] == call.names["attachment"]:
            reference, content = one["_c"], call.service.tenant.content
            headers = {"Content-Type": str(one.get("contentType") or "application/octet-stream")}
            length = int(reference["len"])
            stream = content.pieces(reference, 0, length)
            return Response(200, headers=headers | identity(call.request), stream=stream, length=length)
    raise not_found()
