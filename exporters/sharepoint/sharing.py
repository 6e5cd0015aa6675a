"""Who can see one list, or one item of a list: asked for, and written down.

Rules of this file: five units a read; a refusal is an *excepted* row of kind `permission`, and `copied` once it was told; when
nothing but refusals comes, nobody goes on asking. Source: design §4 (rows), §9 (prices); graph.md §5.2, §7.3; quirk Q-032.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from exporters.bag.formats import JsonObject
from exporters.clock import timestamp
from exporters.drive.crew import Shift
from exporters.drive.exceptions import stays
from exporters.errors import ItemError, LastcopyError, SourceError, TransientError
from exporters.graph.calls import segment
from exporters.graph.errors import SiteLockedError, StoppedError
from exporters.graph.limits import Cost
from exporters.outcomes import CAUSES, ExceptionCode, Outcome
from exporters.sharepoint.run import SiteRun

ENOUGH = 60
"""Refusals in a row, after which no more are asked for in this run."""
_CODE = ExceptionCode.PERMISSIONS_UNAVAILABLE


@dataclass(frozen=True, slots=True)
class Ask:
    """A list (scope = id), or an item of one. size: nothing to receive that counts."""

    scope: str
    id: str
    name: str
    path: str
    size: int = 0

    @property
    def route(self) -> str:
        """Below the site."""
        above = f"/lists/{segment(self.scope)}"
        return f"{above}/permissions" if self.id == self.scope else f"{above}/items/{segment(self.id)}/permissions"


@dataclass(frozen=True, slots=True)
class Told:
    """What came of it."""

    ask: Ask
    permissions: list[JsonObject]
    error: LastcopyError | None = None


class Sharing:
    """The reads of one run on one site. refused: the last refusal, once enough came in a row."""

    def __init__(self, run: SiteRun) -> None:
        self._run, self._writer = run, run.writer
        self._site = f"/sites/{segment(run.source.id)}"
        self._in_a_row = 0
        self.refused: LastcopyError | None = None

    def take(self, asks: Iterator[Ask]) -> int:
        """Ask for all of them, side by side; how many were told. Raises: SiteLockedError, StoppedError, RunError, errors of the
        store."""
        told = 0

        def allowed() -> Iterator[Ask]:
            for ask in asks:
                if self.refused is not None:
                    return
                self._run.progress.listed(1)
                yield ask

        for handful in Shift(self._run.crew, self._ask, self._run.stop.is_set).through(allowed()):
            for one in handful:
                if one is not None:
                    self._keep(one)
                    told += one.error is None
        return told

    def _ask(self, ask: Ask) -> Told | None:
        """In a worker thread. None of one that was stopped while it waited for the budget."""
        try:
            pages = self._run.graph.pages(f"{self._site}{ask.route}", cost=Cost.PERMISSIONS)
            return Told(ask, [one for page in pages for one in page])
        except StoppedError:
            if not self._run.stop.is_set():
                raise
            return None
        except SiteLockedError:
            raise
        except (ItemError, SourceError, TransientError) as error:
            return Told(ask, [], error)

    def _keep(self, told: Told) -> None:
        ask, error, at = told.ask, told.error, timestamp(self._run.clock.now())
        held = self._writer.state.row(("permission", ask.scope, ask.id))
        row: JsonObject = {"kind": "permission", "scope": ask.scope, "id": ask.id, "name": ask.name, "path": ask.path}
        row.update(captured=at, run=self._writer.run.id)
        if error is None:
            value = {"scope": ask.scope, "id": ask.id, "captured": at, "permissions": told.permissions}
            self._writer.emit("permissions", value)
            if held is not None and held["outcome"] != Outcome.COPIED:
                self._writer.emit("item", {**row, "outcome": Outcome.COPIED.value})
            self._in_a_row = 0
        else:
            reason = f"{CAUSES[_CODE].reason} {error}"
            row.update(outcome=Outcome.EXCEPTED.value, code=_CODE.value, reason=reason)
            stays(row, held)
            if row != held:
                self._writer.emit("item", row)
            self._in_a_row += 1
            if self._in_a_row >= ENOUGH:
                self.refused = error
        self._run.progress.finished(1)
