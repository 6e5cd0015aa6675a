"""What an answer of the service means: one table, asked by everybody; nobody else looks at status codes or texts.

Rules of this file: no I/O. Decide by status first, then by the outermost and the inner codes without regard to case;
by text only where the service gives one code to different things (Q-030, Q-054, Q-056). A body that is not JSON
never hides the status (Q-048).

The rows of mailboxes are in `exchange`. Source: reference graph.md 2.1, 7.1, 11.1; quirks Q-001, Q-026, Q-030, Q-032, Q-041,
Q-042, Q-048, Q-049, Q-052 to Q-058.
"""

import json
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from exporters.graph.errors import (
    AccessDeniedError,
    CurrentVersionError,
    DoubtfulRequestError,
    GaveUpError,
    GraphError,
    ItemGaveUpError,
    LockedError,
    MalwareError,
    MimeRefusedError,
    NoDriveError,
    NoLicenceError,
    NotFoundError,
    PermissionMissingError,
    RefusedError,
    ResyncRequiredError,
    RightsProtectedError,
    ServiceTroubleError,
    SiteLockedError,
    TenantLapsedError,
    ThrottledError,
    UnauthorizedError,
    UnreadableAttachmentError,
    UnreadableItemError,
    UnsupportedError,
    UserNotFoundError,
)
from exporters.graph.exchange import EXCHANGE
from exporters.graph.headers import (
    header,
    parse_claims,
    parse_rate_limit,
    parse_retry_after,
    server_date,
)
from exporters.graph.rules import LATER, REPORT, Rule, Said

Body = bytes | Mapping[str, Any] | None

# Area of a path → application permission (graph.md 2.1). First match counts.
_PERMISSIONS: tuple[tuple[str, str], ...] = (
    (r"/_api/", "Sites.Read.All of SharePoint, for an app that signs in with a certificate"),
    (r"/permissions\b|expand=permissions", "Files.Read.All (complete sharing data: Sites.FullControl.All)"),
    (r"/termStore", "TermStore.Read.All"),
    (r"/deletedItems/microsoft\.graph\.group", "Group.Read.All"),
    (r"/sites/[^/]+/lists|/lists/|/pages|getAllSites|^/sites", "Sites.Read.All"),
    (r"^/drives/|/drives?(/|$|\?)", "Files.Read.All"),
    (r"/exportItems", "MailboxItem.Export.All"),
    (r"/exchange/mailboxes/[^/]+/folders/[^/]+/items", "MailboxItem.Read.All"),
    (r"/exchange/mailboxes", "MailboxFolder.Read.All"),
    (r"mailboxSettings|masterCategories|messageRules|userPurpose", "MailboxSettings.Read"),
    (r"/mailFolders|/messages", "Mail.Read"),
    (r"/contacts|/contactFolders", "Contacts.Read"),
    (r"/calendars?|/events", "Calendars.Read"),
    (r"/todo", "Tasks.Read.All"),
    (r"licenseDetails|/subscribedSkus", "LicenseAssignment.Read.All"),
    (r"^/organization|/directory/subscriptions", "Organization.Read.All"),
    (r"^/domains", "Domain.Read.All"),
    (r"^/directoryRoles|/roleManagement", "RoleManagement.Read.Directory"),
    (r"^/groups", "Group.Read.All"),
    (r"^/reports", "Reports.Read.All"),
    (r"^/admin/reportSettings", "ReportSettings.Read.All"),
    (r"/security/cases", "eDiscovery.Read.All"),
    (r"^/users|/directory/deletedItems", "User.Read.All"),
)


def permission_for(path: str) -> str:
    """The application permission that a call of this path most likely needs; path without host and version."""
    return next(
        (name for pattern, name in _PERMISSIONS if re.search(pattern, path, re.IGNORECASE)), "Directory.Read.All"
    )


_DRIVE_PATH = r"^/drives/|^/sites/|^/shares/|/_api/|/drives?(/|$|\?)"
_ONE = r"/(?!delta\b|\$)[^/?]+"
_ITEM_PATH = rf"/(items|messages|events|contacts|tasks|posts|attachments|versions|pages){_ONE}|/_api/.*/items\(\d+\)"
_OWN_DRIVE = r"^/(users|groups)/[^/]+/drives?($|\?)|^/me/drive"
_GRANT = "Grant {permission} (application) to the app registration, give admin consent, and run again."

