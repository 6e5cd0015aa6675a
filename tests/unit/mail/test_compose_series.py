"""Any series of captures and compositions: nothing is lost or doubled, and all made anew is what one composition gives."""

import tempfile
from collections import Counter
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.unit.mail.mailbox_bag import Mail, MailboxBag, digest, folder_bag, mime
from tests.unit.mail.shown import subjects

IDS = st.sampled_from([f"id{n}" for n in range(6)])
NEWS = st.lists(
    st.tuples(st.sampled_from(["mail", "mail", "moved", "gone", "state", "compose", "recompose"]), IDS), max_size=12
)


def apply(box: MailboxBag, news: list[tuple[str, str]], *, composes: bool) -> dict[str, tuple[str, str]]:
    """Do all of it; what the mailbox is then: id → (folder, subject)."""
    there: dict[str, tuple[str, str]] = {}
    held: set[str] = set()
    with box.run():
        box.tree()
    for number, (what, item_id) in enumerate(news, 1):
        with box.run():
            if what == "mail":
                subject = f"{item_id} as of {number}"
                folder = there.get(item_id, ("inbox", ""))[0]
                box.mails(number, [Mail(item_id, mime(subject), folder)])
                there[item_id] = folder, subject
                held.add(item_id)
            elif what == "moved" and item_id in there:
                there[item_id] = "sent", there[item_id][1]
                box.change("message", item_id, parent="sent")
            elif what == "gone" and item_id in there:
                del there[item_id]
                box.change("message", item_id, outcome="gone", since="2026-11-24T00:00:00Z")
            elif what == "state" and item_id in there:
                box.change("message", item_id, service={"state": digest(number)})
            elif composes and what in {"compose", "recompose"}:
                box.compose(recompose=what == "recompose")
    return there


@settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))
@given(NEWS)
def test_any_series_of_news_and_compositions_ends_in_the_mailbox_as_it_is(news: list[tuple[str, str]]) -> None:
    with tempfile.TemporaryDirectory() as name:
        box, other = folder_bag(Path(name) / "a"), folder_bag(Path(name) / "b")
        there = apply(box, news, composes=True)
        apply(other, news, composes=False)
        with box.run():
            box.compose()
        parts = box.parts_json()
        stale = {(entry["file"], entry["node"]): entry["why"] for entry in parts["superseded"]}
        seen: Counter[str] = Counter()
        for item_id, (folder, subject) in there.items():
            pst = box.row("message", item_id)["pst"]
            why = stale.get((pst["file"], pst["node"]))
            assert why in {None, "moved", "state"}, (item_id, why)
            shown = "/Inbox" if folder == "inbox" else "/Sent Items"
            assert why == "moved" or pst["folder"] == shown
            found = subjects(box.pst(pst["file"]), Path(name) / "x.pst")
            assert found[pst["folder"]].count(subject) == 1
            seen[pst["file"]] += 1
        used = [part for part in parts["parts"] if part["used"]]
        gone = Counter(file for (file, _), why in stale.items() if why in {"changed", "deleted"})
        assert {part["file"]: part["messages"] for part in used if part["messages"]} == dict(seen + gone)
        with box.run():
            box.compose(recompose=True)
        with other.run():
            other.compose()
        assert box.pst() == other.pst()
        assert not box.parts_json()["superseded"]
