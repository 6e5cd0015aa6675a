"""A PST of very many messages, or of one very long value, written in a process of its own so that its memory can be measured.

Rules of this file: content is made on the fly from numbers, the same every time. As a script:
`many_messages.py many FILE MESSAGES` or `many_messages.py huge FILE GIGABYTES`; one JSON line on stdout.
"""

import hashlib
import json
import resource
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

from exporters.pst import Attachment, FileSink, Folder, Message, Writer, recipient

START = datetime(2024, 1, 1, tzinfo=UTC)
FOLDERS = 100
GB = 10**9
ATTACHMENT = 2 * GB
SUBJECT, BODY, DELIVERED, FLAGS = 0x0037001F, 0x1000001F, 0x0E060040, 0x0E070003
WORDS = "The minutes of the meeting are attached to the invitation for the next one. "


def mail(number: int) -> Message:
    """2 kB of text in the store, with a sender and a recipient."""
    text = f"Number {number}\r\n" + WORDS * 13
    properties = {
        SUBJECT: f"Minutes {number}", BODY: text[:1000], DELIVERED: START + timedelta(seconds=number), FLAGS: number & 1,
        0x0042001F: "Ann Bo", 0x0C1A001F: "Ann Bo", 0x0C1F001F: "ann@example.com", 0x0070001F: f"Minutes {number}",
        0x1035001F: f"<{number}@example.com>", 0x0E04001F: "Bob",
    }  # fmt: skip
    return Message(properties, [recipient(1, "Bob", "bob@example.com")])


def write_many(writer: Writer, messages: int) -> None:
    """Half of them in one folder, the others spread over a hundred, in turns."""
    large = writer.add_folder(writer.top, "Large", container_class="IPF.Note")
    folders: list[Folder] = [writer.add_folder(writer.top, f"Folder {number}") for number in range(FOLDERS)]
    for number in range(messages):
        writer.add_message(large if number & 1 else folders[number // 2 % FOLDERS], mail(number))


def pieces(seed: int, size: int) -> Iterator[bytes]:
    """So many bytes, a mebibyte at a time, none like another."""
    base = hashlib.shake_256(seed.to_bytes(4, "big")).digest((1 << 20) - 8)
    for number in range(-(-size // (1 << 20))):
        yield (number.to_bytes(8, "big") + base)[: min(1 << 20, size - number * (1 << 20))]


def write_huge(writer: Writer, gigabytes: float) -> dict[str, str]:
    """Attachments of 500 MB until the file is full, one of 2 GB; SHA-256 by subject."""
    folder = writer.add_folder(writer.top, "Huge", container_class="IPF.Note")
    digests = {}
    left, number = int(gigabytes * GB), 0
    while left > 0:
        size = ATTACHMENT if not number else min(left, GB // 2)
        digest = hashlib.sha256()

        def told(number: int = number, size: int = size, digest: "hashlib._Hash" = digest) -> Iterator[bytes]:
            for piece in pieces(number, size):
                digest.update(piece)
                yield piece

        name = f"part {number}.bin"
        attachment = Attachment({0x3707001F: name, 0x3704001F: name}, data=told())
        writer.add_message(folder, Message({SUBJECT: name, DELIVERED: START}, attachments=[attachment], size_hint=size))
        digests[name] = digest.hexdigest()
        left, number = left - size, number + 1
    return digests


def main() -> None:
    what, path, size = sys.argv[1], Path(sys.argv[2]), float(sys.argv[3])
    begun = time.monotonic()
    with (
        path.open("w+b") as file,
        Writer(lambda part: FileSink(file), seed=b"bench", display_name="Bench", temporary=path.parent) as writer,
    ):
        digests = write_many(writer, int(size)) if what == "many" else write_huge(writer, size)
        parts = writer.close()
    usage = resource.getrusage(resource.RUSAGE_SELF)
    facts = {
        "wall": round(time.monotonic() - begun, 1), "cpu": round(usage.ru_utime + usage.ru_stime, 1),
        "memory_mib": round(usage.ru_maxrss / 1024, 1), "bytes": parts[0].size, "messages": parts[0].messages, "digests": digests,
    }  # fmt: skip
    print(json.dumps(facts))


if __name__ == "__main__":
    main()
