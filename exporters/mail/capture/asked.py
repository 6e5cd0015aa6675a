"""What is asked of each resource of a mailbox: `$select` and `$expand`.

Rules of this file: data only. Every extended property has to be named (there is no "all"); what is asked for stands with each
cursor, so that a change here lists anew (Q-009). Source: reference/mapi-mapping.md §1.10, graph.md §3.3, §3.5, §3.6.
"""

from typing import Final

COMMON = "{00062008-0000-0000-C000-000000000046}"
APPOINTMENT = "{00062002-0000-0000-C000-000000000046}"
TASK = "{00062003-0000-0000-C000-000000000046}"
MEETING = "{6ED8DA90-450B-101B-98DA-00AA003F1305}"

MESSAGE: Final = (
    "id,changeKey,subject,from,sender,toRecipients,ccRecipients,bccRecipients,replyTo,receivedDateTime,sentDateTime,"
    "createdDateTime,lastModifiedDateTime,hasAttachments,internetMessageId,importance,isRead,isDraft,"
    "isDeliveryReceiptRequested,isReadReceiptRequested,flag,categories,parentFolderId,conversationId,conversationIndex,"
    "inferenceClassification"
)
FOLDER: Final = "id,displayName,parentFolderId,childFolderCount,totalItemCount,unreadItemCount,isHidden"
EVENT_LISTED: Final = "id,changeKey"
EVENT: Final = (
    "id,changeKey,subject,body,start,end,originalStart,originalStartTimeZone,originalEndTimeZone,isAllDay,type,recurrence,"
    "seriesMasterId,iCalUId,organizer,attendees,location,locations,showAs,sensitivity,importance,categories,isCancelled,"
    "isOrganizer,isDraft,isReminderOn,reminderMinutesBeforeStart,responseStatus,responseRequested,allowNewTimeProposals,"
    "hideAttendees,onlineMeeting,onlineMeetingUrl,isOnlineMeeting,onlineMeetingProvider,hasAttachments,createdDateTime,"
    "lastModifiedDateTime,transactionId,webLink,cancelledOccurrences,exceptionOccurrences"
)
ATTACHMENT: Final = "id,name,contentType,size,isInline,lastModifiedDateTime"

_CLASS = ("String 0x1A", "Integer 0xE07", "Integer 0xE08", "Binary 0x300B", "Binary 0xFFF")
_STATE = (
    "Integer 0x1080", "Integer 0x1081", "SystemTime 0x1082", "Integer 0x36", "Integer 0xE2B", "Integer 0x1016",
    "Integer 0x1090", "SystemTime 0x1091", "Integer 0x1095", "SystemTime 0xE06", "SystemTime 0x39", "Binary 0x71",
    f"String {COMMON} Id 0x8530", f"Boolean {COMMON} Id 0x8503", f"SystemTime {COMMON} Id 0x8502",
    f"SystemTime {COMMON} Id 0x8560", f"SystemTime {TASK} Id 0x8104", f"SystemTime {TASK} Id 0x8105",
    f"SystemTime {TASK} Id 0x810F",
)  # fmt: skip
_SENDER = (
    "String 0xC1E", "String 0xC1F", "String 0x5D01", "String 0x64", "String 0x65", "String 0x5D02",
)  # fmt: skip
RECURRENCE: Final = f"Binary {APPOINTMENT} Id 0x8216"
_EVENT = (
    RECURRENCE,
    *(f"Binary {APPOINTMENT} Id {lid}" for lid in ("0x8233", "0x825E", "0x825F", "0x8260")),
    *(f"Binary {MEETING} Id {lid}" for lid in ("0x3", "0x23")),
    *(f"Integer {APPOINTMENT} Id {lid}" for lid in ("0x8217", "0x8205", "0x8214", "0x8201")),
    "Integer 0x36", "Binary 0x300B", "Binary 0xFFF",
)  # fmt: skip


def _single(ids: tuple[str, ...]) -> str:
    return f"singleValueExtendedProperties($filter={' or '.join(f'id eq {one!r}' for one in ids)})"


MESSAGE_EXPANDS: Final = (_single(_CLASS + _STATE + _SENDER), _single(_CLASS), None)
"""From all to none: the length of such a filter is limited in a way that is not documented, so less is asked for after a 400."""
EVENT_EXPANDS: Final = (f"exceptionOccurrences,{_single(_EVENT)}", "exceptionOccurrences", None)
CONTACT_EXPANDS: Final = (_single(("String 0x1A", "SystemTime 0x3A41", "Binary 0x300B", "Binary 0xFFF")), None)
TASK_PARTS: Final = ("checklistItems", "linkedResources")
TASK_EXPANDS: Final = (",".join(TASK_PARTS), None)
FOLDER_EXPANDS: Final = (_single(("String 0x3613", "Long 0xE08")), None)
