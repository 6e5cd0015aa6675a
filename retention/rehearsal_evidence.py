"""The last chapter of a rehearsal: a signed package of evidence, and its check.

Rules of this file: as `retention.rehearsal`: each step is a command that a person would type; the time is that of the story.
Source: design §1, §8; issue 10 (8).
"""

from datetime import datetime

from exporters.clock import timestamp
from exporters.errors import RunError
from retention.rehearsal_clock import Telling


def proven(story: Telling, at: datetime) -> None:
    """A package is made and checked. Raises: RunError if there is none."""
    story.chapter("Prove it to somebody who does not trust us: a signed package, which other programs can check too")
    story.run("report", "--by", "Robin Rehearsal", "--now", timestamp(at))
    packages = sorted((story.folder / "copy" / "evidence").glob("*/evidence.sig"))
    if not packages:
        raise RunError("there is no package", code="rehearsal_failed", action="Run that report by itself with -v.")
    folder = packages[-1].parent
    story.run("verify", "--evidence", f"evidence/{folder.name}")
    story.say(f"  To read: {folder / 'report.html'}, or report.pdf beside it", "")
    story.say(f"  To check without Lastcopy, with sha256sum and openssl: {folder / 'VERIFY.md'}", "")
