"""The second capture of a mailbox, and its archive: whether they can be had, and what a run's record says of them.

Rules of this file: what cannot be had is said with the reason and what to do, never passed over (Q-059). Where the API is not
there, nothing is wrong with the copy unless it was asked for by name (`fasttransfer: on`); an archive that is there and cannot
be read is a problem of the source. Source: issue 6 (parts 3, 5, h); graph.md §4; retention-domain §4.
"""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from exporters.bag.digests import Hashed
from exporters.bag.formats import JsonObject, dump_json
from exporters.bag.ledger import BagWriter
from exporters.clock import Clock, timestamp
from exporters.copied import CopyResult, Progress
from exporters.errors import ItemError, LastcopyError, SourceError
from exporters.graph.errors import NoMailboxError
from exporters.graph.mailbox import Mailbox
from exporters.mail.capture.due import streams_done
from exporters.mail.capture.exchange import ExportIds, export_ids
from exporters.mail.capture.joins import Joins
from exporters.mail.capture.objects import Numbers
from exporters.mail.capture.streams import StreamCapture, Streams
from exporters.mail.settings import MailSettings

ARCHIVE_UNREADABLE: Final = "archive_unreadable"
FASTTRANSFER_UNAVAILABLE: Final = "fasttransfer_unavailable"
UNJOINED: Final = "unjoined"
"""What the first capture should have too, and has not: the export API is a second witness, of what nobody counts as well."""
MASS: Final = "mass_disappearance"
SCOPE: Final = "exchange"
AFTER: Final = timedelta(days=1)
CLOUDS: Final = frozenset({"worldwide", "custom"})
"""Where the service has the export API."""
NATIVE, ARCHIVE = "native_streams", "archive"
ONLY_HERE = ("notes_and_journal", "contact_groups")
"""Classes of content that nothing else of Graph gives."""
_NO_CLOUD = "The mailbox export API is not offered in this cloud."
_UNKNOWN_ARCHIVE = "Whether this mailbox has an archive cannot be asked here; an archive is not copied."
_DISCOVER = "Look in the Exchange admin centre whether it has one, and export it by eDiscovery."
_GET_ARCHIVE = (
    "Grant MailboxItem.Export.All, MailboxItem.Read.All and MailboxFolder.Read.All (application) and run again; or export the"
    " archive by eDiscovery and accept archive_unreadable for this mailbox, or set sources.archive: none."
)
_GET_STREAMS = (
    "Grant MailboxItem.Export.All, MailboxItem.Read.All and MailboxFolder.Read.All (application) and run again; or set"
    " mail.fasttransfer: off. The copy as MIME and JSON does not need it."
)


@dataclass(slots=True)
class Told:
    """coverage: rows for the record of the run. problems: by code, what is a finding's content. scopes: by class, id of the
    mailbox that its rows speak of."""

    coverage: list[JsonObject] = field(default_factory=list)
    problems: dict[str, list[str]] = field(default_factory=dict)
    scopes: dict[str, str] = field(default_factory=dict)


