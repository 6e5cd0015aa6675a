"""Items of a mailbox as served → the facts that we keep of them: decisions without I/O.

Rules of this file: everything in an answer is optional until proved otherwise (Q-075); what is compared later is what was served;
times of the year 1 mean nothing (Q-076). Source: docs/formats.md (bag of a mailbox), graph.md §3.
"""

import re
from collections.abc import Mapping
from typing import Any

from exporters.bag.digests import Hashed
from exporters.bag.formats import JsonObject, dump_json
from exporters.graph.answers import identifier_of, number_of, object_of, objects_of, text_of

_UNSET = ("0001-01-01", "1601-01-01")
_MOVING = frozenset({"changeKey", "parentFolderId", "@odata.etag", "@odata.context"})
"""What changes with a move, and says nothing of the item itself."""
_CONTENT = (
    "subject", "from", "sender", "toRecipients", "ccRecipients", "bccRecipients", "replyTo", "sentDateTime",
    "internetMessageId", "hasAttachments", "isDraft",
)  # fmt: skip
_ALWAYS = ("createdDateTime", "parentFolderId")
"""What a whole row has at least one of, and one that tells only of a change has not."""
_TAGGED = re.compile(r"\w+ 0x([0-9a-f]{1,8})", re.IGNORECASE)
_NAMES = {"message": "subject", "contact": "displayName", "task": "title", "event": "subject", "post": "subject"}


def record_of(served: Mapping[str, Any]) -> JsonObject:
    """The JSON to keep: as served, without what belongs to the answer alone."""
    return {k: v for k, v in served.items() if not k.startswith("@odata") or k == "@odata.type"}


def digest(value: Mapping[str, Any]) -> str:
    """Stands for a value where values are compared."""
    return Hashed.of(dump_json(value))


def extended(record: Mapping[str, Any], tag: str) -> str | None:
    """The value of a single-value extended property by its tag (`0xE08`), whatever its type; leading zeros say nothing."""
    for entry in objects_of(record.get("singleValueExtendedProperties")):
        found = _TAGGED.fullmatch(text_of(entry.get("id")) or "")
        if found is not None and int(found[1], 16) == int(tag, 16):
            return text_of(entry.get("value"))
    return None


def has_extended(record: Mapping[str, Any], name: str) -> bool:
    """Whether there is an extended property by its whole id, in whatever letters the service gives that back."""
    found = objects_of(record.get("singleValueExtendedProperties"))
    return any((text_of(entry.get("id")) or "").casefold() == name.casefold() for entry in found)


def item_facts(kind: str, served: Mapping[str, Any], parent: str) -> JsonObject:
    """The `listed` value of a message, contact or task with an id, whose listing tells all of it. parent: id of its folder.

    A row that holds next to nothing (a delta may tell only what changed) has no `graph`: the item is asked for by itself.
    """
    if not any(name in served for name in _ALWAYS):
        told = {"partial": digest(record_of(served))}
        return {"scope": "", "id": served["id"], "kind": kind, "name": "", "parent": parent, "service": told}
    return whole_facts(kind, served, parent)


def whole_facts(kind: str, served: Mapping[str, Any], parent: str) -> JsonObject:
    """The same of an item that was asked for by itself."""
    graph = record_of(served)
    state = {k: v for k, v in graph.items() if k not in _MOVING}
    service: JsonObject = {"state": digest(state)}
    if (key := text_of(served.get("changeKey")) or text_of(served.get("@odata.etag"))) is not None:
        service["changeKey"] = key
    service |= _keys(graph)
    if kind == "message":
        service |= _message_service(graph)
    facts = _facts(kind, graph, parent, service)
    if kind == "message" and (message_id := text_of(graph.get("internetMessageId"))):
        facts["internetMessageId"] = message_id
    facts["graph"] = graph
    return facts


def listed_facts(kind: str, served: Mapping[str, Any], parent: str, asked: str) -> JsonObject:
    """The `listed` value of an event or a post, of which the listing tells no more than that it changed. asked: stands for
    what is asked of each, which may have become more since it was read."""
    key = text_of(served.get("changeKey")) or text_of(served.get("@odata.etag")) or ""
    service = {"changeKey": key, "asked": asked}
    return {"scope": "", "id": served["id"], "kind": kind, "name": "", "parent": parent, "service": service}


def completed(facts: JsonObject, graph: Mapping[str, Any]) -> JsonObject:
    """The facts of an event or a post, once it has been read. Its change key stays the listed one: a newer one is news."""
    service = facts["service"] | _keys(graph)
    return {**_facts(facts["kind"], graph, facts["parent"], service), "graph": dict(graph)}


