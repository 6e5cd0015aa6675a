"""What the groups of a tenant have written: conversations, threads, posts, files.

Rules of this file: the tenant data names groups and members only, so what they wrote is invented here; it follows from the group,
so that the same data gives the same threads. A security group has no mailbox.
Source: reference/tenant-data.md, "Layout" (groups.jsonl); conversation, conversationThread and post of the v1.0 schema.
"""

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from exporters.clock import timestamp
from exporters.rehearsal.documents import Row
from exporters.rehearsal.mailbox_rows import made_id
from exporters.rehearsal.tenant import Tenant

_THREADS = (("Kick-off", 3), ("Re: budget / 2026", 2), ("Ünïcode ✓", 1))
_FIRST_USER = 1 << 20  # numbers of groups in ids begin here, so that they meet no user's
_BEGIN = datetime(2025, 3, 1, 9, tzinfo=UTC)


@dataclass(frozen=True)
class Thread:
    """One thread, which is its conversation's only one. Posts have `_attachments` as messages do."""

    conversation: Row
    row: Row
    posts: list[Row]


def find_group(tenant: Tenant, group_id: str) -> tuple[int, Row] | None:
    """Number and row of a group by its id."""
    for n, row in enumerate(tenant.groups):
        if str(row["id"]).lower() == group_id.lower():
            return n, row
    return None


def has_mailbox(group: Row) -> bool:
    """Whether it is a Microsoft 365 group."""
    return "Unified" in group.get("groupTypes", ())


def threads_of(tenant: Tenant, n: int, group: Row) -> list[Thread]:
    """All threads of a group, the oldest first."""
    members = [user for one in group.get("_members", ()) if (user := tenant.user(str(one))) is not None]
    return [_thread(n, group, members, place) for place in range(len(_THREADS))] if has_mailbox(group) else []


def _thread(n: int, group: Row, members: list[Row], place: int) -> Thread:
    topic, count = _THREADS[place]
    user, salt = _FIRST_USER + n, f"{group['id']}|{place}"
    conversation_id, thread_id = made_id("list", user, place, salt), made_id("folder", user, place, salt)
    posts = [_post(group, members, conversation_id, thread_id, place, at) for at in range(count)]
    said: Row = {
        "topic": topic,
        "hasAttachments": any(post["hasAttachments"] for post in posts),
        "lastDeliveredDateTime": posts[-1]["receivedDateTime"],
        "uniqueSenders": sorted({post["sender"]["emailAddress"]["name"] for post in posts}),
        "preview": f"Post {count} of {topic}.",
    }
    own = [{"emailAddress": {"name": group["displayName"], "address": group.get("mail")}}]
    row = {"id": thread_id, **said, "isLocked": False, "toRecipients": own, "ccRecipients": []}
    return Thread({"id": conversation_id, **said}, row, posts)


def _post(group: Row, members: list[Row], conversation_id: str, thread_id: str, place: int, at: int) -> Row:
    salt = f"{group['id']}|{place}|{at}"
    when = timestamp(_BEGIN + timedelta(days=place, hours=at))
    name, address = "Somebody", "somebody@rehearsal.example"
    if members:
        sender = members[(place + at) % len(members)]
        name, address = sender["displayName"], sender["mail"]
    person = {"emailAddress": {"name": name, "address": address}}
    item_id = made_id("message", _FIRST_USER + place, at, salt)
    files = [_file(item_id, salt)] if at == 1 else []
    return {
        "id": item_id,
        "changeKey": hashlib.sha256(salt.encode()).hexdigest()[:32],
        "createdDateTime": when,
        "lastModifiedDateTime": when,
        "receivedDateTime": when,
        "categories": [],
        "hasAttachments": bool(files),
        "body": {"contentType": "html", "content": f"<p>Post {at + 1} of {_THREADS[place][0]}.</p>"},
        "from": person,
        "sender": person,
        "newParticipants": [],
        "conversationId": conversation_id,
        "conversationThreadId": thread_id,
        "_attachments": files,
    }


def _file(owner: str, salt: str) -> Row:
    content: dict[str, Any] = {"gen": f"post.{salt}", "len": 70_000}
    return {
        "@odata.type": "#microsoft.graph.fileAttachment",
        "id": f"{owner[:-1]}YXR0MDAwMQ=",
        "name": "minutes.bin",
        "contentType": "application/octet-stream",
        "size": 70_140,
        "isInline": False,
        "contentId": None,
        "lastModifiedDateTime": timestamp(_BEGIN),
        "_c": content,
    }
