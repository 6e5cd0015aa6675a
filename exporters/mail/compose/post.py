"""A post of a group's thread as an IPM.Post.

Rules of this file: pure but for `open_bytes`; a post has no subject of its own: it is the topic of its thread.
Source: reference/mapi-mapping.md §1.9; docs/formats.md (`posts-….jsonl`); post and conversationThread of the v1.0 schema.
"""

from exporters.mail.compose.box import Box
from exporters.mail.compose.graph_item import Item, Record, listing
from exporters.mail.compose.graph_people import person, persons
from exporters.mail.compose.mail_of_json import mail_of_json
from exporters.mail.compose.message_facts import facts_of
from exporters.mail.compose.mime import Converted
from exporters.mail.compose.stored_bytes import OpenBytes


def post_message(
    record: Record, box: Box, open_bytes: OpenBytes, *, topic: str = "", search_key: bytes | None = None
) -> Converted:
    """The IPM.Post of a line of `posts-….jsonl`. `topic`: of its thread; without one, the name of the thread's folder is taken.

    Files are read when the message is written; attached items at once. Raises what `open_bytes` raises for them; MimeRefused.
    """
    item = Item(record, box)
    graph = item.graph
    facts = facts_of(graph, box, item.losses, search_key=search_key, label=item.id)
    found = persons(item)
    added = [one for value in listing(graph.get("newParticipants")) if (one := person(item, value)) is not None]
    if added:
        found["to"] = [*found.get("to", ()), *added]
    names = listing(record.get("folder"))
    titles = (graph.get("subject"), graph.get("topic"), topic, names[-1] if names else None)
    title = next((title for value in titles if (title := item.title(value))), "")
    message = mail_of_json(item, facts, found, open_bytes, title=title, usual_class="IPM.Post")
    return Converted(message, item.losses.all())
