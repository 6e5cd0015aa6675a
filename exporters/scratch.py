"""The temporary folder, where the state of a bag lies while it is worked on: what goes wrong there, by name.

Rules of this file: no I/O. SQLite and the operating system tell of a full or read-only folder in their own ways; both become
one error with one thing to do. Source: design §6 (errors); docs/decisions/0002.
"""

import errno
import sqlite3
import tempfile

from exporters.errors import RunError

_NUMBERS = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM, errno.EFBIG, errno.EIO, errno.ENOENT}
_WORDS = ("full", "disk i/o", "unable to open", "readonly", "read-only", "too big")


class TemporaryFolderError(RunError):
    """The temporary folder of this machine has no room, or may not be written to."""


def scratch_error(error: BaseException) -> TemporaryFolderError | None:
    """The error of ours for one that comes out of the temporary folder; None if it comes from elsewhere."""
    if isinstance(error, sqlite3.OperationalError):
        said = str(error)
        if not any(word in said.lower() for word in _WORDS):
            return None
    elif isinstance(error, OSError) and error.errno in _NUMBERS and _is_temporary(error):
        said = error.strerror or type(error).__name__
    else:
        return None
    return TemporaryFolderError(
        f"The temporary folder cannot be used: {said}.",
        code="temporary_folder",
        action="Free space there, or name a larger folder in TMPDIR; then run again: what was copied is safe.",
    )


def _is_temporary(error: OSError) -> bool:
    if error.errno == errno.ENOENT:  # "no usable temporary directory found in […]", which names no file
        return error.filename is None and "temporary" in str(error)
    return error.filename is None or str(error.filename).startswith(tempfile.gettempdir())
