"""The client under many threads, and with nobody at the other end."""

import socket
import threading
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import pytest

from exporters.clock import ManualClock
from exporters.errors import LastcopyError, RunError
from exporters.graph.clouds import custom_cloud
from exporters.graph.errors import GaveUpError, UntrustedError
from exporters.graph.limits import Cost
from exporters.graph.session import GraphSession
from exporters.graph.signin import Credential, SignIn
from tests.unit.graph.fake_service import (
    SECRET,
    TENANT,
    Asked,
    Reply,
    error_reply,
    fake_service,
    json_reply,
    make_certificate,
)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_certificate(tmp_path_factory.mktemp("tls") / "server.pem")


def new_clock() -> ManualClock:
    return ManualClock(datetime(2026, 11, 23, tzinfo=UTC))


def test_q040_many_threads_share_one_budget_and_are_never_refused(certificate: Path) -> None:
    """A service that keeps a sliding window of a minute and punishes what goes over it."""
    clock, limit = new_clock(), 60
    spent: deque[float] = deque()
    lock = threading.Lock()

    def graph(asked: Asked) -> Reply:
        with lock:
            now = clock.monotonic()
            while spent and spent[0] <= now - 60:
                spent.popleft()
            told = {
                "RateLimit-Limit": str(limit),
                "RateLimit-Remaining": str(max(0, limit - len(spent) - 1)),
                "RateLimit-Reset": "60",
            }
            if len(spent) >= limit:
                return error_reply(429, "activityLimitReached", {"Retry-After": "60", **told})
            spent.append(now)
        return json_reply({"id": asked.path}, headers=told)

    with fake_service(certificate) as service:
        service.graph = graph
        cloud = custom_cloud(login=service.url("login"), graph=service.url("graph"), ca_bundle=certificate)
        with (
            SignIn(cloud, TENANT, "app", Credential(secret=SECRET), clock) as signin,
            GraphSession(cloud, signin, clock) as session,
            ThreadPoolExecutor(8) as pool,
        ):
            session.get("/drives/first", cost=Cost.SINGLE)
            list(pool.map(lambda n: session.get(f"/drives/{n}", cost=Cost.SINGLE), range(400)))
            assert session.counts.throttled == 0
            assert session.counts.resource_units == 401
        assert service.tokens == 1


def test_q051_many_threads_renew_a_token_once(certificate: Path) -> None:
    clock = new_clock()
    with fake_service(certificate) as service:
        service.graph = lambda asked: (
            json_reply({"id": "x"})
            if "signature2" in asked.headers["authorization"]
            else error_reply(401, "InvalidAuthenticationToken")
        )
        cloud = custom_cloud(login=service.url("login"), graph=service.url("graph"), ca_bundle=certificate)
        with (
            SignIn(cloud, TENANT, "app", Credential(secret=SECRET), clock) as signin,
            GraphSession(cloud, signin, clock) as session,
            ThreadPoolExecutor(8) as pool,
        ):
            list(pool.map(lambda n: session.get(f"/drives/{n}", cost=Cost.SINGLE), range(40)))
        assert service.tokens == 2


def closed_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.mark.parametrize("address", [None, "https://no-such-host.invalid"], ids=["refused", "dns"])
def test_q050_nobody_at_the_other_end(certificate: Path, address: str | None) -> None:
    clock = new_clock()
    graph = address or f"https://localhost:{closed_port()}"
    with fake_service(certificate) as service:
        cloud = custom_cloud(login=service.url("login"), graph=graph, ca_bundle=certificate)
        with (
            SignIn(cloud, TENANT, "app", Credential(secret=SECRET), clock) as signin,
            GraphSession(cloud, signin, clock) as session,
        ):
            with pytest.raises(GaveUpError) as caught:
                session.get("/drives/d", cost=Cost.SINGLE)
            assert caught.value.code == "connection_failed"
            assert caught.value.action
            assert clock.monotonic() > 30, "it was tried for a while"
        dead = custom_cloud(login=graph, graph=graph, ca_bundle=certificate)
        with (
            SignIn(dead, TENANT, "app", Credential(secret=SECRET), clock) as signin,
            pytest.raises(RunError) as refused,
        ):
            signin.token("graph")
        assert refused.value.code == "sign_in_unreachable"


def test_tls_of_a_stranger_is_final_and_nothing_is_sent(certificate: Path, tmp_path: Path) -> None:
    clock = new_clock()
    other = make_certificate(tmp_path / "other.pem")
    with fake_service(certificate) as service, fake_service(other) as stranger:
        cloud = custom_cloud(login=service.url("login"), graph=stranger.url("graph"), ca_bundle=certificate)
        with (
            SignIn(cloud, TENANT, "app", Credential(secret=SECRET), clock) as signin,
            GraphSession(cloud, signin, clock) as session,
        ):
            with pytest.raises(UntrustedError) as caught:
                session.get("/drives/d", cost=Cost.SINGLE)
            assert isinstance(caught.value, LastcopyError)
            assert isinstance(caught.value, RunError)
        assert not stranger.asked
        assert clock.monotonic() == 0
