"""What the answers of mailboxes mean: the rows of the table that know Exchange's own codes.

Rules of this file: a table, no I/O. Its codes tell more than its statuses do: one thing is served under several of them. What
Exchange says of a single item that it cannot give is tried a few times, since now and then it can, and is that item's matter.

Source: reference graph.md 3, 4, 7.2, 11.1; quirks Q-002, Q-007, Q-043 to Q-045, Q-057, Q-058, Q-070, Q-074.
"""

from exporters.graph.errors import (
    ContentTooLargeError,
    DoubtfulItemError,
    MalwareError,
    NoMailboxError,
    NotFoundError,
    RefusedError,
    ResyncRequiredError,
    ServiceTroubleError,
    ThrottledError,
    UnsupportedError,
    UserNotFoundError,
)
from exporters.graph.rules import LATER, REPORT, Rule

_AGAIN = "Run again; if it stays, open it in Outlook, and accept that it is not copied."

EXCHANGE: tuple[Rule, ...] = (
    Rule((400, 403, 429, 500, 503, 507), UnsupportedError, "unsupported", "The mailbox is over its quota: no delta.",
         codes=("ErrorQuotaExceeded",)),
    Rule((), NoMailboxError, "no_mailbox", "This user has no mailbox in the cloud.",
         codes=("MailboxNotEnabledForRESTAPI", "MailboxNotSupportedForRESTAPI", "ErrorNonExistentMailbox",
                "ErrorMailboxNotFound", "ErrorNoMailboxFound", "MailboxNotFound")),
    Rule((400, 403, 404), UserNotFoundError, "not_found", "There is no such user.", codes=("ErrorInvalidUser",)),
    Rule((), ThrottledError, "throttled", "The service asks for a pause.", LATER,
         codes=("ErrorTooManyObjectsOpened", "ErrorServerBusy", "ApplicationThrottled", "activityLimitReached",
                "ErrorExceededConnectionCount", "ErrorExceededFindCountLimit", "MailboxConcurrency")),
    Rule((), ServiceTroubleError, "transient", "The mailbox cannot be reached for the moment.", LATER,
         codes=("ErrorMailboxMoveInProgress", "ErrorMailboxStoreUnavailable", "ErrorMailboxFailover",
                "ErrorMailboxDatabaseUnavailable", "ErrorInternalServerTransientError", "ErrorInternalServerError",
                "ErrorTimeoutExpired", "ErrorConnectionFailed", "ErrorConnectionFailedTransientError",
                "ErrorExecuteSearchStaleData", "ErrorBatchProcessingStopped")),
    Rule((400, 404, 409, 410, 500), ResyncRequiredError, "resync_required",
         "The saved listing position is no longer valid.", "Nothing; the listing begins again in full.",
         codes=("SyncStateNotFound", "SyncStateInvalid", "ErrorSyncFolderNotFound", "ErrorInvalidSyncStateData",
                "ErrorSyncStateNotFound")),
    Rule((400, 404, 410), ResyncRequiredError, "resync_required", "The saved listing position is no longer valid.",
         "Nothing; the listing begins again in full.", text=("sync state generation",)),
    Rule((), DoubtfulItemError, "mime_refused", "The service cannot make MIME of this item.",
         "Its properties are kept where they can be had.",
         codes=("ErrorMimeContentConversionFailed", "ErrorContentConversionFailed", "ErrorMimeContentInvalid",
                "ErrorMimeContentInvalidBase64String")),
    Rule((), DoubtfulItemError, "attachment_unreadable", "The service cannot open this attachment.", _AGAIN,
         codes=("ErrorCannotOpenFileAttachment", "ErrorCannotGetAttachment", "ErrorAttachmentCorrupt")),
    Rule((), DoubtfulItemError, "item_unreadable", "The service lists this item and cannot read it.", _AGAIN,
         codes=("ErrorInvalidRecipients", "ErrorCorruptData", "ErrorItemCorrupt", "ErrorItemPropertyRequestFailed",
                "ErrorPropertyRequestFailed", "ErrorInvalidPropertyForOperation", "ErrorRecurrenceHasNoOccurrence",
                "ErrorCalendarInvalidRecurrence", "ErrorCalendarOutOfRange", "ErrorCalendarDurationIsTooLong",
                "ErrorMissingInformationEmailAddress", "ErrorInvalidSmtpAddress")),
    Rule((), ContentTooLargeError, "too_large", "The service finds this item too large to give.", _AGAIN,
         codes=("ErrorMessageSizeExceeded", "ErrorAttachmentSizeLimitExceeded", "ErrorDataSizeLimitExceeded")),
    Rule((), MalwareError, "malware", "The service found malware in the content and refuses it.",
         "Accept that it is not copied, or have an administrator release it.",
         codes=("ErrorVirusDetected", "ErrorVirusMessageDeleted")),
    Rule((400, 404, 500), NotFoundError, "not_found", "The service does not find it.",
         codes=("ErrorItemNotFound", "ErrorFolderNotFound", "ErrorParentFolderNotFound", "ErrorInvalidAttachmentId",
                "ErrorCalendarOccurrenceIsDeletedFromRecurrence", "ErrorCalendarOccurrenceIndexIsOutOfRecurrenceRange")),
    Rule((400, 404, 500), RefusedError, "refused", "The service does not take this id.", REPORT,
         codes=("ErrorInvalidIdMalformed", "ErrorInvalidId", "ErrorInvalidIdEmpty", "ErrorInvalidIdXml",
                "ErrorInvalidIdMonikerTooLong", "ErrorInvalidIdMalformedEwsLegacyIdFormat")),
)  # fmt: skip
