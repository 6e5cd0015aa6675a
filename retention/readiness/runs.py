"""What the runs say: which is the last complete one, whether its scope is today's, whether another is at work, and what it found
about whole sources that nobody accepted.

Rules of this file: no I/O; the newest run that went through all sources to its end decides what there is. Source: design §6
(exit codes), §7 (`ready`); docs/decisions/0022, 0090.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from exporters.bag.fence import Process, is_known_alive, is_known_dead
from exporters.bag.formats import JsonObject
from retention.acceptance import MASS, REFUSED, UNRECONCILED
from retention.findings import REASONS
from retention.history import History, PastRun
from retention.readiness.clocks import is_too_old
from retention.readiness.reasons import EXPORT, Reason, accept, block

_OF_A_RUN = frozenset({"sources", "take_over", "refresh_permissions"})
"""What is asked of one run, and says nothing of the copy."""


def run_reasons(
    history: History, asked: JsonObject, now: datetime, own: Process, max_age: timedelta
) -> Iterator[Reason]:
    """Every reason about runs. asked: what the configuration of now would ask of one."""
    run = history.complete
    yield from _under_way(history, run, own)
    if run is None or run.ended_at is None:
        message = "no export has gone through all sources to its end yet"
        yield block("no_complete_run", message, EXPORT)
        return
    if is_too_old(run.ended_at, now, max_age):
        hours = max_age.total_seconds() / 3600
        message = f"the last complete export ended on {run.ended_at:%Y-%m-%d %H:%M} UTC, not within the last {hours:,.0f} hours"
        yield block("run_too_old", message, EXPORT)
    if changed := sorted(_differences(run.asked, asked)):
        message = f"the configuration asks for something else than the last complete export: {', '.join(changed)}"
        yield block("scope_changed", message, EXPORT)


def whole_reasons(history: History) -> Iterator[Reason]:
    """What the newest looks showed about whole sources, and nobody has accepted."""
    told = history.acceptances
    for place, shown in sorted(told.shown.items()):
        refusals = [code for code in shown if code in REFUSED]
        for code, digest in sorted(shown.items()):
            by = told.of_whole(place, code, digest)
            if MASS in shown and refusals and (code == MASS or code in refusals):  # two names of one thing
                by = [name for one in (MASS, *refusals) for name in told.of_whole(place, one, shown[one])]
            if not by:
                label = place.removeprefix("name:")
                why = REASONS.get(code, f"the service refuses it, or it is not there ({code})")
                message = f"{label}: {why}"
                of_it = "not_reconciled" if code == UNRECONCILED else "finding_not_accepted"
                yield block("source_not_copied" if place != label else of_it, message, accept(code, label), code)


def _under_way(history: History, complete: PastRun | None, own: Process) -> Iterator[Reason]:
    """Runs that did not come to their end: at work on this machine; or begun after the last complete one, and failed or stopped,
    or nobody knows how they ended. They may have met what that one did not."""
    after = -1 if complete is None else complete.number
    for run in history.runs.values():
        if run.ended is not None:
            if run.number > after and not run.asked.get("sources") and not run.is_complete:
                told = f"run {run.run}, exit {run.ended.get('exit')}"
                yield block("run_failed", f"a later export of everything failed or was stopped ({told})", EXPORT)
            continue
        told = f"run {run.run}, host {run.writer.get('host')}, process {run.writer.get('pid')}"
        if is_known_alive(run.writer, own):
            yield block("run_under_way", f"an export is at work ({told}); wait for its end", EXPORT)
        elif run.number > after:
            how = "was cut off" if is_known_dead(run.writer, own) else "is at work, or was cut off"
            yield block("run_unfinished", f"an export has begun and not ended: it {how} ({told})", EXPORT)


def _differences(before: JsonObject, now: JsonObject) -> Iterator[str]:
    """Names of what is asked for otherwise."""
    for name in {*before, *now} - _OF_A_RUN - {"scope"}:
        if before.get(name) != now.get(name):
            yield f"{name} {_shown(before.get(name))} → {_shown(now.get(name))}"
    old, new = before.get("scope") or {}, now.get("scope") or {}
    for name in {*old, *new}:
        if old.get(name) != new.get(name):
            yield f"{name} {_shown(old.get(name))} → {_shown(new.get(name))}"


def _shown(value: Any) -> str:
    if isinstance(value, list):
        return f"{len(value):,} names"
    return "(not said)" if value is None else str(value)
