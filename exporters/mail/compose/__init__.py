"""Originals of a mailbox to messages of a PST: each function gives a message for exporters.pst and what became different.

converted = convert(raw, facts=message_facts(record["graph"], box))  # a mail, by its MIME
converted = event_message(record, box, open_bytes)  # contacts, events, tasks, posts, mails without MIME: by their JSON
pst.add_message(inbox, converted.message)
"""

from exporters.mail.compose.box import Box
from exporters.mail.compose.contact import contact_message
from exporters.mail.compose.errors import MimeError, MimeRefused
from exporters.mail.compose.event import event_message
from exporters.mail.compose.facts import Facts
from exporters.mail.compose.losses import CODES, Loss
from exporters.mail.compose.message_facts import message_facts
from exporters.mail.compose.mime import Converted, convert
from exporters.mail.compose.post import post_message
from exporters.mail.compose.refused import refused_message
from exporters.mail.compose.task import task_message

__all__ = [
    "CODES", "Box", "Converted", "Facts", "Loss", "MimeError", "MimeRefused", "contact_message", "convert", "event_message",
    "message_facts", "post_message", "refused_message", "task_message",
]  # fmt: skip
