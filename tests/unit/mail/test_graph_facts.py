"""The state of a mail from its JSON: dates, flags, categories, extended properties in any form of answer."""

import base64
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporters.mail.compose import Box, Facts, convert, message_facts
from exporters.mail.compose.extended_properties import extended, key_of
from exporters.mail.compose.losses import Losses
from exporters.pst import Message, NamedProperty
from tests.unit.mail.graph_records import BERLIN, COMMON, PUBLIC, TASK, utc

MAIL = (
    b"From: Ann <ann@example.com>\r\nTo: Bob <bob@example.org>\r\n"
    b"Date: Mon, 2 Mar 2026 09:00:00 +0100\r\nSubject: RE: Plan\r\n\r\nHi\r\n"
)
WHEN = "2026-03-02T08:00:05Z"


def made(graph: dict[str, Any], raw: bytes = MAIL, **more: Any) -> Message:
    """The message of a mail with the facts of its JSON."""
    return convert(raw, facts=message_facts(graph, more.pop("box", BERLIN), **more)).message


def singles(**values: Any) -> dict[str, Any]:
    return {
        "singleValueExtendedProperties": [
            {"id": name.replace("_", " "), "value": value} for name, value in values.items()
        ]
    }


def test_state_of_a_received_mail() -> None:
    graph = {
        "id": "AAMk1", "changeKey": "CQ", "parentFolderId": "F", "isRead": False, "isDraft": False, "importance": "high",
        "receivedDateTime": "2026-03-02T08:00:05.1234567Z", "sentDateTime": WHEN, "createdDateTime": "2026-03-02T08:00:06Z",
        "lastModifiedDateTime": "2026-03-03T08:00:06Z", "categories": ["Red", "Blue"], "conversationId": "AAQk",
    }  # fmt: skip
    got = made(graph, search_key=b"k" * 16).properties
    assert (got[0x0E070003], got[0x00170003], got[0x300B0102]) == (0x20, 2, b"k" * 16)  # from Ann, whose mailbox it is
    assert got[0x0E060040] == 134169120051234567  # all seven digits
    assert got[0x00390040] == datetime(2026, 3, 2, 8, 0, 5, tzinfo=UTC)
    assert got[0x30080040] == datetime(2026, 3, 3, 8, 0, 6, tzinfo=UTC)
    assert got[NamedProperty(PUBLIC, "Keywords", 0x101F)] == ["Red", "Blue"]
    ours = {key.name: one for key, one in got.items() if isinstance(key, NamedProperty) and isinstance(key.name, str)}
    assert ours["graph.id"] == "AAMk1" and ours["graph.changeKey"] == "CQ" and ours["graph.parentFolderId"] == "F"


@pytest.mark.parametrize(
    ("graph", "more", "flags"),
    [
        ({"isRead": True}, {"box": Box()}, 0x01),
        ({"isRead": False}, {"box": Box()}, 0x00),
        ({"isRead": False, "isDraft": True}, {"box": Box()}, 0x08),
        ({"isRead": True}, {"box": Box(), "sent_items": True}, 0x21),
        ({"isRead": True}, {}, 0x21),
        (
            {"isRead": True, **singles(Integer_0xe07="1075")},
            {"box": Box()},
            0x423,
        ),  # 0x433: submitted never, attachments as they are
        ({"isRead": False, **singles(Integer_0xe07="770")}, {"box": Box()}, 0x02),  # 0x302: no receipt of an unread one
        ({**singles(Integer_0xe07="9")}, {"box": Box()}, 0x09),
        ({}, {"box": Box()}, 0x01),
    ],
)
def test_message_flags(graph: dict[str, Any], more: dict[str, Any], flags: int) -> None:
    assert made(graph, **more).properties[0x0E070003] == flags


def test_categories_are_those_of_the_mailbox_even_if_none() -> None:
    raw = MAIL.replace(b"\r\n\r\n", b"\r\nKeywords: Old\r\n\r\n")
    key = NamedProperty(PUBLIC, "Keywords", 0x101F)
    assert key not in made({"categories": []}, raw).properties
    assert made({}, raw).properties[key] == ["Old"]


def test_q076_year_one_is_not_set() -> None:
    never = "0001-01-01T00:00:00Z"
    dates = dict.fromkeys(("receivedDateTime", "sentDateTime", "createdDateTime", "lastModifiedDateTime"), never)
    flag = {"flagStatus": "flagged", "dueDateTime": {"dateTime": "0001-01-01T00:00:00.0000000", "timeZone": "UTC"}}
    facts = message_facts({**dates, "flag": flag}, BERLIN)
    assert (facts.received, facts.sent, facts.created, facts.modified) == (None, None, None, None)
    assert NamedProperty(TASK, 0x8105, 0x0040) not in facts.properties
    assert made({**dates}).properties[0x0E060040] == datetime(2026, 3, 2, 8, tzinfo=UTC)


