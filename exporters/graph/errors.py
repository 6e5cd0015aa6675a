"""The errors that an answer of the service, or none, can stand for: the class says what the caller does, `code` what happened.

Rules of this file: vocabulary; no I/O. Which answer is which error says `meanings`, and nobody else.

    try: session.get(f"/drives/{drive}/items/{item}", cost=Cost.SINGLE)
    except NotFoundError: ...                       # an ItemError; all of them are GraphErrors

Source: reference graph.md 11.1; quirks Q-007, Q-026, Q-030, Q-032, Q-040, Q-042, Q-049 to Q-060.
"""

from exporters.errors import ItemError, LastcopyError, RunError, SourceError, TransientError
from exporters.graph.headers import RateLimit


class GraphError(LastcopyError):
    """An answer of the service that is not success, or no answer at all.

    status: HTTP status, 0 if there was none. service_code: outermost code as served. inner_codes: the codes inside,
    outermost first. request_id: for Microsoft's support. retry_after: seconds the service asked to wait, or None.
    """

    def __init__(
        self,
        message: str,
        *,
        code: str,
        action: str = "",
        status: int = 0,
        service_code: str = "",
        inner_codes: tuple[str, ...] = (),
        request_id: str | None = None,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message, code=code, action=action)
        self.status = status
        self.service_code = service_code
        self.inner_codes = inner_codes
        self.request_id = request_id
        self.retry_after = retry_after


class ThrottledError(GraphError, TransientError):
    """429, or 503 which is throttling too (Q-042); also 509. Waiting does not use up attempts (Q-040)."""

    rate_limit: RateLimit | None = None

    @property
    def everybody(self) -> bool:
        """True if the refusal is about the application (429, or it tells of its budget), not perhaps about this one thing."""
        return self.status == 429 or self.rate_limit is not None


class ServiceTroubleError(GraphError, TransientError):
    """500, 502, 504, a batch predecessor that failed, a mailbox on the move: ask again."""


class ConnectionFailedError(GraphError, TransientError):
    """No answer, or one that broke off: reset, time-out, DNS, TLS cut off, proxy not reached (Q-050)."""


class NoAnswerError(ConnectionFailedError):
    """Nothing came in time, or next to nothing: each try takes minutes, so there are few."""


class MalformedAnswerError(GraphError, TransientError):
    """Success by its status, but the body is truncated, no JSON, or not what was asked for."""


class DoubtfulRequestError(GraphError, TransientError):
    """400 `invalidRequest` on a drive or site: now and then it is transient (Q-049): few tries, then `refused`."""


class DoubtfulItemError(GraphError, TransientError):
    """Exchange says of one item that it cannot give it (Q-074). Now and then it can: few tries, then `MimeRefusedError`,
    `UnreadableItemError` or `UnreadableAttachmentError`."""


class UnauthorizedError(GraphError, RunError):
    """401. `claims`: JSON text of a continuous access evaluation challenge, or None (Q-052)."""

    claims: str | None = None


class StoppedError(RunError):
    """The run was asked to stop, or the session closed, before this request could be sent: nothing is wrong with it."""


class TenantLapsedError(GraphError, RunError):
    """A subscription of the tenant has lapsed and the service is shut (Q-054): never tried again."""


class SignInError(GraphError, RunError):
    """The sign-in service refuses the application, or cannot be reached."""


class UntrustedError(GraphError, RunError):
    """The certificate of a host cannot be verified. TLS verification cannot be switched off."""


class ProxyRefusedError(GraphError, RunError):
    """The proxy of this machine refuses the connection: asking again does not help."""


class ForeignLinkError(GraphError, SourceError):
    """A link of a listing leads to a host that the cloud does not own, or is not https: it is not followed."""


class ForeignHostError(GraphError, ItemError):
    """The same of a download: nothing is sent there, and this content is not had."""


class PermissionMissingError(GraphError, SourceError):
    """403 for a whole area or source. `permission`: the application permission that most likely is missing."""

    permission: str = ""


class AccessDeniedError(GraphError, ItemError):
    """403 for one item (Q-032, Q-055). `permission`: what may be missing."""

    permission: str = ""


class NotFoundError(GraphError, ItemError):
    """404: gone, or never there."""


class UserNotFoundError(NotFoundError):
    """404 in all the forms that say: no such user (Q-058)."""


class NoDriveError(GraphError, SourceError):
    """The user has no OneDrive, or the tenant no SharePoint: a normal result (Q-056). `code`: `no_drive` where the service
    says so in so many words, `drive_not_found` for a plain 404."""


class NoLicenceError(NoDriveError):
    """The service says of the whole tenant that it has no SharePoint licence: nothing about this user."""


class NoMailboxError(GraphError, SourceError):
    """The user has no mailbox in the cloud: a normal result (Q-057)."""


class MalwareError(GraphError, ItemError):
    """The service found malware in the content and refuses it for good (Q-026)."""


class RightsProtectedError(GraphError, ItemError):
    """Rights management keeps applications from the content."""


class LockedError(GraphError, ItemError):
    """423 for one item."""


class SiteLockedError(GraphError, SourceError):
    """423 for a whole site or drive: locked or archived (Q-060)."""


class CurrentVersionError(GraphError, ItemError):
    """The newest version has no content of its own: take it from the item (Q-030)."""


class UnsupportedError(GraphError, SourceError):
    """The service does not do this here (501, no such segment in this cloud, no delta for this resource: Q-007)."""


class RefusedError(GraphError, ItemError):
    """Refused for a reason that asking again does not change (400, 402, 405 … 416, 422, 507)."""


class ContentChangedError(GraphError, ItemError):
    """The content changed between two parts of a download: what was received must be thrown away."""


class DownloadFailedError(GraphError, ItemError):
    """The download broke off again and again, although each time it was resumed."""


class GaveUpError(GraphError, SourceError):
    """Tried for as long as is sensible, and still no success; `code` says with what it ended."""


class ItemGaveUpError(GraphError, ItemError):
    """The same for a request about one item."""


class MimeRefusedError(ItemGaveUpError):
    """The service cannot make MIME of a message (S/MIME, odd classes); its properties and attachments may be had."""


class UnreadableItemError(ItemGaveUpError):
    """The service lists an item that it cannot read (Q-074)."""


class UnreadableAttachmentError(ItemGaveUpError):
    """The service cannot open an attachment."""


class ContentTooLargeError(GraphError, ItemError):
    """The content is larger than the caller takes, or than the service gives."""


class PagingLoopError(GraphError, SourceError):
    """A listing leads back to a page that was read already, or never ends."""


class ResyncRequiredError(GraphError, SourceError):
    """410: the delta link is dead (Q-001, Q-002). `location`: where the round begins again, or None."""

    location: str | None = None


def is_retryable(error: BaseException) -> bool:
    """True for errors that the same request may not meet again."""
    return isinstance(error, GraphError) and isinstance(error, TransientError)
