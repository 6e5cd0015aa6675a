"""Writes messages into a PST, lets the shared strict checker judge it, and gives back what stands in the file.

Rules of this file: reading is done by the checker alone, no code of the exporter. Skips where the checker is not there.
"""

import struct
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from exporters.pst import FileSink, Message, Writer
from tests.unit.pst.judges import TOOLS, Checked, checker

MAIL = TOOLS.parent / "data" / "mail"


@dataclass
class Read:
    """A message as a file holds it: tag -> value, rows of recipients, attachments (with `data` or `message`)."""

    properties: dict[int, Any]
    recipients: list[dict[int, Any]] = field(default_factory=list)
    attachments: list["ReadAttachment"] = field(default_factory=list)

    @property
    def subject(self) -> str:
        stored = self.properties.get(0x0037001F, "\x01\x01")
        return str(stored[2:])

    def addresses(self, kind: int) -> list[str]:
        return [row.get(0x3003001F, "") for row in self.recipients if row[0x0C150003] == kind]


@dataclass
class ReadAttachment:
    properties: dict[int, Any]
    data: bytes | None
    message: Read | None

    @property
    def name(self) -> str:
        return str(self.properties[0x3707001F])


def write(messages: Iterable[Message], path: Path) -> list[Read]:
    """What the file holds of the messages, in order. Fails if the checker finds an error or a warning."""
    with path.open("wb") as file, Writer(lambda _: FileSink(file), seed=b"test", display_name="Test") as pst:
        inbox = pst.add_folder(pst.top, "Inbox", container_class="IPF.Note")
        places = [pst.add_message(inbox, message).nid for message in messages]
    checked = Checked(path)
    return [_message(checker(), checked.node(nid)) for nid in places]


def read(path: Path, nid: int) -> Read:
    """The message under a node of a file. Fails if the checker finds an error or a warning in the file."""
    return _message(checker(), Checked(path).node(nid))


def _properties(tool: Any, node: Any) -> dict[int, Any]:
    context = tool.read_pc(node, tool.Findings())
    return {pid << 16 | value.ptype: value.py() for pid, value in context.items()}


def _message(tool: Any, node: Any) -> Read:
    node.used = set()
    read = Read(_properties(tool, node))
    subs = node.subs()
    if 0x692 in subs:
        table = tool.read_tc(node.child(0x692), tool.Findings())
        read.recipients = [{tag: value.py() for tag, value in cells.items()} for _, cells in table.rows]
    if 0x671 in subs:
        table = tool.read_tc(node.child(0x671), tool.Findings())
        read.attachments = [_attachment(tool, node.child(rid)) for rid, _ in table.rows]
    return read


def _attachment(tool: Any, node: Any) -> ReadAttachment:
    node.used = set()
    properties = _properties(tool, node)
    if properties[0x37050003] == 5:
        nid, _ = struct.unpack("<II", properties[0x3701000D])
        return ReadAttachment(properties, None, _message(tool, node.child(nid)))
    return ReadAttachment(properties, properties.get(0x37010102, b""), None)


def samples() -> list[Path]:
    """All .eml files of the shared data; skips where that is not there."""
    if not MAIL.exists():
        pytest.skip("../shared/data/mail is not there")
    return sorted((MAIL / "eml").rglob("*.eml"))
