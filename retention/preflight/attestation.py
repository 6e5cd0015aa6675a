"""What a person said about an item: read from the journal, checked before it is written.

Rules of this file: no I/O. The newest word on an item counts; one on what is so today counts for `ATTESTED_FOR`. `by` is as
stated, `actor` who was signed in at the machine: both are kept. Source: retention-domain §3; docs/decisions/0080.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from exporters.bag.formats import JsonObject
from exporters.clock import timestamp
from exporters.errors import ConfigurationError
from retention.events import read_time
from retention.preflight.items import ATTESTED_FOR, ITEMS, Item, Value

ATTESTED = "attested"
"""Type of its row in the journal."""
_DIGITS = 9
"""Of a number: what no later reading of the journal could take in must not get there."""


@dataclass(frozen=True, slots=True)
class Attestation:
    """Who said what, and when. actor: OS user and host."""

    item: str
    by: str
    at: datetime
    text: str = ""
    values: Mapping[str, str] = field(default_factory=dict)
    actor: Mapping[str, str] = field(default_factory=dict)

    @property
    def said(self) -> str:
        """For people: who, when, and in which words."""
        words = f': "{self.text}"' if self.text else ""
        return f"attested by {self.by} on {self.at.date().isoformat()}{words}"

    def counts_at(self, now: datetime) -> bool:
        """Whether it still holds."""
        return not ITEMS[self.item].ages or now - self.at <= ATTESTED_FOR

    def as_json(self) -> JsonObject:
        """As it stands in the proof of a finding."""
        return {
            "by": self.by,
            "at": timestamp(self.at),
            "text": self.text,
            "values": dict(self.values),
            "actor": dict(self.actor),
        }


def of_row(row: JsonObject, item: str | None = None) -> Attestation | None:
    """The attestation of a row of the journal, or of a finding's proof (then with its item); None if the item is not known."""
    name = item or str(row.get("item"))
    if name not in ITEMS:
        return None
    at = datetime.fromisoformat(str(row["at"]))
    return Attestation(
        name, str(row.get("by")), at, str(row.get("text") or ""), row.get("values") or {}, row.get("actor") or {}
    )


def newest(rows: Iterable[JsonObject], now: datetime) -> dict[str, Attestation]:
    """The last word on each item, where it still counts. rows: of the journal, oldest first."""
    told: dict[str, Attestation] = {}
    for row in rows:
        if row.get("type") == ATTESTED and (attestation := of_row(row)) is not None:
            told[attestation.item] = attestation
    return {item: attestation for item, attestation in told.items() if attestation.counts_at(now)}


def row_of(item: str, by: str, text: str, values: Iterable[str], zone: str | None) -> JsonObject:
    """The row to write. values: `KEY=VALUE` as given. Raises: ConfigurationError for what cannot be attested."""
    name = item.upper()
    if name not in ITEMS:
        raise ConfigurationError(
            f"there is no item {item!r}", code="item_unknown", action="See `lastcopy attest --list`."
        )
    about = ITEMS[name]
    if not about.can_be_attested:
        raise ConfigurationError(
            f"{name} ({about.title}) cannot be attested: Lastcopy looks at it itself",
            code="not_attestable",
            action="Run `lastcopy check --cancel`; it says what to do.",
        )
    given = _given(about, values, zone)
    if about.how != "stated" and not text:
        raise ConfigurationError(
            f"{name} is attested only in words",
            code="text_missing",
            action="Add --text with what was looked at, and what was found.",
        )
    row: JsonObject = {"type": ATTESTED, "item": name, "by": by, "text": text}
    if given:
        row["values"] = given
    return row


def _given(item: Item, values: Iterable[str], zone: str | None) -> dict[str, str]:
    known, given = {value.name: value for value in item.values}, {}
    for pair in values:
        key, equals, text = pair.partition("=")
        if not equals or key not in known:
            raise _refused(item, f"{item.id} takes no value {pair!r}")
        given[key] = _read(item, known[key], text.strip(), zone)
    lacking = [value for value in item.values if value.needed and value.name not in given]
    if lacking:
        raise _refused(item, f"{item.id} needs --value {lacking[0].name}={lacking[0].allowed}")
    return given


def _read(item: Item, value: Value, text: str, zone: str | None) -> str:
    """The value as it is kept. Times become instants: the earliest that the text allows."""
    if value.kind == "time":
        return timestamp(read_time(text, zone=zone).earliest)
    if value.kind == "count" and not (text.isascii() and text.isdigit() and len(text) <= _DIGITS):
        raise _refused(item, f"{value.name} is a number")
    if value.kind == "word" and text not in value.words:
        raise _refused(item, f"{value.name} is one of {', '.join(value.words)}")
    if not text:
        raise _refused(item, f"{value.name} is empty")
    return text


def _refused(item: Item, what: str) -> ConfigurationError:
    allowed = " ".join(f"--value {value.name}={value.allowed}" for value in item.values) or "no values"
    return ConfigurationError(what, code="value_refused", action=f"{item.id} takes: {allowed}.")
