# ruff: noqa: PTH115, PTH120
# Plain calls of the system, as in the store: this is on the path of every file.
"""The command line on a disk that keeps only what it was told to sync, and what such a disk loses at a kill.

Rules of this file: calls of the system are wrapped, never our code: each is carried out and written down after it was done, so
that what the kill cut off counts as not done. On disk is a file whose bytes were synced and whose name, and those of the
folders above it, were synced after they were given; `syncfs` syncs all that was done before it began. As a script it is the
command line: `strict_disk.py LOG KEPT TRAP export …`; TRAP: JSON of a `Trap`, or `null`.
"""

import contextlib
import ctypes
import itertools
import json
import os
import random
import re
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

Event = dict[str, Any]


@dataclass(frozen=True)
class Trap:
    """A signal that the process sends itself at the call of that `number` that names a path like `pattern` (`at`: name), or
    syncs everything (sync). `delay`: seconds from then on."""

    at: str
    pattern: str = ""
    number: int = 1
    when: str = "before"
    delay: float = 0.0
    signal: int = int(signal.SIGKILL)

    def __str__(self) -> str:
        later = f", {self.delay:.2f} s" if self.delay else ""
        return f"{self.when} {self.at} {self.pattern or 'all'} no. {self.number}{later}"


def command(log: Path, kept: Path, trap: Trap | None) -> list[str]:
    """What stands for `lastcopy` on a command line."""
    kept.mkdir(exist_ok=True)
    return [sys.executable, str(Path(__file__)), str(log), str(kept), json.dumps(asdict(trap) if trap else None)]


# -- in the process that writes the store ---------------------------------------------------------------------------


class Recorder:
    """Writes down what was done. Safe from many threads."""

    def __init__(self, log: str, kept: str, trap: Trap | None) -> None:
        self._fd = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC)
        self._kept, self._trap = kept, trap
        self._numbers, self._reached = itertools.count(1), itertools.count(1)
        self._link = os.link

    def note(self, **event: Any) -> None:
        """One line, in one write."""
        os.write(self._fd, json.dumps(event).encode() + b"\n")

    def sync(self, path: str, call: Callable[[], int | None]) -> int | None:
        """A sync of one path, or of everything (empty). Its end counts for what was done before its beginning."""
        number = next(self._numbers)
        if not path:
            self.reach("sync", "", "before")
        self.note(sync=path, number=number)
        failed = call()
        if not failed:
            self.note(end=number)
        if not path:
            self.reach("sync", "", "after")
        return failed

    def keep(self, path: str) -> str | None:
        """A second name for a file that is about to be replaced: the disk may still have it after a kill."""
        kept = f"{self._kept}/{os.getpid()}-{next(self._numbers)}"
        with contextlib.suppress(FileNotFoundError):
            self._link(path, kept, follow_symlinks=False)
            return kept
        return None

    def reach(self, at: str, path: str, when: str) -> None:
        """Send the signal if this is the place."""
        trap = self._trap
        if trap is None or (trap.at, trap.when) != (at, when) or not re.search(trap.pattern, path):
            return
        if next(self._reached) == trap.number:
            if trap.delay:
                threading.Timer(trap.delay, self._spring).start()
            else:
                self._spring()

    def _spring(self) -> None:
        # to this thread, which then does not come back from the call; the others stop or die with it
        signal.pthread_kill(threading.get_ident(), self._trap.signal if self._trap else signal.SIGKILL)


def install(recorder: Recorder) -> None:
    """Wrap the calls by which a file gets a name, or comes onto the disk."""

    def naming(call: Callable[..., None], *, replaces: bool) -> Callable[..., None]:
        def wrapped(source: str, target: str, **options: Any) -> None:
            recorder.reach("name", target, "before")
            kept = recorder.keep(target) if replaces else None
            call(source, target, **options)
            recorder.note(name=target, of=source, kept=kept, inode=os.lstat(target).st_ino)
            recorder.reach("name", target, "after")

        return wrapped

    def making(call: Callable[..., None]) -> Callable[..., None]:
        def wrapped(path: Any, *arguments: Any, **options: Any) -> None:
            call(path, *arguments, **options)
            recorder.note(made=os.fspath(path))

        return wrapped

    def syncing(call: Callable[[int], None]) -> Callable[[int], None]:
        def wrapped(fd: int) -> None:
            recorder.sync(os.readlink(f"/proc/self/fd/{fd}"), lambda: call(fd))

        return wrapped

    class Library(ctypes.CDLL):
        def __getattr__(self, name: str) -> Any:
            call = super().__getattr__(name)
            if name == "syncfs":
                return lambda fd: recorder.sync("", lambda: call(fd))
            return call

    def syncing_all(call: Callable[[], None]) -> Callable[[], None]:
        def wrapped() -> None:
            recorder.sync("", call)

        return wrapped

    os.sync = syncing_all(os.sync)
    os.link, os.mkdir = naming(os.link, replaces=False), making(os.mkdir)
    os.rename, os.replace = naming(os.rename, replaces=True), naming(os.replace, replaces=True)
    os.fsync, os.fdatasync = syncing(os.fsync), syncing(os.fdatasync)  # type: ignore[assignment]
    ctypes.CDLL = Library  # type: ignore[misc]


