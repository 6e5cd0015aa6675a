"""Holds the bags that a package names against those of today: the same, grown, disposed of with a certificate, or not all there.

Rules of this file: bags grow and payload stays, so each payload is looked for by its SHA-256; only what is missing is a
difference. What is derived may have been made anew. Manifests are compared as streams.
Source: design §8 (verify --evidence); docs/decisions/0093.
"""

import hashlib
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice

import orjson

from exporters.bag.formats import ITEMS, LEDGER, MANIFEST, TAGMANIFEST, JsonObject, segment_key
from exporters.bag.lines import read_lines
from exporters.store.errors import ObjectMissingError
from exporters.store.protocol import Store
from retention.evidence.canonical import parsed
from retention.evidence.chain import Disposed
from retention.evidence.checked import Checked
from retention.evidence.keys import fingerprint_of, verify_signature
from retention.evidence.package import BAGS, PUBLIC_KEY
from retention.evidence.sums import lines_of

SAME, GROWN, DISPOSED, MISSING = "same", "grown", "disposed", "missing"
CERTIFICATE_SIGNATURE = "certificate.sig"
STATES = (SAME, GROWN, DISPOSED, MISSING)
AT_ONCE = 100_000
"""So many payloads that are not where they were are looked for in one pass over a bag."""


@dataclass(frozen=True, slots=True)
class Bags:
    """The store of today, and the package. place: of the package in its own store; segment: of the journal when the package was
    made; trusted: fingerprints of keys that a certificate may be signed with."""

    store: Store
    package_store: Store
    place: str
    disposed: Mapping[str, Disposed]
    segment: int
    trusted: Collection[str] = frozenset()

    def compare(self, bag: JsonObject, checked: Checked) -> str:
        """What became of a bag; what is missing is noted. Raises: errors of a store that cannot be read."""
        path = str(bag["path"])
        if self._is_disposed(path, checked):
            return DISPOSED
        before = len(checked.differences)
        self._check_segment(bag, checked)
        if bag["tagmanifest_sha256"] is not None:
            try:
                tagmanifest = self.store.read(f"{path}/{TAGMANIFEST}")
            except ObjectMissingError:
                checked.add(
                    "missing", f"store:{path}", "the bag was there when the package was made, and has no fold now"
                )
                return MISSING
            if hashlib.sha256(tagmanifest).hexdigest() != bag["tagmanifest_sha256"]:
                for name in self._missing(path):
                    checked.add("missing", f"store:{path}/{name}", "the bag held it when the package was made")
                return MISSING if len(checked.differences) > before else GROWN
        return MISSING if len(checked.differences) > before else SAME

    def _is_disposed(self, path: str, checked: Checked) -> bool:
        """Whether the journal says so since; the certificate must be there, name the bag, and be signed with a known key."""
        row = self.disposed.get(path)
        if row is None or row.segment <= self.segment:
            return False
        try:
            fault = self._certificate_fault(path, row)
        except ObjectMissingError:
            checked.add("missing", f"store:{row.certificate}", f"it, or its signature, is the certificate for {path}")
            return True
        if fault is not None:
            checked.add("changed", f"store:{row.certificate}", fault)
        return True

    def _certificate_fault(self, path: str, row: Disposed) -> str | None:
        """What is wrong with a certificate. Whoever can write to the store can write one, and the row that names it."""
        folder = row.certificate.rpartition("/")[0]
        names = (row.certificate, f"{folder}/{CERTIFICATE_SIGNATURE}", f"{folder}/{PUBLIC_KEY}")
        data, signature, key = (self.store.read(name) for name in names)
        if hashlib.sha256(data).hexdigest() != row.sha256:
            return "it is not the certificate that the journal names"
        try:
            document = parsed(data)
            if not verify_signature(str(document.get("signature_algorithm")), key, signature, data):
                return "its signature does not hold"
            signed_with = fingerprint_of(key)
        except ValueError as error:
            return f"it cannot be read as a certificate: {error}"
        if signed_with not in self.trusted:
            return f"it is signed with an unknown key, with the fingerprint {signed_with}"
        return None if path in (document.get("bags") or ()) else f"it does not name {path}"

    def _check_segment(self, bag: JsonObject, checked: Checked) -> None:
        """The newest segment of the ledger, as it was then: `verify` follows the chain from there to the newest of today."""
        if not bag["segment"]:
            return
        key = segment_key(f"{bag['path']}/{LEDGER}", int(bag["segment"]))
        try:
            if hashlib.sha256(self.store.read(key)).hexdigest() != bag["segment_sha256"]:
                checked.add("changed", f"store:{key}", "it is not the segment that the package names")
        except ObjectMissingError:
            checked.add("missing", f"store:{key}", "the package names it")

    def _missing(self, path: str) -> Iterator[str]:
        """Keys of the package's manifest whose bytes the bag of today does not have."""
        elsewhere = self._not_where_it_was(path)
        while wanted := dict(islice(elsewhere, AT_ONCE)):
            digests = set(wanted.values())
            held = {sha256 for _, sha256 in self._today(path) if sha256 in digests}
            left = {name for name, sha256 in wanted.items() if sha256 not in held}
            if left:
                left -= self._derived(path, left)
            yield from sorted(left)

    def _not_where_it_was(self, path: str) -> Iterator[tuple[str, str]]:
        """(key, SHA-256) of what the manifest of today does not have under the same key: both are sorted, by bytes."""
        today = self._today(path)
        name, sha256 = next(today, ("", ""))
        for wanted, digest in self._then(path):
            while name and name.encode() < wanted.encode():
                name, sha256 = next(today, ("", ""))
            if (name, sha256) != (wanted, digest):
                yield wanted, digest

    def _then(self, path: str) -> Iterator[tuple[str, str]]:
        return _manifest(self.package_store, f"{self.place}{BAGS}{path}/{MANIFEST}")

    def _today(self, path: str) -> Iterator[tuple[str, str]]:
        return _manifest(self.store, f"{path}/{MANIFEST}")

    def _derived(self, path: str, names: Iterable[str]) -> set[str]:
        """Those that the rows of today call derived."""
        wanted, found = set(names), set()
        try:
            for line in read_lines(self.store, f"{path}/{ITEMS}"):
                if b'"derived"' in line:
                    row = orjson.loads(line)
                    if row.get("kind") == "derived" and row.get("key") in wanted:
                        found.add(str(row["key"]))
        except (ObjectMissingError, orjson.JSONDecodeError):
            return found  # `verify` tells what is wrong with the rows; here it excuses nothing
        return found


def _manifest(store: Store, key: str) -> Iterator[tuple[str, str]]:
    """The lines of a manifest; none where it is gone or damaged, which is told where it is checked."""
    try:
        with store.open(key) as chunks:
            yield from lines_of(chunks)
    except (ObjectMissingError, ValueError):
        return
