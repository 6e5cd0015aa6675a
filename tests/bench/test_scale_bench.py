"""What a file costs, and that it costs no more on a larger drive: export, second run, fold, verify.

Rules of this file: marker `bench`, never part of `make test`; the tenant is served by another process. Sizes are 10,000 and
100,000 files; `LASTCOPY_BENCH_FILES=1000000` adds others. `LASTCOPY_BENCH_LOG=FILE` also writes the figures there as they come;
`LASTCOPY_BENCH_TEMP=DIR` is for a file system with room and inodes for a million files.
"""

import json
import os
import pstats
import shutil
import sys
import tempfile
import time
from io import StringIO
from pathlib import Path

import pytest

from tests.bench.made_store import CONFIGURATION, make_store
from tests.bench.many_files import ServedTenant, made_tenant
from tests.bench.measuring import Cost, cost_of, disk, environment_of, note
from tests.bench.unlimited import COMMAND
from tests.end_to_end.driving import Product

pytestmark = pytest.mark.bench
PLAIN = {"versions": "current", "permissions": "none"}
FOLD_FILES = ("lastcopy/head.json", "lastcopy/items.jsonl", "manifest-sha256.txt", "tagmanifest-sha256.txt")
SIZES = (10_000, 100_000)
VERBS = ("export", "again", "fold", "verify")


def product_of(folder: Path, tenant: ServedTenant) -> Product:
    """A configuration for that tenant: contents only."""
    return Product(folder, tenant, drive=PLAIN)  # type: ignore[arg-type]


def fold_of(store: Path) -> dict[str, tuple[int, int]]:
    """(inode, modification time) of the files of a fold."""
    bag = next(store.glob("onedrive/*"))
    return {name: ((bag / name).stat().st_ino, (bag / name).stat().st_mtime_ns) for name in FOLD_FILES}


def story(folder: Path, files: int) -> dict[str, Cost]:
    """Export, second run, fold and verify on that many files; prints what each took."""
    start = time.monotonic()
    data = made_tenant(folder / "tenant", files)
    note(f"\n{files:,} files made in {time.monotonic() - start:.0f} s")
    costs = {}
    with ServedTenant(data) as tenant:
        product = product_of(folder / "work", tenant)
        environment = environment_of(product.environment, TMPDIR=str(folder))
        for verb in VERBS:
            if verb == "again":
                held = fold_of(product.store)
            arguments = ["export"] if verb == "again" else [verb]
            cost = cost_of([*COMMAND, *arguments, "--json"], product.folder, environment)
            costs[verb] = cost
            units = tenant.units()
            note(
                f"  {verb:7} {cost.wall:8.1f} s  {cost.cpu:8.1f} CPU s  {cost.cpu / files * 1000:7.3f} CPU s per 1,000"
                f"  {cost.memory:6.1f} MiB  {units / files:.4f} units a file"
            )
            if verb == "export":
                assert units <= 1.02 * files + 20
            if verb == "again":
                assert fold_of(product.store) == held, "the second run wrote a fold"
                assert units <= 20
        held_bytes, content = disk(product.store)
        note(f"  store {held_bytes / 1e6:,.0f} MB on disk, {content / 1e6:,.0f} MB of contents")
    shutil.rmtree(folder / "work")
    shutil.rmtree(folder / "tenant")
    return costs


def test_cost_and_memory_do_not_grow(folder: Path) -> None:
    """(c), (h) Memory within 10 % and under 250 MB; CPU of a further file no more than half as much again."""
    sizes = [*SIZES, *map(int, os.environ.get("LASTCOPY_BENCH_FILES", "").split())]
    judge({files: story(folder, files) for files in sizes}, VERBS)


def judge(costs: dict[int, dict[str, Cost]], verbs: tuple[str, ...]) -> None:
    """Memory does not grow with the files, and CPU no faster than they do."""
    (first, last), sizes = SIZES, sorted(costs)
    for verb in verbs:
        assert costs[last][verb].memory <= 1.10 * costs[first][verb].memory, verb
        per_file = (costs[last][verb].cpu - costs[first][verb].cpu) / (last - first)
        for files in sizes[2:]:
            more = (costs[files][verb].cpu - costs[last][verb].cpu) / (files - last)
            assert more <= 1.5 * per_file + 1e-5, verb
            assert costs[files][verb].memory <= 1.10 * costs[first][verb].memory, verb
        assert all(costs[files][verb].memory < 250 for files in sizes), verb


def fold_and_verify(folder: Path, files: int) -> dict[str, Cost]:
    """A store written by hand, as an export of that many files leaves it: its fold made anew from the segments, and verified."""
    start = time.monotonic()
    bag = make_store(folder / "store", files)
    (folder / "lastcopy.yaml").write_text(json.dumps(CONFIGURATION))
    note(f"\n{files:,} files stored in {time.monotonic() - start:.0f} s")
    (bag / "tagmanifest-sha256.txt").unlink()
    costs, environment = {}, environment_of(os.environ, TMPDIR=str(folder))
    for verb in ("fold", "verify"):
        costs[verb] = cost = cost_of([*COMMAND, verb, "--json"], folder, environment)
        note(
            f"  {verb:7} {cost.wall:8.1f} s  {cost.cpu:8.1f} CPU s  {cost.cpu / files * 1000:7.3f} CPU s per 1,000"
            f"  {cost.memory:6.1f} MiB"
        )
    assert (bag / "tagmanifest-sha256.txt").exists()
    shutil.rmtree(folder)
    return costs


def test_a_fold_from_all_segments_does_not_grow(folder: Path) -> None:
    """(h) Without a tenant, so that a million files take minutes."""
    sizes = [*SIZES, *map(int, os.environ.get("LASTCOPY_BENCH_FILES", "").split())]
    costs = {files: fold_and_verify(folder / str(files), files) for files in sizes}
    judge(costs, ("fold", "verify"))


def test_where_an_export_spends_its_time(folder: Path) -> None:
    """No verdict: the CPU time of an export of 10,000 small files, by function, of all threads."""
    files = 10_000
    with ServedTenant(made_tenant(folder / "tenant", files)) as tenant:
        product = product_of(folder / "work", tenant)
        out = folder / "profile"
        environment = environment_of(product.environment, LASTCOPY_BENCH_PROFILE=str(out))
        cost_of([*COMMAND, "export", "--json"], product.folder, environment)
    for order in ("tottime", "cumtime"):
        text = StringIO()
        pstats.Stats(str(out), stream=text).strip_dirs().sort_stats(order).print_stats(40)
        note("\n".join(line for line in text.getvalue().splitlines() if line.strip()))


def main() -> None:
    """`python -m tests.bench.test_scale_bench FILES`: the story alone."""
    with tempfile.TemporaryDirectory(prefix="lastcopy-bench-", dir=os.environ.get("LASTCOPY_BENCH_TEMP")) as path:
        story(Path(path), int(sys.argv[1]))


if __name__ == "__main__":
    main()
