"""What every command shows of the clock: warnings that could not be delivered, and those that nobody acknowledged.

Rules of this file: reads alone, and makes nothing; that it cannot be read is logged and no more: a command that has nothing to do
with warnings must not end by them. Source: design §6; retention-domain §5 (acknowledgement).
"""

import logging
from contextlib import closing

from exporters.errors import LastcopyError
from retention.config import Config
from retention.state.engines import sqlite_file
from retention.state.index import open_index
from retention.tracked import Standing, counted

_log = logging.getLogger(__name__)


def standing_of(config: Config) -> Standing:
    """What stands open; nothing where there is no index yet, or it cannot be read now."""
    file = sqlite_file(config.settings.state, config.base)
    if file is not None and not file.is_file():
        return Standing()
    try:
        with closing(open_index(config.settings.state, config.base, busy_seconds=0.2)) as index:
            return index.standing(len(config.settings.notify)) if index.is_made() else Standing()
    except LastcopyError as error:
        _log.info("it is not known what stands open of warnings: %s", error)
        return Standing()


def sentences(standing: Standing) -> list[str]:
    """For people."""
    found = []
    if standing.undelivered:
        found.append(
            f"{counted(standing.undelivered, 'warning')} could not be delivered ({standing.example}): run lastcopy sweep"
        )
    if standing.unacknowledged:
        told = counted(standing.unacknowledged, "critical warning")
        found.append(f"{told} not acknowledged by anybody, and all contacts were asked: run lastcopy status")
    return found
