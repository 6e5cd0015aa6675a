"""Processes that do what Python's lock would keep to one core: taking segments apart, deriving rows, reading many small files.

Rules of this file: a process gets steps by name with plain values, answers in order, and knows nothing of what they are for. One
that dies, or fails at a step, is an error that ends the verification, never an answer. They end with us: at `close`, or when
their input ends. Where nothing was started, steps are done here and now. Source: design §9, decision 0012.

    with Processes() as processes:
        processes.start()
        processes.submit("newest_items", wanted, until).result()
"""

import contextlib
import gc
import marshal
import os
import queue
import struct
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

from exporters.bag.verify_spool import Spool
from exporters.errors import RunError

MOST = 8
AHEAD = 2
"""Steps that wait in each process, so that it never waits for us."""

_HEADER = struct.Struct("<Q")
_PRELUDE = ""
"""What a process does before anything else: for tests of what happens to it."""


class ProcessLostError(RunError):
    """A process ended before it had answered, or could not do its step."""

    def __init__(self, why: str) -> None:
        super().__init__(
            f"a process of the verification {why}: nothing is known of what it had to read",
            code="process_lost",
            action="Run it again; if it recurs, give the machine more memory, or room in its temporary folder (TMPDIR).",
        )


class Processes:
    """Up to eight processes, one for each core, or none. `submit` from any thread once started, else from one."""

    def __init__(self, number: int | None = None) -> None:
        """number: how many `start` starts; None: by the cores that we may use; 0: never any."""
        self._number = _cores() if number is None else number
        self._spool: Spool | None = None
        self._started: list[_Process] = []
        self._next = threading.Lock()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def spool(self) -> Spool:
        """Where steps leave what is too much for an answer."""
        if self._spool is None:
            self._spool = Spool.of(self._number + 1)
        return self._spool

    @property
    def started(self) -> Sequence["_Process"]:
        """The processes that run."""
        return self._started

    @property
    def ahead(self) -> int:
        """How many steps can be under way before `submit` waits."""
        return max(1, len(self._started) * AHEAD)

    def start(self) -> None:
        """Start the processes, unless they run already. Raises: ProcessLostError if the system allows none."""
        while len(self._started) < self._number:  # one by one: whatever happens meanwhile, `close` ends what there is
            self._started.append(_Process(self.spool.files, len(self._started) + 1))

    def submit(self, step: str, *values: Any) -> "Future[Any]":
        """Have a step done; waits while every process has enough to do. What it raised is ProcessLostError in the future."""
        if self._started:
            with self._next:
                return min(self._started, key=lambda process: process.waiting).submit(step, values)
        future: Future[Any] = Future()
        try:
            future.set_result(_steps()[step](self.spool, *values))
        except OSError as error:
            future.set_exception(ProcessLostError(f"could not go on ({error})"))
        return future

    def in_order(self, step: str, items: Iterable[Sequence[Any]]) -> Iterator[Any]:
        """Yield what a step answers for the values of each item, in the order of the items."""
        waiting: deque[Future[Any]] = deque()
        for values in items:
            waiting.append(self.submit(step, *values))
            while len(waiting) > self.ahead or (waiting and waiting[0].done()):
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()

    def clear(self) -> None:
        """Forget what steps have left in the spool; none may be under way."""
        if self._spool is not None:
            self._spool.clear()

    def close(self) -> None:
        """End the processes, at once, and let go of the spool. Called twice: nothing."""
        while self._started:
            self._started.pop().close()
        if self._spool is not None:
            self._spool.close()
            self._spool = None


