"""Ids → paths, and paths → places in the bag: decisions over the state, without I/O of the network.

Rules of this file: paths come from the tree by id, when the listing of a round has ended (Q-003, Q-004, Q-006); a name never
guesses its place from the order of pages; places are held for ever. Source: design §4 (keys), docs/formats.md (keys).
"""

import hashlib
from collections.abc import Iterator
from functools import lru_cache

from exporters.bag.formats import CHANGED
from exporters.bag.keys import changed, component_for, fitted, folded
from exporters.bag.state import State
from exporters.drive.scope import Scope

DEPTH_LIMIT = 1_000
FOLDERS_REMEMBERED = 50_000


class Tree:
    """Paths of one drive by its newest facts. Made anew for each round: it remembers."""

    def __init__(self, state: State, scope: Scope) -> None:
        self._state, self._scope, self._top = state, scope.drive, scope.path
        self._folder = lru_cache(maxsize=20_000)(self._folder_path)

    def path(self, item_id: str) -> str | None:
        """Path from the root; None if an ancestor is not known, or the item hangs in a loop."""
        node = self._state.node(self._scope, item_id)
        if node is None:
            return None
        parent, name, kind, _ = node
        if parent is None:
            return (self._top or "/") if kind == "folder" else f"{self._top}/{name}"
        above = self._folder(parent)
        return None if above is None else f"{above.rstrip('/')}/{name}"

    def _folder_path(self, item_id: str) -> str | None:
        names: list[str] = []
        at: str | None = item_id
        while at is not None:
            node = self._state.node(self._scope, at)
            if node is None or len(names) > DEPTH_LIMIT:
                return None
            if node[0] is not None:
                names.append(node[1])
            at = node[0]
        inside = "/".join(reversed(names))
        return f"{self._top}/{inside}" if inside or not self._top else self._top

    def lost(self, parent: str | None, name: str) -> str:
        """The path of an item whose place is not known."""
        return f"{self._top}/lost~{parent}/{name}"


