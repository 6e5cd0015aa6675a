"""What of the second capture is decided without a tenant: containers, joins, and what the first capture should have."""

import io
import struct

import pytest

from exporters.bag.formats import JsonObject, dump_json
from exporters.bag.state import State
from exporters.mail.capture.framing import BrokenContainerError, version_of
from exporters.mail.capture.joins import Join, key_bytes, should_be_held
from exporters.mail.originals import STREAMS, entry_of, object_key, stream_entry
from tests.unit.mail import streams as s


def test_version_of_a_whole_container() -> None:
    assert version_of(io.BytesIO(s.container(b"abcd"))) == list(struct.unpack("<3H", s.VERSION))


def test_container_that_breaks_off_is_told_at_every_byte() -> None:
    raw = s.container(b"abcd")
    for cut in range(len(raw)):
        with pytest.raises(BrokenContainerError):
            version_of(io.BytesIO(raw[:cut]))
    with pytest.raises(BrokenContainerError):
        version_of(io.BytesIO(b"<html>" + bytes(40)))


def test_keys_are_compared_as_bytes() -> None:
    digits = "0123456789abcdef" * 2
    assert key_bytes(digits) == key_bytes(digits.upper()) == bytes.fromhex(digits)
    assert key_bytes("ASNFZ4mrze8BI0VniavN7w==") == bytes.fromhex(digits)
    assert key_bytes("no key at all") == b"no key at all"


def _state(*rows: JsonObject) -> State:
    state = State()
    for number, row in enumerate(rows):
        whole = {
            "kind": "message",
            "scope": "",
            "id": f"m{number}",
            "parent": "f",
            "name": "",
            "outcome": "copied",
            **row,
        }
        state.apply("item", whole, dump_json(whole), 1)
    return state


def test_join_is_by_entry_id_first_and_by_a_search_key_that_one_item_alone_has() -> None:
    state = _state(
        {"service": {"entryId": "RTE=", "searchKey": "UzE="}},
        {"service": {"entryId": "RTI=", "searchKey": "UzE="}},
        {"service": {"searchKey": "UzI="}},
        {"service": {"searchKey": "UzM="}, "outcome": "gone"},
        {"service": {}},
    )
    join = Join(state)
    assert join.find("RTI=", "UzE=") == "m1"
    assert join.find("RTk=", "UzI=") == "m2"  # moved since: another entry id, the same search key
    assert join.find(None, "UzE=") is None and join.find(None, "UzM=") is None and join.find(None, None) is None
    join.close()
    state.close()


@pytest.mark.parametrize(
    ("folder", "of", "held"),
    [
        ("IPF.Note", "IPM.Note", True),
        ("IPF.Note", "REPORT.IPM.Note.NDR", True),
        ("IPF.Contact", "IPM.Contact", True),
        ("IPF.Contact", "IPM.Contact.Special", True),
        ("IPF.Contact", "IPM.DistList", False),
        ("IPF.Contact", "IPM.ContactsOther", False),
        ("IPF.Appointment", "IPM.Appointment", True),
        ("IPF.Task", "IPM.Task", True),
        ("IPF.StickyNote", "IPM.StickyNote", False),
        ("IPF.Journal", "IPM.Activity", False),
        ("", "IPM.Note", False),
    ],
)
def test_what_the_first_capture_should_have(folder: str, of: str, held: bool) -> None:
    assert should_be_held(folder, {"service": {"class": of}}) is held


def test_entries_are_numbered_through_all_zips() -> None:
    assert (stream_entry(1, 1), stream_entry(3, 17)) == ("00000001.fts", "00002017.fts")
    key = f"{object_key(STREAMS, 3, 'zip')}!{stream_entry(3, 17)}"
    assert entry_of(key) == ("data/originals/streams-00003.zip", "00002017.fts")
