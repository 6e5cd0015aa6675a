"""The policy in force for people and for machines: lists, and one part explained with every source.

Rules of this file: pure; every sentence that a source says stands beside the source, its title and its date. Source:
retention-domain §2.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from retention.policy import Policy, references, source_key
from retention.policy_parts import (
    SCHEMA,
    Clock,
    Conflict,
    Part,
    Says,
    Shortcut,
    SourceDocument,
    Stage,
    StateMeaning,
    Window,
    Windows,
)

Table = tuple[Sequence[str], Sequence[Sequence[object]]]


@dataclass(frozen=True, slots=True)
class Explained:
    """One part: its name, lines for people, and its JSON."""

    title: str
    lines: tuple[str, ...]
    as_json: Mapping[str, Any]


def document(policy: Policy, now: datetime) -> dict[str, Any]:
    """What `policies --json` says: the whole policy, as its files would, with its hash."""
    return {
        "schema": SCHEMA,
        **policy.as_json(),
        "sha256": policy.sha256,
        "verified_on": str(policy.verified_on),
        "too_old": policy.too_old(now),
    }


def overview(policy: Policy) -> Iterator[Table]:
    """The windows, the shortcuts, the related clocks: days from the start of each."""
    yield (
        (
            "window",
            "channel",
            "trigger",
            "stages",
            "access_ends",
            "at_risk_from",
            "deletable_from",
            "gone_by",
            "basis",
            "source",
        ),
        [_window_row(window) for window in policy.windows]
        + [
            [
                "fallback",
                "any",
                "any other",
                *_numbers(policy.fallback.windows),
                "inferred",
                policy.fallback.at_risk.source,
            ]
        ],
    )
    yield (
        ("shortcut", "deletable_from", "gone_by", "source"),
        [(one.id, one.days, one.gone_by_days, one.source) for one in policy.shortcuts],
    )
    yield (
        ("related clock", "starts at", "days", "basis", "source"),
        [
            (name, clock.starts_at, _clock_days(clock), clock.basis, clock.source)
            for name, clock in vars(policy.object_clocks).items()
            if clock is not None
        ],
    )
    yield (("refused", "why"), [(one.channel, one.why.says) for one in policy.refused])
    yield (("accepted risk", "by", "reason"), [(one.part, one.by, one.reason) for one in policy.accepted_risks])


def explained(policy: Policy, name: str) -> list[Explained]:
    """Every part of that name: a window, all windows of a channel, a shortcut, a clock, a conflict, a state, a source."""
    found: list[Explained] = []
    for window in policy.windows:
        if name in (window.id, window.applies_to.channel):
            found.append(_part(policy, f"{window.id}: {window.title}", window, _window_lines(policy, window)))
    for shortcut in policy.shortcuts:
        if name in (shortcut.id, shortcut.trigger):
            found.append(_part(policy, f"{shortcut.id}: {shortcut.title}", shortcut, _shortcut_lines(shortcut)))
    for refused in policy.refused:
        if name == refused.channel:
            found.append(_part(policy, f"{name}: no dates are told", refused, [_says(refused.why)]))
    clock = vars(policy.object_clocks).get(name)
    if clock is not None:
        found.append(_part(policy, f"{name}: {clock.title}", clock, _clock_lines(clock)))
    if name in policy.conflicts:
        found.append(
            _part(
                policy,
                f"{name}: {policy.conflicts[name].about}",
                policy.conflicts[name],
                _conflict_lines(policy.conflicts[name]),
            )
        )
    for state, meaning in policy.states.items():
        if name == state:
            found.append(_part(policy, state, meaning, _state_lines(meaning)))
    if name in policy.sources:
        found.append(
            Explained(
                f"{name}: {policy.sources[name].title}",
                (_source_line(name, policy.sources[name]),),
                _json(policy.sources[name]),
            )
        )
    if name == "fallback":
        found.append(
            _part(
                policy,
                "fallback: where no window matches",
                policy.fallback,
                list(_windows_lines(policy.fallback.windows)),
            )
        )
    return found


def _part(policy: Policy, title: str, part: Part, lines: Sequence[str]) -> Explained:
    """With its conflicts and the documents that it rests on."""
    named = [policy.conflicts[one] for one in getattr(part, "conflicts", []) if one in policy.conflicts]
    keys = dict.fromkeys(source_key(reference) for one in [part, *named] for _, reference in references(one))
    told = [*lines]
    for one in named:
        told.append(f"Sources disagree about {one.about}:")
        told += [f"  {line}" for line in _conflict_lines(one)]
    told.append("Sources:")
    told += [f"  {_source_line(key, policy.sources[key])}" for key in keys if key in policy.sources]
    return Explained(title, tuple(told), {"name": title.partition(":")[0], **_json(part)})


def _window_lines(policy: Policy, window: Window) -> list[str]:
    applies = window.applies_to
    narrowed = [
        f"{what} {', '.join(map(str, given))}"
        for what, given in (("term", applies.term), ("segment", applies.segment), ("cloud", applies.cloud))
        if given
    ]
    lines = [
        f"Holds for: channel {applies.channel}, trigger {applies.trigger}{''.join(f', {one}' for one in narrowed)}",
        f"Verified on {window.verified_on}; {window.basis} by {window.source}",
        *_windows_lines(window.windows),
    ]
    if window.windows.cut_short_by:
        lines.append(f"The last stage is cut short by {window.windows.cut_short_by}.")
    return lines + [_says(note) for note in window.notes]


def _windows_lines(windows: Windows) -> Iterator[str]:
    day = 0
    for stage in windows.stages:
        yield f"Day {day} to {day + stage.days}: {stage.state}; {_who(stage)}"
        yield from (
            f"  {who}: {_says(can)}" for who, can in (("users", stage.users_can), ("admins", stage.admins_can)) if can
        )
        day += stage.days
    yield f"access_ends: day {windows.access_days}"
    risk, gone = windows.at_risk, windows.gone_by
    stated = f"; the {risk.days} days of the source fall earlier" if risk.days < windows.at_risk_days else ""
    yield f"at_risk_from: day {windows.at_risk_days} ({risk.basis}, {risk.source}{stated}){_alternative(risk.alternative)}"
    yield f"deletable_from: day {windows.protected_days}"
    counted = f"{gone.basis}, {gone.source}; from the latest reading of the start"
    yield f"gone_by: day {gone.days} ({counted}){_alternative(gone.alternative)}"
    yield f"reactivate_until: before day {windows.protected_days}" if windows.reactivate else "reactivate_until: never"


def _shortcut_lines(shortcut: Shortcut) -> list[str]:
    gone = "that of the clock that ran, else 180 days" if shortcut.trigger else "not stated"
    if shortcut.gone_by_days is not None:
        gone = f"{shortcut.gone_by_days} days"
    return [
        f"Verified on {shortcut.verified_on}; {shortcut.basis} by {shortcut.source}",
        *(f"Step: {_says(step)}" for step in shortcut.steps),
        f"access_ends and at_risk_from: at once; deletable_from: {shortcut.days} days; gone_by: {gone}; no way back",
        f"Said beforehand: {_says(shortcut.beforehand)}",
        *(_says(note) for note in shortcut.notes),
    ]


def _clock_lines(clock: Clock) -> list[str]:
    return [
        f"Starts when {clock.starts_at}; {_clock_days(clock) or 'no days'}",
        f"Verified on {clock.verified_on}; {clock.basis} by {clock.source}",
        *(_says(note) for note in clock.notes),
    ]


def _conflict_lines(conflict: Conflict) -> list[str]:
    return [*(_says(one) for one in conflict.statements), f"Handled as: {conflict.handling}"]


def _state_lines(meaning: StateMeaning) -> list[str]:
    graph = ", ".join(meaning.graph_status)
    return [
        *([f"Also called {', '.join(meaning.other_names)}"] if meaning.other_names else []),
        *([f"Graph shows {graph} ({meaning.basis})"] if graph else []),
        *(_says(one) for one in meaning.says),
    ]


def _says(one: Says) -> str:
    return f"{one.says} [{one.source}]"


def _source_line(key: str, source: SourceDocument) -> str:
    return f'{key}: {source.publisher}, "{source.title}", {source.document_date}; verified on {source.verified_on}'


def _alternative(one: Any) -> str:
    return f"; {one.source} says {one.days}" if one else ""


def _who(stage: Stage) -> str:
    users = "users work" if stage.users else "users locked out"
    admins = "admins reach data" if stage.admins else "admins do not reach data"
    return f"{users}, {admins}, {'can be reactivated' if stage.reactivate else 'no reactivation'}"


def _window_row(window: Window) -> list[object]:
    applies = window.applies_to
    channel = f"{applies.channel} {'/'.join(applies.term)}" if applies.term else applies.channel
    return [window.id, channel, applies.trigger, *_numbers(window.windows), window.basis, window.source]


def _numbers(windows: Windows) -> list[object]:
    stages = ", ".join(f"{stage.state} {stage.days}" for stage in windows.stages)
    return [stages, windows.access_days, windows.at_risk_days, windows.protected_days, windows.gone_by.days]


def _clock_days(clock: Clock) -> str:
    names = [name for name in type(clock).model_fields if name == "days" or name.endswith("_days")]
    found = []
    for name in names:
        value = getattr(clock, name)
        days = value if isinstance(value, int) else value.default
        found.append(f"{days} d" if name == "days" else f"{name.removesuffix('_days').replace('_', ' ')} {days} d")
    return ", ".join(found)


def _json(part: Part) -> dict[str, Any]:
    made: dict[str, Any] = part.model_dump(mode="json", by_alias=True)
    return made
