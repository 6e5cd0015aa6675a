"""`exportItems`: what is asked for comes whole, is said to be refused, or is said to be left out."""

import base64
import io
import json
import tempfile
import tracemalloc
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporters.clock import ManualClock
from exporters.errors import ItemError, TransientError
from exporters.graph.errors import (
    ForeignLinkError,
    GaveUpError,
    MalformedAnswerError,
    NotFoundError,
    PermissionMissingError,
    RefusedError,
    UnreadableItemError,
)
from exporters.graph.exported import ExportAnswer
from exporters.graph.json_stream import JsonStream
from exporters.graph.mailbox import Mailbox
from exporters.graph.session import GraphSession
from tests.unit.graph.fake_service import Asked, FakeService, Reply, error_reply, json_reply
from tests.unit.graph.mailbox_tenant import Desk, desk_at
from tests.unit.graph.test_graph_session import script
from tests.unit.rehearsal import mailbox_data as data

MBX = "MBX:1111@2222"
ASK = "/v1.0/admin/exchange/mailboxes/MBX:1111@2222/exportItems"


@pytest.fixture(scope="module")
def tenant(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return data.write_tenant(tmp_path_factory.mktemp("exports") / "tenant")


@pytest.fixture
def desk(tenant: Path) -> Iterator[Desk]:
    with desk_at(tenant, ManualClock(datetime(2026, 11, 23, 15, 40, 17, tzinfo=UTC))) as ready:
        yield ready


@pytest.fixture
def box(session: GraphSession) -> Mailbox:
    return Mailbox(session, "U-1")


def b64(content: bytes) -> str:
    return base64.b64encode(content).decode()


def row(item_id: str, content: bytes = b"stream", **more: Any) -> dict[str, Any]:
    return {"itemId": item_id, "changeKey": f"k-{item_id}", "data": b64(content), **more}


def refusal(item_id: str, code: str, message: str = "No.", key: str = "error") -> dict[str, Any]:
    return {"itemId": item_id, key: {"code": code, "message": message}}


def taken(box: Mailbox, *ids: str) -> dict[str, bytes | Exception | None]:
    found: dict[str, bytes | Exception | None] = {}
    for one in box.export_items(MBX, ids):
        assert one.item_id not in found, "each id once"
        found[one.item_id] = one.error or (one.data.read() if one.data is not None else None)
        assert one.is_omitted == (found[one.item_id] is None)
    return found


# ---------------------------------------------------------------------------------------------------- rehearsal


def listed(view: Mailbox) -> list[str]:
    ids: list[str] = []
    for rows in view.pages("/folders", params={"$select": "id,type,totalItemCount"}, page_size=50):
        for folder in rows:
            *_, page = view.delta(f"/folders/{folder['id']}/items/delta", page_size=100)
            ids += [item["id"] for item in page.rows]
    return ids


@pytest.mark.parametrize("is_archive", [False, True])
def test_items_of_the_rehearsal_come_as_streams(desk: Desk, is_archive: bool) -> None:
    ada = Mailbox(desk.graph, data.ADA)
    settings = ada.get("/settings/exchange", beta=True)
    mailbox_id = settings["inPlaceArchiveMailboxId" if is_archive else "primaryMailboxId"]
    view = ada.exports(mailbox_id, is_archive=is_archive)
    ids = listed(view)[:20]
    found = list(view.export_items(mailbox_id, ids))
    assert {one.item_id for one in found} == set(ids) and len(ids) == 20
    streams = [
        one.data.read() for one in ada.export_items(mailbox_id, ids, is_archive=is_archive) if one.data is not None
    ]
    assert streams and all(stream[:4] == b"\x01\0\0\0" for stream in streams)
    mailboxes = desk.summary()["mailboxes"]
    assert set(mailboxes) == {data.ADA, mailbox_id.lower()} if is_archive else {data.ADA}
    assert desk.summary()["writes"] == 0


def test_what_is_left_out_without_a_word_is_told(desk: Desk) -> None:
    desk.settings(export_omits=True)
    ada = Mailbox(desk.graph, data.ADA)
    mailbox_id = ada.get("/settings/exchange")["primaryMailboxId"]
    ids = listed(ada.exports(mailbox_id))[:15]
    found = list(ada.export_items(mailbox_id, ids))
    missing = [one.item_id for one in found if one.is_omitted]
    assert len(missing) == 3 and [one.item_id for one in found[-3:]] == missing
    for item_id in missing:
        (again,) = ada.export_items(mailbox_id, [item_id])
        assert again.item_id == item_id and not again.is_omitted


@pytest.mark.parametrize(
    "fault", ["truncated-json", "reset-mid-body", "chunked-cut", "no-length", "mail-500", "wrong-length"]
)
def test_an_answer_that_is_cut_is_asked_for_again(desk: Desk, fault: str) -> None:
    ada = Mailbox(desk.graph, data.ADA)
    mailbox_id = ada.get("/settings/exchange")["primaryMailboxId"]
    ids = listed(ada.exports(mailbox_id))[:5]
    desk.faults({"route": "*exportItems", "fault": fault, "count": 1})
    assert [one.error for one in ada.export_items(mailbox_id, ids)] == [None] * 5
    assert len(desk.asked("exportItems")) == 2


# ------------------------------------------------------------------------------------------------ a service of ours


def test_answers_are_matched_by_id_and_errors_by_any_case(service: FakeService, box: Mailbox) -> None:
    rows = [
        refusal("c", "ErrorItemNotFound", key="Error"),
        row("stranger"),
        row("b", b"B" * 5),
        row("B", b"other case"),
        refusal("d", "ErrorCorruptData"),
        {**row("a", b"A"), "error": None},
        row("b", b"again"),
    ]
    service.graph = script(json_reply({"@odata.context": "x", "value": rows}))
    found = taken(box, "a", "b", "B", "c", "d", "e")
    assert isinstance(found.pop("c"), NotFoundError)
    assert isinstance(corrupt := found.pop("d"), TransientError) and corrupt.code == "item_unreadable"
    assert found == {"a": b"A", "b": b"B" * 5, "B": b"other case", "e": None}
    (asked,) = service.of("graph")
    assert (asked.method, asked.target, asked.json()) == ("POST", ASK, {"itemIds": ["a", "b", "B", "c", "d", "e"]})
    assert asked.headers["prefer"] == 'IdType="ImmutableId"'


def test_q074_one_item_alone_is_tried_again_and_then_its_own_matter(service: FakeService, box: Mailbox) -> None:
    busy = json_reply({"value": [refusal("a", "ErrorServerBusy")]})
    service.graph = script(
        busy, json_reply({"value": [{"itemId": "a", "data": "A"}]}), json_reply({"value": [row("a")]})
    )
    assert taken(box, "a") == {"a": b"stream"}
    service.graph = script(json_reply({"value": [refusal("a", "ErrorCorruptData")]}))
    assert isinstance(taken(box, "a")["a"], UnreadableItemError)
    service.graph = script(json_reply({"value": [refusal("a", "ErrorAccessDenied")]}))
    assert isinstance(error := taken(box, "a")["a"], ItemError) and error.code == "access_denied"
    service.graph = script(error_reply(503, "x"))
    with pytest.raises(GaveUpError):
        taken(box, "a")
    service.graph = script(error_reply(403, "ErrorAccessDenied"))
    with pytest.raises(PermissionMissingError, match=r"MailboxItem\.Export\.All"):
        taken(box, "a")


@pytest.mark.parametrize(
    "text",
    ["", "A", "AAA", "A===", "AA=A", "AAAA\\r\\nAAAA", "AA==AAAA", "QUFB*UFB", "QQ=", "\\u0000AAA", "ÄAAA"],
)
def test_base64_is_taken_strictly_and_one_bad_item_spoils_no_other(
    service: FakeService, box: Mailbox, text: str
) -> None:
    body = f'{{"value": [{{"itemId": "a", "data": "{text}"}}, {json.dumps(row("b", b"fine"))}]}}'
    service.graph = script(Reply(200, body.encode(), {"Content-Type": "application/json"}))
    found = taken(box, "a", "b")
    assert isinstance(found["a"], MalformedAnswerError) and found["b"] == b"fine"


def test_base64_may_be_escaped(service: FakeService, box: Mailbox) -> None:
    """Some writers of JSON escape `/` and `+`."""
    content = bytes(range(256)) * 40
    text = b64(content).replace("/", "\\/").replace("+", "\\u002B")
    assert "\\/" in text and "\\u002B" in text
    service.graph = script(Reply(200, f'{{"value": [{{"data": "{text}", "itemId": "a"}}]}}'.encode()))
    assert taken(box, "a") == {"a": content}


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>",
        b"[]",
        b'{"value": [{"itemId": "a"}',
        b'{"value": []} x',
        b'{"value": {}}',
        b'{"value": [1]}',
        b'{"value": [], "value": []}',
        b'{"error": {"code": "x"}}',
        b'{"@odata.context": "x"}',
        b'{"value": [{"itemId": "a", "data": "AAAA]}',
        b'{"value": [{"itemId": "a" "data": "AAAA"}]}',
    ],
)
def test_what_is_no_answer_is_no_empty_answer(service: FakeService, box: Mailbox, body: bytes) -> None:
    service.graph = script(Reply(200, body, {"Content-Type": "application/json"}))
    with pytest.raises(GaveUpError):
        taken(box, "a")


