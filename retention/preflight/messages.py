"""PF-23: a test message through each channel, and what became of it.

Rules of this file: one message a channel, side by side, each bounded by the time-outs of `retention.notify`; nothing of an
address in a receipt. Source: retention-domain §5 (channels), docs/decisions/0082.
"""

import hashlib
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import Final

from exporters.bag.formats import JsonObject
from exporters.clock import Clock, timestamp
from exporters.errors import LastcopyError
from retention.config import Config
from retention.notify import Message, channel_for
from retention.preflight.facts import Receipt
from retention.references import read_secret
from retention.settings import NotifyEntry

TRIED_FOR: Final = timedelta(days=7)
"""How long a receipt counts: channels are tried weekly (retention-domain §5)."""
_AT_ONCE = 8


def send_tests(config: Config, clock: Clock, run: str, *, is_rehearsal: bool = False) -> list[Receipt]:
    """Send one message through each channel of `notify`."""
    entries = config.settings.notify
    if not entries:
        return []
    with ThreadPoolExecutor(min(_AT_ONCE, len(entries)), thread_name_prefix="lastcopy-test") as pool:
        return list(pool.map(lambda entry: _sent(config, clock, run, entry, is_rehearsal), entries))


def receipts_of(row: JsonObject | None, config: Config, now: datetime) -> list[Receipt]:
    """Those of the last preflight that sent messages, for the channels of today, as long as they count. row: of PF-23."""
    names, found = {entry.name for entry in config.settings.notify}, []
    for one in ((row or {}).get("proof") or {}).get("receipts") or ():
        at = datetime.fromisoformat(one["delivered"]) if "delivered" in one else None
        if one.get("channel") in names and at is not None and now - at <= TRIED_FOR:
            found.append(Receipt(one["channel"], at))
    return found


def _sent(config: Config, clock: Clock, run: str, entry: NotifyEntry, is_rehearsal: bool) -> Receipt:
    now = clock.now()
    tenant = config.tenant.id
    message = Message(
        id=hashlib.sha256(f"test {run} {entry.name}".encode()).hexdigest()[:40],
        subject=f"{'REHEARSAL ' if is_rehearsal else ''}[TEST] {tenant}: warnings of Lastcopy arrive here",
        text=(
            f"This is a test ({timestamp(now)}), sent by `lastcopy check --cancel` to the channel {entry.name!r} of {tenant}.\n\n"
            "Warnings that data will be deleted come by this way. Nothing has to be done. If you do not expect "
            "them, tell whoever runs"
            " Lastcopy.\n"
        ),
        keys=(),
        at=now,
    )
    try:
        with channel_for(entry.name, read_secret(entry.to, config.base, f"notify.{entry.name}")) as channel:
            channel.send(message)
    except LastcopyError as error:
        return Receipt(entry.name, error=str(error))
    except Exception as error:  # noqa: BLE001 - the edge of one channel: the others are tried
        return Receipt(entry.name, error=f"an unexpected error ({type(error).__name__})")
    return Receipt(entry.name, clock.now())
