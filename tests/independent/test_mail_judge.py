"""The judge of mailboxes judged: a right copy passes, and one that is wrong in any single respect does not."""

import ast
import json
import struct
import sys
import zipfile
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from exporters.pst import Attachment, recipient
from tests.independent import event_truth, judge_mail
from tests.independent import mail_by_hand as hand
from tests.independent.differences import Differences
from tests.independent.mail_by_hand import Copy, TinyTenant, make_copy, make_tenant, named
from tests.independent.mail_originals import Expectation
from tests.independent.mail_truth import TruthBroken, load
from tests.independent.recurrence_reading import (
    BEGIN,
    DAY,
    BlobBroken,
    Zone,
    moment,
    occurrences,
    read_definition,
    read_recurrence,
)

HERE = Path(__file__).parent
MAIL_ZIP = "data/originals/mail-00001.zip"
Change = Callable[[Copy], object]


@pytest.fixture
def tenant(tmp_path: Path) -> TinyTenant:
    return make_tenant(tmp_path / "tenant")


def judged(tenant: TinyTenant, copy: Copy, after: Callable[[Path], object] | None = None, **asked: bool) -> Differences:
    """The judge's answer to a copy; after: what happens to the store once it is written."""
    store = copy.write(tenant.folder.parent / "store")
    if after is not None:
        after(store / hand.BAG)
    return judge_mail.judge(tenant.folder, store, Expectation(recoverable=asked.get("recoverable", True)))


def test_shares_nothing_with_the_exporters() -> None:
    allowed = {"tests", "pypff", "dateutil", *sys.stdlib_module_names}
    names = ("mail_truth", "mailbox_bag", "mail_originals", "mail_pst", "mail_pst_messages", "mail_pst_items", "pst_reader",
             "recurrence_reading", "event_truth", "differences", "judge_mail")  # fmt: skip
    for path in (HERE / f"{name}.py" for name in names):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                assert {alias.name.partition(".")[0] for alias in node.names} <= allowed, path.name
            elif isinstance(node, ast.ImportFrom):
                assert (node.module or "").partition(".")[0] in allowed, path.name


def test_a_right_copy_has_no_differences(tenant: TinyTenant) -> None:
    found = judged(tenant, make_copy(tenant))
    assert not found.found, found.table()
    assert found.agreed["MIME"] == 4
    assert found.agreed["messages in the PST"] == 5
    assert found.agreed["occurrences"] == 26


def _drop(copy: Copy, kind: str, n: int) -> None:
    copy.rows.remove(copy.row(kind, n))


def _entry(copy: Copy, n: int) -> str:
    return str(copy.row("message", n)["key"]).partition("!")[2]


def _rename(copy: Copy, n: int, name: str) -> None:
    row = copy.row("message", n)
    entries = copy.zips[MAIL_ZIP]
    copy.zips[MAIL_ZIP] = {name if key == _entry(copy, n) else key: data for key, data in entries.items()}
    row["key"] = f"{MAIL_ZIP}!{name}"


def _other_bytes(copy: Copy) -> None:
    data = copy.zips[MAIL_ZIP][_entry(copy, 0)] + b"more"
    copy.zips[MAIL_ZIP][_entry(copy, 0)] = data
    copy.row("message", 0).update(size=len(data), sha256=hand.sha(data))


def _twice(copy: Copy) -> None:
    copy.rows.append({**copy.row("message", 0), "id": hand.item_id(0, 77, immutable=True)})


def _line_of(copy: Copy, kind: str, n: int, change: Callable[[hand.Row], object]) -> None:
    key, _, number = copy.row(kind, n)["key"].partition("!")
    line = copy.lines[key][int(number) - 1]
    change(line)
    data = hand._line(line)[:-1]
    copy.row(kind, n).update(size=len(data), sha256=hand.sha(data))


def _many(copy: Copy) -> None:
    copy.zips[MAIL_ZIP] |= {f"Inbox/{n:08d} x.eml": b"" for n in range(5, 1010)}


