"""Fixed sentences of ours that a document holds: what to do about a code, and all those that a redaction may leave as they are.

Rules of this file: no I/O, and no string that comes from a tenant. Source: retention-domain §4; docs/operating.md (Exceptions).
"""

from exporters.outcomes import CAUSES
from retention.classes import CLASSES
from retention.evidence.words import SOURCE
from retention.findings import REASONS
from retention.policy import load_policy, references

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


def fixed_sentences() -> frozenset[str]:
    """Every sentence of ours, and of the built-in policy, that may stand in a document as a whole string; none names anybody."""
    found = {*ALTERNATIVES.values(), alternative_of(""), *REASONS.values(), SOURCE}
    found |= {cause.reason for cause in CAUSES.values()}
    for one in CLASSES.values():
        found |= {one.title, one.why, one.alternative}
    policy = load_policy()
    found |= {page.title for page in policy.sources.values()} | {reference for _, reference in references(policy)}
    return frozenset(found - {""})
