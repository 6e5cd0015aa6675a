"""How slowly an answer may come: slowly, but not for ever.

Rules of this file: only the time spent waiting for the peer counts, never that of whoever reads; a body that is merely slow is
not cut: `LEAST_BYTES` in `WINDOW_SECONDS` of waiting are enough. Source: quirk Q-050; docs/decisions/0019.
"""

import http.client
import io
from typing import Any

from exporters.clock import SystemClock
from exporters.graph import heads

WINDOW_SECONDS = 120.0
LEAST_BYTES = 2048
"""About a kilobyte a minute: what brings less would take over a year for a gigabyte."""
_CLOCK = SystemClock()  # sockets wait in real time, whatever clock the rest goes by


class _PacedReader(io.RawIOBase):
    """What a socket brings. Raises: TimeoutError when a window of waiting has brought next to nothing."""

    def __init__(self, raw: io.RawIOBase) -> None:
        self._raw = raw
        self._waited, self._received = 0.0, 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        began = _CLOCK.monotonic()
        count: int | None = self._raw.readinto(buffer)
        self._waited += _CLOCK.monotonic() - began
        self._received += count or 0
        if count and self._waited >= WINDOW_SECONDS:
            if self._received < LEAST_BYTES:
                raise TimeoutError("the peer sends next to nothing")
            self._waited, self._received = 0.0, 0
        return count

    def close(self) -> None:
        if not self.closed:
            self._raw.close()
        super().close()


class _PacedSocket:
    """A socket as `http.client` wants it: something that makes a file."""

    def __init__(self, sock: Any) -> None:
        self._sock = sock

    def makefile(self, mode: str, *_: Any, **__: Any) -> io.BufferedReader:
        """Mode is always `rb`."""
        return io.BufferedReader(_PacedReader(self._sock.makefile(mode, buffering=0)))


class PacedResponse(http.client.HTTPResponse):
    """Answers whose heads and bodies are held to the pace."""

    begin = heads.begin

    def __init__(self, sock: Any, *arguments: Any, **named: Any) -> None:
        super().__init__(_PacedSocket(sock), *arguments, **named)  # type: ignore[arg-type]
