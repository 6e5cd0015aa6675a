"""Folders, messages, attachments and names in whole stores: judged by pst_check, libpff, readpst and Outlook's empty store."""

import hashlib
import importlib.util
import struct
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from exporters.pst import (
    Attachment,
    FileSink,
    LimitReached,
    Message,
    MessageRefused,
    NamedProperty,
    PstError,
    ValueRefused,
    Writer,
    entry_id,
    one_off_entry_id,
    recipient,
)
from exporters.pst.messaging.messages import stored_subject
from exporters.pst.messaging.named_properties import MAX_NAMES, PS_INTERNET_HEADERS, PSETID_COMMON, NameToIdMap
from tests.unit.pst import samples
from tests.unit.pst.judges import SAMPLES, Checked, checker, pypff, readpst
from tests.unit.pst.samples import BODY, CLASS, CREATED, DELIVERED, FLAGS, OWN, SUBJECT, TIME, plain


def store(path: Path, fill: Callable[[Writer], Any], **options: frozenset[str]) -> Checked:
    """A store that passed the checker."""
    with path.open("w+b") as file, Writer(lambda part: FileSink(file), seed=b"s", display_name="Store") as writer:
        fill(writer)
    return Checked(path, **options)


def one(path: Path, message: Message) -> tuple[Checked, dict[int, bytes], Any]:
    """A store of one message: what the checker read of its properties, and its node."""
    checked = store(path, lambda writer: writer.add_message(writer.top, message))
    (nid,) = checked.messages(0x8022)
    node = checked.node(nid)
    return checked, checked.properties(node), node


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("sample") / "sample.pst"
    samples.write_sample(path)
    return path


def test_the_sample_store_is_clean(sample: Path) -> None:
    checked = Checked(sample)
    assert checked.stats == {
        "folders": 10, "messages": 26, "assoc": 1, "attachments": 45, "embedded": 9, "recipients": 1234,
    }  # fmt: skip
    folders = checked.folders()
    top = "/Top of Outlook data file"
    below = folders[f"{top}/Inbox/Projekte ä"]
    properties = checked.properties(checked.node(below))
    assert properties[0x36020003] == (16).to_bytes(4, "little")  # 4 rich ones, 12 plain ones
    assert properties[0x36030003] == (8).to_bytes(4, "little")
    assert properties[0x360A000B] == b"\1"
    assert checked.properties(checked.node(folders[f"{top}/Contacts"]))[0x3613001F].decode("utf-16-le") == "IPF.Contact"
    assert folders[f"{top}/Deleted Items"] == 0x8062


def test_libpff_reads_what_was_written(sample: Path) -> None:
    file = pypff().file()
    file.open(str(sample))
    folders = {}

    def walk(folder: Any, path: str) -> None:
        for child in folder.sub_folders:
            folders[f"{path}/{child.name}"] = child
            walk(child, f"{path}/{child.name}")

    walk(file.get_root_folder(), "")
    inbox = folders["/Top of Outlook data file/Inbox"]
    assert inbox.get_number_of_sub_messages() == 8
    message = next(m for m in inbox.sub_messages if m.subject == "RE: Hello 5")
    assert message.plain_text_body.decode() == "body \U0001f600" * 250
    assert message.html_body == b"<p>hi</p>" * 500
    assert message.delivery_time == (TIME.replace(tzinfo=None, minute=9))
    attachment = message.get_attachment(0)
    assert attachment.get_size() == 25000
    assert attachment.read_buffer(25000) == b"z" * 25000
    assert file.get_number_of_orphan_items() == 0
    file.close()


def test_readpst_gives_attachments_back(sample: Path, tmp_path: Path) -> None:
    files = readpst(sample, tmp_path / "out")
    texts = [file.read_text(errors="replace") for file in files if file.suffix == ".eml"]
    assert sum("Subject: Hello" in text for text in texts) == 13
    assert sum("Subject: RE: Hello" in text for text in texts) == 12