def test_follow_up_flags() -> None:
    flag = {
        "flagStatus": "flagged",
        "startDateTime": utc("2026-03-01T23:00:00"),
        "dueDateTime": utc("2026-03-05T00:00:00"),
    }
    got = made({"flag": flag, "subject": "RE: Plan"}).properties
    assert (got[0x10900003], got[0x10950003], got[0x0E2B0003]) == (2, 6, 1)
    assert got[NamedProperty(COMMON, 0x8530, 0x001F)] == "Follow up"
    assert got[NamedProperty(TASK, 0x8104, 0x0040)] == datetime(2026, 3, 2, tzinfo=UTC)  # a midnight of Berlin
    assert got[NamedProperty(COMMON, 0x8516, 0x0040)] == datetime(2026, 3, 1, 23, tzinfo=UTC)
    assert got[NamedProperty(TASK, 0x8105, 0x0040)] == datetime(2026, 3, 5, tzinfo=UTC)
    assert got[NamedProperty(COMMON, 0x8517, 0x0040)] == datetime(2026, 3, 4, 23, tzinfo=UTC)
    assert (got[NamedProperty(TASK, 0x8101, 0x0003)], got[NamedProperty(TASK, 0x811C, 0x000B)]) == (0, False)
    done = {"flagStatus": "complete", "completedDateTime": utc("2026-03-06T10:11:12")}
    got = made({"flag": done}).properties
    assert (got[0x10900003], 0x10950003 in got) == (1, False)
    assert got[0x10910040] == datetime(2026, 3, 6, 10, 11, tzinfo=UTC)
    assert (got[NamedProperty(TASK, 0x8101, 0x0003)], got[NamedProperty(TASK, 0x8102, 0x0005)]) == (2, 1.0)
    assert 0x10900003 not in made({"flag": {"flagStatus": "notFlagged"}}).properties


def test_extended_properties_win() -> None:
    graph = {
        "isRead": True, "receivedDateTime": WHEN,
        **singles(
            String_0x1a="IPM.Note.Custom", Integer_0x36="2", Integer_0x1080="262", Integer_0x1081="104", SystemTime_0x1082=WHEN,
            SystemTime_0xe06="2026-03-02T08:00:09.5Z", Binary_0x300b=base64.b64encode(b"s" * 16).decode(),
            Binary_0x71=base64.b64encode(b"\1" + b"i" * 21).decode(), String_0x5d01="ann@new.example", Binary_0xfff="AAAA",
        ),
    }  # fmt: skip
    got = made(graph, search_key=b"k" * 16).properties
    assert (got[0x001A001F], got[0x00360003], got[0x10800003], got[0x10810003]) == ("IPM.Note.Custom", 2, 262, 104)
    assert got[0x0E060040] == datetime(2026, 3, 2, 8, 0, 9, 500000, tzinfo=UTC)
    assert (got[0x300B0102], got[0x00710102], got[0x5D01001F]) == (b"s" * 16, b"\1" + b"i" * 21, "ann@new.example")
    assert got[NamedProperty(COMMON, 0x8506, 0x000B)] is True
    assert 0x0FFF0102 not in got and 0x0037001F in got


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("meetingRequest", "IPM.Schedule.Meeting.Request"), ("meetingCancelled", "IPM.Schedule.Meeting.Canceled"),
        ("meetingAccepted", "IPM.Schedule.Meeting.Resp.Pos"), ("meetingTenativelyAccepted", "IPM.Schedule.Meeting.Resp.Tent"),
        ("meetingDeclined", "IPM.Schedule.Meeting.Resp.Neg"), ("none", "IPM.Note"),
    ],
)  # fmt: skip
def test_class_of_meeting_mail(kind: str, expected: str) -> None:
    assert made({"meetingMessageType": kind}).properties[0x001A001F] == expected


def test_a_receipt_is_asked_for_only_where_no_reader_sends_it() -> None:
    wanted = {"isReadReceiptRequested": True, "isDeliveryReceiptRequested": True}
    assert made({**wanted, "isRead": False}).properties[0x0029000B] is False
    assert made({**wanted, "isRead": True}).properties[0x0029000B] is True
    assert made({**wanted, "isRead": False, "isDraft": True}).properties[0x0029000B] is True
    assert made({**wanted, "isRead": False}).properties[0x0023000B] is True


