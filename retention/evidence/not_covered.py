"""What no run can ever copy, and what to do for an excepted item: fixed sentences of ours, by class and by code.

Rules of this file: no I/O, and no string that comes from a tenant. Source: retention-domain §4 ("Not covered: report always, with
the alternative"); docs/operating.md (Exceptions).
"""

from typing import NamedTuple


class Lost(NamedTuple):
    """A class of data that lies outside of every copy: what it is, why it is not copied, what the administrator can do."""

    name: str
    data: str
    reason: str
    alternative: str


NOT_COVERED = (
    Lost("teams_chats", "Teams chats and channel messages", "out of scope; metered, protected APIs",
         "eDiscovery (Teams option) before access_ends; recordings are files, and those are copied"),
    Lost("teams_apps", "Teams apps, tabs and calling", "there is no API for their content", "export by an administrator"),
    Lost("planner_forms", "Planner and Forms", "there is no API for a backup", "the owner exports to Excel"),
    Lost("loop_whiteboard", "Loop, Whiteboard, Sway, Bookings, classic Stream", "bound to containers, retired, or without an API",
         "PDF, by hand"),
    Lost("power_platform", "Power Apps, Power Automate, Power BI, Dataverse", "another service", "export of the solution"),
    Lost("viva_engage", "Viva Engage (Yammer)", "another service", "export of the network's data, eDiscovery"),
    Lost("onenote", "OneNote notebooks", "access for applications ended on 31 March 2025; packages have no stream",
         "the owner exports the notebook"),
    Lost("other_services", "Copilot, audit log, Defender, Intune", "other services", "export of the audit log, their own tools"),
    Lost("label_keys", "Encryption keys of sensitivity labels, secrets", "by design",
         "decrypt labelled files first: they are unreadable once the tenant is gone"),
)  # fmt: skip

_EDISCOVERY = "eDiscovery, before access_ends"
_AGAIN = "lastcopy export, once more; accept it if it stays"
ALTERNATIVES = {
    "vanished": "nothing: its owner deleted it",
    "not_found_while_listed": _AGAIN,
    "malware": "none through the service",
    "irm_protected": "its owner saves a plain copy, then lastcopy export",
    "access_denied": "look at its permissions, then lastcopy export",
    "locked": "unlock or reactivate it, then lastcopy export",
    "onenote_unavailable": "export the notebook from OneNote",
    "onenote_parts_not_listed": "export the notebook from OneNote",
    "version_unavailable": "none: the current bytes are copied where they could be had",
    "permissions_unavailable": "check the permission, then lastcopy export",
    "content_unstable": "lastcopy export, at a quiet hour",
    "download_failed": _AGAIN,
    "refused": _AGAIN,
    "store_refused": "do what its row says, then lastcopy export",
    "unknown_kind": "look at it in the service",
    "mime_refused": "save it from Outlook; what else could be had of it is kept",
    "item_unreadable": "open it in Outlook",
    "attachment_unreadable": _AGAIN,
    "too_large": "save it from Outlook",
    "not_exported": _AGAIN,
    "stream_unavailable": "nothing for a mail: its MIME is copied",
    "attachments_need_certificate": "sign in with a certificate (tenant.credential), then lastcopy export",
    "archive_unreadable": _EDISCOVERY,
    "not_reconciled": _AGAIN,
    "mass_disappearance": "find out why, then accept it or export again",
    "pst_incomplete": "the originals hold these items; parts.json names each",
}
"""By code of an exception or of a finding about a whole source."""


def alternative_of(code: str) -> str:
    """What can be done about a code."""
    return ALTERNATIVES.get(code, "see docs/operating.md, Exceptions")
