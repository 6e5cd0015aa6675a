"""Kills in the copy of sites, and what two stores of the same sites have to have in common.

Rules of this file: what is killed is the real command line in a process of its own; two stores are compared by their files, read
here; nothing that follows from when, and in which object, something was kept is compared. Source: issue 7, acceptance d.
"""

import json
import random
import re
import shutil
from dataclasses import dataclass, field
from pathlib import Path

from tests.end_to_end.driving import Product, Row, Tenant
from tests.end_to_end.site_runs import SOURCES, judged, product_at
from tests.faults.desk import InProcess
from tests.faults.mail_crash import ROOT, forget_database, killed_at_request, killed_by
from tests.faults.strict_disk import Trap

EXPORT = ("export", "--json")
VOLATILE = ("captured", "run", "since", "versionId", "reason", "sha256", "size")
OBJECT = re.compile(r"data/(lists/[^/]+/(items|columns)|site/site|originals/[a-z]+)-\d+\.jsonl$")
STAMP = re.compile(r"^data/changed/\d{8}T\d{6}Z(-\d+)?/")
PLACES = (r"/items-\d+\.jsonl$", r"/columns-\d+\.jsonl$", r"/attachments/[^/]+/[^/]+$", r"/pages/[^/]+\.json$",
          r"/site-\d+\.jsonl$", r"/sharepoint/.*/lastcopy/ledger/\d+\.jsonl$", r"/libraries/.*$", r"/items\.csv$",
          r"/directory/.*/ledger/\d+\.jsonl$",
          r"/lastcopy/items\.jsonl$", r"/tagmanifest-sha256\.txt$")  # fmt: skip
"""Names at which a writer is killed: objects, attachments, pages, segments, files, derived files, the fold."""
Spot = tuple[str, str, str, str]


def rows_in(store: Path) -> dict[Spot, Row]:
    """{(bag, kind, scope, id): row} of all folds. Objects and leftovers are left out, and where an entry
    stands, since objects close by time too; stamps of runs, and HTML that names a key with one."""
    found: dict[Spot, Row] = {}
    for path in sorted(
        [*store.glob("sharepoint/*/lastcopy/items.jsonl"), *store.glob("directory/lastcopy/items.jsonl")]
    ):
        bag = path.parents[1].name
        for line in path.read_bytes().splitlines():
            row = json.loads(line)
            if row["kind"] in ("leftover", "original"):
                continue
            is_entry = OBJECT.match(str(row.get("key")).rpartition("!")[0]) is not None
            is_html = row["kind"] == "derived" and "made" in row
            left_out = (*VOLATILE, "key") if is_entry else (*VOLATILE, "made") if is_html else VOLATILE[:-2]
            kept = {k: STAMP.sub("data/changed/", v) if k == "key" else v for k, v in row.items() if k not in left_out}
            found[bag, row["kind"], row["scope"], row["id"]] = kept
    return found


def assert_alike(store: Path, other: Path) -> None:
    """Item by item the same."""
    ours, theirs = rows_in(store), rows_in(other)
    spots = ours.keys() | theirs.keys()
    wrong = [f"{s}: {ours.get(s)} here, {theirs.get(s)} there" for s in spots if ours.get(s) != theirs.get(s)]
    assert not wrong, f"{len(wrong)} rows differ: " + "\n".join(wrong[:2])


@dataclass
class SiteScene:
    """A tenant of sites, and what an undisturbed run comes to. base: the copy that each run goes on from, if it is not the first.
    total: requests of a run; reach: {pattern of PLACES: files of that name which a run writes}; changes: what happened to the
    tenant since its files were written."""

    tenant: Tenant
    reference: Product
    total: int = 0
    reach: dict[str, int] = field(default_factory=dict)
    base: Path | None = None
    changes: tuple[Path, ...] = ()

    def product(self, folder: Path) -> Product:
        """A folder with a configuration, and the copy to go on from."""
        if self.base is not None:
            shutil.copytree(self.base, folder)
        product = product_at(folder, self.tenant, kind=InProcess, sources=SOURCES)
        product.environment["PYTHONPATH"] = str(ROOT)
        return product

    def assert_whole(self, product: Product, note: str) -> None:
        """To its end: judged, the same as undisturbed, and verified."""
        product.export(code=3)
        try:
            judged(product, *self.changes, leftovers=True)
            assert_alike(product.store, self.reference.store)
            verdict = product.run("verify", "--json", code=0).document
            assert not (verdict["unexpected"] or verdict["missing"] or verdict["changed"] or verdict["open"]), verdict
        except AssertionError as error:
            raise AssertionError(f"{note}: {error}") from error


def scene_at(tenant: Tenant, folder: Path, base: Path | None = None, *changes: Path) -> SiteScene:
    """Export once without a disturbance, and take down how many requests that is."""
    scene = SiteScene(tenant, None, base=base, changes=changes)  # type: ignore[arg-type]
    scene.reference = scene.product(folder)
    before = _files(scene.reference.store)
    tenant.forget_requests()
    scene.reference.export(code=3)
    scene.total = len(tenant.requests())
    written = [name for name, at in _files(scene.reference.store).items() if before.get(name) != at]
    numbers = {pattern: sum(bool(re.search(pattern, name)) for name in written) for pattern in PLACES}
    scene.reach = {pattern: number for pattern, number in numbers.items() if number}
    judged(scene.reference, *changes)
    return scene


def _files(store: Path) -> dict[str, int]:
    """{path: when it was written}."""
    return {str(path): path.stat().st_mtime_ns for path in store.rglob("*") if path.is_file()}


def kill_once(scene: SiteScene, product: Product, draw: random.Random) -> str | None:
    """One kill at a drawn point, a request or a name; where it fell, None if it did not."""
    if draw.random() < 0.5:
        number = draw.randrange(2, scene.total)
        return f"request {number} of {scene.total}" if killed_at_request(product, number, *EXPORT) else None
    pattern = draw.choice(sorted(scene.reach))
    trap = Trap("name", pattern, draw.randint(1, scene.reach[pattern]), draw.choice(("before", "after")))
    return str(trap) if killed_by(product, trap, *EXPORT) else None


def kill_everywhere(scene: SiteScene, folder: Path, kills: int, seed: int, most: int = 3) -> None:
    """So many kills in all, up to `most` on the way of one store; then each store goes to its end and is judged. Some lose the
    state database, some are closed by `fold` in between."""
    draw, fallen, number = random.Random(seed), 0, 0
    while fallen < kills:
        product, told = scene.product(folder / f"store{number}"), list[str]()
        for _ in range(min(draw.randint(1, most), kills - fallen)):
            place = kill_once(scene, product, draw)
            if place is None:
                continue
            told.append(place)
            if draw.random() < 0.3:
                forget_database(product)
            if draw.random() < 0.2:
                product.run("fold", "--json", code=0)
        note = f"seed {seed}, store {number}, killed at {told or 'nothing'}"
        print(note, flush=True)
        scene.assert_whole(product, note)
        fallen, number = fallen + len(told), number + 1
        assert number <= 3 * kills, "too few of the kills were reached"
