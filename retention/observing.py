"""Asks the tenant what its subscriptions are, for at most half a minute.

Rules of this file: that it fails is an observation too (*not reachable since*), never a state, and changes no date; an answer
counts only if it holds a row. Source: retention-domain §1 (no answer is not "Deleted"); graph.md §8.1.
"""

import threading
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import TYPE_CHECKING

from exporters.bag.formats import JsonObject
from exporters.clock import Clock, instant_of
from exporters.errors import ItemError, LastcopyError, SourceError
from retention.config import Config

if TYPE_CHECKING:
    from retention.people import People

LONGEST_SECONDS = 30.0
_STATUSES = frozenset({"Enabled", "Warning", "Suspended", "Deleted", "LockedOut"})


@dataclass(slots=True)
class Observation:
    """What the tenant answered. service: (its clock, ours when it answered); code, why: what kept it from answering; people: the
    users, where they were asked for and could be read."""

    reached: bool = False
    subscriptions: list[JsonObject] = field(default_factory=list)
    skus: list[JsonObject] = field(default_factory=list)
    service: tuple[datetime, datetime] | None = None
    people: "People | None" = None
    code: str = ""
    why: str = ""


def observe(
    config: Config, clock: Clock, longest_seconds: float = LONGEST_SECONDS, *, with_people: bool = False
) -> Observation:
    """Ask; whatever goes wrong stands in the observation. Raises: ConfigurationError if no tenant is configured."""
    config.tenant  # noqa: B018 - raises
    found, stop = Observation(), threading.Event()

    def ask() -> None:
        try:
            _ask(config, clock, found, stop, with_people=with_people)
        except LastcopyError as error:
            found.reached, found.code, found.why = False, error.code, str(error)
        except Exception as error:  # noqa: BLE001 - the edge of a unit of work: a sweep goes on without it
            found.reached, found.code, found.why = False, "internal", f"an unexpected error ({type(error).__name__})"

    asking = threading.Thread(target=ask, name="observe", daemon=True)
    asking.start()
    asking.join(longest_seconds)
    stop.set()
    if asking.is_alive():
        if found.reached:  # it is the users that take long
            return replace(found, people=None)
        return Observation(
            code="no_answer", why=f"no answer within {longest_seconds:.0f} seconds", service=found.service
        )
    return found


def _ask(config: Config, clock: Clock, found: Observation, stop: threading.Event, *, with_people: bool) -> None:
    from exporters.graph.budget import Budget
    from exporters.graph.gate import Gate
    from exporters.graph.limits import Cost
    from exporters.graph.session import GraphSession
    from retention.tenants import cloud_of, sign_in

    with sign_in(config, clock) as signin:
        gate = Gate(Budget(), clock, stop=stop)
        with GraphSession(cloud_of(config), signin, clock, gate=gate, connections=2, patience_seconds=20.0) as graph:
            try:
                for page in graph.pages("/directory/subscriptions", cost=Cost.DIRECTORY):
                    found.subscriptions += [row for row in map(_subscription, page) if row is not None]
            finally:
                found.service = graph.service_date()
            with suppress(ItemError, SourceError):  # it may not be read, and only adds to what is known
                for page in graph.pages("/subscribedSkus", cost=Cost.SUBSCRIBED_SKUS):
                    found.skus += [_sku(row) for row in page]
            found.service = graph.service_date()
            if not found.subscriptions:
                found.code, found.why = "empty_answer", "the service names no subscription, which says nothing"
                return
            found.reached = True
            if with_people:
                from retention.people import listed

                with suppress(LastcopyError):  # they may not be read, or time is up: the subscriptions are known
                    found.people = listed(graph)


def _subscription(row: JsonObject) -> JsonObject | None:
    from exporters.graph.answers import identifier_of, number_of

    name, status = identifier_of(row.get("id")), row.get("status")
    if name is None:
        return None
    made: JsonObject = {"subscription": name, "status": status if status in _STATUSES else None}
    for ours, theirs in (
        ("commerce", "commerceSubscriptionId"),
        ("sku", "skuPartNumber"),
        ("created", "createdDateTime"),
    ):
        if isinstance(row.get(theirs), str):
            made[ours] = row[theirs]
    after = row.get("nextLifecycleDateTime")
    if instant_of(after) is not None:
        made["next"] = after
    if row.get("isTrial") is True:
        made["trial"] = True
    if (total := number_of(row.get("totalLicenses"))) is not None:
        made["total"] = total
    return made


def _sku(row: JsonObject) -> JsonObject:
    from exporters.graph.answers import object_of

    names = ("skuPartNumber", "capabilityStatus", "consumedUnits", "subscriptionIds")
    kept = {name: row[name] for name in names if isinstance(row.get(name), str | int | list)}
    return {**kept, "prepaidUnits": object_of(row.get("prepaidUnits"))}
