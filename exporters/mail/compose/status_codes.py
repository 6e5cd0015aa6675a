"""Enhanced status codes (`5.1.1`) as the three numbers by which MAPI tells why a mail was not delivered.

Rules of this file: data and their look-up. Source: [MS-OXCMAIL] 2.2.3.7.1.3; RFC 3463; [MS-OXOMSG] 2.2.2.30 to 2.2.2.32.
"""

import re

_CODE = re.compile(r"\s*(\d)\.(\d{1,3})\.(\d{1,3})(?!\d)")
_NO_DIAGNOSTIC = -1
# subject of the status -> diagnostic code by its detail, and for any other detail
_DIAGNOSTICS: dict[int, tuple[dict[int, int], int]] = {
    1: ({1: 35, 2: 48, 3: 32, 4: 1, 6: 40}, 0),
    2: ({1: 38, 2: 13, 3: 13, 4: 30}, 38),
    3: ({1: 38, 2: _NO_DIAGNOSTIC, 3: 18, 4: 13, 5: 18}, 38),
    4: ({0: _NO_DIAGNOSTIC, 3: _NO_DIAGNOSTIC, 4: _NO_DIAGNOSTIC, 6: 3, 7: 5, 8: 3}, 2),
    5: ({3: 16, 4: 11}, 17),
    6: ({2: 9, 3: 8, 4: 25, 5: _NO_DIAGNOSTIC}, 15),
    7: ({1: 29, 2: 28, 3: 26}, 46),
}
_REASONS = {(1, 1): 1, (4, 3): 6, (6, 5): 2}


def _split(status: str) -> tuple[int, int, int] | None:
    """Class, subject and detail; the last two are 0 when they have more than one digit, as the specification has it."""
    match = _CODE.match(status)
    if match is None:
        return None
    subject, detail = (int(text) if int(text) < 10 else 0 for text in (match[2], match[3]))
    return int(match[1]), subject, detail


def status_code(status: str) -> tuple[int | None, str]:
    """PidTagNonDeliveryReportStatusCode (`5.1.1` is 511) and the code as text; (None, "") when the field names none."""
    match, parts = _CODE.match(status), _split(status)
    if match is None or parts is None:
        return None, ""
    return parts[0] * 100 + parts[1] * 10 + parts[2], match[0].strip()


def diagnostic_and_reason(status: str) -> tuple[int, int]:
    """PidTagNonDeliveryReportDiagCode and ...ReasonCode; (-1, 0) when nothing is known."""
    parts = _split(status)
    if parts is None:
        return _NO_DIAGNOSTIC, 0
    by_detail, other = _DIAGNOSTICS.get(parts[1], ({}, _NO_DIAGNOSTIC))
    return by_detail.get(parts[2], other), _REASONS.get((parts[1], parts[2]), 0)
