"""What a copy will not hold, whatever time it has: classes of content that nobody can read, or that were not asked for.

Rules of this file: one function, over what `retention.classes` knows; no I/O. Source: retention-domain §4; design §5.
"""

from exporters.bag.formats import JsonObject
from exporters.results import NEVER, NOT_ASKED
from retention.classes import CLASSES
from retention.config import Config
from retention.selection import kinds_asked


def not_covered(config: Config) -> list[JsonObject]:
    """Rows of coverage: `class`, `state`, `reason`, `alternative`."""
    drive, sources = config.settings.drive, config.settings.sources
    asked = {None, *kinds_asked(sources)}
    rows = [
        {"class": one.name, "state": NEVER, "reason": one.why, "alternative": one.alternative}
        for one in CLASSES.values()
        if one.never and one.kind in asked
    ]
    if drive.versions == "current":
        rows.append(_not_asked("earlier_versions", "drive.versions: all"))
    if drive.permissions == "none":
        rows.append(_not_asked("permissions", "drive.permissions: shared"))
    if sources.recoverable == "none" and sources.mail != "none":
        rows.append(_not_asked("recoverable_items", "sources.recoverable: all"))
    return rows


def _not_asked(name: str, alternative: str) -> JsonObject:
    reason = "The configuration does not ask for it."
    return {"class": name, "state": NOT_ASKED, "reason": reason, "alternative": alternative}
