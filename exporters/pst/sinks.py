"""Where the bytes of one PST go: appended from offset 0x4400 on, the held-back beginning last.

Rules of this file: a sink is told of bytes once and in order. Two things are known late: the beginning (header and
DList, 17,408 bytes), which comes with `finish` and makes the file a PST, and FMap pages (512 bytes, first in files over
31.7 MiB), which are announced with `reserve` before they pass and come again with `amend`. A sink that cannot go back
refuses the reservation; the page then says 0xFF, "unknown", as recent Outlook does. Errors of sinks are their own; the
writer wraps them.
Source: reference/pst-format.md §8.4; [MS-PST] 2.2.2.6, 2.2.2.7.5.
"""

import os
from collections.abc import Callable
from typing import BinaryIO, Protocol

BEGINNING = 0x4400
_MIB = 1 << 20


class Sink(Protocol):
    """What the writer needs of a place for bytes. Offsets are absolute in the file; the first append is at `BEGINNING`."""

    def append(self, data: bytes | bytearray) -> None:
        """Take the next bytes of the file. The writer does not touch `data` again."""

    def reserve(self, offset: int, length: int) -> bool:
        """True if `length` bytes at `offset`, which the next append holds, may be amended once before `finish`."""

    def amend(self, offset: int, data: bytes) -> None:
        """Replace reserved bytes."""

    def finish(self, beginning: bytes) -> None:
        """Put the first `BEGINNING` bytes in front: with them the file is whole. Called once, last."""

    def abort(self) -> None:
        """Nothing more will come and the file is not whole; called instead of `finish`."""


class FileSink:
    """A seekable binary file, empty at first. Its beginning stays zero until the PST is whole; it is not closed."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        file.seek(BEGINNING)

    def append(self, data: bytes | bytearray) -> None:
        self._file.write(data)

    def reserve(self, offset: int, length: int) -> bool:
        return True

    def amend(self, offset: int, data: bytes) -> None:
        self._file.seek(offset)
        self._file.write(data)
        self._file.seek(0, os.SEEK_END)

    def finish(self, beginning: bytes) -> None:
        self._file.flush()
        self._file.seek(0)
        self._file.write(beginning)
        self._file.seek(0, os.SEEK_END)
        self._file.flush()

    def abort(self) -> None:
        self._file.flush()


class PartsSink:
    """Numbered parts, as a multipart upload takes them: any order, the first one last.

    `upload(number, data)` gets part 1 with `finish`, the others (2, 3, ...) as they fill; all parts but the last have
    `part_size` bytes (a multiple of 512, so that no page lies in two parts; S3 wants 5 MiB to 5 GiB). Memory: the first part,
    the part with the newest FMap page, and the one being filled.
    """

    def __init__(self, upload: Callable[[int, bytes], None], *, part_size: int = 8 * _MIB) -> None:
        if part_size % 512 or part_size < 2 * BEGINNING:
            raise ValueError("part_size is a multiple of 512 and holds the beginning")
        self._upload = upload
        self._size = part_size
        self._number = 1
        self._filling = bytearray(BEGINNING)
        self._first: bytearray | None = None
        self._reserved: dict[int, int] = {}
        self._held: dict[int, bytearray] = {}

    def append(self, data: bytes | bytearray) -> None:
        self._filling += data
        while len(self._filling) >= self._size:
            part, self._filling = self._filling[: self._size], self._filling[self._size :]
            self._leave(self._number, part)
            self._number += 1

    def _leave(self, number: int, part: bytearray) -> None:
        if number == 1:
            self._first = part
        elif number in self._reserved:
            self._held[number] = part
        else:
            self._upload(number, bytes(part))

    def reserve(self, offset: int, length: int) -> bool:
        number = offset // self._size + 1
        self._reserved[number] = self._reserved.get(number, 0) + 1
        return True

    def amend(self, offset: int, data: bytes) -> None:
        number, at = offset // self._size + 1, offset % self._size
        if number == self._number:
            part = self._filling
        else:
            part = self._first if number == 1 and self._first is not None else self._held[number]
        part[at : at + len(data)] = data
        self._reserved[number] -= 1
        if not self._reserved[number]:
            del self._reserved[number]
            if number in self._held:
                self._upload(number, bytes(self._held.pop(number)))

    def finish(self, beginning: bytes) -> None:
        first = self._first if self._first is not None else self._filling
        if self._first is not None and self._filling:
            self._upload(self._number, bytes(self._filling))
        first[:BEGINNING] = beginning
        self._upload(1, bytes(first))

    def abort(self) -> None:
        self._held.clear()
        self._first = None
        self._filling = bytearray()
