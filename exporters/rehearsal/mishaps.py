"""What a fault does: answers of its own, and damage to an answer.

Rules of this file: pure from rule and response to response; who is struck is decided in `faults`.
Source: reference/graph.md 11; data/graph/errors, throttling.
"""

import base64
import gzip
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from email.utils import format_datetime
from typing import Any

from exporters.clock import Clock
from exporters.rehearsal.documents import parse, render
from exporters.rehearsal.edits import change_json
from exporters.rehearsal.faults import Rule
from exporters.rehearsal.routes.answers import LAPSED, error_body, identity
from exporters.rehearsal.wire import Request, Response

HINTS = frozenset(
    {
        "content-direct",
        "content-empty",
        "range-ignored",
        "range-unsatisfiable",
        "url-expired",
        "other-file",
        "empty-page",
    }
)
_WAITING = ("429", "503", "mail-throttled")
_HTML = b"<!DOCTYPE html><html><head><title>%s</title></head><body><h1>%s</h1></body></html>"
_ERRORS: dict[str, tuple[int, str, str, str | None]] = {
    "429": (429, "activityLimitReached", "The request has been throttled", "throttledRequest"),
    "503": (503, "serviceNotAvailable", "The service is not available. Try the request again after a delay.", None),
    "500": (500, "generalException", "An unspecified error has occurred.", None),
    "504": (504, "gatewayTimeout", "The gateway did not get an answer in time.", None),
    "400-transient": (400, "invalidRequest", "Invalid request", None),
    "401-expired": (401, "InvalidAuthenticationToken", "Lifetime validation failed, the token is expired.", None),
    "401-claims": (
        401,
        "InvalidAuthenticationToken",
        "Continuous access evaluation resulted in challenge with result: InteractionRequired "
        "and code: TokenCreatedWithOutdatedPolicies",
        None,
    ),
    "403": (403, "accessDenied", "Access denied", None),
    "404": (404, "itemNotFound", "The resource could not be found.", None),
    "410": (410, "resyncRequired", "Resync required.", "resyncChangesApplyDifferences"),
    "423": (
        423,
        "notAllowed",
        "Access to this site has been blocked. Please contact the administrator to resolve this problem.",
        "resourceLocked",
    ),
    "lapsed": (
        403,
        "unauthorized_client",
        LAPSED.format(resource="https://graph.microsoft.com"),
        None,
    ),
    "no-spo": (400, "BadRequest", "Tenant does not have a SPO license.", None),
    "no-delta": (400, "invalidRequest", "Parameter 'DeltaToken' not supported for this request.", None),
    "mail-throttled": (429, "ApplicationThrottled", "Application is over its MailboxConcurrency limit.", None),
    "mail-410": (410, "SyncStateNotFound", "The sync state generation is not found.", None),
    "mail-404": (404, "ErrorItemNotFound", "The specified object was not found in the store.", None),
    "mail-500": (500, "ErrorInternalServerTransientError", "An internal server error occurred. Try again later.", None),
    "mail-corrupt": (500, "ErrorCorruptData", "Data is corrupt., Invalid global object ID", None),
    "mail-recipients": (400, "ErrorInvalidRecipients", "At least one recipient isn't valid.", None),
    "mime-failed": (500, "ErrorMimeContentConversionFailed", "MIME content conversion failed.", None),
    "value-error": (200, "ErrorInternalServerError", "An internal server error occurred.", None),
    "no-mailbox": (
        404,
        "MailboxNotEnabledForRESTAPI",
        "The mailbox is either inactive, soft-deleted, or is hosted on-premise.",
        None,
    ),
    "mailbox-moving": (503, "ErrorMailboxMoveInProgress", "The mailbox is being moved. Try again later.", None),
    "mailbox-full": (403, "ErrorQuotaExceeded", "The mailbox is over its quota.", None),
}


