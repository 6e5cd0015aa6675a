"""From what is tracked, and the configuration, to a timeline; and a hash of all that it depends on.

Rules of this file: the only place where tracked events, observations and settings become a timeline; policies are read when the
first one is drawn. What the configuration says of a purchase beats what was stated; both beat what Graph lets one guess.
Source: retention-domain §2.5; docs/decisions/0073.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from importlib.resources import files
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from retention.claim_rows import Contact
from retention.config import Config
from retention.references import path_of
from retention.reminders import QuietHours
from retention.tracked import Personal, Subscription

if TYPE_CHECKING:  # a sweep with nothing due needs none of them
    from retention.events import Event
    from retention.personal import Mark
    from retention.policy import Policy
    from retention.timeline import Purchase, Timeline

_BUILT_IN = "policies"
_RULES = 1
"""Part of the hash: raised when what follows from the same events changes."""
DEFAULT_CHANNEL, TRIAL = "direct", "trial"


class Reckoning:
    """The rules in force, as a configuration has them."""

    def __init__(self, config: Config) -> None:
        self._config, self._settings = config, config.settings.retention
        self.zone = ZoneInfo(self._settings.time_zone)
        self._purchases = {row.id.casefold(): row for row in self._settings.subscriptions}

    @cached_property
    def policy(self) -> "Policy":
        """The policy in force. Raises: PolicyError."""
        from retention.policy import load_policy

        return load_policy([path_of(name, self._config.base) for name in self._settings.policy_files])

    @property
    def quiet(self) -> QuietHours:
        hours = self._settings.quiet_hours
        return QuietHours(hours.start, hours.end, self.zone)

    @property
    def contacts(self) -> list[Contact]:
        """Who is warned, in order of escalation."""
        return [Contact(one.name, one.min_severity, one.escalate_after) for one in self._config.settings.notify]

    @cached_property
    def computed_with(self) -> str:
        """SHA-256 of everything but the events that tells when something is due."""
        known = [_RULES, self._settings.model_dump(mode="json"), self._settings.known_zone]
        found = hashlib.sha256(json.dumps(known, sort_keys=True).encode())
        for contact in self.contacts:
            found.update(repr(contact).encode())
        for place in sorted(files("retention").joinpath(_BUILT_IN).iterdir(), key=lambda one: one.name):
            if place.name.endswith(".yaml"):
                found.update(place.read_bytes())
        for name in self._settings.policy_files:
            file = path_of(name, self._config.base)
            found.update(file.read_bytes() if file.is_file() else b"missing")
        return found.hexdigest()

    def computed_from(self, subscription: Subscription) -> str:
        """SHA-256 of what is known of one subscription."""
        known = [
            subscription.body,
            list(subscription.events),
            subscription.observed.get("status"),
            subscription.observed.get("next"),
        ]
        return hashlib.sha256(json.dumps(known, sort_keys=True).encode()).hexdigest()

    def purchase(self, subscription: Subscription) -> "Purchase":
        """How it was bought."""
        from retention.timeline import Purchase

        own = next((self._purchases[name] for name in _names(subscription) if name in self._purchases), None)
        body = subscription.body
        guessed = TRIAL if subscription.observed.get("trial") else DEFAULT_CHANNEL
        return Purchase(
            channel=own.channel if own else body.get("channel") or guessed,
            term=(own.term if own else None) or body.get("term"),
            segment=body.get("segment") or "commercial",
            cloud=self._config.settings.tenant.cloud if self._config.settings.tenant else "worldwide",
            time_zone=body.get("time_zone") or self._settings.known_zone,
        )

    def strangers(self, subscriptions: Iterable[Subscription]) -> list[str]:
        """Ids in `retention.subscriptions` that no tracked subscription has: their channels say nothing of anything."""
        known = {name for one in subscriptions for name in _names(one)}
        return [row.id for row in self._settings.subscriptions if row.id.casefold() not in known]

    def events(self, subscription: Subscription, purchase: "Purchase") -> "list[Event]":
        """What happened, and the end that the service's next date may turn out to be."""
        from retention.events import read_event, with_ids

        rows: list[Mapping[str, Any]] = list(subscription.events)
        observed, ends = subscription.observed, {"term_end"}
        if observed.get("status") == "Enabled" and observed.get("next") and not any(r["type"] in ends for r in rows):
            rows.append({"type": "term_end", "at": observed["next"], "certain": False, "provenance": "service"})
        return with_ids([read_event(row, zone=purchase.time_zone, channel=purchase.channel) for row in rows])

    def marks(self, things: Sequence[Personal]) -> "list[Mark]":
        """The marks of personal clocks. Raises: EventError, PolicyError."""
        if not things:
            return []
        from retention.personal import marks_of

        return marks_of(self.policy, things, zone=self._settings.known_zone, segment="commercial")

    def timeline(self, subscription: Subscription) -> "Timeline":
        """Its timeline. Raises: EventError, PolicyError."""
        from retention.timeline import draw

        purchase = self.purchase(subscription)
        return draw(self.policy, purchase, self.events(subscription, purchase))


def _names(subscription: Subscription) -> tuple[str, str]:
    """The ids that a subscription goes by: its own, and that of the admin center."""
    return subscription.id.casefold(), str(subscription.observed.get("commerce")).casefold()