def test_bcc_that_only_the_mailbox_knows_is_added() -> None:
    people = {
        "toRecipients": [{"emailAddress": {"name": "Bob", "address": "BOB@example.org"}}],
        "bccRecipients": [{"emailAddress": {"name": "Eve", "address": "eve@example.org"}}, {"emailAddress": {}}, None],
    }
    converted = convert(MAIL, facts=message_facts(people, BERLIN))
    assert [(row[0x0C150003], row[0x3003001F]) for row in converted.message.recipients] == [
        (1, "bob@example.org"),
        (3, "eve@example.org"),
    ]
    assert converted.message.properties[0x0E02001F] == "Eve"
    assert [loss.code for loss in converted.losses] == ["recipients-joined"]
    x500 = {"toRecipients": [{"emailAddress": {"name": "Bob", "address": "/o=Ex/cn=Recipients/cn=bob"}}]}
    assert len(convert(MAIL, facts=message_facts(x500, BERLIN)).message.recipients) == 1


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("String 0x1a", 0x001A001F), ("String 0x001A", 0x001A001F), ("string  0X1A", 0x001A001F), ("Integer 0x0E07", 0x0E070003),
        ("Long 0xe08", 0x0E080014), ("StringArray 0x3a58", 0x3A58101F), ("String 0x001A001F", 0x001A001F),
        ("Boolean {00062008-0000-0000-C000-000000000046} Id 0x8503", NamedProperty(COMMON, 0x8503, 0x000B)),
        ("boolean 00062008-0000-0000-c000-000000000046 id 34051", NamedProperty(COMMON, 0x8503, 0x000B)),
        ("StringArray {00020329-0000-0000-C000-000000000046} Name Keywords", NamedProperty(PUBLIC, "Keywords", 0x101F)),
        ("String {00020329-0000-0000-C000-000000000046} Name Two Words", NamedProperty(PUBLIC, "Two Words", 0x001F)),
        ("String 0x8503", None), ("String", None), ("Text 0x1a", None), ("String {0006} Id 0x1", None), (7, None), ("", None),
        ("String {00062008-0000-0000-C000-000000000046} Id what", None),
    ],
)  # fmt: skip
def test_ids_of_extended_properties(text: object, key: object) -> None:
    assert key_of(text) == key


@pytest.mark.parametrize(
    ("name", "given_value", "read"),
    [
        ("Integer 0x36", "2", 2), ("Integer 0x36", 2, 2), ("Integer 0x36", "4294967295", -1), ("Integer 0x36", "-1", -1),
        ("Integer 0x36", "4294967296", None), ("Integer 0x36", "two", None), ("Short 0x36", "65535", -1),
        ("Boolean 0x36", "True", True),
        ("Boolean 0x36", False, False), ("Boolean 0x36", "0", False), ("Boolean 0x36", "maybe", None),
        ("Double 0x36", "0.5", 0.5),
        ("SystemTime 0x39", "2026-03-02T08:00:05.1234567Z", 134169120051234567), ("SystemTime 0x39", "soon", None),
        ("SystemTime 0x39", "2026-03-02T09:00:05.1234567+01:00", 134169120051234567), ("Binary 0x71", "AQI=", b"\1\2"),
        ("Binary 0x71", "A", None), ("String 0x37", "Ünï", "Ünï"), ("String 0x37", "a\0b", None), ("String 0x37", "\ud800", None),
        ("StringArray 0x3a58", ["a", "b"], ("a", "b")), ("StringArray 0x3a58", "a", None),
        ("Long 0x36", "18446744073709551615", -1),
    ],
)  # fmt: skip
def test_values_of_extended_properties(name: str, given_value: object, read: object) -> None:
    losses = Losses()
    found = extended({"singleValueExtendedProperties": [{"id": name, "value": given_value}]}, losses)
    assert list(found.values()) == ([] if read is None else [read])
    assert [loss.code for loss in losses.all()] == (["property-unreadable"] if read is None else [])


def test_values_that_are_nothing_are_no_loss() -> None:
    losses = Losses()
    rows = [
        ("String 0x37", ""),
        ("SystemTime 0x39", "0001-01-01T00:00:00Z"),
        ("StringArray 0x3a58", []),
        ("Binary 0x71", None),
    ]
    assert not extended({"singleValueExtendedProperties": [{"id": one, "value": other} for one, other in rows]}, losses)
    assert not losses.all()


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=30) | st.just("9999-99-99T99:99:99Z"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3),
    max_leaves=8,
)
FIELDS = (
    "isRead", "isDraft", "flag", "categories", "importance", "receivedDateTime", "sentDateTime", "createdDateTime",
    "conversationIndex",
    "lastModifiedDateTime", "toRecipients", "bccRecipients", "conversationId", "id", "singleValueExtendedProperties", "subject",
    "meetingMessageType", "isReadReceiptRequested", "multiValueExtendedProperties",
)  # fmt: skip


@given(st.dictionaries(st.sampled_from(FIELDS), JSON))
def test_q075_no_answer_is_too_odd(graph: dict[str, Any]) -> None:
    facts = message_facts(graph, BERLIN)
    assert isinstance(facts, Facts)
    assert convert(MAIL, facts=facts).message.properties[0x001A001F]