ORIGINALS: dict[str, tuple[Change, str]] = {
    "a message without a row": (lambda c: _drop(c, "message", 0), "messages once"),
    "two rows for one message": (_twice, "rows"),
    "a row of nothing": (lambda c: c.rows.append({**c.row("message", 3), "id": hand.item_id(0, 99)}), "nothing else"),
    "a row of another mailbox": (lambda c: c.rows.append({**c.row("message", 3), "id": "odd"}), "nothing else"),
    "other MIME": (_other_bytes, "MIME"),
    "a wrong digest in the row": (lambda c: c.row("message", 0).update(sha256="0" * 64), "rows"),
    "a message in another folder": (lambda c: c.row("message", 0).update(parent=hand.item_id(1, 5)), "in its folder"),
    "another id": (lambda c: c.row("message", 0).update(id=hand.item_id(0, 0)), "ids"),
    "excepted for no reason": (
        lambda c: [c.row("message", 0).update(outcome="excepted", code="x"), c.row("message", 0).pop("key")],
                               "messages copied"),
    "excepted with no code": (lambda c: c.row("message", 3).pop("code"), "rows"),
    "sealed, and said to be copied": (lambda c: c.row("message", 3).update(outcome="copied"), "excepted"),
    "no attachment of a sealed message": (lambda c: _drop(c, "attachment", 0), "excepted"),
    "a message that is gone": (lambda c: c.row("message", 0).update(outcome="gone"), "gone"),
    "a wrong record": (lambda c: c.records[0]["graph"].update(isRead=False), "record.isRead"),
    "no record": (lambda c: c.records.pop(0), "records"),
    "a record of another folder": (lambda c: c.records[0].update(folder=["Elsewhere"]), "records"),
    "an entry that no row names": (lambda c: c.zips[MAIL_ZIP].update({"Inbox/00000005 x.eml": b""}), "rows"),
    "no entry": (lambda c: c.zips[MAIL_ZIP].pop(_entry(c, 0)), "rows"),
    "too many entries": (_many, "zip limits"),
    "a wrong number": (lambda c: _rename(c, 0, "Inbox/00001009 RE Hello.eml"), "entry names"),
    "a number of another": (lambda c: _rename(c, 1, "Inbox!Twin/00000001 Files.eml"), "entry names"),
    "a name that climbs": (lambda c: _rename(c, 0, "../00000001 RE.eml"), "entry names"),
    "a long folder": (lambda c: _rename(c, 0, "x" * 101 + "/00000001 RE.eml"), "entry names"),
    "a long subject": (lambda c: _rename(c, 0, "Inbox/00000001 " + "é" * 41 + ".eml"), "entry names"),
    "a control in a name": (lambda c: _rename(c, 0, "Inbox/00000001 a\tb.eml"), "entry names"),
    "no folder": (lambda c: _drop(c, "folder", 3), "folders"),
    "a folder of another class": (lambda c: c.row("folder", 6)["service"].update({"class": "mail"}), "folders"),
    "a folder too many": (lambda c: c.rows.append({**c.row("folder", 1), "id": hand.item_id(1, 50)}), "nothing else"),
    "a contact without a row": (lambda c: _drop(c, "contact", 0), "contacts once"),
    "a contact that says something else": (
        lambda c: _line_of(c, "contact", 0, lambda line: line["graph"].update(surname="Strasse")),
                                           "contact.surname"),
    "a contact without its photo": (lambda c: _line_of(c, "contact", 0, lambda line: line.pop("photo")), "contact photos"),
    "an event at another time": (
        lambda c: _line_of(c, "event", 0, lambda line: line["graph"]["start"].update(timeZone="UTC")),
        "event.start",
    ),
    "a series without its exception": (lambda c: _line_of(c, "event", 1, lambda line: line["graph"].pop("exceptionOccurrences")),
                                       "changed occurrences"),
    "a series that forgets a cancelled day": (
        lambda c: _line_of(c, "event", 1, lambda line: line["graph"].update(cancelledOccurrences=[])),
                                              "cancelled occurrences"),
    "the line of another item": (lambda c: _line_of(c, "task", 0, lambda line: line.update(id="x")), "task line"),
    "a task that says something else": (
        lambda c: _line_of(c, "task", 0, lambda line: line["graph"].update(title="x")),
        "task.title",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", ORIGINALS)
def test_originals_that_are_wrong(tenant: TinyTenant, name: str) -> None:
    change, kind = ORIGINALS[name]
    copy = make_copy(tenant)
    change(copy)
    assert kind in judged(tenant, copy).kinds()


def _put(copy: Copy, kind: str, n: int, tag: object, value: object) -> None:
    copy.message(kind, n).properties[tag] = value


def _series(copy: Copy, **more: object) -> None:
    _put(copy, "event", 1, named("APPT", 0x8216, 0x0102), hand.series_blob(**more))  # type: ignore[arg-type]


LATER = datetime(2025, 5, 6, 7, 8, 10, tzinfo=UTC)
COMPOSED: dict[str, tuple[Change, str]] = {
    "a message that is not there": (lambda c: c.composed.pop(0), "messages in the PST"),
    "a message too many": (
        lambda c: c.composed.insert(0, hand.Composed({}, ("Inbox",), {0x0037001F: "x", 0x30070040: LATER})),
        "nothing else",
    ),
    "two rows for one message": (
        lambda c: c.composed.append(hand.Composed(c.row("message", 0), ("Inbox",), {0x30070040: LATER})),
        "nothing else",
    ),
    "in another folder": (lambda c: setattr(c.message("message", 0), "folder", ("Inbox", "Twin")), "in its PST folder"),
    "twins in one folder": (lambda c: setattr(c.message("message", 2), "folder", ("Inbox", "Twin")), "folders kept apart"),
    "no empty folder": (lambda c: [c.folders.remove(one) for one in c.folders if one[0][-1] == "Sync"], "PST folders"),
    "a folder too many": (lambda c: c.folders.append((("Elsewhere",), "IPF.Note")), "no other PST folders"),
    "another container class": (lambda c: c.folders.__setitem__(8, (("Calendar", "Calendar"), "IPF.Note")), "container classes"),
    "another class": (lambda c: _put(c, "message", 0, 0x001A001F, "IPM.Post"), "class"),
    "another subject": (lambda c: _put(c, "message", 0, 0x0037001F, "RE: Hello O"), "subject"),
    "another sender": (lambda c: _put(c, "message", 0, 0x5D01001F, "x@other.example"), "address of sender"),
    "another name": (lambda c: _put(c, "message", 0, 0x0042001F, "Bob"), "name of from"),
    "a recipient less": (lambda c: c.message("message", 0).recipients.clear(), "recipients"),
    "a recipient of another kind": (
        lambda c: c.message("message", 0).recipients.__setitem__(0, recipient(2, *hand.ANNA)),
        "recipients",
    ),
    "a recipient too many": (lambda c: c.message("message", 0).recipients.append(recipient(3, *hand.BOB)), "recipients"),
    "sent a second later": (lambda c: _put(c, "message", 0, 0x00390040, LATER), "sent date"),
    "received a second later": (lambda c: _put(c, "message", 0, 0x0E060040, LATER), "received date"),
    "unread": (lambda c: _put(c, "message", 0, 0x0E070003, 0), "read"),
    "a draft": (lambda c: _put(c, "message", 0, 0x0E070003, 9), "draft"),
    "to be sent": (lambda c: _put(c, "message", 0, 0x0E070003, 5), "flags"),
    "no flag": (lambda c: c.message("message", 0).properties.pop(0x10900003), "flag status"),
    "due another day": (lambda c: _put(c, "message", 0, named("TASK", 0x8105, 0x0040), LATER), "flag dates"),
    "categories in another order": (
        lambda c: _put(c, "message", 0, named("PUBLIC", "Keywords", 0x101F), ["Blue", "Red"]),
        "categories",
    ),
    "another importance": (lambda c: _put(c, "message", 0, 0x00170003, 1), "importance"),
    "another body": (lambda c: _put(c, "message", 0, 0x1000001F, "Body of 1"), "body (text)"),
    "no attachment": (lambda c: c.message("message", 1).attachments.pop(0), "attachments"),
    "other bytes": (lambda c: c.message("message", 1).attachments.__setitem__(0, Attachment({0x3707001F: "a.png"}, data=b"x")),
                    "attachments"),
    "another name of an attachment": (
        lambda c: c.message("message", 1).attachments.__setitem__(0, Attachment({0x3707001F: "b.png"}, data=hand.PNG)),
        "attachment names"),
    "an attachment too many": (lambda c: c.message("message", 0).attachments.append(Attachment({0x3707001F: "b"}, data=b"x")),
                               "attachments"),
    "no attached message": (lambda c: c.message("message", 1).attachments.pop(1), "nested items"),
    "an attached message of another text": (lambda c: c.message("message", 1).attachments[1].message.properties.update(  # type: ignore[union-attr]
        {0x1000001F: "outside"}), "body (text)"),
    "no bytes of what is sealed": (lambda c: c.message("message", 3).attachments.clear(), "attachments"),
    "a contact of another name": (lambda c: _put(c, "contact", 0, 0x3A11001F, "Strasse"), "contact surname"),
    "a contact born on another day": (lambda c: _put(c, "contact", 0, named("ADDR", 0x80DE, 0x0040), LATER), "contact birthday"),
    "a contact without its photo": (lambda c: c.message("contact", 0).attachments.clear(), "contact photo"),
    "a contact with a company": (lambda c: _put(c, "contact", 0, 0x3A16001F, "None"), "contact companyName"),
    "an event an hour late": (lambda c: _put(c, "event", 0, named("APPT", 0x820D, 0x0040), datetime(2026, 3, 2, 10, tzinfo=UTC)),
                              "event start"),
    "an event all day": (lambda c: _put(c, "event", 0, named("APPT", 0x8215, 0x000B), True), "event isAllDay"),
    "an event without its attendee": (lambda c: c.message("event", 0).recipients.pop(), "event attendees"),
    "an event with another attendee": (lambda c: c.message("event", 0).recipients.append(recipient(1, "C", "c@x.example")),
                                       "event attendees"),
    "no series": (lambda c: c.message("event", 1).properties.pop(named("APPT", 0x8216, 0x0102)), "event series"),
    "no zone": (lambda c: c.message("event", 1).properties.pop(named("APPT", 0x8260, 0x0102)), "event series"),
    "a series in another zone": (
        lambda c: _put(c, "event", 1, named("APPT", 0x8260, 0x0102), hand.berlin(bias=0)),
        "event series",
    ),
    "a series that ends early": (lambda c: _series(c, until=20), "event series"),
    "another day cancelled": (lambda c: _series(c, cancelled=(2026, 3, 18)), "event series"),
    "moved elsewhere": (lambda c: _series(c, moved=(2026, 4, 2, 16, 0)), "event series"),
    "a task that is done": (lambda c: _put(c, "task", 0, named("TASK", 0x8101, 0x0003), 2), "task status"),
    "a task due another day": (lambda c: _put(c, "task", 0, named("TASK", 0x8105, 0x0040), LATER), "task dueDateTime"),
    "a task without its list": (lambda c: _put(c, "task", 0, 0x1000001F, "soon"), "task checklist"),
}  # fmt: skip


@pytest.mark.parametrize("name", COMPOSED)
def test_psts_that_are_wrong(tenant: TinyTenant, name: str) -> None:
    change, kind = COMPOSED[name]
    copy = make_copy(tenant)
    change(copy)
    assert kind in judged(tenant, copy).kinds()


def _damage(path: Path, at: int = -30) -> None:
    data = bytearray(path.read_bytes())
    data[at] ^= 0xFF
    path.write_bytes(data)


def _unrowed(bag: Path) -> None:
    (bag / "data/originals/mail-00009.zip").write_bytes(b"")


def _owes(bag: Path) -> None:
    (bag / "lastcopy/owed.jsonl").write_text('{"id": "x"}\n')


def _unlike(bag: Path) -> None:
    path = bag / "lastcopy/items.jsonl"
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[1:]))


