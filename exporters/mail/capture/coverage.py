"""What of a mailbox is covered, class by class: decisions without I/O.

Rules of this file: never better than it is: what could not be listed, or was not asked for, is said with the reason and what to
do.
Source: design §5 (coverage), retention-domain §4.
"""

from collections.abc import Collection, Mapping, Sequence

from exporters.bag.formats import JsonObject
from exporters.copied import CopyResult
from exporters.errors import LastcopyError
from exporters.mail.settings import MailSettings

COUNT_UNAVAILABLE = "count_unavailable"
_OWNERS = "See to it that the mailboxes of their owners are copied; export what belongs to people outside from Outlook."
_PARTS = {"mail": "message", "contacts": "contact", "calendar": "event", "tasks": "task"}
_UNCOUNTED = "The service's own counts are not those of the copy, or items are pending."
_WORDS = {"mail": "messages", "contacts": "contacts", "calendar": "events", "tasks": "tasks"}


def coverage_rows(
    result: CopyResult,
    refused: Mapping[str, LastcopyError],
    settings: MailSettings,
    *,
    is_group: bool,
    recoverable: Collection[str] = (),
    unread_settings: Sequence[str] = (),
    uncounted: int = 0,
    shared_calendars: int = 0,
) -> list[JsonObject]:
    """Rows {"class", "state", "reason"?, "code"?, "alternative"?}. refused: scopes of folders, parts of the walk; recoverable:
    those of them that are folders of Recoverable Items; unread_settings: why rules, categories, … could not be read; uncounted:
    mail folders whose number of items is not told; shared_calendars: those of others that are shown in the mailbox."""
    if is_group:
        return [_part("conversations", "threads", "post", result, refused), _group_calendar()]
    primary = {scope: error for scope, error in refused.items() if scope not in recoverable}
    rows = [_part(of, _WORDS[of], kind, result, primary) for of, kind in _PARTS.items()]
    if uncounted and rows[0]["state"] == "covered":
        reason = f"The service does not tell how much {uncounted:,} folders hold, so that nothing proves their listing."
        rows[0] |= {"state": "in part", "code": COUNT_UNAVAILABLE, "reason": reason}
    if shared_calendars:
        word = "calendar" if shared_calendars == 1 else "calendars"
        reason = f"{shared_calendars:,} {word} of others are shown here; each is copied with the mailbox of its owner."
        rows.append({"class": "shared_calendars", "state": "not asked", "reason": reason, "alternative": _OWNERS})
    rows.append(
        _recoverable({scope: refused[scope] for scope in ("recoverable", *recoverable) if scope in refused}, settings)
    )
    if unread_settings:
        reason = f"Not all of rules, categories and settings could be read: {unread_settings[0]}"
        rows.append({"class": "settings", "state": "in part", "code": "settings_unread", "reason": reason})
    rows.append(
        {
            "class": "public_folders",
            "state": "never possible",
            "reason": "Microsoft Graph does not reach public folders.",
            "alternative": "Export them by eDiscovery, or from Outlook.",
        }
    )
    return rows


def _part(of: str, word: str, kind: str, result: CopyResult, refused: Mapping[str, LastcopyError]) -> JsonObject:
    if (error := refused.get(of) or refused.get(word)) is not None:
        return {
            "class": of,
            "state": "not reachable",
            "code": error.code,
            "reason": str(error),
            "alternative": error.action,
        }
    folders = [error for scope, error in refused.items() if scope.startswith(f"{word}/")]
    if folders:
        return _in_part(of, folders)
    failed = result.excepted_kinds.get(kind, 0)
    counts = result.counts.get("pending", 0) or (of == "mail" and result.unexplained)
    if failed:
        return {"class": of, "state": "in part", "reason": f"{failed:,} items could not be copied."}
    if counts:
        return {"class": of, "state": "in part", "reason": _UNCOUNTED}
    return {"class": of, "state": "covered"}


def not_counted(row: JsonObject) -> JsonObject:
    """A row of coverage, where the service's own counts of that mailbox are not those of the copy."""
    return {**row, "state": "in part", "reason": _UNCOUNTED} if row["state"] == "covered" else row


def _in_part(of: str, folders: Sequence[LastcopyError]) -> JsonObject:
    reason = f"{len(folders):,} folders could not be listed: {folders[0]}"
    return {
        "class": of,
        "state": "in part",
        "code": folders[0].code,
        "reason": reason,
        "alternative": folders[0].action,
    }


def _recoverable(refused: Mapping[str, LastcopyError], settings: MailSettings) -> JsonObject:
    if settings.recoverable == "none":
        return {"class": "recoverable_items", "state": "not asked", "alternative": "sources.recoverable: all"}
    if (error := refused.get("recoverable")) is not None:
        told = {"code": error.code, "reason": str(error), "alternative": "Export them by eDiscovery."}
        return {"class": "recoverable_items", "state": "not reachable", **told}
    if refused:
        return _in_part("recoverable_items", [*refused.values()])
    return {"class": "recoverable_items", "state": "covered"}


def _group_calendar() -> JsonObject:
    reason = "This version copies the conversations of a group, not its calendar."
    return {"class": "group_calendar", "state": "not reachable", "code": "not_in_this_version", "reason": reason}
