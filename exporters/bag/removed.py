"""How much vanishes in one round: what no program decides by itself.

Rules of this file: asks the state's temporary table `removed (id)`, which the exporter of a source fills.
Source: design §4 (Whole).
"""

from exporters.bag.digests import Hashed
from exporters.bag.formats import LISTED_KINDS
from exporters.bag.state import State

MASS_ITEMS = 100
MASS_SHARE = 0.10

_KINDS = ", ".join(f"'{kind}'" for kind in sorted(LISTED_KINDS))
_LIVE = f"kind IN ({_KINDS}) AND outcome != 'gone' AND (code IS NULL OR code != 'vanished')"


def begin_removed(state: State) -> None:
    """Make the table, or empty it."""
    state.db.execute("CREATE TEMP TABLE IF NOT EXISTS removed (id TEXT PRIMARY KEY) WITHOUT ROWID")
    state.db.execute("DELETE FROM removed")


def add_what_lies_below(state: State, scope: str) -> None:
    """What lies in a removed folder went with it, unless it was listed elsewhere (then its parent is another)."""
    state.db.execute(
        "WITH RECURSIVE below(id) AS (SELECT id FROM removed UNION SELECT tree.id FROM below"
        " JOIN tree ON tree.scope = ? AND tree.parent = below.id WHERE tree.alive = 1)"
        " INSERT OR IGNORE INTO removed SELECT id FROM below",
        (scope,),
    )


def is_mass(state: State, scope: str) -> bool:
    """Whether over 10 % and 100 of the drive's items would vanish in this round."""
    vanishing = state.count(
        f"SELECT count(*) FROM removed CROSS JOIN rows ON rows.id = removed.id WHERE scope = ? AND {_LIVE}",  # noqa: S608
        (scope,),
    )
    if vanishing <= MASS_ITEMS:  # all rows are counted only then
        return False
    held = state.count(f"SELECT count(*) FROM rows WHERE scope = ? AND {_LIVE}", (scope,))  # noqa: S608
    return vanishing > MASS_SHARE * held


def digest_of_removed(state: State, scope: str) -> str:
    """A name for the mass that would vanish in this round: what a person accepts of one says nothing of another."""
    found = state.db.execute(
        "SELECT rows.kind, rows.id FROM rows JOIN removed ON removed.id = rows.id"  # noqa: S608 - constants of ours
        f" WHERE scope = ? AND {_LIVE} ORDER BY rows.kind, rows.id",
        (scope,),
    )
    return Hashed(f"{kind}\0{item_id}\n".encode("utf-8", "surrogatepass") for kind, item_id in found).drain().sha256
