"""`accept PF-nn`: somebody takes upon them, by name and with a reason, what stands in the way.

Rules of this file: only what the newest preflight shows; the acceptance holds for that very finding (its digest), and what
changes is open again. Source: retention-domain §3 ("overridden only by a named person with a reason"); docs/formats.md (Journal).
"""

from exporters.bag.formats import JsonObject
from exporters.clock import Clock
from exporters.errors import ConfigurationError
from retention.books import opened_books
from retention.config import Config
from retention.journal import Journal
from retention.preflight.attestation import row_of
from retention.preflight.finding import Finding
from retention.preflight.items import ITEMS
from retention.preflight.recorded import ACCEPTED, Preflight, latest


def accept_finding(config: Config, clock: Clock, item: str, *, by: str, reason: str) -> tuple[JsonObject, Finding]:
    """Write the acceptance; the row, and what it covers. Raises: ConfigurationError where there is nothing to accept."""
    name = item.upper()
    with opened_books(config, clock) as books:
        found = _shown(latest(Journal(books.place.store, clock).rows()), name)
        row: JsonObject = {"type": ACCEPTED, "code": name, "by": by, "reason": reason, "digest": found.digest}
        books.append([row])
    return row, found


def attest(
    config: Config, clock: Clock, item: str, *, by: str, text: str, values: list[str]
) -> tuple[JsonObject, Preflight | None]:
    """Write down what somebody says of an item; the row, and the newest preflight with it (None: there was none).

    Raises: ConfigurationError for what cannot be attested, or what Lastcopy itself saw.
    """
    row = row_of(item, by, text, values, config.settings.retention.time_zone)
    with opened_books(config, clock) as books:
        journal = Journal(books.place.store, clock)
        seen = latest(journal.rows())
        finding = seen.of(row["item"]) if seen is not None else None
        if finding is not None and _was_looked_at(finding):
            raise _looked_at(finding)
        books.append([row])
        return row, latest(journal.rows())


def _was_looked_at(finding: Finding) -> bool:
    about = ITEMS[finding.id]
    return about.how in {"graph", "dns"} and finding.result != "not_checked" and "attestation" not in finding.proof


def _looked_at(finding: Finding) -> ConfigurationError:
    action = finding.action
    if finding.stands_in_the_way:
        action += f' Or take it upon you: lastcopy accept {finding.id} --by "YOUR NAME" --reason "…".'
    message = f"{finding.id} was looked at, and that outweighs a word: {finding.message}"
    return ConfigurationError(message, code="looked_at", action=action)


def _shown(seen: Preflight | None, item: str) -> Finding:
    if item not in ITEMS:
        raise ConfigurationError(
            f"there is no item {item!r}", code="item_unknown", action="See `lastcopy attest --list`."
        )
    found = seen.of(item) if seen is not None else None
    if seen is None or found is None:
        raise ConfigurationError(
            f"no preflight on record shows {item}, and nothing is accepted in advance",
            code="code_not_shown",
            action="Run `lastcopy check --cancel` first.",
        )
    if not found.stands_in_the_way:
        open_ = ", ".join(finding.id for finding in seen.open) or "nothing"
        raise ConfigurationError(
            f"{item} does not stand in the way ({found.result}): there is nothing to accept",
            code="code_not_shown",
            action=f"What can be accepted now: {open_}.",
        )
    return found
