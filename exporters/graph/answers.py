"""What may be made of a JSON answer: an object, or a page with its rows and links.

Rules of this file: an answer that is not what was asked for is an error, never an empty result: no JSON, an error under
status 200, a page without its rows or with two sets of them. JSON is read by orjson, with the standard library for lone
surrogates, which orjson refuses (Q-035). Single fields are another matter: each may be missing or odd, and what is not
of its type counts as missing (`text_of` and its like). Source: dependencies.md 2 (orjson); quirks, rule 4.
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
    return _object_in(answer, answer.body())


def json_object_and_bytes(answer: Answer) -> tuple[JsonObject, bytes]:
    """The same, and the bytes as they came, for what is kept as it was served."""
    body = answer.body()
    return _object_in(answer, body), body


def _object_in(answer: Answer, body: bytes) -> JsonObject:
    document = parse_json(body)
    if not isinstance(document, dict):
        raise _malformed(answer, "something that is not the JSON it should be")
    if "error" in document and "id" not in document and "value" not in document:
        raise _malformed(answer, "an error that calls itself a success")
    return document


def parse_json(body: bytes) -> Any:
    """JSON by orjson, with the standard library for lone surrogates, which orjson refuses; None if it is no JSON."""
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        try:
            return json.loads(body)
        except (ValueError, RecursionError):
            return None


def rows_of(answer: Answer) -> Page:
    """A page of a listing. Raises as `json_object`, also for a page without `value`, or with two of them."""
    body = answer.body()
    document = _object_in(answer, body)
    if body.count(b'"value"') > 1 and _has_double_keys(body):
        raise _malformed(answer, "a page with two sets of rows")
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


def _has_double_keys(body: bytes) -> bool:
    """Whether a key of the outermost object comes twice; the parsers keep the last one without a word."""
    pairs = json.loads(body, object_pairs_hook=list)
    names = [name for name, _ in pairs]
    return len(set(names)) < len(names)


def object_of(value: object) -> JsonObject:
    """`value` if it is a JSON object, else an empty one: an odd answer about one thing must not stop a tenant."""
    return value if isinstance(value, dict) else {}


def objects_of(value: object) -> list[JsonObject]:
    """The JSON objects in a list; none if it is no list."""
    return [entry for entry in value if isinstance(entry, dict)] if isinstance(value, list) else []


def text_of(value: object) -> str | None:
    """`value` if it is text."""
    return value if isinstance(value, str) else None


def number_of(value: object) -> int | None:
    """`value` if it is a whole number from 0 on."""
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None


def identifier_of(value: object) -> str | None:
    """`value` if it can be an id: text that is not empty and has a form in UTF-8."""
    if not isinstance(value, str) or not value:
        return None
    return value if value.isascii() or not any("\ud800" <= c <= "\udfff" for c in value) else None


def _malformed(answer: Answer, what: str) -> MalformedAnswerError:
    return MalformedAnswerError(
        f"The service answered with {what}.",
        code="malformed",
        action="Run again; if it stays, check for a proxy that answers in the service's place.",
        status=answer.status,
        request_id=answer.headers.get("request-id"),
    )