@pytest.mark.parametrize(
    ("after", "kind"),
    [
        (lambda bag: _damage(bag / MAIL_ZIP), "payload"),
        (lambda bag: (bag / MAIL_ZIP).unlink(), "payload"),
        (lambda bag: _damage(bag / "data/pst/anna.pst", 0x4600), "payload"),
        (_unrowed, "payload"),
        (_owes, "bag frame"),
        (_unlike, "bag frame"),
        (lambda bag: (bag / "lastcopy/ledger/000000001.jsonl").write_bytes(b"{}\n"), "bag frame"),
        (lambda bag: (bag / "data/pst/parts.json").unlink(), "parts"),
    ],
)
def test_a_frame_that_is_wrong(tenant: TinyTenant, after: Callable[[Path], object], kind: str) -> None:
    assert kind in judged(tenant, make_copy(tenant), after).kinds()


def test_recoverable_items_that_nobody_asked_for(tenant: TinyTenant) -> None:
    assert "not asked for" in judged(tenant, make_copy(tenant), recoverable=False).kinds()


def test_a_mailbox_without_a_bag(tenant: TinyTenant, tmp_path: Path) -> None:
    store = make_copy(tenant).write(tmp_path / "store")
    for path in (store / "sources").iterdir():
        path.unlink()
    assert judge_mail.judge(tenant.folder, store, Expectation()).kinds() == {"mailboxes"}


