"""An object that goes to the store while it is made.

Rules of this file: bytes are handed over in pieces, a few of which may wait; what goes wrong in the store comes out of the next
write, or of the end; an upload that is given up leaves nothing. Source: design §5 (a zip is closed after so much work, and no
disk of ours has to hold it).
"""

import queue
import threading
from collections.abc import Callable, Iterable, Iterator

from exporters.store.protocol import Stored

PIECE = 1 << 18
_WAITING = 16
_LOOK_SECONDS = 0.5


class _GivenUp(Exception):
    """Ends the content of an upload that nobody wants any more."""


class Upload:
    """One object on its way: `write` as to a file that cannot go back, then `end` and `stored`, or `abandon`.

    One thread writes.
    """

    def __init__(self, put: Callable[[Iterable[bytes]], Stored]) -> None:
        """put: creates the object from its chunks, whole or not at all."""
        self._pieces: queue.Queue[bytes | None] = queue.Queue(_WAITING)
        self._buffer = bytearray()
        self._stored: Stored | None = None
        self._failure: BaseException | None = None
        self._is_given_up = False
        self._thread = threading.Thread(target=self._run, args=(put,), name="lastcopy-upload", daemon=True)
        self._thread.start()

    def write(self, data: bytes | bytearray | memoryview) -> int:
        """Take the next bytes. Raises: what the store raised."""
        self._buffer += data
        if len(self._buffer) >= PIECE:
            self._hand_over()
        return len(data)

    def flush(self) -> None:
        """Nothing: pieces go when they are large enough (zipfile asks for it)."""

    def end(self) -> None:
        """The object is whole: nothing more is written. Raises: what the store raised."""
        self._hand_over()
        self._send(None)

    @property
    def is_done(self) -> bool:
        """Whether the store has it, or has refused it."""
        return not self._thread.is_alive()

    def stored(self) -> Stored:
        """After its end: wait until the store has it. Raises: what the store raised."""
        self._thread.join()
        if self._failure is not None:
            raise self._failure
        if self._stored is None:
            raise RuntimeError("an upload ended without a word")
        return self._stored

    def abandon(self) -> None:
        """Nothing of it is wanted."""
        self._is_given_up = True
        while self._thread.is_alive():
            try:
                self._pieces.put(None, timeout=_LOOK_SECONDS)
            except queue.Full:
                continue
            self._thread.join(_LOOK_SECONDS)

    def _hand_over(self) -> None:
        if self._buffer:
            self._send(bytes(self._buffer))
            self._buffer.clear()

    def _send(self, piece: bytes | None) -> None:
        while not self._is_given_up:  # a zip that is thrown away still writes its end, and nobody takes it
            if self._failure is not None:
                raise self._failure
            try:
                self._pieces.put(piece, timeout=_LOOK_SECONDS)
            except queue.Full:
                continue
            return

    def _chunks(self) -> Iterator[bytes]:
        while True:
            piece = self._pieces.get()
            if self._is_given_up:
                raise _GivenUp
            if piece is None:
                return
            yield piece

    def _run(self, put: Callable[[Iterable[bytes]], Stored]) -> None:
        try:
            self._stored = put(self._chunks())
        except _GivenUp:
            return
        except BaseException as error:  # noqa: BLE001 - it comes out of the writer's next call
            self._failure = error
