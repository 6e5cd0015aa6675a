"""Makes the document of a report, and the files that are written from it: what the store and its journal say, and nothing else.

Rules of this file: puts together what the `collecting_…` modules found; the local state is not asked. With a veil, the document
and each cell pass through it before anything is rendered, and rendering takes all that it prints from there. Rows of items are
streamed. Source: design §8; retention-domain §6; docs/formats.md (Evidence).

    with collected(store, config, clock, seal) as contents:
        contents.document["verdict"]["result"]
"""

import hashlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.resources import files as resources
from itertools import islice
from typing import Any

from exporters.bag.formats import EXCEPTIONS, JsonObject
from exporters.bag.verify import list_bags, verify_root
from exporters.clock import Clock, timestamp
from exporters.errors import RunError
from exporters.store.protocol import Store
from retention.config import Config
from retention.evidence.collecting_bags import VANISHED, Bag, proven_rows, read_bag
from retention.evidence.collecting_clock import clock_of
from retention.evidence.collecting_journal import KEPT, Told, level_of, read_journal
from retention.evidence.collecting_people import (
    acceptances_of,
    holds_of,
    preflight_of,
    readiness_of,
    restores_of,
)
from retention.evidence.collecting_sources import (
    NAMED,
    Sources,
    coverage_rows,
    exception_codes,
    exception_row,
    findings_of,
    not_covered,
    read_sources,
    superseded_psts,
)
from retention.evidence.collecting_storage import storage_of
from retention.evidence.contents import BagFact, Seal, Veil, Write
from retention.evidence.tables import exceptions_table, items_table
from retention.evidence.verdict import judge
from retention.journal import actor
from retention.opening import read_root
from retention.recorded import check_recorded, is_emptied
from retention.software import NAME, version

SCHEMA = "lastcopy-evidence-1"
RUNS = 200
_COUNTS = ("listed", "copied", "gone", "excepted", "pending")


@dataclass(frozen=True, slots=True)
class Collected:
    """What was collected; see `retention.evidence.contents.Contents`."""

    document: JsonObject
    bags: Sequence[BagFact]
    files: Sequence[tuple[str, Write]]


@contextmanager
def collected(store: Store, config: Config, clock: Clock, seal: Seal, veil: Veil | None = None) -> Iterator[Collected]:
    """Collect. Raises: RunError for a store that nobody wrote to, PolicyError, errors of the store."""
    from retention.evidence.page import html_page
    from retention.evidence.pdf import pdf_pages

    root = read_root(store)
    if root is None:
        raise RunError("there is no copy to report on", code="store_empty", action="Make it with `lastcopy export`.")
    told = read_journal(store, clock)
    places = list(list_bags(store))
    gone = [place for place in places if is_emptied(store, told.history.recorded, place)]
    bags = {place: read_bag(store, place) for place in places if place not in set(gone)}
    sources = read_sources(store, told)
    document, held = _document(store, config, clock, seal, root, told, bags, gone, sources), list(bags.values())
    accepted = _accepted(document["exceptions_by_code"])
    if veil is not None:
        document = veil.document(document)
    yield Collected(
        document,
        [bag.fact for bag in held],
        (
            ("report.html", lambda out: html_page(document, seal, out)),
            ("report.pdf", lambda out: pdf_pages(document, seal, out)),
            ("items.csv", lambda out: items_table(store, held, veil, out)),
            ("exceptions.csv", lambda out: exceptions_table(store, held, accepted, veil, out)),
        ),
    )


def _accepted(codes: Sequence[Mapping[str, Any]]) -> dict[tuple[str, str], list[str]]:
    return {(row["bag"], row["code"]): row["accepted_by"] for row in codes}


