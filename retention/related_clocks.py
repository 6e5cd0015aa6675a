"""Clocks that run per user, drive, file, group or package, and what several subscriptions come to together.

Rules of this file: pure. All marks are counted from the earliest reading. A user's data is safe while any subscription that
covers the service has no clock; when all have ended, the personal clocks run though the tenant lives, and the earlier of the
personal and the tenant-wide loss is planned by. Source: retention-domain §2.3, §2.5 "Several subscriptions"; data/retention
README.md, `multi` and `object`.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from retention.events import OBJECT_TYPES, EventError, TimeRange, read_time, read_when
from retention.policy import Policy
from retention.policy_parts import DeletedUserDrive, ObjectClocks, UnlicensedDrive
from retention.running_clock import DAY
from retention.timeline import BOUNDARIES, Timeline

SERVICES: Final = ("exchange", "sharepoint")


@dataclass(frozen=True, slots=True)
class ObjectEvent:
    """What happened to one user, drive, file, group or package.

    restored_at: when the licence came back; hold: a hold or policy keeps the data; days: the tenant's own number (retention
    of a deleted user's drive, of the recycle bin, of recoverable items), None for the default.
    """

    type: str
    when: TimeRange
    restored_at: datetime | None = None
    hold: bool = False
    days: int | None = None


@dataclass(frozen=True, slots=True)
class Marks:
    """Instants by name; None: that clock does not run. flags: those of data/retention/README.md."""

    clocks: dict[str, datetime | None]
    flags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Covering:
    """A subscription, and the services it carries."""

    timeline: Timeline
    services: frozenset[str]

    @property
    def runs(self) -> bool:
        return self.timeline.starts is not None


@dataclass(frozen=True, slots=True)
class PersonalClock:
    """One user's clock for one service, after the last subscription that licensed them. plan_by: the earliest loss; that a
    drive is read-only is none."""

    marks: dict[str, datetime | None]
    plan_by: datetime | None
    source: str


@dataclass(frozen=True, slots=True)
class Together:
    """Several subscriptions. services: the latest of each boundary, None while one that carries the service has no clock;
    users: by user, `mailbox` and `onedrive`, None while licensed (or never licensed); tenant_at_risk_from: the directory goes
    with the last subscription of all."""

    services: dict[str, dict[str, datetime] | None]
    users: dict[str, dict[str, PersonalClock | None]] = field(default_factory=dict)
    flags: tuple[str, ...] = ()
    tenant_at_risk_from: datetime | None = None


def read_object_event(record: Mapping[str, Any], *, zone: str | None = None) -> ObjectEvent:
    """The event of a JSON record as in a case's `object_event`. Raises: EventError."""
    kind = record.get("type")
    if kind not in OBJECT_TYPES:
        raise EventError(f"there is no object event {kind!r}", f"Allowed: {', '.join(OBJECT_TYPES)}.")
    own = {"user_deleted": "onedrive_retention_days", "mail_item_deleted": "retention_days"}.get(
        kind, "recycle_bin_days"
    )
    days = record.get(own)
    if days is not None and (not isinstance(days, int) or isinstance(days, bool) or not 0 <= days <= 36_500):
        raise EventError(f"{own} is {days!r}", "Allowed: a whole number of days.")
    restored = record.get("restored_at")
    when = read_when({name: record.get(name) for name in ("at", "between", "local", "date", "type")}, zone=zone)
    return ObjectEvent(
        str(kind),
        when,
        read_time(str(restored), zone=zone).earliest if restored is not None else None,
        bool(record.get("hold", False)),
        days,
    )


