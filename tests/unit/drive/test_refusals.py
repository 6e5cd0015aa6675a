"""When a drive that refuses is left alone, and when it is not (Q-032)."""

import threading
from collections import deque
from collections.abc import Iterator

import pytest

from exporters.drive.refusals import DOUBTFUL, ENOUGH, SAMPLE, Refusals
from exporters.drive.tasks import Task
from exporters.errors import SourceError
from exporters.graph.errors import AccessDeniedError, ConnectionFailedError, GraphError, NotFoundError

DENIED = AccessDeniedError("no", code="access_denied", action="Grant Files.Read.All.")


def work(allowed: set[int], count: int, error: GraphError = DENIED, queued: int = 0) -> tuple[list[int], str | None]:
    """Numbers asked for, in order, of a drive in which only some may be read; and the code that ended it. queued: how many are
    given out before the first of them is asked for."""
    refusals, asked = Refusals(), []
    left = list(range(count))

    def sample(number: int) -> Iterator[Task]:
        chosen = left[:: max(1, len(left) // number)][:number]
        for one in chosen:
            left.remove(one)
        return map(task, chosen)

    def tasks() -> Iterator[Task]:
        while left:
            yield task(left.pop(0))

    def ask(one: Task) -> None:
        refusals.check()
        number = int(one.facts["id"])
        asked.append(number)
        if number in allowed:
            refusals.served()
        else:
            refusals.refused(error)

    queue: deque[Task] = deque()
    try:
        for given in refusals.watching(tasks(), sample, ask):
            queue.append(given)
            if len(queue) > queued:
                ask(queue.popleft())
        while queue:
            ask(queue.popleft())
    except SourceError as ended:
        assert ended.action
        return asked, ended.code
    return asked, None


def task(number: int) -> Task:
    """A file of that number."""
    return Task({"id": str(number)}, "/x", None, "data/files/x", lambda: "", lambda *_: "")


def test_q032_a_drive_that_denies_everything_is_given_up() -> None:
    asked, code = work(set(), 1000)
    assert code == "permission_missing" and len(asked) <= ENOUGH + SAMPLE


def test_q055_a_folder_that_nobody_may_read_does_not_stop_the_rest() -> None:
    allowed = set(range(400, 1000))
    asked, code = work(allowed, 1000)
    assert set(asked) >= allowed, "all that can be read was read, though 400 refusals stand before it"
    assert code in (None, "permission_missing")


def test_q055_a_long_queue_does_not_keep_the_sample_back() -> None:
    """More than enough is queued before the sample: the sample comes first, and the drive is judged by it."""
    allowed = set(range(400, 1000))
    assert set(work(allowed, 1000, queued=300)[0]) >= allowed
    asked, code = work(set(), 1000, queued=300)
    assert code == "permission_missing" and len(asked) <= ENOUGH + SAMPLE


def test_q055_while_a_sample_is_tried_nobody_gives_up() -> None:
    """Enough is refused elsewhere while the sample is under way: who is about to ask waits for what it comes to."""
    refusals, came = Refusals(), []
    waiting = threading.Thread(target=lambda: (refusals.check(), came.append("went on")))

    def ask(one: Task) -> None:
        for _ in range(ENOUGH):
            refusals.refused(DENIED)
        waiting.start()
        waiting.join(0.2)
        assert waiting.is_alive() and not came
        refusals.served()

    for _ in range(DOUBTFUL):
        refusals.refused(DENIED)
    assert len(list(refusals.watching([task(1)], lambda number: [task(2)], ask))) == 1
    waiting.join(5)
    assert came == ["went on"]


def test_a_small_drive_is_asked_to_its_end() -> None:
    assert work(set(), DOUBTFUL + SAMPLE) == (sorted(range(20), key=lambda n: n), None) or work(set(), 20)[1] is None


@pytest.mark.parametrize("error", [NotFoundError("x", code="not_found")])
def test_what_concerns_one_item_never_counts(error: GraphError) -> None:
    asked, code = work(set(), 500, error)
    assert (len(asked), code) == (500, None)


def test_a_network_that_is_gone_ends_the_drive_too() -> None:
    lost = ConnectionFailedError("gone", code="connection_failed", action="Check the network.")
    assert work(set(), 500, lost)[1] == "connection_failed"
