"""The messaging layer: store, folders, messages, attachments, named properties ([MS-PST] 2.4)."""

from exporters.pst.messaging.items import Attachment, Message, Properties, entry_id, one_off_entry_id, recipient
from exporters.pst.messaging.named_properties import NamedProperty
from exporters.pst.messaging.store import BUILT_IN, DELETED_ITEMS, TOP, Folder, MessageStore

__all__ = [
    "BUILT_IN",
    "DELETED_ITEMS",
    "TOP",
    "Attachment",
    "Folder",
    "Message",
    "MessageStore",
    "NamedProperty",
    "Properties",
    "entry_id",
    "one_off_entry_id",
    "recipient",
]
