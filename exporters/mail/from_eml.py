"""`python -m exporters.pst from-eml`: a PST from a tree of `.eml` files.

Rules of this file: every `.eml` is in the PST, or is named on standard error and makes the exit status 3; nothing is left out in
silence. The order is that of the names, so the same tree gives the same bytes. A PST appears under its name only when it
is whole. Source: issue 5; docs/decisions/0041.
"""

import argparse
import fcntl
import json
import os
import re
import stat
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import IO, BinaryIO

from exporters.clock import Clock, SystemClock
from exporters.mail.compose import Facts, Loss, MimeError, convert
from exporters.pst import FileSink, Folder, FolderRefused, Part, PstError, SinkFailed, SpillFailed, Writer

_UNITS = {"": 1, "B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "KIB": 1 << 10, "MIB": 1 << 20, "GIB": 1 << 30}
_LEAST_PART = 1 << 20
_LONGEST_NAME = 255
_DEEPEST = 200  # folders inside each other; libpff opens no file with more than 250
_LARGEST = 1 << 30  # bytes of a mail; what mail systems carry ends far below


class UsageError(Exception):
    """The command line asks for what cannot be; nothing was touched."""


def part_size(words: str) -> int:
    """`10GiB`, `500 MB` or a number of bytes. Raises UsageError."""
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([A-Za-z]*)\s*", words)
    if match is None or match[2].upper() not in _UNITS:
        raise UsageError(f"--part-size {words}: allowed is a size such as 10GiB, 500MiB or 2GB")
    size = int(Decimal(match[1]) * _UNITS[match[2].upper()])
    if size < _LEAST_PART:
        raise UsageError(f"--part-size {words}: a PST of less than 1 MiB holds nothing")
    return size


@dataclass(frozen=True)
class Mail:
    """One file of the tree: its folders below the top (as shown), its path."""

    folders: tuple[str, ...]
    path: Path


@dataclass
class Tree:
    """A folder of the disk, walked in the order of the names; symbolic links to folders are not followed."""

    top: Path
    others: int = 0
    unreadable: list[str] = field(default_factory=list)

    def mails(self) -> Iterator[Mail]:
        """All `.eml` files, those of a folder before those of its folders. What cannot be listed is put into `unreadable`."""
        waiting: list[tuple[Path, tuple[str, ...]]] = [(self.top, (self.top.resolve().name or "Mail",))]
        while waiting:
            place, folders = waiting.pop()
            try:
                entries = sorted(os.scandir(place), key=lambda entry: os.fsencode(entry.name))
            except OSError as error:
                self.unreadable.append(f"{place}: {error.strerror}")
                continue
            below = [entry for entry in entries if entry.is_dir(follow_symlinks=False)]
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    continue
                if entry.is_dir():
                    self.unreadable.append(f"{entry.path}: a link to a folder, which is not followed")
                elif entry.name.lower().endswith(".eml"):
                    yield Mail(folders, Path(entry.path))
                else:
                    self.others += 1
            waiting += [(Path(entry.path), (*folders, entry.name)) for entry in reversed(below)]


class Folders:
    """The folders of the PST, made when the first mail needs them.

    Names that clash or cannot be stored are changed; what lies deeper than `_DEEPEST` goes into the folder at that depth.
    """

    def __init__(self, writer: Writer) -> None:
        self._writer = writer
        self._made: dict[tuple[str, ...], Folder] = {(): writer.top}
        self._flattened: set[tuple[str, ...]] = set()
        self.renamed: list[str] = []

    def of(self, path: tuple[str, ...]) -> Folder:
        """The folder of this path. Raises SinkFailed and SpillFailed."""
        if len(path) > _DEEPEST:
            if path not in self._flattened:
                self._flattened.add(path)
                self.renamed.append(f"{'/'.join(path[_DEEPEST - 1 :])!a} -> {path[_DEEPEST - 1]} (too deep)")
            path = path[:_DEEPEST]
        known = len(path)
        while path[:known] not in self._made:
            known -= 1
        folder = self._made[path[:known]]
        for depth in range(known + 1, len(path) + 1):
            folder = self._made[path[:depth]] = self._make(folder, path[depth - 1])
        return folder

    def _make(self, parent: Folder, name: str) -> Folder:
        stored = name.encode("utf-8", "surrogateescape").decode("utf-8", "replace").replace("\0", "\ufffd")
        wanted = stored[:_LONGEST_NAME]
        number = 1
        while True:
            try:
                folder = self._writer.add_folder(parent, wanted, container_class="IPF.Note")
            except FolderRefused:
                number += 1
                if number > 10_000:
                    raise
                tail = f" ({number})"
                wanted = stored[: _LONGEST_NAME - len(tail)] + tail
                continue
            if wanted != name:
                self.renamed.append(f"{name!a} -> {wanted}")
            return folder


class Output:
    """The files that are written: under another name until all are whole."""

    def __init__(self, out: Path, *, force: bool) -> None:
        self._out, self._force = out, force
        self._files: list[tuple[BinaryIO, Path, Path]] = []
        self._check(out)

    def _check(self, path: Path) -> None:
        if path.is_dir():
            raise UsageError(f"{path} is a folder; name a file")
        if path.exists() and not self._force:
            raise UsageError(f"{path} is there already; --force replaces it")
        if not path.parent.is_dir():
            raise UsageError(f"the folder {path.parent} is not there")

    def open(self, number: int) -> FileSink:
        """A new file for part `number`: OUT.pst, OUT-2.pst, ..."""
        path = self._out if number == 1 else self._out.with_name(f"{self._out.stem}-{number}{self._out.suffix}")
        self._check(path)
        draft = path.with_name(f".{path.name}.writing")
        file = _locked(draft)
        self._files.append((file, draft, path))
        return FileSink(file)

    def publish(self) -> list[Path]:
        """Give the files their names, when all of them are on the disk."""
        for file, _, _ in self._files:
            file.flush()
            os.fsync(file.fileno())
        for _, draft, path in self._files:
            draft.replace(path)
        paths = [path for _, _, path in self._files]
        for file, _, _ in self._files:  # only now: an open file is locked
            file.close()
        self._files = []
        return paths

    def discard(self) -> None:
        """Remove what did not become whole."""
        for file, draft, _ in self._files:
            file.close()
            draft.unlink(missing_ok=True)


def _locked(draft: Path) -> BinaryIO:
    """An empty file that no other run writes; what a killed run left is taken over. Raises OSError."""
    file = os.fdopen(os.open(draft, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o666), "r+b")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if not draft.exists() or not os.path.samestat(os.fstat(file.fileno()), draft.stat()):
            raise BlockingIOError
        file.truncate()
    except BlockingIOError as error:
        file.close()
        raise OSError(None, f"another run is writing {draft}") from error
    except OSError:
        file.close()
        raise
    return file


class Progress:
    """A line on standard error that is written over, twice a second, on a terminal only."""

    def __init__(self, clock: Clock, *, shown: bool) -> None:
        self._clock, self._shown, self._next = clock, shown and sys.stderr.isatty(), 0.0

    def tell(self, mails: int) -> None:
        if self._shown and (now := self._clock.monotonic()) >= self._next:
            self._next = now + 0.5
            print(f"\r{mails:,} mails", end="", file=sys.stderr, flush=True)

    def end(self) -> None:
        if self._shown:
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)


