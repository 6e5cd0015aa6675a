"""From what the service says of a list or an item to what our rows say of it: decisions without I/O.

Rules of this file: everything in an answer may be missing or odd; a record is the same by whatever route it came; an item is
as before while its eTag is (without one: while its record is). Source: docs/formats.md (bag of a site), graph.md §5.4, quirk
Q-063.
"""

from collections.abc import Mapping
from typing import Any

from exporters.bag.digests import Hashed
from exporters.bag.formats import JsonObject, dump_json
from exporters.graph.answers import object_of, text_of
from exporters.sharepoint.run import SiteList

KIND, ATTACHMENT, FOLDER, LIST = "list_item", "attachment", "folder", "list"
ALL = "*"
"""Id of the row that stands for all attachments of an item, where not even their names could be had."""
VERSIONS, VERSIONS_ID = "versions", "list"
"""Kind and id of the row that says that the earlier states of an item could not be had."""


def cursor_scope(list_id: str) -> str:
    """Scope of the cursor of a list."""
    return f"items/{list_id}"


def tables_scope(list_id: str) -> str:
    """Scope of the cursor that says whether the tables of a list are made of what we hold now."""
    return f"tables/{list_id}"


def item_scope(list_id: str, item_id: str) -> str:
    """Scope of what hangs on an item."""
    return f"{list_id}/{item_id}"


def file_id(name: str) -> str:
    """Id of the row of an attached file: its name, what of it has no UTF-8 as `\\udXXX` (Q-035); `?` where it has none. Names
    that stand for something else here, which the service takes from nobody, get a mark."""
    if name in ("?", ALL):
        return f"\\{name}"
    return name.encode("utf-8", "backslashreplace").decode() or "?"


def digest_of_list(one: SiteList) -> str:
    """Stands for what a list is: its name, and whatever tells that its columns may have changed."""
    tag = {name: one.served.get(name) for name in ("eTag", "lastModifiedDateTime", "displayName", "list")}
    return Hashed.of(dump_json({"name": one.name, "template": one.template, "hidden": one.is_hidden, "served": tag}))


def facts_of_list(one: SiteList) -> JsonObject:
    """A list as a folder of the bag."""
    service: JsonObject = {"class": LIST, "template": one.template}
    if one.is_hidden:
        service["hidden"] = True
    facts: JsonObject = {"kind": FOLDER, "scope": one.id, "id": one.id, "parent": None, "name": one.name}
    facts |= _dates(one.served)
    return {**facts, "service": service}


def facts_of_item(served: Mapping[str, Any], item_id: str, list_id: str) -> JsonObject:
    """An item as the service lists it, deleted or not."""
    if is_deleted(served):
        return {"deleted": True, "kind": KIND, "scope": list_id, "id": item_id}
    graph = {name: value for name, value in served.items() if "@odata." not in name}
    fields = object_of(graph.get("fields"))
    service: JsonObject = {}
    if etag := text_of(graph.get("eTag")) or text_of(served.get("@odata.etag")):
        service["eTag"] = etag
    else:
        service["state"] = Hashed.of(dump_json(graph))
    if kind := text_of(object_of(graph.get("contentType")).get("name")):
        service["contentType"] = kind
    if fields.get("Attachments") is True:
        service["attachments"] = True
    facts: JsonObject = {"kind": KIND, "scope": list_id, "id": item_id, "parent": list_id}
    facts |= {"name": text_of(fields.get("Title")) or "", **_dates(graph)}
    return {**facts, "service": service, "graph": graph}


def is_deleted(served: Mapping[str, Any]) -> bool:
    """Whether a row of a delta says that the item is not there any more."""
    return served.get("deleted") is not None


def lacks_fields(served: Mapping[str, Any]) -> bool:
    """Whether a row says too little to be kept: its fields were left out."""
    return not is_deleted(served) and not isinstance(served.get("fields"), dict)


def same_facts(facts: Mapping[str, Any], row: Mapping[str, Any]) -> bool:
    """Whether an item is as we hold it."""
    new, old = facts["service"], row.get("service", {})
    return all(new.get(name) == old.get(name) for name in ("eTag", "state", "attachments"))


def is_news(facts: Mapping[str, Any], owed: Mapping[str, Any] | None, row: Mapping[str, Any] | None) -> bool:
    """owed, row: what we know of the item already."""
    held = row is not None and row["outcome"] != "gone" and row.get("code") != "vanished"
    if facts.get("deleted"):
        return not owed.get("deleted") if owed is not None else held
    if owed is not None:
        return owed != facts
    return row is None or not held or not same_facts(facts, row)


def _dates(served: Mapping[str, Any]) -> JsonObject:
    dates = (("created", "createdDateTime"), ("modified", "lastModifiedDateTime"))
    return {name: value for name, key in dates if (value := text_of(served.get(key)))}
