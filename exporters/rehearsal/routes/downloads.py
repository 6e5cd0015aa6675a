"""The download host: pre-authenticated addresses, ranges, and no Authorization.

Rules of this file: a request that carries a token is refused and marked, since a real host misbehaves and the token has
leaked (Q-016); suffix and several ranges are ignored, as the real host does (Q-018).
Source: reference/graph.md 5.2; quirks Q-014 to Q-020.
"""

import re
from urllib.parse import quote

from exporters.rehearsal.content import ContentReader
from exporters.rehearsal.documents import Row
from exporters.rehearsal.items import DriveTruth, content_of
from exporters.rehearsal.links import LinkError
from exporters.rehearsal.routes.answers import ApiError, item_not_found
from exporters.rehearsal.routes.items import check_content
from exporters.rehearsal.routes.router import Call
from exporters.rehearsal.wire import Response

_RANGE = re.compile(r"bytes=(\d+)-(\d*)$")


def download(call: Call) -> Response:
    """GET of a pre-authenticated address."""
    service = call.service
    if "authorization" in call.request.headers:
        raise ApiError(
            401,
            "unauthenticated",
            "A pre-authenticated address takes no Authorization header.",
            marks=("authorization-on-download",),
        )
    try:
        ticket = service.tickets.read(call.request.query)
    except (LinkError, TypeError, ValueError) as error:
        raise ApiError(401, "unauthenticated", str(error)) from error
    if ticket.expires <= service.clock.now().timestamp() or "url-expired" in call.faults:
        raise ApiError(401, "unauthenticated", "The download address has expired.", marks=("url-expired",))
    drive = service.tenant.drive_in(ticket.drive)
    drive.load()
    if ticket.drive in service.tenant.removed_drives or ticket.item in drive.gone:
        raise item_not_found()
    row = drive.row(_another(drive, ticket.item) if "other-file" in call.faults else ticket.item)
    check_content(row)
    reference = content_of(row, ticket.version)
    if reference is None:
        raise item_not_found()
    return serve_content(call, row, reference, version=ticket.version)


def _another(drive: DriveTruth, n: int) -> int:
    """Another file of the drive that can be read and holds other bytes; `n` itself if there is none."""
    own = drive.row(n)["_c"]["sha256"]
    for other in drive.live(0):
        row = drive.row(other)
        readable = "_c" in row and not ("malware" in row or row.get("_irm") or row.get("_goneAfterListing"))
        if readable and row["_c"]["len"] and row["_c"]["sha256"] != own:
            return other
    return n


def serve_content(call: Call, row: Row, reference: Row, *, version: str | None = None) -> Response:
    """The bytes, whole or in the range asked for."""
    reader: ContentReader = call.service.tenant.content
    length = int(reference["len"])
    etag = row["eTag"] if version is None else f'{row["eTag"][:-1]},v{version}"'
    headers = {
        "Content-Type": row["file"]["mimeType"],
        "Accept-Ranges": "bytes",
        "ETag": etag,
        "Content-Disposition": f"attachment; filename*=UTF-8''{quote(row['name'], safe='', errors='replace')}",
    }
    start, end, status = 0, length, 200
    wanted = _RANGE.match(call.request.headers.get("range", ""))
    if "range-unsatisfiable" in call.faults:
        return Response(416, headers={"Content-Range": f"bytes */{length}"})
    if wanted and "range-ignored" not in call.faults and call.request.headers.get("if-range", etag) == etag:
        start = int(wanted.group(1))
        end = min(length, int(wanted.group(2)) + 1) if wanted.group(2) else length
        if start >= length or end <= start:
            return Response(416, headers={"Content-Range": f"bytes */{length}"})
        status = 206
        headers["Content-Range"] = f"bytes {start}-{end - 1}/{length}"
    if end - start <= 64 * 1024:
        return Response(status, reader.read(reference, start, end - start), headers)
    return Response(status, headers=headers, stream=reader.pieces(reference, start, end), length=end - start)
