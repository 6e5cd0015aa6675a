"""From a configuration to a sweep, and to sweeps again and again.

Rules of this file: opens what a sweep needs and closes it; the tenant is asked first, for half a minute at most, and that it
does not answer changes neither dates nor exit. Source: design §6 (`sweep`, `watch`); retention-domain §5 (heartbeat).
"""

import json
import threading
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

from exporters.clock import Clock, timestamp
from exporters.errors import ConfigurationError, LastcopyError
from retention.books import opened_books
from retention.config import Config
from retention.journal_places import local_folder
from retention.sweep import Sweep, SweepResult

HEARTBEAT_SECONDS = 10.0
HEALTH_FILE = "lastcopy-watch.json"
_NOT_ASKED = "the tenant is not asked: no `tenant` is configured"


def sweep(config: Config, clock: Clock, *, dry_run: bool = False, offline: bool = False) -> SweepResult:
    """One pass. Raises: ConfigurationError, RunError, errors of the store."""
    service: tuple[datetime, datetime] | None = None
    notes: list[str] = []
    with opened_books(config, clock) as books:
        if not offline and not dry_run and config.settings.tenant is not None:
            from retention.observing import observe
            from retention.tracking import note_observation, wants_people

            seen = observe(config, clock, with_people=wants_people(books, clock.now()))
            note_observation(config, books, clock, seen)
            service = seen.service
            if not seen.reached:
                notes.append(f"the tenant is not reachable ({seen.why}): dates stand, warnings go on")
        result = Sweep(config, books, clock, service=service, notes=notes).go(dry_run=dry_run)
        result.standing = books.index.standing(len(config.settings.notify))
        if not dry_run:
            _beat(config, result, notes=result.notes)
    return result


def watch(
    config: Config,
    clock: Clock,
    stop: threading.Event,
    show: Callable[[SweepResult], None],
    complain: Callable[[LastcopyError], None],
    *,
    offline: bool = False,
    passes: int | None = None,
) -> None:
    """Sweep every `retention.sweep_every`, until told to stop. What fails is told, and tried again at the next pass; how it
    stands is written beside the state. passes: so many, for tests. Raises: ConfigurationError at the first pass."""
    every, done = config.settings.retention.sweep_every, 0
    _write_health(config, clock.now(), every, None)  # one that has just begun is well
    while not stop.is_set():
        began = clock.now()
        error: LastcopyError | None = None
        try:
            show(sweep(config, clock, offline=offline))
        except ConfigurationError as wrong:
            if not done:
                _write_health(config, began, every, wrong)
                raise
            error = wrong
        except LastcopyError as failed:
            error = failed
        if error is not None:
            complain(error)
        _write_health(config, began, every, error)
        done += 1
        if passes is not None and done >= passes:
            return
        clock.wait(stop, max((every - (clock.now() - began)).total_seconds(), 1.0))


def health_of(config: Config, now: datetime, *, wanted: bool = False) -> str | None:
    """What is wrong with the process that watches, None if nothing is. wanted: one has to be there; else one that was never
    started is fine."""
    file = health_file(config)
    if not file.exists():
        return "no `lastcopy watch` was ever started here" if wanted else None
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
        at, every = datetime.fromisoformat(found["at"]), timedelta(seconds=float(found["every_seconds"]))
    except (OSError, ValueError, KeyError, TypeError):
        return f"{file.name} cannot be read: it is not known how `lastcopy watch` stands"
    if now - at > 2 * every:
        return f"`lastcopy watch` has not swept since {found['at']}"
    return f"the last sweep of `lastcopy watch` failed: {found['error']}" if found.get("error") else None


def health_file(config: Config) -> Path:
    """Beside the state: the folder of the configuration may be read-only."""
    return local_folder(config).with_name(HEALTH_FILE)


def _write_health(config: Config, at: datetime, every: timedelta, error: LastcopyError | None) -> None:
    document = {"at": timestamp(at), "every_seconds": every.total_seconds(), "error": str(error) if error else None}
    place = health_file(config)
    new = place.with_suffix(".new")
    try:
        new.write_text(json.dumps(document), encoding="utf-8")
        Path.replace(new, place)
    except OSError:
        pass  # a folder that cannot be written to: the heartbeat tells


def _beat(config: Config, result: SweepResult, *, notes: list[str]) -> None:
    """Tell the outside monitor that a sweep was made, and what comes next, so that it can warn alone."""
    reference = config.settings.heartbeat.url
    if reference is None:
        return
    import urllib.request

    from retention.references import read_secret

    try:
        url = read_secret(reference, config.base, "heartbeat.url")
    except ConfigurationError as error:  # what was sent is sent: the silence of the heartbeat is the alarm
        notes.append(f"no heartbeat is sent: {error}")
        return
    if not url.startswith(("https://", "http://")):
        notes.append("no heartbeat is sent: heartbeat.url is no address; write an https:// address")
        return
    following = result.next_due
    body = {
        "now": timestamp(result.now),
        "sent": len(result.sent),
        "failed": len(result.failed),
        "next": {"subscription": following[0], "at": timestamp(following[1])} if following else None,
    }
    request = urllib.request.Request(  # noqa: S310 - checked above
        url, data=json.dumps(body).encode(), headers={"Content-Type": "application/json", "User-Agent": "lastcopy"}
    )
    try:
        with urllib.request.urlopen(request, timeout=HEARTBEAT_SECONDS):  # noqa: S310
            pass
    except (OSError, ValueError) as error:
        notes.append(f"the heartbeat was not heard ({getattr(error, 'code', None) or type(error).__name__})")
