"""An earlier state of the store, by the name of the run that left it.

Rules of this file: runs are in the order in which the journal has their ends, never in that of their names, which clocks made; a
run that the journal does not know is refused. Source: design §4 (the journal), §6 (restore), docs/formats.md (Journal).
"""

from collections.abc import Iterable

from exporters.bag.formats import JsonObject
from exporters.bag.verify_rows import AsOf
from exporters.errors import ConfigurationError

NAMED = 5
_ENDS = frozenset({"run_ended", "folded", "composed"})


def end_of(run: str, journal: Iterable[JsonObject]) -> AsOf:
    """The end of a run. journal: its rows, oldest first. Raises: ConfigurationError for a run that it does not know.

    A run that was cut off has no end there: it stands where it began, and what it wrote later is its own all the same.
    """
    started: dict[str, int] = {}
    ended: dict[str, int] = {}
    for number, row in enumerate(journal):
        if row.get("type") == "run_started":
            started[str(row.get("run"))] = number
        elif row.get("type") in _ENDS:
            ended[str(row.get("run"))] = number
    place = {**started, **ended}
    if run not in place:
        raise _unknown(run, sorted(place, key=place.__getitem__))
    return AsOf(run, frozenset(name for name, number in place.items() if number < place[run]))


def _unknown(run: str, known: list[str]) -> ConfigurationError:
    named = ", ".join(reversed(known[-NAMED:])) or "none"
    further = f", and {len(known) - NAMED:,} before them (see `runs/` in the store)" if len(known) > NAMED else ""
    return ConfigurationError(
        f"the journal of this store knows no run {run!r}",
        code="run_unknown",
        action=f"Name one that it knows, the newest first: {named}{further}.",
    )
