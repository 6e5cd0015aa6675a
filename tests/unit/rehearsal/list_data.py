"""A tenant with a site, a subsite and their lists, in the tenant-data format; nobody has mail or files.

Rules of this file: all that a test counts is said here; contents are a few bytes. The format is that of reference/tenant-data.md.
"""

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

Row = dict[str, Any]
HOST = "harbour.sharepoint.example"
SITE = f"{HOST},00000000-0000-4000-8000-0000000000c1,00000000-0000-4000-8000-0000000000d1"
SUBSITE = f"{HOST},00000000-0000-4000-8000-0000000000c1,00000000-0000-4000-8000-0000000000d2"
TASKS, PEOPLE, BERTHS, EMPTY, SLASH, MANY, BELOW = (f"0000000{n}-0000-4000-8000-0000000000e1" for n in range(1, 8))
HEADS = {"createdDateTime": "2025-05-01T10:00:00Z", "lastModifiedDateTime": "2025-06-01T10:00:00Z"}
IN_TASKS = 12
WITH_FILES = {"2": ("plan.pdf", "it's a % of #1.txt"), "5": ("plan.pdf",)}
"""Items of Tasks with attachments, and their names."""
REMOVED_PERSON = "99"

COLUMNS: tuple[tuple[str, str, Row], ...] = (
    ("Title", "Title", {"text": {"maxLength": 255}}),
    ("Notes", "Notes", {"text": {"allowMultipleLines": True, "textType": "richText"}}),
    ("Amount", "Amount", {"number": {"decimalPlaces": "automatic"}}),
    ("Due_x0020_Date", "Due Date", {"dateTime": {"format": "dateOnly"}}),
    ("Tags", "Tags", {"choice": {"choices": ["a", "b", "ü"], "displayAs": "checkBoxes"}}),
    ("Active", "Active?", {"boolean": {}}),
    ("Owner0", "Owner", {"personOrGroup": {"allowMultipleSelection": False}}),
    ("Team", "Team", {"personOrGroup": {"allowMultipleSelection": True}}),
    ("Berth", "Berth", {"lookup": {"columnName": "Title", "listId": BERTHS, "allowMultipleValues": False}}),
    ("Link", "Link", {}),
    ("Topic", "Topic", {"term": {"allowMultipleValues": True}}),
    ("Odd", "=Odd", {"text": {}}),
    ("Attachments", "Attachments", {"boolean": {}}),
)
TITLE_ALONE = COLUMNS[:1]
OF_PEOPLE: tuple[tuple[str, str, Row], ...] = (
    ("Title", "Name", {"text": {}}),
    ("Name", "Account", {"text": {}}),
    ("EMail", "Work email", {"text": {}}),
)


def content(root: Path, data: bytes) -> Row:
    """A content reference of its own."""
    path = root / "pool.bin"
    at = path.stat().st_size if path.exists() else 0
    with path.open("ab") as pool:
        pool.write(data)
    return {"pack": "pool.bin", "off": at, "len": len(data), "sha256": hashlib.sha256(data).hexdigest()}


def item(n: int, **fields: Any) -> Row:
    """An item with the columns that all have."""
    base = {"id": str(n), "Title": f"Item {n}", "ContentType": "Item", "Modified": HEADS["lastModifiedDateTime"]}
    base |= {
        "Created": HEADS["createdDateTime"],
        "AuthorLookupId": "5",
        "EditorLookupId": "6",
        "_UIVersionString": "1.0",
    }
    tag = hashlib.sha256(f"{n}{sorted(fields)}".encode()).hexdigest()
    etag = f'"{tag[:8]}-{tag[8:12]}-4000-8000-{tag[12:24]},1"'
    return {
        "id": str(n),
        **HEADS,
        "eTag": etag,
        "contentType": {"id": "0x0100", "name": "Item"},
        "fields": base | fields,
    }


def _tasks(root: Path) -> list[Row]:
    rows = [item(n) for n in range(1, IN_TASKS + 1)]
    rows[0]["fields"] |= {
        "Notes": '<div>Rust, "salt"<br/>\r\nand more</div>',
        "Amount": -5.25,
        "Due_x0020_Date": "2025-07-01T22:00:00Z",
        "Tags": ["a", "ü"],
        "Active": True,
        "Owner0LookupId": "5",
        "Team": [{"LookupId": 5, "LookupValue": "Ada", "Email": "ada@harbour.example"},
                 {"LookupId": 99, "LookupValue": None, "Email": ""}],
        "BerthLookupId": "2",
        "Link": {"Description": "see, there", "Url": "https://harbour.example/a?b=1"},
        "Topic": [{"Label": "Steuern & Abgaben", "TermGuid": "00000000-0000-4000-8000-0000000000f1", "WssId": 3}],
        "Odd": "=1+1",
    }  # fmt: skip
    rows[2]["fields"] |= {"Owner0LookupId": REMOVED_PERSON, "Title": None, "Odd": "+49 30"}
    rows[3]["_versions"] = [
        {"id": f"{v}.0", "lastModifiedDateTime": HEADS["lastModifiedDateTime"], "fields": {"Title": f"state {v}"}}
        for v in (3, 2, 1)
    ]
    for row in rows:
        names = WITH_FILES.get(row["id"], ())
        if names:
            row["_attachments"] = [
                {"fileName": name, "_c": content(root, f"{row['id']} {name}".encode() * 900)} for name in names
            ]
            row["fields"]["Attachments"] = True
    return rows