def _document(
    store: Store, config: Config, clock: Clock, seal: Seal, root: JsonObject, told: Told,
    bags: Mapping[str, Bag], gone: Sequence[str], sources: Sources,
) -> JsonObject:  # fmt: skip
    held, settings = list(bags.values()), config.settings
    codes = exception_codes(held, told)
    coverage = list(coverage_rows(store, config, sources, bags, gone, told))
    document: JsonObject = {
        "schema": SCHEMA,
        "report_id": seal.package.rpartition("/")[2],
        "generated_at": timestamp(clock.now()),
        "generator": _generator(),
        "made_by": {"by": seal.by, "actor": actor()},
        "rehearsal": told.is_rehearsal,
        "tenant": _tenant(config, root, held),
        "scope": _scope(config, sources, told),
        "coverage": coverage,
        "superseded_psts": superseded_psts(sources),
        "reconciliation": [_reconciliation(bag, sources, told) for bag in held],
        "totals": _totals(held, codes, told),
        "closing_rounds": _closing(held, told),
        "exceptions_by_code": codes,
        "exceptions": _exceptions(store, held, codes),
        "findings": findings_of(sources, told),
        "integrity": _integrity(store, held, gone, told, sources),
        "verifications": _verifications(told),
        "runs": [run.as_json() for run in list(told.runs.values())[-RUNS:]],
        "runs_total": len(told.runs),
        "storage": storage_of(store, held, told, clock),
        "preflight": preflight_of(told),
        "readiness": readiness_of(told),
        "restores": restores_of(told),
        "holds": holds_of(told),
        "acceptances": acceptances_of(told),
        "custody": list(told.chain),
        "journal": {"rows": told.rows, "segment": told.segment, "last_row": told.last},
        "not_covered": not_covered(coverage),
        **clock_of(store, config, clock, told),
    }
    document["verdict"] = judge(document, settings.ready.max_age, settings.ready.verify_age)
    return document


# ------------------------------------------------------------------------------------------------- who, what, by what


def _generator() -> JsonObject:
    """The software, and the SHA-256 of its code: of the lines `<SHA-256>  <name>` of its modules, sorted."""
    lines = []
    for package in ("exporters", "retention"):
        root = resources(package)
        stack = [(package, root)]
        while stack:
            name, folder = stack.pop()
            for one in folder.iterdir():
                if one.is_dir() and one.name != "__pycache__":
                    stack.append((f"{name}/{one.name}", one))
                elif one.name.endswith((".py", ".yaml")):
                    lines.append(f"{hashlib.sha256(one.read_bytes()).hexdigest()}  {name}/{one.name}\n")
    build = hashlib.sha256("".join(sorted(lines)).encode()).hexdigest()
    return {"name": NAME, "version": version(), "build_sha256": build}


def _tenant(config: Config, root: JsonObject, bags: Sequence[Bag]) -> JsonObject:
    clouds = {str(bag.source["cloud"]) for bag in bags if bag.source.get("cloud")}
    configured = config.settings.tenant
    domains = {name for bag in bags for name in bag.domains} | {root["tenant"].get("domain") or ""}
    return {
        "id": root["tenant"]["id"],
        "cloud": ", ".join(sorted(clouds)) or (configured.cloud if configured else None),
        "domains": sorted(domains - {""}),
    }


def _scope(config: Config, sources: Sources, told: Told) -> JsonObject:
    """What is asked for by the configuration as it is now, and what the newest run over all sources left out by it."""
    section, drive, mail = config.settings.sources, config.settings.drive, config.settings.mail
    newest = told.newest_of_all
    return {
        "configured": {
            **section.model_dump(mode="json"),
            "versions": drive.versions,
            "permissions": drive.permissions,
            "fasttransfer": mail.fasttransfer,
        },
        "asked": sources.newest.get("asked"),
        "not_asked": list(sources.newest.get("not_asked") or ()),
        "without_mailbox": list(sources.newest.get("without_mailbox") or ()),
        "as_of": newest.ended if newest is not None else None,
        "run": newest.id if newest is not None else None,
        "first_row_at": told.first_at,
    }


# -------------------------------------------------------------------------------------------------------------- counts


def _reconciliation(bag: Bag, sources: Sources, told: Told) -> JsonObject:
    digest = told.acceptances.shown.get(bag.place, {}).get("not_reconciled")
    _, row = sources.rows.get(bag.place, ("", {}))
    return {
        "bag": bag.place,
        "kind": bag.place.partition("/")[0],
        "principal": f"{row['kind']}/{row['name']}" if row else bag.place,
        **{name: bag.counts.get(name) for name in _COUNTS},
        "files": bag.files,
        "bytes": bag.octets,
        "kinds": _by_kind(bag.kinds),
        "independent": [_count(one) for one in bag.independent],
        "accepted_by": told.acceptances.of_whole(bag.place, "not_reconciled", digest) if digest else [],
    }  # fmt: skip


def _count(one: Mapping[str, Any]) -> JsonObject:
    """A count by the service beside ours. unavailable: folders and packages of which it told none."""
    names = ("by", "expected", "found", "equal", "explained", "moving", "unexplained", "verdict")
    return {**{name: one.get(name) for name in names}, "unavailable": sum((one.get("unavailable") or {}).values())}


def _by_kind(kinds: Counter[tuple[str, str]]) -> dict[str, dict[str, int]]:
    table: dict[str, dict[str, int]] = {}
    for (kind, outcome), number in sorted(kinds.items()):
        table.setdefault(kind, {})[outcome] = number
    return table


