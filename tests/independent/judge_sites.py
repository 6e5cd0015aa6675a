"""Judges a copy of sites and of the directory: `python tests/independent/judge_sites.py TENANT STORE [--changes F]…`.

Rules of this file: it reads the tenant's files and the store's, and asks nobody. Prints what agrees and every kind of difference
with the first of them. Exit 0 only if there is none, 3 if there are, 2 if it cannot be judged at all.
"""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.independent import keys
from tests.independent.differences import Differences
from tests.independent.directory_judge import DirectoryJudge
from tests.independent.reader import Reading, check_root, read_bag
from tests.independent.site_bag import SiteBag, read_site_bag
from tests.independent.site_derived import DerivedJudge, judge_library
from tests.independent.site_libraries import Asked, LibraryJudge
from tests.independent.site_lists import ListsJudge, missing_of
from tests.independent.site_pages import PagesJudge
from tests.independent.site_truth import SiteTruth, TenantTruth, TruthBroken, load

Row = dict[str, Any]


def judge(
    tenant: Path,
    store: Path,
    asked: Asked | None = None,
    *,
    changes: list[Path] | None = None,
    directory: bool = True,
    only: set[str] | None = None,
) -> Differences:
    """All sites of a tenant against a folder store. only: ids of sites. Raises TruthBroken."""
    truth, found, asked = load(tenant, changes), Differences(), asked or Asked()
    sources = _sources(store, found)
    for site_id, site in truth.sites.items():
        source = sources.pop(("sharepoint", site_id), None)
        if only is not None and site_id not in only:
            continue
        if not truth.is_open(site):
            found.notes["sites that are locked or archived"] += 1
            continue
        where = f"site {site.row['webUrl']}"
        if not found.check("sites", f"{where} has no bag", source is not None) or source is None:
            continue
        bag = read_site_bag(store, source["bag"], found, leftovers=asked.leftovers)
        _frame(bag, site, source, truth, found)
        _site_rows(bag, site, truth, found, grants=asked.grants)
        for library in site.libraries.values():
            LibraryJudge(bag, library, truth, asked, found).judge()
            judge_library(bag, library, found)
        places = ListsJudge(bag, site, truth, asked, found).judge()
        for one in site.lists.values():
            if found.check("derived files", f"{bag.name}: list {one.name!r} has none", one.id in places):
                DerivedJudge(bag, one, places[one.id], found).judge()
        PagesJudge(bag, site, truth, found).judge()
        _counts(bag, site, truth, found)
        _nothing_else(bag, site, found)
    _directory(store, sources, truth, found, directory, asked)
    for (kind, source_id), source in sources.items():
        if kind == "sharepoint" and only is None and source_id not in truth.gone_sites:
            found.say("nothing else", f"{source['bag']} is a bag of {source_id}, which is no site of the truth")
    _root(store, found, asked)
    return found


def _sources(store: Path, found: Differences) -> dict[tuple[str, str], Row]:
    """{(kind, id): row} of sources/."""
    rows: dict[tuple[str, str], Row] = {}
    for path in sorted((store / "sources").glob("*.json")):
        row = json.loads(path.read_bytes())
        found.check("sources", f"{path.name}: a second one", (row["kind"], row["id"]) not in rows)
        rows[row["kind"], row["id"]] = row
    return rows


def _root(store: Path, found: Differences, asked: Asked) -> None:
    """What lies beside the bags; bags of other kinds are read for their names and segments alone."""
    reading, ignored = Reading(store), list[str]()
    for kind in ("mail", "onedrive", "sharepoint"):
        for folder in sorted((store / kind).glob("*")):
            reading.bags[f"{kind}/{folder.name}"] = read_bag(store, f"{kind}/{folder.name}", ignored)
    if (store / "directory").is_dir():
        reading.bags["directory"] = read_bag(store, "directory", ignored)
    check_root(reading)
    wrong = [one for one in reading.differences if not (asked.leftovers and one.startswith(".lastcopy-tmp/"))]
    for text in wrong:
        found.say("root of the store", text)
    found.agreed["root of the store"] += not wrong


