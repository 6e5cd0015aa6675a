"""Contacts of Graph: every field of the mapping, in what is written."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporters.mail.compose import Box, contact_message
from tests.unit.mail.graph_records import ADDR, BERLIN, COMMON, PUBLIC, bytes_of, codes, nothing, record, value
from tests.unit.mail.test_graph_facts import JSON
from tests.unit.mail.written import write

TOKYO = Box(("taro@example.com",), "Taro", "Tokyo Standard Time")
WORK = {
    "street": "Hauptstr. 1\r\n2. OG",
    "city": "Zürich",
    "state": "ZH",
    "postalCode": "8001",
    "countryOrRegion": "CH",
}
HOME = {"street": "Weg 2", "city": "Bern", "state": "", "postalCode": "3000", "countryOrRegion": None}
FULL: dict[str, Any] = {
    "id": "AAMkC1", "createdDateTime": "2024-10-19T23:08:18Z", "lastModifiedDateTime": "2024-10-19T23:08:24Z",
    "displayName": "Dr. Ann Maria Bo", "givenName": "Ann", "middleName": "Maria", "surname": "Bo", "title": "Dr.",
    "generation": "Jr.",
    "initials": "A.M.B.", "nickName": "Annie", "fileAs": "Bo, Ann Maria", "companyName": "Fabrikam", "department": "R&D",
    "jobTitle": "Buyer", "profession": "Chemist", "officeLocation": "B 2", "manager": "Eve", "assistantName": "Tim",
    "spouseName": "Kim", "children": ["Lu", "Mo"], "mobilePhone": "+1 1", "businessPhones": ["+1 2", "+1 3", "+1 4"],
    "homePhones": ["+1 5", "+1 6"], "imAddresses": ["ann@im", "ann@im2"], "businessHomePage": "https://bo.example",
    "yomiGivenName": "あん", "yomiSurname": "ぼ", "yomiCompanyName": "ふ", "categories": ["Red"], "personalNotes": "Two\nlines",
    "businessAddress": WORK, "homeAddress": HOME, "otherAddress": {}, "birthday": "2000-01-01T11:59:00Z",
    "emailAddresses": [
        {"name": "Ann Bo", "address": "ann@example.com"}, {"name": "ann2@example.com", "address": "ann2@example.com"},
        {"name": "Ann 3", "address": "ann3@example.com"}, {"name": "Ann 4", "address": "ann4@example.com"},
    ],
}  # fmt: skip
TAGS = {
    0x001A001F: "IPM.Contact", 0x3001001F: "Dr. Ann Maria Bo", 0x0037001F: "Dr. Ann Maria Bo", 0x3A06001F: "Ann",
    0x3A44001F: "Maria",
    0x3A11001F: "Bo", 0x3A45001F: "Dr.", 0x3A05001F: "Jr.", 0x3A0A001F: "A.M.B.", 0x3A4F001F: "Annie", 0x3A16001F: "Fabrikam",
    0x3A18001F: "R&D", 0x3A17001F: "Buyer", 0x3A46001F: "Chemist", 0x3A19001F: "B 2", 0x3A4E001F: "Eve", 0x3A30001F: "Tim",
    0x3A48001F: "Kim", 0x3A58101F: ("Lu", "Mo"), 0x3A08001F: "+1 2", 0x3A1B001F: "+1 3", 0x3A09001F: "+1 5", 0x3A2F001F: "+1 6",
    0x3A1C001F: "+1 1", 0x3A51001F: "https://bo.example", 0x3A5D001F: "Weg 2", 0x3A59001F: "Bern", 0x3A5B001F: "3000",
    0x3A29001F: "Hauptstr. 1\r\n2. OG", 0x3A27001F: "Zürich", 0x3A28001F: "ZH", 0x3A2A001F: "8001", 0x3A26001F: "CH",
    0x10800003: 512, 0x0E070003: 1, 0x00360003: 0,
}  # fmt: skip
NAMED = {
    0x8005: "Bo, Ann Maria", 0x8006: 0x8017, 0x8026: (0x8017, 0x8037, 0x3A16, 0x8019, 0x8018), 0x802C: "あん",
    0x802D: "ぼ", 0x802E: "ふ",
    0x8062: "ann@im", 0x802B: "https://bo.example", 0x8045: "Hauptstr. 1\r\n2. OG", 0x8046: "Zürich", 0x8047: "ZH",
    0x8048: "8001",
    0x8049: "CH", 0x801B: "Hauptstr. 1\r\n2. OG\r\nZürich, ZH 8001\r\nCH", 0x801A: "Weg 2\r\nBern, 3000", 0x8022: 2,
    0x8080: "Ann Bo (ann@example.com)", 0x8082: "SMTP", 0x8083: "ann@example.com", 0x8084: "ann@example.com",
    0x8090: "ann2@example.com", 0x8093: "ann2@example.com", 0x80A0: "Ann 3 (ann3@example.com)", 0x80A3: "ann3@example.com",
    0x8028: (0, 1, 2), 0x8029: 7, 0x80DE: datetime(2000, 1, 1, tzinfo=UTC), 0x801C: None, 0x8015: None,
}  # fmt: skip


def test_every_field() -> None:
    converted = contact_message(record(FULL), BERLIN, nothing)
    got = converted.message.properties
    assert {tag: got.get(tag) for tag in TAGS} == TAGS
    assert {name: value(converted, ADDR, name) for name in NAMED} == NAMED
    assert value(converted, COMMON, 0x8510) == 16 and value(converted, PUBLIC, "Keywords") == ("Red",)
    assert got[0x3A420040] == datetime(1999, 12, 31, 23, tzinfo=UTC)
    notes = ["Two", "lines", "", "businessPhones: +1 4", "imAddresses: ann@im2", "Ann 4 <ann4@example.com>"]
    assert got[0x1000001F] == "\r\n".join(notes)
    assert codes(converted) == {"contact-detail", "contact-email-4+"}
    entry = value(converted, ADDR, 0x8085)
    assert isinstance(entry, bytes) and "ann@example.com".encode("utf-16-le") in entry
    assert not converted.message.recipients and 0x3A5C001F not in got and 0x3A5A001F not in got


@pytest.mark.parametrize(
    ("birthday", "box", "instant", "day"),
    [
        ("2000-01-01T00:00:00Z", TOKYO, datetime(1999, 12, 31, 15, tzinfo=UTC), datetime(2000, 1, 1, tzinfo=UTC)),
        ("2000-01-01T11:59:00Z", TOKYO, datetime(1999, 12, 31, 15, tzinfo=UTC), datetime(2000, 1, 1, tzinfo=UTC)),
        ("1999-12-31T15:00:00Z", TOKYO, datetime(1999, 12, 31, 15, tzinfo=UTC), datetime(2000, 1, 1, tzinfo=UTC)),
        ("1604-02-29T00:00:00Z", BERLIN, None, datetime(1604, 2, 29, tzinfo=UTC)),  # Outlook's day without a year
        ("0001-01-01T00:00:00Z", BERLIN, None, None),
        (None, BERLIN, None, None),
    ],
)
def test_birthdays_have_two_forms(
    birthday: str | None, box: Box, instant: datetime | None, day: datetime | None
) -> None:
    converted = contact_message(record({**FULL, "birthday": birthday}), box, nothing)
    assert value(converted, ADDR, 0x80DE) == day
    if instant or not day:
        assert converted.message.properties.get(0x3A420040) == instant


def test_wedding_day_is_an_extended_property() -> None:
    more = {"singleValueExtendedProperties": [{"id": "SystemTime 0x3a41", "value": "1999-12-31T15:00:00Z"}]}
    converted = contact_message(record({**FULL, **more}), TOKYO, nothing)
    assert value(converted, ADDR, 0x80DF) == datetime(2000, 1, 1, tzinfo=UTC)
    assert converted.message.properties[0x3A410040] == datetime(1999, 12, 31, 15, tzinfo=UTC)


@pytest.mark.parametrize(
    ("graph", "filed", "rule"),
    [
        ({"fileAs": "Ann Maria Bo"}, "Ann Maria Bo", -1),
        ({"fileAs": "Ann Maria Bo Jr."}, "Ann Maria Bo Jr.", 0x8037),
        ({"fileAs": "Fabrikam"}, "Fabrikam", 0x3A16),
        ({"fileAs": ""}, "Bo, Ann Maria", 0x8017),
        ({"fileAs": "Bo, Ann Maria\r\nFabrikam"}, "Bo, Ann Maria\r\nFabrikam", 0x8019),
        ({"fileAs": None, "surname": None, "givenName": "", "middleName": None}, "Dr. Ann Maria Bo", -1),
    ],
)
def test_what_a_contact_is_filed_under(graph: dict[str, Any], filed: str, rule: int) -> None:
    converted = contact_message(record({**FULL, **graph}), BERLIN, nothing)
    assert (value(converted, ADDR, 0x8005), value(converted, ADDR, 0x8006)) == (filed, rule)


def test_mailing_address_is_that_at_home_without_another() -> None:
    converted = contact_message(record({**FULL, "businessAddress": {}}), BERLIN, nothing)
    assert value(converted, ADDR, 0x8022) == 1 and converted.message.properties[0x3A27001F] == "Bern"
    assert (
        value(
            contact_message(record({**FULL, "businessAddress": None, "homeAddress": 3}), BERLIN, nothing), ADDR, 0x8022
        )
        is None
    )


def test_photo_is_a_hidden_attachment(tmp_path: Path) -> None:
    line = record(FULL, photo={"key": "photo", "size": 4, "sha256": "00"})
    converted = contact_message(line, BERLIN, bytes_of(photo=b"\xff\xd8\xff\xe0"))
    assert value(converted, ADDR, 0x8015) is True
    (read,) = write([converted.message], tmp_path / "one.pst")
    (photo,) = read.attachments
    assert (photo.name, photo.data) == ("ContactPicture.jpg", b"\xff\xd8\xff\xe0")
    assert photo.properties[0x7FFE000B] and photo.properties[0x7FFF000B]
    refused = contact_message(record(FULL, photo={"code": "attachment_unreadable"}), BERLIN, nothing)
    assert "attachment-unreadable" in codes(refused) and not refused.message.attachments


def test_search_key_is_the_services_else_given_else_of_the_id() -> None:
    assert (
        contact_message(record(FULL), BERLIN, nothing, search_key=b"k" * 16).message.properties[0x300B0102] == b"k" * 16
    )
    one, other = (contact_message(record({**FULL, "id": name}), BERLIN, nothing) for name in "ab")
    assert one.message.properties[0x300B0102] != other.message.properties[0x300B0102]


def test_q075_a_contact_without_anything(tmp_path: Path) -> None:
    converted = contact_message({}, Box(), nothing)
    assert write([converted.message], tmp_path / "one.pst")
    assert value(converted, ADDR, 0x8005) is None and 0x3001001F not in converted.message.properties
    assert codes(converted) == {"date-fallback"}


@given(st.dictionaries(st.sampled_from(sorted(FULL)), JSON))
def test_q075_no_answer_is_too_odd(graph: dict[str, Any]) -> None:
    assert contact_message({"id": "x", "graph": graph}, BERLIN, nothing).message.properties[0x001A001F] == "IPM.Contact"
