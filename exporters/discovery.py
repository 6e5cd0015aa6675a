"""Which sources there are: asks the directory, the list of all sites, and the store for what it knows already.

Rules of this file: one pass over the users, and one over the sites, whatever is asked for; a user is asked for a drive or a
mailbox once, not in every run (Q-046); "there is none" is a normal result where the service says so (Q-056, Q-057), a plain 404
is not: it would leave a source out for a week; nobody is passed over for being disabled, unlicensed or a guest: the service says
who has what. A personal site is no source, the drive in it is: of users, and of people who left or lost their licence. What we
hold stays a source when its owner is gone or it is listed no more, and a drive when its owner has another: then both are sources.
Source: design §4 (names of bags), graph.md §3.1, §5.1, §5.5.
"""

import hashlib
from collections.abc import Collection, Iterator, Mapping
from datetime import datetime
from http import HTTPStatus
from typing import Any, Protocol

from exporters.bag.catalogue import Catalogue, EntryDamagedError, is_group_mailbox
from exporters.clock import Clock
from exporters.errors import ItemError, SourceError
from exporters.graph.answers import identifier_of, object_of, objects_of, text_of
from exporters.graph.calls import JsonObject, segment
from exporters.graph.errors import GraphError, NoDriveError, NoLicenceError, NotFoundError
from exporters.graph.limits import Cost
from exporters.graph.session import GraphSession
from exporters.mail.capture.presence import has_mailbox
from exporters.sharepoint.finding import FoundSite, Unlisted, find_sites, site_guids, site_of_drive
from exporters.sharepoint.refusals import explained, not_listed
from exporters.sources import FINDABLE, Source, SourceKind
from exporters.undiscovered import GROUPS, SITES, Undiscovered, Unlicensed, Without, no_sites, odd, undiscovered

USER_SELECT = "id,userPrincipalName,userType,accountEnabled,assignedLicenses"
GROUP_SELECT = "id,mail,mailNickname,groupTypes"
UNIFIED = "groupTypes/any(c:c eq 'Unified')"
PAGE = "999"
_NAMELESS = "The directory lists a user without an id."
OF_USERS = (SourceKind.ONEDRIVE, SourceKind.MAIL)
"""Kinds of which each user may have one."""


class Absences(Protocol):
    """Remembers who has no drive, or no mailbox."""

    def known(self, owner: str, licences: str, now: datetime, kind: SourceKind = SourceKind.ONEDRIVE) -> bool:
        """Whether this user or group, with these licences, was found without one within the last week."""
        ...

    def remember(self, owner: str, licences: str, now: datetime, kind: SourceKind = SourceKind.ONEDRIVE) -> None:
        """This user or group has none."""
        ...


Discovered = Source | Undiscovered | Without


def discover(
    graph: GraphSession,
    catalogue: Catalogue,
    clock: Clock,
    absences: Absences,
    kinds: Collection[SourceKind] = (SourceKind.ONEDRIVE,),
) -> Iterator[Discovered]:
    """Yield every source of these kinds once: the directory; those of each user, in one pass; the mailboxes of groups; the sites,
    and the drives of personal sites that are no listed user's; then those in the store whose owner is listed no more, or has
    another by now; then users of whom the service only said that the tenant has no licence, unless it says so of all; last what
    stands in `sources/` and cannot be read. Users and groups without a mailbox are named as well.

    Raises: RunError, SourceError if the users cannot be listed.
    """
    return _Discovery(graph, catalogue, clock, absences, frozenset(kinds)).all()


