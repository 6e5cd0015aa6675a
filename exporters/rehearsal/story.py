"""What happens in a generated tenant between the first export and the second.

Rules of this file: every kind of change comes once or more, in an order that makes sense; a swap and a chain of names too.
Source: reference/tenant-data.md, "Changes"; our own operations: `changes`.
"""

import hashlib
import random
import uuid
from collections.abc import Callable
from typing import Any

from exporters.rehearsal.documents import Row
from exporters.rehearsal.lively import HOST


def guid(*parts: object) -> str:
    """A GUID that follows from its parts."""
    return str(uuid.UUID(bytes=hashlib.sha256("|".join(map(str, parts)).encode()).digest()[:16]))


class Story:
    """Changes to one drive, in an order in which they make sense."""

    def __init__(self, name: str, rows: list[Row], seed: str, make: Callable[[str, int], Row]) -> None:
        """name: folder of the drive. make: a content reference for a recipe and a length."""
        self.drive, self._make = name, make
        self.random = random.Random(f"{seed}|{name}|changes")  # noqa: S311  (repeatable on purpose)
        self.root = next(row for row in rows if "root" in row)
        plain = [row for row in rows if "file" in row and not row.get("_traits") and row["size"] < 1_000_000]
        self.plain = self.random.sample(plain, len(plain))
        self.folders = [row for row in rows if "folder" in row and "root" not in row and row["folder"]["childCount"]]

    def _change(self, row: Row, op: str, **more: Any) -> Row:
        return {"drive": self.drive, "id": row["id"], "op": op, **more}

    def _content(self, row: Row, salt: str, size: int) -> Row:
        return self._make(f"{self.drive}.{row['_n']}.{salt}", size)

    def tell(self) -> list[Row]:
        """Rows of changes.jsonl without `n` and `kind`."""
        if len(self.plain) < 12 or len(self.folders) < 3:
            return []
        first, second, third, fourth, fifth, sixth, seventh, eighth, ninth, tenth, eleventh, twelfth = self.plain[:12]
        home, other, last = self.folders[0], self.folders[1], self.folders[-1]
        return [
            self._change(first, "rename", name=f"renamed {first['name']}"),
            self._change(home, "rename", name=f"{home['name']} (until 2025)"),
            self._change(second, "move", to=other["id"]),
            self._change(third, "delete"),
            self._change(fourth, "modify", _c=self._content(fourth, "m1", fourth["size"] + 17)),
            self._change(fourth, "modify", _c=self._content(fourth, "m2", fourth["size"] + 34)),
            self._change(fifth, "touch"),
            self._change(last, "delete-recreate"),
            *self._swap(sixth, seventh),
            self._change(eighth, "rename", name=f"{eighth['name']}.old"),  # a chain: each takes the name before it
            self._change(ninth, "move", to=self.root["id"]),
            self._change(ninth, "rename", name=f"chain {eighth['name']}"),
            self._change(tenth, "modify", _c=self._content(tenth, "m1", 0)),
            self._change(eleventh, "permissions", set=[{"id": guid(eleventh["id"]), "roles": ["read"], "link": _LINK}]),
            {
                "drive": self.drive,
                "op": "create",
                "parent": self.root["id"],
                "name": "written since.txt",
                "_c": self._content(twelfth, "new", 2_345),
            },
            self._change(third, "rename", name="does nothing: it was deleted"),
        ]

    def _swap(self, one: Row, two: Row) -> list[Row]:
        """Two files change names, and places so that the names meet."""
        return [
            self._change(one, "rename", name="~swap"),
            self._change(two, "move", to=one["parentReference"]["id"]),
            self._change(two, "rename", name=one["name"]),
            self._change(one, "move", to=two["parentReference"]["id"]),
            self._change(one, "rename", name=two["name"]),
        ]


_LINK = {"scope": "organization", "type": "view", "webUrl": f"https://{HOST}/:x:/g/new", "preventsDownload": False}


def tell_of_mail(user: str, messages: list[Row]) -> list[Row]:
    """What happens in one mailbox: rows of changes.jsonl without `n`. user: its principal name."""

    def change(message: Row, op: str, **more: Any) -> Row:
        return {"kind": "message", "user": user, "id": message["id"], "op": op, **more}

    first, second, third = messages[:3]  # of the Inbox, in every mailbox
    told = [
        change(first, "update", set={"isRead": True, "categories": ["Blue category"]}),
        change(second, "move", to="archive"),
        change(third, "copy", to="inbox"),  # something new has come
        change(third, "move-back", to="archive"),
    ]
    if len(messages) > 8:
        told += [change(messages[3], "delete"), change(messages[7], "move", to="deleteditems")]
    return told


def tell_of_sites(sites: list[Row]) -> list[Row]:
    """A team works on its list and its pages, and gives its site another name and another address: rows of changes.jsonl without
    `n`."""
    return [row for site in sites if site["_group"] for row in _of_a_team(site)]


def _of_a_team(site: Row) -> list[Row]:
    title = f"{site['displayName']} (2026)"
    issue = {"kind": "listItem", "site": site["_dir"], "list": "Issues"}
    name, path = "Spring-tides.aspx", f"{site['_path']}-2026"
    text = {
        "@odata.type": "#microsoft.graph.textWebPart",
        "id": guid(site["id"], name),
        "innerHtml": "<p>Mind the gate.</p>",
    }
    column = {"id": "1", "width": 12, "webparts": [text]}
    section = {"id": "1", "layout": "oneColumn", "emphasis": "none", "columns": [column]}
    return [
        {**issue, "op": "modify", "id": "2", "fields": {"Status": "Closed"}},
        {**issue, "op": "add", "fields": {"Title": "Barnacles on stone 9", "Status": "Open"}},
        {**issue, "op": "delete", "id": "5"},
        {
            "kind": "page",
            "site": site["_dir"].rpartition("/")[2],
            "op": "create",
            "name": name,
            "title": "Spring tides",
            "canvasLayout": {"horizontalSections": [section], "verticalSection": None},
        },
        {"kind": "site", "id": site["id"], "op": "rename", "displayName": title, "path": path},
    ]


def tell_of_lists(site: Row, make: Callable[[str, int], Row]) -> list[Row]:
    """What happens in the lists of one site of the generated tenant: rows of changes.jsonl without `n`. make: as for `Story`."""

    def change(op: str, name: str = "Issues", **more: Any) -> Row:
        return {"kind": "listItem", "site": site["_dir"], "list": name, "op": op, **more}

    def file(name: str, size: int) -> Row:
        return {"fileName": name, "_c": make(f"{site['_dir']}.lists.{name}", size)}

    return [
        change("modify", id="1", fields={"Status": "Closed", "Costs": -0.5}),
        change("delete", id="2"),
        change("add", fields={"Title": "Found since", "Status": "Open"}, attachments=[file("since.txt", 321)]),
        change("attach", id="3", **file("first.pdf", 4_321)),
        change("attach", id="4", **file("sketch.png", 2_222)),  # in place of one of that name, where there is one
        change("detach", id="1", fileName="sketch.png"),
        change("delete", id="5"),
        change("restore", id="5"),
        {"kind": "list", "site": site["_dir"], "list": "Visits", "op": "rename", "displayName": "Visitors"},
        change("modify", "Visitors", id="1", fields={"Title": "Moved to the afternoon"}),
    ]