def people() -> list[Row]:
    """The User Information List."""
    known = ((5, "Ada", "ada"), (6, "Bo Berg", "bo"))
    return [
        item(n, Title=name, Name=f"i:0#.f|membership|{login}@harbour.example", EMail=f"{login}@harbour.example")
        for n, name, login in known
    ]


def list_row(list_id: str, name: str, template: str, columns: Iterable[tuple[str, str, Row]], url: str) -> Row:
    """A row of lists.jsonl, without its items."""
    kept = [
        {"id": hashlib.sha256(f"{list_id}{column}".encode()).hexdigest()[:32], "name": column, "displayName": shown,
         "hidden": False, "indexed": column == "Title", "readOnly": False, "required": False, **facet}
        for column, shown, facet in columns
    ]  # fmt: skip
    row: Row = {"id": list_id, "name": name, "displayName": name, **HEADS, "webUrl": f"{url}/Lists/{name}"}
    row |= {"list": {"template": template, "hidden": template == "userInformation", "contentTypesEnabled": False}}
    if template == "userInformation":
        row["system"] = {}
    return {**row, "_columns": kept, "_drive": None}


def write_rows(path: Path, rows: Iterable[Row]) -> None:
    """A .jsonl."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"".join(json.dumps(row).encode() + b"\n" for row in rows))


def write_site(root: Path, number: int, lists: list[tuple[Row, list[Row]]]) -> None:
    """The lists of a site, with their items."""
    folder = f"sites/s{number:04}"
    rows = []
    for place, (row, items) in enumerate(lists):
        name = f"{folder}/list{place:02}.jsonl"
        write_rows(root / name, items)
        rows.append({**row, "_items": name, "_count": len(items)})
    write_rows(root / folder / "lists.jsonl", rows)


def _site(number: int, site_id: str, path: str, parent: str | None) -> Row:
    name = path.rpartition("/")[2]
    return {"id": site_id, "name": name, "displayName": name.title(), "webUrl": f"https://{HOST}{path}", **HEADS,
            "siteCollection": None if parent else {"hostname": HOST}, "_dir": f"sites/s{number:04}", "_parent": parent,
            "_path": path, "_drives": [], "_permissions": []}  # fmt: skip


def write_tenant(root: Path, *, many: int = 0) -> Path:
    """many: items of a list of their own."""
    root.mkdir(parents=True)
    url = f"https://{HOST}/sites/harbour"
    lists = [
        (list_row(TASKS, "Tasks", "genericList", COLUMNS, url), _tasks(root)),
        (list_row(PEOPLE, "User Information List", "userInformation", OF_PEOPLE, url), people()),
        (list_row(BERTHS, "Berths", "genericList", TITLE_ALONE, url), [item(n, Title=f"Berth {n}") for n in (1, 2, 3)]),
        (list_row(EMPTY, "Empty", "genericList", TITLE_ALONE, url), []),
        (list_row(SLASH, "A / B!", "genericList", TITLE_ALONE, url), [item(1), item(7)]),
    ]
    if many:
        rows = [item(n) for n in range(1, many + 1)]
        lists.append((list_row(MANY, "Many", "genericList", COLUMNS[:6], url), rows))
    write_site(root, 0, lists)
    below = [(list_row(BELOW, "Below", "genericList", COLUMNS, f"{url}/quay one"), [item(1, Attachments=True)])]
    below[0][1][0]["_attachments"] = [{"fileName": "deep.txt", "_c": content(root, b"of the subsite")}]
    write_site(root, 1, below)
    write_rows(
        root / "sites.jsonl",
        [_site(0, SITE, "/sites/harbour", None), _site(1, SUBSITE, "/sites/harbour/quay one", SITE)],
    )
    write_rows(root / "users.jsonl", [])
    write_rows(root / "groups.jsonl", [])
    info = {"format": 1, "tenantId": "00000000-0000-4000-8000-0000000000a1", "domain": "harbour.example",
            "sharepointHost": HOST, "now": "2026-01-01T00:00:00Z", "timeZones": {}, "options": {}}  # fmt: skip
    info["digest"] = f"lists {many}"
    (root / "tenant.json").write_bytes(json.dumps(info).encode())
    return root