def instead(rule: Rule, request: Request, now: datetime) -> Response | None:
    """The answer that a fault gives in place of the right one; None if it only damages or hints."""
    if rule.fault in _SPECIAL:
        return _SPECIAL[rule.fault](rule)
    headers = {"Content-Type": "application/json", **identity(request), **_retry_after(rule, now)}
    if rule.fault in ("503-html", "502", "509"):
        status = int(rule.fault[:3])
        title = {503: b"Service Unavailable", 502: b"Bad Gateway", 509: b"Bandwidth Limit Exceeded"}[status]
        return Response(status, _HTML % (title, title), {**headers, "Content-Type": "text/html"})
    if rule.fault == "status":
        return _any_status(rule, request, now, headers)
    if rule.fault not in _ERRORS:
        return None
    status, code, message, inner = _ERRORS[rule.fault]
    status, code = int(rule.details.get("status", status)), str(rule.details.get("code", code))
    body = error_body(code, message, now, request, rule.details.get("inner", inner))
    if rule.fault == "401-claims":
        headers["WWW-Authenticate"] = _challenge(now)
    location = rule.details.get("location", f"https://{request.headers.get('host')}{request.path}")
    if rule.fault == "410" and location is not None:
        headers["Location"] = str(location)
    return Response(status, render(body), headers | rule.details.get("headers", {}))


def _sign_in_refusal(rule: Rule) -> Response:
    number = int(rule.number("number", 50000))
    text = f"AADSTS{number}: {rule.details.get('message', 'The application is refused.')} Trace ID: 0 Correlation ID: 0"
    body = {
        "error": str(rule.details.get("error", "invalid_client")),
        "error_description": text,
        "error_codes": [number],
    }
    return Response(int(rule.number("status", 401)), render(body), {"Content-Type": "application/json; charset=utf-8"})


_SPECIAL: dict[str, Callable[[Rule], Response]] = {
    "reset": lambda rule: Response(200, raw=b"", reset=True),
    "close": lambda rule: Response(200, raw=b""),
    "silent": lambda rule: Response(200, silent=rule.number("seconds", 300)),
    "garbage": lambda rule: Response(200, raw=str(rule.details.get("text", "\x00\x15 no HTTP\r\n\r\n")).encode()),
    "aadsts": _sign_in_refusal,
}


def _any_status(rule: Rule, request: Request, now: datetime, headers: dict[str, str]) -> Response:
    details = rule.details
    body = details.get("body")
    if body is None and "code" in details:
        body = error_body(details["code"], str(details.get("message", "")), now, request, details.get("inner"))
    data = b"" if body is None else body.encode() if isinstance(body, str) else render(body)
    if isinstance(body, str):
        headers["Content-Type"] = "text/html" if body.lstrip().startswith("<") else "text/plain"
    return Response(int(details.get("status", 500)), data, headers | details.get("headers", {}))


def _retry_after(rule: Rule, now: datetime) -> dict[str, str]:
    form = rule.details.get("retry_after", "seconds" if rule.fault in _WAITING else None)
    if form in (None, "none"):
        return {}
    if isinstance(form, int | float):
        return {"Retry-After": str(form)}
    seconds = rule.number("seconds", 2)
    if form == "date":
        return {"Retry-After": format_datetime(now + timedelta(seconds=seconds), usegmt=True)}
    return {"Retry-After": f"{seconds:.3f}" if form == "decimal" else str(int(seconds))}


def wait_of(response: Response, rule: Rule) -> float:
    """Seconds that the answer told the client to wait."""
    form = rule.details.get("retry_after")
    if "Retry-After" not in response.headers:
        return 0.0
    return float(form) if isinstance(form, int | float) else rule.number("seconds", 2)


def _challenge(now: datetime) -> str:
    claims = render({"access_token": {"nbf": {"essential": True, "value": str(int(now.timestamp()))}}})
    return (
        'Bearer realm="", authorization_uri="https://login.microsoftonline.com/common/oauth2/authorize", '
        f'error="insufficient_claims", claims="{base64.b64encode(claims).decode()}"'
    )


