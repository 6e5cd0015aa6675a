"""What a converted mail does not carry over, by name.

Rules of this file: values only. Source: reference/mapi-mapping.md §6.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Loss:
    """Something that was changed or left out: `code` for counting, `detail` for people."""

    code: str
    detail: str
