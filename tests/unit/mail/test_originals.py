"""Names of what lies in `data/originals/`: within their limits, safe on every system, unique whatever a tenant calls things."""

import zipfile
from io import BytesIO

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporters.bag.keys import KEY_BYTES, is_refused_character, stands
from exporters.mail.originals import (
    ENTRIES,
    FOLDER_BYTES,
    NAME_BYTES,
    SUBJECT_BYTES,
    Entry,
    bytes_key,
    entry_key,
    entry_of,
    mail_entry,
    number_of,
    object_key,
)

NAMES = st.text(st.characters(codec=None), max_size=300) | st.sampled_from(
    [
        "",
        ".",
        "..",
        "con",
        "CON.txt",
        "a/b",
        "x" * 400,
        "ü" * 90,
        "\ud800",
        "\u202e",
        "a\u0000b",
        " ",
        "name. ",
        "\r\n",
        "é" * 49 + ".",
    ]
)
IDS = st.text(min_size=1, max_size=80)


@given(st.integers(1, 99_999), st.integers(1, ENTRIES), NAMES, NAMES, IDS)
def test_an_entry_is_safe_and_within_its_limits(
    number: int, place: int, folder: str, subject: str, item_id: str
) -> None:
    name = mail_entry(number, place, folder, subject, item_id)
    parent, file = name.split("/")
    assert stands(parent) and len(parent.encode()) <= FOLDER_BYTES
    assert file.endswith(".eml") and not any(map(is_refused_character, file))
    told, _, rest = file.removesuffix(".eml").partition(" ")
    assert int(told) == (number - 1) * ENTRIES + place and len(told) >= 8
    assert len(rest.encode()) <= SUBJECT_BYTES and rest == rest.rstrip(" ")
    key = object_key("mail", number, "zip")
    assert entry_of(entry_key(Entry(key, name))) == Entry(key, name)
    assert len(f"{key}!{name}".encode()) <= KEY_BYTES


@given(NAMES, NAMES, IDS)
def test_an_entry_can_be_unzipped_by_its_name(folder: str, subject: str, item_id: str) -> None:
    name, file = mail_entry(1, 1, folder, subject, item_id), BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr(name, b"x")
    with zipfile.ZipFile(file) as archive:
        assert archive.read(name) == b"x"


@given(st.lists(st.tuples(st.integers(1, 3), st.integers(1, ENTRIES)), unique=True, max_size=20), NAMES)
def test_entries_are_unique_in_the_bag_though_all_is_called_alike(places: list[tuple[int, int]], name: str) -> None:
    entries = [mail_entry(number, place, name, name, "id").split("/")[1][:8] for number, place in places]
    assert len(set(entries)) == len(entries)


@given(st.integers(1, 99_999), st.integers(1, 10**7), NAMES, IDS)
def test_bytes_beside_an_object_have_a_safe_key_that_tells_their_object(
    number: int, place: int, name: str, item_id: str
) -> None:
    key = bytes_key("events", number, place, name, item_id)
    last = key.rpartition("/")[2]
    assert stands(last) and len(last.encode()) <= 9 + NAME_BYTES and int(last[:8]) == place
    assert number_of(key) == ("events", number)


@pytest.mark.parametrize(
    ("key", "wanted"),
    [
        ("data/originals/mail-00001.zip", ("mail", 1)),
        ("data/originals/mail-100000.zip", ("mail", 100_000)),
        ("data/originals/contacts-00002.jsonl", ("contacts", 2)),
        ("data/originals/contacts-00002/00000001 x", ("contacts", 2)),
        ("data/originals/contacts-2.jsonl", None),
        ("data/originals/mail-00001.txt", None),
        ("data/files/mail-00001.zip", None),
        ("data/originals/mail-00001/", None),
    ],
)
def test_numbers_are_read_from_keys(key: str, wanted: tuple[str, int] | None) -> None:
    assert number_of(key) == wanted


@pytest.mark.parametrize("key", ["", "data/originals/mail-00001.zip", "data/files/a!b", "x!y"])
def test_what_is_no_key_of_an_entry_is_refused(key: str) -> None:
    with pytest.raises(ValueError, match="entry"):
        entry_of(key)
