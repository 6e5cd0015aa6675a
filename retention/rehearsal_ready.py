"""The chapter of the rehearsal that asks whether the subscription may be cancelled: no, what is missing mended one by one, yes.

Rules of this file: as `retention.rehearsal`: every step is a command that a person could type, and what is mended next is what
`ready` itself names, with its own command; only what an administrator does in a portal is done at the simulated tenant's control
port. Source: design §6 (`ready`), retention-domain §3.
"""

import contextlib
import io
import json
import shlex
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any

from exporters.errors import RunError
from retention.rehearsal_clock import ADDRESS_FILE, MAILBOX, Telling
from retention.rehearsal_mailbox import Mailbox

WHO = "Robin Rehearsal"
ROUNDS = 20
_SEATS = "PF-04"
_ATTESTED = {
    "PF-05": ("invoice of last year", "channel=direct", "agreement=mosa"),
    "PF-19": ("all administrators were told: cancel, never delete",),
    "PF-21": ("looked in Purview and in the Exchange admin center", "holds=none"),
}
_ACCEPTED = {
    "PF-10": "the domain stays in this tenant until the new host is ready",
    "PF-11": "the users leave with the tenant",
}
Control = Callable[[str, list[dict[str, Any]]], Any]
"""Sends (path, lines of JSON) to the control port."""


def may_i_cancel(story: Telling, control: Control) -> None:
    """Ask, mend, ask again. Raises: RunError if it does not come to a yes."""
    story.chapter(
        "May I cancel? `ready` says no, and each reason names the command that mends it; they are worked off from the top"
    )
    with Mailbox(story.folder / MAILBOX) as mailbox:
        (story.folder / ADDRESS_FILE).write_text(mailbox.address, encoding="utf-8")
        story.run("ready", expect=(3,))
        for _ in range(ROUNDS):
            open_reasons = [one for one in _ask(story)["reasons"] if one["severity"] == "block"]
            if not open_reasons:
                story.chapter("Nothing stands in the way any more")
                story.run("ready")
                return
            first = open_reasons[0]
            story.say(f"  next, of {len(open_reasons)}: {first['message']}", "weak")
            _mend([one for one in open_reasons if one["code"] == first["code"]], story, control)
    raise RunError("`ready` never says yes", code="rehearsal_failed", action="Run `lastcopy ready` by itself.")


def _ask(story: Telling) -> dict[str, Any]:
    """`ready --json`."""
    shown = io.StringIO()
    with contextlib.redirect_stdout(shown):
        story.main(["ready", "--json", "--config", str(story.config)])
    found: dict[str, Any] = json.loads(shown.getvalue())
    return found


def _mend(alike: list[dict[str, Any]], story: Telling, control: Control) -> None:
    """Do what these reasons of one code name; what goes into one command is one."""
    code = alike[0]["code"]
    if code == "class_not_accepted":
        names = [shlex.split(one["action"])[2] for one in alike]
        story.run("accept", *names, "--by", WHO, "--reason", "not used here, or exported by hand")
    elif code == "preflight_open":
        items = [one["message"].partition(":")[0] for one in alike]
        for item in sorted(items, key=lambda item: item == _SEATS):  # fewer seats, less that may be asked in a minute
            _mend_item(item, story, control)
        story.run("check", "--cancel", "--no-messages", expect=(0, 3))
    else:
        words = shlex.split(alike[0]["action"].replace("--by NAME", f"--by '{WHO}'").replace("TEXT", "'looked at'"))
        story.run(*words[1:], expect=(0, 3))


def _mend_item(item: str, story: Telling, control: Control) -> None:
    """One finding of the preflight: by a person's word, by a person's name, or in the portal."""
    if item in _ATTESTED:
        text, *values = _ATTESTED[item]
        given = [word for value in values for word in ("--value", value)]
        story.run("attest", item, "--by", WHO, "--text", text, *given)
    elif item in _ACCEPTED:
        story.run("accept", item, "--by", WHO, "--reason", _ACCEPTED[item])
    elif item == _SEATS:
        story.say("  (in the admin center: Remove licenses, down to 24)", "weak")
        control("settings", [{"licences": 24}])
    elif item == "PF-08":
        story.say("  (in the admin center: two administrators get names in the tenant's own domain)", "weak")
        control("changes", list(_renamed(story)))
        story.run("export")  # whoever is renamed is asked for by the new name from then on
    elif item == "PF-24":
        story.run("plan", expect=(0, 3))
    else:
        raise RunError(
            f"the story knows no way to mend {item}", code="rehearsal_failed", action="Run `lastcopy check --cancel`."
        )


def _renamed(story: Telling) -> Iterator[dict[str, Any]]:
    """Changes that take the domain which is to go out of the names of the two administrators."""
    tenant = story.folder / "tenant"
    domain = json.loads((tenant / "tenant.json").read_text(encoding="utf-8"))["domain"]
    with (tenant / "users.jsonl").open(encoding="utf-8") as lines:
        for user in map(json.loads, islice(lines, 2)):
            name = f"{user['userPrincipalName'].partition('@')[0]}@{domain}"
            yield {"kind": "user", "op": "update", "id": user["id"], "set": {"userPrincipalName": name}}