_RULES: tuple[Rule, ...] = (
    Rule((), TenantLapsedError, "tenant_lapsed",
         "A subscription of this tenant has lapsed and the service no longer answers for it.",
         "Reactivate the subscription in the admin centre while that is possible, then run again.",
         text=("subscription within the tenant has lapsed", "a subscription within the tenant has lapse")),
    Rule((400, 403, 404), NoDriveError, "no_drive", "This user has no OneDrive.",
         text=("mysite not found", "user's mysite url", "404 file not found")),
    Rule((400, 403, 404), NoLicenceError, "no_drive", "The tenant has no SharePoint licence, so there are no drives.",
         text=("does not have a spo license",)),
    Rule((400,), CurrentVersionError, "current_version",
         "The newest version has no content of its own.", text=("content of the current version",)),
    Rule((400, 404), UnsupportedError, "unsupported", "This cloud does not have what was asked for.",
         "Nothing; another way is taken where there is one.", text=("resource not found for the segment",)),
    Rule((400,), UnsupportedError, "unsupported", "Changes cannot be asked for here.",
         "Nothing; the whole listing is taken.", text=("'deltatoken' not supported", "parameter 'deltatoken'")),
    *EXCHANGE,
    Rule((400, 404, 410), ResyncRequiredError, "resync_required", "The saved listing position is no longer valid.",
         "Nothing; the listing begins again in full.",
         codes=("resyncRequired", "resyncChangesApplyDifferences", "resyncChangesUploadDifferences",
                "resyncApplyDifferences", "resyncUploadDifferences")),
    Rule((410,), NotFoundError, "not_found", "The service no longer has it.", path=r"/(content|\$value)($|\?)"),
    Rule((410,), ResyncRequiredError, "resync_required", "The saved listing position is no longer valid.",
         "Nothing; the listing begins again in full."),
    Rule((), RightsProtectedError, "irm", "The content is protected by rights management.",
         "Have the owner remove the protection, or accept that it is not copied.",
         codes=("irmEncryptFailedToFindProtector", "irmProtectionError", "irmDecryptFailed", "ErrorRightsManagement")),
    Rule((), MalwareError, "malware", "The service found malware in the content and refuses it.",
         "Accept that it is not copied, or have an administrator release it.",
         codes=("malwareDetected", "virusInfected", "virusSuspicious")),
    Rule((400, 403, 404, 406, 423, 451), MalwareError, "malware",
         "The service found malware in the content and refuses it.",
         "Accept that it is not copied, or have an administrator release it.", headers=("X-Virus-Infected",)),
    Rule((400,), DoubtfulRequestError, "refused", "The service calls the request invalid.", REPORT,
         codes=("invalidRequest",), path=_DRIVE_PATH),
    Rule((401,), UnauthorizedError, "unauthorized", "The service does not accept the sign-in.",
         "Check the clock of this machine, the cloud in the configuration and the access policies of the tenant."),
    Rule((403,), PermissionMissingError, "permission_missing",
         "The application may not read this ({permission} seems to be missing).", _GRANT,
         codes=("Authorization_RequestDenied",)),
    Rule((403,), AccessDeniedError, "access_denied", "The service refuses access to this item.",
         "If it is so for many: " + _GRANT + " Items with a retention label may need RecordsManagement.Read.All as well.",
         path=_ITEM_PATH),
    Rule((403,), PermissionMissingError, "permission_missing",
         "The application may not read this ({permission} seems to be missing).", _GRANT),
    Rule((404,), UserNotFoundError, "not_found", "There is no such group.",
         codes=("Request_ResourceNotFound", "ResourceNotFound"), path=r"^/groups/[^/]+"),
    Rule((404,), UserNotFoundError, "not_found", "There is no such user.", codes=("Request_ResourceNotFound",)),
    Rule((404,), NoDriveError, "drive_not_found", "The service finds no OneDrive of this user.", path=_OWN_DRIVE),
    Rule((404,), UserNotFoundError, "not_found", "There is no such user.",
         codes=("ResourceNotFound",), path=r"^/users/[^/]+($|\?|/(?!drives?\b))"),
    Rule((404,), NotFoundError, "not_found", "The service does not find it."),
    Rule((423,), LockedError, "locked", "The item is locked.", "Have it checked in or unlocked, then run again.",
         path=_ITEM_PATH),
    Rule((423,), SiteLockedError, "locked", "The site is locked or archived.",
         "Unlock or reactivate the site in the SharePoint admin centre, then run again."),
    Rule((424,), ServiceTroubleError, "transient", "An earlier request of the batch failed.", LATER),
    Rule((429,), ThrottledError, "throttled", "The service asks for a pause.", LATER),
    Rule((503, 509), ThrottledError, "throttled", "The service is busy and asks for a pause.", LATER),
    Rule((501,), UnsupportedError, "unsupported", "The service does not do this."),
    Rule((402,), RefusedError, "refused", "The service wants this call to be billed, and billing is not set up."),
    Rule((408, 500, 502, 504, 520, 521, 522, 523, 524), ServiceTroubleError, "transient",
         "The service had an error of its own.", LATER),
)  # fmt: skip


