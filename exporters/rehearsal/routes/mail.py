"""All that is served of mailboxes, in one list.

Source: reference/graph.md 3, 4.
"""

from exporters.rehearsal.routes import mail_attachments, mail_folders, mail_messages
from exporters.rehearsal.routes.router import Route


def routes() -> list[Route]:
    """The routes of mailboxes."""
    parts = (mail_folders, mail_messages, mail_attachments)
    return [route for part in parts for route in part.routes()]
