"""Judges a copy of mailboxes: `python tests/independent/judge_mail.py TENANT_DIR STORE_DIR [--recoverable] [--changes FILE]…`.

Rules of this file: it reads the tenant's files and the store's, and asks nobody. Prints what agrees and every kind of difference
with the first of them. Exit 0 only if there is none, 3 if there are, 2 if it cannot be judged at all.
"""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.independent.differences import Differences
from tests.independent.mail_groups import GroupJudge
from tests.independent.mail_originals import Expectation, OriginalsJudge
from tests.independent.mail_pst import PstJudge
from tests.independent.mail_truth import TruthBroken, load
from tests.independent.mailbox_bag import find_bags, read_bag


def judge(
    tenant: Path,
    store: Path,
    asked: Expectation,
    *,
    changes: list[Path] | None = None,
    pst: bool = True,
    only: list[str] | None = None,
    groups: Path | None = None,
) -> Differences:
    """All mailboxes of a tenant that are active against a folder store. Raises TruthBroken.

    only: user principal names; groups: the folder of what groups wrote.
    """
    truth, found, bags = load(tenant, changes), Differences(), find_bags(store)
    for user_id, box in truth.mailboxes.items():
        user = truth.users[user_id]
        if only and user["userPrincipalName"] not in only:
            bags.pop(user_id, None)
            continue
        folder = bags.pop(user_id, None)
        if user["_mailbox"] != "active":
            found.notes[f"mailboxes that are {user['_mailbox']}"] += 1
            continue
        if (
            not found.check("mailboxes", f"{user['userPrincipalName']} has no bag", folder is not None)
            or folder is None
        ):
            continue
        bag = read_bag(folder, found)
        OriginalsJudge(bag, box, truth, asked, found).judge()
        if pst:
            PstJudge(bag, box, truth, asked, found).judge()
    for source_id, folder in bags.items():
        if source_id in truth.groups:
            bag = read_bag(folder, found)
            if groups is not None:
                GroupJudge(bag, truth, groups / f"{source_id}.jsonl", found).judge()
            else:
                found.notes["bags of groups, whose frame alone was read"] += 1
        elif not only:
            found.say("mailboxes", f"{folder.name} is a bag of nobody who has a mailbox")
    return found


def main(arguments: list[str] | None = None) -> int:
    """The command."""
    parser = argparse.ArgumentParser(prog="judge_mail.py", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("tenant", type=Path)
    parser.add_argument("store", type=Path)
    parser.add_argument("--recoverable", action="store_true", help="items of Recoverable Items were asked for")
    parser.add_argument("--archive", action="store_true", help="archives can be read and were asked for")
    parser.add_argument(
        "--changes", type=Path, action="append", help="changes.jsonl that was applied (may be repeated)"
    )
    parser.add_argument("--originals-only", action="store_true", help="leave the PSTs alone")
    parser.add_argument("--only", action="append", metavar="NAME", help="user principal name (may be repeated)")
    parser.add_argument(
        "--groups", type=Path, metavar="DIR", help="<group id>.jsonl of what each group wrote (control port)"
    )
    given = parser.parse_args(arguments)
    if not (given.tenant / "tenant.json").is_file() or not (given.store / "lastcopy.json").is_file():
        print("TENANT_DIR has a tenant.json, STORE_DIR a lastcopy.json: one of them has none", file=sys.stderr)
        return 2
    asked = Expectation(recoverable=given.recoverable, archive=given.archive)
    try:
        found = judge(
            given.tenant,
            given.store,
            asked,
            changes=given.changes,
            pst=not given.originals_only,
            only=given.only,
            groups=given.groups,
        )
    except TruthBroken as error:
        print(f"the truth cannot be read: {error}", file=sys.stderr)
        return 2
    print(found.table())
    count = sum(map(len, found.found.values()))
    print(f"\n{count:,} differences" if count else "\nno differences")
    return 3 if count else 0


if __name__ == "__main__":
    sys.exit(main())
