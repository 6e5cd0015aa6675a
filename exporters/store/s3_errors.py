"""What the answers of S3 and of its likes mean.

Rules of this file: one table; nobody else looks at status codes, error codes or classes of `botocore`.
Source: the S3 API reference (error responses), quirks Q-053, Q-081, Q-082.
"""

import re
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import Any

import botocore.exceptions as boto

from exporters.clock import Clock, timestamp
from exporters.errors import ItemError, LastcopyError
from exporters.store.errors import (
    KeyRefusedError,
    ObjectMissingError,
    StoreAccessError,
    StoreBusyError,
    StoreClockError,
    StoreFullError,
    StoreSettingError,
    StoreUnfitError,
    StoreUnwritableError,
)

RIGHTS = {
    "put_object": "s3:PutObject",
    "create_multipart_upload": "s3:PutObject",
    "upload_part": "s3:PutObject",
    "complete_multipart_upload": "s3:PutObject",
    "abort_multipart_upload": "s3:AbortMultipartUpload",
    "get_object": "s3:GetObject",
    "head_object": "s3:GetObject",
    "head_object_version": "s3:GetObjectVersion",
    "head_bucket": "s3:ListBucket",
    "list_objects_v2": "s3:ListBucket",
    "list_multipart_uploads": "s3:ListBucketMultipartUploads",
    "get_object_retention": "s3:GetObjectRetention",
    "get_object_retention_version": "s3:GetObjectRetention",
    "put_object_retention": "s3:PutObjectRetention",
    "put_object_retention_version": "s3:PutObjectRetention",
    "get_bucket_versioning": "s3:GetBucketVersioning",
    "get_object_lock_configuration": "s3:GetBucketObjectLockConfiguration",
    "get_bucket_encryption": "s3:GetEncryptionConfiguration",
}

RIGHTS_OF_DISPOSAL = {
    "list_object_versions": "s3:ListBucketVersions",
    "delete_object": "s3:DeleteObject",
    "delete_object_version": "s3:DeleteObjectVersion",
    "get_object_legal_hold": "s3:GetObjectLegalHold",
    "get_object_legal_hold_version": "s3:GetObjectLegalHold",
}
"""What `dispose` needs beyond, and nothing else: no policy that copies gives them."""

_BUSY_STATUS = {408, 429, 500, 502, 503, 504, 509}
_BUSY = {
    "SlowDown", "InternalError", "ServiceUnavailable", "RequestTimeout", "Throttling", "ThrottlingException",
    "TooManyRequests", "OperationAborted", "BadDigest", "XAmzContentChecksumMismatch", "XAmzContentSHA256Mismatch",
    "IncompleteBody", "RequestLimitExceeded", "503", "500",
}  # fmt: skip
_CREDENTIALS = {
    "InvalidAccessKeyId", "SignatureDoesNotMatch", "ExpiredToken", "InvalidToken", "TokenRefreshRequired",
    "InvalidSecurity", "AccountProblem", "NotSignedUp",
}  # fmt: skip
_REGION = {"PermanentRedirect", "AuthorizationHeaderMalformed", "IllegalLocationConstraintException", "301"}
_KEYS = {"KMS.DisabledException", "KMS.InvalidStateException", "KMS.NotFoundException", "KMS.KMSInvalidStateException"}
_NAMED_RIGHT = re.compile(r"not authorized to perform:? ((?:s3|kms):[A-Za-z]+)")
_FULL = {"InsufficientStorage", "QuotaExceeded", "XMinioStorageFull", "XMinioAdminBucketQuotaExceeded", "507"}


class ConditionRefused(Exception):
    """If-Match or If-None-Match did not hold (412), or another write was under way (409: `conflict`)."""

    def __init__(self, *, conflict: bool) -> None:
        super().__init__("conflict" if conflict else "condition not met")
        self.conflict = conflict


class UploadGone(Exception):
    """The multipart upload is not there: completed by an earlier try, or aborted."""


class RangeEmpty(Exception):
    """The range begins at or after the end of the object."""


def signal_or_error(error: Exception, operation: str, key: str, bucket: str, clock: Clock) -> Exception:
    """The signal, or the error of ours, for an exception of `botocore`. operation: a method of the client."""
    if isinstance(error, boto.ClientError):
        return _answered(error, operation, key, bucket, clock)
    if isinstance(error, boto.NoCredentialsError | boto.PartialCredentialsError | boto.CredentialRetrievalError):
        return _credentials(bucket, str(error))
    if isinstance(error, boto.ProfileNotFound | boto.TokenRetrievalError | boto.SSOError):
        return _credentials(bucket, str(error))
    if isinstance(error, boto.SSLError) and "CERTIFICATE_VERIFY_FAILED" in str(error):
        return StoreSettingError(
            f"the certificate of the store at {bucket!r} is not trusted",
            key="store.endpoint_url",
            action="Give the right address, or name the authority's certificate in AWS_CA_BUNDLE.",
        )
    if isinstance(error, boto.ParamValidationError | boto.NoRegionError | boto.InvalidRegionError):
        return StoreSettingError(
            f"the bucket {bucket!r} cannot be addressed: {error}",
            key="store.url" if isinstance(error, boto.ParamValidationError) else "store.region",
            action="Correct the bucket's name or region.",
        )
    # What is left of botocore's and urllib3's errors is a connection that was not made or broke.
    return StoreBusyError(
        f"no answer from the bucket {bucket!r} ({type(error).__name__})",
        code="store_no_answer",
        action="Check the network, the proxy and `store.endpoint_url`; then run again, the copy goes on.",
    )


def says_nothing(error: Exception) -> bool:
    """Whether a refusal is a bare status, as of HEAD, that could mean several things."""
    return isinstance(error, boto.ClientError) and str(error.response.get("Error", {}).get("Code")) in {"400", "403"}