class _Process:
    """One process, a thread that feeds it and a thread that listens to it."""

    def __init__(self, files: Sequence[int], own: int) -> None:
        code = f"{_PRELUDE}import sys; sys.path[:] = sys.argv[3].split('\\n'); from {__name__} import serve; serve()"
        root = str(Path(__file__).parents[2])
        path = "\n".join([root, *(entry for entry in sys.path if entry and entry != root)])
        numbers = ",".join(map(str, files))
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-I", "-S", "-c", code, numbers, str(own), path],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                pass_fds=files,
                process_group=0,  # Ctrl-C is for us alone; we end them
            )
        except OSError as error:
            raise ProcessLostError(f"could not be started ({error})") from error
        self._feed: queue.Queue[bytes | None] = queue.Queue(AHEAD)
        self._asked: deque[Future[Any]] = deque()
        self._guard = threading.Lock()
        self._lost = False
        self._threads = [
            threading.Thread(target=work, name="lastcopy-verify", daemon=True) for work in (self._write, self._listen)
        ]
        for thread in self._threads:
            thread.start()

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    @property
    def waiting(self) -> int:
        """Steps that it has not answered."""
        return len(self._asked)

    def submit(self, step: str, values: tuple[Any, ...]) -> "Future[Any]":
        future: Future[Any] = Future()
        with self._guard:
            if self._lost:
                raise ProcessLostError("has ended")
            self._asked.append(future)
        self._feed.put(marshal.dumps((step, tuple(values)), 2))
        return future

    def _write(self) -> None:
        pipe = self._process.stdin
        assert pipe is not None  # noqa: S101 - it was asked for
        while (frame := self._feed.get()) is not None:
            with contextlib.suppress(OSError):  # it has ended: `_listen` tells those who wait
                pipe.write(_HEADER.pack(len(frame)) + frame)
                pipe.flush()

    def _listen(self) -> None:
        pipe = self._process.stdout
        assert pipe is not None  # noqa: S101 - it was asked for
        while (frame := _frame_from(pipe)) is not None:
            with self._guard:
                future = self._asked.popleft()
            done, answer = marshal.loads(frame)  # noqa: S302 - from a process of ours
            if done:
                future.set_result(answer)
            else:
                future.set_exception(ProcessLostError(f"failed ({answer})"))
        with self._guard:
            self._lost = True
            left = list(self._asked)
        for future in left:
            future.set_exception(ProcessLostError("ended before it had answered"))

    def close(self) -> None:
        """Kill it: it holds nothing that we need."""
        self._process.kill()
        self._process.wait()
        self._feed.put(None)
        for thread in self._threads:
            thread.join()
        for pipe in (self._process.stdin, self._process.stdout):
            with contextlib.suppress(OSError):  # what was not written to it any more
                if pipe is not None:
                    pipe.close()


def serve() -> None:
    """What a started process does: steps from its input, answers to its output, until the input ends."""
    gc.disable()  # steps make no cycles, and millions of small lists
    spool, steps = Spool([int(number) for number in sys.argv[1].split(",")], int(sys.argv[2])), _steps()
    given, answers = sys.stdin.buffer, sys.stdout.buffer
    with contextlib.suppress(BrokenPipeError):  # whoever asked is gone
        while (asked := _frame_from(given)) is not None:
            step, values = marshal.loads(asked)  # noqa: S302 - from the process that started us
            try:
                answer = True, steps[step](spool, *values)
            except Exception as error:  # noqa: BLE001 - the edge of a process: told to whoever asked
                answer = False, f"{type(error).__name__}: {error}"
            frame = marshal.dumps(answer, 2)
            answers.write(_HEADER.pack(len(frame)) + frame)
            answers.flush()
    os._exit(0)


def _frame_from(pipe: IO[bytes]) -> bytes | None:
    """The next frame, None if the other side has ended, be it in the middle of one."""
    header = pipe.read(_HEADER.size)
    if len(header) < _HEADER.size:
        return None
    (length,) = _HEADER.unpack(header)
    frame = pipe.read(length)
    return frame if len(frame) == length else None


def _steps() -> dict[str, Callable[..., Any]]:
    from exporters.bag.verify_derive import STEPS
    from exporters.bag.verify_entries import ENTRY_STEPS
    from exporters.bag.verify_files import FILE_STEPS
    from exporters.bag.verify_folders import FOLDER_STEPS

    return STEPS | FILE_STEPS | FOLDER_STEPS | ENTRY_STEPS


def _cores() -> int:
    """Cores that we may use, at most eight; 0 if there is but one, for then processes are only in the way."""
    affinity = getattr(os, "sched_getaffinity", None)
    cores = len(affinity(0)) if affinity is not None else os.cpu_count() or 1
    return min(cores, MOST) if cores > 1 and sys.executable else 0