def _facts(kind: str, graph: Mapping[str, Any], parent: str, service: JsonObject) -> JsonObject:
    facts: JsonObject = {"scope": "", "id": graph["id"], "kind": kind, "parent": parent, "service": service}
    facts["name"] = text_of(graph.get(_NAMES[kind])) or ""
    for ours, theirs in (("created", "createdDateTime"), ("modified", "lastModifiedDateTime")):
        if (at := date_of(graph, theirs)) is not None:
            facts[ours] = at
    return facts


def _keys(graph: Mapping[str, Any]) -> JsonObject:
    """By which the export API's listing is joined to ours."""
    found = {"searchKey": extended(graph, "0x300B"), "entryId": extended(graph, "0xFFF")}
    return {name: value for name, value in found.items() if value is not None}


def _message_service(graph: JsonObject) -> JsonObject:
    size = extended(graph, "0xE08")
    content = {name: graph.get(name) for name in _CONTENT} | {"size": size}
    if graph.get("isDraft") or size is None:  # nothing else tells of an edit
        content["changeKey"] = graph.get("changeKey")
    service: JsonObject = {"content": digest(content)}
    if size is not None and size.isdecimal():
        service["size"] = int(size)
    if (value := extended(graph, "0x1A")) is not None:
        service["class"] = value
    if (at := date_of(graph, "receivedDateTime")) is not None:
        service["received"] = at
    if isinstance(graph.get("isDraft"), bool):
        service["isDraft"] = graph["isDraft"]
    return service


def date_of(record: Mapping[str, Any], name: str) -> str | None:
    """A date as served, None if it is not there or says "not set" (Q-076)."""
    value = text_of(record.get(name))
    return None if value is None or value.startswith(_UNSET) else value


def same_facts(facts: Mapping[str, Any], row: Mapping[str, Any]) -> bool:
    """Whether a row says already what was listed just now."""
    if facts["kind"] in {"event", "post"}:  # the listing tells no more of these
        old = row.get("service", {})
        is_same = all(facts["service"].get(name) == old.get(name) for name in ("changeKey", "asked"))
        return is_same and all(facts.get(name) == row.get(name) for name in ("kind", "parent"))
    names = ("kind", "name", "parent", "created", "modified", "service")
    return all(facts.get(name) == row.get(name) for name in names)


def same_content(facts: Mapping[str, Any], row: Mapping[str, Any]) -> bool:
    """Whether the MIME that we hold of a message is that of what is listed, as far as that can be told without reading it."""
    new, old = facts["service"].get("content"), row.get("service", {}).get("content")
    return new is not None and new == old


def folder_facts(served: Mapping[str, Any], of: str, parent: str | None, extra: Mapping[str, Any]) -> JsonObject:
    """The `listed` value of a folder with an id. of: its class (mail, search, contacts, …). extra: further facts of it."""
    service: JsonObject = {"class": of}
    for name in ("totalItemCount", "unreadItemCount", "childFolderCount"):
        if of == "mail" and (number := number_of(served.get(name))) is not None:
            service[name] = number
    if served.get("isHidden") is True:
        service["isHidden"] = True
    if (container := extended(served, "0x3613")) is not None:
        service["containerClass"] = container
    for name, value in extra.items():
        if value is not None:
            service[name] = value
    name = text_of(served.get("displayName")) or text_of(served.get("name")) or ""
    return {"scope": "", "id": served["id"], "kind": "folder", "name": name, "parent": parent, "service": service}


def owner_of(calendar: Mapping[str, Any]) -> str | None:
    """Whose calendar it is, in small letters."""
    address = text_of(object_of(calendar.get("owner")).get("address"))
    return None if address is None else address.casefold()


def addresses_of(user: Mapping[str, Any]) -> set[str]:
    """All addresses of a user, in small letters."""
    own = {text_of(user.get("mail")), text_of(user.get("userPrincipalName"))}
    proxies = user.get("proxyAddresses")
    for proxy in proxies if isinstance(proxies, list) else ():
        kind, _, address = (text_of(proxy) or "").partition(":")
        own |= {address} if kind.casefold() == "smtp" else set()
    return {address.casefold() for address in own if address}


def is_removed(served: Mapping[str, Any]) -> bool:
    """Whether a row of a delta says that the item is not in this folder any more."""
    return "@removed" in served


def id_of(served: Mapping[str, Any]) -> str | None:
    """The id of a row, None if it has none."""
    return identifier_of(served.get("id"))
