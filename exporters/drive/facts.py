"""A driveItem as served → the facts that we keep of it: decisions without I/O.

Rules of this file: everything in an answer is optional until proved otherwise; names are kept code point by code point; what
is compared later is what was served, never what was received. Source: graph.md §5.2, design §4 (rows), quirks Q-023, Q-027,
Q-029.
"""

from collections.abc import Callable, Mapping
from typing import Any

from exporters.graph.answers import identifier_of, number_of, object_of, text_of

JsonObject = dict[str, Any]

SELECT = (
    "id,name,size,eTag,cTag,createdDateTime,lastModifiedDateTime,fileSystemInfo,parentReference,file,folder,package,"
    "remoteItem,malware,shared,publication,deleted,root,createdBy,lastModifiedBy,sharepointIds"
)

_UNSET = ("0001-01-01", "1601-01-01")


_FACETS = ("parentReference", "fileSystemInfo", "file", "folder", "package", "remoteItem", "malware", "shared", "publication",
           "deleted", "root", "createdBy", "lastModifiedBy", "sharepointIds")  # fmt: skip
_TEXTS = ("name", "eTag", "createdDateTime", "lastModifiedDateTime")


def kind_of(item: Mapping[str, Any]) -> str:
    """file, folder, package, shortcut, or other. A shortcut may carry a folder facet, so it is asked for first; what calls itself
    file and folder at once is neither: its bytes, or its content, would be left out."""
    if is_facet(item, "remoteItem"):
        return "shortcut"
    if is_facet(item, "package"):
        return "package"
    if is_facet(item, "folder") or is_facet(item, "root"):
        return "other" if is_facet(item, "file") else "folder"
    return "file" if is_facet(item, "file") else "other"


def is_facet(item: Mapping[str, Any], name: str) -> bool:
    """Whether an item has this facet: an object, were it an empty one. `null` is the same as nothing."""
    return isinstance(item.get(name), dict)


def has_wrong_type(item: Mapping[str, Any]) -> bool:
    """Whether something that we rely on is there, and is not what it should be (text where an object belongs, …)."""
    file, folder, parent = (object_of(item.get(name)) for name in ("file", "folder", "parentReference"))
    hashes = object_of(file.get("hashes"))
    return (
        any(item.get(name) is not None and not isinstance(item[name], dict) for name in _FACETS)
        or any(_is_odd(item, name, text_of) for name in _TEXTS)
        or _is_odd(item, "size", number_of)
        or _is_odd(folder, "childCount", number_of)
        or _is_odd(parent, "id", identifier_of)
        or (file.get("hashes") is not None and not isinstance(file["hashes"], dict))
        or _is_odd(hashes, "quickXorHash", text_of)
        or _is_odd(file, "mimeType", text_of)
    )


def _is_odd(holder: Mapping[str, Any], name: str, read: Callable[[object], object]) -> bool:
    return holder.get(name) is not None and read(holder[name]) is None


def is_incomplete(item: Mapping[str, Any]) -> bool:
    """Whether an item lacks what each has: a name, a parent, a kind."""
    if is_facet(item, "deleted") or is_facet(item, "root"):
        return False
    parent = object_of(item.get("parentReference")).get("id")
    return not text_of(item.get("name")) or identifier_of(parent) is None or kind_of(item) == "other"


def facts_of(item: Mapping[str, Any], scope: str) -> JsonObject:
    """The `listed` row of an item with an id. scope: drive id. Deleted items have no more than their id (business drives).

    An item that is not the root and names no parent gets an empty one: it hangs nowhere, until the service says more.
    """
    if is_facet(item, "deleted"):
        return {"scope": scope, "id": item["id"], "deleted": True}
    parent = object_of(item.get("parentReference"))
    facts: JsonObject = {
        "scope": scope,
        "id": item["id"],
        "kind": kind_of(item),
        "name": text_of(item.get("name")) or "",
        "parent": None if is_facet(item, "root") else identifier_of(parent.get("id")) or "",
        "service": _service(item),
    }
    info = object_of(item.get("fileSystemInfo"))
    for ours, theirs in (("created", "createdDateTime"), ("modified", "lastModifiedDateTime")):
        value = text_of(info.get(theirs)) or text_of(item.get(theirs))
        if value and not value.startswith(_UNSET):
            facts[ours] = value
    return facts


def _service(item: Mapping[str, Any]) -> JsonObject:
    file, folder = object_of(item.get("file")), object_of(item.get("folder"))
    service: JsonObject = {
        "size": number_of(item.get("size")) if kind_of(item) != "folder" else None,
        "quickXorHash": text_of(object_of(file.get("hashes")).get("quickXorHash")) or None,
        "eTag": text_of(item.get("eTag")),
        "mimeType": text_of(file.get("mimeType")),
        "listItemUniqueId": text_of(object_of(item.get("sharepointIds")).get("listItemUniqueId")),
        "childCount": number_of(folder.get("childCount")),
        "package": text_of(object_of(item.get("package")).get("type")),
        "remote": _remote(object_of(item.get("remoteItem"))),
        "malware": text_of(object_of(item.get("malware")).get("description")) or _yes(item, "malware"),
        "shared": text_of(object_of(item.get("shared")).get("scope")) or _yes(item, "shared"),
        "publication": text_of(object_of(item.get("publication")).get("level")),
        "createdBy": _person(item.get("createdBy")),
        "lastModifiedBy": _person(item.get("lastModifiedBy")),
    }
    return {name: value for name, value in service.items() if value is not None}


def _yes(item: Mapping[str, Any], name: str) -> str | None:
    return "yes" if is_facet(item, name) else None


def _remote(remote: JsonObject) -> JsonObject | None:
    parent = object_of(remote.get("parentReference"))
    facts = {
        "id": remote.get("id"),
        "drive": parent.get("driveId"),
        "name": remote.get("name"),
        "url": remote.get("webUrl"),
    }
    return {name: value for name, value in facts.items() if isinstance(value, str)} or None


def _person(identity: object) -> str | None:
    for facet in ("user", "application", "device"):
        who = object_of(object_of(identity).get(facet))
        text = text_of(who.get("email")) or text_of(who.get("displayName")) or text_of(who.get("id"))
        if text:
            return text
    return None


def is_edited(facts: Mapping[str, Any], row: Mapping[str, Any]) -> bool:
    """Whether an item was edited since its row was written, be it that its content is as before: it may have further versions."""
    edits = (facts.get("modified"), facts["service"].get("eTag"))
    return edits != (row.get("modified"), row.get("service", {}).get("eTag")) or not same_content(facts, row)


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
