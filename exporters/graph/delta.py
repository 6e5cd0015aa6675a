"""Delta rounds: from a start or a saved link to the link that the next round begins with.

Rules of this file: links are never rebuilt; a round ends only with a delta link; 410 is a flow signal, raised as
ResyncRequiredError with a `location` that is checked (None if it leads elsewhere), and never retried here.
Source: reference graph.md 5.2; quirks Q-001 to Q-005, Q-011; design §4 (after 410 the round begins again as full, from
`Location` with our `$select`).
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from exporters.graph.answers import round_of
from exporters.graph.calls import Asker, Call, JsonObject, query
from exporters.graph.errors import ForeignLinkError, ResyncRequiredError
from exporters.graph.limits import Cost, Scope
from exporters.graph.pages import LinkTrail


@dataclass(frozen=True, slots=True)
class DeltaPage:
    """rows: as served, in odd order and with repeats (Q-003, Q-004). Exactly one of the links is there."""

    rows: list[JsonObject]
    next_link: str | None
    delta_link: str | None


def ask_delta(session: Asker, first: Call) -> Iterator[DeltaPage]:
    """The pages of a round. Raises: GraphError; ResyncRequiredError."""
    trail = LinkTrail()
    call = first
    later = Cost.DELTA_WITH_TOKEN if first.price.scope is Scope.SHAREPOINT else first.cost
    while True:
        trail.step(call.url)
        try:
            page = session.exchange(call, round_of)
        except ResyncRequiredError as error:
            if error.location is not None and not _is_own(session, error.location):
                error.location = None  # nobody follows it: the round begins at its start
            raise
        trail.took(len(page.rows))
        link = page.next_link or page.delta_link or ""  # one that leads elsewhere is refused before anybody keeps it
        following = session.call(link, headers=first.headers, cost=later, mailbox=first.mailbox)
        yield DeltaPage(page.rows, page.next_link, None if page.next_link else page.delta_link)
        if page.next_link is None:
            return
        call = following


def _is_own(session: Asker, location: str) -> bool:
    try:
        session.call(location, cost=Cost.DELTA_FROM_SCRATCH)
    except ForeignLinkError:
        return False
    return True


def with_params(link: str, params: Mapping[str, str]) -> str:
    """`link` with those of `params` that it lacks; all it holds stays byte for byte.

    For the `Location` of a 410, which may lack our `$select` (design §4). Names are compared decoded, without case.
    """
    held = {
        name.lower().replace("%24", "$")
        for name in re.findall(r"[?&]([^=&#]+)", link.partition("?")[1] + link.partition("?")[2])
    }
    missing = {name: value for name, value in params.items() if name.lower() not in held}
    if not missing:
        return link
    joint = "" if link.endswith(("?", "&")) else "&" if "?" in link else "?"
    return f"{link}{joint}{query(missing)}"
