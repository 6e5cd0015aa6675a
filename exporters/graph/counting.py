"""How many rows a listing has, by the service's own count: `…/$count`.

Rules of this file: a number or an error, never a guess; the answer is plain text. The directory counts by an index of its
own, which may be some seconds behind (`ConsistencyLevel: eventual`). Source: reference graph.md 3.1, 11.2.
"""

from exporters.graph.calls import Asker
from exporters.graph.errors import MalformedAnswerError
from exporters.graph.limits import Cost
from exporters.graph.transport import Answer

_HEADERS = {"ConsistencyLevel": "eventual", "Accept": "text/plain"}
_MOST_DIGITS = 18


def count_of(graph: Asker, path: str, *, cost: Cost = Cost.DIRECTORY) -> int:
    """The number of rows that `path` lists. Raises: GraphError, RunError, as `GraphSession.get`."""
    return graph.exchange(graph.call(f"{path}/$count", headers=_HEADERS, cost=cost), _number)


def _number(answer: Answer) -> int:
    text = answer.body().decode("utf-8-sig", "replace").strip()
    if not (text.isascii() and text.isdecimal()) or len(text) > _MOST_DIGITS:
        raise MalformedAnswerError(
            "The service answered with something that is not the number it should be.",
            code="malformed",
            action="Run again; if it stays, check for a proxy that answers in the service's place.",
            status=answer.status,
            request_id=answer.headers.get("request-id"),
        )
    return int(text)
