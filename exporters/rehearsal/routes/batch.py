"""`$batch`: up to 20 reads, each with its own route, budget and row in the ledger; answers in no order.

Source: reference/graph.md 6; quirk Q-044.
"""

import base64
import hashlib
from collections.abc import Callable
from typing import Any

from exporters.rehearsal.documents import Row, parse
from exporters.rehearsal.routes.answers import ApiError, bad_request, success
from exporters.rehearsal.routes.router import Call
from exporters.rehearsal.routes.signin import Token
from exporters.rehearsal.wire import Request, Response

_MOST = 20


def batch(call: Call, token: Token, send: Callable[[Request], Response]) -> Response:
    """POST /$batch. send: answers an inner request. Raises ApiError."""
    if call.request.method != "POST":
        raise ApiError(405, "methodNotAllowed", "$batch takes POST.")
    requests = _requests(call.request)
    answers: dict[str, Row] = {}
    for inner in requests:
        answers[inner["id"]] = _answer(call, inner, answers, send)
    shuffled = sorted(answers.values(), key=lambda answer: hashlib.sha256(answer["id"].encode()).digest())
    return success({"responses": shuffled}, call.request)


def _requests(request: Request) -> list[Row]:
    try:
        requests = parse(request.body)["requests"]
    except (ValueError, KeyError, TypeError) as error:
        raise bad_request("Invalid batch payload format.") from error
    if not isinstance(requests, list) or not 1 <= len(requests) <= _MOST:
        raise bad_request(f"A batch holds 1 to {_MOST} requests.")
    seen = set()
    for inner in requests:
        if not isinstance(inner, dict) or not {"id", "method", "url"} <= inner.keys():
            raise bad_request("Each request of a batch needs id, method and url.")
        if str(inner["id"]).lower() in seen:
            raise bad_request(f"The id {inner['id']} occurs more than once in the batch.")
        seen.add(str(inner["id"]).lower())
    return requests


def _answer(call: Call, inner: Row, earlier: dict[str, Row], send: Callable[[Request], Response]) -> Row:
    for needed in inner.get("dependsOn", ()):
        if earlier.get(needed, {}).get("status", 424) >= 400:
            error = {"error": {"code": "FailedDependency", "message": "Failed to execute dependent request."}}
            return {"id": inner["id"], "status": 424, "headers": {"Content-Type": "application/json"}, "body": error}
    url = str(inner["url"])
    path, _, query = url.partition("?")
    headers = {str(name).lower(): str(value) for name, value in inner.get("headers", {}).items()}
    headers["authorization"] = call.request.headers["authorization"]
    request = Request(str(inner["method"]).upper(), f"/v1.0/{path.lstrip('/')}", query, headers, b"", "graph")
    response = send(request)
    data = response.body if response.stream is None else b"".join(response.stream)
    if response.before_end is not None:
        response.before_end(len(data))
    answer: dict[str, Any] = {"id": inner["id"], "status": response.status, "headers": response.headers}
    if data:
        json_like = "json" in response.headers.get("Content-Type", "")
        answer["body"] = parse(data) if json_like else base64.b64encode(data).decode()
    return answer
