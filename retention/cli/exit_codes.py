"""Which error ends a command with which exit status. Source: design §6."""

from exporters.errors import ConfigurationError
from retention.verdicts import Exit

__all__ = ["Exit", "exit_of"]


def exit_of(error: Exception) -> Exit:
    """The exit status that an error which ends the command has."""
    return Exit.USAGE if isinstance(error, ConfigurationError) else Exit.FAILED
