"""When a drive that refuses is left alone, and when it is not (Q-032)."""

from collections.abc import Iterator

import pytest

from exporters.drive.refusals import DOUBTFUL, ENOUGH, SAMPLE, Refusals
from exporters.errors import SourceError
from exporters.graph.errors import AccessDeniedError, ConnectionFailedError, GraphError, NotFoundError

DENIED = AccessDeniedError("no", code="access_denied", action="Grant Files.Read.All.")


def work(allowed: set[int], count: int, error: GraphError = DENIED) -> tuple[list[int], str | None]:
    """Numbers asked for, in order, of a drive in which only some may be read; and the code that ended it."""
    refusals, asked = Refusals(), []
    left = list(range(count))

    def sample(number: int) -> Iterator[int]:
        chosen = left[:: max(1, len(left) // number)][:number]
        for one in chosen:
            left.remove(one)
        return iter(chosen)

    def tasks() -> Iterator[int]:
        while left:
            yield left.pop(0)

    try:
        for number in refusals.watching(tasks(), sample):  # type: ignore[arg-type]
            refusals.check()
            asked.append(number)
            if number in allowed:
                refusals.served()
            else:
                refusals.refused(error)
    except SourceError as ended:
        assert ended.action
        return asked, ended.code
    return asked, None


def test_q032_a_drive_that_denies_everything_is_given_up() -> None:
    asked, code = work(set(), 1000)
    assert code == "permission_missing" and len(asked) <= ENOUGH + SAMPLE


def test_q055_a_folder_that_nobody_may_read_does_not_stop_the_rest() -> None:
    allowed = set(range(400, 1000))
    asked, code = work(allowed, 1000)
    assert set(asked) >= allowed, "all that can be read was read, though 400 refusals stand before it"
    assert code in (None, "permission_missing")


def test_a_small_drive_is_asked_to_its_end() -> None:
    assert work(set(), DOUBTFUL + SAMPLE) == (sorted(range(20), key=lambda n: n), None) or work(set(), 20)[1] is None


@pytest.mark.parametrize("error", [NotFoundError("x", code="not_found")])
def test_what_concerns_one_item_never_counts(error: GraphError) -> None:
    asked, code = work(set(), 500, error)
    assert (len(asked), code) == (500, None)


def test_a_network_that_is_gone_ends_the_drive_too() -> None:
    lost = ConnectionFailedError("gone", code="connection_failed", action="Check the network.")
    assert work(set(), 500, lost)[1] == "connection_failed"
