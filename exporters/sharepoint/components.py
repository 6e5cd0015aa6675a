"""Which component of the keys a library has in the bag of its site.

Rules of this file: reads the state and nothing else; the component that rows of a library have already is its own for
ever, whatever it is called today; no two have components that are the same after folding. Source: design §4 (keys),
docs/formats.md (bag of a site).
"""

from collections.abc import Iterator

from exporters.bag.formats import CHANGED, LIBRARIES, VERSIONS
from exporters.bag.keys import changed, component_for, folded
from exporters.bag.state import State

_OF_OTHERS = frozenset({"pages", "lists"})
"""Later states of pages lie in `data/changed/<run stamp>/pages`, later files of list items in `…/lists`."""


def library_component(state: State, drive: str, name: str) -> str:
    """Of a document library. name: as served today."""
    own = _of_files(state, drive) or _of_versions(state, drive)
    if own is not None:
        return own
    taken = {folded(one) for folder in _folders_of_libraries(state) for one in _below(state, folder)}
    return _free(name, drive, taken | _OF_OTHERS)


def _free(name: str, owner: str, taken: set[str]) -> str:
    component = component_for(name, owner)
    return changed(name, owner) if folded(component) in taken else component


def _of_files(state: State, drive: str) -> str | None:
    query = "SELECT key FROM rows WHERE kind = 'file' AND scope = ? AND key > ? AND key < ? LIMIT 1"
    for folder, place in ((LIBRARIES, 2), (CHANGED, 3)):
        found = state.db.execute(query, (drive, f"{folder}/", f"{folder}0")).fetchone()
        if found is not None:
            return str(found[0]).split("/")[place]
    return None


def _of_versions(state: State, drive: str) -> str | None:
    """Where no bytes of any file could be had, and earlier ones could."""
    query = (
        "SELECT rows.key FROM rows JOIN tree ON tree.scope = ? AND tree.id = rows.scope"
        " WHERE rows.kind = 'version' AND rows.key > ? AND rows.key < ? LIMIT 1"
    )
    found = state.db.execute(query, (drive, f"{VERSIONS}/", f"{VERSIONS}0")).fetchone()
    return None if found is None else str(found[0]).split("/")[2]


def _folders_of_libraries(state: State) -> Iterator[str]:
    yield from (LIBRARIES, VERSIONS)
    yield from (f"{CHANGED}/{stamp}" for stamp in _below(state, CHANGED))


def _below(state: State, folder: str) -> Iterator[str]:
    """What stands first below a folder in the keys of rows: one look at the index for each."""
    query = "SELECT key FROM rows WHERE key > ? AND key < ? AND kind != 'leftover' ORDER BY key LIMIT 1"
    after = f"{folder}/"
    while found := state.db.execute(query, (after, f"{folder}0")).fetchone():
        first = str(found[0])[len(folder) + 1 :].partition("/")[0]
        yield first
        after = f"{folder}/{first}0"
