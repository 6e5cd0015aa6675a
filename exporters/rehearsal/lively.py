"""Who works at the rehearsal tenant, and what is in their drives.

Rules of this file: tables only; all people and places are invented. Paths are those below the root; sizes are bytes.
"""

from datetime import UTC, datetime
from typing import NamedTuple

NOW = datetime(2026, 1, 1, tzinfo=UTC)
INITIAL_DOMAIN = "willowmere.onmicrosoft.example"
VANITY_DOMAIN = "willowmere.example"
HOST = "willowmere-my.sharepoint.example"


class Person(NamedTuple):
    """Somebody, or something with a mailbox."""

    name: str
    login: str
    kind: str = "user"  # user, shared, room, guest
    drive: bool = True
    mail: str | None = None


PEOPLE = (
    Person("Ottilie Brandvold", "ottilie.brandvold"),
    Person("Tarik Özgün", "tarik.ozgun"),
    Person("Maeve O'Dunlaing", "maeve.o'dunlaing"),
    Person("Kasimir Lindgård", "kasimir.lindgard"),
    Person("Yuki Hanazawa", "yuki.hanazawa"),
    Person("Прасковья Зимина", "p.zimina"),
    Person("Benedetta Falcioni", "benedetta+books"),
    Person("Corwin Ashdale", "corwin.ashdale"),
    Person("Noor van Rietveld", "noor.vanrietveld", drive=False),
    Person("Front Desk", "frontdesk", "shared", drive=False),
    Person("Room Alder", "room.alder", "room", drive=False),
    Person(
        "Emeka Obidike",
        "emeka_fabrikam.example#EXT#",
        "guest",
        drive=False,
        mail="emeka@fabrikam.example",
    ),
)

MIME_TYPES = {
    "docx": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "pptx": "application/vnd.openxmlformats-officedocument.presentationml.presentation",
    "pdf": "application/pdf",
    "txt": "text/plain",
    "csv": "text/csv",
    "html": "text/html",
    "jpg": "image/jpeg",
    "png": "image/png",
    "zip": "application/zip",
    "one": "application/msonenote",
    "onetoc2": "application/msonenote",
}

_TOPICS = (
    ("Projects/Harbour wall", ("Offer", "Survey", "Drawings", "Costs", "Minutes"), ("docx", "pdf", "xlsx")),
    ("Projects/Bridge of sighs", ("Plan", "Risks", "Photos index", "Handover"), ("docx", "xlsx", "pptx")),
    ("Finance/2024", ("Budget", "Forecast", "Invoices", "Travel"), ("xlsx", "csv")),
    ("Finance/2025", ("Budget", "Forecast", "Invoices", "Travel"), ("xlsx", "csv")),
    ("Photos/Summer outing", ("boat", "lunch", "rain", "bus"), ("jpg",)),
    ("Letters", ("to the council", "to the bank", "to the neighbours"), ("docx", "pdf")),
    ("Verträge", ("Mietvertrag", "Wartung", "Kündigung"), ("pdf",)),
    ("資料", ("見積書", "議事録"), ("docx", "xlsx")),
)


def _ordinary(number: int) -> tuple[tuple[str, int], ...]:
    """Files of one person: every topic but one, sizes from hundreds of bytes to a few hundred kilobytes."""
    files = []
    for place, (folder, names, kinds) in enumerate(_TOPICS):
        if place == number % len(_TOPICS):
            continue
        for index, name in enumerate(names):
            for kind in kinds:
                size = 400 + (number * 7919 + place * 104729 + index * 1299709 + len(kind) * 15485863) % 60_000
                files.append((f"/{folder}/{name}.{kind}", size))
    return tuple(files)


DRIVES = tuple(_ordinary(number) for number in range(8))

Special = tuple[str, str, int]  # trait, path, size

SPECIALS: dict[int, tuple[Special, ...]] = {
    0: (
        ("large", "/Scans/whole archive.zip", 21 * 1024 * 1024 + 7),
        ("versions", "/Projects/Harbour wall/Contract.docx", 40_000),
        ("versions", "/Projects/Harbour wall/Contract (signed).docx", 91_004),
        ("onenote-package", "/Team Notebook", 0),
        ("remote-item", "/Shared with the architects", 0),
        ("malware", "/Downloads/invoice viewer.pdf", 2_812),
        ("irm-protected", "/Finance/2025/Salaries.xlsx", 31_007),
        ("gone-after-listing", "/Downloads/temporary.docx", 9_001),
        ("checked-out", "/Letters/draft for the board.docx", 12_345),
        ("shared", "/Letters/open letter.docx", 20_011),
        ("shared", "/Photos/Summer outing/group.jpg", 320_113),
        ("empty-folder", "/Nothing here yet", 0),
        ("zero-byte-document", "/Empty/empty.docx", 0),
        ("zero-byte-document", "/Empty/empty", 0),
        ("zero-byte-document", "/Empty/empty.txt", 0),
    ),
    1: (
        ("odd-name", "/Odd names #% & co/report #1 (50%).docx", 1_575),
        ("odd-name", "/Odd names #% & co/100%25 sure.txt", 77),
        ("odd-name", "/Odd names #% & co/.hidden", 12),
        ("odd-name", "/Odd names #% & co/ leading space.txt", 13),
        ("odd-name", "/Odd names #% & co/trailing dot.", 14),
        ("odd-name", "/Odd names #% & co/con.txt", 15),
        ("odd-name", "/Odd names #% & co/semi;colon, comma+plus=equals.txt", 16),
        ("odd-name", "/Odd names #% & co/it's {curly} [square] ~tilde~.txt", 17),
        ("odd-name", "/Odd names #% & co/emoji 👩‍👩‍👧 flag 🇳🇱.txt", 18),
        ("odd-name", "/Odd names #% & co/rtl \u202egnp.txt", 19),
        ("odd-name", "/Odd names #% & co/control \u0007 bell.txt", 20),
        ("odd-name", "/Odd names #% & co/replacement \ufffd.txt", 21),
        ("odd-name", "/Odd names #% & co/" + "long " * 48 + "name.txt", 22),
        ("unicode-twin", "/Odd names #% & co/Caf\u00e9/menu.txt", 111),
        ("unicode-twin", "/Odd names #% & co/Cafe\u0301/menu.txt", 112),
        ("unicode-twin", "/Odd names #% & co/\u00c5ngstr\u00f6m.txt", 113),
        ("unicode-twin", "/Odd names #% & co/A\u030angstro\u0308m.txt", 114),
        (
            "deep-path",
            "/Deep" + "".join(f"/level {n:02} with a fairly long name" for n in range(10)) + "/bottom.txt",
            99,
        ),
        ("empty-folder", "/Odd names #% & co/ ", 0),
        ("versions", "/Letters/minutes.docx", 23_456),
    ),
    2: (
        ("size-hash-differ", "/Letters/annotated.docx", 17_003),
        ("hash-missing", "/Letters/just uploaded.docx", 8_004),
        ("shared", "/Finance/2025/Shared forecast.xlsx", 15_432),
        ("checked-out", "/Verträge/in Arbeit.docx", 6_789),
        ("large", "/Photos/panorama.jpg", 5 * 1024 * 1024 + 1),
    ),
    4: (
        ("remote-item", "/共有フォルダー", 0),
        ("versions", "/資料/計画.xlsx", 64_000),
        ("malware", "/資料/拾ったもの.zip", 4_000),
    ),
    5: (("gone-after-listing", "/Letters/исчез.docx", 3_210), ("empty-folder", "/Пустая папка", 0)),
}
