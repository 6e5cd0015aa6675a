"""The simulated tenant with mailboxes, and a session at it: for tests of what is asked of a mailbox."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from exporters.clock import Clock
from exporters.graph.clouds import custom_cloud
from exporters.graph.session import GraphSession
from exporters.graph.signin import Credential, SignIn
from tests.unit.rehearsal.client import Client, running

Row = dict[str, Any]


class Desk:
    """`graph`: the session. `client`: the tenant, and its control port."""

    def __init__(self, client: Client, graph: GraphSession) -> None:
        self.client, self.graph = client, graph

    def faults(self, *rules: Row) -> None:
        self.client.control("POST", "faults", list(rules))

    def settings(self, **values: Any) -> None:
        self.client.control("POST", "settings", values)

    def asked(self, part: str = "") -> list[Row]:
        """The rows of the ledger of Graph's port whose path holds `part`."""
        rows = self.client.control("GET", "requests")
        return [row for row in rows if row["host"] == "graph" and part in row["path"]]

    def summary(self) -> Row:
        found: Row = self.client.control("GET", "summary")
        return found


@contextmanager
def desk_at(data: Path, clock: Clock, *, connections: int = 16, **options: Any) -> Iterator[Desk]:
    """A session at a running tenant; both go by `clock`."""
    with running(data, clock=clock, **options) as client:
        info = client.info
        cloud = custom_cloud(
            login=info["login"], graph=info["graph"], download_hosts=["localhost"], ca_bundle=Path(info["ca_bundle"])
        )
        with (
            SignIn(cloud, info["tenant"], info["client_id"], Credential(secret=info["secret"]), clock) as signin,
            GraphSession(cloud, signin, clock, connections=connections) as graph,
        ):
            yield Desk(client, graph)


def document(row: Row) -> bytes:
    return json.dumps(row).encode()
