"""The end of the work on an item of Graph: the message of what was found.

Rules of this file: pure. Extended properties that the service named win over what was derived, but for what a store computes.
An item without any date gets 1970-01-01, with a loss. Source: reference/mapi-mapping.md §0.
"""

from collections.abc import Collection, Mapping, Sequence

from exporters.mail.compose.extended_properties import by_id, kept
from exporters.mail.compose.graph_item import CREATED, MODIFIED, SEARCH_KEY, Item
from exporters.mail.compose.headers import EPOCH
from exporters.mail.compose.property_sets import Properties, overlay
from exporters.pst import Attachment, Message, Value

CLASS, MESSAGE_FLAGS, HAS_ATTACHMENTS = 0x001A001F, 0x0E070003, 0x0E1B000B
_DATES = (0x0E060040, 0x00390040, MODIFIED, CREATED)
# Bits of the source's flags that mean the same in a file: read, unmodified, draft, from me, ever read
_KEPT_FLAGS = 0x01 | 0x02 | 0x08 | 0x20 | 0x400


def finished(
    item: Item,
    more: Properties,
    *,
    message_class: str,
    flags: int,
    attachments: Sequence[Attachment] = (),
    recipients: Collection[Mapping[int, Value]] = (),
    search_key: bytes | None = None,
    without: frozenset[int] = frozenset(),
    size_hint: int = 0,
) -> Message:
    """The message of an item. `more`: its extended properties; `without`: ids of those that stand in it in another form."""
    properties = item.properties
    properties[CLASS] = message_class
    overlay(properties, kept(more, without=without | {SEARCH_KEY >> 16}))
    if not str(properties[CLASS]).strip():
        properties[CLASS] = message_class
    own = by_id(more, 0x0E07)
    properties[MESSAGE_FLAGS] = (own & _KEPT_FLAGS) | flags if isinstance(own, int) else flags
    properties[HAS_ATTACHMENTS] = bool(attachments)
    key = by_id(more, SEARCH_KEY >> 16)
    properties[SEARCH_KEY] = key if isinstance(key, bytes) and len(key) == 16 else item.search_key(search_key)
    if not any(tag in properties for tag in _DATES):
        item.losses.add("date-fallback", "no date at all: 1970-01-01")
        properties[MODIFIED] = EPOCH
    return Message(properties, recipients, list(attachments), label=item.id, size_hint=size_hint)
