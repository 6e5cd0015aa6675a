"""Changes to the first drive of the tiny tenant, for the second run. Rules of this file: data, no verdicts."""

from tests.independent import tiny
from tests.independent.truth import DriveTruth, Row, Truth


class Script:
    """Collects changes of one drive, by the paths that items have before the first of them."""

    def __init__(self, truth: Truth) -> None:
        self.drive: DriveTruth = next(d for d in truth.drives.values() if d.folder == "drives/u00000")
        self.ids = {self.drive.path(item_id): item_id for item_id in self.drive.items}
        self.rows: list[Row] = []

    def do(self, op: str, path: str, **more: object) -> None:
        """One change of the item at `path`."""
        self.rows.append({"kind": "driveItem", "drive": self.drive.folder, "id": self.ids[path], "op": op, **more})

    def create(self, parent: str, name: str, **more: object) -> None:
        """A new item."""
        self.rows.append(
            {
                "kind": "driveItem",
                "drive": self.drive.folder,
                "op": "create",
                "parent": self.ids[parent],
                "name": name,
                **more,
            }
        )


def renames_alone(truth: Truth) -> list[Row]:
    """A swap, a chain a→b→c→a, folders renamed and moved, case-only and normalisation-only renames, moves."""
    script = Script(truth)
    script.do("rename", "/Plain/f0000.txt", name="for a moment.txt")
    script.do("rename", "/Plain/f0001.txt", name="f0000.txt")
    script.do("rename", "/Plain/f0000.txt", name="f0001.txt")
    script.do("rename", "/Plain/f0002.txt", name="for a moment.txt")
    script.do("rename", "/Plain/f0004.txt", name="f0002.txt")
    script.do("rename", "/Plain/f0003.txt", name="f0004.txt")
    script.do("rename", "/Plain/f0002.txt", name="f0003.txt")
    script.do("rename", "/Plain/f0005.txt", name="F0005.TXT")
    script.do("rename", "/Odd names #% & co/Café.txt", name="Cafe\u0301 (2).txt")
    script.do("rename", "/Odd names #% & co", name="Renamed % folder")
    script.do("move", "/Odd names #% & co/Café", to=script.ids["/Plain"])
    script.do("move", "/Plain/f0006.txt", to=script.ids["/Empty folder"])
    script.do("rename", "/Notebook", name="Notizbuch")
    script.do("rename", "/Shortcut to other drive", name="Shortcut")
    script.do("move", "/Plain", to=script.ids["/level 00 with a fairly long name, so that the key passes 700 bytes"])
    script.do("touch", "/Plain/f0010.txt")
    return script.rows


def lively_changes(truth: Truth) -> tuple[list[Row], int]:
    """Changes of every kind, and how many files have to be downloaded for them."""
    script = Script(truth)
    rows = renames_alone(truth)
    for path in ("/Plain/f0007.txt", "/Odd names #% & co/Cafe\u0301", "/vanishing.txt", "/virus.txt", "/Notebook"):
        script.do("delete", path)
    script.do("modify", "/Plain/f0008.txt", _c=tiny.recipe("changed 8", 5_000))
    script.do("modify", "/versions.txt", _c=tiny.recipe("changed versions", 7_000))
    script.do("modify", "/Plain/f0009.txt", _c=tiny.recipe("changed 9", 70_000))
    script.do("rename", "/Plain/f0009.txt", name="modified and renamed.txt")
    script.do("modify", "/empty.txt", _c=tiny.recipe("no more empty", 100))
    script.do("modify", "/Plain/f0011.txt", _c=tiny.recipe("empty now", 0))
    script.do("modify", "/rewritten.docx", _c=tiny.recipe("as it came", 999))
    script.create("/Plain", "new.txt", _c=tiny.recipe("new", 321))
    script.create("/Plain", "f0007.txt", _c=tiny.recipe("a re-used name", 322))
    script.create("/Plain", "New folder", folder=True)
    script.do("delete-recreate", "/Empty folder")
    script.do("permissions", "/Plain/f0012.txt", set=[{"id": "cGVybTI", "roles": ["read"]}])
    return rows + script.rows, 8
