"""What lies beside the bags, as a package names it: root, run records, the last row of the journal.

Rules of this file: reads the store, streams what may be large, decides nothing. Source: design §8.
"""

import hashlib
from concurrent.futures import ThreadPoolExecutor

from exporters.bag.formats import JsonObject
from exporters.ordered import in_order
from exporters.store.protocol import Store
from retention.evidence.package import Surroundings
from retention.journal import Head

ROOT = "lastcopy.json"
RUNS = "runs/"
_READERS = 8


def surroundings_of(store: Store, head: Head) -> Surroundings:
    """Read them. head: how far the journal was read. Raises: errors of the store."""
    keys = (info.key for info in store.list(RUNS))
    with ThreadPoolExecutor(_READERS) as pool:
        digests = in_order(pool, lambda key: (key, digest_of(store, key)), keys, ahead=2 * _READERS)
        runs = {key.removeprefix(RUNS).removesuffix(".json"): sha256 for key, sha256 in digests}
    return Surroundings(digest_of(store, ROOT), runs, journal_row(head))


def journal_row(head: Head) -> JsonObject:
    """How a package names the last row of the journal."""
    return {"segment": head.number, "segment_sha256": head.position.sha256, "row": head.last_line}


def digest_of(store: Store, key: str) -> str:
    """SHA-256 of an object. Raises: ObjectMissingError."""
    digest = hashlib.sha256()
    with store.open(key) as chunks:
        for chunk in chunks:
            digest.update(chunk)
    return digest.hexdigest()
