"""Big contents: ranges at once, in order, through a bounded window, resumed where one fails (Q-033; issue 4, item 6)."""

import random
import threading
import time
from collections import Counter

import pytest

from exporters.graph import downloads, parts, ranges
from exporters.graph.errors import AccessDeniedError, ContentChangedError
from exporters.graph.ranges import AHEAD, read_ahead
from exporters.graph.session import GraphSession
from tests.unit.graph.fake_service import Asked, FakeService, Reply, error_reply, serve_range
from tests.unit.graph.test_graph_downloads import CONTENT, TAG, fetch, redirecting

SIZE = len(CONTENT)


@pytest.fixture(autouse=True)
def small_ranges(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(downloads, "BIG_BYTES", 1_000_000)
    monkeypatch.setattr(parts, "RANGE_BYTES", 100_000)
    monkeypatch.setattr(ranges, "RANGE_BYTES", 100_000)


def test_ranges_come_at_once_from_one_address_and_are_given_in_order(
    service: FakeService, session: GraphSession
) -> None:
    """One unit, whatever the number of ranges; no byte is asked for twice."""
    lock, busy, most = threading.Lock(), 0, 0

    def host(asked: Asked) -> Reply:
        nonlocal busy, most
        with lock:
            busy += 1
            most = max(most, busy)
        time.sleep(random.random() * 0.03)
        with lock:
            busy -= 1
        return serve_range(CONTENT, asked, TAG)

    service.graph, service.downloads = redirecting(service), host
    assert fetch(session, size=SIZE) == CONTENT
    assert len(service.of("graph")) == 1 and session.counts.resource_units == 1
    asked = Counter(one.headers["range"] for one in service.of("download"))
    assert len(asked) == 35 and set(asked.values()) == {1}
    assert 2 <= most <= ranges.AT_ONCE


def test_the_window_is_bounded() -> None:
    """However slow the reader, no more than so many ranges wait for it."""
    fetched: list[int] = []

    def fetch_range(begin: int, end: int) -> list[bytes]:
        fetched.append(begin)
        return [bytes(end - begin)]

    given = read_ahead(fetch_range, 0, 50 * 100_000)
    for number in range(1, 10):
        next(given)
        time.sleep(0.02)
        assert len(fetched) <= number + AHEAD
    given.close()
    assert len(fetched) < 20


@pytest.mark.parametrize(("fault", "times"), [("expired", 2), ("cut", 2), ("500", 4), ("not the range", 2)])
def test_a_range_that_fails_is_asked_for_at_a_new_address(
    service: FakeService, session: GraphSession, fault: str, times: int
) -> None:
    """What came before it is not asked for again, and the bytes are those of the content."""
    struck: list[str] = []

    def host(asked: Asked) -> Reply:
        wanted = asked.headers["range"]
        if wanted == "bytes=1500000-1599999" and len(struck) < times:
            struck.append(wanted)
            if fault == "expired":
                return error_reply(401, "unauthenticated")
            if fault == "500":
                return error_reply(500, "generalException")
            reply = serve_range(CONTENT, asked, TAG)
            if fault == "cut":
                reply.cut = 5_000
            else:
                reply.headers = {**reply.headers, "Content-Range": f"bytes 0-99999/{SIZE}"}
            return reply
        return serve_range(CONTENT, asked, TAG)

    service.graph, service.downloads = redirecting(service), host
    assert fetch(session, size=SIZE) == CONTENT
    assert struck
    assert 2 <= len(service.of("graph")) <= 6
    again = Counter(one.headers["range"] for one in service.of("download"))
    assert all(number == 1 for wanted, number in again.items() if int(wanted[6:].split("-")[0]) < 1_500_000)


def test_content_that_changes_meanwhile_is_not_joined(service: FakeService, session: GraphSession) -> None:
    def host(asked: Asked) -> Reply:
        begin = int(asked.headers["range"][6:].split("-")[0])
        return serve_range(CONTENT, asked, TAG if begin < 2_000_000 else {"ETag": '"{ABC},3"'})

    service.graph, service.downloads = redirecting(service), host
    with pytest.raises(ContentChangedError):
        fetch(session, size=SIZE)


def test_q018_a_host_that_ignores_ranges_is_read_in_one_go(service: FakeService, session: GraphSession) -> None:
    service.graph, service.downloads = redirecting(service), lambda asked: Reply(200, CONTENT, TAG)
    assert fetch(session, size=SIZE) == CONTENT
    assert len(service.of("download")) == 1


def test_a_host_that_never_gives_the_second_range_ends(service: FakeService, session: GraphSession) -> None:
    def host(asked: Asked) -> Reply:
        if asked.headers["range"].startswith("bytes=0-"):
            return serve_range(CONTENT, asked, TAG)
        return error_reply(403, "accessDenied")

    service.graph, service.downloads = redirecting(service), host
    with pytest.raises(AccessDeniedError):
        fetch(session, size=SIZE)
    assert len(service.of("download")) < 200