def test_an_item_in_an_auxiliary_archive_is_asked_for_there(service: FakeService, box: Mailbox) -> None:
    there = f"{service.url('graph')}/v1.0/admin/exchange/mailboxes/MBX:aux@2222/exportItems"
    moved = "ErrorArchiveFolderMovedPermanently"

    def answer(asked: Asked) -> Reply:
        if "aux" in asked.target:
            return json_reply({"value": [row(one, b"aux " + one.encode()) for one in asked.json()["itemIds"][:2]]})
        rows = [refusal(one, moved, there) for one in ("b", "c", "x")] + [row("a")]
        rows += [
            refusal("d", moved, "https://evil.example/v1.0/exportItems"),
            refusal("e", moved, "somewhere"),
            refusal("f", moved),
        ]
        return json_reply({"value": rows})

    service.graph = answer
    found = taken(box, *"abcxdef")
    assert {one: found[one] for one in "abcx"} == {"a": b"stream", "b": b"aux b", "c": b"aux c", "x": None}
    assert all(isinstance(found[one], RefusedError) for one in "def")
    assert [one.target.split("/")[5] for one in service.of("graph")] == [MBX, "MBX:aux@2222"]


def test_mailboxes_that_send_each_other_round_end(service: FakeService, box: Mailbox) -> None:
    numbers = iter(range(1, 1000))

    def answer(asked: Asked) -> Reply:
        there = f"{service.url('graph')}/v1.0/admin/exchange/mailboxes/MBX:{next(numbers)}/exportItems"
        return json_reply({"value": [refusal("a", "ErrorArchiveFolderMovedPermanently", there)]})

    service.graph = answer
    assert isinstance(taken(box, "a")["a"], RefusedError)
    assert len(service.of("graph")) <= 50