def test_the_empty_store_is_outlooks(tmp_path: Path) -> None:
    """Nodes and properties of our empty store against those of `outlook-pst-rs__Empty.pst`; each difference is named here."""
    model_path = SAMPLES / "outlook-pst-rs__Empty.pst"
    checker()
    if not model_path.exists():
        pytest.skip("../shared/data/pst is not there")
    ours, model = store(tmp_path / "a.pst", lambda writer: None), Checked(model_path)
    assert set(model.ndb.nbt) - set(ours.ndb.nbt) == {
        0xE01,  # index of messages by conversation: Outlook builds it; an empty one beside messages would be wrong
        0xEE1, 0xF01,  # undocumented state of the program
    }  # fmt: skip
    assert set(ours.ndb.nbt) <= set(model.ndb.nbt)
    for nid, (_, _, parent) in ours.ndb.nbt.items():
        assert model.ndb.nbt[nid][2] == parent, hex(nid)
        assert bool(model.ndb.nbt[nid][0]) == bool(ours.ndb.nbt[nid][0]), hex(nid)
    used = {0x12F, 0x802D, 0x802E, 0x804D, 0x808F}  # columns that Outlook added to these when it used them
    for nid in (nid for nid in ours.ndb.nbt if nid & 0x1F in (0x0B, 0x0C, 0x0D, 0x0E, 0x0F, 0x10, 0x11, 0x12)):
        if nid not in used:
            assert ours.columns(nid) == model.columns(nid), hex(nid)
    for nid, missing in ((0x21, {0x66FC0003}), (0x122, set()), (0x2223, set()), (0x2227, set()), (0x8022, set()),
                         (0x8042, set()), (0x8062, {0x3004001F}), (0x8082, {0x3004001F})):  # fmt: skip
        mine, theirs = (c.properties(c.node(nid)) for c in (ours, model))
        assert set(theirs) - set(mine) == missing, hex(nid)
        assert not set(mine) - set(theirs), hex(nid)
        same = {tag for tag in mine if tag >> 16 not in (0x0E34, 0x0FF9, 0x3001, 0x35E0, 0x35E3, 0x35E6, 0x35E7)}
        assert {tag: mine[tag] for tag in same} == {tag: theirs[tag] for tag in same}, hex(nid)
    assert ours.rows(ours.node(0x62B))[1][0x66050003] == model.rows(model.node(0x62B))[1][0x66050003]
    for nid in (0x60D, 0x60E, 0x60F, 0x610, 0x64C, 0x671, 0x692, 0x6B6, 0x6D7, 0x6F8, 0xC01, 0x201):
        assert ours.ndb.stream(ours.ndb.nbt[nid][0]) == model.ndb.stream(model.ndb.nbt[nid][0]), hex(nid)


def test_what_a_message_needs_is_filled_in(tmp_path: Path) -> None:
    checked, properties, node = one(tmp_path / "a.pst", Message({DELIVERED: TIME}))
    assert properties[CLASS].decode("utf-16-le") == "IPM.Note"
    assert properties[0x30080040] == properties[CREATED] == properties[DELIVERED]
    assert len(properties[0x300B0102]) == 16
    assert struct.unpack("<i", properties[0x0E080003])[0] == checked.ndb.data_bytes(node.data, node.sub)
    (row,) = checked.messages(0x8022).values()
    assert row[0x30130102] == hashlib.md5(b"", usedforsecurity=False).digest()


def test_a_message_without_any_time_is_refused(tmp_path: Path) -> None:
    with pytest.raises(MessageRefused, match="has no time"):
        one(tmp_path / "a.pst", Message({SUBJECT: "x"}))


@pytest.mark.parametrize(
    ("subject", "stored"),
    [
        ("Hello", "\x01\x01Hello"), ("FW: original", "\x01\x05FW: original"), ("RE: ", "\x01\x05RE: "), ("", "\x01\x01"),
        ("Termin: x", "\x01\x01Termin: x"), ("R2: x", "\x01\x01R2: x"), ("AW:x", "\x01\x01AW:x"),
        ("\x01\x02as is", "\x01\x02as is"),
    ],
)  # fmt: skip
def test_subjects_tell_the_length_of_their_prefix(subject: str, stored: str) -> None:
    assert stored_subject(subject) == stored


