"""Faults on demand, from a plan: which requests go wrong, how often, and how.

A plan is a JSON list of rules, or `{"faults": [...]}`:

    [{"route": "drives/*/root/delta", "fault": "410", "after": 2, "count": 1},
     {"route": "re:/content$", "fault": "429", "retry_after": "decimal", "seconds": 2.5, "probability": 0.05, "seed": 7},
     {"host": "download", "fault": "reset-mid-body", "after_bytes": 70000, "count": 3}]

Rules of this file: `route` is a glob, or a regular expression after `re:`, and is held against the path (without version
and query) and the template; the first rule that fires wins; a rule skips `after` matches, fires at most `count` times and
with `probability`, drawn from its own `seed`, so the same plan against the same requests does the same.
Source: reference/graph.md 12.8; quirks Q-001 to Q-058 as named in KINDS.
"""

import fnmatch
import random
import re
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from exporters.rehearsal.documents import parse

KINDS: dict[str, str] = {
    # instead of an answer
    "status": "any answer: status, headers, body (JSON or text), code, message, inner (a code, or nested ones), retry_after",
    "429": "throttled (Q-040, Q-041); retry_after: seconds, decimal, date, none",
    "503": "throttled with 503 (Q-042); retry_after as above",
    "503-html": "an HTML page of the front door (Q-048)",
    "500": "generalException",
    "502": "an HTML page of the gateway",
    "504": "gatewayTimeout",
    "509": "bandwidth",
    "400-transient": "invalidRequest that goes away (Q-049)",
    "401-expired": "the token's lifetime is over (Q-051)",
    "401-claims": "continuous access evaluation (Q-052)",
    "revoked": "every token given out so far is refused from here on",
    "403": "accessDenied (Q-032)",
    "404": "itemNotFound (Q-013)",
    "410": "resyncRequired with Location (Q-001); code, inner: other codes; location: another address, null for none",
    "no-delta": "this drive has no delta (Q-007); status: 400 or 501",
    "aadsts": "the sign-in service refuses; number: of AADSTS, message",
    "423": "the site is locked",
    "lapsed": "the tenant's subscription has lapsed (Q-054)",
    "no-spo": "the tenant has no SharePoint (Q-056)",
    "reset": "the connection is reset before an answer (Q-050)",
    "close": "the connection is closed before an answer",
    "silent": "the request is taken and never answered, for `seconds` or until the client gives up",
    "garbage": "bytes that are no HTTP; text",
    # instead of an answer, in the words of Exchange; code: another one
    "mail-throttled": "429 ApplicationThrottled (Q-043, Q-044); retry_after as above",
    "mail-410": "the delta state of one place is lost (Q-002)",
    "mail-404": "ErrorItemNotFound (Q-013)",
    "mail-500": "ErrorInternalServerTransientError",
    "mail-corrupt": "ErrorCorruptData of one item (Q-074)",
    "mail-recipients": "ErrorInvalidRecipients of one item (Q-074)",
    "mime-failed": "ErrorMimeContentConversionFailed of `$value`",
    "value-error": "200 whose body is an error",
    "no-mailbox": "MailboxNotEnabledForRESTAPI: inactive, on hold, on-premises (Q-057)",
    "mailbox-moving": "ErrorMailboxMoveInProgress",
    "mailbox-full": "ErrorQuotaExceeded, for delta and Recoverable Items (Q-007)",
    # the tenant itself
    "change": "the right answer, just after `changes` (rows of changes.jsonl) have happened",
    # another way of content
    "content-direct": "/content answers 200 with the bytes (Q-017)",
    "content-empty": "/content answers 204 (Q-025)",
    "range-ignored": "200 with the whole (Q-018)",
    "range-unsatisfiable": "416 (Q-019)",
    "url-expired": "401 of the download host (Q-014)",
    "other-file": "the download host serves another file of the drive",
    # the answer, delivered badly
    "truncated-json": "the JSON ends in the middle, with a fitting Content-Length",
    "reset-mid-body": "reset after after_bytes (Q-020)",
    "short-body": "clean close after after_bytes (Q-020)",
    "wrong-length": "Content-Length is off by `by`",
    "extra-bytes": "`text` stands behind the end of the body, and the connection is kept",
    "chunked": "the body comes in chunks, without Content-Length",
    "chunked-cut": "the same, closed after after_bytes without the last chunk (Q-020)",
    "no-length": "the body ends when the connection does, after after_bytes (default: whole)",
    "gzip": "the body is compressed, though nobody asked for it",
    "slow": "seconds of real time between pieces",
    "delay": "seconds of real time before the answer",
    "corrupt": "one byte of the body is flipped",
    "clock-skew": "the Date header is off by seconds, and so is the clock that a client assertion is judged by (Q-053)",
    "headers": "headers of the right answer changed; set: {name: value, or null to leave it out}",
    "wrong-bytes": "the right headers and other bytes; text, fit: as many as the right ones",
    # the answer, changed
    "empty-page": "a page without rows and with a next link (Q-005)",
    "duplicate-rows": "every row of a page twice (Q-003)",
    "missing-row": "a row is left out of a page; index: which",
    "edit": 'values in the JSON changed; edits: [{at: "value/*/name", to: any value, or drop: true, or add: true to make it}]',
    "duplicate-keys": "the page has a second, empty `value`",
    "page-loop": "the next link leads to the page that it stands on",
    "huge-page": "the JSON is `bytes` long",
}