def main(argv: list[str]) -> int:
    """Run a command line of the product."""
    from retention.cli.main import main as product

    log, kept, trap = argv[:3]
    told = json.loads(trap)
    install(Recorder(log, kept, Trap(**told) if told else None))
    return product(argv[3:])


# -- after the kill -------------------------------------------------------------------------------------------------


@dataclass
class Seen:
    """What lay in a store before a run: all of it is on disk. `files`: {path: inode}."""

    root: str
    files: dict[str, int]
    folders: set[str]


def seen(store: Path) -> Seen:
    """Look at all of a store."""
    found = Seen(os.path.realpath(store), {}, set())
    for folder, _, names in os.walk(found.root):
        found.folders.add(folder)
        for name in names:
            found.files[f"{folder}/{name}"] = os.lstat(f"{folder}/{name}").st_ino
    return found


class Replay:
    """What of a run is on disk, by the log of its process."""

    def __init__(self, before: Seen, log: Path) -> None:
        self._before = before
        self._events = list(_events(log))
        ended = {event["end"] for event in self._events if "end" in event}
        self.names: dict[str, list[tuple[int, Event]]] = {}
        self._made: dict[str, int] = {}
        self._synced: dict[str, int] = {}
        """{path, or empty for all: where in the log its last sync began}"""
        for at, event in enumerate(self._events):
            if "name" in event:
                self.names.setdefault(event["name"], []).append((at, event))
            elif "made" in event:
                self._made[event["made"]] = at
            elif event.get("number") in ended:
                self._synced[event["sync"]] = at

    def is_on_disk(self, at: int, event: Event) -> bool:
        """Whether bytes and name of a file that was named there are. Bytes that `syncfs` took before they had this name are
        not counted: whether they were all written then is not in the log."""
        path, source = event["name"], event["of"]
        has_bytes = source in self._synced or self._synced.get("", -1) > at
        return has_bytes and self._has_entry(path, at) and self.has_folder(os.path.dirname(path))

    def has_folder(self, path: str) -> bool:
        """Whether a folder and all above it are."""
        if path in self._before.folders or not (path + "/").startswith(self._before.root + "/"):
            return True
        at = self._made.get(path)
        return at is not None and self._has_entry(path, at) and self.has_folder(os.path.dirname(path))

    def _has_entry(self, path: str, at: int) -> bool:
        return max(self._synced.get("", -1), self._synced.get(os.path.dirname(path), -1)) > at


def lose(before: Seen, log: Path, draw: random.Random) -> int:
    """Do to a store what a strict disk may do at a kill: files that are not on it are gone; where one took another's place, the
    other may be back. Return how many files of the store there were of that kind."""
    replay, lost = Replay(before, log), 0
    for folder, _, names in os.walk(before.root, topdown=False):
        for name in names:
            path = f"{folder}/{name}"
            inode = os.lstat(path).st_ino
            if before.files.get(path) == inode:
                continue
            versions = replay.names.get(path, [])
            safe = [n for n, (at, event) in enumerate(versions) if replay.is_on_disk(at, event)]
            newest = safe[-1] if safe else -1
            if versions and newest == len(versions) - 1 and versions[-1][1]["inode"] == inode:
                continue
            Path(path).unlink()
            lost += not folder.endswith("/.lastcopy-tmp")
            kept = versions[newest + 1][1]["kept"] if newest + 1 < len(versions) else None
            if kept and draw.random() < 0.5:
                Path(kept).rename(path)
        if not replay.has_folder(folder):
            Path(folder).rmdir()
    return lost


def _events(log: Path) -> Iterator[Event]:
    for line in log.read_bytes().splitlines() if log.is_file() else ():
        with contextlib.suppress(ValueError):  # the last one may be cut off
            yield json.loads(line)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
