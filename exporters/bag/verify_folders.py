"""What the service counts in its folders beside what the rows of a bag place there.

Rules of this file: a pure function of the lines that `verify_derive` made, one range of sorted lines at a time; no code of the
writers; where no count was told, that is the verdict. Source: design §4 (Whole), docs/formats.md (fold, bag of a mailbox).
"""

from typing import Any, NamedTuple

from exporters.bag.verify_spool import Place, Range, Spool

Fields = list[bytes]
TOLD, ITEMS, FOLDERS = b"E", b"F", b"D"
"""Third part of a line: what the service says; items that we have found there, folders among them apart."""


class FolderCount(NamedTuple):
    """The service's count of a folder or package beside ours. verdict: equal, moving, unexplained; unavailable: it told none.
    by: `totalItemCount`, of what is no folder, `childCount`, of all, or empty."""

    kind: str
    scope: str
    id: str
    expected: int
    found: int
    verdict: str
    by: str


_Counted = tuple[bytes, bytes, bytes, int, int, str, str]


def count_folders(spool: Spool, wanted: Range) -> Place:
    """Each folder and package that the service lists: the fields of FolderCount, texts as bytes, sorted by scope and id."""
    counted: list[_Counted] = []
    group: list[Fields] = []
    for fields in [*(line.split(b"\0") for line in spool.lines(wanted)), []]:
        if group and (not fields or group[0][:2] != fields[:2]):
            counted += _counted(group)
            group = []
        group.append(fields)
    return spool.write_values(counted)


def _counted(group: list[Fields]) -> list[_Counted]:
    told = sorted((fields[3], fields[4]) for fields in group if fields[2] == TOLD)
    return [_judged(kind, group, count) for kind, count in told]


def _judged(kind: bytes, group: list[Fields], count: bytes) -> _Counted:
    scope, item = group[0][:2]
    if not count:
        return kind, scope, item, 0, 0, "unavailable", ""
    is_total = count.startswith(b"T")
    wanted = {ITEMS} if is_total else {ITEMS, FOLDERS}
    found, owed = (sum(int(fields[n]) for fields in group if fields[2] in wanted) for n in (3, 4))
    expected, by = int(count.removeprefix(b"T")), "totalItemCount" if is_total else "childCount"
    return kind, scope, item, expected, found, _verdict(expected, found, owed), by


def _verdict(expected: int, found: int, owed: int) -> str:
    if expected == found:
        return "equal"
    return "moving" if owed else "unexplained"


FOLDER_STEPS: dict[str, Any] = {"count_folders": count_folders}
"""What a process can be asked for by name."""
