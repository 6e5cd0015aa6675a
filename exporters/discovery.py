"""Which sources there are: asks the directory, and the store for what it knows already.

Rules of this file: a user is asked for a drive once, not in every run (Q-046); "no drive" is a normal result (Q-056); a drive
that we hold stays a source when its owner is gone. Source: design §4 (names of bags), graph.md §3.1, §5.1.
"""

import hashlib
from collections.abc import Iterator, Mapping
from datetime import datetime
from http import HTTPStatus
from typing import Any, Protocol

from exporters.bag.catalogue import Catalogue
from exporters.clock import Clock
from exporters.errors import SourceError
from exporters.graph.calls import segment
from exporters.graph.errors import NoDriveError, NotFoundError
from exporters.graph.limits import Cost
from exporters.graph.session import GraphSession
from exporters.sources import Source, SourceKind

USER_SELECT = "id,userPrincipalName,userType,accountEnabled,assignedLicenses"
PAGE = "999"


class AbsentDrives(Protocol):
    """Remembers users without a drive."""

    def known(self, user_id: str, licences: str, now: datetime) -> bool:
        """Whether this user, with these licences, was found without a drive within the last week."""
        ...

    def remember(self, user_id: str, licences: str, now: datetime) -> None:
        """This user has no drive."""
        ...


class Undiscovered(SourceError):
    """A user whose drive could not be asked for. `name`: the user principal name."""

    name = ""


def discover(
    graph: GraphSession, catalogue: Catalogue, clock: Clock, absent: AbsentDrives
) -> Iterator[Source | Undiscovered]:
    """Yield every OneDrive: of each user, then those in the store whose owner is listed no more.

    Raises: RunError, SourceError if the users cannot be listed.
    """
    found: set[str] = set()
    for page in graph.pages("/users", params={"$select": USER_SELECT, "$top": PAGE}, cost=Cost.USERS):
        for user in page:
            source = _drive_of(graph, catalogue, clock, absent, user)
            if isinstance(source, Source):
                found.add(source.id)
            if source is not None:
                yield source
    for record in catalogue.records():
        if record["kind"] == SourceKind.ONEDRIVE and record["id"] not in found:
            yield Source(SourceKind.ONEDRIVE, record["id"], record["names"][-1]["name"], record.get("owner"))


def _drive_of(
    graph: GraphSession, catalogue: Catalogue, clock: Clock, absent: AbsentDrives, user: Mapping[str, Any]
) -> Source | Undiscovered | None:
    user_id, name = str(user["id"]), str(user.get("userPrincipalName") or user["id"])
    known = catalogue.drive_of(user_id)
    if known is not None:
        return Source(SourceKind.ONEDRIVE, known["id"], name, user_id)
    licences = _licences(user)
    if absent.known(user_id, licences, clock.now()):
        return None
    try:
        drive = _ask(graph, user_id)
    except NoDriveError as error:
        if error.status == HTTPStatus.NOT_FOUND:  # "no licence in this tenant" is said of the tenant, and may pass
            absent.remember(user_id, licences, clock.now())
        return None
    except (NotFoundError, SourceError) as error:
        problem = Undiscovered(str(error), code=error.code, action=error.action or "Run the export again.")
        problem.name = name
        return problem
    return Source(SourceKind.ONEDRIVE, str(drive["id"]), name, user_id, drive.get("webUrl"))


def _ask(graph: GraphSession, user_id: str) -> Mapping[str, Any]:
    """A user's drive. A bare 404 is asked once more: only the answer that names the missing site means "no drive"."""
    path, params = f"/users/{segment(user_id)}/drive", {"$select": "id,webUrl"}
    try:
        return graph.get(path, params=params, cost=Cost.SINGLE)
    except NotFoundError:
        return graph.get(path, params=params, cost=Cost.SINGLE)


def _licences(user: Mapping[str, Any]) -> str:
    """A short name for the set of licences that a user has."""
    skus = sorted(str(licence.get("skuId")) for licence in user.get("assignedLicenses") or [])
    return hashlib.sha256(",".join(skus).encode()).hexdigest()[:16]
