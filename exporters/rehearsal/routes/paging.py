"""Pages of plain lists by `$skiptoken`.

Rules of this file: the next link keeps the options of the first request and adds a sealed token.
Source: reference/graph.md 12.3; quirk Q-011.
"""

from collections.abc import Sequence
from typing import TypeVar
from urllib.parse import quote

from exporters.rehearsal.links import LinkError
from exporters.rehearsal.routes.answers import bad_request
from exporters.rehearsal.routes.router import Call

_Row = TypeVar("_Row")


def page_of(
    call: Call, parameters: dict[str, str], rows: Sequence[_Row], size: int, *, path: str | None = None
) -> tuple[Sequence[_Row], str | None]:
    """The rows of this page, and the link to the next. path: of the link, if not that of the request.

    Raises ApiError 400 for a token that is damaged or belongs to another list.
    """
    here = path if path is not None else call.request.path
    start = 0
    if "$skiptoken" in parameters:
        try:
            what, start = call.service.links.open(parameters["$skiptoken"])
        except (LinkError, ValueError) as error:
            raise bad_request(str(error), "invalidRequest") from error
        if what != here.lower():
            raise bad_request("The token belongs to another list.", "invalidRequest")
    if start + size >= len(rows):
        return rows[start:], None
    token = quote(call.service.links.seal(here.lower(), start + size), safe="")
    kept = "".join(f"{part}&" for part in call.request.query.split("&") if part and "skiptoken=" not in part)
    return rows[start : start + size], f"{call.service.hosts.graph}{here}?{kept}$skiptoken={token}"
