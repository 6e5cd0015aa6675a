"""A small tenant with one site and its pages, in the tenant-data format.

Rules of this file: standard library only; the same call gives the same bytes.
"""

import json
import uuid
from collections.abc import Iterable
from pathlib import Path
from typing import Any

Row = dict[str, Any]
HOST = "tiny.example"
URL = f"https://{HOST}/sites/wall"
SITE = f"{HOST},00000000-0000-4000-8000-00000000000a,00000000-0000-4000-8000-00000000000b"
AT = "2025-06-01T10:00:00Z"
IMAGE = "d1d91016-032f-456d-98a4-721247c305e8"


def text_part(html: str) -> Row:
    return {"@odata.type": "#microsoft.graph.textWebPart", "id": "t", "innerHtml": html}


def part(kind: str, title: str, properties: Row | None = None, **content: Any) -> Row:
    """A standard web part. content: of its serverProcessedContent."""
    data = {"dataVersion": "1.0", "title": title, "properties": properties or {}, "serverProcessedContent": content}
    return {"@odata.type": "#microsoft.graph.standardWebPart", "id": "s", "webPartType": kind, "data": data}


def image_part(address: str, alt: str = "a wall") -> Row:
    return part(IMAGE, "Image", {"altText": alt}, imageSources=[{"key": "imageSource", "value": address}])


def canvas(*parts: Row) -> Row:
    """One section with one column."""
    column = {"id": "1", "width": 12, "webparts": list(parts)}
    return {"horizontalSections": [{"id": "1", "layout": "oneColumn", "columns": [column]}], "verticalSection": None}


def page(number: int, name: str, *parts: Row, **more: Any) -> Row:
    """A row of `pages.jsonl`."""
    page_id = str(uuid.uuid5(uuid.NAMESPACE_OID, str(number)))
    return {
        "@odata.type": "#microsoft.graph.sitePage",
        "id": page_id,
        "eTag": f'"{{{page_id.upper()}}},1"',
        "name": name,
        "title": f"Title of {name}",
        "webUrl": f"{URL}/SitePages/{name}",
        "pageLayout": "article",
        "createdDateTime": AT,
        "lastModifiedDateTime": AT,
        "createdBy": {"user": {"displayName": "Ada", "email": "ada@tiny.example"}},
        "canvasLayout": canvas(*(parts or (text_part(f"<p>Text of {name}</p>"),))),
        **more,
    }


def write_tenant(out: Path, pages: Iterable[Row]) -> Path:
    """The tenant; returns its folder."""
    folder = out / "sites/s0000"
    folder.mkdir(parents=True)
    info = {
        "format": 1,
        "tenantId": "00000000-1111-4222-8333-444444444444",
        "domain": "tiny.onmicrosoft.example",
        "sharepointHost": HOST,
        "now": "2026-01-01T00:00:00Z",
        "timeZones": {},
    }
    (out / "tenant.json").write_text(json.dumps(info))
    site = {"id": SITE, "name": "wall", "webUrl": URL, "_dir": "sites/s0000", "_parent": None, "_drives": []}
    for name, rows in (("users", []), ("groups", []), ("sites", [site]), ("sites/s0000/pages", list(pages))):
        (out / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return out
