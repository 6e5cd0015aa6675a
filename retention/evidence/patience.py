"""Asking again what is elsewhere (a time stamp authority, a key management service), a few times.

Rules of this file: only TransientError is tried again, by tenacity, on the clock that is passed in.
Source: examples-to-follow §4.
"""

from collections.abc import Callable
from typing import TypeVar

from exporters.clock import Clock
from exporters.errors import TransientError

ATTEMPTS = 4
_LONGEST_WAIT = 30.0

T = TypeVar("T")


def tried(work: Callable[[], T], clock: Clock) -> T:
    """What `work` gives, at the fourth try at the latest. Raises: TransientError at the bound; its other errors at once."""
    import tenacity

    def wait(state: tenacity.RetryCallState) -> float:
        error = state.outcome.exception() if state.outcome is not None else None
        asked = error.retry_after if isinstance(error, TransientError) else None
        return max(growing(state), min(asked or 0.0, _LONGEST_WAIT))

    growing = tenacity.wait_exponential_jitter(multiplier=1.0, max=_LONGEST_WAIT, jitter=0.5)
    trying = tenacity.Retrying(
        sleep=clock.sleep,
        stop=tenacity.stop_after_attempt(ATTEMPTS),
        wait=wait,
        retry=tenacity.retry_if_exception_type(TransientError),
        reraise=True,
    )
    return trying(work)
