"""What no folder of the directory lists any more: *gone*, unless it is too much at once.

Rules of this file: decided once, after all folders; of a folder that was not listed to its end nothing is decided; who moved to
another folder (a deleted user) is not gone. Source: design §4 (Whole).
"""

from collections.abc import Collection, Iterator

from exporters.bag.digests import Hashed
from exporters.bag.formats import JsonObject, load_json
from exporters.bag.removed import MASS_ITEMS, MASS_SHARE
from exporters.bag.state import State
from exporters.directory.folders import TERMS
from exporters.outcomes import CAUSES, ExceptionCode, Outcome

_UNSEEN = (
    " AND NOT EXISTS (SELECT 1 FROM listed_now AS now"
    " WHERE now.kind = tree.kind AND now.scope = tree.scope AND now.id = tree.id)"
)


def find_removed(state: State, listed: Collection[str]) -> None:
    """Fill the temporary table `removed_now` with what was not seen. listed: ids of the folders that were listed to their
    end."""
    db = state.db
    db.execute(
        "CREATE TEMP TABLE IF NOT EXISTS removed_now (kind TEXT, scope TEXT, id TEXT, PRIMARY KEY (kind, scope, id))"
    )
    db.execute("DELETE FROM removed_now")
    insert = "INSERT INTO removed_now SELECT kind, scope, id FROM tree WHERE alive = 1"
    for folder in listed:
        if folder == TERMS.id:
            db.execute(f"{insert} AND kind = 'term'{_UNSEEN}")
        else:
            db.execute(f"{insert} AND scope = '' AND parent = ? AND kind != 'folder'{_UNSEEN}", (folder,))


def is_mass(state: State) -> bool:
    """Whether over 10 % and 100 would vanish: of the directory, or of one kind of things in it."""
    vanishing = dict(state.db.execute("SELECT kind, count(*) FROM removed_now GROUP BY kind"))
    if sum(vanishing.values()) <= MASS_ITEMS:
        return False
    held = dict(state.db.execute("SELECT kind, count(*) FROM tree WHERE alive = 1 AND kind != 'folder' GROUP BY kind"))
    if sum(vanishing.values()) > MASS_SHARE * sum(held.values()):
        return True
    return any(number > MASS_ITEMS and number > MASS_SHARE * held[kind] for kind, number in vanishing.items())


def digest_of_removed(state: State) -> str:
    """A name for the mass that would vanish: what a person accepts of one says nothing of another."""
    found = state.db.execute("SELECT kind, scope, id FROM removed_now ORDER BY kind, scope, id")
    return Hashed("\0".join(one).encode("utf-8", "surrogatepass") + b"\n" for one in found).drain().sha256


def removal_rows(state: State, run_id: str, at: str) -> Iterator[JsonObject]:
    """The rows that settle what is in `removed_now`, and what could not be had of it."""
    for kind, scope, item_id in state.db.execute(
        "SELECT kind, scope, id FROM removed_now ORDER BY kind, scope, id"
    ).fetchall():
        row = state.row((kind, scope, item_id))
        if row is not None and row["outcome"] == Outcome.COPIED:
            yield {**row, "outcome": Outcome.GONE.value, "since": at, "run": run_id}
        query = "kind = 'part' AND scope = ? AND outcome = 'excepted' AND code != 'vanished'"
        for data in list(state.rows(query, (f"{scope}/{item_id}" if scope else item_id,))):
            code = ExceptionCode.VANISHED
            settled = {"code": code.value, "reason": CAUSES[code].reason, "captured": at, "run": run_id}
            yield {**load_json(data), **settled}
