"""The folders of a mailbox, as rows tell of them → the folders of its PST.

Rules of this file: decisions without I/O, but for `create`. A folder is its id (Q-069): twins are kept apart by ` (2)`, and what
cannot stand in a PST (too long, too deep, without a name) is changed, never left out; the path as it was becomes its
comment then. Folders are held in memory, items are not. The same rows give the same folders, in the same order.
Source: reference/mapi-mapping.md §5; [MS-PST] 2.4.4.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from exporters.bag.formats import JsonObject
from exporters.pst import Folder, Writer

MAX_NAME = 255
"""UTF-16 units of a name that Outlook shows."""
DEEPEST = 200
"""Folders inside each other; libpff opens no file with more than 250."""
HIDDEN, RECOVERABLE, ARCHIVE = "Hidden folders", "Recoverable Items", "In-Place Archive"
CONVERSATIONS, LOST = "Conversations", "Items without a folder"
SENT = "sentitems"
_DELETED_ITEMS = "Deleted Items"
_CONTAINERS = {"contacts": "IPF.Contact", "calendar": "IPF.Appointment", "tasks": "IPF.Task"}
_DEFAULT_NAMES = {"contacts": "Contacts", "calendar": "Calendar", "tasks": "Tasks"}
_MAIL = "IPF.Note"
_EXPORTED_ONLY = ("ipf.stickynote", "ipf.journal")
_DEFAULTS = frozenset({"contacts", "calendar", "tasks", "defaultlist"})
_TOP, _RECOVERABLE_ROOT = "msgfolderroot", "recoverableitemsroot"
_ARCHIVES = ("archivemsgfolderroot", "archiveroot", "archiveinbox", "archivedeleteditems", "archiverecoverableitems")
VIEWS = frozenset({"search", "flagged", "shared_calendar"})
"""Classes of folders that hold nothing of their own."""
MADE = "*"
"""The scope of folders that no row tells of."""

Key = tuple[str, str]
"""(scope, id) of a folder's row."""


@dataclass(frozen=True, slots=True)
class Place:
    """One folder of the PST. path: names below its top. ordinal: its place in the order of paths, 0 for the top."""

    ordinal: int
    path: tuple[str, ...]
    container_class: str
    comment: str
    well_known: str
    name: str
    """As in the mailbox."""

    @property
    def shown(self) -> str:
        """The path as rows and `parts.json` write it."""
        return "/" + "/".join(self.path)


@dataclass(slots=True)
class _Node:
    key: Key
    name: str
    container_class: str = _MAIL
    original: str = ""
    well_known: str = ""
    is_hidden: bool = False
    is_needed: bool = True
    parent: "_Node | None" = None
    children: list["_Node"] = field(default_factory=list)
    depth: int = -1
    stored: str = ""


