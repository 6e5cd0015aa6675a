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
from exporters.mail.compose.parsing import Entity
from exporters.mail.compose.payloads import decoded

_CUSTOMARY = ("this is a", "mime", "multi", "if you", "content-type: text/plain")
_SHORT_PREAMBLE = 400


@dataclass(slots=True)
class Body:
    """One body: its plain text, its HTML, or both. `part`: where it comes from, if that is a single part."""

    text: str | None = None
    html: str | None = None
    part: Entity | None = None

    @property
    def blank(self) -> bool:
        """Whether nothing is to be seen."""
        return not (self.text or "").strip() and not (self.html or "").strip()


@dataclass(slots=True)
class Contents:
    """A mail's bodies in order, and the parts that are attachments in order."""

    bodies: list[Body] = field(default_factory=list)
    files: list[Entity] = field(default_factory=list)


def contents(root: Entity, losses: Losses) -> Contents:
    """Take a message apart."""
    found = Contents()
    if not root.parts and root.get_content_maintype() != "multipart":
        if root.get_content_type() in ("text/plain", "text/html") and root.disposition.head != "attachment":
            found.bodies.append(_leaf(root, losses))
        else:
            found.files.append(root)
        return found
    _walk(root, found, losses)
    return found


def joined(found: Contents, losses: Losses) -> Body:
    """One body of all: text always (LF or CRLF line ends; None only without any body), HTML if any part has it."""
    bodies = [body for body in found.bodies if not body.blank] or found.bodies[:1]
    if not bodies:
        return Body()
    if len(bodies) == 1:
        body = bodies[0]
        if body.text is None and body.html is not None:
            return Body(html.rendered(body.html), body.html, body.part)
        return body
    losses.add("body-joined", f"{len(bodies)} text parts")
    texts = [body.text if body.text is not None else html.rendered(body.html or "") for body in bodies]
    text = "".join(piece if piece.endswith("\n") else piece + "\r\n" for piece in texts[:-1]) + texts[-1]
    if all(body.html is None for body in bodies):
        return Body(text)
    shown = [body.html if body.html is not None else html.from_text(body.text or "") for body in bodies]
    first = next((body.part for body in bodies if body.html is not None), None)
    return Body(text, html.joined(shown), first)


def _walk(part: Entity, found: Contents, losses: Losses) -> None:
    kind = part.get_content_type()
    if not kind.startswith("multipart/"):
        if _is_body(part, kind):
            found.bodies.append(_leaf(part, losses))
        else:
            found.files.append(part)
        return
    if not part.parts:
        _unreadable(part, found, losses)
        return
    _outside(part, losses)
    if kind == "multipart/alternative":
        _alternative(part, found, losses)
    elif kind == "multipart/related":
        _related(part, found, losses)
    else:
        if kind == "multipart/signed" and part.number:
            losses.add("signature-detached", part.content_type.plain("protocol"))
        for child in part.parts:
            _walk(child, found, losses)


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
        return Body(None, html.text_of(data, label, losses, "HTML body"), part)
    return Body(decode(data, label, losses, "text body"), None, part)


def _unreadable(part: Entity, found: Contents, losses: Losses) -> None:
    """A multipart in which `email` found no parts: what is there is shown as text."""
    if part.text.strip():
        losses.add("structure-unreadable", part.get_content_type())
        data = part.text.encode("ascii", "surrogateescape")
        found.bodies.append(Body(decode(data, "", losses, "text body"), None, part))


def _outside(part: Entity, losses: Losses) -> None:
    preamble, epilogue = part.preamble, part.epilogue
    if preamble and preamble.strip():
        start = preamble.strip()[:80].lower()
        if len(preamble) > _SHORT_PREAMBLE or not any(words in start for words in _CUSTOMARY):
            losses.add("outside-parts", f"before the first part: {start[:40]!a}")
    if epilogue and epilogue.strip():
        losses.add("outside-parts", f"after the last part: {epilogue.strip()[:40]!a}")


def _alternative(part: Entity, found: Contents, losses: Losses) -> None:
    text: Body | None = None
    shown: Body | None = None
    for child in part.parts:
        inner = Contents()
        _walk(child, inner, losses)
        found.files.extend(inner.files)
        if not inner.bodies:
            continue
        body = inner.bodies[0] if len(inner.bodies) == 1 else joined(inner, losses)
        if body.html is None:
            _displace(text, found, losses)
            text = body
        else:
            _displace(shown, found, losses)
            shown = body
    if shown is None and text is None:
        return
    if shown is None:
        found.bodies.append(text or Body())
    elif text is None:
        found.bodies.append(shown)
    else:
        found.bodies.append(Body(text.text, shown.html, shown.part))


def _displace(body: Body | None, found: Contents, losses: Losses) -> None:
    if body is None or body.blank:
        return
    if body.part is not None and not body.part.parts:
        losses.add("alternative-attached", body.part.get_content_type())
        found.files.append(body.part)
    else:
        found.bodies.append(body)


def _related(part: Entity, found: Contents, losses: Losses) -> None:
    start = part.content_type.plain("start").strip("<> ")
    children = part.parts
    root = children[0]
    if start:
        for child in children:
            if child.fields.get("content-id", "").strip("<> \t\r\n") == start:
                root = child
                break
    _walk(root, found, losses)
    for child in children:
        if child is root:
            continue
        if child.get_content_maintype() == "text" and (
            "content-id" in child.fields or "content-location" in child.fields
        ):
            found.files.append(child)
        else:
            _walk(child, found, losses)
