"""All that is served of mailboxes, in one list.

Source: reference/graph.md 3, 4.
"""

from exporters.rehearsal.routes import (
    calendars,
    contacts,
    groups,
    mail_attachments,
    mail_folders,
    mail_ids,
    mail_messages,
    mailbox_export,
    mailbox_settings,
    todo,
)
from exporters.rehearsal.routes.router import Route


def routes() -> list[Route]:
    """The routes of mailboxes."""
    parts = (
        mail_folders,
        mail_messages,
        mail_attachments,
        calendars,
        contacts,
        todo,
        mailbox_settings,
        groups,
        mail_ids,
    )
    return [*(route for part in parts for route in part.routes()), *mailbox_export.routes()]


def beta_routes() -> list[Route]:
    """What is served of beta: the export API, which tells of archives there."""
    return mailbox_export.routes(beta=True)