class Tree:
    """All folders of one PST. rows: those of kind `folder` that are not gone, in any order. archives: scopes of rows of archives.
    holding: folders in which there are items. has_strays: whether there are items whose folder has no row."""

    def __init__(
        self,
        rows: Iterable[JsonObject],
        *,
        archives: Collection[str] = (),
        holding: Collection[Key] = (),
        has_strays: bool = False,
    ) -> None:
        self._archives = archives
        self._top = _Node((MADE, ""), "", container_class="", original="/")
        self._made: dict[str, _Node] = {}
        self._nodes: dict[Key, _Node] = {}
        self._there: dict[tuple[Key, str], _Node] = {}  # by the folder that it is in at the source, and its name
        self._defaults: dict[str, _Node] = {}
        self._deleted_items: _Node | None = None
        self.losses: dict[str, int] = {}
        """Folders whose name or place is another than in the mailbox, by code."""
        ordered = sorted(rows, key=lambda row: (row["scope"], row["id"]))
        self._hang([row for row in ordered if row["scope"] == "" or row["scope"] in archives])
        self._join([row for row in ordered if row["scope"] != "" and row["scope"] not in archives], holding)
        if has_strays:
            self._folder(LOST)
        self._measure()
        self._name()
        self.places: list[Place] = []
        self._by_key: dict[Key, Place] = {}
        self._number()

    def of(self, scope: str, folder_id: str | None) -> Place:
        """Where the items of a folder go; what is in none that we know goes into one of its own (or the top)."""
        return self._by_key.get((scope, folder_id or "")) or self._by_key.get((MADE, LOST)) or self.places[0]

    def create(self, writer: Writer) -> list[Folder]:
        """Add all folders to a PST; the folder of each ordinal. Raises: PstError."""
        folders: list[Folder] = []
        by_path: dict[tuple[str, ...], Folder] = {}
        for place in self.places:
            if not place.path:
                folder = writer.top
            elif place.path == (_DELETED_ITEMS,):
                folder = writer.deleted_items
            else:
                folder = writer.add_folder(
                    by_path[place.path[:-1]],
                    place.path[-1],
                    container_class=place.container_class,
                    comment=place.comment,
                )
            by_path[place.path] = folder
            folders.append(folder)
        return folders

    # -- where each hangs -------------------------------------------------------------------------------------------

    def _hang(self, rows: list[JsonObject]) -> None:
        """Each folder below another: the one that its row names, or where what is outside of the mailbox's tree goes."""
        known: list[tuple[_Node, JsonObject]] = []
        for row in rows:
            if _service(row).get("class") not in VIEWS:
                node = self._nodes[row["scope"], row["id"]] = self._node(row)
                known.append((node, row))
        for node, row in known:
            if node is not self._top:
                above = self._nodes.get((row["scope"], row.get("parent") or ""))
                node.parent = None if above is node else above
                self._there.setdefault((node.parent.key if node.parent else self._top.key, node.name), node)
        hidden = [node for node, _ in known if node.is_hidden and not _is_apart(node)]
        for node in hidden:
            node.parent = self._folder(HIDDEN)
        for node, row in known:
            if node is self._deleted_items:
                node.parent = self._top
            elif node is not self._top and node.parent is None:
                node.parent = self._outside(node, _service(row))
        for node, _ in known:
            if node.parent is not None:
                node.parent.children.append(node)

    def _join(self, rows: list[JsonObject], holding: Collection[Key]) -> None:
        """Folders of the mailbox as the export API tells of them, by other ids: those of the same name in the same place are the
        same. Others are made where they hold something, or are of a class that only this API tells of (notes, journal)."""
        by_key = {(row["scope"], row["id"]): row for row in rows}
        known = {node.well_known: node for node in self._nodes.values() if node.well_known and node.key[0] == ""}
        for key in by_key:
            chain = [key]  # what has no node yet, from the folder up
            while (above := (key[0], by_key[chain[-1]].get("parent") or "")) in by_key and above not in chain:
                chain.append(above)
            node = self._top
            for one in reversed(chain):
                if one not in self._nodes:
                    self._nodes[one] = self._same(node, by_key[one], known) or self._beside(node, by_key[one])
                node = self._nodes[one]
        self._prune({key for key in by_key if self._nodes[key].key == key}, by_key, holding)

    def _same(self, above: _Node, row: JsonObject, known: Mapping[str, _Node]) -> _Node | None:
        well_known = str(_service(row).get("wellKnownName") or "").casefold()
        return known.get(well_known) or self._there.get((above.key, str(row.get("name") or "")))

    def _beside(self, above: _Node, row: JsonObject) -> _Node:
        node = self._node(row)
        node.parent = above
        above.children.append(node)
        return node

    def _prune(self, made: set[Key], by_key: Mapping[Key, JsonObject], holding: Collection[Key]) -> None:
        """Leave out what was made for nothing."""
        for key in made:
            node = self._nodes[key]
            is_own = node.container_class.lower().startswith(_EXPORTED_ONLY)
            node.is_needed = is_own or key in holding
        for key in made:
            node = self._nodes[key]
            while node.is_needed and node.parent is not None and not node.parent.is_needed:
                node = node.parent
                node.is_needed = True
        for key in made:
            node = self._nodes[key]
            if not node.is_needed and node.parent is not None:
                node.parent.children.remove(node)
                del self._nodes[key]

    def _node(self, row: JsonObject) -> _Node:
        service = _service(row)
        well_known = str(service.get("wellKnownName") or "").casefold()
        if row["scope"] == "" and well_known == _TOP:
            return self._top
        of = str(service.get("class"))
        container = service.get("containerClass") or service.get("type")
        if not isinstance(container, str) or not container.upper().startswith("IPF"):
            container = _CONTAINERS.get(of, _MAIL)
        key, path = (str(row["scope"]), str(row["id"])), str(row.get("path") or "")
        is_hidden = service.get("isHidden") is True and row["scope"] == ""
        node = _Node(key, str(row.get("name") or ""), _storable(container), path, well_known, is_hidden)
        if of in _CONTAINERS and (well_known in _DEFAULTS or service.get("isDefault") is True):
            node.name = node.name or _DEFAULT_NAMES[of]
            self._defaults.setdefault(of, node)
        if well_known == "deleteditems" and row["scope"] == "" and self._deleted_items is None:
            self._deleted_items = node
        return node

    def _outside(self, node: _Node, service: Mapping[str, Any]) -> _Node:
        """Where a folder goes whose row names none that it is in."""
        of, name = str(service.get("class")), node.well_known
        if of == "threads":
            return self._folder(CONVERSATIONS)
        if node.key[0] in self._archives or name.startswith(_ARCHIVES):
            return self._folder(ARCHIVE)
        if name.startswith("recoverableitems") and name != _RECOVERABLE_ROOT:
            return self._folder(RECOVERABLE)
        default = self._defaults.get(of)
        return self._top if default is None or default is node else default

    def _folder(self, name: str) -> _Node:
        """A folder below the top that no row tells of."""
        if name not in self._made:
            node = self._made[name] = _Node((MADE, name), name, original="/" + name, parent=self._top)
            self._top.children.append(node)
        return self._made[name]

    # -- what each is called ----------------------------------------------------------------------------------------

    def _measure(self) -> None:
        """Depths; what would be too deep hangs beside what it is in, and what is inside itself hangs on the top."""
        reached = {self._top.key}
        self._top.depth = 0
        waiting = [self._top]
        strays = iter(sorted(self._nodes.values(), key=lambda node: node.key))
        while True:
            while waiting:
                node = waiting.pop()
                for child in list(node.children):
                    reached.add(child.key)
                    above = node
                    if node.depth >= DEEPEST and node.parent is not None:
                        above = node.parent
                        node.children.remove(child)
                        above.children.append(child)
                        child.parent = above
                        self._lose("folder-depth")
                    child.depth = above.depth + 1
                    waiting.append(child)
            stray = next((node for node in strays if node is not self._top and node.key not in reached), None)
            if stray is None:
                return
            if stray.parent is not None:
                stray.parent.children.remove(stray)
            stray.parent, stray.depth = self._top, 1
            self._top.children.append(stray)
            reached.add(stray.key)
            waiting.append(stray)

    def _name(self) -> None:
        """A name for each that no sibling has, case apart: the first keeps its own, as far as a PST can hold it."""
        waiting = [self._top]
        while waiting:
            above = waiting.pop()
            siblings = sorted(above.children, key=lambda node: (_storable(node.name).encode(), node.key))
            taken: dict[str, _Node] = {_DELETED_ITEMS.lower(): self._top} if above is self._top else {}
            twins: list[_Node] = []
            for node in siblings:
                node.stored = _DELETED_ITEMS if node is self._deleted_items else _fitting(node.name)
                if node is self._deleted_items or node.stored.lower() not in taken:
                    taken[node.stored.lower()] = node
                else:
                    twins.append(node)
            for node in twins:
                number = 2
                while (name := _fitting(node.name, f" ({number})")).lower() in taken:
                    number += 1
                node.stored = name
                taken[name.lower()] = node
            for node in siblings:
                if node.stored != node.name:
                    self._lose("folder-renamed")
            waiting += siblings

    def _lose(self, code: str) -> None:
        self.losses[code] = self.losses.get(code, 0) + 1

    def _number(self) -> None:
        """The order of paths: a folder before those in it, siblings by name."""
        waiting: list[tuple[_Node, tuple[str, ...]]] = [(self._top, ())]
        while waiting:
            node, path = waiting.pop()
            was = node.original or "/" + "/".join(path)
            shown = "/" + "/".join(path)
            comment = "" if was == shown else _storable(was)
            place = Place(len(self.places), path, node.container_class, comment, node.well_known, node.name)
            self.places.append(place)
            self._by_key[node.key] = place
            below = sorted(node.children, key=lambda child: child.stored.encode(), reverse=True)
            waiting += [(child, (*path, child.stored)) for child in below]
        for key, node in self._nodes.items():
            self._by_key[key] = self._by_key[node.key]


def _service(row: Mapping[str, Any]) -> Mapping[str, Any]:
    service = row.get("service")
    return service if isinstance(service, Mapping) else {}


def _is_apart(node: _Node) -> bool:
    """Whether a folder is (in) one that stands apart from what people see anyway: there, a hidden one stays where it is."""
    seen = {node.key}
    if node.well_known.startswith(("recoverableitems", *_ARCHIVES)):
        return True
    while node.parent is not None and node.parent.key not in seen:
        node = node.parent
        seen.add(node.key)
        if node.well_known.startswith(("recoverableitems", *_ARCHIVES)) or node.is_hidden:
            return True
    return False


def _storable(text: str) -> str:
    """Text as a PST can hold it: no control characters, no lone surrogates."""
    return "".join("\ufffd" if c < " " or "\x7f" <= c <= "\x9f" or "\ud800" <= c <= "\udfff" else c for c in text)


def _fitting(name: str, tail: str = "") -> str:
    """The name with its tail, cut to what a PST can hold."""
    text = _storable(name) or "Folder"
    encoded = text.encode("utf-16-le")
    room = (MAX_NAME - len(tail)) * 2
    if len(encoded) > room:
        text = encoded[:room].decode("utf-16-le", "ignore")
    return text + tail