def _frame(bag: SiteBag, site: SiteTruth, source: Row, truth: TenantTruth, found: Differences) -> None:
    told = bag.state.source
    found.same(
        "site bags",
        f"{bag.name}: source.json",
        (told.get("kind"), told.get("id"), told.get("owner")),
        ("sharepoint", site.id, None),
    )
    found.same("site bags", f"{bag.name}: owner in sources/", source.get("owner"), None)
    name = site.path.replace("/", "!") or "root"
    kind, _, last = bag.name.partition("/")
    is_named = kind == "sharepoint" and (last == keys.component(name, site.id) or "~" in last)
    found.check("site bags", f"{bag.name} is the bag of {site.row['webUrl']}", is_named or truth.is_changed)


def _site_rows(bag: SiteBag, site: SiteTruth, truth: TenantTruth, found: Differences, *, grants: bool) -> None:
    """The site itself, its lists and libraries as served, and who can see it."""
    due: dict[tuple[str, str], Row] = {("site", site.id): site.row}
    due |= {("list", one.id): one.row for one in site.lists.values()}
    due |= {("list", str(one.list_row["id"])): one.list_row for one in site.libraries.values() if one.list_row}
    due |= {("drive", one.id): {"id": one.id, "name": one.name} for one in site.libraries.values()}
    for (scope, item_id), row in due.items():
        held = bag.rows.get(("site", scope, item_id))
        where = f"{bag.name}: {scope} {row.get('displayName') or row.get('name')!r}"
        if not found.check("site rows", f"{where} has no row", held is not None) or held is None:
            continue
        if not found.check("site rows", f"{where}: {held['outcome']} {held.get('code')}", held["outcome"] == "copied"):
            continue
        graph = bag.line(held).get("graph", {})
        firm = [key for key in ("id", "name", "displayName", "webUrl", "list") if key in row and row[key] is not None]
        wrong = missing_of({key: graph.get(key) for key in firm}, {key: row[key] for key in firm}, scope)
        for text in wrong if not truth.is_changed else ():
            found.say("site rows", f"{where}: {text}")
    value = bag.state.permissions.get(("site", site.id))
    is_told = grants and site.row.get("_parent") is None  # the service tells none of a subsite
    if is_told and not found.check("site permissions", f"{bag.name}: none", value is not None):
        return
    if value is not None:
        got = [{k: v for k, v in one.items() if "@" not in k} for one in value["permissions"]]
        found.same("site permissions", bag.name, got, site.row.get("_permissions", []))


def _counts(bag: SiteBag, site: SiteTruth, truth: TenantTruth, found: Differences) -> None:
    """Rows and the export's own report against `per` of summary.json, as long as nothing has changed."""
    told = truth.per.get(f"site:{site.number}")
    said = bag.reconciliation.get("counts", {})
    drive_items = sum(len(one.items) for one in site.libraries.values())
    items, lists = sum(len(one.items.rows) for one in site.lists.values()), len(site.lists)
    behind = sum(bool(one.list_row) for one in site.libraries.values())
    due = {drive_items + items + n + len(site.pages.rows) for n in (lists, lists + behind)}
    found.check(
        "counts", f"{bag.name}: {said} listed, {sorted(due)} due", said.get("listed") in due or truth.is_changed
    )
    found.same("counts", f"{bag.name}: pending", said.get("pending"), 0)
    if told is None or truth.is_changed:
        return
    drives = set(site.libraries)
    rows = [row for kind in ("file", "folder", "package", "shortcut") for row in bag.of(kind) if row["scope"] in drives]
    kinds = [row["kind"] for row in rows]
    held = {
        "files": kinds.count("file"),
        "driveFolders": kinds.count("folder") + kinds.count("package"),
        "remoteItems": kinds.count("shortcut"),
        "drives": len({row["scope"] for row in rows}),
        "lists": sum(
            row.get("service", {}).get("class") == "list" and row["id"] in site.lists for row in bag.of("folder")
        ),
        "listItems": sum(1 for _ in bag.of("list_item")),
    }
    for name, count in held.items():
        found.same("counts of the tenant", f"{bag.name}: {name}", count, told.get(name, 0))


