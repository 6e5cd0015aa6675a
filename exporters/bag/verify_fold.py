"""The tag files of a bag, each beside the state that was derived again from the segments.

Rules of this file: shares `formats` and nothing else with the code that writes folds; every file is read once, as a stream,
for its digest and its content together. One finding per file. Source: design §4 (the fold), docs/formats.md, RFC 8493.
"""

import re
from collections.abc import Callable, Iterable

from exporters.bag.formats import (
    BAG_INFO,
    BAGIT,
    BAGIT_TEXT,
    EXCEPTIONS,
    HEAD,
    ITEMS,
    MANIFEST,
    OWED,
    PERMISSIONS,
    RECONCILIATION,
    SOFTWARE_AGENT,
    SOURCE,
    TAG_FILES,
    TAGMANIFEST,
    JsonObject,
    dump_json,
)
from exporters.bag.verify_compare import lines_fault, rows_fault
from exporters.bag.verify_counts import count_faults
from exporters.bag.verify_processes import Processes
from exporters.bag.verify_reading import Lines, loaded
from exporters.bag.verify_report import BagVerification
from exporters.bag.verify_state import Heads, View
from exporters.store.errors import ObjectMissingError
from exporters.store.protocol import Store

_MANIFEST_LINE = re.compile(rb"([0-9a-f]{64})  ([^\r\n]+)\n")
_FOLDED_AGAIN = "Run `lastcopy fold` if a fold was cut off; else restore it from a second copy."
SMALL_FILE = 64 << 20

Fault = str | None


