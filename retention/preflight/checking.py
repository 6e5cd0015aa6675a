"""`check --cancel`: looks at everything, judges it, sends the test messages, and puts it on record.

Rules of this file: gathers, then judges, then writes one row; nothing here decides. A tenant that cannot be reached leaves
what only it can say `not_checked`. Source: retention-domain §3; design §6 (`check`); docs/formats.md (Journal).

    preflight, facts = check_cancelling(config, clock, subscription=None, send=True)
"""

import secrets
from collections.abc import Mapping
from datetime import datetime

from exporters.clock import Clock, stamp
from exporters.errors import LastcopyError
from retention.books import opened_books
from retention.config import Config
from retention.journal import Journal
from retention.preflight.asking_dns import Dns
from retention.preflight.asking_graph import all_unknown, gather
from retention.preflight.attestation import Attestation, newest
from retention.preflight.facts import Facts, Unknown, ids_of
from retention.preflight.judging import judge
from retention.preflight.messages import receipts_of, send_tests
from retention.preflight.own_facts import own_facts, read_journal
from retention.preflight.places import places_of
from retention.preflight.recorded import Preflight, overrides

Attested = Mapping[str, Attestation]


def check_cancelling(
    config: Config, clock: Clock, *, subscription: str | None = None, send: bool = True
) -> tuple[Preflight, Facts, Attested]:
    """Look, judge, and write it down; what was seen, for the runbook. subscription: which is to be cancelled, None: the only
    one, or the one that `retention.subscriptions` names. send: test messages.

    Raises: ConfigurationError, RunError, errors of the store.
    """
    facts = Facts(clock.now(), config.tenant.id)
    dns = Dns.of_this_machine()
    service = _look(config, clock, facts, dns)
    run = f"{stamp(facts.now)}-{secrets.token_hex(3)}"
    with opened_books(config, clock) as books:
        told = read_journal(Journal(books.place.store, clock).rows())
        attested = newest(told.rows, facts.now)
        facts.chosen = _own_id(subscription, facts) if subscription else _the_one(config, facts)
        facts.own = own_facts(config, books, told, facts, attested, service)
        facts.places = places_of(config, facts)
        if send:
            is_rehearsal = bool(books.index.fact("rehearsal"))
            facts.receipts = send_tests(config, clock, run, is_rehearsal=is_rehearsal)
        else:
            facts.receipts = receipts_of(told.receipts, config, facts.now)
            facts.are_receipts_old = True
        findings = judge(facts, attested, overrides(told.rows))
        preflight = Preflight(run, facts.now, findings, facts.chosen)
        books.append([preflight.as_row()])
    return preflight, facts, attested


def _look(config: Config, clock: Clock, facts: Facts, dns: Dns) -> tuple[datetime, datetime] | None:
    """Ask tenant and DNS; returns (the service's clock, ours)."""
    from exporters.graph.session import GraphSession
    from retention.tenants import cloud_of, sign_in

    try:
        with sign_in(config, clock) as signin, GraphSession(cloud_of(config), signin, clock) as graph:
            gather(facts, graph, dns)
            return graph.service_date()
    except LastcopyError as error:
        all_unknown(facts, f"the tenant cannot be asked: {str(error).rstrip('.')}")
        return None


def _own_id(given: str, facts: Facts) -> str:
    """Graph's own id of a subscription that may be named as the admin center has it."""
    rows = [] if isinstance(facts.subscriptions, Unknown) else facts.subscriptions
    return next((ids_of(row)[0] for row in rows if given in ids_of(row)), given)


def _the_one(config: Config, facts: Facts) -> str | None:
    """The subscription that is meant where nobody says it; by Graph's own id."""
    rows = [] if isinstance(facts.subscriptions, Unknown) else facts.subscriptions
    named = {one.id for one in config.settings.retention.subscriptions}
    meant = [row for row in rows if named & {*ids_of(row)}] or [row for row in rows if row.get("status") != "Deleted"]
    if len(meant) == 1:
        return ids_of(meant[0])[0]
    return next(iter(named)) if len(named) == 1 and not rows else None