def damage(rule: Rule, request: Request, response: Response, now: datetime, real: Clock) -> Response:  # noqa: PLR0912
    """The right answer, changed or delivered badly: one case a kind."""
    match rule.fault:
        case "duplicate-rows" | "missing-row":
            response.body = _changed_page(rule, response.body)
        case "edit" | "duplicate-keys" | "page-loop" | "huge-page":
            change_json(rule, request, response)
        case "headers":
            _change_headers(rule, response)
        case "wrong-bytes":
            size, text = response.size, str(rule.details.get("text", "These are other bytes. ")).encode()
            body = (text * (size // len(text) + 1))[:size] if rule.details.get("fit") else text
            response.stream, response.body = None, body
        case "truncated-json":
            _materialise(response)
            response.body = response.body[: max(1, int(len(response.body) * rule.number("fraction", 0.6)))]
        case "reset-mid-body" | "short-body":
            response.cut_after = min(int(rule.number("after_bytes", response.size // 2)), max(0, response.size - 1))
            response.reset = rule.fault == "reset-mid-body"
        case "chunked" | "chunked-cut" | "no-length":
            response.framing = "close" if rule.fault == "no-length" else "chunked"
            most = response.size // 2 if rule.fault == "chunked-cut" else response.size
            at = int(rule.number("after_bytes", most))
            response.cut_after = at if at < response.size else None
        case "extra-bytes":
            response.extra = str(rule.details.get("text", "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nBAD")).encode()
        case "gzip":
            _materialise(response)
            response.body = gzip.compress(response.body, mtime=0)
            response.headers["Content-Encoding"] = "gzip"
        case "wrong-length":
            response.announced = max(0, response.size + int(rule.number("by", 10)))
        case "slow":
            response.pause = lambda: real.sleep(rule.number("seconds", 0.05))
            response.stream, response.length = _small(response, int(rule.number("piece", 8192))), response.size
        case "delay":
            real.sleep(rule.number("seconds", 0.5))
        case "corrupt":
            response.stream, response.length = _flipped(response, rule.number("at", 0)), response.size
        case "clock-skew":
            skewed = now + timedelta(seconds=rule.number("seconds", 3600))
            response.headers["Date"] = format_datetime(skewed, usegmt=True)
        case _:
            pass
    return response


def _change_headers(rule: Rule, response: Response) -> None:
    for name, value in rule.details.get("set", {}).items():
        for known in [known for known in response.headers if known.lower() == name.lower()]:
            del response.headers[known]
        if value is not None:
            response.headers[name] = str(value)


def _changed_page(rule: Rule, body: bytes) -> bytes:
    page: dict[str, Any] = parse(body)
    rows = page.get("value")
    if not isinstance(rows, list) or not rows:
        return body
    if rule.fault == "duplicate-rows":
        page["value"] = rows + rows
    else:
        rows.pop(min(int(rule.number("index", len(rows) // 2)), len(rows) - 1))
    return render(page)


def _materialise(response: Response) -> None:
    if response.stream is not None:
        response.body, response.stream = b"".join(response.stream), None


def _pieces(response: Response) -> Iterator[bytes]:
    return response.stream if response.stream is not None else iter((response.body,))


def _small(response: Response, size: int) -> Iterator[bytes]:
    pieces = _pieces(response)
    return (piece[at : at + size] for piece in pieces for at in range(0, len(piece), size))


def _flipped(response: Response, at: float) -> Iterator[bytes]:
    def flipped(pieces: Iterator[bytes]) -> Iterator[bytes]:
        seen = 0
        for piece in pieces:
            place = int(at) - seen
            seen += len(piece)
            if 0 <= place < len(piece):
                yield piece[:place] + bytes([piece[place] ^ 0xFF]) + piece[place + 1 :]
            else:
                yield piece

    return flipped(_pieces(response))
