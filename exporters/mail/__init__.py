"""Mailboxes: what is read from them, and how it becomes messages of a PST."""