def test_what_cannot_be_composed_is_a_difference_with_its_code(tenant: TinyTenant) -> None:
    copy = make_copy(tenant)
    lost = copy.composed.pop(0)
    copy.parts["not_composed"].append({"id": lost.row["id"], "code": "mime_refused"})
    assert judged(tenant, copy).kinds() == {"not composed"}


def test_the_command(tenant: TinyTenant, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    store = str(make_copy(tenant).write(tmp_path / "store"))
    assert judge_mail.main([str(tenant.folder), store, "--recoverable"]) == 0
    assert "no differences" in capsys.readouterr().out
    assert judge_mail.main([str(tenant.folder), store]) == 3
    assert "not asked for: " in capsys.readouterr().out
    assert judge_mail.main([str(tmp_path), store]) == 2


# -- changes ------------------------------------------------------------------------------------------------------------


def _applied(tenant: TinyTenant, *changes: hand.Row) -> Path:
    path = tenant.folder.parent / "changes.jsonl"
    path.write_text("".join(json.dumps({"user": hand.USER, "kind": "message", **change}) + "\n" for change in changes))
    return path


def test_the_truth_after_changes(tenant: TinyTenant) -> None:
    ids = [hand.item_id(0, n) for n in range(5)]
    changes = _applied(
        tenant,
        {"id": ids[0], "op": "move", "to": hand.item_id(1, 3)},
        {"id": ids[1], "op": "move-back", "to": hand.item_id(1, 1)},
        {"id": ids[2], "op": "delete"},
        {"id": ids[2], "op": "update", "set": {"isRead": False}},
        {"id": ids[1], "op": "update", "set": {"isRead": False}},
        {"kind": "folder", "op": "create", "name": "New", "to": "inbox"},
        {"kind": "folder", "id": hand.item_id(1, 4), "op": "rename", "name": "Other"},
        {"id": ids[0], "op": "copy", "to": "deleteditems"},
        {"kind": "driveItem", "drive": "x", "id": "y", "op": "delete"},
    )
    truth = load(tenant.folder, [changes])
    box = truth.mailboxes[hand.USER]
    rows = {n: (row.get("isRead"), place) for n, row, place in box.items("message")}
    assert rows == {0: (True, 3), 1: (False, 3), 3: (True, 1), 4: (True, 7), 5: (True, 2)}
    names = {folder.n: folder.names for folder in box.folders() if folder.kind == "folder"}
    assert names[4] == ("Inbox", "Other")
    assert names[8] == ("Inbox", "New")
    assert truth.done["skipped"] == 1


def test_a_copy_from_before_the_changes(tenant: TinyTenant, tmp_path: Path) -> None:
    store = make_copy(tenant).write(tmp_path / "store")
    changes = _applied(
        tenant,
        {"id": hand.item_id(0, 0), "op": "update", "set": {"isRead": False}},
        {"id": hand.item_id(0, 1), "op": "move", "to": hand.item_id(1, 1)},
        {"id": hand.item_id(0, 2), "op": "delete"},
    )
    found = judge_mail.judge(tenant.folder, store, Expectation(recoverable=True), changes=[changes])
    assert {"record.isRead", "read", "in its folder", "in its PST folder", "nothing else"} <= found.kinds()


def test_a_change_that_nobody_knows(tenant: TinyTenant) -> None:
    with pytest.raises(TruthBroken):
        load(tenant.folder, [_applied(tenant, {"id": hand.item_id(0, 0), "op": "explode"})])


# -- series and zones ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("blob", "count", "first"),
    [  # reference/mapi-mapping.md §3.2, "Further built examples"
        ("043004300A2000000000400B0000E01000000000000022200000050000000000000000000000000000000017540D805A540D0630000009"
         "3000001C0200003A02000000000000000000000000", 5, datetime(2026, 3, 2, 9)),  # noqa: DTZ001
        ("043004300B20010000000000000002000000000000002A000000212000001B0000000100000000000000000000000017540D00BA560D06"
         "30000009300000580200009402000000000000000000000000", 27, datetime(2026, 3, 2, 10)),  # noqa: DTZ001
        ("043004300C200300000060AE000002000000000000001000000005000000232000000A0000000000000000000000000000008000540DDF"
         "80E95A06300000093000001C0200005802000000000000000000000000", 19, datetime(2026, 2, 26, 9)),  # noqa: DTZ001
        ("043004300D2002000000C05607000C0000000000000018000000232000000A0000000000000000000000000000008098520DDF80E95A06"
         "3000000930000000000000A005000000000000000000000000", 4, datetime(2025, 12, 24)),  # noqa: DTZ001
    ],
)  # fmt: skip
def test_blobs_of_the_mapping(blob: str, count: int, first: datetime) -> None:
    found = read_recurrence(bytes.fromhex(blob))
    spans = occurrences(found, found.start + 3 * 366 * DAY)
    assert (len(spans), moment(spans[0][0])) == (count, first)


