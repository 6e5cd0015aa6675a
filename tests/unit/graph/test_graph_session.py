"""The session against a service of our own: retries, pauses, tokens, pages, delta, batch."""

import base64
import gzip
import json
from concurrent.futures import ThreadPoolExecutor
from itertools import count

import pytest

from exporters.clock import ManualClock
from exporters.errors import RunError, SourceError
from exporters.graph.batch import BatchRequest
from exporters.graph.delta import with_params
from exporters.graph.errors import (
    ForeignLinkError,
    GaveUpError,
    NotFoundError,
    PagingLoopError,
    PermissionMissingError,
    RefusedError,
    ResyncRequiredError,
    UnauthorizedError,
)
from exporters.graph.limits import Cost
from exporters.graph.session import GraphSession
from exporters.graph.transport import Answer
from tests.unit.graph.fake_service import Asked, FakeService, Reply, error_reply, json_reply


def script(*replies: Reply):
    """Answers one after the other; the last one for ever."""
    numbers = count()

    def answer(asked: Asked) -> Reply:
        return replies[min(next(numbers), len(replies) - 1)]

    return answer


OK = json_reply({"id": "x"})
THROTTLED = error_reply(429, "activityLimitReached", {"Retry-After": "31", "RateLimit-Reset": "40"})


def test_get_sends_what_the_service_wants_to_see(service: FakeService, session: GraphSession) -> None:
    """Q-047: our User-Agent; a request id on each call; the token; the version in the path."""
    service.graph = script(OK)
    assert session.get("/drives/b!1/items/2", params={"$select": "id,name", "q": "a b"}, cost=Cost.SINGLE) == {
        "id": "x"
    }
    asked = service.of("graph")[0]
    assert asked.target == "/v1.0/drives/b!1/items/2?$select=id,name&q=a%20b"
    assert asked.headers["user-agent"].startswith("NONISV|Lastcopy|Lastcopy/")
    assert asked.headers["client-request-id"]
    assert asked.headers["accept-encoding"] == "gzip"
    assert asked.headers["authorization"].startswith("Bearer eyJ")
    assert session.service_date() is not None


def test_q040_429_with_retry_after_is_waited_out(
    service: FakeService, session: GraphSession, clock: ManualClock
) -> None:
    """The larger of Retry-After and RateLimit-Reset; it uses up no attempts; nothing is sent meanwhile."""
    service.graph = script(*[THROTTLED] * 9, OK)
    assert session.get("/drives/d", cost=Cost.SINGLE) == {"id": "x"}
    assert clock.monotonic() >= 9 * 40
    assert session.counts.throttled == 9
    assert session.counts.avoidable == 0
    assert session.counts.count == 10


def test_q040_waiting_is_bounded(service: FakeService, session: GraphSession, clock: ManualClock) -> None:
    service.graph = script(error_reply(429, "activityLimitReached", {"Retry-After": "700"}))
    with pytest.raises(GaveUpError) as caught:
        session.get("/drives/d", cost=Cost.SINGLE)
    assert caught.value.code == "throttled"
    assert isinstance(caught.value, SourceError)
    assert 1000 < clock.monotonic() < 3000


def test_q041_429_without_header_backs_off(service: FakeService, session: GraphSession, clock: ManualClock) -> None:
    service.graph = script(*[error_reply(429, "activityLimitReached")] * 4, OK)
    session.get("/drives/d", cost=Cost.SINGLE)
    assert 1 + 2 + 4 + 8 <= clock.monotonic() <= 2 + 4 + 8 + 16 + 1


def test_q042_503_is_throttling_too_and_q048_its_body_may_be_html(
    service: FakeService, session: GraphSession, clock: ManualClock
) -> None:
    html = Reply(503, b"<html>Server Unavailable</html>", {"Content-Type": "text/html", "Retry-After": "120"})
    service.graph = script(html, Reply(503), OK)
    session.get("/drives/d", cost=Cost.SINGLE)
    assert clock.monotonic() >= 121
    assert session.counts.throttled == 2


