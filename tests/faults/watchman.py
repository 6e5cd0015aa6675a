"""Sweeps of simulated days against a real mail server and a real web server on loopback."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from exporters.clock import ManualClock
from retention.config import Config, load
from retention.sweep import SweepResult
from retention.sweeping import sweep
from retention.tracking import state_one
from tests.faults.mail_server import MailServer, Taken

CANCELLED = datetime(2026, 3, 1, 10, 15, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


@dataclass
class Watchman:
    """A folder with a configuration, and a clock. contacts: {name: (address, further keys)} in order of escalation."""

    folder: Path
    contacts: dict[str, tuple[str, str]]
    clock: ManualClock = field(default_factory=lambda: ManualClock(CANCELLED))
    more: str = ""
    state: str = "sqlite:///lastcopy.db"
    zone: str = "Europe/Amsterdam"

    @property
    def config(self) -> Config:
        """Written and read anew: tests change what is in it."""
        lines = [f"state: {self.state}", f"retention: {{time_zone: {self.zone}}}", "notify:"]
        for name, (address, keys) in self.contacts.items():
            (self.folder / f"{name}.address").write_text(address)
            lines.append(f"  - {{name: {name}, to: file:{name}.address{', ' + keys if keys else ''}}}")
        (self.folder / "lastcopy.yaml").write_text("\n".join([*lines, self.more]) + "\n")
        return load(self.folder / "lastcopy.yaml")

    def track(self, *events: str, name: str = "S1", channel: str | None = "direct") -> Any:
        """State something of a subscription."""
        return state_one(self.config, self.clock, name, {"channel": channel} if channel else {}, events, None)

    def sweep(self, **how: Any) -> SweepResult:
        return sweep(self.config, self.clock, offline=True, **how)

    def at(self, when: datetime) -> "Watchman":
        """Move the clock on to a moment."""
        self.clock.advance((when - self.clock.now()).total_seconds())
        return self

    def sweep_until(self, end: datetime, every: timedelta = HOUR) -> list[tuple[datetime, SweepResult]]:
        """Sweep again and again; return those that sent something, or could not. Hours in which nothing is to be looked at, by
        what the sweep before said, are passed over but for the last one."""
        found, config = [], self.config
        while self.clock.now() < end:
            result = sweep(config, self.clock, offline=True)
            if result.due:
                found.append((self.clock.now(), result))
            after = self.clock.now() + every
            if not result.due and result.next_due is not None:
                idle = (result.next_due[1] - after) // every - 1
                after = min(after + max(idle, 0) * every, end)
            self.at(after)
        return found


def thresholds(mails: list[Taken], boundary: str) -> list[str]:
    """The subjects of the mails that are about a boundary."""
    return [mail.subject for mail in mails if f"- {boundary}:" in mail.text]


def one_mailbox(folder: Path, server: MailServer, **more: Any) -> Watchman:
    """With one contact, who hears everything."""
    return Watchman(folder, {"ops": (server.address(), "min_severity: info")}, **more)
