"""What happens to the sites of a tenant between two exports: every kind of change of libraries, lists and pages, on any tenant.

Rules of this file: the same tenant and seed give the same changes. The tenant's folder is read by the judge's code.
Source: reference/tenant-data.md, "Changes"; exporters/rehearsal (list_changes, site_pages) for kinds of our own.
"""

import json
import random
from pathlib import Path
from typing import Any

from tests.independent.site_truth import LibraryTruth, ListTruth, SiteTruth, load
from tests.independent.tiny import recipe

Row = dict[str, Any]


def write_changes(tenant: Path, out: Path, seed: int = 7) -> Path:
    """changes.jsonl of every kind for each site."""
    draw, truth = random.Random(seed), load(tenant)
    rows: list[Row] = []
    for site in truth.sites.values():
        for library in site.libraries.values():
            if library.list_row.get("list", {}).get("template") != "webPageLibrary":
                rows += _of_library(library, draw)
        rows += _of_lists(site, draw) + _of_pages(site, draw)
    out.write_text("".join(json.dumps({"n": n, **row}) + "\n" for n, row in enumerate(rows)))
    return out


def _of_library(library: LibraryTruth, draw: random.Random) -> list[Row]:
    files = [
        row
        for row in library.items.values()
        if "file" in row and set(row) & {"malware", "_irm", "_goneAfterListing"} == set()
    ]
    folders = [row for row in library.items.values() if "folder" in row and "root" not in row and "package" not in row]
    root = next(row for row in library.items.values() if "root" in row)
    draw.shuffle(files)
    draw.shuffle(folders)
    rows: list[Row] = []

    def say(op: str, row: Row, **more: Any) -> None:
        rows.append({"kind": "driveItem", "drive": library.folder, "id": row["id"], "op": op, **more})

    for op, row in zip(("modify", "rename", "delete", "move", "touch"), files, strict=False):
        more: Row = {"modify": {"_c": recipe(f"changed.{row['id']}", row["size"] + 17)}, "move": {"to": root["id"]},
                     "rename": {"name": f"renamed {row['name'][-40:]}"}}.get(op, {})  # fmt: skip
        say(op, row, **more)
    for op, row in zip(("rename", "delete-recreate"), folders, strict=False):
        say(op, row, **({"name": f"renamed {row['name'][-40:]}"} if op == "rename" else {}))
    return rows


def _of_lists(site: SiteTruth, draw: random.Random) -> list[Row]:
    rows: list[Row] = []
    lists = [one for one in site.lists.values() if not one.row["list"].get("hidden") and one.items.rows]
    draw.shuffle(lists)
    for number, one in enumerate(lists):
        rows += _of_list(site, one, draw, number)
    if lists:
        rows.append(
            {
                "kind": "list",
                "site": site.row["_dir"],
                "list": lists[0].id,
                "op": "rename",
                "displayName": "Renamed / list",
            }
        )
    if len(lists) > 2:  # the smallest, so that it is no mass
        lost = min(lists[1:], key=lambda one: len(one.items.rows))
        rows.append({"kind": "list", "site": site.row["_dir"], "list": lost.id, "op": "delete"})
    made, name = f"{site.number:08d}-0000-4000-8000-000000000001", lists[0].name if lists else "New list"
    column = {"id": made, "name": "Title", "displayName": "Title", "hidden": False, "text": {}}
    added = {"op": "add", "id": made, "displayName": name, "columns": [column]}  # it takes the name of one renamed
    rows.append({"kind": "list", "site": site.row["_dir"], **added})
    rows.append({"kind": "listItem", "site": site.row["_dir"], "list": made, "op": "add", "fields": {"Title": "first"}})
    return rows


def _of_list(site: SiteTruth, one: ListTruth, draw: random.Random, number: int) -> list[Row]:
    ids = list(one.items.rows)
    draw.shuffle(ids)
    about = {"kind": "listItem", "site": site.row["_dir"], "list": one.id}
    reference = recipe(f"attached.{one.id}", 1_000 + number)
    rows: list[Row] = [{**about, "op": "add", "fields": {"Title": "=added", "Amount": number}}]
    changes: tuple[Row, ...] = (
        {"op": "modify", "fields": {"Title": "changed \N{PARTY POPPER}", "Status": None}},
        {"op": "delete"},
        {"op": "attach", "fileName": "new #1.bin", "_c": reference},
    )
    rows += [{**about, "id": item_id, **change} for item_id, change in zip(ids, changes, strict=False)]
    attached = next(
        (row for row in one.items.rows.values() if row.get("_attachments") and row["id"] not in ids[:3]), None
    )
    if attached is not None:
        rows.append(
            {**about, "id": attached["id"], "op": "detach", "fileName": attached["_attachments"][0]["fileName"]}
        )
    return rows


def _of_pages(site: SiteTruth, draw: random.Random) -> list[Row]:
    pages = [row for row in site.pages.rows.values() if "_goneAfterListing" not in row]
    draw.shuffle(pages)
    about = {"kind": "page", "site": site.row["_dir"].removeprefix("sites/")}
    changes: tuple[Row, ...] = (
        {"op": "edit", "set": {"title": "Another title"}},
        {"op": "rename", "name": "Renamed page.aspx"},
    )
    rows: list[Row] = [{**about, "id": page["id"], **change} for page, change in zip(pages, changes, strict=False)]
    if len(pages) > 2:
        rows.append({**about, "id": pages[2]["id"], "op": "delete"})
    return rows