def _nothing_else(bag: SiteBag, site: SiteTruth, found: Differences) -> None:
    """Rows of kinds that no other part looks at; permissions of what nobody knows."""
    known = {"file", "folder", "package", "shortcut", "other", "version", "list_item", "columns", "attachment", "page", "site",
             "original", "derived", "leftover", "permission", "versions"}  # fmt: skip
    places = {one.id for one in site.libraries.values()}
    for kind, scope, item_id in bag.rows:
        where = f"{bag.name}: {(kind, scope, item_id)}"
        found.check("nothing else", where, kind in known)
        if kind in ("file", "package", "shortcut", "other"):
            found.check("nothing else", where, scope in places)
        elif kind == "folder":
            found.check("nothing else", where, scope in places or scope == item_id)
    scopes = {
        "site",
        "web",
        *places,
        *site.lists,
        *site.gone_lists,
        *(str(one.list_row.get("id")) for one in site.libraries.values()),
    }
    for scope, item_id in bag.state.permissions:
        is_known = scope in scopes and (scope not in ("site", "web") or item_id == site.id)
        found.check("nothing else", f"{bag.name}: permissions of {(scope, item_id)}", is_known)


def _directory(
    store: Path, sources: dict[tuple[str, str], Row], truth: TenantTruth, found: Differences, due: bool, asked: Asked
) -> None:
    source = sources.pop(("directory", truth.info["tenantId"]), None)
    if not due:
        found.check("nothing else", "a bag of the directory that nobody asked for", source is None)
        return
    if found.check("directory", "the directory has no bag", source is not None) and source is not None:
        found.same("directory", "its bag", source["bag"], "directory")
        bag = read_site_bag(store, source["bag"], found, leftovers=asked.leftovers)
        DirectoryJudge(bag, truth, found).judge()


def main(arguments: list[str] | None = None) -> int:
    """The command."""
    parser = argparse.ArgumentParser(prog="judge_sites.py", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("tenant", type=Path)
    parser.add_argument("store", type=Path)
    parser.add_argument(
        "--changes", type=Path, action="append", help="changes.jsonl that was applied (may be repeated)"
    )
    parser.add_argument("--no-certificate", action="store_true", help="the sign-in had none: attachments are excepted")
    parser.add_argument("--full-control", action="store_true", help="the application had it: grants are told")
    parser.add_argument("--versions", default="current", help="all, current or a number, as in the configuration")
    parser.add_argument("--permissions", choices=("shared", "all", "none"), default="shared")
    parser.add_argument("--no-directory", action="store_true", help="the directory was not asked for")
    parser.add_argument("--leftovers", action="store_true", help="a writer was killed: there may be some")
    given = parser.parse_args(arguments)
    if not (given.tenant / "tenant.json").is_file() or not (given.store / "lastcopy.json").is_file():
        print("TENANT has a tenant.json, STORE a lastcopy.json: one of them has none", file=sys.stderr)
        return 2
    asked = Asked(
        given.versions, given.permissions, not given.no_certificate, given.leftovers, grants=given.full_control
    )
    try:
        found = judge(given.tenant, given.store, asked, changes=given.changes, directory=not given.no_directory)
    except TruthBroken as error:
        print(f"the truth cannot be read: {error}", file=sys.stderr)
        return 2
    print(found.table())
    count = sum(map(len, found.found.values()))
    print(f"\n{count:,} differences" if count else "\nno differences")
    return 3 if count else 0


if __name__ == "__main__":
    sys.exit(main())