def test_a_redirect_to_an_auxiliary_archive_is_followed_and_remembered(
    service: FakeService, session: GraphSession
) -> None:
    """308, for the folder's own calls, its delta, and the export; with the token on Graph's host alone."""

    def answer(asked: Asked) -> Reply:
        if "MBX:main" in asked.target and asked.target.partition("?")[0].endswith(
            ("/F1", "/F1/items/delta", "exportItems")
        ):
            return Reply(308, b"", {"Location": service.url("graph") + asked.target.replace("MBX:main", "MBX:aux")})
        if "exportItems" in asked.target:
            return json_reply({"value": [row("a")]})
        if "delta" in asked.target:
            return json_reply(
                {"value": [{"id": asked.target}], "@odata.deltaLink": service.url("graph") + "/v1.0/x?d=1"}
            )
        return json_reply({"id": asked.target})

    service.graph = answer
    view = Mailbox(session, "U-1").exports("MBX:main", is_archive=True)
    assert view.mailbox_of("F1") == "MBX:main"
    assert "MBX:aux/folders/F1" in view.get("/folders/F1")["id"]
    assert view.mailbox_of("F1") == "MBX:aux" and view.mailbox_of("F2") == "MBX:main"
    asked = len(service.of("graph"))
    (page,) = view.delta("/folders/F1/items/delta", page_size=20)
    assert "MBX:aux/folders/F1/items/delta" in page.rows[0]["id"] and len(service.of("graph")) == asked + 1
    assert "MBX:main/folders/F2" in view.get("/folders/F2")["id"]
    assert [one.data.read() for one in view.export_items("MBX:main", ["a"]) if one.data] == [b"stream"]
    assert [(one.method, one.json()) for one in service.of("graph")[-2:]] == [("POST", {"itemIds": ["a"]})] * 2
    with_mailbox = session.budget._mailboxes
    assert {"mbx:main", "mbx:aux"} <= set(with_mailbox) and not any(window.active for window in with_mailbox.values())


