"""Lays policy files over one another: the built-in ones together, then files of one's own over them.

Rules of this file: pure. A file of one's own may only make protective boundaries earlier and `gone_by` later, take the way back
away, and never give it; else it must say who accepts the risk and why, which goes into the evidence. What it adds is measured
against the fallback, which would have held. Source: retention-domain §2.4 "Load rules".
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from pydantic import ValidationError

from retention.policy import AcceptedRisk, Policy, PolicyError, refused
from retention.policy_parts import (
    Chosen,
    Clock,
    DeletedUserDrive,
    ObjectClocks,
    OverAssignment,
    Plain,
    PolicyFile,
    Shortcut,
    UnlicensedDrive,
    Windows,
)

_MAX_AGE_DAYS = 180


def united(files: Sequence[PolicyFile]) -> Policy:
    """One policy of files that each hold a part. Raises: PolicyError where two say the same, or something is missing."""
    clocks: dict[str, Any] = {}
    sources: dict[str, Any] = {}
    conflicts: dict[str, Any] = {}
    states: dict[Any, Any] = {}
    fallback = None
    for file in files:
        given = {name: clock for name, clock in vars(file.object_clocks).items() if clock is not None}
        pairs: tuple[tuple[dict[Any, Any], Mapping[Any, Any]], ...] = (
            (clocks, given),
            (sources, file.sources),
            (conflicts, file.conflicts),
            (states, file.states),
        )
        for mine, theirs in pairs:
            if twice := set(mine) & set(theirs):
                raise PolicyError(f"{', '.join(sorted(twice))} stands in two files", "Take it out of one of them.")
            mine.update(theirs)
        fallback = file.fallback or fallback
    return _checked(
        "the built-in policy",
        policy_id="+".join(dict.fromkeys(file.policy_id for file in files)),
        max_age_days=min((file.max_age_days or _MAX_AGE_DAYS for file in files), default=_MAX_AGE_DAYS),
        sources=sources,
        conflicts=conflicts,
        states=states,
        windows=[window for file in files for window in file.windows],
        shortcuts=[shortcut for file in files for shortcut in file.shortcuts],
        refused=[one for file in files for one in file.refused],
        object_clocks=clocks,
        fallback=fallback,
    )


def lay_over(policy: Policy, file: PolicyFile, name: str) -> Policy:
    """The policy with a file of one's own over it. Raises: PolicyError where dates become later and nobody accepts that."""
    clocks = {name: clock for name, clock in vars(file.object_clocks).items() if clock is not None}
    laid = _checked(
        name,
        policy_id="+".join(dict.fromkeys([*policy.policy_id.split("+"), file.policy_id])),
        max_age_days=min(policy.max_age_days, file.max_age_days or policy.max_age_days),
        sources={**policy.sources, **file.sources},
        conflicts={**policy.conflicts, **file.conflicts},
        states={**policy.states, **file.states},
        windows=_replaced(policy.windows, file.windows),
        shortcuts=_replaced(policy.shortcuts, file.shortcuts),
        refused=[*policy.refused, *file.refused],
        object_clocks={**vars(policy.object_clocks), **clocks},
        fallback=file.fallback or policy.fallback,
        accepted_risks=policy.accepted_risks,
    )
    later = [
        *_looser_windows(policy, file),
        *_looser_shortcuts(policy, file),
        *_looser_clocks(policy, file),
        *((f"refused.{one.channel}", ["no dates are told"]) for one in file.refused if not policy.refusal(one.channel)),
    ]
    if not later:
        return laid
    accepted = file.accept_risk
    if accepted is None:
        told = "; ".join(f"{part}: {', '.join(changes)}" for part, changes in later)
        raise PolicyError(
            f"{name} makes dates later than published ({told})",
            "Take that out, or add accept_risk: {by: NAME, reason: TEXT}; it goes into the evidence.",
        )
    risks = [
        AcceptedRisk(part=part, policy_id=file.policy_id, by=accepted.by, reason=accepted.reason) for part, _ in later
    ]
    return laid.model_copy(update={"accepted_risks": [*policy.accepted_risks, *risks]})


