"""Compares the bag of a group with what the group wrote: posts in their threads, in the originals and in the PST.

Rules of this file: the judge's own modules. The tenant's data does not say what groups wrote: the truth is a file of lines
`<group id>.jsonl`, as the control port of the rehearsal gives them under `/truth/groups/ID`.
"""

import hashlib
from collections import Counter
from pathlib import Path

from tests.independent.differences import Differences
from tests.independent.mail_originals import plain
from tests.independent.mail_pst_messages import date_of, person, set_date, squashed, text_of_html
from tests.independent.mail_truth import Row, TenantTruth, lines_of
from tests.independent.mailbox_bag import MailboxBag
from tests.independent.pst_reader import Item, Pst, PstBroken


class GroupJudge:
    """One bag beside one group."""

    def __init__(self, bag: MailboxBag, truth: TenantTruth, posts: Path, found: Differences) -> None:
        self.bag, self.truth, self.found = bag, truth, found
        self.posts = {row["id"]: row for row in lines_of(posts)}

    def judge(self) -> None:
        """Posts once, with all that they say and their attachments; nothing else."""
        rows = {row["id"]: row for row in self.bag.of("post")}
        threads = {row["id"]: row for row in self.bag.of("folder")}
        for post_id, post in self.posts.items():
            where, row = f"{self.bag.name}: post {post_id[-8:]}", rows.pop(post_id, None)
            if not self.found.check("posts once", f"{where} has no row", row is not None) or row is None:
                continue
            self.found.check("posts once", f"{where}: {row['outcome']} {row.get('code')}", row["outcome"] == "copied")
            self.found.same("posts in their thread", where, row.get("parent"), post["conversationThreadId"])
            self.found.check("posts in their thread", f"{where}: no row of its thread", row.get("parent") in threads)
            line = self.bag.lines.get(str(row.get("key")), {})
            for key, value in post.items():
                if not key.startswith("_"):
                    self.found.same("post", f"{where}: {key}", plain(line.get("graph", {}).get(key)), plain(value))
            held = Counter((one.get("name"), one.get("sha256")) for one in line.get("attachments", ()))
            self.found.same("post attachments", where, held, self._files(post))
            self._composed(where, row, post, threads.get(str(row.get("parent")), {}))
        for post_id in rows:
            self.found.say("nothing else", f"{self.bag.name}: post {post_id} was never written")

    def _files(self, post: Row) -> Counter[tuple[str, str]]:
        files = post.get("_attachments") or ()
        return Counter((one["name"], hashlib.sha256(self.truth.read(one["_c"])).hexdigest()) for one in files)

    def _composed(self, where: str, row: Row, post: Row, thread: Row) -> None:
        if not self.bag.parts:
            return
        if not self.found.check("posts in the PST", where, bool(row.get("pst"))):
            return
        try:
            file = Pst(self.bag.folder / "data/pst" / row["pst"]["file"])
            item = file.item(int(row["pst"]["node"]))
            self._item(where, item, post)
            folders = [one.path for one in file.folders() if int(row["pst"]["node"]) in one.messages]
            is_there = (
                len(folders) == 1
                and bool(folders[0])
                and squashed(folders[0][-1])[:9] == squashed(thread.get("name"))[:9]
            )
            self.found.check(
                "posts in the PST", f"{where}: lies in {folders}, its thread is {thread.get('name')!r}", is_there
            )
            file.close()
        except (PstBroken, OSError) as error:
            self.found.say("PST structure", f"{where}: {type(error).__name__}: {error}")

    def _item(self, where: str, item: Item, post: Row) -> None:
        same = self.found.same
        self.found.check("post class", f"{where}: {item[0x001A]}", item[0x001A] in ("IPM.Post", "IPM.Note"))
        same(
            "post body", where, text_of_html(bytes(item[0x1013] or b"").decode()), text_of_html(post["body"]["content"])
        )
        same("post from", where, str(item[0x5D02] or item[0x0065] or "").lower(), person(post["from"])[1].lower())
        same("post date", where, date_of(item[0x0E06]), set_date(post["receivedDateTime"]))
        held = Counter((one.name, hashlib.sha256(one.data or b"").hexdigest()) for one in item.attachments)
        same("post attachments in the PST", where, held, self._files(post))
