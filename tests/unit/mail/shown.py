"""What libpff finds in a PST: folders with their subjects, and messages down to their attachments. No code of the writer."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.unit.pst.judges import pypff


@dataclass
class Shown:
    """A message as libpff reads it."""

    subject: str
    body: str
    attachments: list[tuple[str, bytes]] = field(default_factory=list)
    inner: list["Shown"] = field(default_factory=list)


def shown(content: bytes, path: Path) -> dict[str, list[Shown]]:
    """Path below the top → its messages, of every folder. path: where the PST may be put."""
    path.write_bytes(content)
    file = pypff().file()
    file.open(str(path))
    try:
        (top,) = [folder for folder in file.get_root_folder().sub_folders if folder.name == "Top of Outlook data file"]
        found: dict[str, list[Shown]] = {"/": [_message(message) for message in top.sub_messages]}
        _walk(top, "", found)
        return found
    finally:
        file.close()


def subjects(content: bytes, path: Path) -> dict[str, list[str]]:
    """Path → subjects, in the order of the folder's table; empty folders too."""
    return {place: [message.subject for message in messages] for place, messages in shown(content, path).items()}


def _walk(folder: Any, above: str, found: dict[str, list[Shown]]) -> None:
    for child in folder.sub_folders:
        place = f"{above}/{child.name}"
        assert place not in found, f"two folders {place}"
        found[place] = [_message(message) for message in child.sub_messages]
        _walk(child, place, found)


def _message(message: Any) -> Shown:
    made = Shown(message.subject or "", (message.plain_text_body or b"").decode())
    for attachment in message.attachments:
        size = attachment.get_size()
        made.attachments.append((attachment.long_filename or "", attachment.read_buffer(size) if size else b""))
    return made