class Ledger:
    """What was changed or left out: counted, and written to a file where one is asked for."""

    def __init__(self, file: IO[str] | None) -> None:
        self._file = file
        self.counts: Counter[str] = Counter()
        self.refused: list[str] = []

    def lost(self, name: str, losses: tuple[Loss, ...]) -> None:
        self.counts.update(loss.code for loss in losses)
        if self._file is not None:
            for loss in losses:
                print(json.dumps({"file": name, "code": loss.code, "detail": loss.detail}), file=self._file)

    def refuse(self, name: str, reason: str) -> None:
        self.refused.append(f"{name}: {reason}")
        if self._file is not None:
            print(json.dumps({"file": name, "code": "refused", "detail": reason}), file=self._file)


def main(args: argparse.Namespace, clock: Clock | None = None) -> int:
    """Run the command; its exit status. Raises PstError and OSError for what ends it."""
    try:
        size = None if args.part_size is None else part_size(args.part_size)
        if not args.folder.is_dir():
            raise UsageError(f"{args.folder} is no folder")
        output = Output(args.out, force=args.force)
        if args.losses is not None:
            _check_losses(args.losses, args.out, force=args.force)
    except UsageError as error:
        print(f"exporters.pst: {error}", file=sys.stderr)
        return 2
    tree = Tree(args.folder)
    progress = Progress(clock or SystemClock(), shown=not args.quiet)
    with ExitStack() as stack:
        stack.callback(output.discard)
        losses = None if args.losses is None else stack.enter_context(args.losses.open("w", encoding="utf-8"))
        ledger = Ledger(losses)
        name = args.name or args.folder.resolve().name or "Mail"
        shown = os.fsencode(name).decode("utf-8", "replace").replace("\0", "\ufffd")
        try:
            with Writer(
                output.open,
                seed=f"from-eml\0{shown}".encode(),
                display_name=shown,
                part_limit=size,
                temporary=args.out.resolve().parent,
            ) as writer:
                folders = _write(tree, writer, ledger, progress)
                parts = writer.close()
        except UsageError as error:
            print(f"exporters.pst: {error}", file=sys.stderr)
            return 2
        paths = output.publish()
    progress.end()
    return _report(tree, folders, ledger, parts, paths)


