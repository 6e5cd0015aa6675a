"""Fixtures of the client's tests."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from exporters.clock import ManualClock
from exporters.graph.clouds import Cloud, custom_cloud
from exporters.graph.session import GraphSession
from exporters.graph.signin import Credential, SignIn
from tests.unit.graph.fake_service import SECRET, TENANT, FakeService, fake_service, make_certificate


@pytest.fixture(scope="session")
def server_certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_certificate(tmp_path_factory.mktemp("tls") / "server.pem")


@pytest.fixture
def service(server_certificate: Path) -> Iterator[FakeService]:
    with fake_service(server_certificate) as running:
        yield running


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(datetime(2026, 11, 23, 15, 40, 17, tzinfo=UTC))


@pytest.fixture
def cloud(service: FakeService) -> Cloud:
    return custom_cloud(
        login=service.url("login"),
        graph=service.url("graph"),
        download_hosts=["localhost"],
        ca_bundle=service.ca_bundle,
    )


@pytest.fixture
def signin(cloud: Cloud, clock: ManualClock) -> Iterator[SignIn]:
    with SignIn(cloud, TENANT, "app", Credential(secret=SECRET), clock) as ready:
        yield ready


@pytest.fixture
def session(cloud: Cloud, signin: SignIn, clock: ManualClock) -> Iterator[GraphSession]:
    with GraphSession(cloud, signin, clock) as ready:
        yield ready
