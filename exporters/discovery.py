"""Which sources there are: asks the directory, and the store for what it knows already.

Rules of this file: a user is asked for a drive once, not in every run (Q-046); "no drive" is a normal result where the service
says so (Q-056), a plain 404 is not: it would leave a drive out for a week; a drive that we hold stays a source when its owner is
gone, and when its owner has another: then both are sources. Source: design §4 (names of bags), graph.md §3.1, §5.1.
"""

import hashlib
from collections.abc import Iterator, Mapping
from datetime import datetime
from http import HTTPStatus
from typing import Any, Protocol

from exporters.bag.catalogue import Catalogue, EntryDamagedError
from exporters.clock import Clock
from exporters.errors import ItemError, LastcopyError, SourceError
from exporters.graph.answers import identifier_of, objects_of, text_of
from exporters.graph.calls import JsonObject, segment
from exporters.graph.errors import GraphError, NoDriveError, NoLicenceError, NotFoundError
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


class _Unlicensed(Undiscovered):
    """A user of whom nothing was said but that the tenant has no licence: no news where others have drives."""


def discover(
    graph: GraphSession, catalogue: Catalogue, clock: Clock, absent: AbsentDrives
) -> Iterator[Source | Undiscovered]:
    """Yield every OneDrive once: of each user, then those in the store whose owner is listed no more, or has another by now;
    then users of whom the service only said that the tenant has no licence, unless it says so of all; last what stands in
    `sources/` and cannot be read.

    Raises: RunError, SourceError if the users cannot be listed.
    """
    found: set[str] = set()
    unlicensed: list[Undiscovered] = []
    users = 0
    for page in graph.pages("/users", params={"$select": USER_SELECT, "$top": PAGE}, cost=Cost.USERS):
        for user in page:
            users += 1
            source = _drive_of(graph, catalogue, clock, absent, user)
            if isinstance(source, _Unlicensed):
                unlicensed.append(source)
                continue
            if isinstance(source, Source):
                if source.id in found:  # pages may overlap
                    continue
                found.add(source.id)
            if source is not None:
                yield source
    if not users:
        raise SourceError(
            "The directory lists no users at all, which no tenant is without.",
            code="no_users",
            action="Run again; if it stays, check for a proxy that answers in the service's place.",
        )
    for record in catalogue.records():
        if record["kind"] == SourceKind.ONEDRIVE and record["id"] not in found:
            found.add(record["id"])
            yield Source(SourceKind.ONEDRIVE, record["id"], record["names"][-1]["name"], record.get("owner"))
    if found:
        yield from unlicensed
    told = {Source(SourceKind.ONEDRIVE, drive_id, "").key for drive_id in found}  # these say it themselves
    for key in catalogue.damaged():
        if key not in told:
            yield _undiscovered(key, EntryDamagedError(key))


def _drive_of(
    graph: GraphSession, catalogue: Catalogue, clock: Clock, absent: AbsentDrives, user: Mapping[str, Any]
) -> Source | Undiscovered | None:
    user_id = identifier_of(user.get("id"))
    name = identifier_of(user.get("userPrincipalName")) or user_id or "(a user without id)"
    if user_id is None:
        return _undiscovered(name, _odd("The directory lists a user without an id."))
    known = catalogue.drive_of(user_id)
    if known is not None:
        return Source(SourceKind.ONEDRIVE, known["id"], name, user_id)
    licences = _licences(user)
    if absent.known(user_id, licences, clock.now()):
        return None
    try:
        drive = _ask(graph, user_id)
    except (ItemError, SourceError) as error:
        if isinstance(error, NoLicenceError) or not isinstance(error, NoDriveError):
            return _undiscovered(name, error)
        if error.status == HTTPStatus.NOT_FOUND:
            absent.remember(user_id, licences, clock.now())
        return None
    return Source(SourceKind.ONEDRIVE, drive["id"], name, user_id, text_of(drive.get("webUrl")))


def successor_of(graph: GraphSession, catalogue: Catalogue, lost: Source) -> Source | None:
    """The drive that its user has in place of one that we hold and the service does not find: a source of its own. None if there
    is none, or it is known already (1 request otherwise). Raises: RunError."""
    if lost.owner is None or catalogue.knows_newer(lost):
        return None
    params = {"$select": "id,webUrl"}
    try:
        drive = graph.get(f"/users/{segment(lost.owner)}/drive", params=params, cost=Cost.SINGLE)
    except (ItemError, SourceError):
        return None  # the user is gone as well, or cannot be asked today: the lost drive is said in any case
    if identifier_of(drive.get("id")) in {None, lost.id}:
        return None
    return Source(SourceKind.ONEDRIVE, drive["id"], lost.name, lost.owner, text_of(drive.get("webUrl")))


def _undiscovered(name: str, error: LastcopyError) -> Undiscovered:
    kind = _Unlicensed if isinstance(error, NoLicenceError) else Undiscovered
    problem = kind(str(error), code=error.code, action=error.action or "Run the export again.")
    problem.name = name
    return problem


def _ask(graph: GraphSession, user_id: str) -> JsonObject:
    """A user's drive. Only the answer that names the missing site means "no drive"; a plain 404 is asked once more, and then
    the user is asked for: one who is there has no drive, unless it was the drive that the service did not find.

    Raises: NoDriveError; UserNotFoundError; other GraphErrors.
    """
    path, params = f"/users/{segment(user_id)}", {"$select": "id,webUrl"}
    for again in (True, False):
        try:
            drive = graph.get(f"{path}/drive", params=params, cost=Cost.SINGLE)
        except NoDriveError as error:
            if error.code == "no_drive":
                raise
            if not again:
                raise _not_found(graph, path, error) from error
        except NotFoundError as error:
            if not again:
                raise _not_found(graph, path, error) from error
        else:
            if identifier_of(drive.get("id")) is not None:
                return drive
            if not again:
                raise _odd("The service names a drive without an id.")
    raise AssertionError("the second answer counts")


def _not_found(graph: GraphSession, path: str, error: GraphError) -> GraphError:
    """What two plain 404s mean: no such user, whatever the code (Q-058); no drive; or nothing that can be relied on."""
    try:
        graph.get(path, params={"$select": "id"}, cost=Cost.DIRECTORY)
    except NotFoundError as missing:
        return missing
    except GraphError:
        return error
    if error.service_code.lower() == "resourcenotfound":  # of a user who is there: it is the site that is not
        return NoDriveError(str(error), code="no_drive", status=error.status)
    return NotFoundError(str(error), code="not_found", action="Run the export again.", status=error.status)


def _odd(text: str) -> SourceError:
    return SourceError(text, code="malformed", action="Run the export again; if it stays, report it.")


def _licences(user: Mapping[str, Any]) -> str:
    """A short name for the set of licences that a user has."""
    skus = sorted(str(licence.get("skuId")) for licence in objects_of(user.get("assignedLicenses")))
    return hashlib.sha256(",".join(skus).encode("utf-8", "surrogatepass")).hexdigest()[:16]
