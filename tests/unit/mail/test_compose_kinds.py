"""Every kind of item, from the bag to the PST: which original, which folder, which class; and what readers make of it."""

import base64
import io
import json
import zipfile
from email.message import EmailMessage
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from exporters.mail.compose.parts import ReadBackError
from tests.unit.mail.mailbox_bag import Mail, MailboxBag, folder_bag, mime
from tests.unit.mail.shown import shown, subjects
from tests.unit.mail.written import read
from tests.unit.pst.judges import Checked

CLASS, FLAGS = 0x001A001F, 0x0E070003


@pytest.fixture
def box(tmp_path: Path) -> MailboxBag:
    return folder_bag(tmp_path / "store")


def properties(box: MailboxBag, path: Path, kind: str, item_id: str) -> dict[int, bytes]:
    """tag → stored bytes of a composed item."""
    pst = box.row(kind, item_id)["pst"]
    path.write_bytes(box.pst(pst["file"]))
    checked = Checked(path)
    return checked.properties(checked.node(pst["node"]))


def text(value: bytes) -> str:
    return value.decode("utf-16-le")


def all_kinds(box: MailboxBag) -> None:
    box.tree()
    box.folder("c", "Contacts", None, "contacts", wellKnownName="contacts")
    box.folder("k", "Calendar", None, "calendar", isDefault=True)
    box.folder("t", "Tasks", None, "tasks", wellKnownName="defaultList")
    box.folder("th", "Budget", None, "threads")
    box.mails(1, [Mail("m", mime("mail"))])
    graph: dict[str, Any] = {
        "displayName": "Bo Example",
        "emailAddresses": [{"address": "bo@example.com", "name": "Bo"}],
    }
    photo = b"\xff\xd8\xff\xe0 photo"
    key = "data/originals/contacts-00001/00000001 photo.jpg"
    box.writer.put_payload(key, [photo])
    facts = {"key": key, "size": len(photo), "sha256": sha256(photo).hexdigest()}
    box.item("attachment", "photo", scope="bo", parent="bo", name="photo.jpg", **facts)
    box.lines("contact", "contacts", 1, [{"id": "bo", "graph": graph, "photo": facts}], "c")
    event = {
        "subject": "Standup", "start": {"dateTime": "2026-11-30T09:00:00.0000000", "timeZone": "UTC"},
        "end": {"dateTime": "2026-11-30T09:30:00.0000000", "timeZone": "UTC"}, "type": "seriesMaster",
        "recurrence": {"pattern": {"type": "weekly", "interval": 1, "daysOfWeek": ["monday"], "firstDayOfWeek": "monday"},
                       "range": {"type": "noEnd", "startDate": "2026-11-30", "recurrenceTimeZone": "UTC"}}}  # fmt: skip
    box.lines("event", "events", 1, [{"id": "e", "graph": event}], "k")
    box.lines("task", "tasks", 1, [{"id": "do", "graph": {"title": "Cancel", "status": "completed"}}], "t")
    post = {"body": {"contentType": "text", "content": "Agreed."}, "receivedDateTime": "2026-11-01T00:00:00Z",
            "from": {"emailAddress": {"name": "Anna", "address": "anna@contoso.com"}}}  # fmt: skip
    box.lines("post", "posts", 1, [{"id": "p", "graph": post}], "th")


def test_each_kind_has_its_class_and_its_folder(box: MailboxBag, tmp_path: Path) -> None:
    with box.run():
        all_kinds(box)
        composed = box.compose()
        assert not composed.not_composed and composed.messages == 5
        found = {
            kind: text(properties(box, tmp_path / "x.pst", kind, item_id)[CLASS])
            for kind, item_id in (("message", "m"), ("contact", "bo"), ("event", "e"), ("task", "do"), ("post", "p"))
        }
    assert found.pop("post") in {"IPM.Post", "IPM.Note"}
    assert found == {"message": "IPM.Note", "contact": "IPM.Contact", "event": "IPM.Appointment", "task": "IPM.Task"}
    assert {place: len(held) for place, held in subjects(box.pst(), tmp_path / "a.pst").items() if held} == {
        "/Inbox": 1, "/Contacts": 1, "/Calendar": 1, "/Tasks": 1, "/Conversations/Budget": 1}  # fmt: skip


def test_the_photo_of_a_contact_is_in_the_pst(box: MailboxBag, tmp_path: Path) -> None:
    with box.run():
        all_kinds(box)
        box.compose()
    (contact,) = shown(box.pst(), tmp_path / "a.pst")["/Contacts"]
    assert [data for _, data in contact.attachments] == [b"\xff\xd8\xff\xe0 photo"]


