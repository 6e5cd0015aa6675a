"""The tables of a package: every row of every item, and every exception.

Rules of this file: UTF-8 with a byte order mark, RFC 4180, CR LF; cells that a spreadsheet would take for a formula get a `'` in
front; rows are streamed from the bags, none is held. The JSON in the bags is the record. Source: design §8, §10.
"""

import csv
import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, BinaryIO, Final

from exporters.bag.formats import EXCEPTIONS, ITEMS, JsonObject
from exporters.store.protocol import Store
from retention.evidence.collecting_bags import Bag, rows_again
from retention.evidence.contents import Veil
from retention.evidence.sentences import alternative_of

ITEM_COLUMNS: Final = (
    "bag", "kind", "path", "name", "outcome", "code", "reason", "size", "sha256", "agreement", "created", "modified", "captured",
    "since", "run", "key", "scope", "id",
)  # fmt: skip
EXCEPTION_COLUMNS: Final = (
    "bag", "kind", "path", "name", "code", "reason", "accepted_by", "alternative", "captured", "run", "scope", "id",
)  # fmt: skip
_FORMULA = frozenset("=+-@\t\r")
_TOGETHER = 1_000
_Row = Sequence[Any]


def items_table(store: Store, bags: Iterable[Bag], veil: Veil | None, out: BinaryIO) -> None:
    """`items.csv`. Raises: RunError if a bag was written to since it was counted; errors of the store."""
    columns = ITEM_COLUMNS[1:]
    rows = ([bag.place, *map(row.get, columns)] for bag in bags for row in rows_again(store, bag, ITEMS))
    _write(ITEM_COLUMNS, rows, veil, out)


def exceptions_table(
    store: Store, bags: Iterable[Bag], accepted: Mapping[tuple[str, str], list[str]], veil: Veil | None, out: BinaryIO
) -> None:
    """`exceptions.csv`: rows that are excepted, also those that are confirmed to have vanished. Raises: as `items_table`."""

    def cells(bag: Bag, row: JsonObject) -> _Row:
        code = str(row.get("code"))
        more = {
            "bag": bag.place,
            "accepted_by": "; ".join(accepted.get((bag.place, code), ())),
            "alternative": alternative_of(code),
        }
        return [more.get(name, row.get(name)) for name in EXCEPTION_COLUMNS]

    rows = (cells(bag, row) for bag in bags if bag.excepted for row in rows_again(store, bag, EXCEPTIONS))
    _write(EXCEPTION_COLUMNS, rows, veil, out)


def _write(columns: Sequence[str], rows: Iterable[_Row], veil: Veil | None, out: BinaryIO) -> None:
    out.write(b"\xef\xbb\xbf")
    held = io.StringIO(newline="")
    writer = csv.writer(held, lineterminator="\r\n")
    writer.writerow(columns)
    for some in _together(rows):
        shown = some if veil is None else [_veiled(columns, row, veil) for row in some]
        # a cell that a spreadsheet would take for a formula is told apart; inline, since a row has 18 of them
        writer.writerows(
            [f"'{cell}" if cell.__class__ is str and cell[:1] in _FORMULA else cell for cell in row] for row in shown
        )
        out.write(held.getvalue().encode("utf-8", "backslashreplace"))
        held.seek(0)
        held.truncate()
    out.write(held.getvalue().encode())


def _veiled(columns: Sequence[str], row: _Row, veil: Veil) -> _Row:
    hidden = () if veil.keeps_hashes else ("sha256",)
    return ["" if name in hidden else veil.cell(name, value) for name, value in zip(columns, row, strict=True)]


def _together(rows: Iterable[_Row]) -> Iterator[list[_Row]]:
    held: list[_Row] = []
    for row in rows:
        held.append(row)
        if len(held) == _TOGETHER:
            yield held
            held = []
    if held:
        yield held
