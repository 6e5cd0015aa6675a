# ruff: noqa: E501 (rows of the table)
"""One table for all errors, judged by every captured body and by odd ones of our own."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from exporters.errors import ItemError, RunError, SourceError, TransientError
from exporters.graph import errors as e
from exporters.graph.headers import RateLimit, parse_claims, parse_rate_limit, parse_retry_after
from exporters.graph.meanings import classify, gave_up

SHARED = Path(__file__).resolve().parents[4] / "shared" / "data" / "graph"
JSON = {"Content-Type": "application/json"}
ITEM = "/drives/d/items/i"
MESSAGE = "/users/u/messages/m"
NOW = datetime(2026, 11, 23, 15, 40, 17, tzinfo=UTC)

# name of the captured body, path of the request → class and code
CAPTURED = {
    "errors/400-bad-request.json": ("/admin/exchange", e.UnsupportedError, "unsupported"),
    "errors/400-inefficient-filter.json": ("/users/u/messages", e.RefusedError, "refused"),
    "errors/401-expired-token.json": ("/users", e.UnauthorizedError, "unauthorized"),
    "errors/403-directory.json": ("/users", e.PermissionMissingError, "permission_missing"),
    "errors/403-malware.json": (ITEM + "/content", e.MalwareError, "malware"),
    "errors/403-outlook.json": ("/users/u/mailFolders", e.PermissionMissingError, "permission_missing"),
    "errors/403-sharepoint.json": ("/drives/d/root/delta", e.PermissionMissingError, "permission_missing"),
    "errors/404-drive-item.json": (ITEM, e.NotFoundError, "not_found"),
    "errors/404-invalid-user.json": ("/users/u/messages", e.UserNotFoundError, "not_found"),
    "errors/404-mailbox.json": ("/users/u/mailFolders", e.NoMailboxError, "no_mailbox"),
    "errors/404-message.json": (MESSAGE, e.NotFoundError, "not_found"),
    "errors/404-mysite.json": ("/users/u/drive", e.NoDriveError, "no_drive"),
    "errors/404-user.json": ("/users/u", e.UserNotFoundError, "not_found"),
    "errors/410-mail-delta.json": ("/users/u/mailFolders/f/messages/delta", e.ResyncRequiredError, "resync_required"),
    "errors/423-site-locked.json": ("/drives/d/root/delta", e.SiteLockedError, "locked"),
    "errors/501-users-select.json": ("/users", e.UnsupportedError, "unsupported"),
    "throttling/429-directory.json": ("/users", e.ThrottledError, "throttled"),
    "throttling/429-generic.json": ("/users", e.ThrottledError, "throttled"),
    "throttling/429-outlook.json": (MESSAGE, e.ThrottledError, "throttled"),
    "throttling/429-sharepoint.json": (ITEM, e.ThrottledError, "throttled"),
    "throttling/503-sharepoint.json": (ITEM, e.ThrottledError, "throttled"),
    "files/delta-410.json": ("/drives/d/root/delta", e.ResyncRequiredError, "resync_required"),
}


@pytest.mark.skipif(not SHARED.is_dir(), reason="needs the captured bodies of ../shared/data/graph")
@pytest.mark.parametrize("name", CAPTURED)
def test_captured_bodies(name: str) -> None:
    path, expected, code = CAPTURED[name]
    captured = json.loads((SHARED / name).read_text())
    headers = {**JSON, **captured.get("headers", {})}
    error = classify(captured["status"], headers, json.dumps(captured["body"]).encode(), path=path)
    assert (type(error), error.code, error.status) == (expected, code, captured["status"])
    assert error.request_id
    parsed = classify(captured["status"], headers, captured["body"], path=path)
    assert type(parsed) is expected, "inner answers of a batch come parsed"


@pytest.mark.skipif(not SHARED.is_dir(), reason="needs the captured bodies of ../shared/data/graph")
def test_no_captured_body_is_left_out() -> None:
    there = {f"errors/{path.name}" for path in (SHARED / "errors").glob("*.json")}
    assert there == {name for name in CAPTURED if name.startswith("errors/")}


def body(code: str, message: str = "", *inner: str) -> bytes:
    level: dict[str, object] = {}
    for name in reversed(inner):
        level = {"code": name, "innererror": level}
    return json.dumps({"error": {"code": code, "message": message, "innerError": level}}).encode()


OWN = [
    ("q001-case", 410, {}, body("RESYNCREQUIRED"), "/drives/d/root/delta", e.ResyncRequiredError, SourceError),
    ("q001-html", 410, {}, b"<html>Gone", "/drives/d/root/delta", e.ResyncRequiredError, SourceError),
    ("q001-apply", 410, JSON, body("resyncApplyDifferences"), "/drives/d/root/delta", e.ResyncRequiredError, SourceError),
    ("q002-invalid", 400, JSON, body("SyncStateInvalid"), "/users/u/mailFolders/f/messages/delta", e.ResyncRequiredError, SourceError),
    ("q007-quota", 507, JSON, body("ErrorQuotaExceeded"), "/users/u/messages", e.UnsupportedError, SourceError),
    ("q007-token", 400, JSON, body("BadRequest", "Parameter 'DeltaToken' not supported for this request."), "/sites/s/delta", e.UnsupportedError, SourceError),
    ("q014-gone-content", 410, {}, b"", ITEM + "/content", e.NotFoundError, ItemError),
    ("q026-header", 403, {"X-Virus-Infected": "True", "Content-Type": "text/html"}, b"<html>", ITEM + "/content", e.MalwareError, ItemError),
    ("irm", 403, JSON, body("irmEncryptFailedToFindProtector"), ITEM + "/content", e.RightsProtectedError, ItemError),
    ("irm-inner", 403, JSON, body("accessDenied", "", "x", "irmEncryptFailedToFindProtector"), ITEM, e.RightsProtectedError, ItemError),
    ("q030-current", 400, JSON, body("invalidRequest", "You cannot get the content of the current version."), ITEM + "/versions/3.0/content", e.CurrentVersionError, ItemError),
    ("q032-item", 403, JSON, body("accessDenied"), ITEM + "/content", e.AccessDeniedError, ItemError),
    ("q041", 429, {"x-clienterror": "ThrottledRequest"}, b"", ITEM, e.ThrottledError, TransientError),
    ("q042-503", 503, {}, b"", ITEM, e.ThrottledError, TransientError),
    ("q042-509", 509, {}, b"", ITEM, e.ThrottledError, TransientError),
    ("q042-502", 502, {}, b"<html>", ITEM, e.ServiceTroubleError, TransientError),
    ("q042-504", 504, {}, b"", ITEM, e.ServiceTroubleError, TransientError),
    ("q045", 400, JSON, body("ErrorTooManyObjectsOpened"), MESSAGE, e.ThrottledError, TransientError),
    ("q048-html-with-json-type", 503, JSON, b"<html>", ITEM, e.ThrottledError, TransientError),
    ("q048-empty", 500, JSON, b"", ITEM, e.ServiceTroubleError, TransientError),
    ("q048-list", 500, JSON, b"[1]", ITEM, e.ServiceTroubleError, TransientError),
    ("q049", 400, JSON, body("invalidRequest"), "/drives/d/root/delta", e.DoubtfulRequestError, TransientError),
    ("q049-not-mail", 400, JSON, body("invalidRequest"), MESSAGE, e.RefusedError, ItemError),
    ("q054", 403, JSON, body("x", "This indicate that a subscription within the tenant has lapsed, or"), ITEM, e.TenantLapsedError, RunError),
    ("q056-url", 400, JSON, body("invalidRequest", "Unable to retrieve user's mysite URL."), "/users/u/drive", e.NoDriveError, SourceError),
    ("q056-spo", 400, JSON, body("BadRequest", "Tenant does not have a SPO license."), "/users/u/drive", e.NoLicenceError, SourceError),
    ("q056-file", 404, {"Content-Type": "text/html"}, b"404 FILE NOT FOUND", "/users/u/drive", e.NoDriveError, SourceError),
    ("q056-code-only", 404, JSON, body("itemNotFound"), "/users/u@x/drive?$select=id", e.NoDriveError, SourceError),
    ("q058-one", 404, JSON, body("ResourceNotFound"), "/users/u", e.UserNotFoundError, ItemError),
    ("q058-two", 404, JSON, body("ErrorInvalidUser"), "/users/u/messages", e.UserNotFoundError, ItemError),
    ("q058-drive", 404, JSON, body("Request_ResourceNotFound"), "/users/u/drive", e.UserNotFoundError, ItemError),
    ("q026-header", 403, {"Content-Type": "text/html", "X-Virus-Infected": "TRUE"}, b"<html>", ITEM + "/content", e.MalwareError, ItemError),
    ("q026-header-no", 403, {"X-Virus-Infected": "false"}, b"", ITEM + "/content", e.AccessDeniedError, ItemError),
    ("q026-inner", 403, JSON, body("accessDenied", "", "a", "b", "virusSuspicious"), ITEM + "/content", e.MalwareError, ItemError),
    ("q001-nested", 410, JSON, body("gone", "", "a", "RESYNCREQUIRED"), "/drives/d/root/delta", e.ResyncRequiredError, SourceError),
    ("q060-drive", 423, JSON, body("notAllowed", "", "resourceLocked"), "/drives/d/root/delta", e.SiteLockedError, SourceError),
    ("q060-empty", 423, {}, b"", "/users/u/drive", e.SiteLockedError, SourceError),
    ("423-item", 423, JSON, body("resourceLocked"), ITEM, e.LockedError, ItemError),
    ("424", 424, JSON, body("FailedDependency"), ITEM, e.ServiceTroubleError, TransientError),
    ("402", 402, JSON, body("PaymentRequired"), ITEM, e.RefusedError, ItemError),
    ("507", 507, JSON, body("quotaLimitReached"), ITEM, e.RefusedError, ItemError),
    ("q002-410-nested", 410, JSON, body("gone", "", "SyncStateNotFound"), "/users/u/mailFolders/f/messages/delta", e.ResyncRequiredError, SourceError),
    ("q002-text", 400, JSON, body("BadRequest", "The sync state generation is not found; generation=149;[highest=157]"), "/users/u/contacts/delta", e.ResyncRequiredError, SourceError),
    ("q007-quota-403", 403, JSON, body("ErrorQuotaExceeded"), "/users/u/mailFolders/f/messages/delta", e.UnsupportedError, SourceError),
    ("q013-mail", 404, JSON, body("ErrorItemNotFound"), MESSAGE + "/$value", e.NotFoundError, ItemError),
    ("q043", 429, JSON, body("ApplicationThrottled"), MESSAGE, e.ThrottledError, TransientError),
    ("q044-busy", 500, JSON, body("ErrorServerBusy"), MESSAGE, e.ThrottledError, TransientError),
    ("q045-500", 500, JSON, body("ErrorTooManyObjectsOpened"), MESSAGE, e.ThrottledError, TransientError),
    ("q057", 404, JSON, body("MailboxNotEnabledForRESTAPI"), "/users/u/mailFolders", e.NoMailboxError, SourceError),
    ("q057-old", 404, JSON, body("MailboxNotSupportedForRESTAPI"), MESSAGE, e.NoMailboxError, SourceError),
    ("q057-case", 403, JSON, body("mailboxnotenabledforrestapi"), "/users/u/calendars", e.NoMailboxError, SourceError),
    ("q058-mail", 404, JSON, body("ResourceNotFound"), "/users/u/mailFolders", e.UserNotFoundError, ItemError),
    ("q058-400", 400, JSON, body("ErrorInvalidUser"), "/users/u/mailFolders", e.UserNotFoundError, ItemError),
    ("q058-not-a-drive", 404, JSON, body("ResourceNotFound"), "/users/u/drive", e.NoDriveError, SourceError),
    ("q058-group", 404, JSON, body("Request_ResourceNotFound"), "/groups/g/threads", e.UserNotFoundError, ItemError),
    ("q070", 405, JSON, body("ErrorInvalidRequest"), "/users/u/mailFolders/f/messages/m/$value", e.RefusedError, ItemError),
    ("q074-recipients", 400, JSON, body("ErrorInvalidRecipients"), MESSAGE + "/$value", e.DoubtfulItemError, TransientError),
    ("q074-corrupt", 500, JSON, body("ErrorCorruptData", "Data is corrupt., Invalid global object ID"), MESSAGE, e.DoubtfulItemError, TransientError),
    ("mime", 500, JSON, body("ErrorMimeContentConversionFailed"), MESSAGE + "/$value", e.DoubtfulItemError, TransientError),
    ("attachment", 500, JSON, body("ErrorCannotOpenFileAttachment"), MESSAGE + "/attachments/a/$value", e.DoubtfulItemError, TransientError),
    ("size", 400, JSON, body("ErrorMessageSizeExceeded"), MESSAGE, e.ContentTooLargeError, ItemError),
    ("id", 400, JSON, body("ErrorInvalidIdMalformed"), MESSAGE, e.RefusedError, ItemError),
    ("moving", 503, JSON, body("ErrorMailboxMoveInProgress"), MESSAGE, e.ServiceTroubleError, TransientError),
    ("denied-message", 403, JSON, body("ErrorAccessDenied"), MESSAGE, e.AccessDeniedError, ItemError),
    ("denied-mailbox", 403, JSON, body("ErrorAccessDenied"), "/users/u/mailFolders/f/messages/delta", e.PermissionMissingError, SourceError),
    ("denied-items", 403, JSON, body("ErrorAccessDenied"), "/admin/exchange/mailboxes/m/folders/f/items/delta", e.PermissionMissingError, SourceError),
    ("denied-export", 403, JSON, body("ErrorAccessDenied"), "/admin/exchange/mailboxes/m/exportItems", e.PermissionMissingError, SourceError),
    ("teapot", 418, {}, b"", ITEM, e.RefusedError, ItemError),
    ("unknown-5xx", 599, {}, b"", ITEM, e.ServiceTroubleError, TransientError),
]  # fmt: skip


@pytest.mark.parametrize("row", OWN, ids=[row[0] for row in OWN])
def test_own_bodies(row: tuple) -> None:
    _, status, headers, content, path, expected, fate = row
    error = classify(status, headers, content, path=path)
    assert type(error) is expected
    assert isinstance(error, fate)
    assert error.code and str(error)
    assert "{" not in str(error) + error.action


def test_the_services_text_is_not_repeated() -> None:
    """It may hold names of people and files, which stay out of logs."""
    error = classify(404, JSON, body("itemNotFound", "Secret plan of Ada.docx was not found"), path=ITEM)
    assert "Ada" not in str(error) + error.action


@pytest.mark.parametrize(
    ("path", "permission"),
    [
        ("/users?$select=id", "User.Read.All"),
        ("/users/u/licenseDetails", "LicenseAssignment.Read.All"),
        ("/drives/d/root/delta", "Files.Read.All"),
        ("/users/u/drive", "Files.Read.All"),
        ("/sites/getAllSites", "Sites.Read.All"),
        ("/organization", "Organization.Read.All"),
        ("/domains", "Domain.Read.All"),
        ("/users/u/messages", "Mail.Read"),
        ("/users/u/mailboxSettings", "MailboxSettings.Read"),
        ("/users/u/todo/lists", "Tasks.Read.All"),
        ("/unheard-of", "Directory.Read.All"),
    ],
)
def test_missing_permission_is_named(path: str, permission: str) -> None:
    error = classify(403, JSON, body("Authorization_RequestDenied"), path=path)
    assert isinstance(error, e.PermissionMissingError)
    assert error.permission == permission
    assert permission in str(error) and permission in error.action


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"Retry-After": "120"}, 120.0),
        ({"retry-after": " 2.128 "}, 2.128),
        ({"Retry-After": "0"}, 0.0),
        ({"Retry-After": "Mon, 23 Nov 2026 15:41:00 GMT", "Date": "Mon, 23 Nov 2026 15:40:30 GMT"}, 30.0),
        ({"Retry-After": "Mon, 23 Nov 2026 15:40:47 GMT"}, 30.0),
        ({"Retry-After": "Mon, 23 Nov 2020 15:40:47 GMT"}, 0.0),
        ({"Retry-After": "soon"}, None),
        ({"Retry-After": "-5"}, None),
        ({"Retry-After": "86400"}, 86400.0),
        ({"Retry-After": "1000000"}, None),
        ({"Retry-After": "9" * 400}, None),
        ({"Retry-After": "Mon, 23 Nov 2099 15:40:47 GMT"}, None),
        ({"Retry-After": "Mon, 99 Nov 99999 15:40:47 GMT"}, None),
        ({}, None),
    ],
)  # fmt: skip
def test_q040_retry_after_in_all_its_forms(headers: dict[str, str], seconds: float | None) -> None:
    assert parse_retry_after(headers, NOW) == seconds


def test_rate_limit_headers() -> None:
    told = {"RateLimit-Limit": "1200", "RateLimit-Remaining": "120", "RateLimit-Reset": "5"}
    assert parse_rate_limit(told) == RateLimit(1200, 120, 5.0)
    assert parse_rate_limit({"ratelimit-limit": "1200;w=60"}) == RateLimit(1200, None, None)
    assert parse_rate_limit({"RateLimit-Limit": "x"}) is None
    assert parse_rate_limit({"RateLimit-Limit": "9" * 400, "RateLimit-Reset": "1e9", "RateLimit-Remaining": "-3"}) in (
        None,
        RateLimit(None, None, 1.0),
    )
    assert parse_rate_limit({"RateLimit-Reset": "1000000000"}) is None


@pytest.mark.parametrize("padding", ["", "=", "=="])
def test_q052_claims_hold_equal_signs_themselves(padding: str) -> None:
    header = f'Bearer realm="", error="insufficient_claims", claims="eyJhIjp7ImIiOiJjPSJ9fQ{padding}", x="y"'
    assert parse_claims(header) == '{"a":{"b":"c="}}'
    assert parse_claims('Bearer claims="not base64!"') is None
    assert parse_claims(None) is None


@pytest.mark.parametrize(
    ("code", "path", "fate"),
    [
        ("ErrorMimeContentConversionFailed", MESSAGE + "/$value", e.MimeRefusedError),
        ("ErrorCorruptData", MESSAGE, e.UnreadableItemError),
        ("ErrorInvalidRecipients", "/users/u/events/e", e.UnreadableItemError),
        (
            "ErrorCannotOpenFileAttachment",
            "/users/u/todo/lists/l/tasks/t/attachments/a/$value",
            e.UnreadableAttachmentError,
        ),
        ("ErrorInternalServerTransientError", MESSAGE, e.ItemGaveUpError),
        ("ErrorInternalServerTransientError", "/users/u/mailFolders/f/messages/delta?$select=id", e.GaveUpError),
        ("ErrorCorruptData", "/users/u/mailFolders/f/messages", e.GaveUpError),
    ],
)
def test_q074_what_stays_is_the_items_matter_and_of_a_listing_the_sources(code: str, path: str, fate: type) -> None:
    error = classify(500, JSON, body(code), path=path)
    assert isinstance(error, TransientError)
    final = gave_up(error, path)
    assert type(final) is fate
    assert isinstance(final, ItemError) != isinstance(final, SourceError)
    assert (final.service_code, final.status) == (code, 500)
