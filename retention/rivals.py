"""Other runs of the same store: which of two gives way.

Rules of this file: the journal decides, since all runs write into it, one after the other: of two runs that copy everything, the
one that started later gives way, wherever they meet; one that was replaced (`--take-over`) gives way in any case. A run that died
without its end is no rival. A run for some sources alone has no claim on the others. Source: design §4 (the ledger), §6 (exit 1).
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from exporters.bag.fence import AnotherWriterError, Process, is_known_alive
from exporters.bag.formats import JsonObject
from exporters.errors import LastcopyError, RunError
from exporters.store.segments import ReplacedError
from retention.journal import Journal


class AnotherRunError(RunError):
    """Another run of this store is at work."""

    def __init__(self, run: str, writer: JsonObject) -> None:
        super().__init__(
            f"another export of this store is at work (run {run}, host {writer.get('host')}, process {writer.get('pid')})",
            code="another_writer",
            action="Wait for it to end, stop it, or use --take-over if you know that it is gone.",
        )


@dataclass(frozen=True, slots=True)
class _Started:
    """A run in the journal. `number`: its place among all that started."""

    number: int
    copies_all: bool
    has_ended: bool
    writer: JsonObject


class Rivals:
    """The runs that the journal knows besides one's own. Make it when one's own start is written down."""

    def __init__(self, journal: Journal, run: str) -> None:
        self._journal, self._run = journal, run

    def refuse_if_at_work(self, own: Process) -> None:
        """Raises: AnotherRunError if an earlier run that copies everything is alive on this machine, for certain."""
        for run, started in self._before():
            if started.copies_all and is_known_alive(started.writer, own):
                raise AnotherRunError(run, started.writer)

    def outrank(self, error: LastcopyError) -> bool:
        """Whether, after this error of one source, the whole run has to give way to the run that has that source."""
        if isinstance(error, ReplacedError):
            return self._copies_all(error.other_run)
        if isinstance(error, AnotherWriterError):
            return any(run == error.other_run and started.copies_all for run, started in self._before())
        return False

    def yields(self, run: str) -> bool:
        """Whether another run leaves what it holds: it started later, and both copy everything; or it has just ended."""
        runs = self._runs()
        own, other = runs.get(self._run), runs.get(run)
        if own is None or other is None:
            return False
        return other.has_ended or (own.copies_all and other.copies_all and other.number > own.number)

    def _before(self) -> Iterator[tuple[str, _Started]]:
        """Runs that started before this one and have not ended."""
        runs = self._runs()
        own = runs.get(self._run)
        earlier = (entry for entry in runs.items() if own is None or entry[1].number < own.number)
        return ((run, started) for run, started in earlier if not started.has_ended)

    def _copies_all(self, run: str) -> bool:
        started = self._runs().get(run)
        return started is not None and started.copies_all

    def _runs(self) -> dict[str, _Started]:
        found: dict[str, _Started] = {}
        for segment in self._journal.segments():
            for row in segment.rows():
                run = str(row.get("run"))
                if row.get("type") == "run_started":
                    copies_all = not (row.get("asked") or {}).get("sources")
                    writer = dict(segment.first.get("writer") or {})
                    found[run] = _Started(len(found), copies_all, has_ended=False, writer=writer)
                elif row.get("type") == "run_ended" and run in found:
                    found[run] = replace(found[run], has_ended=True)
        return found