def test_conversations_are_those_of_outlook(tmp_path: Path) -> None:
    """Tracked: the GUID of the index; else MD5 of the topic in capitals (13 of 13 and 26 of 26 in the samples)."""
    index = bytes.fromhex("01d321c5c2dc64ee4b2f50da41d68f42001487a4d229")

    def fill(writer: Writer) -> None:
        writer.add_message(writer.top, Message({DELIVERED: TIME, 0x00710102: index, 0x3016000B: True}))
        writer.add_message(writer.top, Message({DELIVERED: TIME, 0x00710102: index, 0x0070001F: "HTML body"}))

    checked = store(tmp_path / "a.pst", fill)
    ids = [row[0x30130102].hex() for row in checked.messages(0x8022).values()]
    assert ids == [index[6:].hex(), "9b0fb8b41acbcb3e9be2a530a357c1f1"]


def test_rows_cut_long_strings_between_characters(tmp_path: Path) -> None:
    subject = "a" + "\U0001f600" * 3000
    checked, properties, _ = one(
        tmp_path / "a.pst", Message({DELIVERED: TIME, SUBJECT: subject, 0x0E03001F: "b" * 300})
    )
    assert properties[SUBJECT].decode("utf-16-le") == f"\x01\x01{subject}"
    (row,) = checked.messages(0x8022).values()
    assert row[SUBJECT].decode("utf-16-le") == "\x01\x01a" + "\U0001f600" * 126
    assert row[0x0E03001F].decode("utf-16-le") == "b" * 255


def test_thousands_of_recipients(tmp_path: Path) -> None:
    people = [recipient(1 + n % 3, f"Person {n}", f"p{n}@example.com") for n in range(3_000)]
    checked, _, node = one(tmp_path / "a.pst", Message({DELIVERED: TIME}, people))
    rows = checked.rows(node.child(0x692))
    assert len(rows) == 3_000
    assert rows[3_000][0x39FE001F].decode("utf-16-le") == "p2999@example.com"


def nested(depth: int) -> Message:
    inner = [Attachment({0x3001001F: "inner"}, message=nested(depth - 1))] if depth else []
    return Message({SUBJECT: f"depth {depth}", CREATED: TIME, BODY: "b" * 2000}, [recipient(1, "A", "a@b.c")], inner)


def test_messages_inside_messages(tmp_path: Path) -> None:
    assert one(tmp_path / "a.pst", nested(30))[0].stats["embedded"] == 30
    with pytest.raises(LimitReached, match=r"(attachment 1, ){30}attachment 1: more than 30"):
        one(tmp_path / "b.pst", nested(31))


def test_attachments_of_every_length(tmp_path: Path) -> None:
    sizes = [0, 1, 3580, 3581, 8176, 8177, 1021 * 8176, 1023 * 8176 + 1]
    attachments = [Attachment({0x3704001F: str(size)}, data=_pieces(size)) for size in sizes]
    checked, properties, node = one(tmp_path / "a.pst", Message({DELIVERED: TIME}, (), attachments))
    assert properties[FLAGS] == b"\x10\0\0\0"
    for size, nid in zip(sizes, checked.rows(node.child(0x671)), strict=True):
        data = checked.properties(node.child(nid))[0x37010102]
        assert hashlib.sha256(data).digest() == hashlib.sha256(b"".join(_pieces(size))).digest()


def _pieces(size: int) -> Any:
    block = bytes(range(256)) * 259
    return (block[: min(len(block), size - at)] for at in range(0, size, len(block)))


@pytest.mark.parametrize("count", [1, 338, 339, 340, 341, 700])
def test_hundreds_of_attachments(tmp_path: Path, count: int) -> None:
    attachments = (Attachment({0x3704001F: str(n)}, data=b"%d" % n) for n in range(count))
    checked, _, node = one(tmp_path / "a.pst", Message({DELIVERED: TIME}, (), attachments))
    assert len(checked.rows(node.child(0x671))) == count


