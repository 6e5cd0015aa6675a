"""`$batch`: many small reads in one request.

Rules of this file: GETs only inside. Answers are matched by id, whatever their order. An inner refusal is tried again
alone with the others that were refused, after the largest wait that was told; each counts singly against the limits
(Q-044). One batch holds requests of one scope and one mailbox. Source: reference graph.md 6.
"""

import base64
import binascii
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import orjson

from exporters.clock import Clock
from exporters.graph.answers import json_object
from exporters.graph.calls import Asker, JsonObject, charged
from exporters.graph.errors import GraphError, MalformedAnswerError, ThrottledError, is_retryable
from exporters.graph.limits import BATCH_SIZE, BATCH_SIZE_MAILBOX, Cost, Price, Scope
from exporters.graph.meanings import classify, gave_up

_ROUNDS = 12


@dataclass(frozen=True, slots=True)
class BatchRequest:
    """id: unique in the call, whatever its case. path: relative to the version, with its query."""

    id: str
    path: str
    cost: Cost
    headers: Mapping[str, str] = field(default_factory=dict)
    mailbox: str | None = None


@dataclass(frozen=True, slots=True)
class BatchAnswer:
    """status and headers of the inner answer. body: its JSON, bytes if it is none, None if empty. error: what it
    stands for, if it is no success (redirects are none: `Location` is in the headers)."""

    id: str
    status: int
    headers: Mapping[str, str]
    body: Any
    error: GraphError | None

    @property
    def json(self) -> JsonObject:
        """The JSON object. Raises: the error of the answer, or MalformedAnswerError."""
        if self.error is not None:
            raise self.error
        if not isinstance(self.body, dict):
            raise MalformedAnswerError("A part of a batch holds no JSON object.", code="malformed")
        return self.body


def ask_batch(
    session: Asker, requests: Sequence[BatchRequest], clock: Clock, patience_seconds: float
) -> dict[str, BatchAnswer]:
    """All answers by id; what failed for good has its `error`. Raises: GraphError for the batch as a whole."""
    if len({request.id.lower() for request in requests}) != len(requests):
        raise ValueError("ids of a batch must differ, whatever their case")
    answers: dict[str, BatchAnswer] = {}
    owed, waited = list(requests), 0.0
    for number in range(1, _ROUNDS + 1):
        wait = 0.0
        again: list[BatchRequest] = []
        for group in _groups(owed):
            found = _ask_group(session, group)
            for request in group:
                answer = found.get(request.id.lower())
                if answer is None or (answer.error is not None and is_retryable(answer.error)):
                    again.append(request)
                    wait = max(wait, _told(answer))
                if answer is not None:
                    answers[request.id] = replace(answer, id=request.id)
        wait = max(wait, min(2.0**number, 60.0) * (0.5 + random.random() / 2)) if again else 0.0  # noqa: S311
        waited += wait
        owed = again
        if not again or waited > patience_seconds or number == _ROUNDS:
            break
        clock.sleep(wait)
    return _concluded(answers, owed)


def _told(answer: BatchAnswer | None) -> float:
    return (answer.error.retry_after or 0.0) if answer is not None and answer.error is not None else 0.0


def _concluded(answers: dict[str, BatchAnswer], owed: Sequence[BatchRequest]) -> dict[str, BatchAnswer]:
    for request in owed:
        answer = answers.get(request.id)
        if answer is None or answer.error is None:
            error: GraphError = MalformedAnswerError("A batch came back without one of its answers.", code="malformed")
            answer = BatchAnswer(request.id, 0, {}, None, error)
        answers[request.id] = replace(answer, error=gave_up(answer.error or error, request.path))
    return answers


def _groups(requests: Sequence[BatchRequest]) -> Iterator[list[BatchRequest]]:
    kinds: dict[tuple[Scope, str | None], list[BatchRequest]] = {}
    for request in requests:
        kinds.setdefault((charged(request.cost, None).scope, request.mailbox), []).append(request)
    for (scope, _), members in kinds.items():
        size = BATCH_SIZE_MAILBOX if scope is Scope.EXCHANGE else BATCH_SIZE
        for first in range(0, len(members), size):
            yield members[first : first + size]


def _ask_group(session: Asker, group: Sequence[BatchRequest]) -> dict[str, BatchAnswer]:
    inner = [
        {
            "id": request.id,
            "method": "GET",
            "url": request.path,
            **({"headers": dict(request.headers)} if request.headers else {}),
        }
        for request in group
    ]
    first = group[0]
    call = session.call("/$batch", headers={"Content-Type": "application/json"}, cost=first.cost, mailbox=first.mailbox)
    prices = [charged(request.cost, None) for request in group]
    whole = Price(prices[0].scope, sum(price.units for price in prices), prices[0].source, prices[0].checked)
    call = replace(call, method="POST", body=orjson.dumps({"requests": inner}), price=whole)
    document = session.exchange(call, json_object)
    paths = {request.id.lower(): request.path for request in group}
    found: dict[str, BatchAnswer] = {}
    for part in document.get("responses") or []:
        if isinstance(part, dict) and str(part.get("id", "")).lower() in paths:
            mark = str(part["id"]).lower()
            found.setdefault(mark, _answer(part, paths[mark]))
    _pause(session, first, found)
    return found


def _answer(part: Mapping[str, Any], path: str) -> BatchAnswer:
    status = part.get("status")
    status = status if isinstance(status, int) else 0
    headers = {str(name): str(value) for name, value in (part.get("headers") or {}).items()}
    body = part.get("body")
    if isinstance(body, str):
        body = _bytes_of(body)
    error = None
    if not 200 <= status < 400:
        error = classify(status, headers, body if isinstance(body, (bytes, Mapping)) else None, path=path)
    return BatchAnswer(str(part["id"]), status, headers, body, error)


def _bytes_of(text: str) -> bytes:
    """Bodies that are no JSON come as base64; what is none is taken as it stands."""
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return text.encode("utf-8", "surrogatepass")


def _pause(session: Asker, request: BatchRequest, found: Mapping[str, BatchAnswer]) -> None:
    """An inner refusal that tells a time holds for everybody, as an outer one does (Q-040)."""
    refused = [answer.error for answer in found.values() if isinstance(answer.error, ThrottledError)]
    if refused:
        session.refused(charged(request.cost, None).scope, refused, request.mailbox)
