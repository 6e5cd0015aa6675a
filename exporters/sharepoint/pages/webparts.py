"""A web part → HTML: what it says, shows and links to, whatever kind it is.

Rules of this file: pure; what the service serves of a part may lack anything, and is of any type. A part of a kind that nobody
here knows shows its name, texts, images and links all the same: they stand in the same places in all of them.
Source: graph.md §5.4; webPartData and serverProcessedContent of the v1.0 schema.
"""

import re
from collections.abc import Iterator
from typing import Protocol

from exporters.bag.formats import JsonObject
from exporters.graph.answers import object_of, objects_of, text_of
from exporters.sharepoint.pages.sanitising import Addresses, attribute, image, link, sanitised, text


class Site(Addresses, Protocol):
    """Where what a page names lies in the bag."""

    def list_table(self, list_id: str) -> str | None:
        """A relative link to the table of a list, or to the files of a library; None if it is not held."""
        ...


_NAMES = {
    "d1d91016-032f-456d-98a4-721247c305e8": "Image",
    "af8be689-990e-492a-81f7-ba3e4cd3ed9c": "Image gallery",
    "c70391ea-0b10-4ee9-b2b4-006d3fcad0cd": "Quick links",
    "c4bd7b2f-7b6e-4599-8485-16504575f590": "Hero",
    "f92bf067-bc19-489e-a556-7fe95f508720": "List",
    "b7dd04e1-19ce-4b24-9132-b60a1c2b910d": "File viewer",
    "8c88f208-6c77-4bdb-86a0-0c47b4316588": "News",
    "7f718435-ee4d-431c-bdbf-9c4ff326f46e": "People",
    "20745d7d-8581-4a6c-bf26-68279bc123fc": "Events",
    "490d7c76-1824-45b2-9de3-676421c997fa": "Embed",
    "6410b3b6-d440-4663-8744-378976dc041e": "Link preview",
    "daf0b71c-6de8-4ef7-b511-faae7c388708": "Highlighted content",
    "2161a1c6-db61-4731-b97c-3cdb303f7cbb": "Divider",
    "8654b779-4886-46d4-8ffb-b5ed960ee986": "Spacer",
}
_DIVIDER, _SPACER = "2161a1c6-db61-4731-b97c-3cdb303f7cbb", "8654b779-4886-46d4-8ffb-b5ed960ee986"
_LISTS = ("selectedListId", "listId")
_TITLES = re.compile(r"(^|\.)(title|listTitle|webPartTitle)$", re.IGNORECASE)
_GROUP = re.compile(r"(.*?\[[0-9]+\])(?:\.|$)")
"""Of a key as `items[3].title`: that which all keys of one entry have in common."""


def rendered(part: JsonObject, site: Site) -> str:
    """A web part as HTML. Never raises."""
    inner = text_of(part.get("innerHtml"))
    if inner is not None:
        return f'<div class="text">{sanitised(inner, site)}</div>'
    kind = (text_of(part.get("webPartType")) or "").casefold()
    if kind == _DIVIDER:
        return "<hr>"
    if kind == _SPACER:
        return ""
    data = object_of(part.get("data"))
    name = text_of(data.get("title")) or _NAMES.get(kind) or _typed(part)
    body = "".join([*_list_link(data, site), *_entries(data, site)])
    note = "" if body else '<p class="absent">Nothing of its content is part of the page.</p>'
    return f'<div class="part"><p class="kind">{text(name)}</p>{body}{note}</div>'


def _typed(part: JsonObject) -> str:
    return (text_of(part.get("@odata.type")) or "").rpartition(".")[2] or "Web part"


def _list_link(data: JsonObject, site: Site) -> Iterator[str]:
    """The list or library that a part shows, by its id."""
    properties = object_of(data.get("properties"))
    for name in _LISTS:
        list_id = text_of(properties.get(name))
        if list_id:
            title = text_of(properties.get("listTitle")) or text_of(properties.get("selectedListUrl")) or list_id
            href = site.list_table(list_id)
            if href is None:
                yield f'<p>{text(title)} <span class="absent">[not in this copy]</span></p>'
            else:
                yield f"<p><a href={attribute(href)}>{text(title)}</a></p>"
            return


def _entries(data: JsonObject, site: Site) -> Iterator[str]:
    """Texts, images and links of a part; those of one entry (`items[3].…`) together."""
    content = object_of(data.get("serverProcessedContent"))
    groups: dict[str, dict[str, list[tuple[str, str]]]] = {}
    for name in ("searchablePlainTexts", "htmlStrings", "imageSources", "links"):
        for key, value in _pairs(content.get(name)):
            found = _GROUP.match(key)
            groups.setdefault(found[1] if found else "", {}).setdefault(name, []).append((key, value))
    described = text_of(object_of(data.get("properties")).get("altText")) or ""
    yield _entry(groups.pop("", {}), described, site)
    if groups:
        entries = [f"<li>{_entry(group, '', site)}</li>" for group in groups.values()]
        yield f"<ul>{''.join(entries)}</ul>"


def _entry(group: dict[str, list[tuple[str, str]]], described: str, site: Site) -> str:
    texts = group.get("searchablePlainTexts", [])
    title = next((value for key, value in texts if _TITLES.search(key)), "")
    links = [(value, link(value, site)) for _, value in group.get("links", [])]
    href = next((attributes for _, attributes in links if attributes is not None), None)
    parts = [image(value, described or title, site) for _, value in group.get("imageSources", [])]
    if title:
        parts.append(f"<a {href}>{text(title)}</a>" if href is not None else f"<strong>{text(title)}</strong>")
    parts += [f"<p>{text(value)}</p>" for _, value in texts if value != title]
    parts += [f"<div>{sanitised(value, site)}</div>" for _, value in group.get("htmlStrings", [])]
    for value, attributes in links:
        if attributes is None:
            parts.append(f'<p class="address">{text(value)}</p>')
        elif attributes != href or not title:
            parts.append(f'<p class="address"><a {attributes}>{text(value)}</a></p>')
    return "".join(parts)


def _pairs(served: object) -> Iterator[tuple[str, str]]:
    """Key and text of each entry: Graph serves lists of pairs, SharePoint's own JSON objects."""
    if isinstance(served, dict):
        yield from ((key, value) for key, value in served.items() if isinstance(value, str) and value)
    for pair in objects_of(served):
        key, value = text_of(pair.get("key")) or "", text_of(pair.get("value"))
        if value:
            yield key, value