class Places:
    """Which places of a drive are held in its bag, and by what spelling. Built from keys of the state; then kept up to date."""

    def __init__(self, state: State, scope: Scope, run_stamp: str) -> None:
        self._state, self._scope, self._stamp = state, scope.drive, run_stamp
        self._roots = scope.roots(state)
        self._files = self._roots.files
        self._folder_places: dict[str, str] = {}
        self._free: set[str] = set()  # folders that are held, in their own spelling, with all above them
        db = state.db
        db.execute(
            "CREATE TEMP TABLE IF NOT EXISTS places"
            " (folded TEXT PRIMARY KEY, exact TEXT, file INT, planned_for TEXT) WITHOUT ROWID"
        )
        db.execute("DELETE FROM places")
        last = ""
        for key in self._keys(is_alone=scope.is_alone):
            last = self._hold(key, last)
        self._keep_places_of_refused_files()

    def _keys(self, *, is_alone: bool) -> Iterator[str]:
        """Keys of the bag, in their order; of a library those that can be in its way."""
        query = "SELECT key FROM rows WHERE key IS NOT NULL AND kind != 'leftover'"
        if is_alone:
            yield from (key for (key,) in self._state.db.execute(f"{query} ORDER BY key"))
            return
        for folder in (CHANGED, self._files, self._roots.versions):
            found = self._state.db.execute(
                f"{query} AND key > ? AND key < ? ORDER BY key", (f"{folder}/", f"{folder}0")
            )
            yield from (key for (key,) in found)

    def _keep_places_of_refused_files(self) -> None:
        """A file whose bytes could not be had, but earlier versions could: its place beside them is kept for it."""
        query = (
            "SELECT scope, min(key) FROM rows WHERE kind = 'version' AND key > ? AND key < ? AND instr(substr(key, ?), '/') > 0"
            " AND NOT EXISTS (SELECT 1 FROM rows AS item WHERE item.kind = 'file' AND item.scope = ? AND item.id = rows.scope"
            "  AND item.key IS NOT NULL) GROUP BY scope"
        )
        versions = self._roots.versions
        below = len(versions) + 1
        found = self._state.db.execute(query, (f"{versions}/", f"{versions}0", below + 1, self._scope))
        for item_id, key in found:
            self._hold(f"{self._files}/{key[below:].rpartition('/')[0]}", planned_for=item_id)

    def _hold(self, key: str, beside: str = "", planned_for: str | None = None) -> str:
        """Hold a file's place and those of the folders above it, unless they stand above `beside` too, or are held already.
        planned_for: the one file that may still take this place."""
        insert = "INSERT OR IGNORE INTO places VALUES (?, ?, ?, ?)"
        self._state.db.execute(insert, (folded(key), key, 1, planned_for))
        folder = key.rpartition("/")[0]
        while folder and folder not in self._free and not beside.startswith(f"{folder}/"):
            self._state.db.execute(insert, (folded(folder), folder, 0, None))
            folder = folder.rpartition("/")[0]
        return key

    def _held(self, key: str, item_id: str = "") -> tuple[str, bool] | None:
        """(spelling, by a file) of what holds a place; what is planned for the file `item_id` is free for it."""
        query = "SELECT exact, file FROM places WHERE folded = ? AND (planned_for IS NULL OR planned_for != ?)"
        found = self._state.db.execute(query, (folded(key), item_id)).fetchone()
        return (found[0], bool(found[1])) if found else None

    def folder(self, item_id: str) -> str:
        """Place of a folder below the drive's files, as components joined by `/`; empty for the root."""
        chain: list[tuple[str, str]] = []
        seen: set[str] = set()
        at = item_id
        while True:
            known = self._folder_places.get(at)
            if known is not None:
                place = known
                break
            node = self._state.node(self._scope, at)
            if node is None or at in seen:  # not listed, or folders that name each other as parent
                place = f"lost~{hashlib.sha256(at.encode()).hexdigest()[:12]}"
                break
            parent, name, _, _ = node
            if parent is None:
                place = ""
                break
            seen.add(at)
            chain.append((at, name))
            at = parent
        for folder_id, name in reversed(chain):
            place = self._folder_below(place, name, folder_id)
            if len(self._folder_places) > FOLDERS_REMEMBERED:
                self._folder_places.clear()
            self._folder_places[folder_id] = place
        return place

    def _folder_below(self, above: str, name: str, item_id: str) -> str:
        component = component_for(name, item_id)
        place = f"{above}/{component}".lstrip("/")
        held = self._held(f"{self._files}/{place}")
        if held is not None and (held[1] or held[0] != f"{self._files}/{place}"):
            place = f"{above}/{changed(name, item_id)}".lstrip("/")
        exact = f"{self._files}/{place}"
        self._state.db.execute("INSERT OR IGNORE INTO places VALUES (?, ?, 0, NULL)", (folded(exact), exact))
        return place

    def file(self, parent: str | None, name: str, item_id: str) -> str:
        """Take a place for the bytes of a file (a key inside the bag) and hold it; asked again, it is the same, unless the bytes
        of another file are there."""
        above = self.folder(parent) if parent else ""
        path = f"{above}/{component_for(name, item_id)}".lstrip("/")
        key = fitted(self._files, path, name, item_id)
        held = self._held(key, item_id)
        if held is not None and held[0] != key:
            path = f"{above}/{changed(name, item_id)}".lstrip("/")
            key = fitted(self._files, path, name, item_id)
            held = self._held(key, item_id)
        if held is None and not self._blocked(key):
            self._hold(key, planned_for=item_id)
            return key
        return self.changed(path, name, item_id)

    def another(self, parent: str | None, name: str, item_id: str) -> str:
        """A place below `data/changed/`: for later bytes of an item, and where the planned place holds other bytes."""
        above = self.folder(parent) if parent else ""
        return self.changed(f"{above}/{component_for(name, item_id)}".lstrip("/"), name, item_id)

    def changed(self, path: str, name: str, item_id: str) -> str:
        """Take a place below `data/changed/` and hold it."""
        attempt = 1
        while True:
            stamp = self._stamp if attempt == 1 else f"{self._stamp}-{attempt}"
            key = fitted(self._roots.changed(stamp), path, name, item_id)
            if self._held(key) is None and not self._blocked(key):
                self._hold(key)
                return key
            attempt += 1

    def version(self, item_key: str, item_id: str, version_id: str) -> str:
        """Take a place for an earlier version of the item whose bytes lie at `item_key`."""
        path = self._roots.part_of(item_key)
        component = component_for(version_id, f"{item_id}/{version_id}")
        key = fitted(self._roots.versions, f"{path}/{component}", f"{item_id}.{version_id}", f"{item_id}/{version_id}")
        if self._held(key) is not None or self._blocked(key):
            folder, _, last = path.rpartition("/")
            path = f"{folder}/{changed(last, item_id)}".lstrip("/")
            key = fitted(
                self._roots.versions, f"{path}/{component}", f"{item_id}.{version_id}", f"{item_id}/{version_id}"
            )
        if self._held(key) is not None or self._blocked(key):
            return self.changed(f"{path}/{component}", version_id, f"{item_id}/{version_id}")
        self._hold(key)
        return key

    def _blocked(self, key: str) -> bool:
        """Whether a folder above `key` is held by a file, or in another spelling."""
        first = folder = key.rpartition("/")[0]
        while folder and folder not in self._free:
            held = self._held(folder)
            if held is not None and (held[1] or held[0] != folder):
                return True
            folder = folder.rpartition("/")[0]
        if first not in self._free and self._held(first) is not None:  # held places stay as they are
            if len(self._free) > FOLDERS_REMEMBERED:
                self._free.clear()
            self._free.add(first)
        return False