def test_q040_a_pause_of_hours_is_waited_out_by_the_one_that_was_refused_too(
    service: FakeService, session: GraphSession, clock: ManualClock
) -> None:
    """With the day's budget spent: the item is not given up, although no request waits for longer than half an hour twice."""
    spent = error_reply(429, "activityLimitReached", {"Retry-After": "7200", "RateLimit-Reset": "60"})
    service.graph = script(spent, OK)
    assert session.get("/drives/d", cost=Cost.SINGLE) == {"id": "x"}
    assert 7_200 <= clock.monotonic() < 7_400
    service.graph = script(spent)
    with pytest.raises(GaveUpError):
        session.get("/drives/d", cost=Cost.SINGLE)
    assert clock.monotonic() < 4 * 7_400


def test_q042_a_503_that_tells_of_the_budget_is_about_the_application(
    service: FakeService, session: GraphSession, clock: ManualClock
) -> None:
    told = {"Retry-After": "7200", "RateLimit-Limit": "1250", "RateLimit-Remaining": "0", "RateLimit-Reset": "9"}
    service.graph = script(error_reply(503, "serviceNotAvailable", told), OK)
    assert session.get("/drives/d/items/i", cost=Cost.SINGLE) == {"id": "x"}
    assert clock.monotonic() >= 7200


@pytest.mark.parametrize("value", ["0", "0.0", "Sun, 06 Nov 1994 08:49:37 GMT"])
def test_q040_a_time_that_has_passed_is_no_leave_to_hammer(
    service: FakeService, session: GraphSession, clock: ManualClock, value: str
) -> None:
    service.graph = script(*[error_reply(429, "activityLimitReached", {"Retry-After": value})] * 10, OK)
    session.get("/drives/d", cost=Cost.SINGLE)
    assert clock.monotonic() >= 5


def test_q043_a_mailbox_is_busy_until_the_body_is_read(
    service: FakeService, session: GraphSession, clock: ManualClock
) -> None:
    """Four answers whose bodies are still open: a fifth request waits; one is read, or closed: it goes."""
    service.graph = script(OK)

    def ask() -> Answer:
        return session.exchange(
            session.call("/users/u/messages/m", cost=Cost.MAILBOX, mailbox="u"), lambda answer: answer
        )

    answers = [ask() for _ in range(4)]
    with ThreadPoolExecutor(2) as pool:
        fifth = pool.submit(ask)
        with pytest.raises(TimeoutError):
            fifth.result(timeout=0.3)
        answers[0].body()
        answers.append(fifth.result(timeout=10))
        sixth = pool.submit(ask)
        answers[1].close()
        answers[1].close()
        answers.append(sixth.result(timeout=10))
    service.graph = script(error_reply(404, "ErrorItemNotFound"))
    for answer in answers:
        answer.close()
    for _ in range(9):
        with pytest.raises(NotFoundError):
            session.get("/users/u/messages/m", cost=Cost.MAILBOX, mailbox="u")


@pytest.mark.parametrize(
    "fault",
    [
        Reply(500, b"<html>", {"Content-Type": "text/html"}),
        Reply(502),
        Reply(504),
        Reply(drop=True),
        Reply(200, b'{"id": "x", "name": "tru', {"Content-Type": "application/json"}),
        Reply(200, b"<html>Sign in to the hotel</html>", {"Content-Type": "text/html"}),
        Reply(200, json.dumps({"id": "y" * 9999}).encode(), {"Content-Type": "application/json"}, cut=50),
        error_reply(400, "invalidRequest"),
    ],
    ids=["500", "502", "504", "reset", "truncated", "html-200", "short-body", "q049-400"],
)
def test_q050_q049_transient_faults_are_tried_again(service: FakeService, session: GraphSession, fault: Reply) -> None:
    service.graph = script(fault, fault, OK)
    assert session.get("/drives/d/items/i", cost=Cost.SINGLE) == {"id": "x"}
    service.graph = script(fault)
    with pytest.raises(Exception) as caught:
        session.get("/drives/d/root", cost=Cost.SINGLE)
    assert isinstance(caught.value, SourceError), "what stays is the source's matter, never an endless loop"
    assert len(service.of("graph")) < 20