def _totals(bags: Sequence[Bag], codes: Sequence[JsonObject], told: Told) -> JsonObject:
    counting = [row for row in codes if row["counts"]]
    kinds: Counter[tuple[str, str]] = sum((bag.kinds for bag in bags), Counter())
    agreement: Counter[str] = sum((bag.agreements for bag in bags), Counter())
    return {
        "bags": len(bags),
        **{name: sum(bag.counts.get(name, 0) for bag in bags) for name in _COUNTS},
        "files": sum(bag.files for bag in bags),
        "bytes": sum(bag.octets for bag in bags),
        "rows": sum(kinds.values()),
        "kinds": _by_kind(kinds),
        "vanished": sum(row["count"] for row in codes if row["code"] == VANISHED),
        "exceptions_open": sum(row["count"] for row in counting if not row["accepted_by"]),
        "exceptions_accepted": sum(row["count"] for row in counting if row["accepted_by"]),
        "agreement": dict(sorted(agreement.items())),
        "runs": len(told.runs),
    }


def _closing(bags: Sequence[Bag], told: Told) -> JsonObject:
    newest = told.newest_of_all
    return {
        "at": newest.ended if newest is not None else None,
        "pending": sum(bag.counts.get("pending", 0) for bag in bags),
        "moving": sum(one.get("moving") or 0 for bag in bags for one in bag.independent),
    }


def _exceptions(store: Store, bags: Sequence[Bag], codes: Sequence[JsonObject]) -> list[JsonObject]:
    """The first excepted items, one by one."""
    accepted = _accepted(codes)
    every = (
        exception_row(bag, row, accepted) for bag in bags if bag.excepted for row in proven_rows(store, bag, EXCEPTIONS)
    )
    return list(islice(every, NAMED))


# -------------------------------------------------------------------------------------------------------------- proof


def _integrity(store: Store, bags: Sequence[Bag], gone: Sequence[str], told: Told, sources: Sources) -> JsonObject:
    rows = [_proof(bag, told, store.url) for bag in bags]
    proven = [bag for bag, row in zip(bags, rows, strict=True) if row["verified_as_it_is"]]
    levels = {level_of(row) for row in told.verified.values()}
    root = verify_root(store, [*(bag.place for bag in bags), *gone])
    check_recorded(store, told.history.recorded, root, has_bags=bool(bags or gone))
    first = [finding.name for sort in (root.missing, root.changed, root.unexpected) for finding in sort.first]
    return {
        "algorithm": "sha256",
        "bags": [_named(bag.fact) for bag in bags],
        "proofs": rows,
        "verified_items": sum(sum(bag.kinds.values()) for bag in proven),
        "verified_files": sum(bag.files for bag in proven),
        "verified_bytes": sum(bag.octets for bag in proven),
        "method": "full" if bags and len(proven) == len(bags) else "part" if levels else "none",
        "seed": None,
        "run_records_differ": sources.differing,
        "beside_the_bags": {
            "missing": root.missing.count,
            "changed": root.changed.count,
            "unexpected": root.unexpected.count,
            "first": first[:5],
        },
    }


def _named(fact: BagFact) -> JsonObject:
    """A bag as the package names it."""
    return {
        "path": fact.bag,
        "tagmanifest_sha256": fact.tagmanifest_sha256,
        "segment": fact.segment,
        "segment_sha256": fact.segment_sha256,
        "open": fact.is_open,
    }


def _proof(bag: Bag, told: Told, where: str) -> JsonObject:
    """What is known for and against a bag: faults, its newest verification, and the one that read in full what it holds now."""
    last, digest = told.verified.get(bag.place), bag.fact.tagmanifest_sha256
    proof = None if digest is None else told.history.read_back.of(bag.place, bag.fold_segment, digest, where)
    newest = {"at": last.get("at"), "level": level_of(last), "result": last.get("result")} if last is not None else None
    return {
        "path": bag.place,
        "faults": bag.faults,
        "files": bag.files,
        "bytes": bag.octets,
        "verified": newest,
        "proven_at": timestamp(proof.at) if proof is not None else None,
        "verified_as_it_is": proof is not None and not bag.fact.is_open,
    }


def _verifications(told: Told) -> list[JsonObject]:
    """Verification runs: how many bags, when, how and with what result; the newest last."""
    rows = [
        {"at": at, "level": level, "result": result, "bags": number}
        for (at, level, result), number in sorted(told.verifications.items())
    ]
    return rows[-KEPT:]
