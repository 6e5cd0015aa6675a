"""When to try again and after how long: the policy that `tenacity` carries out, at one level, in the session.

Rules of this file: no I/O and no clock. A pause that the service announced stands in the budget, where it holds for all
requests; it uses up no attempt (Q-040), but the waiting of one request is bounded. Source: graph.md 7.1; design §9.
"""

import random
from dataclasses import dataclass

import tenacity

from exporters.graph.errors import (
    ConnectionFailedError,
    DoubtfulItemError,
    DoubtfulRequestError,
    GraphError,
    MalformedAnswerError,
    NoAnswerError,
    ServiceTroubleError,
    ThrottledError,
)

_FIRST_SECONDS, _MOST_SECONDS = 2.0, 120.0
_UNTOLD_TRIES = 10  # refusals that do not say how long
_TOLD_SECONDS = 0.1


@dataclass(frozen=True, slots=True)
class Tries:
    """How often a request is sent at most, by what went wrong."""

    trouble: int = 6
    connection: int = 7
    silence: int = 3
    malformed: int = 4
    doubtful: int = 3
    unreadable: int = 3

    def of(self, error: BaseException) -> int:
        allowed: dict[type[BaseException], int] = {
            ServiceTroubleError: self.trouble,
            ConnectionFailedError: self.connection,
            NoAnswerError: self.silence,
            MalformedAnswerError: self.malformed,
            DoubtfulRequestError: self.doubtful,
            DoubtfulItemError: self.unreadable,
        }
        return allowed.get(type(error), 1)


API_TRIES = Tries()
HOST_TRIES = Tries(
    trouble=3, connection=3, silence=2, malformed=1, doubtful=1, unreadable=1
)  # a new address is the better next step


def told_pause(error: ThrottledError) -> float | None:
    """Seconds that a refusal tells to wait: the larger of `Retry-After` and `RateLimit-Reset`. None if it tells none, or "at
    once", which is no leave to hammer: then waits grow.

    Source: graph.md 7.3.
    """
    reset = error.rate_limit.reset if error.rate_limit is not None else None
    told = [seconds for seconds in (error.retry_after, reset) if seconds is not None]
    return max(told) if told and max(told) >= _TOLD_SECONDS else None


class Patience:
    """The state of one request through its tries. seconds: longest waiting on refusals in all; of the application's own (429)
    the last wait is not in it, however long: with a day's budget spent it is hours, and everybody waits."""

    def __init__(self, tries: Tries, seconds: float, *, chance: random.Random | None = None) -> None:
        self._tries, self._seconds = tries, seconds
        self._chance = chance or random.SystemRandom()
        self._waited = self._newest = 0.0
        self._untold = self._backoffs = 0
        self._failures: dict[type[BaseException], int] = {}
        self._next_wait = 0.0

    def pause_after(self, error: ThrottledError) -> float | None:
        """Seconds for which everybody must pause after this refusal; None if it concerns this request alone (a 503
        that tells no time may be about one item: Q-028, Q-042)."""
        self._waited += self._newest
        pause = told_pause(error)
        if pause is not None:
            self._newest = max(pause, 1.0)
            self._next_wait = 0.0  # the budget holds it back
            return pause
        self._untold += error.retry_after is None  # who says "at once" is asked on, with growing waits
        self._backoffs += 1
        backoff = self._newest = self._backoff(self._backoffs)
        if error.everybody:
            self._next_wait = 0.0
            return backoff
        self._next_wait = backoff
        return None

    def stop(self, state: tenacity.RetryCallState) -> bool:
        error = state.outcome.exception() if state.outcome is not None else None
        if isinstance(error, ThrottledError):
            waited = self._waited if error.everybody else self._waited + self._newest
            return waited > self._seconds or self._untold >= _UNTOLD_TRIES
        if error is None:
            return True
        count = self._failures[type(error)] = self._failures.get(type(error), 0) + 1
        return count >= self._tries.of(error)

    def wait(self, state: tenacity.RetryCallState) -> float:
        error = state.outcome.exception() if state.outcome is not None else None
        if isinstance(error, ThrottledError):
            return self._next_wait
        told = error.retry_after if isinstance(error, GraphError) else None
        failures = 1 if error is None else self._failures.get(type(error), 1)
        return max(self._backoff(failures), told or 0.0)

    def _backoff(self, number: int) -> float:
        ceiling = min(_FIRST_SECONDS * 2 ** (number - 1), _MOST_SECONDS)
        return float(ceiling * (0.5 + self._chance.random() / 2))