@pytest.mark.parametrize("location", ["https://evil.example/v1.0/x", "http://localhost/v1.0/x", ""])
def test_no_redirect_leads_elsewhere(service: FakeService, session: GraphSession, location: str) -> None:
    service.graph = script(Reply(308, b"", {"Location": location}))
    with pytest.raises(ForeignLinkError):
        Mailbox(session, "U-1").exports("MBX:main").get("/folders/F1")
    service.graph = lambda asked: Reply(308, b"", {"Location": asked.target + "x"})
    with pytest.raises(GaveUpError):
        Mailbox(session, "U-1").exports("MBX:main").get("/folders/F1")
    assert not service.of("download")


def test_more_than_twenty_or_the_same_twice_is_not_asked(box: Mailbox) -> None:
    for ids in ([], ["a", "a"], [str(number) for number in range(21)]):
        with pytest.raises(ValueError, match="20"):
            list(box.export_items(MBX, ids))


def test_a_slice_is_a_file(service: FakeService, box: Mailbox) -> None:
    content = bytes(range(256)) * 1000
    service.graph = script(json_reply({"value": [row("a", b"before"), row("b", content)]}))
    for one in box.export_items(MBX, ["a", "b"]):
        if one.item_id == "b":
            file = one.data
            assert file is not None and one.size == len(content) and file.seek(1000) == 1000
            assert file.read(8) == content[1000:1008] and file.seek(-3, 2) and file.read() == content[-3:]


# --------------------------------------------------------------------------------------------------------- reader


class Body:
    """An answer made of bytes."""

    status, is_delimited, has_surplus = 200, True, False

    def __init__(self, body: bytes, size: int) -> None:
        self.headers: dict[str, str] = {}
        self._pieces = (body[at : at + size] for at in range(0, len(body), size))

    def chunks(self, _: int) -> Iterator[bytes]:
        return self._pieces

    def close(self) -> None:
        """Nothing is open."""


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@given(JSON_VALUES, st.integers(1, 40), st.booleans())
def test_values_are_read_as_json_reads_them(value: Any, size: int, is_ascii: bool) -> None:
    body = json.dumps({"a": value, "b": [value, 1]}, ensure_ascii=is_ascii, indent=size % 3 or None).encode(
        "utf-8", "surrogatepass"
    )
    stream = JsonStream(body[at : at + size] for at in range(0, len(body), size))
    found = {}
    for name in stream.members():
        found[name] = [stream.value() for _ in stream.elements()] if name == "b" else stream.value()
    stream.finish()
    assert found == {"a": value, "b": [value, 1]}


@given(st.binary(max_size=400), st.integers(1, 50), st.integers(0, 600), st.booleans())
def test_a_cut_body_is_never_an_answer(content: bytes, size: int, cut: int, is_escaped: bool) -> None:
    text = json.dumps({"value": [row("a", b"x" + content), row("b")], "@odata.count": 2})
    body = (text.replace("+", "\\u002b").replace("/", "\\/") if is_escaped else text).encode()
    spool = io.BytesIO()
    answer = ExportAnswer(["a", "b"], spool)
    found = answer.take(Body(body, size))  # type: ignore[arg-type]
    begin = found["a"].begin or 0
    assert spool.getvalue()[begin : begin + found["a"].size] == b"x" + content
    if cut < len(body):
        with pytest.raises(MalformedAnswerError):
            answer.take(Body(body[:cut], size))  # type: ignore[arg-type]


def test_a_hundred_megabytes_pass_in_little_memory() -> None:
    block = base64.b64encode(bytes(range(256)) * 3 * 1024)

    class Large(Body):
        def chunks(self, _: int) -> Iterator[bytes]:
            yield b'{"value": [{"itemId": "a", "data": "'
            yield from (block for _ in range(100))
            yield b'"}]}'

    with tempfile.TemporaryFile() as spool:
        tracemalloc.start()
        found = ExportAnswer(["a"], spool).take(Large(b"", 1))  # type: ignore[arg-type]
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert found["a"].size == 100 * 768 * 1024 and peak < 16 << 20
