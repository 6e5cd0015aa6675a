"""A driveItem as served → the facts that we keep of it: decisions without I/O.

Rules of this file: everything in an answer is optional until proved otherwise; names are kept code point by code point; what
is compared later is what was served, never what was received. Source: graph.md §5.2, design §4 (rows), quirks Q-023, Q-027,
Q-029.
"""

from collections.abc import Mapping
from typing import Any

JsonObject = dict[str, Any]

SELECT = (
    "id,name,size,eTag,cTag,createdDateTime,lastModifiedDateTime,fileSystemInfo,parentReference,file,folder,package,"
    "remoteItem,malware,shared,publication,deleted,root,createdBy,lastModifiedBy,sharepointIds"
)

_UNSET = ("0001-01-01", "1601-01-01")


def kind_of(item: Mapping[str, Any]) -> str:
    """file, folder, package, shortcut, or other. A shortcut may carry a folder facet, so it is asked for first."""
    if "remoteItem" in item:
        return "shortcut"
    if "package" in item:
        return "package"
    if "folder" in item or "root" in item:
        return "folder"
    return "file" if "file" in item else "other"


def facts_of(item: Mapping[str, Any], scope: str) -> JsonObject:
    """The `listed` row of an item. scope: drive id. Deleted items have no more than their id (business drives)."""
    if "deleted" in item:
        return {"scope": scope, "id": item["id"], "deleted": True}
    parent = item.get("parentReference") or {}
    is_root = "root" in item
    facts: JsonObject = {
        "scope": scope,
        "id": item["id"],
        "kind": kind_of(item),
        "name": item.get("name") or "",
        "parent": None if is_root else parent.get("id"),
        "service": _service(item),
    }
    info = item.get("fileSystemInfo") or {}
    for ours, theirs in (("created", "createdDateTime"), ("modified", "lastModifiedDateTime")):
        value = info.get(theirs) or item.get(theirs)
        if value and not str(value).startswith(_UNSET):
            facts[ours] = value
    return facts


def _service(item: Mapping[str, Any]) -> JsonObject:
    file, folder = item.get("file") or {}, item.get("folder") or {}
    hashes = file.get("hashes") or {}
    service: JsonObject = {
        "size": item.get("size") if kind_of(item) != "folder" else None,
        "quickXorHash": hashes.get("quickXorHash") or None,
        "eTag": item.get("eTag"),
        "mimeType": file.get("mimeType"),
        "listItemUniqueId": (item.get("sharepointIds") or {}).get("listItemUniqueId"),
        "childCount": folder.get("childCount"),
        "package": (item.get("package") or {}).get("type"),
        "remote": _remote(item.get("remoteItem")),
        "malware": (item.get("malware") or {}).get("description") or ("yes" if "malware" in item else None),
        "shared": (item.get("shared") or {}).get("scope") or ("yes" if "shared" in item else None),
        "publication": (item.get("publication") or {}).get("level"),
        "createdBy": _person(item.get("createdBy")),
        "lastModifiedBy": _person(item.get("lastModifiedBy")),
    }
    return {name: value for name, value in service.items() if value is not None}


def _remote(remote: Mapping[str, Any] | None) -> JsonObject | None:
    if not remote:
        return None
    parent = remote.get("parentReference") or {}
    facts = {
        "id": remote.get("id"),
        "drive": parent.get("driveId"),
        "name": remote.get("name"),
        "url": remote.get("webUrl"),
    }
    return {name: value for name, value in facts.items() if value is not None}


def _person(identity: Mapping[str, Any] | None) -> str | None:
    for facet in ("user", "application", "device"):
        who = (identity or {}).get(facet) or {}
        text = who.get("email") or who.get("displayName") or who.get("id")
        if text:
            return str(text)
    return None


def same_facts(facts: Mapping[str, Any], row: Mapping[str, Any]) -> bool:
    """Whether a row says already what was listed just now. `cTag` is not kept: it is missing from deltas (graph.md §5.2)."""
    return all(
        facts.get(name) == row.get(name) for name in ("kind", "name", "parent", "created", "modified", "service")
    )


def same_content(facts: Mapping[str, Any], row: Mapping[str, Any]) -> bool:
    """Whether the bytes that we hold are those that are listed: size and quickXorHash, without a hash size and eTag.

    No bytes are no bytes: a file that is empty before and after is the same, though it has no hash (Q-025).
    """
    new, old = facts["service"], row.get("service", {})
    if new.get("size") != old.get("size"):
        return False
    if new.get("size") == 0 and row.get("size") == 0:
        return True
    if new.get("quickXorHash") or old.get("quickXorHash"):
        return bool(new.get("quickXorHash") == old.get("quickXorHash"))
    return bool(new.get("eTag") == old.get("eTag"))