def object_marks(policy: Policy, event: ObjectEvent, *, segment: str = "commercial") -> Marks:
    """The marks of one object's clocks."""
    clocks, start = policy.object_clocks, event.when.earliest
    flags: set[str] = {"uncertain_start"} if event.when.earliest != event.when.latest else set()
    match event.type:
        case "licence_removed":
            marks = _licence_removed(clocks, event, segment, flags)
        case "user_deleted":
            marks = _user_deleted(clocks, event, segment, flags)
        case "group_deleted":
            marks = {"group_restore_until": start + _days(clocks, "deleted_group") * DAY}
        case "site_deleted" | "file_deleted":
            marks = {"recycle_purge_from": start + _days(clocks, "recycle_bin", event.days) * DAY}
        case "mail_item_deleted":
            marks = {"recoverable_until": start + _days(clocks, "recoverable_items", event.days) * DAY}
        case _:
            marks = {"package_expires": start + _days(clocks, "export_package") * DAY}
    return Marks(marks, tuple(sorted(flags)))


def _licence_removed(
    clocks: ObjectClocks, event: ObjectEvent, segment: str, flags: set[str]
) -> dict[str, datetime | None]:
    start, drive = event.when.earliest, _drive(clocks)
    marks: dict[str, datetime | None] = {
        "mailbox_at_risk_from": None if event.hold else start + _days(clocks, "mailbox_without_licence") * DAY,
        **_unlicensed(drive, start, segment),
    }
    if event.hold:
        flags.add("becomes_inactive_mailbox_no_graph_route")
    if segment in drive.exempt_segments:
        flags.add("segment_exempt_from_unlicensed_onedrive")
    restored = event.restored_at
    if restored is not None:
        flags.add("licence_restored")
        marks = {name: None if at is not None and at > restored else at for name, at in marks.items()}
    return marks


def _user_deleted(
    clocks: ObjectClocks, event: ObjectEvent, segment: str, flags: set[str]
) -> dict[str, datetime | None]:
    """A hold keeps mailbox and drive; yet nobody reads a drive that was archived for want of a licence."""
    start, kept = event.when.earliest, _deleted_drive(clocks)
    retention = kept.retention_days.default if event.days is None else event.days
    recycled = None if event.hold else start + retention * DAY
    archived = _unlicensed(_drive(clocks), start, segment)["onedrive_archived_from"]
    if archived is not None and (recycled is None or archived < recycled):
        flags.add("archived_before_retention_ends")
    return {
        "user_restore_until": start + _days(clocks, "deleted_user") * DAY,
        "mailbox_at_risk_from": None if event.hold else start + _days(clocks, "mailbox_without_licence") * DAY,
        "onedrive_recycle_from": recycled,
        "onedrive_purge_from": None if recycled is None else recycled + kept.recycle_days * DAY,
        "onedrive_unreadable_from": min((at for at in (recycled, archived) if at is not None), default=None),
    }


def together(
    policy: Policy,
    subscriptions: Mapping[str, Covering],
    users: Mapping[str, Sequence[str]],
    *,
    segment: str = "commercial",
) -> Together:
    """What several subscriptions come to. users: by user, the ids of the subscriptions that license them. Raises: EventError."""
    services = {name: _service(subscriptions.values(), name) for name in SERVICES}
    found: dict[str, dict[str, PersonalClock | None]] = {}
    for user, ids in users.items():
        if unknown := [one for one in ids if one not in subscriptions]:
            raise EventError(
                f"the user {user!r} has the unknown subscription {unknown[0]!r}", "Name one of those given."
            )
        mine = [subscriptions[one] for one in ids]
        found[user] = {
            "mailbox": _mailbox(policy, mine, services["exchange"]),
            "onedrive": _onedrive(policy, mine, services["sharepoint"], segment),
        }
    flags = {flag for one in subscriptions.values() for flag in one.timeline.flags}
    return Together(services, found, tuple(sorted(flags)), _tenant(subscriptions.values()))


