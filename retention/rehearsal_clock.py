"""The chapter of the rehearsal that is about time: cancelled, warned through half a year in seconds, acknowledged.

Rules of this file: as `retention.rehearsal`: every step is a command that a person could type. The time is told with --now, which
only the state of a rehearsal takes. Source: issue of the clock, 7; design §6.
"""

import contextlib
import io
import json
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Protocol

from exporters.clock import Clock, timestamp
from retention.rehearsal_mailbox import Mailbox

ADDRESS_FILE = "mailbox.address"
MAILBOX = "mailbox"
DAYS = (0, 16, 23, 27, 29, 30, 60, 76, 83, 87, 89, 90, 180)
"""Days after the cancellation on which something is due."""
CONFIGURATION = f"""\
notify: [{{name: you, to: file:./{ADDRESS_FILE}, min_severity: info}}]
retention: {{time_zone: Europe/Amsterdam}}
"""


class Telling(Protocol):
    """What a story can do (`retention.rehearsal.Story`)."""

    @property
    def folder(self) -> Path: ...

    @property
    def config(self) -> Path: ...

    @property
    def say(self) -> Callable[[str, str], None]: ...

    @property
    def main(self) -> Callable[[list[str]], int]: ...

    def chapter(self, text: str) -> None: ...

    def run(self, *words: str, expect: tuple[int, ...] = (0,)) -> int: ...


def watch_begins(story: Telling) -> None:
    """While the tenant still answers: what it says of its subscriptions."""
    story.chapter("How long is there? The subscriptions are tracked from the first day on")
    story.run("track")
    story.run("status")


def half_a_year(story: Telling, clock: Clock, then: Callable[[datetime], None]) -> None:
    """The tenant is cancelled, and time goes by. then: what comes last, at that time, while mail can still be sent."""
    began = clock.now().replace(microsecond=0)
    with Mailbox(story.folder / MAILBOX) as mailbox:
        (story.folder / ADDRESS_FILE).write_text(mailbox.address, encoding="utf-8")
        story.chapter(
            "Somebody cancels the subscription. It is stated, since the tenant is gone for us; warnings come by mail"
        )
        name = _subscription(story)
        story.run("track", "--state", name, "--event", f"cancel={timestamp(began)}", "--now", timestamp(began))
        story.run("status", "--now", timestamp(began + timedelta(minutes=1)))
        story.chapter(
            "Half a year goes by in seconds: each warning comes once, and somebody acknowledges those that are critical"
        )
        for days in DAYS:
            at = began + timedelta(days=days, minutes=10)
            story.run("sweep", "--offline", "--now", timestamp(at))
            _read_mail(story, mailbox, at)
        story.chapter("What is left to say after 180 days")
        end = began + timedelta(days=181)
        story.run("status", "--now", timestamp(end))
        then(end)


def _read_mail(story: Telling, mailbox: Mailbox, at: datetime) -> None:
    for file, mail in mailbox.news():
        subject = " ".join(str(mail["Subject"]).split())
        story.say(f"  {MAILBOX}/{file.name}: {subject}", "strong")
        if "[CRITICAL]" in subject:
            for key in str(mail["X-Lastcopy-Key"]).split():
                story.run("ack", key, "--by", "Robin Rehearsal", "--now", timestamp(at))


def _subscription(story: Telling) -> str:
    """The id of the first subscription that is tracked."""
    shown = io.StringIO()
    with contextlib.redirect_stdout(shown):
        story.main(["status", "--json", "--config", str(story.config)])
    return str(json.loads(shown.getvalue())["subscriptions"][0]["id"])
