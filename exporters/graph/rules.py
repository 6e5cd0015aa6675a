"""The form of a row in the table of meanings: which answers it fits, and which error they stand for.

Rules of this file: vocabulary, no I/O; the tables are in `meanings` and `exchange`. Codes are compared without regard to case.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from exporters.graph.errors import GraphError
from exporters.graph.headers import is_set

LATER = "Run again later; what was done is kept."
REPORT = "Run again; if it stays, report it with the request id."


@dataclass(frozen=True, slots=True)
class Said:
    """What an answer says. code: the outermost; inner: those inside it; text: all messages, for a few rules only."""

    status: int
    headers: Mapping[str, str]
    path: str
    code: str
    inner: tuple[str, ...]
    text: str
    request_id: str | None

    def says(self, *codes: str) -> bool:
        wanted = {code.lower() for code in codes}
        return any(code.lower() in wanted for code in (self.code, *self.inner))

    def mentions(self, *words: str) -> bool:
        text = self.text.lower()
        return any(word in text for word in words)


@dataclass(frozen=True, slots=True)
class Rule:
    """status: of the answer, empty = any. codes, text, path, headers: what must hold besides (all that are given)."""

    status: tuple[int, ...]
    error: type[GraphError]
    code: str
    sentence: str
    action: str = ""
    codes: tuple[str, ...] = ()
    text: tuple[str, ...] = ()
    path: str = ""
    headers: tuple[str, ...] = ()

    def fits(self, answer: Said) -> bool:
        return (
            (not self.status or answer.status in self.status)
            and (not self.codes or answer.says(*self.codes))
            and (not self.text or answer.mentions(*self.text))
            and (not self.path or re.search(self.path, answer.path, re.IGNORECASE) is not None)
            and all(is_set(answer.headers, name) for name in self.headers)
        )