class _Discovery:
    """One go through the directory. found: keys of the sources that were yielded."""

    def __init__(
        self,
        graph: GraphSession,
        catalogue: Catalogue,
        clock: Clock,
        absences: Absences,
        kinds: frozenset[SourceKind],
    ) -> None:
        self._graph, self._catalogue, self._clock, self._absences = graph, catalogue, clock, absences
        self._kinds = kinds
        self._found: set[str] = set()
        self._drive_sites: set[str] = set()
        """Personal sites whose drive is a source of this run, or of an earlier one."""
        self._owners: set[str | None] = set()
        """Users whose drive was found."""
        self._names: dict[str, str] = {}
        """Of all listed users, by their ids."""
        self._unasked: dict[str, Undiscovered] = {}
        """Those who could not be asked for it: a finding, unless the list of sites leads to it."""
        self._unlicensed: list[Undiscovered] = []

    def all(self) -> Iterator[Discovered]:
        """See `discover`."""
        if SourceKind.DIRECTORY in self._kinds:
            yield from self._first(self._directory())
        if not self._kinds.isdisjoint(OF_USERS):
            yield from self._of_users()
        if SourceKind.MAIL in self._kinds:
            yield from self._of_groups()
        if not self._kinds.isdisjoint({SourceKind.ONEDRIVE, SourceKind.SHAREPOINT}):
            yield from self._of_sites()
        yield from self._of_the_store()
        for user_id, problem in self._unasked.items():
            if user_id not in self._owners:
                yield from self._first(problem)
        if self._owners:
            yield from self._unlicensed
        untold = next((kind for kind in FINDABLE if kind in self._kinds), SourceKind.ONEDRIVE)
        for key in self._catalogue.damaged():
            if key not in self._found:  # those say it themselves
                yield undiscovered(key, EntryDamagedError(key), untold)

    def _directory(self) -> Discovered:
        """The one of the tenant; a store holds no more than one."""
        kind = SourceKind.DIRECTORY
        held = (record["id"] for record in self._catalogue.records() if record["kind"] == kind)
        tenant = next(held, None)
        try:
            if tenant is None:
                pages = self._graph.pages("/organization", params={"$select": "id"}, cost=Cost.DIRECTORY)
                tenant = next((identifier_of(row.get("id")) for page in pages for row in page), None)
        except (ItemError, SourceError) as error:
            return undiscovered(kind.value, error, kind)
        if tenant is None:
            return undiscovered(kind.value, odd("The service does not say whose directory it is."), kind)
        return Source(kind, tenant, kind.value)

    def _of_users(self) -> Iterator[Discovered]:
        users = 0
        for page in self._graph.pages("/users", params={"$select": USER_SELECT, "$top": PAGE}, cost=Cost.USERS):
            for user in page:
                users += 1
                if SourceKind.ONEDRIVE in self._kinds:
                    yield from self._first(self._drive_of(user))
                if SourceKind.MAIL in self._kinds:
                    yield from self._first(self._mailbox_of_user(user))
        if not users:
            raise SourceError(
                "The directory lists no users at all, which no tenant is without.",
                code="no_users",
                action="Run again; if it stays, check for a proxy that answers in the service's place.",
            )

    def _first(self, found: Discovered | None) -> Iterator[Discovered]:
        """What was found, unless it is a source that was found before: pages may overlap."""
        if isinstance(found, Unlicensed):
            self._unlicensed.append(found)
        elif isinstance(found, Source):
            if found.kind is SourceKind.ONEDRIVE:
                self._drive_sites.add(site_of_drive(found.id) or "")
                self._owners.add(found.owner)
            if found.key not in self._found:
                self._found.add(found.key)
                yield found
        elif found is not None:
            yield found

    def _drive_of(self, user: Mapping[str, Any]) -> Discovered | None:
        user_id, name = _identity(user)
        if user_id is None:
            return undiscovered(name, odd(_NAMELESS))
        self._names[user_id] = name
        known = self._catalogue.drive_of(user_id)
        if known is not None:
            return Source(SourceKind.ONEDRIVE, known["id"], name, user_id)
        licences = _licences(user)
        if self._absences.known(user_id, licences, self._clock.now()):
            return None
        try:
            drive = _ask(self._graph, user_id)
        except (ItemError, SourceError) as error:
            if isinstance(error, NoLicenceError) or not isinstance(error, NoDriveError):
                self._unasked[user_id] = undiscovered(name, error)
            elif error.status == HTTPStatus.NOT_FOUND:
                self._absences.remember(user_id, licences, self._clock.now())
            return None
        return Source(SourceKind.ONEDRIVE, drive["id"], name, user_id, text_of(drive.get("webUrl")))

    def _mailbox_of_user(self, user: Mapping[str, Any]) -> Discovered:
        user_id, name = _identity(user)
        if user_id is None:
            return undiscovered(name, odd(_NAMELESS), SourceKind.MAIL)
        return self._mailbox_of(Source(SourceKind.MAIL, user_id, name), _licences(user))

    def _mailbox_of(self, source: Source, licences: str) -> Discovered:
        if self._catalogue.knows(source):
            return source
        now, without = self._clock.now(), Without(source.kind, source.name)
        if self._absences.known(source.id, licences, now, source.kind):
            return without
        try:
            if has_mailbox(self._graph, source.id, is_group=source.is_group):
                return source
        except (ItemError, SourceError) as error:
            return undiscovered(source.name, error, source.kind)
        self._absences.remember(source.id, licences, now, source.kind)
        return without

    def _of_groups(self) -> Iterator[Discovered]:
        params = {"$filter": UNIFIED, "$select": GROUP_SELECT, "$top": PAGE}
        try:
            for page in self._graph.pages("/groups", params=params, cost=Cost.DIRECTORY):
                for group in page:
                    yield from self._first(self._of_group(group))
        except (ItemError, SourceError) as error:  # those that we know are asked for themselves
            yield undiscovered(GROUPS, error, SourceKind.MAIL, may_hide=True)

    def _of_group(self, group: Mapping[str, Any]) -> Discovered | None:
        group_id = identifier_of(group.get("id"))
        name = identifier_of(group.get("mail")) or identifier_of(group.get("mailNickname")) or group_id
        if group_id is None or name is None:
            return undiscovered(
                name or "(a group without id)",
                odd("The directory lists a group without an id."),
                SourceKind.MAIL,
                may_hide=True,
            )
        kinds = group.get("groupTypes")
        if isinstance(kinds, list) and "Unified" not in kinds:  # a service that does not filter
            return None
        return self._mailbox_of(Source(SourceKind.MAIL, group_id, name, is_group=True), GROUPS)

    def _of_sites(self) -> Iterator[Discovered]:
        for record in self._catalogue.records():  # a drive that we hold need not be asked for through its site
            if record["kind"] == SourceKind.ONEDRIVE:
                self._drive_sites.add(site_of_drive(record["id"]) or "")
        has_sites, wants_sites = False, SourceKind.SHAREPOINT in self._kinds

        def skip(site: FoundSite) -> bool:
            return self._is_known(site) if site.is_personal else not wants_sites

        try:
            for site in find_sites(self._graph, with_subsites=wants_sites, skip=skip, held=self._held_sites()):
                has_sites = has_sites or isinstance(site, Unlisted) or not site.is_personal
                yield from self._first(self._of_site(site))
            if wants_sites and not has_sites:
                yield undiscovered(SITES, no_sites(), SourceKind.SHAREPOINT, may_hide=True)
        except (ItemError, SourceError) as error:  # those that we know are asked for themselves
            for kind in (SourceKind.ONEDRIVE, SourceKind.SHAREPOINT):
                if kind in self._kinds:
                    yield from self._first(undiscovered(SITES, not_listed(error), kind, may_hide=True))

    def _held_sites(self) -> Iterator[FoundSite]:
        for record in self._catalogue.records():
            if record["kind"] == SourceKind.SHAREPOINT:
                yield FoundSite(record["id"], record["names"][-1]["name"], None)

    def _of_site(self, site: FoundSite | Unlisted) -> Discovered | None:
        if isinstance(site, Unlisted):
            kind = SourceKind.SHAREPOINT if SourceKind.SHAREPOINT in self._kinds else SourceKind.ONEDRIVE
            return undiscovered(site.name, site.error, kind, may_hide=True)
        if site.is_personal:
            return None if self._is_known(site) else self._of_personal_site(site)
        return Source(SourceKind.SHAREPOINT, site.id, site.name, web_url=site.web_url)

    def _is_known(self, site: FoundSite) -> bool:
        """Whether the drive of a personal site is a source that is known, or is not asked for."""
        return SourceKind.ONEDRIVE not in self._kinds or site_guids(site.id) in self._drive_sites

    def _of_personal_site(self, site: FoundSite) -> Discovered | None:
        """The drive of a site that is no known drive's: its owner left, has no licence, or has another drive as well."""
        name = site.name.rpartition("!")[2]
        try:
            params = {"$select": "id,webUrl,owner"}
            drive = self._graph.get(f"/sites/{segment(site.id)}/drive", params=params, cost=Cost.SINGLE)
        except (ItemError, SourceError) as error:
            return undiscovered(name, explained(self._graph, site.id, error))
        drive_id = identifier_of(drive.get("id"))
        if drive_id is None:
            return undiscovered(name, odd("The service names a drive without an id."))
        owner = identifier_of(object_of(object_of(drive.get("owner")).get("user")).get("id"))
        name = self._names.get(owner or "", name)  # who has a second one, or had none by the way of the user
        return Source(SourceKind.ONEDRIVE, drive_id, name, owner, text_of(drive.get("webUrl")))

    def _of_the_store(self) -> Iterator[Discovered]:
        for record in self._catalogue.records():
            kind = record["kind"]
            if kind not in self._kinds:
                continue
            name, owner = record["names"][-1]["name"], record.get("owner")
            source = Source(SourceKind(kind), record["id"], name, owner)
            if source.key in self._found:
                continue
            if source.kind is SourceKind.MAIL:
                is_group = is_group_mailbox(self._catalogue.store, record["bag"])
                source = Source(source.kind, source.id, name, owner, is_group=is_group)
            yield from self._first(source)


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
                raise odd("The service names a drive without an id.")
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


def _identity(user: Mapping[str, Any]) -> tuple[str | None, str]:
    """Id, and name for people."""
    user_id = identifier_of(user.get("id"))
    return user_id, identifier_of(user.get("userPrincipalName")) or user_id or "(a user without id)"


def _licences(user: Mapping[str, Any]) -> str:
    """A short name for the set of licences that a user has."""
    skus = sorted(str(licence.get("skuId")) for licence in objects_of(user.get("assignedLicenses")))
    return hashlib.sha256(",".join(skus).encode("utf-8", "surrogatepass")).hexdigest()[:16]
