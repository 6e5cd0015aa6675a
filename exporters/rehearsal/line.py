"""The line between the tenant and the client: so many bytes a second for all connections together.

Rules of this file: bytes are paced by the clock that is passed in, in pieces that a client cannot tell from a slow line; without
a rate nothing is held up. Source: retention-domain §7 (line).
"""

import threading
from collections.abc import Iterator

from exporters.clock import Clock

PIECE = 64 * 1024


class Line:
    """One line, shared by all connections. Safe from many threads."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._free_at = 0.0

    def carry(self, size: int, rate: float) -> None:
        """Wait as long as `size` bytes take at `rate` bytes a second, behind what others have given to the line."""
        with self._lock:
            now = self._clock.monotonic()
            self._free_at = max(self._free_at, now) + size / rate
            wait = self._free_at - now
        self._clock.sleep(wait)

    def paced(self, stream: Iterator[bytes], rate: float) -> Iterator[bytes]:
        """The same bytes, as slowly as the line carries them."""
        for piece in stream:
            for start in range(0, len(piece), PIECE):
                part = piece[start : start + PIECE]
                self.carry(len(part), rate)
                yield part