def loss_of(found: Together, kind: str, owner: str | None) -> datetime | None:
    """When a source may be lost at the earliest: what to plan its copy by. None: nothing runs out.

    kind: of the source (mail, onedrive, sharepoint, directory); owner: the user it belongs to, None for groups and sites. A user
    of whom it is not known what licenses them counts with the service as a whole.
    """
    if kind == "directory":
        return found.tenant_at_risk_from
    service, what = ("exchange", "mailbox") if kind == "mail" else ("sharepoint", "onedrive")
    if kind in ("mail", "onedrive") and owner in found.users:
        clock = found.users[owner][what]
        return clock.plan_by if clock is not None else None
    boundaries = found.services[service]
    return boundaries["at_risk_from"] if boundaries is not None else None


def _service(subscriptions: Iterable[Covering], service: str) -> dict[str, datetime] | None:
    carrying = [one for one in subscriptions if service in one.services]
    if not carrying or not all(one.runs for one in carrying):
        return None
    each = [one.timeline.instants() for one in carrying]
    return {kind: max(instants[kind] for instants in each) for kind in BOUNDARIES}


def _tenant(subscriptions: Collection[Covering]) -> datetime | None:
    ends = [one.timeline.instants()["at_risk_from"] for one in subscriptions if one.runs]
    return max(ends) if ends and len(ends) == len(subscriptions) else None


def _unlicensed_from(mine: Iterable[Covering], service: str) -> tuple[datetime, datetime] | None:
    """When the last clock of those that license a user started, and when the last of them locks users out; None: still
    licensed, or never."""
    carrying = [one for one in mine if service in one.services]
    if not carrying or not all(one.runs for one in carrying):
        return None
    starts = [one.timeline.starts[0] for one in carrying if one.timeline.starts]
    return max(starts), max(one.timeline.instants()["access_ends"] for one in carrying)


def _mailbox(policy: Policy, mine: Sequence[Covering], service: dict[str, datetime] | None) -> PersonalClock | None:
    begun = _unlicensed_from(mine, "exchange")
    if begun is None:
        return None
    clock = policy.object_clocks.mailbox_without_licence
    own = max(begun[0] + _days(policy.object_clocks, "mailbox_without_licence") * DAY, begun[1])
    marks: dict[str, datetime | None] = {"unlicensed_from": begun[0], "own_at_risk_from": own}
    return PersonalClock(marks, _earliest([own], service), clock.source if clock else "")


def _onedrive(
    policy: Policy, mine: Sequence[Covering], service: dict[str, datetime] | None, segment: str
) -> PersonalClock | None:
    begun = _unlicensed_from(mine, "sharepoint")
    if begun is None:
        return None
    drive = _drive(policy.object_clocks)
    own = _unlicensed(drive, begun[0], segment)
    archived = own["onedrive_archived_from"]
    marks = {
        "unlicensed_from": begun[0],
        "read_only_from": own["onedrive_read_only_from"],
        "archived_from": archived,
    }
    return PersonalClock(marks, _earliest([archived], service), drive.source)


def _earliest(own: Collection[datetime | None], service: dict[str, datetime] | None) -> datetime | None:
    known = [at for at in (*own, service["at_risk_from"] if service else None) if at is not None]
    return min(known, default=None)


def _unlicensed(drive: UnlicensedDrive, start: datetime, segment: str) -> dict[str, datetime | None]:
    exempt = segment in drive.exempt_segments
    return {
        "onedrive_read_only_from": None if exempt else start + drive.read_only_days * DAY,
        "onedrive_archived_from": None if exempt else start + drive.archived_days * DAY,
    }


def _days(clocks: ObjectClocks, name: str, own: int | None = None) -> int:
    """The days of a clock of the policy, or the tenant's own number."""
    days: int = getattr(clocks, name).days if own is None else own
    return days


def _drive(clocks: ObjectClocks) -> UnlicensedDrive:
    if clocks.unlicensed_onedrive is None:
        raise KeyError("unlicensed_onedrive")  # the policy was checked to hold it
    return clocks.unlicensed_onedrive


def _deleted_drive(clocks: ObjectClocks) -> DeletedUserDrive:
    if clocks.deleted_user_onedrive is None:
        raise KeyError("deleted_user_onedrive")
    return clocks.deleted_user_onedrive
