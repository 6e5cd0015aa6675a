"""Makes evidence: a package, and where asked a second one without names; each goes into the journal.

Rules of this file: nothing is written before clock and key are good. A package that is signed but not in the journal (a
report that was cut off in between) is put there by the next report. Source: design §8; docs/formats.md (Evidence).
"""

from collections.abc import Callable, Set
from dataclasses import dataclass
from pathlib import Path

from exporters.bag.formats import JsonObject
from exporters.clock import Clock
from exporters.store.protocol import Store
from retention.config import Config
from retention.evidence.chain import Told, folders, is_signed, told
from retention.evidence.clocks import refuse_doubtful_clock
from retention.evidence.contents import Collect, Seal, Veil
from retention.evidence.errors import ChangedMeanwhileError
from retention.evidence.keys import Opened, Signer, opened_signer
from retention.evidence.package import Surroundings, Written, claim, pack
from retention.evidence.reading import read_signed, row_of
from retention.evidence.redaction import NameVeil, redaction_key
from retention.evidence.surroundings import surroundings_of
from retention.evidence.trust import trusted
from retention.journal import Journal
from retention.journal_places import move


@dataclass(frozen=True, slots=True)
class Request:
    """What is asked. redact: also a package without names; keeps_hashes: with the hashes of items; by: who says they ask."""

    redact: bool = False
    keeps_hashes: bool = False
    by: str | None = None


@dataclass(frozen=True, slots=True)
class Report:
    """What was made. key_made: the file of a key that was made for it; is_trusted: whether the key is believed here;
    recovered: packages of reports that were cut off, put into the journal now; cut_off: folders that hold no package."""

    full: Written
    redacted: Written | None
    fingerprint: str
    key_made: Path | None
    is_trusted: bool
    recovered: list[str]
    cut_off: list[str]


def make_report(
    config: Config,
    store: Store,
    clock: Clock,
    collect: Collect,
    request: Request,
    *,
    sentences: Set[str] = frozenset(),
    announce: Callable[[str], None] = lambda fingerprint: None,
) -> Report:
    """Make the packages. sentences: fixed texts of ours, which a redaction keeps. announce: told the fingerprint of a key
    that was made just now.

    Raises: ClockInDoubtError, EvidenceKeyError, ChangedMeanwhileError, TimeStampError, RunError, errors of the store.
    """
    refuse_doubtful_clock(config, store, clock)
    move(config, store, clock)
    known = told(Journal(store, clock))
    opened = opened_signer(config, clock, may_make=not known.links)
    if opened.made is not None:
        announce(opened.signer.fingerprint)
    believed = {*trusted(config), opened.signer.fingerprint}
    recovered, cut_off = _recover(store, clock, known, believed)
    if recovered:
        known = told(Journal(store, clock))
    making = _Making(config, store, clock, collect, opened.signer, request.by)
    previous = known.newest.as_previous() if known.newest is not None else None
    full = making.make(previous, full=None, veil=None)
    redacted = None
    if request.redact:
        veil = NameVeil(redaction_key(config), request.keeps_hashes, sentences)
        redacted = making.make(previous, full={"package": full.package, "evidence": full.evidence}, veil=veil)
    return _report(config, opened, full, redacted, recovered, cut_off)


def _report(
    config: Config, opened: Opened, full: Written, redacted: Written | None, recovered: list[str], cut_off: list[str]
) -> Report:
    fingerprint = opened.signer.fingerprint
    return Report(full, redacted, fingerprint, opened.made, fingerprint in trusted(config), recovered, cut_off)


@dataclass(frozen=True, slots=True)
class _Making:
    """What every package of one report shares."""

    config: Config
    store: Store
    clock: Clock
    collect: Collect
    signer: Signer
    by: str | None

    def make(self, previous: JsonObject | None, *, full: JsonObject | None, veil: Veil | None) -> Written:
        """One package, and its row in the journal."""
        signer = self.signer
        package = claim(self.store, self.clock, signer)
        url = self.config.settings.evidence.timestamp_url
        seal = Seal(package, signer.algorithm, signer.fingerprint, url, previous, full, self.by)
        with self.collect(self.store, self.config, self.clock, seal, veil) as contents:
            written = pack(self.store, self.clock, signer, seal, contents, lambda: self._surroundings(seal), veil)
        row = row_of(package, written.evidence, signer.fingerprint, is_redacted=full is not None)
        Journal(self.store, self.clock).append([row if self.by is None else {**row, "by": self.by}])
        return written

    def _surroundings(self, seal: Seal) -> Surroundings:
        """Raises: ChangedMeanwhileError if another report came in between: the chain would fork."""
        known = told(Journal(self.store, self.clock))
        newest = known.newest.as_previous() if known.newest is not None else None
        if newest != (seal.previous if seal.full is None else seal.full):
            raise ChangedMeanwhileError(
                "another report was made at the same time",
                code="report_overtaken",
                action="Run it again if you need one more; the other one is in the journal.",
            )
        return surroundings_of(self.store, known.head)


def _recover(store: Store, clock: Clock, known: Told, believed: Set[str]) -> tuple[list[str], list[str]]:
    """Put packages into the journal that were signed by a key of ours and that it does not name; return them, and the folders
    without a signature. Raises: errors of the store."""
    named = {link.package for link in known.links}
    before = known.newest.as_previous() if known.newest is not None else None
    recovered: list[str] = []
    cut_off: list[str] = []
    for package in folders(store):
        if not is_signed(store, package):
            cut_off.append(package)
        elif package not in named:
            signed = read_signed(store, f"{package}/")
            if signed is not None and signed.fingerprint in believed and signed.follows(before):
                is_redacted = signed.full is not None
                row = row_of(package, signed.evidence, signed.fingerprint, is_redacted=is_redacted)
                Journal(store, clock).append([row])
                recovered.append(package)
                before = before if is_redacted else signed.as_previous()
    return recovered, cut_off
