"""Ranges of one big content, several at once, given in their order through a bounded window.

Rules of this file: no more than `AHEAD` ranges are held; the first that fails is raised when all before it have been given, and
nothing is under way any more; whether a range is the right one is for `fetch` to say. Source: design §9; quirk Q-033.
"""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

from exporters.ordered import in_order

RANGE_BYTES = 4 << 20
AT_ONCE = 4
AHEAD = AT_ONCE + 1


def read_ahead(fetch: Callable[[int, int], list[bytes]], start: int, end: int) -> Iterator[bytes]:
    """The bytes [start, end), range by range. fetch: gives the bytes [begin, end) in the pieces in which they came (to join them
    takes twice their memory); called from several threads.

    Raises: what `fetch` raises.
    """

    def pieces(begin: int) -> list[bytes]:
        return fetch(begin, min(begin + RANGE_BYTES, end))

    with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="lastcopy-range") as pool:
        for got in in_order(pool, pieces, range(start, end, RANGE_BYTES), ahead=AHEAD):
            while got:
                yield got.pop(0)
