"""Checks a package by itself: every file, the signatures, the key, the time stamp, its place in the chain as far as it is told.

Rules of this file: offline, and without the store; what is wrong is a difference, never an end; what could not be looked at
is said. Nothing is written, not even into the folder of the package. Source: design §6 (verify --evidence), §8.

    checked = check_package(store, "", Expected(fingerprint="9f…"))
"""

import hashlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from exporters.bag.formats import MANIFEST, TAGMANIFEST, JsonObject
from exporters.bag.verify_payload import lock_fault
from exporters.ordered import in_order
from exporters.store.errors import ObjectMissingError
from exporters.store.local import Strange, local_files
from exporters.store.protocol import LockPolicy, Store
from retention.evidence.canonical import parsed
from retention.evidence.chain import DOCUMENT, SIGNATURE, STAMP
from retention.evidence.checked import Checked, Expected
from retention.evidence.keys import fingerprint_of, verify_signature
from retention.evidence.package import (
    BAGS,
    CERTIFICATES,
    NOT_NAMED,
    PUBLIC_KEY,
    SUMS,
    SUMS_SIGNATURE,
    TOKEN,
)
from retention.evidence.shape import require_shape
from retention.evidence.stamping import read_stamp
from retention.evidence.sums import sums_of
from retention.evidence.surroundings import digest_of

_READERS = 8
_CUT_OFF = "without it this is no package: the report that made it was cut off, or somebody removed it"
_NOT_SIGNED_FOR = "it is not the file that was signed for"


def check_package(store: Store, place: str, expected: Expected) -> tuple[Checked, JsonObject | None]:
    """Check the package below `place` (empty, or ends in `/`); return what was found and its document, None if nobody can
    read it.

    Raises: errors of a store that cannot be read.
    """
    checking = _Checking(store, place, expected)
    checking.hash_files()
    checking.check_signature()
    checking.check_sums()
    checking.check_key()
    if checking.document is not None:
        checking.check_named(checking.document)
        checking.check_bags(checking.document)
        checking.check_stamp(checking.document)
        checking.check_place(checking.document)
    checking.check_latest()
    return checking.checked, checking.document


