"""Sends the fingerprint of the key to every `notify` address: to people and places outside of every package.

Rules of this file: one message per recipient, with the same Message-ID each time; an address is read at the last moment and
stands in no error. Source: design §8 (keys).
"""

import hashlib

from exporters.clock import Clock
from exporters.errors import LastcopyError
from retention.config import Config
from retention.notify import Message, channel_for
from retention.references import read_secret
from retention.rehearsed import is_rehearsed

_TEXT = """\
Evidence of the copy of {tenant} is signed with a key that has this fingerprint (SHA-256 of the public key):

{fingerprint}

Keep this message. A package is from us only if it shows these digits:
lastcopy verify --evidence PACKAGE --fingerprint {fingerprint}
"""


def announce(config: Config, fingerprint: str, clock: Clock) -> dict[str, str | None]:
    """Send it; return {recipient: None, or why it was not delivered}."""
    tenant = config.settings.tenant.id if config.settings.tenant is not None else "a tenant"
    text = _TEXT.format(tenant=tenant, fingerprint=fingerprint)
    mark = "REHEARSAL: " if config.settings.notify and is_rehearsed(config, clock) else ""
    found: dict[str, str | None] = {}
    for entry in config.settings.notify:
        name = hashlib.sha256(f"evidence-key {fingerprint} {entry.name}".encode()).hexdigest()[:40]
        message = Message(name, f"{mark}{tenant}: the key that signs evidence", mark + text, (), clock.now())
        try:
            address = read_secret(entry.to, config.base, f"notify.{entry.name}.to")
            with channel_for(entry.name, address) as channel:
                channel.send(message)
        except LastcopyError as error:
            found[entry.name] = str(error)
        else:
            found[entry.name] = None
    return found
