"""What convert() refuses, by name.

Rules of this file: refusal is for what no PST can hold; whatever can be kept in a lesser form is kept, with a Loss.
Source: reference/pst-format.md §10 for the limits.
"""


class MimeError(Exception):
    """Base of the errors of this package: `code` for programs, `reason` for people, `item` names the mail."""

    code = "mime"

    def __init__(self, reason: str, *, item: str = "") -> None:
        super().__init__(reason)
        self.reason = reason
        self.item = item

    def __str__(self) -> str:
        return f"{self.item}: {self.reason}" if self.item else self.reason


class MimeRefused(MimeError):
    """A mail that no PST can hold: over 2 GiB, the limit of a value. Or facts that are none: a time without a zone."""

    code = "mime_refused"
