"""Changes to lists and their items while they are served: operations of our own, as rows of changes.jsonl.

Rules of this file: an id that is no longer there does nothing; every change of an item gives it a new eTag and version number,
and is written to the list's log. `site` is a folder (`sites/s0000`) or an id; `list` is an id or a display name.
Of kind `listItem`: `add` {fields, attachments?}, `modify` {fields}, `delete`, `restore`, `attach` {fileName, _c} (also in place
of one of that name), `detach` {fileName}. Of kind `list`: `add` {displayName, template?, columns?}, `rename` {displayName},
`delete`, `columns` {set}; of a library, its drive is renamed or goes with it.
"""

import hashlib
import uuid
from collections.abc import Callable
from typing import Literal

from exporters.rehearsal.documents import Row, render
from exporters.rehearsal.list_truth import ListTruth, SiteLists
from exporters.rehearsal.tenant import Tenant

KINDS = frozenset({"list", "listItem"})


def apply_to_lists(tenant: Tenant, change: Row, op: str, at: str) -> bool:
    """Do one change; whether it did something. at: its date. Raises KeyError for a field or an operation that lacks."""
    site = tenant.site(str(change["site"]))
    if site is None:
        return False
    lists = tenant.lists_of(site)
    if change["kind"] == "list" and op == "add":
        return _add_list(lists, site, change, at)
    one = lists.find(str(change["list"]))
    if one is None or (one.is_library and change["kind"] == "listItem"):
        return False
    if change["kind"] == "list":
        return _change_list(lists, one, op, change, at) and _change_library(tenant, one, op)
    with one.lock:
        return _change_item(one, op, change, at)


# -------------------------------------------------------------------------------------------------------- lists


def _add_list(lists: SiteLists, site: Row, change: Row, at: str) -> bool:
    name = str(change["displayName"])
    list_id = str(change.get("id") or uuid.uuid5(uuid.NAMESPACE_URL, f"{site['id']}|{name}|{at}"))
    lists.add(
        {
            "id": list_id,
            "name": name,
            "displayName": name,
            "createdDateTime": at,
            "lastModifiedDateTime": at,
            "webUrl": f"{site['webUrl']}/Lists/{name}",
            "list": {"template": change.get("template", "genericList"), "hidden": False, "contentTypesEnabled": False},
            "_drive": None,
            "_items": None,
            "_columns": change.get("columns", [{"id": list_id, "name": "Title", "displayName": "Title", "text": {}}]),
        }
    )
    return True


def _change_list(lists: SiteLists, one: ListTruth, op: str, change: Row, at: str) -> bool:
    if op == "delete":
        lists.remove(one)
    elif op == "rename":
        one.info = {**one.info, "displayName": change["displayName"], "lastModifiedDateTime": at}
    elif op == "columns":
        one.info = {**one.info, "_columns": change["set"], "lastModifiedDateTime": at}
    else:
        raise KeyError(op)
    return True


def _change_library(tenant: Tenant, one: ListTruth, op: str) -> bool:
    """The drive of a library has its name, and goes with it."""
    if one.is_library and op == "delete":
        tenant.removed_drives.add(str(one.info["_drive"]))
    elif one.is_library and op == "rename":
        drive = tenant.drive_in(str(one.info["_drive"]), to_change=True)
        drive.info = {**drive.info, "name": one.info["displayName"]}
    return True


# -------------------------------------------------------------------------------------------------------- items


def _change_item(one: ListTruth, op: str, change: Row, at: str) -> bool:
    if op == "add":
        n: int | None = one.add(_new(change, at))
    elif op == "restore":
        n = one.bring_back(str(change["id"]))
    else:
        n = one.find(str(change["id"]))
    if n is None:
        return False
    if op == "delete":
        one.gone.add(n)
    elif op not in ("add", "restore"):
        edited = _OPERATIONS[op](one.row(n), change)
        if edited is None:
            return False
        one.put(n, _stepped(one.row(n), edited, at))
    one.record(render({key: value for key, value in change.items() if key != "n"}), [(n, _event(op))])
    return True


def _event(op: str) -> Literal["changed", "deleted"]:
    return "deleted" if op == "delete" else "changed"


def _new(change: Row, at: str) -> Row:
    tag = hashlib.sha256(render(change) + at.encode()).hexdigest()
    fields = {"ContentType": "Item", "Created": at, "Modified": at, "AuthorLookupId": "5", "EditorLookupId": "5",
              "_UIVersionString": "1.0", **change["fields"]}  # fmt: skip
    row: Row = {
        "createdDateTime": at,
        "lastModifiedDateTime": at,
        "eTag": f'"{uuid.UUID(tag[:32])},1"',
        "contentType": {"id": "0x0100", "name": "Item"},
        "fields": fields,
    }
    if change.get("id"):
        row["id"] = str(change["id"])
    if change.get("attachments"):
        row["_attachments"] = change["attachments"]
        fields["Attachments"] = True
    return row


def _stepped(old: Row, new: Row, at: str) -> Row:
    """The next state of an item: eTag, version and date; the state so far becomes an earlier version."""
    head, _, number = str(old.get("eTag", '"0,1"')).strip('"').rpartition(",")
    version = f"{int(str(old['fields'].get('_UIVersionString', '1.0')).partition('.')[0]) + 1}.0"
    fields = {**new["fields"], "Modified": at, "_UIVersionString": version}
    former = old.get("_versions") or [
        {
            "id": str(old["fields"].get("_UIVersionString", "1.0")),
            "lastModifiedDateTime": old["lastModifiedDateTime"],
            "fields": old["fields"],
        }
    ]
    current = {"id": version, "lastModifiedDateTime": at, "fields": fields}
    dated = {"lastModifiedDateTime": at, "eTag": f'"{head},{int(number) + 1}"'}
    return {**new, **dated, "fields": fields, "_versions": [current, *former]}


def _modify(row: Row, change: Row) -> Row | None:
    return {**row, "fields": {**row["fields"], **change["fields"]}}


def _attach(row: Row, change: Row) -> Row | None:
    name = str(change["fileName"])
    others = [entry for entry in row.get("_attachments", ()) if str(entry["fileName"]).lower() != name.lower()]
    files = [*others, {"fileName": name, "_c": change["_c"]}]
    return {**row, "_attachments": files, "fields": {**row["fields"], "Attachments": True}}


def _detach(row: Row, change: Row) -> Row | None:
    name = str(change["fileName"]).lower()
    files = [entry for entry in row.get("_attachments", ()) if str(entry["fileName"]).lower() != name]
    if len(files) == len(row.get("_attachments", ())):
        return None
    return {**row, "_attachments": files, "fields": {**row["fields"], "Attachments": bool(files)}}


_OPERATIONS: dict[str, Callable[[Row, Row], Row | None]] = {"modify": _modify, "attach": _attach, "detach": _detach}
