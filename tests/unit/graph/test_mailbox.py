"""What is asked of a mailbox, and what counts as its answer: against the rehearsal, and against a service of our own."""

import gzip
import hashlib
import io
import threading
import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import pytest

from exporters.clock import ManualClock, SystemClock
from exporters.errors import ItemError
from exporters.graph.calls import segment
from exporters.graph.errors import ContentTooLargeError, ItemGaveUpError, NotFoundError, ResyncRequiredError
from exporters.graph.mailbox import Mailbox
from exporters.graph.session import GraphSession
from tests.unit.graph.fake_service import Asked, FakeService, Reply, error_reply, json_reply
from tests.unit.graph.mailbox_tenant import Desk, desk_at
from tests.unit.graph.test_graph_session import script
from tests.unit.rehearsal import mailbox_data as data
from tests.unit.rehearsal.mailbox_data import made

LONG = f"/messages/{segment(made('message', 4))}/$value"
INBOX = "/mailFolders/inbox"


@pytest.fixture(scope="module")
def tenant(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return data.write_tenant(tmp_path_factory.mktemp("mailboxes") / "tenant")


@pytest.fixture
def desk(tenant: Path) -> Iterator[Desk]:
    with desk_at(tenant, ManualClock(datetime(2026, 11, 23, 15, 40, 17, tzinfo=UTC))) as ready:
        yield ready


@pytest.fixture
def ada(desk: Desk) -> Mailbox:
    return Mailbox(desk.graph, data.ADA)


@pytest.fixture
def box(session: GraphSession) -> Mailbox:
    """Of the service of our own."""
    return Mailbox(session, "U-1")


def sha(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def mime_of_4() -> bytes:
    import base64

    return b"Subject: long\r\n\r\n" + base64.encodebytes(b"\x01" * 200_000).replace(b"\n", b"\r\n") + b"end\r\n"


# -------------------------------------------------------------------------------------------------------- asking


def test_q077_immutable_ids_are_asked_for_everywhere(service: FakeService, box: Mailbox) -> None:
    """On paths, on links, on contents, and beside other preferences."""
    link = f"{service.url('graph')}/v1.0/users/U-1/mailFolders/f/messages/delta?$deltatoken=a%23b"
    last = f"{service.url('graph')}/v1.0/users/U-1/x?$deltatoken=2"
    rounds = iter(
        [json_reply({"value": [], "@odata.nextLink": link}), json_reply({"value": [], "@odata.deltaLink": last})]
    )
    listing = f"{service.url('graph')}/v1.0/users/U-1/contacts?$skip=1"
    pages = iter([json_reply({"value": [], "@odata.nextLink": listing}), json_reply({"value": []})])

    def answer(asked: Asked) -> Reply:
        if "delta" in asked.target:
            return next(rounds)
        if "contacts" in asked.target:
            return next(pages)
        return (
            Reply(200, b"Subject: x\r\n", {"Content-Type": "text/plain"})
            if "value" in asked.target
            else json_reply({"id": "x"})
        )

    service.graph = answer
    box.get("/mailFolders/inbox", prefer=['outlook.body-content-type="html"'])
    list(box.delta("/mailFolders/f/messages/delta", page_size=50))
    list(box.pages("/contacts", params={"$top": "5"}))
    box.content("/messages/m/$value", io.BytesIO())
    asked = service.of("graph")
    assert [one.headers["prefer"] for one in asked] == [
        'IdType="ImmutableId", outlook.body-content-type="html"',
        *['IdType="ImmutableId", odata.maxpagesize=50'] * 2,
        *['IdType="ImmutableId"'] * 3,
    ]
    assert asked[0].target == "/v1.0/users/U-1/mailFolders/inbox"
    assert asked[2].target.endswith("$deltatoken=a%23b")


def test_q077_a_moved_message_keeps_its_id(desk: Desk, ada: Mailbox) -> None:
    *_, page = ada.delta(f"{INBOX}/messages/delta", params={"$select": "subject"}, page_size=100)
    assert page.delta_link is not None and all(row["id"].startswith("AAkALg") for row in page.rows)
    assert list(ada.delta(page.delta_link))[-1].rows == []
    assert len(page.rows) == data.IN_INBOX


def test_a_group_and_a_version_and_whose_limits_count(service: FakeService, session: GraphSession) -> None:
    service.graph = script(json_reply({"id": "x"}))
    group = Mailbox(session, "G-1", route="groups")
    group.get("/threads")
    Mailbox(session, "U-1").get("/settings/exchange", beta=True)
    assert [one.target for one in service.of("graph")] == [
        "/v1.0/groups/G-1/threads",
        "/beta/users/U-1/settings/exchange",
    ]
    assert (group.limits, Mailbox(session, "U-1").limits) == ("group/g-1", "u-1")


def test_q002_a_lost_state_is_one_folders_affair(desk: Desk, ada: Mailbox) -> None:
    link = list(ada.delta(f"{INBOX}/messages/delta", page_size=100))[-1].delta_link
    assert link is not None
    for code in ("SyncStateNotFound", "syncStateInvalid"):
        desk.faults({"route": "*/messages/delta", "fault": "mail-410", "code": code, "count": 1})
        with pytest.raises(ResyncRequiredError):
            list(ada.delta(link))
        assert list(ada.delta(link))[-1].delta_link


# ------------------------------------------------------------------------------------------------------ contents


def test_q070_the_short_path_gives_the_mime(desk: Desk, ada: Mailbox) -> None:
    sink = io.BytesIO(b"head")
    sink.seek(4)
    assert ada.content(LONG, sink) == len(mime_of_4())
    assert sink.getvalue() == b"head" + mime_of_4()
    long_way = f"{INBOX}/messages/{segment(made('message', 4))}/$value"
    with pytest.raises(ItemError) as caught:
        ada.content(long_way, sink)
    assert (caught.value.code, sink.getvalue()) == ("refused", b"head" + mime_of_4())


@pytest.mark.parametrize(
    "fault",
    [
        {"fault": "reset-mid-body", "after_bytes": 100_000},
        {"fault": "short-body", "after_bytes": 100_000},
        {"fault": "chunked-cut", "after_bytes": 100_000},
        {"fault": "no-length", "after_bytes": 100_000},
        {"fault": "no-length"},
        {"fault": "wrong-length", "by": 10},
        {"fault": "wrong-length", "by": -7},
        {"fault": "wrong-length", "by": -40_000},
        {"fault": "extra-bytes"},
        {"fault": "mail-500"},
        {"fault": "mail-throttled"},
        {"fault": "value-error"},
        {"fault": "502"},
        {"fault": "503-html"},
        {"fault": "reset"},
        {"fault": "mime-failed"},
        {"fault": "mail-corrupt"},
        {"fault": "status", "status": 200, "body": "<!DOCTYPE html><html>Sign in to the hotel</html>"},
        {"fault": "status", "status": 200, "body": {"message": "no"}},
        {"fault": "status", "status": 204},
    ],
    ids=lambda fault: "-".join(str(value)[:12] for value in fault.values()),
)
def test_a_body_that_is_not_the_message_is_asked_for_again(desk: Desk, ada: Mailbox, fault: data.Row) -> None:
    desk.faults({"route": "*/messages/*/$value", "count": 2, **fault})
    sink = io.BytesIO(b"1234")
    sink.seek(4)
    assert ada.content(LONG, sink) == len(mime_of_4())
    assert sha(sink.getvalue()[4:]) == sha(mime_of_4())
    assert len(desk.asked("/$value")) == 3


@pytest.mark.parametrize("fault", ["no-length", "short-body", "mime-failed", "value-error", "wrong-length"])
def test_and_not_for_ever(desk: Desk, ada: Mailbox, fault: str) -> None:
    """Afterwards the file is as it was."""
    desk.faults({"route": "*/messages/*/$value", "fault": fault})
    sink = io.BytesIO(b"1234")
    sink.seek(2)
    with pytest.raises(ItemGaveUpError):
        ada.content(LONG, sink)
    assert sink.getvalue() == b"12" and sink.tell() == 2
    assert len(desk.asked("/$value")) <= 8


@pytest.mark.parametrize("fault", ["chunked", "gzip", "slow", "delay"])
def test_a_body_in_another_dress_is_the_message(desk: Desk, ada: Mailbox, fault: str) -> None:
    desk.faults({"route": "*/messages/*/$value", "fault": fault, "seconds": 0.001})
    sink = io.BytesIO()
    assert ada.content(LONG, sink) == len(mime_of_4())
    assert sha(sink.getvalue()) == sha(mime_of_4())
    assert len(desk.asked("/$value")) == 1


def raw_deflate(body: bytes) -> bytes:
    squeezing = zlib.compressobj(wbits=-15)
    return squeezing.compress(body) + squeezing.flush()


@pytest.mark.parametrize(
    ("coding", "coded"),
    [("gzip", gzip.compress(mime_of_4())), ("deflate", zlib.compress(mime_of_4())), ("deflate", raw_deflate(mime_of_4())),
     ("gzip", gzip.compress(mime_of_4()[:9]) + gzip.compress(mime_of_4()[9:]))],
)  # fmt: skip
def test_codings_are_undone_and_end_the_body(service: FakeService, box: Mailbox, coding: str, coded: bytes) -> None:
    """What is coded has an end of its own, so it needs no length; cut off, it is asked for again."""
    head = {"Content-Type": "text/plain", "Content-Encoding": coding}
    service.graph = script(
        Reply(200, coded[:-20], head, length=False),
        Reply(200, b"x" + coded, head),
        Reply(200, coded, head, length=False),
    )
    sink = io.BytesIO()
    box.content("/messages/m/$value", sink)
    assert sink.getvalue() == mime_of_4()


@pytest.mark.parametrize(("size", "most", "fits"), [(99, 99, True), (100, 99, False), (0, None, True)])
def test_a_bound_is_kept_and_nothing_is_left(
    service: FakeService, box: Mailbox, size: int, most: int, fits: bool
) -> None:
    service.graph = script(Reply(200, b"x" * size, {"Content-Type": "image/png"}))
    sink = io.BytesIO()
    if fits:
        assert box.content("/contacts/c/photo/$value", sink, most=most) == size == len(sink.getvalue())
        return
    with pytest.raises(ContentTooLargeError):
        box.content("/contacts/c/photo/$value", sink, most=most)
    assert not sink.getvalue() and len(service.of("graph")) == 1


def test_an_attachment_may_be_json_or_a_web_page_of_its_own(service: FakeService, box: Mailbox) -> None:
    path, error = "/messages/m/attachments/a/$value", b'{"error": {"code": "x"}}'
    page = Reply(200, b"<html>", {"Content-Type": "text/html"})
    service.graph = script(Reply(200, error, {"Content-Type": "application/json"}))
    assert box.content(path, io.BytesIO()) == len(
        error
    )  # twice the same: an answer that fails names another request each time
    assert len(service.of("graph")) == 2
    service.graph = script(page)
    assert box.content(path, io.BytesIO(), kind="text/html; charset=utf-8") == 6
    with pytest.raises(ItemGaveUpError):
        box.content(path, io.BytesIO(), kind="image/png")


def test_what_is_gone_is_gone(service: FakeService, box: Mailbox) -> None:
    service.graph = script(error_reply(404, "ErrorItemNotFound"))
    with pytest.raises(NotFoundError):
        box.content("/messages/m/$value", io.BytesIO())


# -------------------------------------------------------------------------------------------------------- limits


def test_q043_sixteen_threads_never_have_more_than_four_places(tenant: Path) -> None:
    """Contents whose bodies take a while, listings, and pages of delta: none is refused."""
    with desk_at(tenant, SystemClock(), connections=17) as desk:
        desk.settings(mailbox_seconds=0.05)
        desk.faults({"route": "*/messages/*/$value", "fault": "slow", "seconds": 0.01, "piece": 100_000})
        ada, start = Mailbox(desk.graph, data.ADA), threading.Barrier(16)

        def work(number: int) -> int:
            start.wait()
            size = 0
            for _ in range(2):
                size += ada.content(LONG, io.BytesIO())
                size += sum(map(len, ada.pages(f"{INBOX}/messages", params={"$top": "10"})))
                size += sum(len(page.rows) for page in ada.delta(f"{INBOX}/messages/delta", page_size=10))
            return size

        with ThreadPoolExecutor(16) as pool:
            sizes = set(pool.map(work, range(16)))
        assert len(sizes) == 1
        summary = desk.summary()
        found = summary["mailboxes"][data.ADA]
        assert (summary["throttled"], found["most"]) == (0, 4)
        assert found["requests"] >= 16 * 2 * 7
        assert found["seconds"][4] > 0.8 * sum(found["seconds"][1:])
