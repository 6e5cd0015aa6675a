"""A document library seen as a list: each file and folder of its drive is an item with fields.

Rules of this file: ids are the numbers of the drive's rows plus one, so they stay; what a drive item says twice (name, dates,
size) follows the drive item; `_fields` of a drive item are further columns. Source: reference/graph.md 5.4; quirk Q-064.
"""

from collections.abc import Iterator

from exporters.rehearsal.documents import Row
from exporters.rehearsal.items import DriveTruth, is_container


class LibraryItems:
    """The items of a library. As `ListTruth`, for reading."""

    def __init__(self, list_id: str, drive: DriveTruth) -> None:
        drive.load()
        self.id, self.drive = list_id, drive
        self.lock, self.log, self.chain = drive.lock, drive.log, drive.chain

    @property
    def gone(self) -> set[int]:
        """Numbers of deleted items."""
        return self.drive.gone

    @property
    def count(self) -> int:
        """How many numbers have been given."""
        return self.drive.count

    @property
    def live_count(self) -> int:
        """Items there are now; the root is none."""
        return self.drive.live_count - 1

    def find(self, item_id: str) -> int | None:
        """The number of a live item."""
        n = int(item_id) - 1 if item_id.isdecimal() else -1
        return n if 0 <= n < self.drive.count and n not in self.drive.gone and n != self.drive.root else None

    def live(self, start: int = 0) -> Iterator[int]:
        """Numbers of the items there are, from `start` on."""
        return (n for n in self.drive.live(start) if n != self.drive.root)

    def row(self, n: int) -> Row:
        """The list item of a drive item."""
        item = self.drive.row(n)
        is_folder = is_container(item)
        created, modified = item.get("createdDateTime"), item.get("lastModifiedDateTime")
        fields: Row = {
            "id": str(n + 1),
            "FileLeafRef": item["name"],
            "ContentType": "Folder" if is_folder else "Document",
            "Created": created,
            "Modified": modified,
            "_UIVersionString": str((item.get("_versions") or [{"id": "1.0"}])[0]["id"]),
        }
        if not is_folder:
            fields |= {"FileSizeDisplay": str(item.get("size", 0)), "DocIcon": str(item["name"]).rpartition(".")[2]}
        fields |= item.get("_fields", {})
        content_type = {"id": "0x0120", "name": "Folder"} if is_folder else {"id": "0x0101", "name": "Document"}
        return {
            "id": str(n + 1),
            "createdDateTime": created,
            "lastModifiedDateTime": modified,
            "eTag": item.get("eTag"),
            "contentType": content_type,
            "fields": fields,
            "_driveItem": item["id"],
        }