def looser(old: Windows, new: Windows) -> list[str]:
    """What of `new` protects less than `old`: words for people, none if nothing does."""
    days = [
        ("access_ends", old.access_days, new.access_days),
        ("at_risk_from", old.at_risk_days, new.at_risk_days),
        ("deletable_from", old.protected_days, new.protected_days),
    ]
    found = [f"{kind} {before} → {after} days" for kind, before, after in days if after > before]
    if new.gone_by.days < old.gone_by.days:
        found.append(f"gone_by {old.gone_by.days} → {new.gone_by.days} days")
    if new.reactivate and not old.reactivate:
        found.append("a reactivation that is not published")
    if old.cut_short_by and not new.cut_short_by:
        found.append(f"no longer cut short by {old.cut_short_by}")
    return found


def _looser_windows(policy: Policy, file: PolicyFile) -> Iterator[tuple[str, list[str]]]:
    published = {window.id: window.windows for window in policy.windows}
    for window in file.windows:
        if changes := looser(published.get(window.id, policy.fallback.windows), window.windows):
            yield window.id, changes
    for old in policy.windows:
        changed = next((one for one in file.windows if one.id == old.id), old)
        if changed.applies_to != old.applies_to and (changes := looser(old.windows, policy.fallback.windows)):
            yield old.id, [f"no longer for all that it was for: {change}" for change in changes]
    if file.fallback is not None and (changes := looser(policy.fallback.windows, file.fallback.windows)):
        yield "fallback", changes


def _looser_shortcuts(policy: Policy, file: PolicyFile) -> Iterator[tuple[str, list[str]]]:
    published = {one.id: one for one in policy.shortcuts}
    for one in file.shortcuts:
        old = published.get(one.id)
        if old is not None and (changes := _later_shortcut(old, one)):
            yield one.id, changes


def _later_shortcut(old: Shortcut, new: Shortcut) -> list[str]:
    found = [f"deletable_from {old.days} → {new.days} days"] if new.days > old.days else []
    if new.gone_by_days is not None and (old.gone_by_days is None or new.gone_by_days < old.gone_by_days):
        found.append("gone_by earlier")
    if old.trigger is not None and new.trigger != old.trigger:
        found.append("another trigger")
    return found


def _looser_clocks(policy: Policy, file: PolicyFile) -> Iterator[tuple[str, list[str]]]:
    published = _numbers(policy.object_clocks)
    for place, days in _numbers(file.object_clocks).items():
        if days > published[place]:
            yield f"object_clocks.{place}", [f"{published[place]} → {days} days"]
    old, new = policy.object_clocks.unlicensed_onedrive, file.object_clocks.unlicensed_onedrive
    if old and new and (more := set(new.exempt_segments) - set(old.exempt_segments)):
        yield "object_clocks.unlicensed_onedrive", [f"exempt: {', '.join(sorted(more))}"]


def _numbers(clocks: ObjectClocks) -> dict[str, int]:
    """The days of every related clock that is given."""
    found: dict[str, int] = {}
    for name, clock in vars(clocks).items():
        if clock is not None:
            found |= {f"{name}.{what}": days for what, days in _days_of(clock).items()}
    return found


def _days_of(clock: Clock) -> Mapping[str, int]:
    match clock:
        case UnlicensedDrive():
            return {"read_only_days": clock.read_only_days, "archived_days": clock.archived_days}
        case DeletedUserDrive():
            return {"retention_days": clock.retention_days.default, "recycle_days": clock.recycle_days}
        case Plain() | Chosen() | OverAssignment():
            return {"days": clock.days}
        case _:
            return {}


def _replaced(old: Iterable[Any], new: Iterable[Any]) -> list[Any]:
    """The old parts, each in its place, with those of the same id replaced and the others behind."""
    by_id = {part.id: part for part in new}
    kept = [by_id.pop(part.id, part) for part in old]
    return [*kept, *by_id.values()]


def _checked(name: str, **parts: Any) -> Policy:
    try:
        return Policy(**parts)
    except ValidationError as error:
        raise refused(name, error) from None
