"""From a mail as it travels (MIME, TNEF, reports, invitations) to properties of a PST's message."""
