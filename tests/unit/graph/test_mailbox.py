"""What is asked of a mailbox, and what counts as its answer: against the rehearsal, and against a service of our own."""

import ast
import base64
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
from exporters.graph.errors import (
    ContentTooLargeError,
    GaveUpError,
    ItemGaveUpError,
    MimeRefusedError,
    NoMailboxError,
    NotFoundError,
    PermissionMissingError,
    ResyncRequiredError,
    UnreadableItemError,
    UnsupportedError,
    UserNotFoundError,
)
from exporters.graph.limits import Scope
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


# -------------------------------------------------------------------------------------------------------- errors


@pytest.mark.parametrize("user", [data.CY, data.DI, data.ED])
def test_q057_no_mailbox_is_a_result(desk: Desk, user: str) -> None:
    with pytest.raises(NoMailboxError):
        Mailbox(desk.graph, user).get("/mailFolders/inbox")
    assert len(desk.asked("/mailFolders/inbox")) == 1


def test_q058_a_user_that_is_not_there_is_told_in_one_way(desk: Desk) -> None:
    nobody = Mailbox(desk.graph, "00000000-9999-4000-8000-000000000000")
    with pytest.raises(UserNotFoundError):
        nobody.get("/mailFolders/inbox")
    for code in ("ErrorInvalidUser", "Request_ResourceNotFound", "ResourceNotFound"):
        desk.faults({"route": "*/mailFolders/inbox", "fault": "status", "status": 404, "code": code})
        with pytest.raises(UserNotFoundError):
            Mailbox(desk.graph, data.ADA).get("/mailFolders/inbox")


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        ("mail-recipients", UnreadableItemError),
        ("mail-corrupt", UnreadableItemError),
        ("mime-failed", MimeRefusedError),
    ],
)
def test_q074_a_message_that_cannot_be_read_is_let_go_soon(desk: Desk, ada: Mailbox, fault: str, kind: type) -> None:
    desk.faults({"route": f"*{made('message', 4)}/$value", "fault": fault})
    began = desk.graph._clock.monotonic()
    with pytest.raises(kind):
        ada.content(LONG, io.BytesIO())
    assert len(desk.asked("/$value")) == 3
    assert desk.graph._clock.monotonic() - began < 10
    assert ada.content(f"/messages/{segment(made('message', 5))}/$value", io.BytesIO())


def test_mime_of_an_encrypted_message_is_refused(desk: Desk, ada: Mailbox) -> None:
    with pytest.raises(MimeRefusedError):
        ada.content(f"/messages/{segment(made('message', 3))}/$value", io.BytesIO())
    assert ada.get(f"/messages/{segment(made('message', 3))}")["subject"] == "message 3"


def test_q045_many_attachments_are_listed_without_content_and_fetched_singly(desk: Desk, ada: Mailbox) -> None:
    desk.settings(expanded_attachments=2)
    path = f"/messages/{segment(made('message', 2))}"
    with pytest.raises(ItemGaveUpError) as caught:
        ada.get(path, params={"$expand": "attachments"})
    assert caught.value.service_code == "ErrorTooManyObjectsOpened"
    listing = {"$select": "id,name,contentType,size,isInline"}
    rows = [row for page in ada.pages(f"{path}/attachments", params=listing) for row in page]
    assert len(rows) == 7
    for row in rows:
        if row["@odata.type"] != "#microsoft.graph.referenceAttachment":
            ada.content(f"{path}/attachments/{segment(row['id'])}/$value", io.BytesIO(), kind=row["contentType"])
    assert desk.summary()["writes"] == 0


def test_q007_a_full_mailbox_has_no_delta(desk: Desk, ada: Mailbox) -> None:
    desk.faults({"route": "*/messages/delta", "fault": "mailbox-full"})
    with pytest.raises(UnsupportedError):
        list(ada.delta(f"{INBOX}/messages/delta"))
    assert sum(map(len, ada.pages(f"{INBOX}/messages", page_size=100))) == data.IN_INBOX


# -------------------------------------------------------------------------------------------------------- limits


def test_q043_sixteen_threads_never_have_more_than_four_places(tenant: Path) -> None:
    """Contents whose bodies take a while, listings, and pages of delta: none is refused."""
    with desk_at(tenant, SystemClock(), connections=17) as desk:
        desk.settings(mailbox_seconds=0.1)
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
        assert found["seconds"][4] > 0.5 * sum(found["seconds"][1:])


def test_q044_a_batch_of_three_takes_three_places(session: GraphSession) -> None:
    claim, now = session.budget.claim, 0.0
    three = claim(Scope.EXCHANGE, 3, now, "u").ticket
    one = claim(Scope.EXCHANGE, 1, now, "u").ticket
    assert three is not None and one is not None and claim(Scope.EXCHANGE, 1, now, "u").reason == "concurrency"
    session.budget.release(one)
    assert claim(Scope.EXCHANGE, 2, now, "u").ticket is None
    session.budget.release(three)
    session.budget.release(three)
    assert claim(Scope.EXCHANGE, 4, now, "u").ticket is not None
    assert claim(Scope.EXCHANGE, 1, now, "u").ticket is None


