"""`data/pst/parts.json`: which files make up the PST of a mailbox, and what in them is not as the mailbox is now.

Rules of this file: a pure function of the rows; written as a stream, since everything in a mailbox may have changed; put only if
it is another. Source: design §5; docs/formats.md (PST).
"""

import tempfile
from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO, cast

from exporters.bag.digests import Hashed
from exporters.bag.formats import JsonObject, dump_json, load_json
from exporters.bag.ledger import BagWriter
from exporters.clock import Clock
from exporters.mail.compose.order import Order
from exporters.mail.compose.parts import PARTS_JSON, PST, is_same, put_derived

_PIECE = 1 << 20


def write_parts_json(
    writer: BagWriter, clock: Clock, order: Order, folder: Path, files: Collection[str], losses: Mapping[str, int]
) -> JsonObject | None:
    """Put it; its row, None if it is there already as it should be. files: names of those that count.

    Raises: ReplacedError, errors of the store.
    """
    with cast(BinaryIO, tempfile.TemporaryFile(dir=folder)) as file:
        hashed = Hashed(_content(writer, order, files, losses))
        for piece in hashed:
            file.write(piece)
        known = writer.state.row(("derived", "", PARTS_JSON))
        if known is not None and is_same(writer, known, hashed.size, hashed.sha256):
            return None
        file.seek(0)
        return put_derived(writer, clock, PARTS_JSON, iter(lambda: file.read(_PIECE), b""), hashed.size)


def _content(writer: BagWriter, order: Order, files: Collection[str], losses: Mapping[str, int]) -> Iterator[bytes]:
    """The object, keys sorted, as the house writes JSON."""
    yield b'{"losses":' + dump_json(losses) + b',"not_composed":['
    yield from _listed(order.refused())
    yield b'],"parts":['
    yield from _listed(_parts(writer, files))
    yield b'],"superseded":['
    yield from _listed(order.superseded())
    yield b"]}\n"


def _parts(writer: BagWriter, files: Collection[str]) -> Iterator[dict[str, Any]]:
    """Each file that was ever made: one that no row names a place in any more stays in the store, and is told apart."""
    for data in writer.state.rows("kind = 'derived'"):
        row = load_json(data)
        name = str(row["key"]).removeprefix(f"{PST}/")
        made = row.get("pst")
        if isinstance(made, dict):
            part = {"file": name, "size": row["size"], "sha256": row["sha256"], "used": name in files}
            yield part | {key: made[key] for key in ("folders", "messages", "settings") if key in made}


def _listed(entries: Iterable[Mapping[str, Any]]) -> Iterator[bytes]:
    before = b""
    for entry in entries:
        yield before + dump_json(entry)
        before = b","
