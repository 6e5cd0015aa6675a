"""The shapes of Graph's answers: collections, entities, and its several kinds of error bodies.

Rules of this file: bodies only; who gets which is decided by the routes.
Source: reference/graph.md 11, 2.1, 1.5; data/graph/errors.
"""

import uuid
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Literal

from exporters.rehearsal.documents import Row, render
from exporters.rehearsal.wire import Request, Response

JSON = "application/json;odata.metadata=minimal;odata.streaming=true;IEEE754Compatible=false;charset=utf-8"
Area = Literal["directory", "exchange", "sharepoint"]
LAPSED = (
    "The service principal for resource '{resource}' is disabled. This indicate that a subscription within the tenant has "
    "lapsed, or that the administrator for this tenant has disabled the application, preventing tokens from being issued "
    "for it."
)
_DENIED = {
    "directory": ("Authorization_RequestDenied", "Insufficient privileges to complete the operation."),
    "exchange": ("ErrorAccessDenied", "Access is denied. Check credentials and try again."),
    "sharepoint": ("accessDenied", "Access denied"),
}


class ApiError(Exception):
    """An answer other than success. inner: the innermost `code`."""

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        *,
        inner: str | None = None,
        headers: Mapping[str, str] | None = None,
        marks: tuple[str, ...] = (),
    ) -> None:
        super().__init__(f"{status} {code}: {message}")
        self.status, self.code, self.message, self.inner = status, code, message, inner
        self.headers, self.marks = dict(headers or {}), marks


def bad_request(message: str, code: str = "BadRequest") -> ApiError:
    """What this server does not know is refused with a reason, so that a wrong request shows."""
    return ApiError(400, code, message)


def denied(area: Area) -> ApiError:
    """A missing permission, in the form of its service."""
    return ApiError(403, *_DENIED[area])


def item_not_found() -> ApiError:
    """For drives, items and versions."""
    return ApiError(404, "itemNotFound", "The resource could not be found.")


def no_mailbox() -> ApiError:
    """For users without a mailbox in the cloud (Q-057)."""
    text = "The mailbox is either inactive, soft-deleted, or is hosted on-premise."
    return ApiError(404, "MailboxNotEnabledForRESTAPI", text)


def error_body(
    code: str, message: str, now: datetime, request: Request, inner: str | Sequence[str] | None = None
) -> Row:
    """`{"error": …}` as Graph writes it. inner: the code inside, or several, each inside the one before."""
    request_id = str(uuid.uuid4())
    details: Row = {}
    for inside in reversed([inner] if isinstance(inner, str) else list(inner or ())):
        details = {"code": inside, **({"innerError": details} if details else {})}
    details["date"] = now.strftime("%Y-%m-%dT%H:%M:%S")
    details["request-id"] = request_id
    details["client-request-id"] = request.headers.get("client-request-id", request_id)
    return {"error": {"code": code, "message": message, "innerError": details}}


def failure(error: ApiError, now: datetime, request: Request) -> Response:
    """The response for an ApiError."""
    body = error_body(error.code, error.message, now, request, error.inner)
    headers = {"Content-Type": "application/json", **identity(request), **error.headers}
    return Response(error.status, render(body), headers)


def identity(request: Request) -> dict[str, str]:
    """Headers that name a request on the way back."""
    headers = {"request-id": str(uuid.uuid4())}
    if "client-request-id" in request.headers:
        headers["client-request-id"] = request.headers["client-request-id"]
    return headers


def success(value: Any, request: Request) -> Response:
    """200 with a JSON body."""
    headers = {"Content-Type": JSON, "OData-Version": "4.0", **identity(request)}
    return Response(200, render(value), headers)


def entity(root: str, context: str, row: Row) -> Row:
    """One resource with its context."""
    return {"@odata.context": f"{root}/$metadata#{context}", **row}


def collection(root: str, context: str, rows: list[Row], **links: str | None) -> Row:
    """A page. links: next, delta."""
    body: Row = {"@odata.context": f"{root}/$metadata#{context}"}
    if links.get("next"):
        body["@odata.nextLink"] = links["next"]
    if links.get("delta"):
        body["@odata.deltaLink"] = links["delta"]
    body["value"] = rows
    return body


def public(row: Row) -> Row:
    """A row without what belongs to the truth."""
    return {key: value for key, value in row.items() if not key.startswith("_")}
