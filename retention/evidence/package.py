"""Writes one evidence package into the store: its files, its integrity, its signatures, its time stamp.

Rules of this file: nothing is held whole but evidence.json; each file is made in the temporary folder, hashed, and created if
absent; the signature is put last, so that a report which was cut off leaves no package. Source: design §8; docs/formats.md
(Evidence).
"""

import hashlib
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import IO, BinaryIO, cast

from exporters.bag.formats import MANIFEST, TAGMANIFEST, JsonObject
from exporters.clock import Clock, stamp
from exporters.errors import RunError
from exporters.store.errors import ObjectExistsError, ObjectMissingError
from exporters.store.protocol import CHUNK_BYTES, Store
from retention.evidence.canonical import canonical
from retention.evidence.chain import DOCUMENT, FOLDER, SIGNATURE
from retention.evidence.clocks import refuse_distant_stamp
from retention.evidence.contents import BagFact, Contents, Seal, Veil
from retention.evidence.errors import ChangedMeanwhileError
from retention.evidence.keys import Signer
from retention.evidence.manual import Manual
from retention.evidence.stamping import stamped
from retention.evidence.sums import sums_of

SUMS = "SHA256SUMS"
SUMS_SIGNATURE = "SHA256SUMS.sig"
PUBLIC_KEY = "public-key.pem"
TOKEN = "evidence.tsr"  # noqa: S105 - a file
CERTIFICATES = "tsa-chain.pem"
MANUAL = "VERIFY.md"
BAGS = "bags/"
NOT_NAMED = frozenset({DOCUMENT, SIGNATURE, TOKEN, CERTIFICATES, SUMS, SUMS_SIGNATURE})
"""Files of a package that evidence.json cannot name: itself, the signatures, the stamp, SHA256SUMS."""
SCHEMA = "lastcopy-evidence-1"
_TRIES = 60
_IN_MEMORY = 1 << 20


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What of the store, beside the bags, the package names by SHA-256."""

    lastcopy_json: str
    runs: dict[str, str]
    journal: JsonObject


@dataclass(frozen=True, slots=True)
class Written:
    """A package that is complete. evidence: SHA-256 of evidence.json."""

    package: str
    evidence: str
    stamped_at: datetime | None


def claim(store: Store, clock: Clock, signer: Signer) -> str:
    """Take a folder for a package by creating its first file; return its name. Raises: RunError, errors of the store."""
    at = clock.now()
    for _ in range(_TRIES):
        package = f"{FOLDER}{stamp(at)}"
        if next(store.list(f"{package}/"), None) is None:
            try:
                store.put(f"{package}/{PUBLIC_KEY}", signer.public_pem, if_absent=True, durable=True)
            except ObjectExistsError:
                pass  # another report took this second
            else:
                return package
        clock.sleep(1.0)
        at = max(clock.now(), at + timedelta(seconds=1))
    raise RunError("too many reports at once", code="evidence_busy", action="Run it again.")


def pack(
    store: Store,
    clock: Clock,
    signer: Signer,
    seal: Seal,
    contents: Contents,
    surroundings: Callable[[], Surroundings],
    veil: Veil | None = None,
) -> Written:
    """Write the package that was claimed. surroundings: read when everything else is there. veil: of contents that are veiled.

    Raises: ChangedMeanwhileError, TimeStampError, RunError, errors of the store; then there is no package.
    """
    packing = _Packing(store, clock, seal.package)
    packing.note(PUBLIC_KEY, signer.public_pem)
    if seal.full is None:
        for bag in contents.bags:
            packing.copy_manifests(bag)
    for name, write in contents.files:
        packing.make(name, write)
    manual = Manual(signer.algorithm, clock.now(), seal.timestamp_url is not None, seal.full is not None)
    packing.put(MANUAL, manual.text().encode())
    document = canonical(completed(contents, seal, packing.sums, surroundings(), veil))
    packing.put(DOCUMENT, document)
    return packing.seal(document, signer, seal.timestamp_url)


def completed(
    contents: Contents, seal: Seal, sums: dict[str, str], surroundings: Surroundings, veil: Veil | None = None
) -> JsonObject:
    """The document with what only the package knows: `package`, and in `integrity` all that it names by SHA-256."""
    document = dict(contents.document)
    told = dict(document.get("integrity") or {})
    rows = {str(row.get("path")): row for row in told.get("bags") or ()}
    document.setdefault("schema", SCHEMA)
    document["package"] = {
        **dict(document.get("package") or {}),
        "name": seal.package,
        "previous": seal.previous,
        "full": seal.full,
        "stamped": seal.timestamp_url is not None,
    }
    document["signature_algorithm"], document["signature_key"] = seal.algorithm, seal.fingerprint
    document["integrity"] = {
        **told,
        "algorithm": "sha256",
        "files": {name: sha256 for name, sha256 in sums.items() if name not in NOT_NAMED},
        "bags": [{**rows.get(row["path"], {}), **row} for row in (_bag_row(bag, veil) for bag in contents.bags)],
        "lastcopy_json": surroundings.lastcopy_json,
        "runs": surroundings.runs,
        "journal": surroundings.journal,
    }
    return document


def _bag_row(bag: BagFact, veil: Veil | None) -> JsonObject:
    return {
        "path": bag.bag if veil is None else veil.cell("path", bag.bag),
        "tagmanifest_sha256": bag.tagmanifest_sha256,
        "segment": bag.segment,
        "segment_sha256": bag.segment_sha256,
        "open": bag.is_open,
    }


@dataclass(slots=True)
class _Packing:
    """Puts files below one folder, and keeps their SHA-256."""

    store: Store
    clock: Clock
    package: str
    sums: dict[str, str] = field(default_factory=dict)

    def note(self, name: str, content: bytes) -> None:
        """A file that is there already."""
        self.sums[name] = hashlib.sha256(content).hexdigest()

    def put(self, name: str, content: bytes) -> None:
        """A file of known bytes."""
        self.store.put(f"{self.package}/{name}", content, if_absent=True, durable=True)
        self.note(name, content)

    def make(self, name: str, write: Callable[[BinaryIO], None]) -> None:
        """A file that is written by a function, by way of the temporary folder."""
        with tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY) as spool:
            write(cast("BinaryIO", spool))
            size = spool.seek(0, 2)
            stored = self.store.put(f"{self.package}/{name}", _chunks(spool), size=size, if_absent=True, durable=True)
        self.sums[name] = stored.sha256

    def copy_manifests(self, bag: BagFact) -> None:
        """Manifest and tagmanifest of a bag, if they are still those that were described. Raises: ChangedMeanwhileError."""
        if bag.tagmanifest_sha256 is None:
            return
        try:
            tagmanifest = self.store.read(f"{bag.bag}/{TAGMANIFEST}")
            if hashlib.sha256(tagmanifest).hexdigest() != bag.tagmanifest_sha256:
                raise _changed(bag)
            named = sums_of(tagmanifest)
            name = f"{BAGS}{bag.bag}/{MANIFEST}"
            with self.store.open(f"{bag.bag}/{MANIFEST}") as chunks:
                stored = self.store.put(f"{self.package}/{name}", chunks, if_absent=True, durable=True)
        except ObjectMissingError:
            raise _changed(bag) from None
        if stored.sha256 != named.get(MANIFEST):
            raise _changed(bag)
        self.sums[name] = stored.sha256
        self.put(f"{BAGS}{bag.bag}/{TAGMANIFEST}", tagmanifest)

    def seal(self, document: bytes, signer: Signer, timestamp_url: str | None) -> Written:
        """Sign, stamp, list all files, and put the signature last."""
        signature = signer.sign(document)
        stamp = None
        if timestamp_url is not None:
            stamp = stamped(signature, timestamp_url, self.clock)
            refuse_distant_stamp(stamp.at, self.clock)
            self.put(TOKEN, stamp.token)
            self.put(CERTIFICATES, stamp.chain)
        self.note(SIGNATURE, signature)
        sums = b"".join(f"{self.sums[name]}  {name}\n".encode() for name in sorted(self.sums, key=str.encode))
        self.put(SUMS, sums)
        self.put(SUMS_SIGNATURE, signer.sign(sums))
        self.store.sync()
        self.put(SIGNATURE, signature)
        return Written(self.package, hashlib.sha256(document).hexdigest(), stamp.at if stamp is not None else None)


def _changed(bag: BagFact) -> ChangedMeanwhileError:
    return ChangedMeanwhileError(
        f"{bag.bag} changed, or is damaged, while it was described",
        code="changed_meanwhile",
        action="Wait until no export, compose or fold is at work, run `lastcopy verify`, and make the report then.",
    )


def _chunks(spool: IO[bytes]) -> Iterator[bytes]:
    spool.seek(0)
    while chunk := spool.read(CHUNK_BYTES):
        yield chunk
