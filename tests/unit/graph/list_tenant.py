"""The simulated tenant with lists, and sessions at it that sign in with a certificate or with a secret."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from exporters.clock import Clock
from exporters.graph.clouds import custom_cloud
from exporters.graph.session import GraphSession
from exporters.graph.signin import Credential, SignIn
from tests.unit.rehearsal.client import Client


@contextmanager
def session_at(client: Client, clock: Clock, *, has_certificate: bool = True) -> Iterator[GraphSession]:
    """A session at a running tenant."""
    info = client.info
    cloud = custom_cloud(
        login=info["login"],
        graph=info["graph"],
        sharepoint=info["sharepoint"],
        download_hosts=["localhost"],
        ca_bundle=Path(info["ca_bundle"]),
    )
    pem = Path(info["certificate"]).read_bytes()
    credential = Credential(certificate_pem=pem) if has_certificate else Credential(secret=info["secret"])
    with (
        SignIn(cloud, info["tenant"], info["client_id"], credential, clock) as signin,
        GraphSession(cloud, signin, clock, connections=16) as graph,
    ):
        yield graph