def test_a_line_that_changed_is_composed_again_and_the_old_one_superseded(box: MailboxBag) -> None:
    with box.run():
        all_kinds(box)
        box.compose()
    with box.run():
        box.keep_earlier("task", "do")
        box.lines("task", "tasks", 2, [{"id": "do", "graph": {"title": "Cancelled", "status": "completed"}}], "t")
        composed = box.compose()
    assert composed.messages == 1 and composed.superseded == {"changed": 1}


def test_an_attachment_that_is_missing_refuses_its_item_by_name(box: MailboxBag) -> None:
    with box.run():
        all_kinds(box)
    (Path(box.store.url.removeprefix("file:")) / box.bag / "data/originals/contacts-00001/00000001 photo.jpg").unlink()
    with box.run(close=None):
        composed = box.compose()
    assert composed.not_composed == {"original_missing": 1} and composed.messages == 4


def test_state_of_a_message_comes_from_its_newest_record(box: MailboxBag, tmp_path: Path) -> None:
    with box.run():
        box.tree()
        box.mails(1, [Mail("m", mime("mail"), graph={"isRead": False})])
        box.mails(2, [])
        unread = Mail("n", mime("other"), graph={"isRead": False, "categories": ["Blue"]})
        box.mails(3, [unread])
        read = Mail("n", None, graph={"isRead": True, "categories": ["Red"]})
        file = io.BytesIO()
        with zipfile.ZipFile(file, "w") as container:
            import orjson

            container.writestr("records.jsonl", orjson.dumps(read.record(None)) + b"\n")
        box.original("data/originals/mail-00004.zip", file.getvalue())
        box.change("message", "n", record="data/originals/mail-00004.zip")
        box.compose()
        flags = {name: properties(box, tmp_path / "x.pst", "message", name)[FLAGS][0] & 1 for name in ("m", "n")}
    assert flags == {"m": 0, "n": 1}


def test_a_message_whose_mime_is_refused_is_composed_from_its_json_and_stays_an_exception(
    box: MailboxBag, tmp_path: Path
) -> None:
    graph = {
        "subject": "Sealed",
        "body": {"contentType": "text", "content": "signed"},
        "sentDateTime": "2026-11-01T00:00:00Z",
    }
    with box.run():
        box.tree()
        box.mails(1, [Mail("s", None, graph=graph, more={"code": "mime_refused"})])
        composed = box.compose()
        row = box.row("message", "s")
    assert composed.losses["mime-refused"] == 1 and not composed.not_composed
    assert row["outcome"] == "excepted" and row["pst"]["folder"] == "/Inbox"
    (message,) = shown(box.pst(), tmp_path / "a.pst")["/Inbox"]
    assert message.subject == "Sealed" and "signed" in message.body
    with box.run():
        assert box.compose().messages == 0


def test_an_exception_of_which_nothing_was_captured_stays_the_bag_s(box: MailboxBag) -> None:
    with box.run():
        box.tree()
        box.mails(1, [Mail("m", mime("mail"))])
        box.item("message", "v", outcome="excepted", code="vanished", reason="x", parent="inbox")
        box.item("message", "r", outcome="excepted", code="refused", reason="x", parent="inbox")
        box.item("event", "e", outcome="excepted", code="refused", reason="x", parent="inbox")
        composed = box.compose()
    assert composed.messages == 1 and not composed.not_composed


def nested(levels: int) -> bytes:
    """A mail with a mail with a mail … and a file in the innermost."""
    inner = EmailMessage()
    inner["Subject"], inner["From"] = "level 0", "bo@example.com"
    inner.set_content("deep")
    inner.add_attachment(b"\x00\x01payload", maintype="application", subtype="octet-stream", filename="deep.bin")
    for level in range(1, levels + 1):
        outer = EmailMessage()
        outer["Subject"], outer["From"] = f"level {level}", "bo@example.com"
        outer.set_content(f"body {level}")
        outer.add_attachment(inner)
        inner = outer
    return inner.as_bytes()


def test_q084_attached_mails_keep_their_attachments_all_the_way_down(box: MailboxBag, tmp_path: Path) -> None:
    with box.run():
        box.tree()
        box.mails(1, [Mail("n", nested(4))])
        box.compose()
        pst = box.row("message", "n")["pst"]
    path = tmp_path / "a.pst"
    path.write_bytes(box.pst())
    message = read(path, pst["node"])
    for level in range(4, 0, -1):
        assert message.subject == f"level {level}"
        (attachment,) = message.attachments
        assert attachment.message is not None
        message = attachment.message
    assert [(attachment.name, attachment.data) for attachment in message.attachments] == [
        ("deep.bin", b"\x00\x01payload")
    ]
    (seen,) = shown(box.pst(), tmp_path / "b.pst")["/Inbox"]
    assert seen.subject == "level 4" and len(seen.attachments) == 1