class FaultPlanError(ValueError):
    """The plan names a kind that there is not, or a rule that makes no sense."""


@dataclass
class Rule:
    """One line of the plan, and how often it has matched and fired."""

    fault: str
    route: str = "*"
    method: str | None = None
    host: str | None = None
    count: int | None = None
    after: int = 0
    probability: float = 1.0
    seed: int = 0
    details: dict[str, Any] = field(default_factory=dict)
    matched: int = 0
    fired: int = 0

    def __post_init__(self) -> None:
        if self.fault not in KINDS:
            raise FaultPlanError(f"there is no fault {self.fault!r}; known: {', '.join(KINDS)}")
        try:
            self._pattern = re.compile(
                self.route[3:] if self.route.startswith("re:") else fnmatch.translate(self.route)
            )
        except re.error as error:
            raise FaultPlanError(f"the route {self.route!r} is no regular expression: {error}") from error
        self._whole = not self.route.startswith("re:")
        self._random = random.Random(self.seed)  # noqa: S311  (repeatable on purpose)

    def fires(self, method: str, host: str, names: tuple[str, ...]) -> bool:
        """Whether this request is one that goes wrong; counts it."""
        if (self.method and self.method.upper() != method) or (self.host and self.host != host):
            return False
        look = self._pattern.match if self._whole else self._pattern.search
        if not any(look(name) for name in names):
            return False
        self.matched += 1
        if self.matched <= self.after or (self.count is not None and self.fired >= self.count):
            return False
        if self.probability < 1 and self._random.random() >= self.probability:
            return False
        self.fired += 1
        return True

    def number(self, name: str, default: float) -> float:
        """A numeric detail."""
        return float(self.details.get(name, default))


class FaultPlan:
    """The rules in force. Safe from many threads."""

    def __init__(self, rules: list[dict[str, Any]] | None = None) -> None:
        """Raises FaultPlanError."""
        self._lock = threading.Lock()
        self.rules: list[Rule] = [_rule(number, rule) for number, rule in enumerate(rules or [], 1)]

    @classmethod
    def load(cls, path: Path) -> "FaultPlan":
        """From a file. Raises FaultPlanError, OSError."""
        return cls.parse(path.read_bytes())

    @classmethod
    def parse(cls, data: bytes) -> "FaultPlan":
        """From JSON text. Raises FaultPlanError."""
        try:
            document = parse(data)
        except ValueError as error:
            raise FaultPlanError(f"the fault plan is no JSON: {error}") from error
        rules = document.get("faults") if isinstance(document, dict) else document
        if not isinstance(rules, list):
            raise FaultPlanError("a fault plan is a list of rules, or has one under 'faults'")
        return cls(rules)

    def pick(self, method: str, host: str, path: str, template: str) -> Rule | None:
        """The rule that strikes this request, if any."""
        if not self.rules:
            return None
        names = (path, path.lstrip("/"), template)
        with self._lock:
            for rule in self.rules:
                if rule.fires(method, host, names):
                    return rule
        return None

    def report(self) -> list[dict[str, Any]]:
        """How often each rule matched and fired."""
        keys = ("route", "fault", "matched", "fired")
        with self._lock:
            return [{key: getattr(rule, key) for key in keys} for rule in self.rules]


def _rule(number: int, given: Any) -> Rule:
    if not isinstance(given, dict):
        raise FaultPlanError(f"rule {number} of the fault plan is no object")
    fixed = {"fault", "route", "method", "host", "count", "after", "probability", "seed"}
    if "fault" not in given:
        raise FaultPlanError(f"rule {number} of the fault plan names no fault")
    known = {key: value for key, value in given.items() if key in fixed}
    known["fault"] = str(known["fault"])
    return Rule(**known, details={key: value for key, value in given.items() if key not in fixed})
