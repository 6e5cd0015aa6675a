"""Which parts of a mail are its body, and which are attachments.

Rules of this file: every part becomes one or the other, in order; none is left out. A part is body if it is text/plain or
text/html and neither says attachment nor has a name (the only part of a mail may have one). In multipart/alternative the last
HTML and the last plain text win; what they displace becomes an attachment. Several bodies one after the other are joined.
Source: reference/mapi-mapping.md §1.6 (order, several text parts); RFC 2046 section 5.1; RFC 2387 (root of multipart/related).
"""

from dataclasses import dataclass, field

from exporters.mail.compose import html
from exporters.mail.compose.charsets import decode
from exporters.mail.compose.losses import Losses
from exporters.mail.compose.parsing import Entity, Source
from exporters.mail.compose.payloads import decoded

_CUSTOMARY = ("this is a", "mime", "multi", "if you", "content-type: text/plain")
_SHORT_PREAMBLE = 400


@dataclass(slots=True)
class Body:
    """One body: its plain text, its HTML, or both, and the parts that they come from, if each is a single one."""

    text: str | None = None
    html: str | None = None
    text_part: Entity | None = None
    html_part: Entity | None = None

    @property
    def blank(self) -> bool:
        """Whether nothing is to be seen."""
        return not (self.text or "").strip() and not (self.html or "").strip()


@dataclass(slots=True)
class Contents:
    """A mail's bodies in order, and the parts that are attachments in order."""

    bodies: list[Body] = field(default_factory=list)
    files: list[Entity] = field(default_factory=list)


def contents(source: Source, root: Entity, losses: Losses) -> Contents:
    """Take a message (or a part, as one) of this source apart."""
    found = Contents()
    if not root.parts and root.get_content_maintype() != "multipart":
        if root.get_content_type() in ("text/plain", "text/html") and root.disposition.head != "attachment":
            found.bodies.append(_leaf(root, losses))
        else:
            found.files.append(root)
        return found
    _Walk(source, losses).walk(root, found)
    return found


def joined(found: Contents, losses: Losses) -> Body:
    """One body of all: text always (LF or CRLF line ends; None only without any body), HTML if any part has it."""
    bodies = [body for body in found.bodies if not body.blank] or found.bodies[:1]
    if not bodies:
        return Body()
    if len(bodies) == 1:
        body = bodies[0]
        if body.text is None and body.html is not None:
            return Body(html.rendered(body.html), body.html, None, body.html_part)
        return body
    losses.add("body-joined", f"{len(bodies)} text parts")
    texts = [body.text if body.text is not None else html.rendered(body.html or "") for body in bodies]
    text = "".join(piece if piece.endswith("\n") else piece + "\r\n" for piece in texts[:-1]) + texts[-1]
    if all(body.html is None for body in bodies):
        return Body(text)
    shown = [body.html if body.html is not None else html.from_text(body.text or "") for body in bodies]
    first = next((body.html_part for body in bodies if body.html is not None), None)
    return Body(text, html.joined(shown), None, first)


class _Walk:
    """Goes over the parts of one message."""

    def __init__(self, source: Source, losses: Losses) -> None:
        self._source = source
        self._losses = losses

    def walk(self, part: Entity, found: Contents) -> None:
        kind = part.get_content_type()
        if not kind.startswith("multipart/"):
            if _is_body(part, kind):
                found.bodies.append(_leaf(part, self._losses))
            else:
                found.files.append(part)
            return
        if not part.parts:
            self._unreadable(part, found)
            return
        _outside(part, self._losses)
        if kind == "multipart/alternative":
            self._alternative(part, found)
        elif kind == "multipart/related":
            self._related(part, found)
        else:
            if kind == "multipart/signed" and part.number:
                self._losses.add("signature-detached", part.content_type.plain("protocol"))
            for child in part.parts:
                self.walk(child, found)

    def _unreadable(self, part: Entity, found: Contents) -> None:
        """A multipart in which `email` found no parts: all that is there is shown as text (`email` drops what follows an end)."""
        data = self._source.body(part)
        if data.strip():
            self._losses.add("structure-unreadable", part.get_content_type())
            found.bodies.append(Body(decode(data, "", self._losses, "text body"), None))

    def _alternative(self, part: Entity, found: Contents) -> None:
        text: Body | None = None
        shown: Body | None = None
        for child in part.parts:
            inner = Contents()
            self.walk(child, inner)
            found.files.extend(inner.files)
            if not inner.bodies:
                continue
            body = inner.bodies[0]
            if len(inner.bodies) > 1:
                body = joined(inner, self._losses)
                if body.html is not None:  # shows the texts, too
                    body = Body(None, body.html, None, body.html_part)
            if body.html is None:
                self._displace(text, found)
                text = body
            else:
                self._displace(shown, found)
                shown = body
        if shown is None and text is None:
            return
        if shown is None:
            found.bodies.append(text or Body())
        elif text is None:
            found.bodies.append(shown)
        else:
            if shown.text is not None:
                self._displace(Body(shown.text, None, shown.text_part), found)
            found.bodies.append(Body(text.text, shown.html, text.text_part, shown.html_part))

    def _displace(self, body: Body | None, found: Contents) -> None:
        """What another part of the alternative replaces: attached if it is parts of its own, else shown as well."""
        if body is None or body.blank:
            return
        parts = [
            part
            for content, part in ((body.text, body.text_part), (body.html, body.html_part))
            if content is not None and content.strip()
        ]
        known = [part for part in parts if part is not None]
        if len(known) < len(parts):
            found.bodies.append(body)
            return
        for part in known:
            self._losses.add("alternative-attached", part.get_content_type())
            found.files.append(part)

    def _related(self, part: Entity, found: Contents) -> None:
        start = part.content_type.plain("start").strip("<> ")
        children = part.parts
        root = children[0]
        if start:
            for child in children:
                if child.fields.get("content-id", "").strip("<> \t\r\n") == start:
                    root = child
                    break
        self.walk(root, found)
        for child in children:
            if child is root:
                continue
            if child.get_content_maintype() == "text" and (
                "content-id" in child.fields or "content-location" in child.fields
            ):
                found.files.append(child)
            else:
                self.walk(child, found)


def _is_body(part: Entity, kind: str) -> bool:
    if kind not in ("text/plain", "text/html"):
        return False
    fields = part.fields
    if "content-disposition" in fields:
        disposition = part.disposition
        if disposition.head == "attachment" or disposition.parameters.get("filename"):
            return False
    return not ("content-type" in fields and part.content_type.parameters.get("name"))


def _leaf(part: Entity, losses: Losses) -> Body:
    data = decoded(part, losses)
    label = part.content_type.plain("charset")
    if part.get_content_type() == "text/html":
        return Body(None, html.text_of(data, label, losses, "HTML body"), None, part)
    return Body(decode(data, label, losses, "text body"), None, part)


def _outside(part: Entity, losses: Losses) -> None:
    preamble, epilogue = part.preamble, part.epilogue
    if preamble and preamble.strip():
        start = preamble.strip()[:80].lower()
        if len(preamble) > _SHORT_PREAMBLE or not any(words in start for words in _CUSTOMARY):
            losses.add("outside-parts", f"before the first part: {start[:40]!a}")
    if epilogue and epilogue.strip():
        losses.add("outside-parts", f"after the last part: {epilogue.strip()[:40]!a}")
