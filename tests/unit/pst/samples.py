"""Messages that use everything the writer can do, for the tests of the messaging layer.

Rules of this file: deterministic; nothing here knows how a PST is laid out.
"""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

from exporters.pst import Attachment, FileSink, Folder, Message, NamedProperty, Part, Writer, recipient

TIME = datetime(2024, 1, 2, 3, 4, 5, tzinfo=UTC)
SUBJECT, BODY, HTML, FLAGS, CLASS = 0x0037001F, 0x1000001F, 0x10130102, 0x0E070003, 0x001A001F
DELIVERED, CREATED, SENDER, TOPIC = 0x0E060040, 0x30070040, 0x0042001F, 0x0070001F
FILENAME, LONG_FILENAME = 0x3704001F, 0x3707001F
KEYWORDS = NamedProperty(UUID("00020329-0000-0000-c000-000000000046"), "Keywords", 0x101F)
OWN = UUID("5d1c1a2e-1b1e-4d2a-9f55-0a0b0c0d0e0f")


def plain(number: int = 0) -> Message:
    """An ordinary short mail."""
    properties = {
        SUBJECT: f"Hello {number}",
        BODY: f"Text of number {number}\r\n",
        DELIVERED: TIME + timedelta(minutes=number),
        SENDER: "Ann Bo",
        0x0C1F001F: "ann@example.com",
        0x0C1A001F: "Ann Bo",
        TOPIC: f"Hello {number}",
        FLAGS: number & 1,
    }
    return Message(properties, [recipient(1, "Bob", "bob@example.com")], label=f"mail {number}")


def rich(number: int) -> Message:
    """Long values, named properties, many recipients, attachments in pieces and an embedded message."""
    inner = Message(
        {SUBJECT: "inner", CREATED: TIME, BODY: "x" * 4000},
        [recipient(1, "A", "a@example.com")],
        [Attachment({LONG_FILENAME: "q.txt", FILENAME: "q.txt"}, data=b"hello")],
    )
    attachments = [
        Attachment({LONG_FILENAME: "a.bin", FILENAME: "a.bin"}, data=(b"z" * 1000 for _ in range(number * number))),
        Attachment({0x3001001F: "inner"}, message=inner),
        Attachment({LONG_FILENAME: "ole", 0x37050003: 6}, data=b"storage" * number + b"."),
        Attachment({0x370D001F: "https://example.com/", 0x37050003: 7, FILENAME: "link"}),
    ]
    properties = {
        **plain(number).properties,
        SUBJECT: f"RE: Hello {number}",
        BODY: "body \U0001f600" * number * 50,
        HTML: b"<p>hi</p>" * number * 100,
        0x0E04001F: "Bob; " * number * 100,
        KEYWORDS: ["red", "grün"] if number % 2 else [],
        NamedProperty(OWN, 77, 0x1003): [1, 2, 3],
        NamedProperty(OWN, f"name {number}", 0x001F): "value",
        NamedProperty(OWN, 78, 0x0048): OWN,
        NamedProperty(OWN, 81, 0x1102): [b"", b"x" * 5000],
    }
    people = [recipient(1, "Bob", "bob@example.com"), recipient(2, "Cé", "c@example.com")] * (number * 9 + 1)
    return Message(properties, people, attachments if number % 4 else [], label=f"rich {number}")


def build(writer: Writer) -> dict[str, Folder]:
    """Fill a writer with folders and messages of every kind, several folders at a time."""
    inbox = writer.add_folder(writer.top, "Inbox", container_class="IPF.Note", comment="all of it")
    below = writer.add_folder(inbox, "Projekte ä", properties={NamedProperty(OWN, "folder", 0x001F): "x"})
    contacts = writer.add_folder(writer.top, "Contacts", container_class="IPF.Contact")
    empty = writer.add_folder(below, "leer")
    for number in range(12):
        writer.add_message(inbox if number % 3 else below, rich(number))
        writer.add_message(below, plain(number))
    contact = {SUBJECT: "Bob", CLASS: "IPM.Contact", CREATED: TIME, 0x3001001F: "Bob", 0x3A06001F: "Bob"}
    writer.add_message(contacts, Message(contact))
    view = {CLASS: "IPM.Microsoft.FolderDesign.NamedView", CREATED: TIME, 0x3001001F: "view", 0x70030003: 1}
    writer.add_message(inbox, Message(view, associated=True))
    writer.add_message(writer.deleted_items, plain(99))
    return {"inbox": inbox, "below": below, "contacts": contacts, "empty": empty}


def write_sample(path: Path) -> Sequence[Part]:
    """The sample store as a file."""
    with path.open("w+b") as file, Writer(lambda part: FileSink(file), seed=b"seed", display_name="Sample") as writer:
        build(writer)
        return writer.close()


if __name__ == "__main__":
    import hashlib
    import sys

    write_sample(Path(sys.argv[1]))
    print(hashlib.sha256(Path(sys.argv[1]).read_bytes()).hexdigest())
