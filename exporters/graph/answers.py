"""What may be made of a JSON answer: an object, or a page with its rows and links.

Rules of this file: an answer that is not what was asked for is an error, never an empty result. JSON is read by orjson,
with the standard library for lone surrogates, which orjson refuses (Q-035). Source: dependencies.md 2 (orjson).
"""

import json
from typing import Any, NamedTuple

import orjson

from exporters.graph.calls import JsonObject
from exporters.graph.errors import MalformedAnswerError
from exporters.graph.transport import Answer


class Page(NamedTuple):
    rows: list[JsonObject]
    next_link: str | None
    delta_link: str | None


def json_object(answer: Answer) -> JsonObject:
    """The JSON object of an answer. Raises: MalformedAnswerError (truncated, HTML, a list …), ConnectionFailedError."""
    document = parse_json(answer.body())
    if isinstance(document, dict):
        return document
    raise _malformed(answer, "something that is not the JSON it should be")


def parse_json(body: bytes) -> Any:
    """JSON by orjson, with the standard library for lone surrogates, which orjson refuses; None if it is no JSON."""
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        try:
            return json.loads(body)
        except ValueError:
            return None


def rows_of(answer: Answer) -> Page:
    """A page of a listing. Raises as `json_object`, also for a page without `value`."""
    document = json_object(answer)
    rows = document.get("value")
    links = [document.get("@odata.nextLink"), document.get("@odata.deltaLink")]
    sound = isinstance(rows, list) and all(isinstance(row, dict) for row in rows)
    if not sound or any(link is not None and not isinstance(link, str) for link in links):
        raise _malformed(answer, "a page without its rows")
    next_link, delta_link = links
    return Page(document["value"], next_link or None, delta_link or None)


def round_of(answer: Answer) -> Page:
    """A page of a delta round: it must lead on, or end the round. Raises as `rows_of`."""
    page = rows_of(answer)
    if page.next_link is None and page.delta_link is None:
        raise _malformed(answer, "a page that neither goes on nor ends the round")
    return page


def _malformed(answer: Answer, what: str) -> MalformedAnswerError:
    return MalformedAnswerError(
        f"The service answered with {what}.",
        code="malformed",
        action="Run again; if it stays, check for a proxy that answers in the service's place.",
        status=answer.status,
        request_id=answer.headers.get("request-id"),
    )
