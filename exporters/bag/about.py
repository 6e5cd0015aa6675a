"""`data/about.txt`: kind and id of the source, so that an empty source is a bag.

Rules of this file: always the same bytes; put once. Source: design §4 (inside each bag).
"""

from exporters.bag.digests import Hashed
from exporters.bag.formats import ABOUT, JsonObject
from exporters.bag.ledger import BagWriter
from exporters.clock import Clock, timestamp
from exporters.sources import Source
from exporters.store.errors import ObjectExistsError


def name_source(writer: BagWriter, source: Source, clock: Clock) -> None:
    """Put it, and its row, if the bag has none. Raises: ReplacedError, errors of the store."""
    if writer.state.row(("derived", "", ABOUT)):
        return
    text = f"kind: {source.kind}\nid: {source.id}\n".encode()
    try:
        stored = writer.put_payload(ABOUT, [text], size=len(text))
        version = stored.version_id
    except ObjectExistsError:
        version = writer.adopt(ABOUT)  # put by a run that was cut off: always the same bytes
    row: JsonObject = {"kind": "derived", "scope": "", "id": ABOUT, "key": ABOUT, "outcome": "copied"}
    row.update(size=len(text), sha256=Hashed.of(text), captured=timestamp(clock.now()), run=writer.run.id)
    if version is not None:
        row["versionId"] = version
    writer.emit("item", row)
