"""What a piece of work came to, as the exit status says it. Rules of this file: vocabulary, no I/O. Source: design §6."""

from enum import IntEnum


class Exit(IntEnum):
    """The four results of a command."""

    COMPLETE = 0  # all that was asked is done and proven
    FAILED = 1  # the work could not be done
    USAGE = 2  # usage or configuration wrong: nothing was touched
    PARTIAL = 3  # partial, or "no"
