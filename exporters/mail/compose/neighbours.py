"""The seams to tnef.py, reports.py and meetings.py, which are written elsewhere.

Rules of this file: nothing but looking them up. SEAM: once the three modules are in this package, mime.py imports them
directly and this file goes. Source: the signatures agreed on for this package.
"""

import importlib
import importlib.util
from typing import Any

from exporters.mail.compose.parsing import Entity


def _module(name: str) -> Any:
    full = f"{__package__}.{name}"
    return importlib.import_module(full) if importlib.util.find_spec(full) is not None else None


_tnef, _reports, _meetings = _module("tnef"), _module("reports"), _module("meetings")


def tnef(data: bytes) -> Any:
    """TnefContent(properties, recipients, attachments, losses), or None if it cannot be read."""
    if _tnef is None:
        return None
    try:
        return _tnef.read(data)
    except _tnef.TnefRefused:
        return None


def report(entity: Entity) -> Any:
    """ReportContent(message_class, properties, recipients, losses), or None if the mail is no usable report."""
    return None if _reports is None else _reports.report(entity)


def meeting(calendar: bytes, method: str) -> Any:
    """MeetingContent(message_class, properties, recipients, losses, description), or None if the calendar is no meeting mail."""
    return None if _meetings is None else _meetings.meeting(calendar, method=method)
