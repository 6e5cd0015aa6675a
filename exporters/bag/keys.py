"""From names as served to keys of the store: decisions without I/O.

Rules of this file: a component stands as served wherever it can; what cannot stand becomes
`<start>~<12 hex of the SHA-256 of the id><extension>`; nothing that a tenant can name leaves its place; the same names
and ids give the same keys on every store and system. Source: design §4 (keys), docs/formats.md.
"""

import hashlib
import re
import unicodedata

COMPONENT_BYTES = 255
KEY_BYTES = 700
START_BYTES = 180
EXTENSION_CHARACTERS = 12

_REFUSED_CHARACTER = re.compile(r"[/%\\]")
_REFUSED_CATEGORIES = frozenset({"Cc", "Cs", "Zl", "Zp"})
_DEVICE = re.compile(r"(con|prn|aux|nul|conin\$|conout\$|com[0-9¹²³]|lpt[0-9¹²³])", re.IGNORECASE)


def folded(key: str) -> str:
    """The form in which places are compared: NFC, case folding, NFC."""
    if key.isascii():
        return key.lower()
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", key).casefold())


def is_refused_character(c: str) -> bool:
    """Whether a component that holds `c` cannot stand."""
    if c.isascii() and c.isprintable():
        return c in "/%\\"
    return unicodedata.category(c) in _REFUSED_CATEGORIES


def stands(component: str) -> bool:
    """Whether a component can stand as served (whether its place is free is another question)."""
    if component in {"", ".", ".."} or component[-1] == "." or component[-1].isspace():
        return False
    if component.isascii() and component.isprintable():
        if _REFUSED_CHARACTER.search(component):
            return False
    elif any(is_refused_character(c) for c in component):
        return False
    if _DEVICE.fullmatch(component.split(".", 1)[0].rstrip()):
        return False
    return len(component) <= COMPONENT_BYTES and len(component.encode()) <= COMPONENT_BYTES


def changed(component: str, item_id: str) -> str:
    """The form that a component takes when it cannot stand, or its place is held."""
    stem, extension = _split_extension(component)
    for position, c in enumerate(stem):
        if is_refused_character(c):
            stem = stem[:position]
            break
    stem = _cut(stem, START_BYTES)
    while stem and (stem[-1] == "." or stem[-1].isspace()):
        stem = stem[:-1]
    digest = hashlib.sha256(item_id.encode("utf-8", "surrogatepass")).hexdigest()[:12]
    return f"{stem}~{digest}{extension}"


def component_for(name: str, item_id: str) -> str:
    """`name` if it can stand, else its changed form."""
    return name if stands(name) else changed(name, item_id)


def fitted(prefix: str, path: str, name: str, item_id: str) -> str:
    """Key `prefix/path`, or, over 700 bytes, `prefix/` and the changed last component. `path`: components joined by `/`."""
    key = f"{prefix}/{path}"
    if len(key.encode()) <= KEY_BYTES:
        return key
    return f"{prefix}/{changed(name, item_id)}"


def _split_extension(component: str) -> tuple[str, str]:
    dot = component.rfind(".")
    if dot <= 0:
        return component, ""
    extension = component[dot:]
    if len(extension) == 1:
        return component[:dot], ""
    if len(extension) > EXTENSION_CHARACTERS:
        return component, ""
    if any(is_refused_character(c) or c.isspace() for c in extension):
        return component[:dot], ""
    return component[:dot], extension


def _cut(text: str, most_bytes: int) -> str:
    """The longest start of `text` of at most so many bytes, cut between code points."""
    encoded = text.encode("utf-8", "surrogatepass")
    if len(encoded) <= most_bytes:
        return text
    return encoded[:most_bytes].decode("utf-8", "ignore")