@pytest.mark.parametrize(
    ("message", "place"),
    [
        (Message({DELIVERED: TIME, SUBJECT: "a\0"}, label="x"), "folder 'F', x, property 0x0037001F: a NUL"),
        (Message({DELIVERED: TIME, 0x80050003: 1}), "message 1, property 2147811331: no tag"),
        (Message({DELIVERED: TIME, NamedProperty(OWN, "", 3): 1}), "1 to 127"),
        (Message({DELIVERED: TIME, NamedProperty(OWN, -1, 3): 1}), "no number of a named property"),
        (Message({DELIVERED: TIME}, [{0x3001001F: "\ud800"}]), "recipient 1, property 0x3001001F: a lone surrogate"),
        (
            Message({DELIVERED: TIME}, (), [Attachment({}, data=b""), Attachment({0x37050003: "x"})]),
            "attachment 2, property 0x37050003",
        ),
        (Message({DELIVERED: TIME}, (), [Attachment({}, message=Message({}))]), "attachment 1: has no time"),
        (Message({DELIVERED: TIME}, (), [Attachment({}, data=b"", message=plain())]), "attachment 1: holds a message"),
        (Message({DELIVERED: TIME}, (), [Attachment({0x37050003: 1}, message=plain())]), "attachment 1: holds a message"),
        (Message({DELIVERED: TIME}, (), [Attachment({0x37050003: 5})]), "attachment 1: lacks what its method 5"),
        (Message({DELIVERED: TIME}, (), [Attachment({0x37050003: 6})]), "attachment 1: lacks what its method 6"),
        (Message({DELIVERED: TIME}, (), [Attachment({0x37050003: 6}, data=b"")]), "an object without contents"),
        (Message({DELIVERED: TIME, 0x10130102: b"", 0x1013001F: ""}), "set twice"),
        (Message({DELIVERED: TIME, FLAGS: "1"}), "flags"),
    ],
)  # fmt: skip
def test_errors_name_the_item_and_leave_nothing_behind(tmp_path: Path, message: Message, place: str) -> None:
    def fill(writer: Writer) -> None:
        folder = writer.add_folder(writer.top, "F")
        with pytest.raises(PstError) as caught:
            writer.add_message(folder, message)
        assert place in str(caught.value)
        assert isinstance(caught.value, ValueRefused | MessageRefused)
        writer.add_message(folder, plain())

    assert store(tmp_path / "a.pst", fill).stats["messages"] == 1


def test_recipients_that_can_be_walked_only_once_are_refused() -> None:
    with pytest.raises(TypeError, match="walked twice"):
        Message({DELIVERED: TIME}, iter([recipient(1, "A", "a@example.com")]))  # type: ignore[arg-type]


def test_a_stream_that_breaks_leaves_nothing_behind(tmp_path: Path) -> None:
    def broken() -> Any:
        yield bytes(600_000)
        raise ConnectionError("reset")

    def fill(writer: Writer) -> None:
        for _ in range(3):
            with pytest.raises(ConnectionError, match="reset"):
                writer.add_message(writer.top, Message({DELIVERED: TIME}, (), [Attachment({}, data=broken())]))
            writer.add_message(writer.top, plain())

    assert store(tmp_path / "a.pst", fill).stats["messages"] == 3


def test_names_are_hashed_as_outlook_does(tmp_path: Path) -> None:
    names = NameToIdMap()
    assert names.tag(NamedProperty(PSETID_COMMON, 0x8503, 0x000B)) == 0x8000000B
    header = names.tag(NamedProperty(PS_INTERNET_HEADERS, "X-Mailer", 0x001F))
    assert names.tag(NamedProperty(PS_INTERNET_HEADERS, "x-mailer", 0x001F)) == header == 0x8002001F
    many: dict[int | NamedProperty, Any] = {NamedProperty(OWN, f"näme {n}", 0x0003): n for n in range(400)}
    checked, properties, _ = one(tmp_path / "a.pst", Message({DELIVERED: TIME, **many}))
    assert checked.messaging.names == 402
    assert properties[0x80020003] == bytes(4)


def test_names_run_out() -> None:
    names = NameToIdMap()
    for number in range(MAX_NAMES - 2):
        names.tag(NamedProperty(OWN, number, 3))
    with pytest.raises(LimitReached, match="32766"):
        names.tag(NamedProperty(OWN, "one more", 3))


def test_entry_ids_are_those_of_the_reference() -> None:
    assert entry_id(b"k" * 16, 0x8022) == bytes(4) + b"k" * 16 + b"\x22\x80\0\0"
    ann = one_off_entry_id("Ann Bo", "ann@example.com")
    assert len(ann) == 80
    assert ann.hex().startswith("00000000812b1fa4bea310199d6e00dd010f5402000001804100")