_UNREADABLE: dict[str, type[ItemGaveUpError]] = {
    "mime_refused": MimeRefusedError,
    "item_unreadable": UnreadableItemError,
    "attachment_unreadable": UnreadableAttachmentError,
}


def is_item_path(path: str) -> bool:
    """True if a request of this path (without host and version) is about one item, not about a whole source."""
    return re.search(_ITEM_PATH, path, re.IGNORECASE) is not None


def gave_up(error: GraphError, path: str) -> GraphError:
    """What is raised when the tries for a transient error are used up."""
    fate: type[GraphError] = _UNREADABLE.get(error.code, ItemGaveUpError) if is_item_path(path) else GaveUpError
    return fate(
        str(error),
        code=error.code,
        action=error.action,
        status=error.status,
        service_code=error.service_code,
        inner_codes=error.inner_codes,
        request_id=error.request_id,
        retry_after=error.retry_after,
    )


def classify(
    status: int,
    headers: Mapping[str, str],
    body: Body = None,
    *,
    path: str = "",
    now: datetime | None = None,
) -> GraphError:
    """The error that an answer stands for (it is returned, not raised).

    body: raw bytes, or the JSON of an inner batch answer. path: of the request, without host and version; it tells an
    item from a source, and names the permission. now: for dates in `Retry-After` where the answer has no `Date`.
    """
    answer = _read(status, headers, body, path)
    rule = next((rule for rule in _RULES if rule.fits(answer)), None)
    if rule is None:
        rule = (
            Rule((), ServiceTroubleError, "transient", "The service had an error of its own.", LATER)
            if status >= 500 and status not in (501, 505, 507)
            else Rule((), RefusedError, "refused", f"The service refuses the request (status {status}).", REPORT)
        )
    permission = permission_for(path)
    error = rule.error(
        _sentence(rule.sentence.format(permission=permission), answer),
        code=rule.code,
        action=rule.action.format(permission=permission),
        status=status,
        service_code=answer.code,
        inner_codes=answer.inner,
        request_id=answer.request_id,
        retry_after=parse_retry_after(headers, now or server_date(headers) or datetime.fromtimestamp(0, UTC)),
    )
    _complete(error, answer, permission)
    return error


def _complete(error: GraphError, answer: Said, permission: str) -> None:
    if isinstance(error, (PermissionMissingError, AccessDeniedError)):
        error.permission = permission
    elif isinstance(error, UnauthorizedError):
        error.claims = parse_claims(header(answer.headers, "WWW-Authenticate"))
    elif isinstance(error, ResyncRequiredError):
        error.location = header(answer.headers, "Location")
    elif isinstance(error, ThrottledError):
        error.rate_limit = parse_rate_limit(answer.headers)


def _sentence(text: str, answer: Said) -> str:
    """Codes and the request id are for support; the service's own text may hold names of people and is left out."""
    detail = [f"status {answer.status}"] if f"status {answer.status}" not in text else []
    detail += [code for code in dict.fromkeys((answer.code, *answer.inner)) if code]
    detail += [f"request id {answer.request_id}"] if answer.request_id else []
    return f"{text.rstrip('.')} ({', '.join(detail)})." if detail else text


def _read(status: int, headers: Mapping[str, str], body: Body, path: str) -> Said:
    document = _document(headers, body)
    error = document.get("error") or document.get("odata.error") if isinstance(document, Mapping) else None
    codes: list[str] = []
    texts: list[str] = []
    request_id = header(headers, "request-id")
    depth: Callable[[Mapping[str, Any]], Any] = lambda level: level.get("innerError", level.get("innererror"))  # noqa: E731
    level: Any = error
    while isinstance(level, Mapping) and len(codes) < 16:
        codes.append(str(level.get("code") or ""))
        message = level.get("message")
        texts.append(str(message.get("value", "")) if isinstance(message, Mapping) else str(message or ""))
        request_id = request_id or level.get("request-id")
        level = depth(level)
    if isinstance(error, str):  # the sign-in service, and some gateways
        codes, texts = [error], [str(document.get("error_description", ""))] if isinstance(document, Mapping) else []
    if not texts and isinstance(body, bytes):
        texts = [body[:4096].decode("utf-8", "replace")]
    outermost, *inner = codes or [header(headers, "x-clienterror") or ""]
    inner = [code for code in inner if code]
    return Said(
        status, headers, path, outermost, tuple(inner), " ".join(texts), str(request_id) if request_id else None
    )


def _document(headers: Mapping[str, str], body: Body) -> Any:
    if not isinstance(body, bytes):
        return body
    kind = (header(headers, "Content-Type") or "").lower()
    if "json" not in kind and body.lstrip()[:1] != b"{":
        return None
    try:
        return json.loads(body)
    except ValueError:
        return None