def test_permanent_errors_are_not_tried_again(service: FakeService, session: GraphSession) -> None:
    service.graph = script(error_reply(404, "itemNotFound"))
    with pytest.raises(NotFoundError):
        session.get("/drives/d/items/i", cost=Cost.SINGLE)
    service.graph = script(error_reply(403, "Authorization_RequestDenied"))
    with pytest.raises(PermissionMissingError) as caught:
        session.get("/subscribedSkus", cost=Cost.SUBSCRIBED_SKUS)
    assert "LicenseAssignment.Read.All" in caught.value.action
    service.graph = script(Reply(302, b"", {"Location": "https://elsewhere.example/"}))
    with pytest.raises(RefusedError):
        session.get("/drives/d", cost=Cost.SINGLE)
    assert len(service.of("graph")) == 3


def test_q051_an_expired_token_is_renewed_once(service: FakeService, session: GraphSession) -> None:
    def graph(asked: Asked) -> Reply:
        return OK if "signature2" in asked.headers["authorization"] else error_reply(401, "InvalidAuthenticationToken")

    service.graph = graph
    session.get("/drives/d", cost=Cost.SINGLE)
    session.get("/drives/d", cost=Cost.SINGLE)
    assert service.tokens == 2
    service.graph = script(error_reply(401, "InvalidAuthenticationToken"))
    with pytest.raises(UnauthorizedError) as caught:
        session.get("/drives/d", cost=Cost.SINGLE)
    assert isinstance(caught.value, RunError)
    assert service.tokens == 3


def test_q051_a_token_is_renewed_before_it_ends(
    service: FakeService, session: GraphSession, clock: ManualClock
) -> None:
    service.graph = script(OK)
    session.get("/drives/d", cost=Cost.SINGLE)
    session.get("/drives/d", cost=Cost.SINGLE)
    assert service.tokens == 1


def test_q052_claims_challenge_is_passed_on(service: FakeService, session: GraphSession) -> None:
    claims = '{"access_token":{"nbf":{"essential":true,"value":"1604106651"}}}'
    challenge = (
        'Bearer realm="", authorization_uri="https://login/", error="insufficient_claims", '
        f'claims="{base64.b64encode(claims.encode()).decode()}"'
    )

    def graph(asked: Asked) -> Reply:
        if "signature1" in asked.headers["authorization"]:
            return error_reply(401, "TokenCreatedWithOutdatedPolicies", {"WWW-Authenticate": challenge})
        return OK

    service.graph = graph
    assert session.get("/drives/d", cost=Cost.SINGLE) == {"id": "x"}
    assert b"1604106651" in service.of("login")[-1].body


def test_q005_q011_links_go_out_byte_for_byte_and_empty_pages_go_on(
    service: FakeService, session: GraphSession
) -> None:
    query = "$skiptoken=a%2Bb+c%23d#e{f}%7B|g%zz[1]'\"~&x=%E9"
    pages = {
        "/v1.0/users": {"value": [{"id": "1"}], "@odata.nextLink": f"{service.url('graph')}/v1.0/users?{query}"},
        f"/v1.0/users?{query}": {"value": [], "@odata.nextLink": f"{service.url('graph')}/v1.0/users?last"},
        "/v1.0/users?last": {"value": [{"id": "2"}]},
    }
    service.graph = lambda asked: json_reply(pages[asked.target])
    rows = [row for page in session.pages("/users", headers={"Prefer": "x"}, cost=Cost.USERS) for row in page]
    assert [row["id"] for row in rows] == ["1", "2"]
    assert service.of("graph")[1].target == f"/v1.0/users?{query}"
    assert [asked.headers["prefer"] for asked in service.of("graph")] == ["x"] * 3


def test_q011_links_to_other_hosts_are_refused(service: FakeService, session: GraphSession) -> None:
    for link in (
        "https://graph.evil.example/v1.0/users",
        service.url("download") + "/x",
        "http://localhost/x",
        "users",
    ):
        service.graph = script(json_reply({"value": [], "@odata.nextLink": link}))
        with pytest.raises(ForeignLinkError):
            list(session.pages("/users", cost=Cost.USERS))
    assert not service.of("download")


