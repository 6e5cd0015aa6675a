"""A tenant, a store and a state for tests of discovery: a real session at a simulated tenant.

Rules of this file: a store that holds what runs before have copied, without any copying.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from exporters.bag.catalogue import Catalogue
from exporters.bag.ledger import Run, open_bag
from exporters.clock import ManualClock
from exporters.discovery import Source, Undiscovered, Without, discover
from exporters.graph.clouds import custom_cloud
from exporters.graph.session import GraphSession
from exporters.graph.signin import Credential, SignIn
from exporters.sources import SourceKind
from exporters.store.folder import FolderStore
from retention.state.database import State, open_state
from tests.unit.rehearsal.client import Client, Row, running

NOW = datetime(2026, 11, 23, 15, 40, 17, tzinfo=UTC)
MAIL = (SourceKind.MAIL,)


class Desk:
    """A tenant, a store and a state that last for one test."""

    def __init__(self, client: Client, graph: GraphSession, clock: ManualClock, folder: Path, state: State) -> None:
        self.client, self.graph, self.clock, self.state = client, graph, clock, state
        self.store = FolderStore(folder)

    def found(self, *kinds: SourceKind) -> list[Any]:
        """What a run of its own would find."""
        return list(discover(self.graph, Catalogue(self.store), self.clock, self.state, kinds or MAIL))

    def sources(self, *kinds: SourceKind) -> dict[str, Source]:
        return {one.label: one for one in self.found(*kinds) if isinstance(one, Source)}

    def problems(self, *kinds: SourceKind) -> dict[str, str]:
        return {one.label: one.code for one in self.found(*kinds) if isinstance(one, Undiscovered)}

    def absent(self) -> set[str]:
        return {one.label for one in self.found() if isinstance(one, Without)}

    def hold(self, source: Source, **settings: Any) -> str:
        """As a run that copied it leaves it."""
        catalogue = Catalogue(self.store)
        bag = catalogue.bag_of(source, cloud="custom", at="2026-11-23T10:00:00Z")
        row = {
            "kind": source.kind.value,
            "id": source.id,
            "owner": source.owner,
            "name": source.name,
            "settings": settings,
        }
        with open_bag(self.store, bag, row, Run("20261123T100000Z-000001", self.clock, lambda: 0)) as writer:
            writer.close("complete")
        return bag

    def fault(self, **rule: Any) -> None:
        self.client.control("POST", "faults", [rule])

    def requests(self) -> list[Row]:
        """All of Graph since the last call."""
        rows = self.client.control("GET", "requests")
        self.client.control("POST", "reset-requests", {})
        return [row for row in rows if row["host"] == "graph"]

    def asked(self) -> list[str]:
        """Paths asked of Exchange since the last call."""
        return [row["path"] for row in self.requests() if row["path"].endswith(("/mailFolders", "/threads"))]


@contextmanager
def desk_at(data: Path, folder: Path) -> Iterator[Desk]:
    clock = ManualClock(NOW)
    with running(data, clock=clock) as client:
        info = client.info
        cloud = custom_cloud(login=info["login"], graph=info["graph"], ca_bundle=Path(info["ca_bundle"]))
        state = open_state("sqlite:///state.db", folder)
        with (
            SignIn(cloud, info["tenant"], info["client_id"], Credential(secret=info["secret"]), clock) as signin,
            GraphSession(cloud, signin, clock) as graph,
        ):
            yield Desk(client, graph, clock, folder / "copy", state)
        state.close()
