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
    parent = _object(item.get("parentReference"))
    is_root = "root" in item
    facts: JsonObject = {
        "scope": scope,
        "id": item["id"],
        "kind": kind_of(item),
        "name": _text(item.get("name")) or "",
        "parent": None if is_root else _text(parent.get("id")),
        "service": _service(item),
    }
    info = _object(item.get("fileSystemInfo"))
    for ours, theirs in (("created", "createdDateTime"), ("modified", "lastModifiedDateTime")):
        value = _text(info.get(theirs)) or _text(item.get(theirs))
        if value and not value.startswith(_UNSET):
            facts[ours] = value
    return facts


def _service(item: Mapping[str, Any]) -> JsonObject:
    file, folder = _object(item.get("file")), _object(item.get("folder"))
    service: JsonObject = {
        "size": _number(item.get("size")) if kind_of(item) != "folder" else None,
        "quickXorHash": _text(_object(file.get("hashes")).get("quickXorHash")) or None,
        "eTag": _text(item.get("eTag")),
        "mimeType": _text(file.get("mimeType")),
        "listItemUniqueId": _text(_object(item.get("sharepointIds")).get("listItemUniqueId")),
        "childCount": _number(folder.get("childCount")),
        "package": _text(_object(item.get("package")).get("type")),
        "remote": _remote(_object(item.get("remoteItem"))),
        "malware": _text(_object(item.get("malware")).get("description")) or ("yes" if "malware" in item else None),
        "shared": _text(_object(item.get("shared")).get("scope")) or ("yes" if "shared" in item else None),
        "publication": _text(_object(item.get("publication")).get("level")),
        "createdBy": _person(item.get("createdBy")),
        "lastModifiedBy": _person(item.get("lastModifiedBy")),
    }
    return {name: value for name, value in service.items() if value is not None}


def _remote(remote: JsonObject) -> JsonObject | None:
    parent = _object(remote.get("parentReference"))
    facts = {
        "id": remote.get("id"),
        "drive": parent.get("driveId"),
        "name": remote.get("name"),
        "url": remote.get("webUrl"),
    }
    return {name: value for name, value in facts.items() if isinstance(value, str)} or None


def _person(identity: object) -> str | None:
    for facet in ("user", "application", "device"):
        who = _object(_object(identity).get(facet))
        text = _text(who.get("email")) or _text(who.get("displayName")) or _text(who.get("id"))
        if text:
            return text
    return None


def _object(value: object) -> JsonObject:
    """`value` if it is a JSON object, else an empty one: an odd answer about one item must not stop a tenant."""
    return value if isinstance(value, dict) else {}


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _number(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def same_facts(facts: Mapping[str, Any], row: Mapping[str, Any]) -> bool:
    """Whether a row says already what was listed just now. `cTag` is not kept: it is missing from deltas (graph.md §5.2)."""
    return all(
        facts.get(name) == row.get(name) for name in ("kind", "name", "parent", "created", "modified", "service")
    )


def same_content(facts: Mapping[str, Any], row: Mapping[str, Any]) -> bool:
    """Whether the bytes that we hold are those that are listed: size and quickXorHash, without a hash size and eTag,
    without either size and date.

    No bytes are no bytes: a file that is empty before and after is the same, though it has no hash (Q-025).
    """
    new, old = facts["service"], row.get("service", {})
    if new.get("size") != old.get("size"):
        return False
    if new.get("size") == 0 and row.get("size") == 0:
        return True
    if new.get("quickXorHash") or old.get("quickXorHash"):
        return bool(new.get("quickXorHash") == old.get("quickXorHash"))
    if new.get("eTag") or old.get("eTag"):
        return bool(new.get("eTag") == old.get("eTag"))
    return facts.get("modified") == row.get("modified")
