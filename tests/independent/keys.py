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


class Places:
    """Places that are held below `data/files`, and the keys that new items get, in the order the documents ask for."""

    def __init__(self, prefix: str = "data/files") -> None:
        self.prefix = prefix
        self.held: dict[str, set[str]] = {}  # folded place -> spellings held
        self.folders: dict[str, str] = {}  # id of a folder -> its place

    def hold(self, key: str) -> None:
        """Hold a key and each folder above it."""
        parts = key.split("/")
        for n in range(1, len(parts) + 1):
            place = "/".join(parts[:n])
            self.held.setdefault(fold(place), set()).add(place)

    def folder(self, item_id: str, name: str, parent: str) -> str:
        """Place of a folder below its parent's place; held from now on."""
        part = component(name, item_id)
        place = f"{parent}/{part}"
        if self.held.get(fold(place), {place}) != {place}:
            place = f"{parent}/{changed(name, item_id)}"
        self.hold(place)
        self.folders[item_id] = place
        return place


def plain_key(names: list[tuple[str, str]], prefix: str = "data/files") -> str:
    """The key of [(name, id), …] from below the root to the item, when no place is held by another spelling."""
    key = prefix + "/" + "/".join(component(name, item_id) for name, item_id in names)
    if too_long(key):
        name, item_id = names[-1]
        return f"{prefix}/{changed(name, item_id)}"
    return key


def allowed_components(name: str, item_id: str) -> set[str]:
    """All that a name may become: as it is, where it can stand, and changed (of twins either may hold the plain place)."""
    return {component(name, item_id), changed(name, item_id)}