class FoldCheck:
    """The tag files of one bag. First `read_heads`, then, when the ledger has been read, `check`."""

    def __init__(self, store: Store, report: BagVerification, processes: Processes) -> None:
        self._store, self._report, self._processes = store, report, processes
        self.exists = False
        self.head: JsonObject | None = None
        self._digests: dict[str, str] = {}

    def read_heads(self, present: Iterable[str]) -> int | None:
        """Read tagmanifest and head; return the number of the segment that the fold says it is of, None if none.

        present: names of all objects of the bag beside payload and ledger.
        """
        names = {*present} & {*TAG_FILES, TAGMANIFEST}
        self.exists = bool(names - {SOURCE})
        if not self.exists:
            return None
        self._read_tagmanifest(names)
        if HEAD in names:
            self.head = loaded(self._store.read(self._key(HEAD)))
        number = (self.head or {}).get("segment")
        return number if isinstance(number, int) and number > 0 else None

    def _key(self, name: str) -> str:
        return f"{self._report.bag}/{name}"

    def _read_tagmanifest(self, names: set[str]) -> None:
        report = self._report
        for name in (*TAG_FILES, TAGMANIFEST):
            if name not in names and name not in {PERMISSIONS, SOURCE}:
                report.missing.add(name, f"the fold has no such file. {_FOLDED_AGAIN}")
        if TAGMANIFEST not in names:
            return
        lines = Lines(self._store, self._key(TAGMANIFEST))
        faults: list[str] = []
        order: list[bytes] = []
        for line in lines:
            match = _MANIFEST_LINE.fullmatch(line)
            if match is None:
                faults.append("a line is no line of a manifest")
                continue
            order.append(match[2])
            self._digests[match[2].decode("utf-8", "replace")] = match[1].decode()
        report.tagmanifest_sha256 = lines.sha256
        if order != sorted(set(order)):
            faults.append("its lines are not sorted, or not unique")
        for name in sorted(set(self._digests) - names):
            report.missing.add(name, "the tagmanifest lists it, and the store does not have it")
        faults += [f"it lists {name}, which is no tag file" for name in sorted(set(self._digests) - set(TAG_FILES))]
        faults += [f"it does not list {name}" for name in sorted(names & set(TAG_FILES) - set(self._digests))]
        if faults:
            report.changed.add(TAGMANIFEST, f"{faults[0]}. {_FOLDED_AGAIN}")

    # -- contents

    def check(self, view: View | None, heads: Heads | None) -> None:
        """Check each tag file: its digest by the tagmanifest, its content by `view` and `heads`, the state at its segment.

        None for both if the ledger does not reach that segment: then digests alone are checked.
        """
        checks: dict[str, Callable[[Lines], Fault]] = {}
        if view is not None and heads is not None:
            state, at = view, heads
            checks = {
                HEAD: lambda lines: self._head_fault(_content(lines), at),
                MANIFEST: lambda lines: lines_fault(lines, state.manifest()),
                ITEMS: lambda lines: rows_fault(lines, state.rows(), self._processes),
                EXCEPTIONS: lambda lines: rows_fault(lines, state.excepted(), self._processes),
                OWED: lambda lines: rows_fault(lines, state.owed(), self._processes),
                PERMISSIONS: lambda lines: rows_fault(lines, state.permissions(), self._processes),
                RECONCILIATION: lambda lines: self._reconciliation_fault(_content(lines), state),
                BAG_INFO: lambda lines: self._bag_info_fault(_content(lines), at, state),
            }
            if state.has_permissions and self._store.stat(self._key(PERMISSIONS)) is None:
                self._report.missing.add(PERMISSIONS, "segments have permissions, and the fold has not")
        checks[BAGIT] = lambda lines: None if _content(lines) == BAGIT_TEXT else "it is not the fixed text"
        for name in TAG_FILES:
            self._check_file(name, checks.get(name))

    def _check_file(self, name: str, check: Callable[[Lines], Fault] | None) -> None:
        lines = Lines(self._store, self._key(name))
        try:
            fault = check(lines) if check is not None else None
            for _ in lines.pieces() if check is None else ():
                pass
        except ObjectMissingError:
            return  # told by read_heads
        wanted = self._digests.get(name)
        if wanted is not None and lines.sha256 != wanted:
            if check is not None and fault is None and name != RECONCILIATION:
                # Every byte of it follows from the segments: so it is the digest that is wrong.
                self._report.changed.add(TAGMANIFEST, f"the SHA-256 of {name} in it is wrong. {_FOLDED_AGAIN}")
                return
            fault = f"its SHA-256 is not that of the tagmanifest{f'; {fault}' if fault else ''}. {_FOLDED_AGAIN}"
        if fault is not None:
            self._report.changed.add(name, fault)

    def _head_fault(self, content: bytes, heads: Heads) -> Fault:
        expected = {
            "at": heads.at,
            "closed": heads.closed,
            "cursors": heads.cursors,
            "round": heads.round,
            "segment": heads.number,
            "sha256": heads.sha256,
            **({} if heads.since is None else {"since": heads.since}),
        }
        if content == dump_json(expected):
            return None
        found = loaded(content) or {}
        wrong = sorted(name for name in {*found, *expected} if found.get(name) != expected.get(name))
        return f"it says otherwise than the segments: {', '.join(wrong) or 'its form'}"

    def _reconciliation_fault(self, content: bytes, view: View) -> Fault:
        found = loaded(content)
        faults = ["it is no JSON object"] if found is None else count_faults(found, view)
        for fault in faults:
            self._report.doubt(f"{RECONCILIATION}: {fault}")
        return faults[0] if faults else None

    def _bag_info_fault(self, content: bytes, heads: Heads, view: View) -> Fault:
        source = loaded(self._store.read(self._key(SOURCE))) or {}
        expected = [
            f"Bag-Software-Agent: {SOFTWARE_AGENT}",
            f"Bagging-Date: {str(heads.at)[:10]}",
            f"External-Identifier: {source.get('kind')} {source.get('id')}",
            f"Lastcopy-Segment: {heads.number}",
            f"Payload-Oxum: {view.octets}.{view.files}",
        ]
        found = content.decode("utf-8", "replace").split("\n")
        if found == [*expected, ""]:
            return None
        wrong = [line for line in expected if line not in found]
        return f"it does not say {wrong[0]!r}" if wrong else "it says more than it should, or in another order"


def source_fault(content: bytes, heads: Heads) -> Fault:
    """What `lastcopy/source.json` says otherwise than the first `source` row of the ledger, None if nothing."""
    found = loaded(content)
    if found is None or dump_json(found) != content:
        return "it is not JSON as Lastcopy writes it"
    if {*found} != {"cloud", "first_copied", "id", "kind", "owner"}:
        return "it has other fields than it was created with"
    for name in sorted(found):
        if heads.source is not None and name in heads.source and heads.source[name] != found[name]:
            return f"its {name!r} is not that of the ledger"
    return None


def _content(lines: Lines) -> bytes:
    """A small file whole; what goes beyond 64 MiB is read (for its digest) and dropped."""
    kept: list[bytes] = []
    for line in lines:
        if lines.size <= SMALL_FILE:
            kept.append(line)
    return b"".join(kept)
