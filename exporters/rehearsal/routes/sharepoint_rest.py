"""SharePoint's own REST API, as far as Graph lacks it: the files attached to list items.

Rules of this file: tokens made with a client secret are refused, as the real one does; a site is found by the path of its
address, subsites too; errors have SharePoint's own form; names in addresses double their quotes. Source: reference/graph.md
5.4; quirk Q-062; data/graph/sites/rest-attachmentFiles.json.
"""

import re
from dataclasses import dataclass
from urllib.parse import quote, unquote

from exporters.rehearsal.documents import Row, render
from exporters.rehearsal.list_truth import ListTruth, attachments_of
from exporters.rehearsal.routes import access_rest
from exporters.rehearsal.routes.answers import identity
from exporters.rehearsal.routes.router import Call
from exporters.rehearsal.routes.signin import Token
from exporters.rehearsal.wire import Request, Response

COST = 5  # no figure is published; dearer than Graph
FILES, VALUE = "_api/web/lists/items/AttachmentFiles", "_api/web/lists/items/AttachmentFiles/$value"
_ADDRESS = re.compile(
    r"(?P<site>.*?)/_api/web/lists\(guid'(?P<list>[0-9a-f-]{36})'\)/items\((?P<item>\d+)\)/AttachmentFiles"
    r"(?:\('(?P<name>(?:[^']|'')*)'\)/\$value)?",
    re.IGNORECASE | re.DOTALL,
)
_ROLES = frozenset({"Sites.Read.All", "Sites.ReadWrite.All", "Sites.FullControl.All", "Sites.Selected"})


@dataclass
class RestError(Exception):
    """An answer of SharePoint other than success."""

    status: int
    code: str
    message: str


def route_of(request: Request) -> str:
    """The name of a request's route, for the ledger and for fault plans."""
    found = _address_of(request)
    if found is None:
        return access_rest.route_of(request) or "sharepoint"
    return VALUE if found["name"] is not None else FILES


def _address_of(request: Request) -> "re.Match[str] | None":
    return _ADDRESS.fullmatch(unquote(request.path, errors="surrogateescape"))


def check_token(token: Token) -> None:
    """Raises RestError: a token by secret, or one without a SharePoint permission."""
    if not token.by_certificate:
        raise RestError(401, "invalid_request", "Unsupported app only token.")
    if not token.roles & _ROLES:
        raise RestError(
            403, "-2147024891, System.UnauthorizedAccessException", "Attempted to perform an unauthorized operation."
        )


def answer(call: Call) -> Response:
    """The attachments of an item, or the bytes of one, or what `access_rest` has. Raises RestError."""
    found = _address_of(call.request)
    if found is None:
        return _access(call)
    row = _item(call, found)
    files = attachments_of(row)
    if found["name"] is None:
        return _listing(call, found, files)
    name = found["name"].replace("''", "'")
    entry = next((one for one in files if str(one["fileName"]).lower() == name.lower()), None)
    if entry is None:
        raise _missing("Value does not fall within the expected range.")
    return _bytes(call, entry)


def _access(call: Call) -> Response:
    _check_accept(call)
    try:
        response = access_rest.answer(call)
    except access_rest.NotServedError as error:
        raise RestError(error.status, error.code, error.message) from error
    if response is None:
        raise RestError(400, "-1, System.NotSupportedException", "This rehearsal serves no such SharePoint REST call.")
    return response


def refusal(error: RestError, call: Call) -> Response:
    """The answer for a RestError: of the sign-in in one form, of SharePoint in another."""
    headers = {
        "Content-Type": "application/json;odata=nometadata;streaming=true;charset=utf-8",
        **identity(call.request),
    }
    if error.status == 401:
        headers["x-ms-diagnostics"] = f'3001000;reason="{error.message}";category="invalid_client"'
        return Response(401, render({"error": error.code, "error_description": error.message}), headers)
    body = {"odata.error": {"code": error.code, "message": {"lang": "en-US", "value": error.message}}}
    return Response(error.status, render(body), headers)


def _missing(text: str) -> RestError:
    return RestError(404, "-2130575338, System.ArgumentException", text)


def _item(call: Call, found: "re.Match[str]") -> Row:
    tenant = call.service.tenant
    wanted = found["site"].rstrip("/").lower()
    site = next((row for row in tenant.sites if str(row.get("_path", "")).rstrip("/").lower() == wanted), None)
    if site is None:
        raise RestError(404, "-2147024894, System.IO.FileNotFoundException", "File Not Found.")
    one = tenant.lists_of(site).find(found["list"])
    if one is None or one.is_library:
        raise RestError(404, "-2130575322, Microsoft.SharePoint.SPException", "List does not exist.")
    return _row(one, found["item"])


def _row(one: ListTruth, item_id: str) -> Row:
    with one.lock:
        n = one.find(item_id)
        if n is None:
            raise _missing("Item does not exist. It may have been deleted by another user.")
        return one.row(n)


def _check_accept(call: Call) -> None:
    if "odata=nometadata" not in call.request.headers.get("accept", "").replace(" ", "").lower():
        raise RestError(
            406,
            "-1, Microsoft.SharePoint.Client.ClientServiceException",
            "The HTTP header ACCEPT is missing or its value is invalid.",
        )


def _listing(call: Call, found: "re.Match[str]", files: list[Row]) -> Response:
    _check_accept(call)
    rows = []
    for entry in files:
        name = str(entry["fileName"])
        path = f"{found['site']}/Lists/{found['list']}/Attachments/{found['item']}/{name}"
        rows.append({
            "FileName": name,
            "FileNameAsPath": {"DecodedUrl": name},
            "ServerRelativePath": {"DecodedUrl": path},
            "ServerRelativeUrl": path,
        })  # fmt: skip
    headers = {
        "Content-Type": "application/json;odata=nometadata;streaming=true;charset=utf-8",
        **identity(call.request),
    }
    return Response(200, render({"value": rows}), headers)


def _bytes(call: Call, entry: Row) -> Response:
    reader, reference = call.service.tenant.content, entry["_c"]
    name = quote(str(entry["fileName"]), safe="", errors="replace")
    headers = {
        "Content-Type": "application/octet-stream",
        "Content-Disposition": f"attachment; filename*=UTF-8''{name}",
    }
    headers |= identity(call.request)
    length = int(reference["len"])
    if length <= 64 * 1024:
        return Response(200, reader.read(reference, 0, length), headers)
    return Response(200, headers=headers, stream=reader.pieces(reference, 0, length), length=length)
