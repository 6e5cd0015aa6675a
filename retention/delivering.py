"""Sends what was claimed: a thread for each recipient, each message by itself, results as they come.

Rules of this file: nothing is sent on a claim that is too old: what is left is given back, to be claimed again. One recipient
that refuses, or hangs, holds up no other. Source: retention-domain §5 (exactly once).
"""

import queue
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from exporters.bag.formats import JsonObject
from exporters.clock import Clock
from exporters.errors import LastcopyError
from retention.notify import Channel, Message, NotDeliveredError

CLAIM_SECONDS = 300.0
"""Nothing is sent on an older claim (retention-domain §5)."""


@dataclass(frozen=True, slots=True)
class Result:
    """What became of one message: error None: it was delivered; left: not tried, its claim got too old."""

    row: JsonObject
    error: LastcopyError | None = None
    is_uncertain: bool = False
    left: bool = False

    def as_row(self) -> JsonObject:
        """For the journal."""
        if self.error is None:
            return {"type": "warning_sent", "delivery": self.row["delivery"]}
        failed = {"type": "warning_failed", "delivery": self.row["delivery"], "reason": str(self.error)}
        return {**failed, "uncertain": True} if self.is_uncertain else failed


def deliver(
    rows: Sequence[JsonObject],
    channel_of: Callable[[str], Channel],
    compose: Callable[[Mapping[str, object]], Message],
    clock: Clock,
    claimed_at: float,
) -> Iterator[list[Result]]:
    """Send; yield the results that came since they were last asked for, as long as there are any.

    rows: claims. channel_of: the way to a recipient; called in its thread. claimed_at: monotonic time of the claim.
    """
    results: queue.SimpleQueue[Result] = queue.SimpleQueue()
    by_recipient: dict[str, list[JsonObject]] = {}
    for row in rows:
        by_recipient.setdefault(str(row["recipient"]), []).append(row)

    def work(name: str, mine: Sequence[JsonObject]) -> None:
        done = 0
        try:
            with channel_of(name) as channel:
                for row in mine:
                    if clock.monotonic() - claimed_at > CLAIM_SECONDS:
                        break
                    results.put(_sent(channel, row, compose))
                    done += 1
        except LastcopyError as error:
            for row in mine[done:]:
                results.put(Result(row, error))
            return
        except Exception as error:  # noqa: BLE001 - the edge of one recipient: the others go on
            for row in mine[done:]:
                results.put(Result(row, _unexpected(error)))
            return
        for row in mine[done:]:
            results.put(Result(row, left=True))

    for name, mine in by_recipient.items():
        threading.Thread(target=work, args=(name, mine), name=f"to {name}", daemon=True).start()
    missing = len(rows)
    while missing:
        some = [results.get()]
        while not results.empty():
            some.append(results.get())
        missing -= len(some)
        yield some


def _sent(channel: Channel, row: JsonObject, compose: Callable[[Mapping[str, object]], Message]) -> Result:
    message = None
    try:
        message = compose(row)
        channel.send(message)
    except NotDeliveredError as error:
        return Result(row, error, error.is_uncertain)
    except Exception as error:  # noqa: BLE001 - the edge of one message: it must not silence those behind it
        return Result(row, _unexpected(error), is_uncertain=message is not None)
    return Result(row)


def _unexpected(error: Exception) -> LastcopyError:
    return LastcopyError(f"an unexpected error ({type(error).__name__})", code="internal")
