"""A test restore: what was taken out of the store by chance is opened, and what came of it goes on record.

Rules of this file: that the bytes are those of the row is the restore's own finding; here each file is opened as what it claims
to be, by code that did not write it where there is some. A file that was broken when it was captured does not open and is told,
but fails nothing: its bytes are right. A PST, which Lastcopy made, has to open, and to be the one that `parts.json` names.
Source: design §6 (`restore --drill`), retention-domain §6 (test restores), docs/formats.md (Journal).
"""

import email
import email.policy
import hashlib
import json
import tempfile
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from exporters.bag.formats import JsonObject, load_json
from exporters.entries import UNREADABLE_ZIP
from exporters.errors import RunError
from exporters.mail.compose.parts import PARTS_JSON
from exporters.restore import RestoreResult
from exporters.store.errors import ObjectMissingError
from exporters.store.protocol import Store
from retention.opened_pst import open_pst

KEPT = 1000
"""Items of a drill that are named in the journal."""
_OFFICE = frozenset({".docx", ".xlsx", ".pptx", ".zip"})
_CHUNK = 1 << 20


@dataclass(slots=True)
class Drill:
    """What a drill came to. failures: (what, why) of what the copy owes; doubtful: of what did not open though its bytes are
    right; items: {bag, sha256, opened as}; readers: the programs that opened PSTs."""

    seed: str
    asked: int
    passed: int = 0
    failures: list[tuple[str, str]] = field(default_factory=list)
    doubtful: list[tuple[str, str]] = field(default_factory=list)
    items: list[JsonObject] = field(default_factory=list)
    readers: set[str] = field(default_factory=set)

    def as_json(self) -> JsonObject:
        """For `restore --drill --json`."""
        return {
            "seed": self.seed,
            "asked": self.asked,
            "passed": self.passed,
            "failed": len(self.failures),
            "failures": [list(pair) for pair in self.failures],
            "doubtful": [list(pair) for pair in self.doubtful],
            "readers": sorted(self.readers),
        }

    def as_row(self, by: str | None) -> JsonObject:
        """For the journal: no names."""
        return {
            "type": "drilled",
            "seed": self.seed,
            "asked": self.asked,
            "passed": self.passed,
            "failed": len(self.failures),
            "doubtful": len(self.doubtful),
            "readers": sorted(self.readers),
            "by": by,
            "items": self.items[:KEPT],
        }


def open_restored(drill: Drill, results: Sequence[RestoreResult], to: Path) -> None:
    """Open what a restore wrote below `to`. Raises: RunError if it cannot be read."""
    for result in results:
        drill.failures += [(note.path, note.what) for note in result.failures.first]
        drill.failures += [(result.bag, problem) for problem in result.problems]
        for path in sorted(_files(to / result.bag)):
            kind, fault = _opened(path)
            drill.items.append({"bag": result.bag, "sha256": _digest(path), "opened": kind})
            drill.passed += 1
            if fault is not None:
                drill.doubtful.append((str(path.relative_to(to)), fault))


def open_psts(drill: Drill, store: Store, bags: Sequence[str]) -> None:
    """Take the PSTs of these mailboxes out of the store, one after the other, and have each read."""
    for bag in bags:
        parts = _parts(store, bag)
        for info in store.list(f"{bag}/data/pst/"):
            if info.key.endswith(".pst"):
                _open_pst(drill, store, bag, info.key, parts.get(info.key.rpartition("/")[2]))


def _parts(store: Store, bag: str) -> dict[str, str]:
    """{name of a PST: its SHA-256} as `parts.json` has it; a PST that it does not name fails."""
    try:
        parts = load_json(store.read(f"{bag}/{PARTS_JSON}"))["parts"]
        return {part["file"]: part["sha256"] for part in parts}
    except (ObjectMissingError, ValueError, KeyError, TypeError):
        return {}


def _open_pst(drill: Drill, store: Store, bag: str, key: str, sha256: str | None) -> None:
    digest = hashlib.sha256()
    with tempfile.TemporaryDirectory(prefix="lastcopy-drill-") as folder:
        place = Path(folder, "drill.pst")
        with store.open(key) as chunks, place.open("wb") as file:
            for chunk in chunks:
                digest.update(chunk)
                file.write(chunk)
        if digest.hexdigest() != sha256:
            drill.failures.append((key, "it is not the PST that parts.json names"))
            return
        try:
            opened = open_pst(place)
        except RunError as error:
            drill.failures.append((key, str(error)))
            return
    drill.passed += 1
    drill.readers.add(opened.reader)
    drill.items.append({"bag": bag, "sha256": sha256, "opened": "pst"})


def _files(folder: Path) -> Iterator[Path]:
    return (path for path in folder.rglob("*") if path.is_file() and not path.is_symlink())


def _opened(path: Path) -> tuple[str, str | None]:
    """As what a file was opened, and why it does not open."""
    suffix = path.suffix.lower()
    if suffix == ".eml":
        return "mail", _mail_fault(path)
    if suffix in _OFFICE:
        return "zip", _zip_fault(path)
    if suffix == ".json":
        return "json", _json_fault(path)
    return "bytes", None


def _mail_fault(path: Path) -> str | None:
    with path.open("rb") as file:
        message = email.message_from_binary_file(file, policy=email.policy.compat32)
    return None if message.keys() else "a mail without a header"


def _zip_fault(path: Path) -> str | None:
    try:
        with zipfile.ZipFile(path) as archive:
            broken = archive.testzip()
    except UNREADABLE_ZIP as error:
        return f"it is no zip that opens ({error or type(error).__name__})"
    return None if broken is None else "a part of the zip is broken"


def _json_fault(path: Path) -> str | None:
    try:
        with path.open("rb") as file:
            json.load(file)
    except (ValueError, RecursionError) as error:
        return f"it is no JSON ({type(error).__name__})"
    return None


def _digest(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()