def _answered(error: boto.ClientError, operation: str, key: str, bucket: str, clock: Clock) -> Exception:
    answer: dict[str, Any] = dict(error.response)
    code = str(answer.get("Error", {}).get("Code", ""))
    metadata = answer.get("ResponseMetadata", {})
    status = int(metadata.get("HTTPStatusCode", 0))
    headers = metadata.get("HTTPHeaders", {})
    return (
        _signal(code, status)
        or _missing(code, status, key, bucket)
        or _setting(code, status, bucket, clock, str(headers.get("date", "unknown")))
        or _busy(code, status, headers, clock)
        or _refused(code, status, operation, key, bucket, str(answer.get("Error", {}).get("Message", "")))
        or _final(code, status, operation, key, bucket)
    )


def _missing(code: str, status: int, key: str, bucket: str) -> LastcopyError | None:
    if code == "NoSuchBucket" or (status == 404 and not key):
        return StoreSettingError(
            f"there is no bucket {bucket!r}",
            key="store.url",
            code="no_such_bucket",
            action="Create it, or correct its name.",
        )
    return ObjectMissingError(key) if status == 404 else None


def _setting(code: str, status: int, bucket: str, clock: Clock, served: str) -> LastcopyError | None:
    if code == "RequestTimeTooSkewed":
        return StoreClockError(
            f"the clocks differ: here it is {timestamp(clock.now())}, at the store {served}",
            code="clock_skew",
            action="Set this machine's clock (NTP), and run again.",
        )
    if code in _CREDENTIALS:
        return _credentials(bucket, code)
    if code in _REGION or status == 301:
        return StoreSettingError(
            f"the bucket {bucket!r} is in another region", key="store.region", action="Give the bucket's region."
        )
    return None


def _busy(code: str, status: int, headers: dict[str, str], clock: Clock) -> LastcopyError | None:
    if code not in _BUSY and status not in _BUSY_STATUS:
        return None
    return StoreBusyError(
        f"the store said {code or status}", code="store_busy", retry_after=_retry_after(headers, clock)
    )


def _signal(code: str, status: int) -> Exception | None:
    if code == "NoSuchUpload":
        return UploadGone()
    if status == 412 or code == "PreconditionFailed":
        return ConditionRefused(conflict=False)
    if code == "ConditionalRequestConflict":
        return ConditionRefused(conflict=True)
    if status == 416 or code == "InvalidRange":
        return RangeEmpty()
    return None


def _refused(code: str, status: int, operation: str, key: str, bucket: str, said: str) -> LastcopyError | None:
    """A right that is missing, by the name that AWS gives it (of a KMS key too), else by the operation."""
    if status not in {401, 403} and code not in _KEYS and not code.startswith("KMS."):
        return None
    what = f"the bucket {bucket!r} refuses {operation}" + (f" of {key!r}" if key else "") + f" ({code or status})"
    if status not in {401, 403}:
        return StoreAccessError(
            what, right="kms:GenerateDataKey", action="Enable the bucket's KMS key, or give the bucket another one."
        )
    named = _NAMED_RIGHT.search(said)
    right = named[1] if named else {**RIGHTS, **RIGHTS_OF_DISPOSAL}.get(operation, operation)
    if right.startswith("kms:"):
        return StoreAccessError(
            f"{what}: {right} is missing on the bucket's KMS key",
            right=right,
            action="Allow kms:GenerateDataKey and kms:Decrypt on the key that encrypts the bucket (deploy/README.md).",
        )
    return StoreAccessError(
        what,
        right=right,
        action=f"Allow {right} (all that is needed: deploy/bucket-policy.json), and the use of its KMS key if any.",
    )


def _final(code: str, status: int, operation: str, key: str, bucket: str) -> LastcopyError:
    if code in _FULL or status == 507:
        return StoreFullError(
            f"no room in {bucket!r}: {code}", code="store_full", action="Raise the quota, and run again."
        )
    if code == "KeyTooLongError":
        return KeyRefusedError(key, "the store calls it too long")
    if code == "EntityTooLarge":
        return ItemError(
            f"the store calls {key!r} too large",
            code="object_too_large",
            action="Keep this file outside the store, or use a store that takes larger ones.",
        )
    if "ObjectLock" in code or (code == "InvalidRequest" and operation in {"put_object", "create_multipart_upload"}):
        return StoreUnfitError(
            f"the bucket {bucket!r} takes no locked objects ({code})",
            missing="Object Lock",
            action="Use a bucket made with Object Lock, or leave out store.object_lock.",
        )
    if code == "NotImplemented" or status == 501:
        return StoreUnfitError(
            f"the store at {bucket!r} does not know {operation} as Lastcopy needs it",
            missing=operation,
            action="Use a store that has it (AWS S3, MinIO, Ceph, Wasabi, …).",
        )
    return StoreUnwritableError(
        f"the store refused {operation}: {code or status}",
        code="store_refused",
        action="Look this answer up in the documentation of the store; nothing was stored by it.",
    )


def _credentials(bucket: str, said: str) -> StoreSettingError:
    return StoreSettingError(
        f"no valid credentials for the bucket {bucket!r} ({said})",
        key="store.url",
        code="store_credentials",
        action="Give credentials as AWS tools do (AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, a profile, or a role).",
    )


def _retry_after(headers: dict[str, str], clock: Clock) -> float | None:
    value = headers.get("retry-after", "").strip()
    if value.isdecimal():
        return float(value)
    try:
        return max(0.0, (parsedate_to_datetime(value).astimezone(UTC) - clock.now()).total_seconds())
    except ValueError:
        return None
