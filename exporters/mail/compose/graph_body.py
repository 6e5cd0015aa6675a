"""The body of an item of Graph, and lines that have no property and are put at its end.

Rules of this file: pure; a body may be null, or lack its type (Q-078). HTML is kept as it is, in UTF-8; a text rendering stands
beside it for search. Source: reference/mapi-mapping.md §1.6, §4.1 (checklist); quirks.md Q-078.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from exporters.mail.compose import html
from exporters.mail.compose.graph_item import Item, mapping
from exporters.mail.compose.headers import with_crlf

BODY, HTML, CODEPAGE, NATIVE = 0x1000001F, 0x10130102, 0x3FDE0003, 0x10160003
_UTF_8 = 65001
_BODY_END = re.compile(r"</body\s*>", re.IGNORECASE)


@dataclass(frozen=True)
class GraphBody:
    """A body: HTML or text; both may be empty."""

    text: str = ""
    html: str = ""

    @property
    def rendered(self) -> str:
        """As plain text."""
        return html.rendered(self.html) if self.html else self.text

    def with_lines(self, lines: Sequence[str]) -> "GraphBody":
        """With lines at its end, below an empty one."""
        if not lines:
            return self
        if not self.html:
            above = self.text.rstrip("\r\n")
            return GraphBody("\n".join(((above, "") if above else ()) + tuple(lines)))
        added = f"<br>{html.from_text(chr(10).join(lines))}"
        ends = list(_BODY_END.finditer(self.html))
        at = ends[-1].start() if ends else len(self.html)
        return GraphBody("", self.html[:at] + added + self.html[at:])


def body_of(item: Item, value: object) -> GraphBody:
    """The body that an `itemBody` is; an empty one for null."""
    found = mapping(value)
    content = item.text(found.get("content"), "body")
    if not content.strip():
        return GraphBody()
    if item.line(found.get("contentType")).lower() == "html":
        return GraphBody("", content)
    return GraphBody(content)


def set_body(item: Item, body: GraphBody) -> None:
    """Set the properties of a body."""
    item.tag(BODY, with_crlf(body.rendered))
    item.tag(CODEPAGE, _UTF_8)
    if body.html:  # libpff refuses an empty binary value
        item.tag(HTML, html.stored(body.html))
    item.tag(NATIVE, 3 if body.html else 1)
