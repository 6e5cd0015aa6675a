"""What can go wrong with a store. The class says what the caller does, the code what happened.

Rules of this file: no I/O; nothing of `botocore` and no `OSError` leaves a store as such, each is mapped to one of
these once, where it occurs. Source: examples-to-follow §4, design §4.
"""

from exporters.errors import ConfigurationError, ItemError, RunError, TransientError


class KeyRefusedError(ItemError):
    """This key cannot be an object of this store (dot components, NUL, too long, leads through a symbolic link, …)."""

    def __init__(self, key: str, why: str, *, action: str = "Report this key; no name should become it.") -> None:
        super().__init__(f"the store refuses the key {key!r}: {why}", code="key_refused", action=action)
        self.key = key


class InTheWayError(KeyRefusedError):
    """Something that Lastcopy never made lies where the object, or one of its folders, belongs: a link, most often."""

    def __init__(self, key: str, why: str) -> None:
        super().__init__(
            key,
            why,
            action="Put the file or folder itself in its place (Lastcopy makes and follows no links), then run again.",
        )


class ObjectMissingError(RunError):
    """There is no object under this key."""

    def __init__(self, key: str) -> None:
        super().__init__(
            f"the store holds no object {key!r}", code="object_missing", action="Run `lastcopy verify` on this store."
        )
        self.key = key


class ObjectExistsError(RunError):
    """Create-if-absent found an object there; nothing was changed. A signal: who loses the race reads what is there."""

    def __init__(self, key: str) -> None:
        super().__init__(
            f"the store already holds an object {key!r}",
            code="object_exists",
            action="Make sure that nothing else writes to this store, and run again.",
        )
        self.key = key


class ObjectChangedError(RunError):
    """Replace-if-unchanged (or a resumed read) found other bytes than those it knew, or none; nothing was changed."""

    def __init__(self, key: str) -> None:
        super().__init__(
            f"the object {key!r} was changed by someone else",
            code="object_changed",
            action="Make sure that nothing else writes to this store, and run again.",
        )
        self.key = key


class SourceLengthError(TransientError):
    """What was to be stored ended before, or went on after, the announced size; nothing was stored (Q-020)."""

    def __init__(self, key: str, expected: int, found: int) -> None:
        super().__init__(
            f"{found:,} bytes came for {key!r} where {expected:,} were announced",
            code="source_length",
            action="Ask the source for the bytes again.",
        )
        self.key, self.expected, self.found = key, expected, found


class DigestMismatchError(TransientError):
    """What was to be stored has another SHA-256 than announced, or arrived otherwise; nothing was stored."""

    def __init__(self, key: str, expected: str, found: str) -> None:
        super().__init__(
            f"the bytes for {key!r} have SHA-256 {found}, not {expected}",
            code="digest_mismatch",
            action="Ask the source for the bytes again; if it recurs, test this machine's memory and disk.",
        )
        self.key, self.expected, self.found = key, expected, found


class StoreBusyError(TransientError):
    """The store did not answer, or said "later". For a write: it may have happened (its answer may be lost)."""


class UploadAbortedError(TransientError):
    """An upload in parts was aborted by someone else; nothing was stored, and the bytes are needed again."""

    def __init__(self, key: str) -> None:
        super().__init__(
            f"the upload of {key!r} was aborted by someone else",
            code="upload_aborted",
            action="Check that no other program and no lifecycle rule of the bucket aborts uploads of less than a day.",
        )
        self.key = key


class StoreUnreachableError(RunError):
    """The store did not answer within all tries."""


class StoreLostError(RunError):
    """What the configuration names has answered, and now does not exist or does not take its credentials any more."""


class ObjectTooLargeError(ItemError):
    """The object is larger than this store can hold; nothing was stored."""

    def __init__(self, key: str, size: int, largest: int, what: str) -> None:
        super().__init__(
            f"{key!r} has {size:,} bytes or more; {what} holds at most {largest:,}",
            code="object_too_large",
            action="Keep this file outside the store, or use a folder as the store.",
        )
        self.key, self.size, self.largest = key, size, largest


class StoreUnwritableError(RunError):
    """The store cannot be written to (read-only, no rights, gone, input/output error)."""


class StoreFullError(RunError):
    """There is no room left (disk or quota); what was under way was removed, what was stored is whole."""


class StoreAccessError(RunError):
    """The store refuses a right. `right`: the action that the policy must allow, such as `s3:PutObject`."""

    def __init__(self, message: str, *, right: str, action: str) -> None:
        super().__init__(message, code="store_access_denied", action=action)
        self.right = right


class StoreClockError(RunError):
    """The store refuses requests because this machine's clock is wrong (Q-053)."""


class LockNotAppliedError(RunError):
    """An object was created with an Object Lock, and reads back without it (or with a weaker one)."""

    def __init__(self, key: str, wanted: str, found: str) -> None:
        super().__init__(
            f"{key!r} was to be locked ({wanted}) and reads back as {found}",
            code="lock_not_applied",
            action="Enable Object Lock on the bucket and allow s3:PutObjectRetention and s3:GetObjectRetention.",
        )
        self.key, self.wanted, self.found = key, wanted, found


class StoreSettingError(ConfigurationError):
    """A setting of the store is wrong. `key`: the key of the YAML, such as `store.url`."""

    def __init__(self, message: str, *, key: str, code: str = "store_setting", action: str) -> None:
        super().__init__(message, code=code, action=action)
        self.key = key


class StoreUnfitError(ConfigurationError):
    """The store lacks something that a safe copy needs. `missing`: what, in two or three words."""

    def __init__(self, message: str, *, missing: str, action: str) -> None:
        super().__init__(message, code="store_unfit", action=action)
        self.missing = missing
