"""Sources: the units that are copied, each known by its Graph id and never by its name.

Rules of this file: vocabulary only, no I/O, imports nothing above it. Source: design §4 (names of bags).
"""

import hashlib
from dataclasses import dataclass
from enum import StrEnum


class SourceKind(StrEnum):
    """The first component of a bag's place in the store."""

    MAIL = "mail"
    ONEDRIVE = "onedrive"
    SHAREPOINT = "sharepoint"
    DIRECTORY = "directory"


FINDABLE = (SourceKind.ONEDRIVE, SourceKind.MAIL, SourceKind.SHAREPOINT, SourceKind.DIRECTORY)
"""The kinds that can be found in a tenant so far, and copied."""


@dataclass(frozen=True, slots=True)
class Source:
    """One unit of the copy. `id`: Graph id (drive id for a OneDrive; of the user or group whose mailbox it is). `name`: as
    served today (user principal name, mail address of a group, path of a site with `!` for `/`). `owner`: user id of a drive,
    else None. `web_url`: for people. `is_group`: whether it is the mailbox of a group, which has another way in."""

    kind: SourceKind
    id: str
    name: str
    owner: str | None = None
    web_url: str | None = None
    is_group: bool = False

    @property
    def handle(self) -> str:
        """24 hex digits that name `sources/<handle>.json`: start of the SHA-256 of "<kind> <id>"."""
        return hashlib.sha256(f"{self.kind} {self.id}".encode("utf-8", "surrogatepass")).hexdigest()[:24]

    @property
    def key(self) -> str:
        """Of its record in the store."""
        return f"sources/{self.handle}.json"

    @property
    def label(self) -> str:
        """What people type after `--source`: onedrive/NAME."""
        return f"{self.kind}/{self.name}"