def test_a_blob_that_is_none() -> None:
    whole = hand.series_blob()
    for bad in (b"", whole[:60], b"\0" * 80, whole[:1] + b"\x31" + whole[2:]):
        with pytest.raises(BlobBroken):
            read_recurrence(bad)


def test_outlook_s_own_series() -> None:
    """The sample of §3.2: one day deleted, two moved."""
    blob = bytes.fromhex(
        "043004300B2001000000C021000001000000000000000400000023200000 0A00000000000000 03000000805C070D40AB070DA0D2070D"
        "0200000040AB070DA0D2070D 2035070DDF80E95A 0630000009300000 E0010000FE010000 0200 5CAD070D7AAD070D20AD070D0002"
        "F8D4070D16D5070D80D4070D0002 00000000 040000000000000000000000 040000000000000000000000 00000000"
    )
    found = [
        moment(start) for start, _ in occurrences(read_recurrence(blob), (date(2016, 9, 6) - BEGIN.date()).days * DAY)
    ]
    days = [(8, 2, 8), (8, 16, 8), (8, 23, 9), (8, 30, 10), (9, 6, 8)]
    assert found == [datetime(2016, month, day, hour) for month, day, hour in days]  # noqa: DTZ001


def _definition(rules: list[tuple[int, int, int, tuple[int, ...], tuple[int, ...]]]) -> bytes:
    name = "Zone"
    data = (
        struct.pack("<BBHHH", 2, 1, 6 + 2 * len(name), 2, len(name))
        + name.encode("utf-16-le")
        + struct.pack("<H", len(rules))
    )
    for year, bias, more, standard, daylight in rules:
        data += struct.pack("<BBHHH14xiii", 2, 1, 0x3E, 2, year, bias, 0, more)
        for month, weekday, week, hour in (standard, daylight):
            data += struct.pack("<8H", 0, month, weekday, week, hour, 0, 0, 0)
    return data