def test_a_listing_that_loops_or_lacks_rows_is_an_error(service: FakeService, session: GraphSession) -> None:
    service.graph = script(json_reply({"value": [], "@odata.nextLink": f"{service.url('graph')}/v1.0/users?a"}))
    with pytest.raises(PagingLoopError):
        list(session.pages("/users", cost=Cost.USERS))
    numbers = count()
    link = f"{service.url('graph')}/v1.0/users?n="
    service.graph = lambda asked: json_reply({"value": [], "@odata.nextLink": f"{link}{next(numbers)}"})
    with pytest.raises(PagingLoopError, match="empty pages"):
        list(session.pages("/users", cost=Cost.USERS))
    for wrong in (b'{"values":[]}', b'{"value":[1]}', b'{"value":null}', b"[]", b"", b"[" * 100_000, b"<html>",
                  b'{"error":{"code":"x"}}', b'{"value":[{"id":"1"}],"value":[]}',
                  b'{"value":[],"@odata.nextLink":5}'):  # fmt: skip
        service.graph = script(Reply(200, wrong, {"Content-Type": "application/json"}))
        with pytest.raises(GaveUpError) as caught:
            list(session.pages("/users", cost=Cost.USERS))
        assert caught.value.code == "malformed", wrong[:20]


def test_a_page_of_any_size_is_not_taken_in(
    service: FakeService, session: GraphSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Answer.body, "__defaults__", (1 << 20,))
    packed = gzip.compress(b'{"value":[],"x":"' + b"x" * (4 << 20) + b'"}')
    for headers, body in (({}, gzip.decompress(packed)), ({"Content-Encoding": "gzip"}, packed)):
        service.graph = script(Reply(200, body, {"Content-Type": "application/json", **headers}))
        with pytest.raises(GaveUpError, match="more than 1 MiB"):
            list(session.pages("/users", cost=Cost.USERS))


def test_a_page_may_hold_a_row_called_value(service: FakeService, session: GraphSession) -> None:
    row = {"id": "1", "name": '"value":', "value": [{"value": 2}]}
    service.graph = script(json_reply({"value": [row]}))
    assert list(session.pages("/users", cost=Cost.USERS)) == [[row]]


def test_delta_goes_on_to_the_delta_link_and_charges_by_page(service: FakeService, session: GraphSession) -> None:
    base = f"{service.url('graph')}/v1.0/drives/d/root/delta"
    pages = {
        "/v1.0/drives/d/root/delta?$select=id": {"value": [{"id": "1"}], "@odata.nextLink": f"{base}?token=1"},
        "/v1.0/drives/d/root/delta?token=1": {"value": [], "@odata.nextLink": f"{base}?token=2"},
        "/v1.0/drives/d/root/delta?token=2": {"value": [], "@odata.deltaLink": f"{base}?token=3"},
    }
    service.graph = lambda asked: json_reply(pages[asked.target])
    rounds = list(session.delta("/drives/d/root/delta", params={"$select": "id"}))
    assert [(page.next_link is None, page.delta_link) for page in rounds][-1] == (True, f"{base}?token=3")
    assert session.counts.resource_units == 2 + 1 + 1
    service.graph = script(json_reply({"value": [], "@odata.deltaLink": f"{base}?token=4"}))
    list(session.delta(f"{base}?token=3"))
    assert session.counts.resource_units == 5


def test_a_delta_page_without_links_never_ends_a_round(service: FakeService, session: GraphSession) -> None:
    service.graph = script(json_reply({"value": []}))
    with pytest.raises(GaveUpError):
        list(session.delta("/drives/d/root/delta"))


