"""Mailboxes of groups: conversations as their threads and posts."""

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from exporters.errors import LastcopyError
from exporters.graph.errors import NoMailboxError, UserNotFoundError
from tests.faults.mail_desk import MailDesk, mail_desk
from tests.independent.mailbox_bag import MailboxBag
from tests.unit.rehearsal import mailbox_data as data

Row = dict[str, Any]
POST = "groups/{group}/threads/{thread}/posts/{post}"


@pytest.fixture(scope="module")
def tenant(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return data.write_tenant(tmp_path_factory.mktemp("groups") / "tenant")


@pytest.fixture
def group(tenant: Path, tmp_path: Path) -> Iterator[MailDesk]:
    with mail_desk(tenant, tmp_path / "store") as found:
        found.owner, found.is_group = data.GROUP, True
        yield found


def assert_posts(group: MailDesk, bag: MailboxBag) -> None:
    truth: list[Row] = group.desk.client.control("GET", f"truth/groups/{data.GROUP}")
    rows = {row["id"]: row for row in bag.of("post")}
    assert rows.keys() == {post["id"] for post in truth} and rows
    for post in truth:
        line = bag.lines[rows[post["id"]]["key"]]
        assert line["graph"]["body"] == post["body"]
        wanted = [(one["name"], one["_c"]["len"]) for one in post["_attachments"]]
        assert [(one["name"], one["size"]) for one in line.get("attachments", ())] == wanted
        for one in line.get("attachments", ()):
            assert (
                hashlib.sha256(bag.read(bag.rows["attachment", post["id"], one["id"]]["key"])).hexdigest()
                == one["sha256"]
            )


def test_every_post_is_copied_once_with_its_attachments(group: MailDesk) -> None:
    result = group.run()
    bag = group.bag()
    assert_posts(group, bag)
    assert {row["class"]: row["state"] for row in result.coverage}["conversations"] == "covered"
    assert {row["service"]["class"] for row in bag.of("folder")} == {"threads"}
    assert all(bag.rows["folder", "", row["parent"]]["path"] == row["folder"] for row in bag.of("post"))


def test_a_run_without_news_lists_the_threads_alone(group: MailDesk) -> None:
    group.run()
    asked = group.asked_by(group.run)
    assert set(asked) == {"groups/{group}/threads"}


def test_a_thread_with_news_alone_is_read_again(group: MailDesk) -> None:
    group.run()
    edit = {"at": "value/0/lastDeliveredDateTime", "to": "2026-01-01T00:00:00Z"}
    group.faults({"route": "groups/*/threads", "fault": "edit", "edits": [edit]})
    asked = group.asked_by(group.run)
    assert asked["groups/{group}/threads/{thread}/posts"] == 1 and asked[POST] == 0
    assert_posts(group, group.bag())


def test_threads_that_are_refused_are_said_and_copied_later(group: MailDesk) -> None:
    group.faults({"route": "groups/*/threads/*/posts", "fault": "403", "after": 1})
    result = group.run()
    assert result.problems == ["folders_not_listed"]
    assert {row["class"]: row["state"] for row in result.coverage}["conversations"] == "in part"
    assert [*group.bag(whole=False).of("post")]
    group.faults()
    assert group.run().problems == []
    assert_posts(group, group.bag())


@pytest.mark.parametrize(("owner", "error"), [(data.SECURITY, NoMailboxError), (data.GROUP[::-1], UserNotFoundError)])
def test_a_group_without_a_mailbox_and_one_that_is_not_there(
    group: MailDesk, owner: str, error: type[LastcopyError]
) -> None:
    group.owner = owner
    with pytest.raises(error):
        group.run()