def test_q083_the_file_is_a_unicode_pst_that_every_reader_knows(box: MailboxBag) -> None:
    with box.run():
        box.tree()
        box.compose()
    header = box.pst()[:564]
    assert header[:4] == b"!BDN" and int.from_bytes(header[10:12], "little") == 23
    assert header[513] in {0, 1}  # bCryptMethod: none or permute


def test_q085_a_pst_that_reads_back_otherwise_than_written_is_not_put(
    box: MailboxBag, monkeypatch: pytest.MonkeyPatch
) -> None:
    from exporters.pst.sinks import FileSink

    class Forgetful(FileSink):
        """A disk that loses what it was told last: tables of folders, pages of the trees."""

        def finish(self, beginning: bytes) -> None:
            super().finish(beginning)
            end = self._file.seek(0, 2)
            self._file.seek(40_000)
            self._file.write(bytes(end - 40_000))

    monkeypatch.setattr("exporters.mail.compose.parts.FileSink", Forgetful)
    with box.run(close=None):
        box.tree()
        box.mails(1, [Mail(f"m{n}", mime(f"mail {n}")) for n in range(20)])
        with pytest.raises(ReadBackError):
            box.compose()
        assert box.store.stat(f"{box.bag}/data/pst/anna@contoso.com.pst") is None
        assert "pst" not in box.row("message", "m1")


@pytest.mark.parametrize("is_archive", [True, False])
def test_a_message_of_the_export_api_comes_from_its_stream(box: MailboxBag, tmp_path: Path, is_archive: bool) -> None:
    sample = Path(__file__).parents[3].parent / "shared/data/graph/mailbox-export/exportItems-response.json"
    if not sample.exists():
        pytest.skip("../shared/data is not there")
    answer = json.loads(sample.read_text())
    stream = next(base64.b64decode(item["data"]) for item in answer["value"] if item.get("data"))
    key, file = "data/originals/streams-00001.zip", io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as container:
        container.writestr("00000001.fts", stream)
        container.writestr("00000002.fts", stream)
        container.writestr("records.jsonl", b"")
    facts = {"size": len(stream), "sha256": sha256(stream).hexdigest(), "record": key, "name": "x", "service": {}}
    service = {"isArchive": True} if is_archive else {}
    with box.run():
        box.tree()
        box.folder("a", "Notes", None, "export", scope="MBX:1", type="IPF.StickyNote", **service)
        box.folder("i", "Inbox", None, "export", scope="MBX:1", type="IPF.Note", **service)
        box.original(key, file.getvalue())
        box.item("message", "x", scope="MBX:1", parent="a", key=f"{key}!00000001.fts", **facts)
        if not is_archive:
            box.mails(1, [Mail("m", mime("mail"))])
            box.item("stream", "y", scope="MBX:1", parent="i", of="m", key=f"{key}!00000002.fts", **facts)
        composed = box.compose()
        row = box.writer.state.row(("message", "MBX:1", "x"))
    place = "/In-Place Archive/Notes" if is_archive else "/Notes"
    assert composed.messages == 2 - is_archive and row is not None and row["pst"]["folder"] == place
    found = shown(box.pst(), tmp_path / "a.pst")
    assert len(found[place]) == 1 and ("/In-Place Archive/Inbox" in found) is is_archive


def test_a_message_without_mime_is_composed_from_its_second_capture(box: MailboxBag, tmp_path: Path) -> None:
    sample = Path(__file__).parents[3].parent / "shared/data/graph/mailbox-export/exportItems-response.json"
    if not sample.exists():
        pytest.skip("../shared/data is not there")
    answer = json.loads(sample.read_text())
    stream = next(base64.b64decode(item["data"]) for item in answer["value"] if item.get("data"))
    key, file = "data/originals/streams-00001.zip", io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as container:
        container.writestr("00000001.fts", stream)
    with box.run():
        box.tree()
        box.folder("i", "Inbox", None, "export", scope="MBX:1", type="IPF.Note")
        box.mails(1, [Mail("s", None, graph={"subject": "from JSON"}, more={"code": "mime_refused"})])
        box.original(key, file.getvalue())
        facts = {"size": len(stream), "sha256": sha256(stream).hexdigest(), "name": "x", "service": {}}
        box.item("stream", "y", scope="MBX:1", parent="i", of="s", key=f"{key}!00000001.fts", **facts)
        composed = box.compose()
    assert composed.messages == 1 and "mime-refused" not in composed.losses
    (message,) = shown(box.pst(), tmp_path / "a.pst")["/Inbox"]
    assert message.subject != "from JSON"
