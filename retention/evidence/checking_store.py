"""Holds a package against the store of today: bags, runs, journal, the chain of packages, and payload by `verify`'s own means.

Rules of this file: what the package names must still be there; what came since is news, no difference. Source: design §8.
"""

import hashlib
from collections.abc import Callable, Collection

from exporters.bag.formats import JsonObject
from exporters.clock import Clock
from exporters.errors import LastcopyError
from exporters.store.errors import ObjectMissingError
from exporters.store.protocol import Store
from retention.evidence.chain import DOCUMENT, Link, Told, folders, told, unsigned
from retention.evidence.checked import Checked
from retention.evidence.checking_bags import STATES, Bags
from retention.evidence.reading import Signed, read_signed
from retention.evidence.surroundings import ROOT, RUNS, digest_of
from retention.journal import Journal
from retention.verdicts import Exit
from retention.verification import StoreVerification

Verify = Callable[[], StoreVerification]


def check_against_store(
    store: Store,
    clock: Clock,
    package_store: Store,
    place: str,
    document: JsonObject,
    checked: Checked,
    verify: Verify,
    trusted: Collection[str],
) -> None:
    """Add to `checked` what the store says. verify: of the whole store, at the level that was asked for; trusted: fingerprints
    that somebody named, beside that of the package if it is one.

    Raises: errors of a store that cannot be read.
    """
    integrity = document["integrity"]
    _check_objects(store, integrity, checked)
    known = _told(store, clock, checked)
    if known is not None:
        _check_row(store, clock, integrity["journal"], checked)
        _check_chain(store, known, checked)
    disposed = known.disposed if known is not None else {}
    checked.bags = dict.fromkeys(STATES, 0)
    if checked.is_redacted:
        checked.notes.append(
            "Its names are replaced, so its bags are not compared one by one: check the full package too."
        )
    else:
        named = {*trusted} | ({checked.fingerprint} if checked.trusted_by and checked.fingerprint else set())
        bags = Bags(store, package_store, place, disposed, int(integrity["journal"]["segment"]), named)
        for bag in integrity["bags"]:
            checked.bags[bags.compare(bag, checked)] += 1
    _verify(verify(), checked)


def _verify(found: StoreVerification, checked: Checked) -> None:
    """What `verify` says of the store as it is now."""
    checked.verify = found.as_json()
    for finding in found.findings():
        name = f"{finding['bag']}/{finding['name']}" if finding["bag"] else finding["name"]
        checked.add(finding["sort"], f"store:{name}", finding["why"])
    if found.exit != Exit.COMPLETE and not any(one.name.startswith("store:") for one in checked.differences):
        checked.add("changed", "store:", "it is not whole: see `lastcopy verify`")
    checked.notes += found.notes


def _told(store: Store, clock: Clock, checked: Checked) -> Told | None:
    try:
        known = told(Journal(store, clock))
    except LastcopyError as error:
        checked.add("changed", "store:journal/", str(error))
        return None
    for package in unsigned(store, folders(store)):
        checked.notes.append(
            f"{package} in the store is no package: the report that began it was cut off, or is still at work."
        )
    return known


def _check_objects(store: Store, integrity: JsonObject, checked: Checked) -> None:
    """lastcopy.json and the records of runs."""
    wanted = {ROOT: integrity["lastcopy_json"]} | {
        f"{RUNS}{run}.json": sha256 for run, sha256 in integrity["runs"].items()
    }
    for key, sha256 in wanted.items():
        try:
            if digest_of(store, key) != sha256:
                checked.add("changed", f"store:{key}", "it is not the one that the package names")
        except ObjectMissingError:
            checked.add("missing", f"store:{key}", "the package names it")


def _check_row(store: Store, clock: Clock, journal: JsonObject, checked: Checked) -> None:
    """The last row of the journal, as it was then, stands in the journal of today."""
    number = int(journal["segment"])
    if not number:
        return
    try:
        segment = Journal(store, clock).segment(number)
    except ObjectMissingError:
        checked.add("missing", f"store:journal/{number:09d}.jsonl", "the package names it: the journal was cut off")
        return
    except LastcopyError as error:
        checked.add("changed", f"store:journal/{number:09d}.jsonl", str(error))
        return
    rows = [hashlib.sha256(line).hexdigest() for line in segment.lines]
    if segment.position.sha256 != journal["segment_sha256"] or (rows and rows[-1] != journal["row"]):
        checked.add("changed", f"store:journal/{number:09d}.jsonl", "it is not the segment that the package names")


def _check_chain(store: Store, known: Told, checked: Checked) -> None:
    """Every package that the journal names is there, each after the one before; and where among them this one stands."""
    for link in known.links:
        signed = read_signed(store, f"{link.package}/")
        if signed is None or not _is(signed, link):
            is_there = store.stat(f"{link.package}/{DOCUMENT}") is not None
            why = "it is not the package that the journal names" if is_there else "the journal names it"
            checked.add("changed" if is_there else "missing", f"store:{link.package}", why)
        elif not signed.follows(_newest_before(known, signed)):
            checked.add("changed", f"store:{link.package}", "it does not name the package before it")
    _check_unknown(store, known, checked)
    ours = next((n for n, link in enumerate(known.links) if link.evidence == checked.evidence), None)
    if ours is None:
        checked.add(
            "unexpected", DOCUMENT, "the journal knows no such package (run `lastcopy report` if one was cut off)"
        )
        return
    if known.links[ours].package != checked.package:
        checked.add("changed", DOCUMENT, f"the journal names it {known.links[ours].package}")
    checked.newer = sum(not link.is_redacted for link in known.links[ours + 1 :])
    if checked.head == "not checked":
        checked.head = "older" if checked.newer else "newest"


def _newest_before(known: Told, signed: Signed) -> JsonObject | None:
    """The full package that was the newest when this one was made: two reports at once may both come after one."""
    earlier = [link for link in known.links if not link.is_redacted and link.segment <= signed.segment]
    return earlier[-1].as_previous() if earlier else None


def _check_unknown(store: Store, known: Told, checked: Checked) -> None:
    """A signed package in the store that the journal does not name."""
    named = {link.package for link in known.links}
    cut_off = set(unsigned(store, folders(store)))
    for package in folders(store):
        if package not in named and package not in cut_off:
            checked.add("unexpected", f"store:{package}", "the journal knows no such package")


def _is(signed: Signed, link: Link) -> bool:
    return (signed.package, signed.evidence, signed.fingerprint) == (link.package, link.evidence, link.key)
