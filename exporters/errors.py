"""What a caller should do about a failure. The class says what to do, the code says what happened.

Rules of this file: no I/O; every error carries one sentence of what happened (`str(error)`) and one of what to do
(`action`). Lower layers map foreign exceptions to these once, at the rim (httpcore's rule). Source: design §6,
examples-to-follow §4.
"""


class LastcopyError(Exception):
    """Base of all expected failures. `code`: stable name for machines; `action`: what a person should do next."""

    def __init__(self, message: str, *, code: str, action: str = "") -> None:
        super().__init__(message)
        self.code = code
        self.action = action


class TransientError(LastcopyError):
    """May succeed when tried again; handled by `tenacity` at one level, bounded. `retry_after`: seconds, or None."""

    def __init__(self, message: str, *, code: str, action: str = "", retry_after: float | None = None) -> None:
        super().__init__(message, code=code, action=action)
        self.retry_after = retry_after


class ItemError(LastcopyError):
    """This item cannot be copied; its row becomes *excepted* with the code, and the copy goes on."""


class SourceError(LastcopyError):
    """This source cannot be copied (further); the others go on, and the run ends partial."""


class RunError(LastcopyError):
    """Nothing more can be done in this run (exit 1)."""


class ConfigurationError(LastcopyError):
    """What was asked is wrong, and nothing was touched (exit 2)."""
