"""Originals of a bag: lines, records, entries of zips, and bytes that items need.

Rules of this file: reads, never writes to the store; what is read has the size and SHA-256 of its row, or is refused by name; an
object is gone through once for its lines, records and directory, and its entries are then read in whatever order they are
wanted. In a folder they are read where they lie. Elsewhere an object of which much is wanted is spooled to the temporary folder,
`SPOOLED` bytes of such objects at most, and of others the wanted ranges are asked for: so each is downloaded once, as long as
the items of a folder lie in fewer objects than that. Source: docs/formats.md (bag of a mailbox), PKWARE APPNOTE 4.3.
"""

import contextlib
import io
import mmap
import os
import struct
import tempfile
import zipfile
import zlib
from collections import OrderedDict
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, cast

from exporters.bag.digests import Hashed
from exporters.bag.formats import load_json
from exporters.errors import ItemError
from exporters.mail.compose.order import Order, Packed
from exporters.mail.compose.parsing import Raw
from exporters.mail.originals import RECORDS, Entry
from exporters.store.errors import ObjectMissingError
from exporters.store.local import LocalReader, local_files
from exporters.store.protocol import Store

SPOOLED = 4 << 30
OPEN_FILES = 16
IN_MEMORY = 16 << 20
"""An entry up to this size is held in memory where a file is asked for."""
_MUCH = 4  # an object is spooled where at least one part in so many of it is wanted
_PIECE = 1 << 20
_LOCAL_HEADER = struct.Struct("<4s22sHH")


class OriginalError(ItemError):
    """An original is not as its row says. Codes: original_missing, original_damaged, record_missing."""

    def __init__(self, code: str, what: str) -> None:
        super().__init__(
            what, code=code, action="Run `lastcopy verify` on this store, and put back what it names from its versions."
        )


