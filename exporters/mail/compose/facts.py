"""What is known of a mail besides its MIME.

Rules of this file: values only; everything may be left out, and a bare file then becomes a good message: read, no draft, dated by
its own headers. What stands here wins over the headers. Source: reference/mapi-mapping.md §0 (three sources), §1.4, §1.5.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from exporters.mail.compose.addresses import Address
from exporters.mail.compose.errors import MimeRefused
from exporters.pst import NamedProperty, Value


@dataclass(frozen=True, slots=True)
class Facts:
    """State of one mail in its mailbox. Times are aware. Raises MimeRefused for one without a zone.

    `received`: when it arrived; `sent`, `created`, `modified` likewise (a file has its time as `modified`).
    `importance`: 0, 1, 2.
    `own_addresses`: of the mailbox, the main one first. `from_me`: sent by the mailbox (None: if the sender is one of those).
    `search_key`: 16 bytes. `conversation_index`: as stored; `conversation_id`: what keeps threads together without one.
    `categories`: None: those of the header. `recipients`: whom the mailbox names, by field (to, cc, bcc); those that no header
    names are added. `sender`: who sent it for another, where no header tells. `more_flags`: further bits of PidTagMessageFlags.
    `properties`: set last, and win over all that is derived. `label`: names the mail in errors.
    """

    is_read: bool = True
    is_draft: bool = False
    from_me: bool | None = None
    received: datetime | None = None
    sent: datetime | None = None
    created: datetime | None = None
    modified: datetime | None = None
    message_class: str | None = None
    importance: int | None = None
    own_addresses: Collection[str] = ()
    search_key: bytes | None = None
    conversation_index: bytes | None = None
    conversation_id: str | None = None
    categories: Sequence[str] | None = None
    recipients: Sequence[tuple[str, Address]] = ()
    sender: Address | None = None
    more_flags: int = 0
    properties: Mapping[int | NamedProperty, Value] = field(default_factory=dict)
    label: str = ""

    def __post_init__(self) -> None:
        for name in ("received", "sent", "created", "modified"):
            moment = getattr(self, name)
            if moment is not None and moment.tzinfo is None:
                raise MimeRefused(f"{name} is a time without a zone", item=self.label)
        if self.importance not in (None, 0, 1, 2):
            raise MimeRefused(f"{self.importance!r} is no importance (0, 1, 2)", item=self.label)
