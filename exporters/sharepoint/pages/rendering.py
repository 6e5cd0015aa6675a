"""A page as served → one HTML file that can be read in a hundred years: no script, nothing loaded from elsewhere.

Rules of this file: pure: the same page and the same links give the same bytes. Everything that comes from the tenant goes through
`sanitising`. Images lie beside it in the bag; the JSON is the record, and the file says so. Source: design §10; graph.md §5.4.
"""

from collections.abc import Iterator

from exporters.bag.formats import JsonObject
from exporters.graph.answers import number_of, object_of, objects_of, text_of
from exporters.sharepoint.pages.sanitising import attribute, image, text
from exporters.sharepoint.pages.webparts import Site, rendered

FORM = 1
"""Of the HTML: made anew, and for all pages, where it is another."""
_POLICY = "default-src 'none'; img-src 'self' data:; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
_STYLE = """
:root{color-scheme:light dark}
*{box-sizing:border-box}
body{font:100%/1.55 system-ui,-apple-system,"Segoe UI",Roboto,"Noto Sans",sans-serif;margin:0 auto;max-width:72rem;
padding:1.5rem 1rem 3rem}
header{border-bottom:2px solid;margin-bottom:1.5rem;padding-bottom:1rem}
h1{font-size:2rem;line-height:1.2;margin:.2em 0}
.above{font-size:.9rem;letter-spacing:.06em;margin:0;text-transform:uppercase}
dl{display:grid;font-size:.9rem;gap:.15rem 1rem;grid-template-columns:max-content 1fr;margin:1rem 0 0}
dt{font-weight:600}
dd{margin:0;overflow-wrap:anywhere}
section,aside{display:flex;flex-wrap:wrap;gap:1.5rem;margin:0 0 1.5rem}
aside{border-left:4px solid;padding-left:1rem}
.column{flex:1 1 16rem;min-width:min(16rem,100%);overflow-wrap:anywhere}
.w8,.w9,.w10,.w11{flex-grow:2}
.part{border:1px solid;border-radius:.4rem;margin:0 0 1rem;padding:.6rem .9rem}
.kind,.address,footer{font-size:.85rem;opacity:.8}
.kind{margin:0 0 .4rem}
.absent{font-style:italic;overflow-wrap:anywhere}
img{display:block;height:auto;margin:.4rem 0;max-width:100%}
table{border-collapse:collapse;display:block;max-width:100%;overflow-x:auto}
td,th{border:1px solid;padding:.25rem .5rem;text-align:left;vertical-align:top}
pre{overflow-x:auto;white-space:pre-wrap}
footer{border-top:1px solid;margin-top:2rem;overflow-wrap:anywhere;padding-top:.8rem}
@media print{body{font-size:10.5pt;max-width:none;padding:0}section,aside{gap:1rem}.part,img,tr{break-inside:avoid}
h1,h2,h3{break-after:avoid}a[href^="http"]::after{content:" (" attr(href) ")";font-size:.85em;overflow-wrap:anywhere}}
"""
_WIDTHS = frozenset(range(1, 13))


def render(page: JsonObject, site: Site, *, json_link: str, sha256: str) -> bytes:
    """The HTML of a page. json_link: to its JSON, from where the HTML lies; sha256: of that. Never raises."""
    title = text_of(page.get("title")) or text_of(page.get("name")) or "Page"
    body = [
        f"<header>{_above(page)}<h1>{text(title)}</h1>{_title_image(page, site)}{_facts(page)}</header>",
        f"<main>{''.join(_sections(page, site))}</main>",
        f"<footer>Made by Lastcopy from <a href={attribute(json_link)}>the page as the service gave it</a>, which is the"
        f" record (SHA-256 {text(sha256)}).</footer>",
    ]
    head = (
        '<!DOCTYPE html>\n<html>\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">\n'
        '<meta name="referrer" content="no-referrer">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{text(title)}</title>\n<style>{_STYLE}</style>\n</head>\n"
    )
    joined = "\n".join(body)
    return f"{head}<body>\n{joined}\n</body>\n</html>\n".encode("utf-8", "replace")


def _above(page: JsonObject) -> str:
    area = object_of(page.get("titleArea"))
    above = text_of(area.get("textAboveTitle")) if area.get("showTextBlockAboveTitle") else None
    kind = "News" if page.get("promotionKind") == "newsPost" else None
    return "".join(f'<p class="above">{text(one)}</p>' for one in (kind, above) if one)


def _title_image(page: JsonObject, site: Site) -> str:
    area = object_of(page.get("titleArea"))
    address = text_of(area.get("imageWebUrl"))
    return image(address, text_of(area.get("alternativeText")) or "", site) if address else ""


def _facts(page: JsonObject) -> str:
    """Who wrote it, and when."""
    state = object_of(page.get("publishingState"))
    published = " ".join(one for one in (text_of(state.get("level")), text_of(state.get("versionId"))) if one)
    told = (
        ("Author", _who(page.get("createdBy"))),
        ("Created", text_of(page.get("createdDateTime"))),
        ("Last changed by", _who(page.get("lastModifiedBy"))),
        ("Last changed", text_of(page.get("lastModifiedDateTime"))),
        ("State", published),
        ("Description", text_of(page.get("description"))),
        ("File", text_of(page.get("name"))),
        ("Address", text_of(page.get("webUrl"))),
    )
    rows = "".join(f"<dt>{name}</dt><dd>{text(value)}</dd>" for name, value in told if value)
    return f"<dl>{rows}</dl>" if rows else ""


def _who(identity: object) -> str | None:
    for kind in ("user", "group", "application"):
        found = object_of(object_of(identity).get(kind))
        name, email = text_of(found.get("displayName")), text_of(found.get("email"))
        if name or email:
            return f"{name} ({email})" if name and email else name or email
    return None


def _sections(page: JsonObject, site: Site) -> Iterator[str]:
    """Sections from above to below, then what stands beside them all."""
    canvas = object_of(page.get("canvasLayout"))
    sections = objects_of(canvas.get("horizontalSections"))
    beside = object_of(canvas.get("verticalSection"))
    for section in sections:
        columns = "".join(_column(column, site) for column in objects_of(section.get("columns")))
        if columns:
            yield f"<section>{columns}</section>"
    if parts := _parts(beside, site):
        yield f'<aside><div class="column">{parts}</div></aside>'
    if not canvas:
        yield '<p class="absent">The service gave no canvas of this page.</p>'


def _column(column: JsonObject, site: Site) -> str:
    width = number_of(column.get("width"))
    name = f"column w{width}" if width in _WIDTHS else "column"
    return f'<div class="{name}">{_parts(column, site)}</div>'


def _parts(holder: JsonObject, site: Site) -> str:
    return "".join(rendered(part, site) for part in objects_of(holder.get("webparts")))