class Originals:
    """Reads what `order` wants from the bag. Use as a context manager; one thread. folder: for spooled objects."""

    def __init__(self, store: Store, bag: str, order: Order, folder: Path) -> None:
        self._store, self._bag, self._order, self._folder = store, bag, order, folder
        local = local_files(store)
        self._reader = None if local is None else LocalReader(local.root)
        self._open: OrderedDict[str, tuple[BinaryIO, int]] = OrderedDict()
        self._spooled = 0

    def __enter__(self) -> "Originals":
        return self

    def __exit__(self, *_: object) -> None:
        while self._open:
            self._let_go()
        if self._reader is not None:
            self._reader.__exit__()

    # -- before the first item --------------------------------------------------------------------------------------

    def index(self, holder: str) -> None:
        """Keep what is wanted of an object: lines, records, and where its entries lie. What is not there is missed later, item by
        item. Raises: errors of the store, but for an object that is not there."""
        entries, records = self._order.wanted(holder)
        try:
            with contextlib.closing(self._whole(holder)) as file:
                if holder.endswith(".zip"):
                    self._index_zip(holder, file, entries, records)
                else:
                    self._index_lines(holder, file, entries)
        except (ObjectMissingError, zipfile.BadZipFile, zlib.error):
            return

    def _index_zip(self, holder: str, file: BinaryIO, entries: set[str], records: set[str]) -> None:
        with zipfile.ZipFile(file) as container:
            for info in container.infolist():
                if info.filename in entries:
                    packed = Packed(info.header_offset, info.compress_size, info.compress_type, info.file_size)
                    self._order.put_entry(Entry(holder, info.filename), packed)
            if not records or RECORDS not in container.namelist():
                return
            with container.open(RECORDS) as lines:
                for line in lines:
                    try:
                        item_id = load_json(line).get("id")
                    except ValueError:
                        continue
                    if item_id in records:
                        self._order.put_line(holder, item_id, line)

    def _index_lines(self, holder: str, file: BinaryIO, numbers: set[str]) -> None:
        for number, line in enumerate(file, 1):
            if str(number) in numbers:
                self._order.put_line(holder, str(number), line.removesuffix(b"\n"))

    def _whole(self, holder: str) -> BinaryIO:
        """An object, to be gone through once, with jumps. Raises: ObjectMissingError."""
        if self._reader is not None:
            return self._local(self._reader, holder)
        info = self._store.stat(f"{self._bag}/{holder}")
        if info is None:
            raise ObjectMissingError(f"{self._bag}/{holder}")
        return io.BufferedReader(_Ranges(self._store, info.key, info.size), _PIECE)

    def _local(self, reader: LocalReader, holder: str) -> BinaryIO:
        key = f"{self._bag}/{holder}"
        try:
            return cast(BinaryIO, os.fdopen(reader.open(key.encode()), "rb"))
        except (FileNotFoundError, NotADirectoryError):
            raise ObjectMissingError(key) from None

    # -- for each item ----------------------------------------------------------------------------------------------

    def record(self, holder: str, item_id: str) -> bytes:
        """The line of an item in the `records.jsonl` of a zip. Raises: OriginalError."""
        line = self._order.line(holder, item_id)
        if line is None:
            raise OriginalError("record_missing", f"the record of an item is not in {holder}")
        return line

    def line(self, entry: Entry, size: int | None, sha256: str | None) -> bytes:
        """A line of a `.jsonl`, without its newline. Raises: OriginalError."""
        line = self._order.line(entry.key, entry.name)
        if line is None:
            raise OriginalError("original_missing", f"{entry.key} has no line {entry.name}")
        _check(line, entry, size, sha256)
        return line

    def read(self, entry: Entry, size: int | None, sha256: str | None) -> Raw:
        """The bytes of an entry; those of a long one lie in a file. Raises: OriginalError, errors of the store."""
        with self.open(entry, size, sha256) as file:
            length = file.seek(0, os.SEEK_END)
            if length > IN_MEMORY:
                handle = file.fileno()
                file.flush()
                return mmap.mmap(handle, length, access=mmap.ACCESS_READ)  # which keeps the file
            file.seek(0)
            return file.read(length)

    @contextlib.contextmanager
    def open(self, entry: Entry, size: int | None, sha256: str | None) -> Iterator[BinaryIO]:
        """An entry as a file, checked before it is given. Raises: OriginalError, errors of the store."""
        packed = self._order.entry(entry)
        if packed is None:
            raise OriginalError("original_missing", f"{entry.key} has no entry for an item")
        hashed = Hashed(self._unpacked(entry, packed))
        with tempfile.SpooledTemporaryFile(IN_MEMORY, dir=str(self._folder)) as file:
            try:
                for piece in hashed:
                    file.write(piece)
            except zlib.error:
                raise OriginalError("original_damaged", f"an entry of {entry.key} cannot be unpacked") from None
            except ObjectMissingError:
                raise OriginalError("original_missing", f"{entry.key} is missing") from None
            if (size not in (None, hashed.size)) or (sha256 not in (None, hashed.sha256)):
                raise OriginalError("original_damaged", f"an entry of {entry.key} is not as its row says")
            file.seek(0)
            yield cast(BinaryIO, file)

    def bytes_of(self, key: str) -> Iterator[bytes]:
        """An object that an item needs (attachment, photo), in pieces. Raises: OriginalError, errors of the store."""
        try:
            with self._store.open(f"{self._bag}/{key}") as pieces:
                yield from pieces
        except ObjectMissingError:
            raise OriginalError("original_missing", f"{key} is missing") from None

    def _unpacked(self, entry: Entry, packed: Packed) -> Iterator[bytes]:
        pieces = self._packed(entry.key, packed)
        if packed.method == zipfile.ZIP_STORED:
            yield from pieces
            return
        if packed.method != zipfile.ZIP_DEFLATED:
            raise OriginalError("original_damaged", f"an entry of {entry.key} is packed in a way that we do not write")
        inflate = zlib.decompressobj(-zlib.MAX_WBITS)
        for piece in pieces:
            rest = piece
            while rest:
                yield inflate.decompress(rest, _PIECE)
                rest = inflate.unconsumed_tail
        yield inflate.flush()

    def _packed(self, holder: str, packed: Packed) -> Iterator[bytes]:
        """The bytes of an entry as they lie in the zip."""
        header = b"".join(self._range(holder, packed.at, _LOCAL_HEADER.size))
        if len(header) < _LOCAL_HEADER.size:
            raise OriginalError("original_damaged", f"{holder} ends too early")
        magic, _, name, extra = _LOCAL_HEADER.unpack(header)
        if magic != b"PK\x03\x04":
            raise OriginalError("original_damaged", f"{holder} has no entry where its directory says")
        yield from self._range(holder, packed.at + _LOCAL_HEADER.size + name + extra, packed.packed)

    def _range(self, holder: str, start: int, length: int) -> Iterator[bytes]:
        file = self._held(holder)
        if file is None:
            with self._store.open(f"{self._bag}/{holder}", start, start + length) as pieces:
                yield from pieces
            return
        file.seek(start)
        while length > 0 and (piece := file.read(min(length, _PIECE))):
            length -= len(piece)
            yield piece

    # -- files that are held ----------------------------------------------------------------------------------------

    def _held(self, holder: str) -> BinaryIO | None:
        """The object as a file that stays open; None if only ranges of it are to be asked for."""
        if holder in self._open:
            self._open.move_to_end(holder)
            return self._open[holder][0]
        if self._reader is not None:
            while len(self._open) >= OPEN_FILES:
                self._let_go()
            self._open[holder] = self._local(self._reader, holder), 0
            return self._open[holder][0]
        info = self._store.stat(f"{self._bag}/{holder}")
        if info is None:
            raise ObjectMissingError(f"{self._bag}/{holder}")
        if self._order.share(holder) * _MUCH < info.size or info.size > SPOOLED:
            return None
        while self._open and self._spooled + info.size > SPOOLED:
            self._let_go()
        file = cast(BinaryIO, tempfile.TemporaryFile(dir=self._folder))  # noqa: SIM115 - closed by _let_go
        self._open[holder] = file, info.size
        self._spooled += info.size
        with self._store.open(info.key) as pieces:
            for piece in pieces:
                file.write(piece)
        return file

    def _let_go(self) -> None:
        _, (file, size) = self._open.popitem(last=False)
        file.close()
        self._spooled -= size


class _Ranges(io.RawIOBase):
    """An object of a store as a file to be read with jumps; each read is a request."""

    def __init__(self, store: Store, key: str, size: int) -> None:
        self._store, self._key, self._size, self._at = store, key, size, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        self._at = offset + (0, self._at, self._size)[whence]
        return self._at

    def tell(self) -> int:
        return self._at

    def readinto(self, buffer: "bytearray | memoryview") -> int:  # type: ignore[override]
        end = min(self._at + len(buffer), self._size)
        filled = 0
        if self._at < end:
            with self._store.open(self._key, self._at, end) as pieces:
                for piece in pieces:
                    buffer[filled : filled + len(piece)] = piece
                    filled += len(piece)
        self._at += filled
        return filled


def _check(data: bytes, entry: Entry, size: int | None, sha256: str | None) -> None:
    if (size not in (None, len(data))) or (sha256 not in (None, Hashed.of(data))):
        raise OriginalError("original_damaged", f"line {entry.name} of {entry.key} is not as its row says")