# --------------------------------------------------------------------------------------------------- size of pages


@pytest.mark.parametrize("fault", [Reply(504), Reply(200, b'{"value": [{"id": ', {"Content-Type": "application/json"})])
def test_a_page_that_is_too_much_is_asked_for_smaller(service: FakeService, box: Mailbox, fault: Reply) -> None:
    """Delta: the same link with another preference, and so to the end of the round. The link itself stays (Q-011)."""
    base = f"{service.url('graph')}/v1.0/users/U-1/delta?$skiptoken="

    def answer(asked: Asked) -> Reply:
        size = int(asked.headers["prefer"].rpartition("=")[2])
        if "skiptoken" in asked.target and size > 30:
            return fault
        link = {"@odata.nextLink": f"{base}1"} if "skiptoken" not in asked.target else {"@odata.deltaLink": f"{base}2"}
        return json_reply({"value": [{"id": str(size)}], **link})

    service.graph = answer
    pages = list(box.delta("/delta", page_size=400))
    assert [page.rows[0]["id"] for page in pages] == ["400", "25"]
    sizes = [one.headers["prefer"].rpartition("=")[2] for one in service.of("graph")]
    assert sizes == ["400", "400", "400", "100", "100", "25"]
    assert {one.target.partition("?")[2] for one in service.of("graph")[1:]} == {"$skiptoken=1"}


def test_a_listing_that_is_too_much_begins_again_with_smaller_pages(service: FakeService, box: Mailbox) -> None:
    def answer(asked: Asked) -> Reply:
        top = int(asked.target.rpartition("$top=")[2].partition("&")[0])
        if "skip" in asked.target and top > 50:
            return Reply(504)
        link = f"{service.url('graph')}{asked.target}&$skip={top}"
        return json_reply(
            {"value": [{"id": str(top)}], **({} if "skip" in asked.target else {"@odata.nextLink": link})}
        )

    service.graph = answer
    assert [rows[0]["id"] for rows in box.pages("/contacts", page_size=100)] == ["100", "25", "25"]
    with pytest.raises(GaveUpError):  # who pages alone decides alone
        list(box.pages("/contacts", params={"$top": "100"}))


def test_what_smaller_pages_do_not_mend_ends(service: FakeService, box: Mailbox) -> None:
    service.graph = script(Reply(504))
    with pytest.raises(GaveUpError):
        list(box.delta("/delta", page_size=1000))
    assert len(service.of("graph")) <= 16
    service.asked.clear()
    service.graph = script(error_reply(403, "ErrorAccessDenied"))
    with pytest.raises(PermissionMissingError):
        list(box.delta("/mailFolders/f/messages/delta", page_size=1000))
    assert len(service.of("graph")) == 1


# ------------------------------------------------------------------------------------------------------ read only


def test_read_only_by_construction(service: FakeService, session: GraphSession) -> None:
    """No verb but GET can be said; the one POST leads to `exportItems`."""
    service.graph = lambda asked: json_reply(
        {"id": "x", "value": [], "@odata.deltaLink": service.url("graph") + "/v1.0/y"}
    )
    for owner in (
        Mailbox(session, "U-1"),
        Mailbox(session, "G-1", route="groups"),
        Mailbox(session, "U-1").exports("MBX:1"),
    ):
        public = {name for name in dir(owner) if not name.startswith("_")}
        assert not public & {"post", "put", "patch", "delete", "request", "send"}
        owner.get("/x")
        list(owner.pages("/x", page_size=10))
        list(owner.delta("/x/delta", page_size=10))
        owner.content("/x/$value", io.BytesIO())
        list(owner.export_items("MBX:1", ["a"]))
    asked = service.of("graph")
    assert {one.method for one in asked} == {"GET", "POST"}
    assert {one.path.rpartition("/")[2] for one in asked if one.method == "POST"} == {"exportItems"}


def test_no_module_says_a_verb_that_writes() -> None:
    """POST stands in three places: the token's (MSAL's own), `$batch`, `exportItems`."""
    root = Path(__file__).parents[3] / "exporters"
    said: dict[str, set[str]] = {}
    for folder in ("graph", "drive", "mail"):
        for file in (root / folder).rglob("*.py"):
            tree = ast.parse(file.read_text())
            docs = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
            words = {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and id(node) not in docs}
            verbs = {word for word in words if isinstance(word, str)} & {"POST", "PUT", "PATCH", "DELETE", "MERGE"}
            if verbs:
                said[str(file.relative_to(root))] = verbs
    assert said.keys() <= {"graph/batch.py", "graph/calls.py", "graph/mailbox.py", "graph/signin.py"}
    assert set().union(*said.values()) == {"POST"}
