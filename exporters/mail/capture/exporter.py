"""Copies one mailbox into its bag.

Rules of this file: the story, in order: ask what is new of each folder, walk the tree of folders, decide removals, work off what
is owed, ask again until nothing comes (at most three closing rounds), compare with the service's own counts, close. One listing
and one ledger writer; only contents are fetched side by side. Source: design §4 (the ledger, Whole), §5.
"""

import threading
from collections.abc import Callable

from exporters.bag.ledger import BagWriter
from exporters.clock import Clock
from exporters.copied import CopyResult, Progress
from exporters.graph.session import GraphSession
from exporters.mail.settings import MailSettings
from exporters.sources import Source


class MailExporter:
    """One run on one mailbox. source: of kind mail; its id is that of the user, or of the group whose mailbox it is."""

    def __init__(
        self,
        source: Source,
        graph: GraphSession,
        writer: BagWriter,
        settings: MailSettings,
        clock: Clock,
        *,
        progress: Progress,
        stop: threading.Event,
        accepts_removals: Callable[[str], bool] = lambda digest: False,
        is_group: bool = False,
    ) -> None:
        self._source, self._graph, self._writer, self._settings = source, graph, writer, settings
        self._clock, self._progress, self._stop = clock, progress, stop
        self._accepts_removals, self._is_group = accepts_removals, is_group
        self.result = CopyResult()

    def run(self) -> CopyResult:
        """Copy; close the bag, also if the service refuses. Raises: SourceError, RunError, errors of the store."""
        raise NotImplementedError