def test_q001_410_names_where_to_begin_again(service: FakeService, session: GraphSession) -> None:
    location = f"{service.url('graph')}/v1.0/drives/d/root/delta?token=fr%2Besh"
    service.graph = script(error_reply(410, "ResyncRequired", {"Location": location}))
    with pytest.raises(ResyncRequiredError) as caught:
        list(session.delta(f"{service.url('graph')}/v1.0/drives/d/root/delta?token=old"))
    assert caught.value.location == location
    assert with_params(location, {"$select": "id,name"}) == location + "&$select=id,name"
    assert with_params(location + "&%24select=id", {"$select": "id,name"}) == location + "&%24select=id"
    assert len(service.of("graph")) == 1
    service.graph = script(error_reply(410, "resyncRequired", {"Location": "https://evil.example/delta"}))
    with pytest.raises(ResyncRequiredError) as caught:
        list(session.delta("/drives/d/root/delta"))
    assert caught.value.location is None, "nobody follows it"


def test_q044_inner_refusals_of_a_batch_are_tried_again_alone(
    service: FakeService, session: GraphSession, clock: ManualClock
) -> None:
    rounds = count()

    def graph(asked: Asked) -> Reply:
        number = next(rounds)
        wanted = asked.json()["requests"]
        assert asked.method == "POST"
        assert all(inner["method"] == "GET" for inner in wanted)
        answers = []
        for inner in reversed(wanted):
            if number == 0 and inner["id"] in ("a", "b"):
                headers = {"Retry-After": "7"} if inner["id"] == "a" else {}
                answers.append({"id": inner["id"], "status": 429, "headers": headers, "body": {"error": {"code": "x"}}})
            elif inner["id"] == "gone":
                answers.append({"id": "GONE", "status": 404, "body": {"error": {"code": "itemNotFound"}}})
            else:
                answers.append({"id": inner["id"], "status": 200, "body": {"id": inner["url"]}})
        return json_reply({"responses": answers})

    service.graph = graph
    requests = [BatchRequest(name, f"/drives/{name}", Cost.SINGLE) for name in ("a", "b", "c", "gone")]
    answers = session.batch(requests)
    assert {name: answer.status for name, answer in answers.items()} == {"a": 200, "b": 200, "c": 200, "gone": 404}
    assert answers["a"].json == {"id": "/drives/a"}
    assert isinstance(answers["gone"].error, NotFoundError)
    assert [sorted(r["id"] for r in asked.json()["requests"]) for asked in service.of("graph")] == [
        ["a", "b", "c", "gone"],
        ["a", "b"],
    ]
    assert clock.monotonic() >= 7
    assert session.counts.resource_units == 6


def test_batches_hold_twenty_and_four_for_a_mailbox(service: FakeService, session: GraphSession) -> None:
    service.graph = lambda asked: json_reply(
        {"responses": [{"id": r["id"], "status": 200, "body": {}} for r in asked.json()["requests"]]}
    )
    session.batch([BatchRequest(str(n), f"/drives/{n}", Cost.SINGLE) for n in range(45)])
    session.batch([BatchRequest(str(n), f"/users/{n}", Cost.MAILBOX, mailbox="m") for n in range(9)])
    assert [len(asked.json()["requests"]) for asked in service.of("graph")] == [20, 20, 5, 4, 4, 1]


def test_lone_surrogates_do_not_stop_a_page(service: FakeService, session: GraphSession) -> None:
    service.graph = script(Reply(200, b'{"value": [{"name": "\\ud83d.txt"}]}', {"Content-Type": "application/json"}))
    assert list(session.pages("/drives/d/items", cost=Cost.LISTING)) == [[{"name": "\ud83d.txt"}]]


def test_read_only_by_construction(service: FakeService, session: GraphSession) -> None:
    public = {name for name in dir(session) if not name.startswith("_")}
    assert not public & {"post", "put", "patch", "delete", "request", "send"}
    service.graph = script(OK)
    session.get("/drives/d", cost=Cost.SINGLE)
    assert {asked.method for asked in service.of("graph")} == {"GET"}


def test_closed_session_stops_waiting_requests(service: FakeService, session: GraphSession) -> None:
    session.close()
    with pytest.raises(RunError, match="closed"):
        session.get("/drives/d", cost=Cost.SINGLE)
