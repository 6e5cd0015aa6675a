"""Keys of a bag worked out a second time, from the words of design §4 and docs/formats.md alone.

Rules of this file: standard library only; imports nothing of ours, so that a mistake of the product cannot hide here too.
"""

import hashlib
import unicodedata

DEVICES = {"con", "prn", "aux", "nul", "conin$", "conout$"} | {
    f"{d}{n}" for d in ("com", "lpt") for n in "0123456789¹²³"
}


def fold(text: str) -> str:
    """What counts as the same place: NFC, case folding, NFC."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", text).casefold())


def bars(character: str) -> bool:
    """Whether a name that holds this character cannot be a component as it is."""
    return character in "/%\\" or unicodedata.category(character) in ("Cc", "Cs", "Zl", "Zp")


def may_stand(name: str) -> bool:
    """Whether a name can be a component as served."""
    if name in ("", ".", ".."):
        return False
    if name.endswith(".") or name != name.rstrip():
        return False
    if any(bars(c) for c in name):
        return False
    if fold(name.split(".", maxsplit=1)[0].rstrip()) in DEVICES:
        return False
    return len(name.encode()) <= 255


def changed(name: str, item_id: str) -> str:
    """start ~ 12 hex of the SHA-256 of the id, extension."""
    dot = name.rfind(".")
    before, extension = (name[:dot], name[dot:]) if dot > 0 else (name, "")
    if len(extension) > 12:
        before, extension = name, ""
    if len(extension) == 1 or any(bars(c) or c.isspace() for c in extension):
        extension = ""
    for at, character in enumerate(before):
        if bars(character):
            before = before[:at]
            break
    while len(before.encode("utf-8", "surrogatepass")) > 180:
        before = before[:-1]
    while before and (before[-1] == "." or before[-1].isspace()):
        before = before[:-1]
    return before + "~" + hashlib.sha256(item_id.encode("utf-8", "surrogatepass")).hexdigest()[:12] + extension


def component(name: str, item_id: str) -> str:
    """The component of a name, as long as its place is free."""
    return name if may_stand(name) else changed(name, item_id)


def too_long(key: str) -> bool:
    """Whether a key has to become its first directory and its changed last component."""
    return len(key.encode()) > 700


def is_too_long_for(names: list[tuple[str, str]], prefix: str) -> bool:
    """Whether the key of [(name, id), …] from below the root would pass 700 bytes, in its longer or its shorter form."""
    return any(
        too_long(prefix + "/" + "/".join(make(name, item_id) for name, item_id in names))
        for make in (component, changed)
    )


def allowed_components(name: str, item_id: str) -> set[str]:
    """All that a name may become: as it is, where it can stand, and changed (of twins either may hold the plain place)."""
    return {component(name, item_id), changed(name, item_id)}
