"""What Graph says of a mail's attachments beside its MIME (Q-071, Q-072)."""

from typing import Any

from exporters.mail.compose import convert
from exporters.mail.compose.box import Box
from exporters.mail.compose.facts import Facts
from exporters.mail.compose.listed_attachments import with_listed
from exporters.mail.compose.losses import Losses
from exporters.pst import Message

CALENDAR = "\r\n".join(
    ("BEGIN:VCALENDAR", "VERSION:2.0", "BEGIN:VEVENT", "UID:1", "SUMMARY:Planning", "DTSTART:20250102T090000Z",
     "END:VEVENT", "END:VCALENDAR", "")
)  # fmt: skip
OTHER = CALENDAR.replace("Planning", "Other")
MAIL = f"""From: ann@example.com\r
Subject: Two calendars\r
MIME-Version: 1.0\r
Content-Type: multipart/mixed; boundary=b\r
\r
--b\r
Content-Type: text/plain\r
\r
Hello\r
--b\r
Content-Type: text/calendar; name="other.ics"\r
Content-Disposition: attachment; filename="other.ics"\r
\r
{OTHER}\r
--b\r
Content-Type: text/calendar\r
Content-Disposition: attachment\r
\r
{CALENDAR}\r
--b--\r
""".encode()
METHOD, NAME, PATH, CLASS, END = 0x37050003, 0x3707001F, 0x370D001F, 0x001A001F, "AppointmentEndWhole"
EVENT = {
    "@odata.type": "#microsoft.graph.event",
    "subject": "Planning",
    "start": {"dateTime": "2025-01-02T09:00:00.0000000", "timeZone": "UTC"},
    "end": {"dateTime": "2025-01-02T10:00:00.0000000", "timeZone": "UTC"},
}


def listed(*attachments: dict[str, Any]) -> tuple[Message, Losses]:
    losses = Losses()
    converted = convert(MAIL, facts=Facts())
    return with_listed(converted.message, {"attachments": list(attachments)}, Box(), losses), losses


def test_q071_an_attached_event_is_an_item_and_a_calendar_file_stays_one() -> None:
    found, _ = listed({"@odata.type": "#microsoft.graph.itemAttachment", "id": "1", "name": "Planning", "item": EVENT})
    files = list(found.attachments)
    assert len(files) == 2
    assert files[0].message is None and files[0].properties[NAME] == "other.ics"
    assert files[1].message is not None and files[1].message.properties[CLASS] == "IPM.Appointment"


def test_q071_an_attached_item_without_its_record_stays_the_file_that_it_is() -> None:
    found, _ = listed({"@odata.type": "#microsoft.graph.itemAttachment", "id": "1", "name": "Planning"})
    assert all(one.message is None for one in found.attachments)


def test_q071_what_is_of_another_kind_or_name_is_left_alone() -> None:
    contact = {"@odata.type": "#microsoft.graph.contact", "displayName": "Planning"}
    stranger = {**EVENT, "subject": "Something else"}
    for item in contact, stranger:
        found, _ = listed({"@odata.type": "#microsoft.graph.itemAttachment", "id": "1", "name": "x", "item": item})
        assert all(one.message is None for one in found.attachments)


def test_q072_a_link_is_an_attachment_by_reference() -> None:
    entry = {"@odata.type": "#microsoft.graph.referenceAttachment", "id": "1", "name": "Plan.docx"}
    found, losses = listed({**entry, "sourceUrl": "https://contoso.example/Plan.docx"})
    link = list(found.attachments)[-1]
    assert (link.properties[METHOD], link.properties[NAME]) == (7, "Plan.docx")
    assert link.properties[PATH] == "https://contoso.example/Plan.docx" and not losses.all()
    _, losses = listed(entry)
    assert [loss.code for loss in losses.all()] == ["reference-no-url"]


def test_a_mail_of_which_nothing_further_is_told_stays_as_it_is() -> None:
    converted = convert(MAIL, facts=Facts())
    assert with_listed(converted.message, {}, Box(), Losses()) is converted.message
