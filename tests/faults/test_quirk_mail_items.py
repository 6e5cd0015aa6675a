"""Quirks of single items of a mailbox: MIME, attachments, events, photos; each by the capture of a whole mailbox."""

import base64
import hashlib
import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.faults.mail_desk import VALUE, MailDesk, mail_desk
from tests.independent.mailbox_bag import MailboxBag
from tests.unit.rehearsal import mailbox_data as data
from tests.unit.rehearsal.mailbox_data import made
from tests.unit.rehearsal.test_rehearsal_calendar import fill

Row = dict[str, Any]
MIME = "users/{user}/messages/{message}/$value"
ATTACHED, OPAQUE, LARGE = 2, 3, 4
"""Messages of the data: with attachments of every kind, S/MIME, and 270 KB long."""


@pytest.fixture(scope="module")
def tenant(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return data.write_tenant(tmp_path_factory.mktemp("items") / "tenant", fill)


@pytest.fixture
def ada(tenant: Path, tmp_path: Path) -> Iterator[MailDesk]:
    with mail_desk(tenant, tmp_path / "store") as found:
        yield found


def immutable(n: int) -> str:
    return data.made_id("message", 0, n, "data", immutable=True)


def of_message(n: int, what: str = "$value") -> str:
    """Route of a fault about one message."""
    return f"users/*/messages/{immutable(n)}/{what}"


def message(bag: MailboxBag, n: int) -> Row:
    return bag.rows["message", "", immutable(n)]


def asked(ada: MailDesk, n: int, what: str = "/$value") -> int:
    return len([row for row in ada.desk.asked() if row["path"].endswith(f"{immutable(n)}{what}")])


def attachments(bag: MailboxBag, row: Row) -> list[Row]:
    found: list[Row] = bag.record(row)["attachments"]
    return found


# ------------------------------------------------------------------------------------------------------------- MIME


def test_q013_gone_between_listing_and_fetch_is_vanished_in_the_same_run(ada: MailDesk) -> None:
    change = {"kind": "message", "user": data.ADA, "id": made("message", 11), "op": "delete"}
    ada.faults({"route": VALUE, "fault": "change", "after": 3, "count": 1, "changes": [change]})
    result = ada.run()
    assert ada.fired() == 1
    row = message(ada.checked(), 11)
    assert row["outcome"] == "gone" or row["code"] == "vanished", "whether it was fetched before is chance"
    assert result.exceptions.get("not_found_while_listed") is None


def test_q013_deleted_before_it_is_fetched_is_asked_twice_and_vanished(ada: MailDesk) -> None:
    change = {"kind": "message", "user": data.ADA, "id": made("message", 11), "op": "delete"}
    ada.faults({"route": of_message(11), "fault": "change", "count": 1, "changes": [change]})
    result = ada.run()
    row = message(ada.checked(), 11)
    assert (row["outcome"], row["code"], "key" in row) == ("excepted", "vanished", False)
    assert asked(ada, 11) == 2
    assert result.excepted_kinds == {"message": 1}, "the one that is S/MIME"


def test_q013_listed_and_not_found_is_an_exception_that_is_asked_again_after_a_day(ada: MailDesk) -> None:
    ada.faults({"route": of_message(11), "fault": "mail-404"})
    assert ada.run().exceptions == {"mime_refused": 1, "not_found_while_listed": 1}
    row = message(ada.checked(immutable(11)), 11)
    assert row["code"] == "not_found_while_listed"
    ada.faults()
    ada.run()
    assert message(ada.bag(), 11) == row
    ada.clock.turn(timedelta(hours=25))
    assert ada.run().exceptions == {"mime_refused": 1}
    assert message(ada.checked(), 11)["outcome"] == "copied"


def test_q013_one_404_of_a_lagging_replica_is_nothing(ada: MailDesk) -> None:
    ada.faults({"route": of_message(11), "fault": "mail-404", "count": 1})
    assert ada.run().exceptions == {"mime_refused": 1}
    ada.checked()


@pytest.mark.parametrize("fault", ["reset-mid-body", "short-body", "chunked-cut", "no-length"])
def test_q020_a_body_that_breaks_off_is_asked_for_again(ada: MailDesk, fault: str) -> None:
    ada.faults({"route": of_message(LARGE), "fault": fault, "count": 2, "after_bytes": 100_000})
    ada.run()
    assert ada.fired() == 2
    ada.checked()


def test_q020_one_that_always_breaks_off_is_that_messages_matter(ada: MailDesk) -> None:
    ada.faults({"route": of_message(LARGE), "fault": "reset-mid-body"})
    assert ada.run().exceptions == {"mime_refused": 1, "download_failed": 1}
    row = message(ada.checked(immutable(LARGE)), LARGE)
    assert row["code"] == "download_failed" and "record" in row
    ada.faults()
    assert ada.run().exceptions == {"mime_refused": 1}
    ada.checked()


def test_q043_never_more_than_four_at_once(tenant: Path, tmp_path: Path) -> None:
    with mail_desk(tenant, tmp_path / "store") as ada:
        ada.desk.settings(mailbox_seconds=0.02)
        ada.run()
        summary = ada.desk.summary()
        assert summary["mailboxes"][data.ADA]["most"] in (3, 4), summary["mailboxes"]
        assert not [row for row in ada.desk.asked() if row["status"] == 429]
        ada.checked()


def test_q045_too_many_objects_opened_is_waited_for(ada: MailDesk) -> None:
    refused = {"fault": "status", "status": 429, "code": "ErrorTooManyObjectsOpened", "retry_after": 2}
    ada.faults(
        {**refused, "route": "users/*/attachments", "count": 2}, {**refused, "route": VALUE, "after": 2, "count": 2}
    )
    ada.run()
    assert ada.fired() == 4
    ada.checked()


def test_q045_attachments_are_listed_without_their_contents(ada: MailDesk) -> None:
    ada.desk.settings(expanded_attachments=3)
    ada.faults({"route": of_message(ATTACHED), "fault": "mime-failed"})
    ada.run()
    row = message(ada.checked(immutable(ATTACHED)), ATTACHED)
    assert len(attachments(ada.bag(), row)) == 7
    listings = [one for one in ada.desk.asked("/attachments") if one["path"].endswith("/attachments")]
    assert listings and all("contentBytes" not in one["query"] and "select" in one["query"] for one in listings)


def test_q070_mime_is_asked_for_on_the_short_path_alone(ada: MailDesk) -> None:
    ada.run()
    contents = [row for row in ada.desk.asked("$value") if "messages" in row["path"]]
    assert contents and all("mailFolders" not in row["path"] for row in contents)
    assert not [row for row in ada.desk.asked() if row["status"] == 405]


def test_q071_q072_q073_without_mime_every_attachment_is_kept(ada: MailDesk) -> None:
    """Files, a mail in a mail, an event, a contact; a link has no bytes; names may lack, or be alike."""
    ada.faults({"route": of_message(ATTACHED), "fault": "mime-failed"})
    ada.run()
    bag = ada.checked(immutable(ATTACHED))
    row = message(bag, ATTACHED)
    assert (row["outcome"], row["code"], "key" in row) == ("excepted", "mime_refused", False)
    kept = attachments(bag, row)

    def held(one: Row) -> bytes:
        return bag.read(bag.rows["attachment", immutable(ATTACHED), one["id"]]["key"])

    assert [one.get("name") for one in kept] == [
        "report.bin",
        "image001.png",
        None,
        "middle",
        "Lunch",
        "Zoë",
        "plan.docx",
    ]
    link = kept.pop()
    assert link["@odata.type"].endswith("referenceAttachment") and not {"key", "code", "contentBytes"} & link.keys()
    for one in kept:
        assert "contentBytes" not in one
        content = held(one)
        assert (len(content), hashlib.sha256(content).hexdigest()) == (one["size"], one["sha256"])
    assert held(kept[0]) == bytes(range(250)) * 20
    assert b"innermost" in held(kept[3]) and b"BEGIN:VCALENDAR" in held(kept[4])
    assert b"BEGIN:VCARD" in held(kept[5])
    assert bag.record(row)["graph"]["body"]["content"] == f"<p>Body &amp; {ATTACHED}</p>"


def test_q073_attachments_that_are_alike_have_keys_of_their_own(ada: MailDesk) -> None:
    ada.faults(
        {"route": of_message(ATTACHED), "fault": "mime-failed"},
        {
            "route": f"users/*/messages/{immutable(ATTACHED)}/attachments",
            "fault": "edit",
            "edits": [{"at": "value/*/name", "to": "image001.png"}],
        },
    )
    ada.run()
    bag = ada.checked(immutable(ATTACHED))
    keys = [row["key"] for row in bag.of("attachment") if row["scope"] == immutable(ATTACHED)]
    assert len(set(keys)) == len(keys) == 6


@pytest.mark.parametrize("fault", ["mail-recipients", "mail-corrupt"])
def test_q074_a_message_that_cannot_be_read_stops_nothing(ada: MailDesk, fault: str) -> None:
    ada.faults({"route": of_message(7, "*"), "fault": fault}, {"route": of_message(7, "")[:-1], "fault": fault})
    assert ada.run().exceptions == {"mime_refused": 1, "item_unreadable": 1}
    assert asked(ada, 7) <= 6
    row = message(ada.checked(immutable(7)), 7)
    assert row["code"] == "item_unreadable" and row["reason"]
    ada.asked_by(ada.run)
    assert 0 < asked(ada, 7, "") <= 6, "tried in every run, a few times"
    ada.faults()
    assert ada.run().exceptions == {"mime_refused": 1}
    ada.checked()


def test_q074_a_refusal_of_mime_keeps_the_json_and_is_not_asked_again(ada: MailDesk) -> None:
    ada.run()
    row = message(ada.checked(), OPAQUE)
    assert (row["code"], ada.bag().record(row)["graph"]["body"]["content"]) == (
        "mime_refused",
        f"<p>Body &amp; {OPAQUE}</p>",
    )
    ada.asked_by(ada.run)
    assert asked(ada, OPAQUE) == 0
    ada.change({"id": made("message", OPAQUE), "op": "move", "to": made("folder", data.ARCHIVE)})
    ada.asked_by(ada.run)
    assert asked(ada, OPAQUE) == 0
    bag = ada.checked()
    moved = message(bag, OPAQUE)
    assert (moved["folder"], moved["captured"]) == ("/Archive", row["captured"])
    assert bag.record(moved)["graph"]["body"]["content"]
    ada.change({"id": made("message", OPAQUE), "op": "update", "set": {"categories": ["Red category"]}})
    ada.asked_by(ada.run)
    assert asked(ada, OPAQUE) == 0
    bag = ada.checked()
    assert bag.record(message(bag, OPAQUE))["graph"]["categories"] == ["Red category"]
    assert bag.record(message(bag, OPAQUE))["graph"]["body"]["content"]


def test_q074_json_that_cannot_be_had_at_first_is_tried_again(ada: MailDesk) -> None:
    """MIME is refused for good, and the rest of it was out of reach only then."""
    ada.faults({"route": f"users/*/messages/{immutable(OPAQUE)}", "fault": "mail-500"})
    assert set(ada.run().exceptions) == {"download_failed"}
    ada.faults()
    assert ada.run().exceptions == {"mime_refused": 1}
    bag = ada.checked()
    assert bag.record(message(bag, OPAQUE))["graph"]["body"]["content"]


def test_an_attachment_that_is_refused_is_its_own_exception_and_heals(ada: MailDesk) -> None:
    one = f"users/*/messages/{immutable(ATTACHED)}/attachments/*/$value"
    ada.faults(
        {"route": of_message(ATTACHED), "fault": "mime-failed"},
        {"route": one, "fault": "status", "status": 500, "code": "ErrorCannotOpenFileAttachment", "count": 3},
    )
    assert ada.run().exceptions == {"mime_refused": 2, "attachment_unreadable": 1}
    bag = ada.checked(immutable(ATTACHED))
    assert [one["code"] for one in attachments(bag, message(bag, ATTACHED)) if "code" in one] == [
        "attachment_unreadable"
    ]
    ada.faults()
    assert ada.run().exceptions == {"mime_refused": 2}
    bag = ada.checked(immutable(ATTACHED))
    assert not [one for one in attachments(bag, message(bag, ATTACHED)) if "code" in one]


def test_a_list_of_attachments_that_is_refused_is_an_exception_and_heals(ada: MailDesk) -> None:
    event = data.made_id("event", 0, 0, "users/u00000", immutable=True)
    ada.faults({"route": "users/*/events/*/attachments", "fault": "mail-500"})
    assert ada.run().exceptions == {"mime_refused": 1, "attachment_unreadable": 3}
    ada.checked()
    ada.faults()
    assert ada.run().exceptions == {"mime_refused": 1, "vanished": 3}
    bag = ada.checked()
    (agenda,) = [row for row in bag.of("attachment") if row["scope"] == event and row["outcome"] == "copied"]
    assert bag.read(agenda["key"]) == b"agenda"
    assert ada.asked_by(ada.run)["users/{user}/events/{event}"] == 0


def test_an_attachment_that_failed_goes_with_its_item(ada: MailDesk) -> None:
    ada.faults({"route": "users/*/events/*/attachments", "fault": "mail-500"})
    ada.run()
    ada.change({"kind": "event", "id": made("event", 0), "op": "delete"})
    result = ada.run()
    assert result.exceptions == {"mime_refused": 1, "attachment_unreadable": 2, "vanished": 1}
    ada.checked()


def test_q075_nothing_but_the_id_is_taken_for_granted(ada: MailDesk) -> None:
    drops = "from sender subject receivedDateTime sentDateTime internetMessageId createdDateTime isDraft lastModifiedDateTime"
    drops += " changeKey @odata.etag singleValueExtendedProperties flag categories"
    edits = [{"at": f"value/*/{name}", "drop": True} for name in drops.split()]
    ada.faults({"route": "users/*/messages/delta", "fault": "edit", "edits": edits})
    ada.run()
    bag = ada.checked()
    assert message(bag, 5)["name"] == "" and "received" not in message(bag, 5)["service"]
    assert ada.asked_by(ada.run)[MIME] == 0


@pytest.mark.parametrize("kind", ["null", "wrong"])
def test_q075_odd_types_are_as_if_absent(ada: MailDesk, kind: str) -> None:
    values: Row = {
        "subject": 5,
        "from": "x",
        "receivedDateTime": 7,
        "internetMessageId": [],
        "isDraft": "no",
        "flag": 1,
    }
    edits = [{"at": f"value/*/{name}", "to": None if kind == "null" else value} for name, value in values.items()]
    ada.faults({"route": "users/*/messages/delta", "fault": "edit", "edits": edits})
    ada.run()
    ada.checked()


def test_q075_contacts_tasks_events_and_folders_without_names(ada: MailDesk) -> None:
    names = [
        "displayName",
        "title",
        "name",
        "owner",
        "isDefaultCalendar",
        "wellknownListName",
        "totalItemCount",
        "childFolderCount",
    ]
    edits = [{"at": f"value/*/{name}", "drop": True} for name in names]
    ada.faults(
        {"route": "users/*/contactFolders*", "fault": "edit", "edits": edits},
        {"route": "users/*/calendars", "fault": "edit", "edits": edits},
        {"route": "users/*/todo/lists", "fault": "edit", "edits": edits[:5]},
        {"route": "users/*/tasks/delta", "fault": "edit", "edits": edits},
    )
    ada.run()
    bag = ada.bag(whole=False)
    assert len([*bag.of("contact")]) == 14 and len([*bag.of("event")]) == 3


@pytest.mark.parametrize(
    "at",
    [
        "0001-01-01T00:00:00Z",
        "1601-01-01T00:00:00Z",
        "9999-12-31T23:59:59.9999999Z",
        "2024-05-06T07:08:09",
        "not a date",
        "2024-05-06T07:08:09+14:00",
    ],
)
def test_q076_dates_that_mean_nothing_or_fit_nothing(ada: MailDesk, at: str) -> None:
    edits = [{"at": f"value/*/{name}", "to": at} for name in ("receivedDateTime", "sentDateTime", "createdDateTime")]
    ada.faults({"route": "users/*/messages/delta", "fault": "edit", "edits": edits})
    ada.run()
    bag = ada.checked()
    is_unset = at[:4] in ("0001", "1601")
    assert ("received" in message(bag, 5)["service"]) != is_unset
    assert bag.record(message(bag, 5))["graph"]["receivedDateTime"] == at, "the record is as served"


# ---------------------------------------------------------------------------------------------------------- events


def test_q078_two_calendars_of_one_name_and_events_without_a_body(ada: MailDesk) -> None:
    ada.run()
    bag = ada.checked()
    calendars = [row for row in bag.of("folder") if row["service"]["class"] == "calendar"]
    assert [row["path"] for row in calendars] == ["/Calendar", "/Calendar"]
    lines = {bag.lines[row["key"]]["id"]: bag.lines[row["key"]] for row in bag.of("event")}
    assert len({line["parent"] for line in lines.values()}) == 2
    assert all(line["graph"]["body"] is None for line in lines.values())


def test_q079_cancelled_and_changed_occurrences_are_in_the_line_of_their_series(ada: MailDesk) -> None:
    ada.run()
    bag = ada.checked()
    (series,) = [row for row in bag.of("event") if row["name"] == "event 1"]
    graph = bag.lines[series["key"]]["graph"]
    assert [one.rpartition(".")[2] for one in graph["cancelledOccurrences"]] == ["2025-03-24"]
    (changed,) = graph["exceptionOccurrences"]
    assert changed["originalStart"] == "2025-04-07T07:00:00Z"


def test_a_contact_and_its_photo_change_and_the_photo_goes(ada: MailDesk) -> None:
    ada.run()
    bag = ada.checked()
    (contact,) = [row for row in bag.of("contact") if row["name"] == "contact 0"]
    photo = bag.rows["attachment", contact["id"], "photo"]
    assert bag.read(photo["key"]) == b"\xff\xd8 a photo"
    ada.change(
        {"kind": "contact", "id": made("contact", 0), "op": "update", "set": {"displayName": "renamed", "_photo": None}}
    )
    counted = ada.asked_by(ada.run)
    assert counted["users/{user}/contacts/{contact}/photo/$value"] == 1
    bag = ada.checked()
    row = bag.rows["contact", "", contact["id"]]
    assert row["name"] == "renamed" and "photo" not in bag.lines[row["key"]]
    assert bag.rows["attachment", contact["id"], "photo"]["outcome"] == "gone"
    (former,) = [one for one in bag.of("version") if one["scope"] == contact["id"]]
    assert former["key"] == contact["key"]


def test_photos_that_change_in_one_run_keep_their_earlier_bytes(tenant: Path, tmp_path: Path) -> None:
    """Every photo has the same id: what was there before is known by its contact."""
    with mail_desk(tenant, tmp_path / "store") as ada:
        content = json.loads((tenant / "users/u00000/contacts.jsonl").read_text().splitlines()[0])["_photo"]
        parts = [
            {**content, "len": n, "sha256": hashlib.sha256(b"\xff\xd8 a photo"[:n]).hexdigest()} for n in (4, 5, 6, 7)
        ]
        for n in (1, 2):
            ada.change({"kind": "contact", "id": made("contact", n), "op": "update", "set": {"_photo": parts[n - 1]}})
        ada.run()
        for n in (1, 2):
            change = {"_photo": parts[n + 1], "displayName": f"new {n}"}
            ada.change({"kind": "contact", "id": made("contact", n), "op": "update", "set": change})
        ada.run()
        bag = ada.checked()
        assert len([row for row in bag.of("version") if row["scope"].endswith("/photo")]) == 2


def test_base64_is_never_kept_beside_the_bytes(ada: MailDesk) -> None:
    ada.run()
    bag = ada.bag()
    text = b"".join(path.read_bytes() for path in (bag.folder / "data/originals").glob("*.jsonl"))
    assert base64.b64encode(b"agenda") not in text and b"contentBytes" not in text
