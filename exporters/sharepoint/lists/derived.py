"""Files made from what a bag holds of a list: put in place of what was there, and only if they differ.

Rules of this file: bytes go through a temporary file, so that memory does not grow with a list; each has a row of kind
`derived` that says of which list it is. Source: design §4 (derived files), docs/formats.md (bag of a site).
"""

import tempfile
from collections.abc import Iterable, Iterator
from typing import IO

from exporters.bag.digests import Hashed
from exporters.bag.formats import JsonObject
from exporters.clock import timestamp
from exporters.outcomes import Outcome
from exporters.sharepoint.lists.places import Places
from exporters.sharepoint.run import SiteList, SiteRun

_CHUNK = 1 << 18
_SPOOLED = 4 << 20


def put_derived_file(run: SiteRun, places: Places, one: SiteList, name: str, content: Iterable[bytes]) -> bool:
    """Put a file of a list if its bytes are not held; whether it was put. Raises: errors of the store, ReplacedError."""
    key = f"{places.folder(one.id, one.name)}/{name}"
    with tempfile.SpooledTemporaryFile(_SPOOLED) as file:
        hashed = Hashed(_written(file, content)).drain()
        held = run.writer.state.row(("derived", "", key))
        path = f"/{one.name}/{name}"
        facts: JsonObject = {
            "path": path,
            "size": hashed.size,
            "sha256": hashed.sha256,
            "outcome": Outcome.COPIED.value,
        }
        if held is not None and all(held.get(field) == value for field, value in facts.items()):
            return False
        row: JsonObject = {"kind": "derived", "scope": "", "id": key, "key": key, "name": name, "of": one.id, **facts}
        row.update(run=run.writer.run.id, captured=timestamp(run.clock.now()))
        if held is None or held["sha256"] != hashed.sha256:
            file.seek(0)
            stored = run.writer.put_derived(key, _chunks(file), size=hashed.size)
            if stored.version_id is not None:
                row["versionId"] = stored.version_id
        elif "versionId" in held:
            row["versionId"] = held["versionId"]
    run.writer.emit("item", row)
    return True


def _written(file: IO[bytes], content: Iterable[bytes]) -> Iterator[bytes]:
    for chunk in content:
        file.write(chunk)
        yield chunk


def _chunks(file: IO[bytes]) -> Iterator[bytes]:
    while chunk := file.read(_CHUNK):
        yield chunk
