"""From an inventory to work: what each source costs in requests, resource units and bytes, by the settings of the copy.

Rules of this file: pure; prices are those that the exporter pays (design §9: one unit a file, two and one a version, five a
shared item; a request a message), shares that nobody can know beforehand are assumed and named in `Shares`, and give way to what
earlier runs measured. Source: retention-domain §7; graph.md §7.2, §7.3; docs/decisions/0085.
"""

from dataclasses import dataclass
from typing import Final

from exporters.graph.limits import PRICES, Cost
from exporters.sources import SourceKind
from retention.config import Config
from retention.planning.feasibility import Files, Work
from retention.planning.inventory import Counted
from retention.planning.measured import BOX_REQUESTS, Measured

DELTA_PAGE: Final = 200
MAIL_PAGE: Final = 100
STREAM_BATCH: Final = 20
ASSUMED_FOLDERS: Final = 12
"""Mail folders of a mailbox where nobody counted them."""
SITE_UNITS: Final = 20
LIST_UNITS: Final = 12
"""For columns, items, permissions and attachments of a list without many items."""
ASSUMED_LISTS: Final = 12
"""Lists of a site where nobody counted them."""


@dataclass(frozen=True, slots=True)
class Shares:
    """What is assumed where nothing was measured. attached: messages whose attachments are listed; shared: files that somebody
    shares; versioned: files that have earlier versions, versions: of such a file; mime: bytes of a message on the line for one
    that it takes in a mailbox."""

    attached: float = 0.25
    shared: float = 0.12
    versioned: float = 0.15
    versions: float = 2.2
    mime: float = 1.35


@dataclass(slots=True)
class Costs:
    """Adds up the work of sources. with_streams: whether each message is captured a second time, as Exchange keeps it."""

    config: Config
    measured: Measured
    with_streams: bool
    shares: Shares = Shares()

    def add(self, work: Work, one: Counted) -> None:
        """Add what is left of one source."""
        if one.kind is SourceKind.MAIL:
            work.boxes.add(self.requests(one), one.left_items, self.mail_bytes(one))
            return
        self._add_files(work.files, one)

    def requests(self, one: Counted) -> float:
        """Of a mailbox: its messages, the pages of its folders, and what it costs to look."""
        folders = max(one.parts, ASSUMED_FOLDERS) * (4 if self.with_streams else 2)
        if self.measured.requests_per_item is not None:
            return one.left_items * self.measured.requests_per_item + BOX_REQUESTS + folders
        each = 1 + self.shares.attached + 1 / MAIL_PAGE
        if self.with_streams:
            each += 1 / STREAM_BATCH + 1 / DELTA_PAGE
        return one.left_items * each + BOX_REQUESTS + folders

    def mail_bytes(self, one: Counted) -> float:
        """That come over the line: MIME, and the second capture where there is one."""
        if self.measured.message_bytes is not None:
            return one.left_items * self.measured.message_bytes
        return one.left_bytes * self.shares.mime * (2 if self.with_streams else 1)

    def _add_files(self, files: Files, one: Counted) -> None:
        left, drive = one.left_items, self.config.settings.drive
        files.downloads += left
        files.bytes += one.left_bytes
        files.pages += left / DELTA_PAGE + one.parts
        if one.kind is SourceKind.SHAREPOINT:
            files.others += SITE_UNITS + LIST_UNITS * (one.lists or ASSUMED_LISTS)
        if drive.versions != "current":
            kept = self.shares.versions if drive.versions == "all" else min(self.shares.versions, int(drive.versions))
            files.listings += left
            files.versions += left * self.shares.versioned * kept
        if drive.permissions == "shared":
            files.permissions += self._shared(left)
        elif drive.permissions == "all":
            files.permissions += left

    def _shared(self, left: int) -> float:
        """Items whose sharing is read: as the units of earlier runs say, where they say it."""
        told = self.measured.units_per_file
        if told is None or self.config.settings.drive.versions != "current":
            return left * self.shares.shared
        plain = 1 + 1 / DELTA_PAGE
        return left * min(1.0, max(0.0, told - plain) / PRICES[Cost.PERMISSIONS].units)


def without_permissions(work: Work) -> Work:
    """The same work, but for who can see what: that can be read after the content."""
    return Work(work.boxes, _changed(work.files, permissions=0.0))


def without_versions(work: Work) -> Work:
    """The same work, but for earlier versions."""
    return Work(work.boxes, _changed(work.files, versions=0.0, listings=0.0))


def _changed(files: Files, **values: float) -> Files:
    names = ("downloads", "versions", "pages", "listings", "permissions", "others", "bytes")
    return Files(**{**{name: getattr(files, name) for name in names}, **values})
