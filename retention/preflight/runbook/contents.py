"""The runbook of a tenant, put together in the order in which it is done.

Rules of this file: the order is that of the issue: tell users, last export, move MX, wait, stop sign-in, last run, verify, ready,
remove domain, one more run, cancel, reminders; then the way back. Source: issue text; retention-domain §3.
"""

from exporters.errors import ConfigurationError
from retention.preflight.runbook import leaving, notes, opening, staying
from retention.preflight.runbook.parts import Runbook
from retention.preflight.runbook.subject import Subject

GERMANY = "germany"
_ORDER = (
    opening.facts,
    opening.dates,
    opening.in_the_way,
    staying.tell_users,
    staying.last_export,
    staying.move_mail,
    staying.wait_for_ttl,
    staying.stop_sign_in,
    staying.last_run,
    staying.prove,
    staying.gate,
    leaving.remove_domain,
    leaving.one_more_run,
    leaving.cancel,
    leaving.reminders,
    leaving.reactivate,
    notes.money,
    notes.licences,
    notes.held,
    notes.closing,
)


def runbook_of(about: Subject) -> Runbook:
    """The runbook. Raises: ConfigurationError for Microsoft Cloud Germany."""
    if about.channel == GERMANY:
        raise ConfigurationError(
            "there is no runbook for Microsoft Cloud Germany: that cloud was closed on 2021-10-29",
            code="cloud_closed",
            action="Attest the channel under which the tenant is billed today: lastcopy attest PF-05.",
        )
    mark = "REHEARSAL: " if about.is_rehearsal else ""
    return Runbook(
        f"{mark}Runbook: cancel {about.name} of {about.tenant}",
        f"Made {about.shown(about.facts.now)} by lastcopy check --cancel, configuration {about.config}. Make it "
        "anew when something changes.",
        (*(section(about) for section in _ORDER), opening.states(), notes.sources(about)),
    )