_sizes = st.sampled_from([0, 1, 254, 255, 256, 1789, 1790, 1791, 4087, 4088, 4089, 9000])


@st.composite
def _messages(draw: st.DrawFn) -> Message:
    properties: dict[int | NamedProperty, Any] = {DELIVERED: TIME, FLAGS: draw(st.integers(0, 3))}
    for tag in draw(
        st.sets(st.sampled_from([SUBJECT, BODY, 0x0042001F, 0x0E03001F, 0x0E04001F, 0x0070001F, 0x3001001F]))
    ):
        properties[tag] = draw(st.sampled_from("aß€\U0001f600")) * draw(_sizes)
    if draw(st.booleans()):
        properties[NamedProperty(OWN, draw(st.integers(0, 50)), 0x0102)] = b"n" * draw(_sizes)
    people = [recipient(1, "n" * draw(_sizes), "a@example.com") for _ in range(draw(st.integers(0, 3)))]
    attachments = [
        Attachment({0x3704001F: "f" * draw(_sizes)}, data=b"d" * 2 * draw(_sizes))
        for _ in range(draw(st.integers(0, 3)))
    ]
    return Message(properties, people, attachments)


_shapes = given(
    st.lists(st.tuples(st.integers(0, 30), _messages()), max_size=8), st.lists(st.integers(0, 30), max_size=8)
)
_slow = [HealthCheck.too_slow, HealthCheck.data_too_large]


@settings(max_examples=25, deadline=None, suppress_health_check=_slow)
@_shapes
def test_stores_of_any_shape(
    tmp_path_factory: pytest.TempPathFactory, messages: list[tuple[int, Message]], parents: list[int]
) -> None:
    path = _any_shape(tmp_path_factory, messages, parents)
    if importlib.util.find_spec("pypff"):
        _agrees_with_libpff(path, [message for _, message in messages])


@pytest.mark.soak
@settings(max_examples=1000, deadline=None, suppress_health_check=_slow)
@_shapes
def test_a_thousand_stores(
    tmp_path_factory: pytest.TempPathFactory, messages: list[tuple[int, Message]], parents: list[int]
) -> None:
    path = _any_shape(tmp_path_factory, messages, parents)
    _agrees_with_libpff(path, [message for _, message in messages])
    assert len(readpst(path, path.parent / "out")) == len(messages)


def _agrees_with_libpff(path: Path, messages: list[Message]) -> None:
    """What libpff finds in all folders: subjects, texts, attachments and recipients of the messages, no more and no fewer."""
    file = pypff().file()
    file.open(str(path))
    found: Counter[tuple[Any, ...]] = Counter()

    def walk(folder: Any) -> None:
        for message in folder.sub_messages:
            data = [message.get_attachment(number) for number in range(message.number_of_attachments)]
            sizes = sorted(len(part.read_buffer(part.get_size())) if part.get_size() else 0 for part in data)
            text = (message.plain_text_body or b"").decode()
            people = message.recipients.number_of_record_sets if message.recipients is not None else 0
            found[message.subject or "", text, tuple(sizes), people] += 1
        for child in folder.sub_folders:
            walk(child)

    walk(file.get_root_folder())
    assert file.get_number_of_orphan_items() == 0
    file.close()
    wanted: Counter[tuple[Any, ...]] = Counter()
    for message in messages:
        sizes = sorted(len(part.data) for part in message.attachments if isinstance(part.data, bytes))
        texts = message.properties.get(SUBJECT, ""), message.properties.get(BODY, "")
        wanted[*texts, tuple(sizes), len(message.recipients)] += 1
    assert found == wanted


def _any_shape(
    tmp_path_factory: pytest.TempPathFactory, messages: list[tuple[int, Message]], parents: list[int]
) -> Path:
    def fill(writer: Writer) -> None:
        folders = [writer.top]
        for number, parent in enumerate(parents):
            folders.append(writer.add_folder(folders[parent % len(folders)], f"{number}" * (number * 30 + 1)))
        for folder, message in messages:
            writer.add_message(folders[folder % len(folders)], message)

    path = tmp_path_factory.mktemp("any") / "a.pst"
    checked = store(path, fill)
    assert checked.stats.get("messages", 0) == len(messages)
    assert checked.stats["folders"] == 6 + len(parents)
    return path
