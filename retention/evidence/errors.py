"""What can go wrong while evidence is made. Rules of this file: no I/O. Source: design §6 (errors), §8."""

from exporters.errors import ConfigurationError, RunError


class EvidenceKeyError(ConfigurationError):
    """The key that signs cannot be used; nothing was written."""


class ClockInDoubtError(RunError):
    """What the clock says cannot be signed (exit 3)."""


class TimeStampError(RunError):
    """No time stamp came, or none that holds."""


class ChangedMeanwhileError(RunError):
    """The store went on while it was described."""