def _check_losses(losses: Path, out: Path, *, force: bool) -> None:
    if losses.resolve() == out.resolve():
        raise UsageError(f"--losses {losses}: that is the PST")
    if losses.is_file() and losses.stat().st_size and not force:
        raise UsageError(f"--losses {losses}: the file is there already; --force replaces it")


def _write(tree: Tree, writer: Writer, ledger: Ledger, progress: Progress) -> Folders:
    folders = Folders(writer)
    for number, mail in enumerate(tree.mails(), 1):
        name = os.fsencode(mail.path.relative_to(tree.top)).decode("utf-8", "replace")
        try:
            _add(mail, name, writer, folders, ledger)
        except (SinkFailed, SpillFailed):
            raise
        except (PstError, MimeError, OSError) as error:
            reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
            ledger.refuse(name, reason)
        progress.tell(number)
    return folders


def _add(mail: Mail, name: str, writer: Writer, folders: Folders, ledger: Ledger) -> None:
    if not stat.S_ISREG(mail.path.stat().st_mode):  # a pipe would never end, /dev/zero neither
        raise OSError(None, "no regular file")
    with mail.path.open("rb") as file:
        status = os.fstat(file.fileno())
        if status.st_size > _LARGEST:
            raise OSError(None, f"a mail of {status.st_size:,} bytes; up to {_LARGEST:,} are read")
        raw = file.read()
    converted = convert(raw, facts=Facts(modified=_time(status.st_mtime), label=name))
    writer.add_message(folders.of(mail.folders), converted.message)
    ledger.lost(name, converted.losses)


def _time(seconds: float) -> datetime | None:
    """The time of a file; None for one that nobody can have meant."""
    try:
        return datetime.fromtimestamp(int(seconds), UTC)
    except (ValueError, OverflowError, OSError):
        return None


def _report(tree: Tree, folders: Folders, ledger: Ledger, parts: Sequence[Part], paths: list[Path]) -> int:
    for part, path in zip(parts, paths, strict=True):
        print(f"{path}: {part.messages:,} mails, {part.size:,} bytes")
    for line in folders.renamed:
        print(f"folder renamed: {line}", file=sys.stderr)
    for code, count in sorted(ledger.counts.items()):
        print(f"{count:9,} {code}", file=sys.stderr)
    if tree.others:
        print(f"{tree.others:,} other files were not read: their names do not end in .eml", file=sys.stderr)
    for line in (*tree.unreadable, *ledger.refused):
        print(f"NOT IN THE PST: {line}", file=sys.stderr)
    return 3 if tree.unreadable or ledger.refused else 0
