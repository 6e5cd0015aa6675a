"""A task of To Do as an IPM.Task.

Rules of this file: pure but for `open_bytes`. A date of a task is a day, not an instant (§4.1). Steps and links have no property:
they stand at the end of the text, with a loss. Source: reference/mapi-mapping.md §4.1; [MS-OXOTASK] 2.2.2.
"""

from datetime import date, datetime, time

from exporters.mail.compose.box import Box
from exporters.mail.compose.extended_properties import extended
from exporters.mail.compose.graph_attachments import graph_attachments, size_hint
from exporters.mail.compose.graph_body import body_of, set_body
from exporters.mail.compose.graph_item import SUBJECT, Item, Record, listing, mapping
from exporters.mail.compose.graph_recurrence import repeated
from exporters.mail.compose.headers import EPOCH
from exporters.mail.compose.message_facts import day_of, set_day
from exporters.mail.compose.mime import Converted
from exporters.mail.compose.plain_item import finished
from exporters.mail.compose.property_sets import BINARY, BOOLEAN, COMMON, DOUBLE, INTEGER, STRING, TASK, TIME
from exporters.mail.compose.recurrence import RecurrenceRefused, Series, encode_pattern
from exporters.mail.compose.stored_bytes import OpenBytes

_ICON, _SIDE_EFFECTS = 1280, 272
_STATUS = {"notstarted": 0, "inprogress": 1, "completed": 2, "waitingonothers": 3, "deferred": 4}
_COMPLETED = 2
_LAST_ORDINAL = 0x7FFFFFFF


def task_message(record: Record, box: Box, open_bytes: OpenBytes, *, search_key: bytes | None = None) -> Converted:
    """The IPM.Task of a line of `tasks-….jsonl`. `search_key`: 16 bytes, where the service names none.

    Steps and links are taken from the task (`checklistItems`, `linkedResources`) or, where capture put them, from the line.
    Files are read when the message is written, with what `open_bytes` raises.
    """
    item = Item(record, box)
    item.set_common(side_effects=_SIDE_EFFECTS, icon=_ICON)
    graph = item.graph
    more = extended(graph, item.losses)
    item.tag(SUBJECT, item.title(graph.get("title")))
    item.tag(0x0070001F, item.title(graph.get("title")))
    _set_state(item)
    _set_dates(item)
    _set_recurrence(item)
    body = body_of(item, graph.get("body")).with_lines(_lines(item))
    set_body(item, body)
    files = graph_attachments(item, open_bytes, body.html, EPOCH)
    message = finished(
        item,
        more,
        message_class="IPM.Task",
        flags=1,
        attachments=files,
        search_key=search_key,
        size_hint=size_hint(item),
    )
    return Converted(message, item.losses.all())


def _set_state(item: Item) -> None:
    word = item.line(item.graph.get("status")).lower()
    if word and word not in _STATUS:
        item.losses.add("task-detail", f"status {word[:40]!r}")
    status = _STATUS.get(word, 0)
    done = status == _COMPLETED
    item.put(TASK, 0x8101, INTEGER, status)
    item.put(TASK, 0x8102, DOUBLE, 1.0 if done else 0.0)
    item.put(TASK, 0x811C, BOOLEAN, done)
    item.put(TASK, 0x8103, BOOLEAN, False)
    for name, value in ((0x8113, 1), (0x8112, 1), (0x8129, 0), (0x812A, 0), (0x811A, 0), (0x8123, _LAST_ORDINAL)):
        item.put(TASK, name, INTEGER, value)
    item.put(COMMON, 0x8518, INTEGER, 0)
    item.put(TASK, 0x811F, STRING, item.text(item.box.display_name))


def _set_dates(item: Item) -> None:
    graph = item.graph
    for field, name, common in (("startDateTime", 0x8104, 0x8516), ("dueDateTime", 0x8105, 0x8517)):
        set_day(item, graph.get(field), field, name, common, loss="task-date-zone")
    set_day(item, graph.get("completedDateTime"), "completedDateTime", 0x810F, None, loss="task-date-zone")
    item.put(COMMON, 0x8503, BOOLEAN, graph.get("isReminderOn") is True)
    reminder = item.moment(graph.get("reminderDateTime"), "reminderDateTime")
    if reminder is not None:
        item.put(COMMON, 0x8502, TIME, reminder.utc)
        item.put(COMMON, 0x8560, TIME, reminder.utc)


def _set_recurrence(item: Item) -> None:
    recurrence = mapping(item.graph.get("recurrence"))
    item.put(TASK, 0x8126, BOOLEAN, bool(recurrence))
    if not recurrence:
        return
    try:
        found = repeated(recurrence, _anchor(item))
        series = Series(found.pattern, datetime.combine(found.first, time()), 0, found.count, found.until)
        item.put(TASK, 0x8116, BINARY, encode_pattern(series))
    except RecurrenceRefused as error:
        item.losses.add("task-detail", f"the recurrence is left out: {error}")
        item.put(TASK, 0x8126, BOOLEAN, False)


def _anchor(item: Item) -> date:
    """The day from which a recurrence without a start counts."""
    for field in ("dueDateTime", "startDateTime", "createdDateTime"):
        moment = item.moment(item.graph.get(field), field)
        if moment is not None:
            return day_of(item, moment)[0]
    raise RecurrenceRefused("it has no start")


def _lines(item: Item) -> list[str]:
    """Steps and links, as lines of text."""
    steps = listing(item.graph.get("checklistItems")) or listing(item.record.get("checklistItems"))
    found = []
    for step in steps:
        mark = "[x]" if mapping(step).get("isChecked") is True else "[ ]"
        found.append(f"{mark} {item.line(mapping(step).get('displayName'), 'step')}")
    for resource in listing(item.graph.get("linkedResources")) or listing(item.record.get("linkedResources")):
        link = mapping(resource)
        name = item.line(link.get("displayName"), "link") or item.line(link.get("applicationName"), "link")
        url = item.line(link.get("webUrl"), "link")
        found.append(f"{name} <{url}>".strip() if url else name)
    if found:
        item.losses.add("checklist-in-body", f"{len(steps)} steps, {len(found) - len(steps)} links")
    return found
