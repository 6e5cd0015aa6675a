"""Mails without MIME and posts: content, persons, attachments of every kind, from JSON alone."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporters.mail.compose import Box, post_message, refused_message
from exporters.mail.compose.attached_calendar import attached_event
from exporters.mail.compose.attached_card import attached_contact
from exporters.mail.compose.losses import Losses
from exporters.pst import Message
from tests.unit.mail.graph_records import ADDR, APPT, BERLIN, PUBLIC, bytes_of, codes, nothing, record, value
from tests.unit.mail.test_graph_facts import JSON
from tests.unit.mail.written import MAIL, Read, write
from tests.unit.pst.judges import pypff


def person(name: str | None, address: str | None) -> dict[str, Any]:
    return {"emailAddress": {"name": name, "address": address}}


FULL: dict[str, Any] = {
    "id": "AAMk1", "subject": "RE: Plan", "from": person("Eve", "eve@example.org"), "sender": person("Tim", "tim@example.org"),
    "toRecipients": [person("Ann Bo", "ann@example.com"), person("No Address", None)],
    "ccRecipients": [person(None, "cc@example.org")],
    "bccRecipients": [person("Hidden", "bcc@example.org")], "replyTo": [person("Re", "re@example.org")],
    "receivedDateTime": "2026-03-02T08:00:05Z", "sentDateTime": "2026-03-02T08:00:00Z", "createdDateTime": "2026-03-02T08:00:06Z",
    "lastModifiedDateTime": "2026-03-02T08:00:07Z", "isRead": True, "isDraft": False, "importance": "low", "categories": ["Red"],
    "internetMessageId": "<1@example.org>", "conversationId": "AAQk",
    "body": {"contentType": "html", "content": '<html><body><p>Hi</p><img src="cid:logo"></body></html>'},
    "internetMessageHeaders": [{"name": "Received", "value": "from x"}, {"name": "References", "value": "<0@a>\t<00@a>"}],
}  # fmt: skip
FILE = "#microsoft.graph.fileAttachment"
ITEM = "#microsoft.graph.itemAttachment"
LINK = "#microsoft.graph.referenceAttachment"
INNER = (
    b"From: Bob <bob@example.org>\r\nDate: Mon, 2 Mar 2026 09:00:00 +0100\r\nSubject: Inner\r\nMIME-Version: 1.0\r\n"
    b'Content-Type: multipart/mixed; boundary="x"\r\n\r\n--x\r\n\r\nText\r\n--x\r\nContent-Type: message/rfc822\r\n\r\n'
    b"Subject: Innermost\r\n\r\nDeep\r\n--x--\r\n"
)
ICS = (
    b"BEGIN:VCALENDAR\r\nBEGIN:VEVENT\r\nUID:1@x\r\nSUMMARY:Lunch\r\nDTSTART:20260302T110000Z\r\nDTEND:20260302T120000Z\r\n"
    b"LOCATION:Bar\r\nRRULE:FREQ=WEEKLY;COUNT=3\r\nDESCRIPTION:Bring\\nmoney\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n"
)
VCF = (
    b"BEGIN:VCARD\r\nVERSION:3.0\r\nFN:Kim Li\r\nN:Li;Kim;;;\r\nitem1.EMAIL;TYPE=INTERNET:kim@example.org\r\n"
    b"TEL;TYPE=CELL:+1 9\r\n"
    b"ADR;TYPE=HOME:;;Weg 1;Bern;;3000;CH\r\nBDAY:20000101\r\nX-OWN:1\r\nEND:VCARD\r\n"
)


def only(message: Message, path: Path) -> Read:
    (read,) = write([message], path / "one.pst")
    return read


def test_a_refused_mail_has_what_its_json_has(tmp_path: Path) -> None:
    converted = refused_message(record(FULL, code="mime_refused"), BERLIN, nothing)
    read = only(converted.message, tmp_path)
    got = read.properties
    assert (got[0x001A001F], read.subject, got[0x0070001F], got[0x0E070003], got[0x00170003]) == (
        "IPM.Note",
        "RE: Plan",
        "Plan",
        1,
        0,
    )
    assert (got[0x0C1A001F], got[0x0C1F001F], got[0x0042001F], got[0x0065001F]) == (
        "Tim",
        "tim@example.org",
        "Eve",
        "eve@example.org",
    )
    assert (got[0x0E04001F], got[0x0E03001F], got[0x0E02001F]) == ("Ann Bo; No Address", "cc@example.org", "Hidden")
    assert [read.addresses(kind) for kind in (1, 2, 3)] == [
        ["ann@example.com", ""],
        ["cc@example.org"],
        ["bcc@example.org"],
    ]
    assert (got[0x0050001F], got[0x1035001F], got[0x1039001F]) == ("Re", "<1@example.org>", "<0@a> <00@a>")
    assert got[0x007D001F] == "Received: from x\r\nReferences: <0@a>\t<00@a>\r\n"
    assert got[0x10130102] == FULL["body"]["content"].encode() and got[0x1000001F] == "Hi"
    assert got[0x0057000B] is True and got[0x0076001F] == "ann@example.com"
    given_tags = converted.message.properties
    assert given_tags[0x0E060040] == datetime(2026, 3, 2, 8, 0, 5, tzinfo=UTC)
    assert given_tags[0x00390040] == datetime(2026, 3, 2, 8, tzinfo=UTC)
    assert value(converted, PUBLIC, "Keywords") == ("Red",)
    assert codes(converted) == {"mime-refused", "address-missing"}


def test_the_smtp_address_of_an_x500_sender_is_taken_where_it_is_served() -> None:
    x500 = person("Tim", "/O=Ex/OU=x/cn=Recipients/cn=tim")
    graph = {
        **FULL,
        "sender": x500,
        "from": x500,
        "singleValueExtendedProperties": [{"id": "String 0x5d01", "value": "tim@new.example"}],
    }
    got = refused_message(record(graph), BERLIN, nothing).message.properties
    assert (got[0x0C1E001F], got[0x0C1F001F], got[0x0064001F]) == ("SMTP", "tim@new.example", "EX")


def test_a_draft_has_no_time_of_sending() -> None:
    converted = refused_message(record({**FULL, "isDraft": True, "receivedDateTime": None}), BERLIN, nothing)
    assert 0x00390040 not in converted.message.properties and converted.message.properties[0x0E070003] == 9
    assert "draft-partial" in codes(converted)


def test_q073_attachments_without_a_name_or_with_the_same(tmp_path: Path) -> None:
    files = [
        {"@odata.type": FILE, "name": None, "contentType": "image/png", "key": "a", "size": 1},
        {"@odata.type": FILE, "name": "x.png", "key": "a", "contentId": "<logo>", "isInline": True, "size": 1},
        {"@odata.type": FILE, "name": "x.png", "contentType": "IMAGE/PNG; name=x", "key": "b", "size": 0},
        {
            "@odata.type": FILE,
            "name": "a/b.txt",
            "contentType": None,
            "key": "a",
            "size": 1,
            "lastModifiedDateTime": "2026-01-01T00:00:00Z",
        },
    ]
    converted = refused_message(record(FULL, attachments=files), BERLIN, bytes_of(a=b"A", b=b""))
    read = only(converted.message, tmp_path)
    assert [(one.name, one.data) for one in read.attachments] == [
        ("attachment-1.png", b"A"),
        ("x.png", b"A"),
        ("x.png", b""),
        ("a_b.txt", b"A"),
    ]
    assert [one.properties[0x7FFE000B] for one in read.attachments] == [False, True, False, False]
    assert read.attachments[1].properties[0x37140003] == 4 and read.attachments[2].properties[0x370E001F] == "image/png"
    assert read.properties[0x0E070003] == 0x11 and "attachment-renamed" in codes(converted)


def test_q071_attached_items_are_messages_inside(tmp_path: Path) -> None:
    files = [
        {"@odata.type": ITEM, "name": name, "key": key}
        for name, key in (("Inner", "eml"), ("Lunch", "ics"), ("Kim Li", "vcf"))
    ]
    converted = refused_message(record(FULL, attachments=files), BERLIN, bytes_of(eml=INNER, ics=ICS, vcf=VCF))
    read = only(converted.message, tmp_path)
    mail, event, contact = (one.message for one in read.attachments)
    assert mail and event and contact
    assert (mail.subject, mail.properties[0x0C1F001F], mail.properties[0x1000001F]) == (
        "Inner",
        "bob@example.org",
        "Text",
    )
    assert [one.message.subject for one in mail.attachments if one.message] == ["Innermost"]
    assert (event.properties[0x001A001F], event.subject, event.properties[0x1000001F]) == (
        "IPM.Appointment",
        "Lunch",
        "Bring\r\nmoney",
    )
    assert (contact.properties[0x001A001F], contact.subject, contact.properties[0x3A1C001F]) == (
        "IPM.Contact",
        "Kim Li",
        "+1 9",
    )
    assert [one.properties[0x3001001F] for one in read.attachments] == ["Inner", "Lunch", "Kim Li"]


def test_what_an_attached_event_or_card_says() -> None:
    losses = Losses()
    event, contact = attached_event(ICS, BERLIN, losses), attached_contact(VCF, BERLIN, losses)
    assert event is not None and contact is not None
    inside = type("Made", (), {"message": event})()
    assert (
        value(inside, APPT, 0x8208) == "Bar"
        and value(inside, APPT, 0x8223) is True
        and value(inside, APPT, 0x8217) == 0
    )
    inside = type("Made", (), {"message": contact})()
    assert value(inside, ADDR, 0x8083) == "kim@example.org" and value(inside, ADDR, 0x80DE) == datetime(
        2000, 1, 1, tzinfo=UTC
    )
    assert contact.properties[0x3A59001F] == "Bern"
    assert [loss.detail for loss in losses.all() if loss.code == "contact-detail"] == [
        "lines of an attached card: X-OWN"
    ]
    assert attached_event(b"BEGIN:VCALENDAR\r\nEND:VCALENDAR\r\n", BERLIN, losses) is None
    assert attached_contact(b"BEGIN:VCAL", BERLIN, losses) is None


def test_an_attached_calendar_without_events_stays_a_file(tmp_path: Path) -> None:
    data = b"BEGIN:VCALENDAR\r\nBEGIN:VTODO\r\nEND:VTODO\r\nEND:VCALENDAR\r\n"
    converted = refused_message(
        record(FULL, attachments=[{"@odata.type": ITEM, "name": "Do", "key": "a"}]), BERLIN, bytes_of(a=data)
    )
    (one,) = only(converted.message, tmp_path).attachments
    assert (one.name, one.data) == ("Do.ics", data)


def test_q072_cloud_attachments_are_links(tmp_path: Path) -> None:
    links = [
        {"@odata.type": LINK, "name": "Koala", "size": 382},
        {
            "@odata.type": LINK,
            "name": "Plan.docx",
            "sourceUrl": "https://x.example/p",
            "providerType": "oneDriveBusiness",
        },
    ]
    converted = refused_message(record(FULL, attachments=links), BERLIN, nothing)
    bare, known = only(converted.message, tmp_path).attachments
    assert (bare.properties[0x37050003], bare.name, known.properties[0x37050003]) == (7, "Koala", 7)
    assert known.properties[0x370D001F] == "https://x.example/p"
    assert [loss.detail for loss in converted.losses if loss.code == "reference-no-url"] == ["attachment 1"]


def test_an_attachment_that_was_refused_says_so(tmp_path: Path) -> None:
    refused = [
        {"@odata.type": FILE, "name": "virus.zip", "code": "attachment_unreadable"},
        {"code": "x"},
        {"@odata.type": ITEM},
    ]
    converted = refused_message(record(FULL, attachments=refused), BERLIN, nothing)
    read = only(converted.message, tmp_path)
    assert [one.name for one in read.attachments] == ["virus.zip", "attachment-2.txt", "attachment-3.txt"]
    assert b"attachment_unreadable" in (read.attachments[0].data or b"")
    assert [loss.code for loss in converted.losses].count("attachment-unreadable") == 3


def test_q075_a_mail_without_anything(tmp_path: Path) -> None:
    converted = refused_message({"id": "x"}, Box(), nothing)
    assert only(converted.message, tmp_path).properties[0x001A001F] == "IPM.Note"
    assert codes(converted) == {"mime-refused", "date-fallback"}


@given(st.dictionaries(st.sampled_from(sorted(FULL)), JSON), JSON)
def test_q075_no_answer_is_too_odd(graph: dict[str, Any], attachments: Any) -> None:
    made = refused_message({"id": "x", "graph": graph, "attachments": attachments}, BERLIN, nothing)
    assert made.message.properties[0x001A001F] == "IPM.Note"


def test_a_post_is_of_its_thread(tmp_path: Path) -> None:
    graph = {
        "id": "AAMkP", "from": person("Eve", "eve@example.org"), "sender": person("Eve", "eve@example.org"),
        "receivedDateTime": "2026-03-02T08:00:05Z", "newParticipants": [person("Tim", "tim@example.org")],
        "body": {"contentType": "html", "content": "<p>Post</p>"}, "conversationThreadId": "T",
    }  # fmt: skip
    files = [
        {"@odata.type": FILE, "name": "minutes.bin", "contentType": "application/octet-stream", "key": "a", "size": 3}
    ]
    line = {**record(graph, attachments=files), "folder": ["Kick-off"]}
    read = only(post_message(line, BERLIN, bytes_of(a=b"abc")).message, tmp_path)
    assert (read.properties[0x001A001F], read.subject, read.properties[0x0C1F001F]) == (
        "IPM.Post",
        "Kick-off",
        "eve@example.org",
    )
    assert (read.addresses(1), read.attachments[0].data, read.properties[0x1000001F]) == (
        ["tim@example.org"],
        b"abc",
        "Post",
    )
    assert post_message(line, BERLIN, bytes_of(a=b"abc"), topic="Budget").message.properties[0x0037001F] == "Budget"


@pytest.mark.skipif(not MAIL.is_dir(), reason="../shared/data/mail is not there")
def test_q084_shared_calendars_and_cards_become_items_inside(tmp_path: Path) -> None:
    """Every one that is a calendar or card: in a PST that the checker and libpff read."""
    held = {
        path.name: path.read_bytes()
        for kind in ("ics", "vcf")
        for path in sorted((MAIL / kind).rglob("*"))
        if path.is_file()
    }
    made = []
    for name in held:
        files = [{"@odata.type": ITEM, "name": name, "key": name}]
        made.append(refused_message(record(FULL, attachments=files), BERLIN, lambda key: [held[key]]).message)
    read = write(made, tmp_path / "all.pst")
    kinds = [one.attachments[0].message.properties[0x001A001F] for one in read if one.attachments[0].message]
    assert kinds.count("IPM.Appointment") > 250 and kinds.count("IPM.Contact") > 40
    file = pypff().file()
    file.open(str(tmp_path / "all.pst"))
    tops = [inner for outer in file.get_root_folder().sub_folders for inner in outer.sub_folders]
    inbox = next(one for one in tops if one.name == "Inbox")
    assert [one.number_of_attachments for one in inbox.sub_messages] == [1] * len(made)
    file.close()