class SecondCapture:
    """All that the export API gives of one user's mailbox.

    mailbox: of the user. is_quiet: the first capture found nothing new.
    """

    def __init__(
        self,
        mailbox: Mailbox,
        writer: BagWriter,
        settings: MailSettings,
        clock: Clock,
        *,
        cloud: str,
        stop: threading.Event,
        progress: Progress,
        result: CopyResult,
        is_quiet: bool = False,
        accepts_removals: Callable[[str], bool] = lambda digest: False,
    ) -> None:
        self._mailbox, self._writer = mailbox, writer
        self._settings, self._clock, self._cloud = settings, clock, cloud
        self._stop, self._progress, self._result, self._is_quiet = stop, progress, result, is_quiet
        self._accepts = accepts_removals
        self._numbers = Numbers(writer)
        self._told = Told()
        self._has_failed = False

    def run(self) -> Told:
        """Capture what is asked for and can be had; problems are in the result, too. Raises: RunError, StoppedError, errors of
        the store."""
        wants_streams, wants_archive = self._settings.fasttransfer != "off", self._settings.archive != "none"
        if not wants_streams:
            for of in NATIVE, *ONLY_HERE:
                self._say(of, "not asked", alternative="mail.fasttransfer: auto")
        if not wants_archive:
            self._say(ARCHIVE, "not asked", alternative="sources.archive: auto")
        if not (wants_streams or wants_archive):
            return self._told
        known, said = self._known(), len(self._told.coverage)
        ids = self._ids() if known is None else ExportIds(**known["ids"])
        if ids is not None:
            named = {**dict.fromkeys((NATIVE, *ONLY_HERE), ids.primary), ARCHIVE: ids.archive}
            self._told.scopes = {of: scope for of, scope in named.items() if scope is not None}
        if wants_streams and known is not None and self._is_quiet:
            self._told.coverage += known["streams"]
        elif wants_streams:
            self._primary(ids)
        streams = self._told.coverage[said:]
        if wants_archive:
            self._archive(ids)
        is_settled = ids is not None and ids.refused is None and not (self._told.problems or self._has_failed)
        if ids is not None and not self._stop.is_set():
            self._keep(ids, streams, known, is_settled=is_settled)
        for code, content in self._told.problems.items():
            if code not in self._result.problems:
                self._result.problems.append(code)
            self._result.digests[code] = Hashed.of(dump_json({"content": content}))
        return self._told

    # -- what is known for a day ------------------------------------------------------------------------------------

    def _known(self) -> JsonObject | None:
        """What an earlier run found out within a day, under the same settings: which mailboxes there are, and what came of the
        streams. Where nothing else is new of a mailbox, its second capture is not asked then either."""
        cursor: JsonObject = self._writer.heads.cursors.get(SCOPE, {})
        if cursor.get("settings") != self._asked() or "at" not in cursor:
            return None
        is_fresh = self._clock.now() - datetime.fromisoformat(cursor["at"]) < AFTER
        return cursor if is_fresh else None

    def _keep(self, ids: ExportIds, streams: list[JsonObject], known: JsonObject | None, *, is_settled: bool) -> None:
        """Have it known from now on; what was known so far holds no longer than it did, and not if it is otherwise now."""
        if not is_settled:
            if known is not None:
                self._writer.emit("cursor", {"scope": SCOPE, "kind": "listed", "link": ""})
            return
        if known is not None and known["streams"] == streams:
            return
        found = {"primary": ids.primary, "archive": ids.archive, "is_archive_known": ids.is_archive_known}
        value = {"kind": "listed", "link": "", "settings": self._asked(), "ids": found, "streams": streams}
        at = timestamp(self._clock.now()) if known is None else known["at"]
        self._writer.emit("cursor", {"scope": SCOPE, **value, "at": at})

    def _asked(self) -> JsonObject:
        return {"fasttransfer": self._settings.fasttransfer, "archive": self._settings.archive}

    def _ids(self) -> ExportIds | None:
        """None where this cloud has no such API."""
        if self._cloud not in CLOUDS and self._settings.fasttransfer != "on":
            return None
        return export_ids(self._mailbox)

    # -- primary ----------------------------------------------------------------------------------------------------

    def _primary(self, ids: ExportIds | None) -> None:
        if ids is None or ids.primary is None:
            refused = None if ids is None else ids.refused
            self._no_streams(refused, _NO_CLOUD if ids is None else "The service does not tell the id of this mailbox.")
            return
        joins = Joins(self._writer)
        try:
            found = self._capture(ids.primary, joins)
        except (ItemError, SourceError) as error:
            self._no_streams(error, "")
            return
        finally:
            joins.close()
        if found.refused and len(found.refused) == found.folders:
            self._no_streams(next(iter(found.refused.values())), "")
            return
        if not found.refused:
            streams_done(self._writer)
        self._streams_told(found)

    def _streams_told(self, found: Streams) -> None:
        reasons = []
        row: JsonObject = {"class": NATIVE, "state": "covered"}
        if found.refused:
            first = next(iter(found.refused.values()))
            reasons.append(f"{len(found.refused):,} folders could not be listed: {first}")
            row["code"] = first.code
            if self._settings.fasttransfer == "on":
                self._told.problems[FASTTRANSFER_UNAVAILABLE] = sorted(found.refused)
        self._has_failed = bool(found.failed or found.refused)
        if found.failed:
            reasons.append(f"{found.failed:,} items could not be exported.")
        if found.unjoined:
            number = sum(found.unjoined.values())
            reasons.append(
                f"{number:,} items in {len(found.unjoined):,} folders are kept as streams and match none of the first capture."
            )
            row["unjoined"] = dict(sorted(found.unjoined.items()))
            row.setdefault("code", UNJOINED)
        if reasons:
            row.update(state="in part", reason=" ".join(reasons))
        if found.keyless:
            row["keyless"] = found.keyless  # kept, and of a kind that has nothing to be matched by
        self._told.coverage.append(row)
        is_less = bool(
            found.refused or found.failed
        )  # what does not join is there, and is of what the first capture reaches
        told = {name: row[name] for name in ("reason", "code") if is_less and name in row}
        for of in ONLY_HERE:
            self._say(of, row["state"] if is_less else "covered", **told)

    def _no_streams(self, error: LastcopyError | None, reason: str) -> None:
        if isinstance(error, NoMailboxError):
            reason = "This user has no mailbox in the cloud."
        code = FASTTRANSFER_UNAVAILABLE if error is None else error.code
        told = {"code": code, "reason": str(error) if error is not None else reason, "alternative": _GET_STREAMS}
        for of in NATIVE, *ONLY_HERE:
            self._say(of, "not reachable", **told)
        if self._settings.fasttransfer == "on":
            self._told.problems[FASTTRANSFER_UNAVAILABLE] = [code]

    # -- archive ----------------------------------------------------------------------------------------------------

    def _archive(self, ids: ExportIds | None) -> None:
        if ids is None or not ids.is_archive_known:
            self._say(ARCHIVE, "not reachable", code="archive_unknown", reason=_UNKNOWN_ARCHIVE, alternative=_DISCOVER)
            return
        if ids.archive is None:
            self._say(ARCHIVE, "covered", reason="This mailbox has no archive.")
            return
        try:
            found = self._capture(ids.archive, None)
        except (ItemError, SourceError) as error:
            self._no_archive(error, [error.code])
            return
        if found.refused:
            self._no_archive(next(iter(found.refused.values())), sorted(found.refused), found)
            return
        if found.failed:
            self._say(ARCHIVE, "in part", reason=f"{found.failed:,} items could not be exported.")
            return
        self._say(ARCHIVE, "covered", reason="Kept as the streams of the export API.")

    def _no_archive(self, error: LastcopyError, content: list[str], found: Streams | None = None) -> None:
        state = "not reachable" if found is None or len(found.refused) == found.folders else "in part"
        reason = f"There is an archive mailbox, and it cannot be read: {error}"
        if state == "in part" and found is not None:
            reason = f"{len(found.refused):,} folders of the archive mailbox cannot be read: {error}"
        self._say(ARCHIVE, state, code=ARCHIVE_UNREADABLE, reason=reason, alternative=_GET_ARCHIVE)
        self._told.problems[ARCHIVE_UNREADABLE] = content

    # -- both -------------------------------------------------------------------------------------------------------

    def _capture(self, mailbox_id: str, joins: Joins | None) -> Streams:
        """joins: None for the archive."""
        found = StreamCapture(
            self._mailbox.exports(mailbox_id, is_archive=joins is None),
            self._writer,
            self._clock,
            stop=self._stop,
            progress=self._progress,
            numbers=self._numbers,
            result=self._result,
            joins=joins,
            is_quiet=self._is_quiet and joins is not None,
            accepts_removals=self._accepts,
        ).run()
        if found.mass is not None and MASS not in self._result.problems:
            self._result.problems.append(MASS)
            self._result.digests[MASS] = found.mass
        return found

    def _say(self, of: str, state: str, **more: str) -> None:
        self._told.coverage.append({"class": of, "state": state, **more})
