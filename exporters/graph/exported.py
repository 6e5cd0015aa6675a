"""The answer of `exportItems`: up to twenty streams as base64 in one JSON document, each of any size.

Rules of this file: nothing but the pieces at hand is in memory: the bytes go, decoded, into one temporary file. Answers are
matched by id, whatever their order; base64 is taken strictly; what is wrong with one item is that item's matter, what is wrong
with the document is everybody's.

Source: reference graph.md 4.3, 4.4.
"""

import binascii
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, BinaryIO

from exporters.graph.contents import decoded
from exporters.graph.errors import GraphError, MalformedAnswerError
from exporters.graph.json_stream import JsonStream
from exporters.graph.meanings import classify
from exporters.graph.transport import Answer

MOST_ITEMS = 20
ITEM_PATH = "/admin/exchange/mailboxes/-/exportItems/items/-"
"""Stands for the path of one item, which it has not: it tells `meanings` what an error is about."""
_MOVED = "errorarchivefoldermovedpermanently"


@dataclass(frozen=True, slots=True)
class ExportedItem:
    """What came of one item that was asked for. data: its FastTransfer stream of `size` bytes, to be read before the next item is
    taken; None without. error: what the service says instead. Neither: it is left out without a word."""

    item_id: str
    change_key: str | None = None
    data: BinaryIO | None = None
    size: int = 0
    error: GraphError | None = None

    @property
    def is_omitted(self) -> bool:
        """Whether the service did not mention it: to be asked for alone, once more."""
        return self.data is None and self.error is None


@dataclass(slots=True)
class Found:
    """One element of an answer. begin, size: where its bytes lie in the spool (None: it has none). moved_to: where to ask."""

    item_id: str = ""
    change_key: str | None = None
    begin: int | None = None
    size: int = 0
    error: GraphError | None = None
    moved_to: str | None = None


@dataclass(slots=True)
class ExportAnswer:
    """Takes the answers to one request for `ids`; one after the other until one is sound."""

    ids: Sequence[str]
    spool: BinaryIO
    found: dict[str, Found] = field(default_factory=dict)

    def take(self, answer: Answer) -> dict[str, Found]:
        """By id; ids that nobody asked for are left out. Raises: MalformedAnswerError, ConnectionFailedError."""
        self.found = {}
        self.spool.seek(0)
        self.spool.truncate()
        try:
            stream = JsonStream(decoded(answer))
            names = []
            for name in stream.members():
                names.append(name)
                if name == "value":
                    for _ in stream.elements():
                        self._element(stream)
                else:
                    stream.value()
            stream.finish()
        finally:
            answer.close()
        if names.count("value") != 1:
            raise MalformedAnswerError("The service answered without what was asked for.", code="malformed")
        return self.found

    def _element(self, stream: JsonStream) -> None:
        one = Found()
        begin = self.spool.tell()
        for name in stream.members():
            match name.lower():
                case "data" if stream.peek() == b'"':
                    self._data(stream, one)
                case "error":
                    self._error(one, stream.value())
                case "itemid":
                    one.item_id = _text(stream.value())
                case "changekey":
                    one.change_key = _text(stream.value()) or None
                case _:
                    stream.value()
        if (
            one.item_id in self.ids
            and one.item_id not in self.found
            and (one.begin is not None or one.error is not None)
        ):
            if one.begin is not None and not one.size and one.error is None:
                one.error = _bad("The service gave an item without a byte.")
            self.found[one.item_id] = one
            if one.error is None:
                return
        self.spool.seek(begin)
        self.spool.truncate()

    def _data(self, stream: JsonStream, one: Found) -> None:
        one.begin = self.spool.tell()
        rest, is_over = b"", False
        for piece in stream.pieces():
            if one.error is not None:
                continue  # to its end all the same: others follow
            rest += piece
            whole = len(rest) & ~3
            block, rest = rest[:whole], rest[whole:]
            try:
                if is_over and (block or rest):
                    raise binascii.Error
                is_over = block.endswith(b"=")
                self.spool.write(binascii.a2b_base64(block, strict_mode=True))
            except binascii.Error:
                one.error = _bad("The service gave an item that is not base64.")
        if rest and one.error is None:
            one.error = _bad("The service gave an item that is cut off.")
        one.size = self.spool.tell() - one.begin

    def _error(self, one: Found, given: Any) -> None:
        if given is None:
            return
        told = given if isinstance(given, dict) else {}
        code, message = _text(told.get("code")), _text(told.get("message"))
        one.error = classify(_status(code), {}, {"error": {"code": code, "message": message}}, path=ITEM_PATH)
        if code.lower() == _MOVED:
            one.moved_to = message.strip()


def slice_of(spool: BinaryIO, found: Found) -> BinaryIO:
    """The bytes of an item as a file."""
    return io.BufferedReader(_Slice(spool, found.begin or 0, found.size), 1 << 16)


class _Slice(io.RawIOBase):
    """Part of a file that others read too."""

    def __init__(self, file: BinaryIO, begin: int, size: int) -> None:
        self._file, self._begin, self._size, self._at = file, begin, size, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        if base + offset < 0:
            raise ValueError("before the beginning")
        self._at = base + offset
        return self._at

    def readinto(self, buffer: Any) -> int:
        view = memoryview(buffer)[: max(0, min(len(buffer), self._size - self._at))]
        if not view:
            return 0
        self._file.seek(self._begin + self._at)
        data = self._file.read(len(view))
        view[: len(data)] = data
        self._at += len(data)
        return len(data)


def _status(code: str) -> int:
    """An error within an answer has no status: the one that would come with it."""
    lowered = code.lower()
    kinds = (("notfound", 404), ("accessdenied", 403), ("throttled", 429), ("internalserver", 500))
    return next((status for part, status in kinds if part in lowered), 400)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _bad(text: str) -> MalformedAnswerError:
    return MalformedAnswerError(text, code="malformed", action="Run again; if it stays, report it.")


def omitted(ids: Sequence[str], found: dict[str, Found]) -> Iterator[ExportedItem]:
    """Those of `ids` that the service did not mention."""
    return (ExportedItem(item_id) for item_id in ids if item_id not in found)
