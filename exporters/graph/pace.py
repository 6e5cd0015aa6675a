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
        self._is_over = False

    def readable(self) -> bool:
        return True

    def end(self, reader: io.BufferedReader) -> bool:
        """Nothing more is read; whether something lies there all the same, of which `reader` holds the first."""
        self._is_over = True
        pending = getattr(getattr(self._raw, "_sock", None), "pending", None)
        return bool(reader.peek(1)) or (pending is not None and pending() > 0)

    def readinto(self, buffer: Any) -> int | None:
        if self._is_over:
            return 0
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
    has_surplus = False
    """Whether bytes stood behind the end of the body."""

    def __init__(self, sock: Any, *arguments: Any, **named: Any) -> None:
        super().__init__(_PacedSocket(sock), *arguments, **named)  # type: ignore[arg-type]

    def _close_conn(self) -> None:
        """Called at the end of the body, wherever that is."""
        reader = self.fp
        if isinstance(reader, io.BufferedReader) and isinstance(reader.raw, _PacedReader) and not reader.closed:
            self.has_surplus = reader.raw.end(reader)
        super()._close_conn()  # type: ignore[misc]
