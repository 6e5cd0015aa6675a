"""Our rows beside the service's own counts: decisions without I/O.

Rules of this file: every folder (and package) whose count the service told is compared with our rows by parent: `childCount`
with all of them, `totalItemCount` (of a mailbox) with those that are no folders. A verdict is `equal`, `moving` or `unexplained`,
never guessed; where no count was told it is `unavailable`, and that is said. No row explains a count: one that an item's end made
stale is read again, never argued away (docs/decisions/0027). Source: design §4 (Whole), docs/formats.md.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from exporters.bag.digests import Hashed
from exporters.bag.formats import LISTED_KINDS, JsonObject, dump_json, load_json
from exporters.bag.state import State

DETAIL_LIMIT = 1000
TOTAL, CHILDREN = "totalItemCount", "childCount"
MAILBOX = ""
"""The scope of what lies in a mailbox: it has one kind of count, be it that no folder tells it."""
_LARGEST = 1 << 62
_KINDS = ", ".join(f"'{kind}'" for kind in sorted(LISTED_KINDS))
_LIVE = "outcome != 'gone' AND (code IS NULL OR code != 'vanished')"


class FolderCount(NamedTuple):
    """One folder or package: what the service says it holds, and what we have listed in it. verdict: see above. by: childCount
    or totalItemCount; None if neither was told."""

    kind: str
    scope: str
    id: str
    path: str
    expected: int
    found: int
    verdict: str
    by: str | None = None


def counts(state: State) -> dict[str, int]:
    """listed = copied + excepted + pending of what the service lists now; gone beside them."""
    base = f"SELECT count(*) FROM rows WHERE kind IN ({_KINDS}) AND "  # noqa: S608 - constants of ours
    unsettled = " AND NOT EXISTS (SELECT 1 FROM owed WHERE owed.scope = rows.scope AND owed.id = rows.id)"
    pending = state.count("SELECT count(*) FROM owed WHERE deleted = 0")
    copied = state.count(base + "outcome = 'copied'" + unsettled)
    excepted = state.count(base + "outcome = 'excepted' AND code != 'vanished'" + unsettled)
    removals = state.count("SELECT count(*) FROM owed WHERE deleted = 1")
    return {
        "listed": copied + excepted + pending + removals,
        "copied": copied,
        "excepted": excepted,
        "pending": pending + removals,
        "gone": state.count(base + "outcome = 'gone'"),
    }


def kinds(state: State) -> dict[str, dict[str, int]]:
    """Rows by kind and outcome."""
    table: dict[str, dict[str, int]] = {}
    for kind, outcome, number in state.db.execute("SELECT kind, outcome, count(*) FROM rows GROUP BY kind, outcome"):
        table.setdefault(kind, {})[outcome] = number
    return table


def folder_counts(state: State, of: str | None = None) -> Iterator[FolderCount]:
    """Each folder and package that the service lists now, in the order of (scope, id). of: this scope alone."""
    where = f"kind IN ('folder', 'package') AND {_LIVE}" + ("" if of is None else " AND scope = ?")
    query = f"SELECT kind, scope, id, row FROM rows WHERE {where} ORDER BY scope, id, kind"  # noqa: S608 - constants of ours
    for kind, scope, item_id, data in state.db.execute(query, () if of is None else (of,)):
        row = load_json(data)
        listed = state.listed(scope, item_id)
        if listed is not None and listed.get("deleted"):
            continue
        told, path = told_count(listed or row), str(row.get("path", ""))
        if told is not None:
            yield _judge(state, FolderCount(kind, scope, item_id, path, told[1], 0, "equal", told[0]))
        else:
            yield FolderCount(kind, scope, item_id, path, 0, 0, "unavailable")


def told_count(facts: Mapping[str, Any]) -> tuple[str, int] | None:
    """What the service says that a folder holds: (which count it is, number); None if it does not say."""
    service = facts.get("service") or {}
    for by in (TOTAL, CHILDREN):
        number = service.get(by)
        if type(number) is int and 0 <= number < _LARGEST:
            return by, number
    return None


def uncounted_folders(state: State, scope: str) -> list[str]:
    """Ids of folders whose number of children the service did not tell: nothing proves that their listing is whole."""
    query = f"SELECT id, row FROM rows WHERE kind = 'folder' AND scope = ? AND {_LIVE} ORDER BY id"  # noqa: S608
    rows = ((item_id, load_json(data)) for item_id, data in state.db.execute(query, (scope,)))
    return [item_id for item_id, row in rows if told_count(row) is None]


def uncounted_of(rows: Iterable[JsonObject], scope: str) -> list[str]:
    """The same from the rows of a fold, which need not be kept for it."""
    return [
        row["id"]
        for row in rows
        if (row["kind"], row["scope"]) == ("folder", scope)
        and row["outcome"] != "gone"
        and row.get("code") != "vanished"
        and told_count(row) is None
    ]


def _judge(state: State, folder: FolderCount) -> FolderCount:
    counted = " AND tree.kind != 'folder'" if folder.by == TOTAL else ""
    children = f"WHERE tree.scope = ? AND tree.parent = ?{counted}"
    found = state.count(
        f"SELECT count(*) FROM tree {children} AND alive = 1 AND id != ?",  # noqa: S608 - constants of ours
        (folder.scope, folder.id, folder.id),
    )
    if found == folder.expected:
        return folder._replace(found=found)
    owed = state.count(
        f"SELECT count(*) FROM tree JOIN owed ON owed.scope = tree.scope AND owed.id = tree.id {children}",  # noqa: S608
        (folder.scope, folder.id),
    )
    return folder._replace(found=found, verdict="moving" if owed else "unexplained")


def reconcile(state: State) -> JsonObject:
    """The content of `reconciliation.json`."""
    totals: dict[str, JsonObject] = {}
    for folder in folder_counts(state):
        entry = totals.setdefault(folder.scope, _empty(folder.scope))
        if folder.by == TOTAL:
            entry["by"] = TOTAL
        if folder.verdict == "unavailable":
            of_kind = entry.setdefault("unavailable", {})
            of_kind[folder.kind] = of_kind.get(folder.kind, 0) + 1
            continue
        entry["expected"] += folder.expected
        entry["found"] += folder.found
        entry[folder.verdict] += 1
        if folder.verdict != "equal" and len(entry["detail"]) < DETAIL_LIMIT:
            entry["detail"].append(_detail(folder))
    for entry in totals.values():
        worst = [v for v in ("unexplained", "moving", "unavailable") if entry.get(v)]
        entry["verdict"] = worst[0] if worst else "equal"
    return {"counts": counts(state), "independent": [totals[s] for s in sorted(totals)], "kinds": kinds(state)}


def uncounted(independent: Iterable[Mapping[str, Any]], kind: str) -> int:
    """Of how many folders or packages the service told no count, by `independent` of a reconciliation."""
    return sum(entry.get("unavailable", {}).get(kind, 0) for entry in independent)


def difference_of(independent: Iterable[Mapping[str, Any]]) -> str | None:
    """A name for what is unexplained in `independent` of a reconciliation, None if nothing is; another difference has another."""
    unexplained = [
        [entry["scope"], entry["unexplained"]]
        + [[d["id"], d["expected"], d["found"]] for d in entry["detail"] if d["verdict"] == "unexplained"]
        for entry in independent
        if entry["unexplained"]
    ]
    return Hashed.of(dump_json({"unexplained": unexplained})) if unexplained else None


def _empty(scope: str) -> JsonObject:
    zero: dict[str, Any] = dict.fromkeys(("expected", "found", "equal", "explained", "moving", "unexplained"), 0)
    return {"by": TOTAL if scope == MAILBOX else "folder.childCount", "scope": scope, "detail": [], **zero}


def _detail(folder: FolderCount) -> JsonObject:
    return {
        "id": folder.id,
        "path": folder.path,
        "expected": folder.expected,
        "found": folder.found,
        "verdict": folder.verdict,
        "by_rows": [],
    }
