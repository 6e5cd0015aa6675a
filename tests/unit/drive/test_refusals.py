"""When a drive that refuses is left alone, and when it is not (Q-032)."""

from collections import deque
from collections.abc import Iterator
from types import SimpleNamespace

import pytest

from exporters.drive.refusals import DOUBTFUL, ENOUGH, SAMPLE, Refusals
from exporters.errors import SourceError
from exporters.graph.errors import AccessDeniedError, ConnectionFailedError, GraphError, NotFoundError

DENIED = AccessDeniedError("no", code="access_denied", action="Grant Files.Read.All.")


def work(allowed: set[int], count: int, error: GraphError = DENIED, queued: int = 0) -> tuple[list[int], str | None]:
    """Numbers asked for, in order, of a drive in which only some may be read; and the code that ended it. queued: how many are
    given out before the first of them is asked for."""
    refusals, asked = Refusals(), []
    left = list(range(count))

    def sample(number: int) -> Iterator[SimpleNamespace]:
        chosen = left[:: max(1, len(left) // number)][:number]
        for one in chosen:
            left.remove(one)
        return map(task, chosen)

    def tasks() -> Iterator[SimpleNamespace]:
        while left:
            yield task(left.pop(0))

    def ask(number: int) -> None:
        refusals.check()
        asked.append(number)
        if number in allowed:
            refusals.served(str(number))
        else:
            refusals.refused(str(number), error)

    queue: deque[int] = deque()
    try:
        for given in refusals.watching(tasks(), sample):  # type: ignore[arg-type, type-var]
            queue.append(int(given.facts["id"]))
            if len(queue) > queued:
                ask(queue.popleft())
        while queue:
            ask(queue.popleft())
    except SourceError as ended:
        assert ended.action
        return asked, ended.code
    return asked, None


def task(number: int) -> SimpleNamespace:
    """What a watch needs to know of one."""
    return SimpleNamespace(facts={"id": str(number)}, key="data/files/x")


def test_q032_a_drive_that_denies_everything_is_given_up() -> None:
    asked, code = work(set(), 1000)
    assert code == "permission_missing" and len(asked) <= ENOUGH + SAMPLE


def test_q055_a_folder_that_nobody_may_read_does_not_stop_the_rest() -> None:
    allowed = set(range(400, 1000))
    asked, code = work(allowed, 1000)
    assert set(asked) >= allowed, "all that can be read was read, though 400 refusals stand before it"
    assert code in (None, "permission_missing")


def test_q055_a_sample_that_was_not_asked_yet_gives_up_nothing() -> None:
    """More than enough refusals are queued before the sample: the drive is judged by the sample, not by them."""
    allowed = set(range(400, 1000))
    asked, _ = work(allowed, 1000, queued=300)
    assert set(asked) >= allowed


def test_q032_a_drive_that_denies_everything_is_given_up_with_a_queue_as_well() -> None:
    asked, code = work(set(), 1000, queued=100)
    assert code == "permission_missing" and len(asked) <= DOUBTFUL + 100 + SAMPLE + 1


def test_a_small_drive_is_asked_to_its_end() -> None:
    assert work(set(), DOUBTFUL + SAMPLE) == (sorted(range(20), key=lambda n: n), None) or work(set(), 20)[1] is None


@pytest.mark.parametrize("error", [NotFoundError("x", code="not_found")])
def test_what_concerns_one_item_never_counts(error: GraphError) -> None:
    asked, code = work(set(), 500, error)
    assert (len(asked), code) == (500, None)


def test_a_network_that_is_gone_ends_the_drive_too() -> None:
    lost = ConnectionFailedError("gone", code="connection_failed", action="Check the network.")
    assert work(set(), 500, lost)[1] == "connection_failed"