@dataclass(slots=True)
class _Checking:
    """The steps of `check_package`, in the order in which it takes them."""

    store: Store
    place: str
    expected: Expected
    checked: Checked = field(default_factory=Checked)
    digests: dict[str, str] = field(default_factory=dict)
    document: JsonObject | None = None

    # -- files

    def hash_files(self) -> None:
        """Read every file that is there."""
        with ThreadPoolExecutor(_READERS) as pool:
            found = in_order(pool, lambda name: (name, self._digest(name)), self._names(), ahead=2 * _READERS)
            self.digests = {name: digest for name, digest in found if digest is not None}
            if (wanted := self.expected.lock) is not None:
                faults = in_order(
                    pool, lambda name: (name, self._fault(name, wanted)), iter(self.digests), ahead=2 * _READERS
                )
                for name, fault in faults:
                    if fault is not None:
                        self.checked.add("changed", name, fault)
        self.checked.files = len(self.digests)

    def _fault(self, name: str, wanted: LockPolicy) -> str | None:
        try:
            return lock_fault(self.store, f"{self.place}{name}", wanted)
        except ObjectMissingError:
            return "it went away while it was read"

    def _names(self) -> Iterator[str]:
        local = local_files(self.store)
        if local is None:
            yield from (info.key.removeprefix(self.place) for info in self.store.list(self.place))
            return
        for folder, names in local.names(self.place, self._note_strange):
            yield from ((folder + name).decode().removeprefix(self.place) for name in names)

    def _note_strange(self, found: Strange) -> None:
        self.checked.add("unexpected", found.key.removeprefix(self.place), found.why)

    def _digest(self, name: str) -> str | None:
        try:
            return digest_of(self.store, f"{self.place}{name}")
        except ObjectMissingError:
            return None

    def _read(self, name: str) -> bytes | None:
        """A small file; None if it is not there, which is a difference."""
        try:
            return self.store.read(f"{self.place}{name}")
        except ObjectMissingError:
            why = _CUT_OFF if name == SIGNATURE else "every package has it"
            self.checked.add("missing", name, why)
            return None

    # -- signatures

    def check_signature(self) -> None:
        """evidence.json, its form, and the signature over it."""
        data, signature, key = (self._read(name) for name in (DOCUMENT, SIGNATURE, PUBLIC_KEY))
        if data is None:
            return
        self.checked.evidence = hashlib.sha256(data).hexdigest()
        try:
            document = parsed(data)
            require_shape(document)
        except ValueError as error:
            self.checked.add("changed", DOCUMENT, f"it cannot be read as evidence: {error}")
            return
        self.document = document
        about = document["package"]
        self.checked.package, self.checked.previous = str(about["name"]), about["previous"]
        self.checked.is_redacted = about["full"] is not None
        if signature is not None and key is not None:
            self.checked.is_signed = self._holds(DOCUMENT, SIGNATURE, key, signature, data)

    def check_sums(self) -> None:
        """SHA256SUMS: its signature, and every file beside it."""
        sums, signature, key = (self._read(name) for name in (SUMS, SUMS_SIGNATURE, PUBLIC_KEY))
        if sums is None:
            return
        if signature is not None and key is not None and self.document is not None:
            self._holds(SUMS, SUMS_SIGNATURE, key, signature, sums)
        try:
            named = sums_of(sums)
        except ValueError as error:
            self.checked.add("changed", SUMS, str(error))
            return
        self._compare(named, frozenset({SUMS, SUMS_SIGNATURE}), "SHA256SUMS does not name it")

    def _holds(self, name: str, signature_name: str, key: bytes, signature: bytes, data: bytes) -> bool:
        algorithm = str((self.document or {}).get("signature_algorithm"))
        try:
            if verify_signature(algorithm, key, signature, data):
                return True
        except ValueError as error:
            self.checked.add("changed", PUBLIC_KEY, str(error))
            return False
        self.checked.add("changed", signature_name, f"the signature over {name} does not hold")
        return False

    def check_key(self) -> None:
        """Whether somebody outside of the package named the key."""
        key = self._read(PUBLIC_KEY)
        try:
            found = fingerprint_of(key) if key is not None else None
        except ValueError:
            self.checked.add("changed", PUBLIC_KEY, "it is no public key")
            return
        self.checked.fingerprint, expected = found, self.expected
        if found is None:
            return
        if self.document is not None and self.document.get("signature_key") != found:
            self.checked.add("changed", PUBLIC_KEY, "evidence.json names another key")
        if expected.fingerprint is None:
            self.checked.trusted_by = expected.trusted.get(found)
        elif expected.fingerprint == found:
            self.checked.trusted_by = "--fingerprint"
        else:
            self.checked.add("changed", PUBLIC_KEY, "it is not the key with the fingerprint that was given")

    # -- what evidence.json names

    def check_named(self, document: JsonObject) -> None:
        """Every other file of the package, by SHA-256."""
        self._compare(dict(document["integrity"]["files"]), NOT_NAMED, "evidence.json does not name it")

    def _compare(self, named: dict[str, str], apart: frozenset[str], unexpected: str) -> None:
        for name, sha256 in named.items():
            if name not in self.digests:
                why = _CUT_OFF if name == SIGNATURE else "it was signed for, and is gone"
                self.checked.add("missing", name, why)
            elif self.digests[name] != sha256:
                self.checked.add("changed", name, _NOT_SIGNED_FOR)
        for name in self.digests.keys() - named.keys() - apart:
            self.checked.add("unexpected", name, unexpected)

    def check_bags(self, document: JsonObject) -> None:
        """The manifests of each bag: the tagmanifest that evidence.json names, and what it names in turn."""
        if self.checked.is_redacted:
            return
        for bag in document["integrity"]["bags"]:
            sha256, folder = bag["tagmanifest_sha256"], f"{BAGS}{bag['path']}"
            if sha256 is None:
                continue
            name = f"{folder}/{TAGMANIFEST}"
            if name not in self.digests:
                self.checked.add("missing", name, "evidence.json names it")
                continue
            if self.digests[name] != sha256:
                self.checked.add("changed", name, _NOT_SIGNED_FOR)
                continue
            try:
                named = sums_of(self.store.read(f"{self.place}{name}"))
            except (ObjectMissingError, ValueError) as error:
                self.checked.add("changed", name, str(error))
                continue
            if self.digests.get(f"{folder}/{MANIFEST}") != named.get(MANIFEST):
                self.checked.add("changed", f"{folder}/{MANIFEST}", "it is not the one that the tagmanifest names")

    # -- time and chain

    def check_stamp(self, document: JsonObject) -> None:
        """The time stamp over the signature, by its own time."""
        wanted = bool(document["package"]["stamped"])
        if not wanted:
            for name in (TOKEN, CERTIFICATES):
                if name in self.digests:
                    self.checked.add("unexpected", name, "evidence.json knows of no time stamp")
            self.checked.notes.append("It has no time stamp: when it was made, its maker alone says.")
            return
        token, chain, signature = (self._read(name) for name in (TOKEN, CERTIFICATES, SIGNATURE))
        if token is None or chain is None or signature is None:
            return
        try:
            self.checked.stamp = read_stamp(token, chain, signature)
        except ValueError as error:
            self.checked.add("changed", TOKEN, f"the time stamp does not hold: {error}")

    def check_place(self, document: JsonObject) -> None:
        """The folder that bears a stamp as its name is that of this package: an older one may lie in its place."""
        url = self.store.url.rstrip("/")
        folder = (self.place or url).rstrip("/").rpartition("/")[2]
        name = str(document["package"]["name"]).rpartition("/")[2]
        if STAMP.fullmatch(folder) and folder != name:
            self.checked.add("changed", DOCUMENT, f"it is that of the package {name}, in the folder of {folder}")

    def check_latest(self) -> None:
        """Whether it is the newest, by what was given."""
        latest = self.expected.latest
        if latest is None:
            return
        full = ((self.document or {}).get("package") or {}).get("full") or {}
        if latest in {self.checked.evidence, full.get("evidence")}:
            self.checked.head = "newest"
        else:
            self.checked.head = "older"
            self.checked.add("changed", DOCUMENT, "it is not the newest, whose SHA-256 was given (--latest)")
