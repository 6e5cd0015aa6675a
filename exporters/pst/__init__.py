"""A self-contained streaming writer of Unicode PST files ([MS-PST]): ndb/ below ltp/ below messaging/, `Writer` on top.

with open("mail.pst", "wb") as file, Writer(lambda part: FileSink(file), seed=b"mailbox", display_name="Mail") as pst:
    inbox = pst.add_folder(pst.top, "Inbox", container_class="IPF.Note")
    pst.add_message(inbox, Message({0x0037001F: "Hello", 0x0E060040: datetime(2024, 1, 2, tzinfo=UTC)}))
"""

from exporters.pst.errors import (
    FolderRefused,
    LimitReached,
    MessageRefused,
    PstError,
    SinkFailed,
    SpillFailed,
    Unreadable,
    ValueRefused,
    WriterUnusable,
)
from exporters.pst.ltp import PropertyType, Value, filetime
from exporters.pst.messaging import Attachment, Folder, Message, NamedProperty, entry_id, one_off_entry_id, recipient
from exporters.pst.sinks import FileSink, PartsSink, Sink
from exporters.pst.writer import Part, Place, Writer

__all__ = [
    "Attachment", "FileSink", "Folder", "FolderRefused", "LimitReached", "Message", "MessageRefused", "NamedProperty", "Part",
    "PartsSink", "Place", "PropertyType", "PstError", "Sink", "SinkFailed", "SpillFailed", "Unreadable", "Value", "ValueRefused",
    "Writer", "WriterUnusable", "entry_id", "filetime", "one_off_entry_id", "recipient",
]  # fmt: skip
