"""A mail whose MIME the service refuses, from what is kept in its place: its JSON and its attachments.

Rules of this file: pure but for `open_bytes`; that there was no MIME is a loss. Source: reference/mapi-mapping.md §1;
docs/formats.md (a line of `records.jsonl`); quirks.md Q-074, Q-075.
"""

from exporters.mail.compose.box import Box
from exporters.mail.compose.graph_item import Item, Record
from exporters.mail.compose.graph_people import persons
from exporters.mail.compose.mail_of_json import mail_of_json
from exporters.mail.compose.message_facts import facts_of
from exporters.mail.compose.mime import Converted
from exporters.mail.compose.stored_bytes import OpenBytes


def refused_message(
    record: Record,
    box: Box,
    open_bytes: OpenBytes,
    *,
    sent_items: bool = False,
    search_key: bytes | None = None,
    label: str = "",
) -> Converted:
    """A mail of a line of `records.jsonl` that has no MIME.

    `sent_items`, `search_key`, `label` as for `message_facts`. Files are read when the message is written, attached items at
    once. Raises what `open_bytes` raises for them; MimeRefused.
    """
    item = Item(record, box)
    item.losses.add("mime-refused", item.line(record.get("code")) or "no MIME")
    facts = facts_of(item.graph, box, item.losses, sent_items=sent_items, search_key=search_key, label=label or item.id)
    if facts.is_draft:
        item.losses.add("draft-partial", "an unsent draft")
    title = item.title(item.graph.get("subject"))
    message = mail_of_json(item, facts, persons(item), open_bytes, title=title, usual_class="IPM.Note")
    return Converted(message, item.losses.all())