@pytest.mark.parametrize(
    ("zone", "rule"),
    [
        ("Europe/Berlin", (1601, -60, -60, (10, 0, 5, 3), (3, 0, 5, 2))),
        ("America/New_York", (1601, 300, -60, (11, 0, 1, 2), (3, 0, 2, 2))),
        ("Australia/Sydney", (1601, -600, -60, (4, 0, 1, 3), (10, 0, 1, 2))),
        ("Asia/Kolkata", (1601, -330, 0, (0, 0, 0, 0), (0, 0, 0, 0))),
    ],
)
def test_zones_agree_with_zoneinfo(zone: str, rule: tuple[int, int, int, tuple[int, ...], tuple[int, ...]]) -> None:
    found: Zone = read_definition(_definition([rule]))
    wall = datetime(2024, 1, 1)  # noqa: DTZ001
    for _ in range(24 * 366):
        assert found.instant(wall) == wall.replace(tzinfo=ZoneInfo(zone)).astimezone(UTC), wall
        wall += timedelta(hours=1)


@pytest.mark.parametrize(
    ("pattern", "start", "days"),
    [
        ({"type": "absoluteMonthly", "dayOfMonth": 31}, "2026-01-10", ["2026-01-31", "2026-02-28", "2026-03-31"]),
        ({"type": "absoluteMonthly", "dayOfMonth": 5, "interval": 2}, "2026-01-10", ["2026-03-05", "2026-05-05", "2026-07-05"]),
        ({"type": "absoluteYearly", "dayOfMonth": 29, "month": 2}, "2024-01-01", ["2024-02-29", "2025-02-28", "2026-02-28"]),
        ({"type": "relativeMonthly", "daysOfWeek": ["monday"], "index": "last"}, "2026-01-01",
         ["2026-01-26", "2026-02-23", "2026-03-30"]),
        ({"type": "weekly", "daysOfWeek": ["sunday"], "interval": 2, "firstDayOfWeek": "monday"}, "2026-01-05",
         ["2026-01-11", "2026-01-25", "2026-02-08"]),
        ({"type": "weekly", "daysOfWeek": ["sunday"], "interval": 2, "firstDayOfWeek": "sunday"}, "2026-01-05",
         ["2026-01-18", "2026-02-01", "2026-02-15"]),
    ],
)  # fmt: skip
def test_days_of_a_pattern(pattern: hand.Row, start: str, days: list[str]) -> None:
    limits = {"type": "numbered", "startDate": start, "numberOfOccurrences": 3}
    assert [day.isoformat() for day in event_truth.days_of({"pattern": pattern, "range": limits})] == days


def test_a_zip_with_a_wrong_sum(tenant: TinyTenant) -> None:
    """Bytes that the manifest was made for, and that no unzip reads."""
    copy = make_copy(tenant)
    copy.objects[MAIL_ZIP] = b"no zip"
    del copy.zips[MAIL_ZIP]
    assert "originals" in judged(tenant, copy).kinds()
    assert zipfile.is_zipfile(tenant.folder / "tenant.json") is False
