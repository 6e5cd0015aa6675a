"""A zip that is packed by a thread of its own, and goes to the store as it grows.

Rules of this file: whoever adds does not wait for what is added to be packed, unless it keeps the file; a few files may wait;
what goes wrong comes out of the next call, or of the end. Source: design §5 (a zip is closed after so much work), PKWARE
APPNOTE 4.3.
"""

import contextlib
import queue
import threading
import zipfile
from typing import IO, NamedTuple, cast

from exporters.bag.uploads import PIECE, Upload

WAITING = 12
_LEVEL = 1  # of deflate: mail is mostly base64, on which more work gains little
_LOOK_SECONDS = 0.5


class _Job(NamedTuple):
    """An entry. done: set when it is packed; None: nobody waits for that, and the file is closed."""

    info: zipfile.ZipInfo
    file: IO[bytes]
    done: threading.Event | None


class Packer:
    """Packs files into `upload`. One thread adds; `end` or `abandon` in any case."""

    def __init__(self, upload: Upload) -> None:
        self._upload = upload
        self._jobs: queue.Queue[_Job | None] = queue.Queue(WAITING)
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="lastcopy-zip", daemon=True)
        self._thread.start()

    def add(self, info: zipfile.ZipInfo, file: IO[bytes], *, keeps_file: bool) -> None:
        """Add an entry. file: read from its start; closed when it is packed, unless the caller keeps it: then this returns when
        it is. Raises: what the store raised."""
        done = threading.Event() if keeps_file else None
        if not self._put(_Job(info, file, done)):
            if not keeps_file:
                file.close()
            self._raise()
        if done is not None:
            while not done.wait(_LOOK_SECONDS) and self._thread.is_alive():
                continue
            self._raise()

    def end(self) -> None:
        """Nothing more is added. Does not wait. Raises: what the store raised."""
        self._put(None)
        self._raise()

    @property
    def is_done(self) -> bool:
        """Whether the store has it, or has refused it."""
        return not self._thread.is_alive() and (self._failure is not None or self._upload.is_done)

    def join(self) -> None:
        """After its end: wait until all is packed. Raises: what the store raised."""
        self._thread.join()
        self._raise()

    def abandon(self) -> None:
        """Nothing of it is wanted."""
        self._upload.abandon()
        self._put(None)
        self._thread.join()
        self._close_waiting()

    def _put(self, job: _Job | None) -> bool:
        """Whether somebody will take it."""
        while self._thread.is_alive():
            try:
                self._jobs.put(job, timeout=_LOOK_SECONDS)
            except queue.Full:
                continue
            return True
        return False

    def _raise(self) -> None:
        if self._failure is not None:
            raise self._failure

    def _run(self) -> None:
        try:
            container = zipfile.ZipFile(
                cast("IO[bytes]", self._upload), "w", zipfile.ZIP_DEFLATED, compresslevel=_LEVEL
            )
            while (job := self._jobs.get()) is not None:
                try:
                    _pack(container, job)
                finally:
                    _let_go(job)
            container.close()
            self._upload.end()
        except BaseException as error:  # noqa: BLE001 - it comes out of the next call
            self._failure = error
            self._upload.abandon()
            self._close_waiting()

    def _close_waiting(self) -> None:
        with contextlib.suppress(queue.Empty):
            while True:
                job = self._jobs.get_nowait()
                if job is not None:
                    _let_go(job)


def _pack(container: zipfile.ZipFile, job: _Job) -> None:
    with container.open(job.info, "w") as entry:
        job.file.seek(0)
        while piece := job.file.read(PIECE):
            entry.write(piece)


def _let_go(job: _Job) -> None:
    if job.done is None:
        job.file.close()
    else:
        job.done.set()
