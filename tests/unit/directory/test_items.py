"""What becomes of an item: its line, its digests; and rows beyond what is held in memory."""

import json
import random
import tracemalloc

from exporters.bag.formats import dump_json
from exporters.directory.items import Item, Part
from exporters.directory.sorted_rows import HELD, SortedRows
from exporters.outcomes import ExceptionCode

GRAPH = {"id": "g", "displayName": "Ünï ✓", "proxyAddresses": ["SMTP:a", "smtp:b"], "plans": [{"a": 1}, {"b": [2, 1]}]}


def rows(*ids: str) -> SortedRows:
    found = SortedRows()
    for one in ids:
        found.add(one, dump_json({"id": one}))
    return found


def item(graph: dict[str, object] | None = None, **parts: SortedRows) -> Item:
    return Item(
        "group", "g", "groups", "n", "/groups/n", graph or GRAPH, parts=tuple(Part(n, r) for n, r in parts.items())
    )


def test_a_line_is_what_the_house_writes() -> None:
    whole = item(owners=rows("o"), members=rows("b", "a", "b"))
    line = b"".join(whole.line())
    assert line == dump_json(
        {"graph": GRAPH, "id": "g", "kind": "group", "members": [{"id": "a"}, {"id": "b"}], "owners": [{"id": "o"}]}
    )
    assert b"".join(item().line()) == dump_json({"graph": GRAPH, "id": "g", "kind": "group"})
    assert b"".join(item(members=rows()).line()).endswith(b'"kind":"group","members":[]}')


def test_a_part_that_could_not_be_read_is_in_no_line_and_has_no_digest() -> None:
    lacking = Item(
        "group", "g", "", "n", "/n", GRAPH, parts=(Part("members", None, ExceptionCode.ACCESS_DENIED, "no"),)
    )
    assert b"".join(lacking.line()) == b"".join(item().line())
    assert lacking.digests().keys() == {"graph"}


def test_the_order_of_lists_is_no_news_and_all_else_is() -> None:
    turned = {**GRAPH, "proxyAddresses": ["smtp:b", "SMTP:a"], "plans": [{"b": [1, 2]}, {"a": 1}]}
    synced = {**GRAPH, "onPremisesLastSyncDateTime": "2026-01-01T00:00:00Z"}
    assert item(turned).digests() == item(synced).digests() == item().digests()
    for news in ({"displayName": "x"}, {"proxyAddresses": ["SMTP:a"]}, {"plans": []}, {"new": None}):
        assert item({**GRAPH, **news}).digests() != item().digests()
    assert item(members=rows("a", "b")).digests() == item(members=rows("b", "a")).digests()
    assert item(members=rows("a")).digests() != item(members=rows("a", "b")).digests()


def test_rows_are_sorted_and_each_comes_once_however_many_they_are() -> None:
    ids = [f"{n:06d}" for n in range(3 * HELD)]
    given = [*ids, *ids[:100]]
    random.Random(1).shuffle(given)
    found = SortedRows()
    for number, one in enumerate(given):
        found.add(one, dump_json({"id": one, "n": number}))
    assert len(found) == len(ids)
    for _ in range(2):  # it may be read as often as one likes
        assert [json.loads(data)["id"] for data in found] == ids
    last = {one: number for number, one in enumerate(given)}
    assert all(json.loads(data)["n"] == last[json.loads(data)["id"]] for data in found)
    found.close()


def test_odd_ids_have_an_order_too() -> None:
    found = rows("\ud83d", "z", "ä", "\0x")
    assert [json.loads(data)["id"] for data in found] == ["\0x", "z", "ä", "\ud83d"]


def test_memory_does_not_grow_with_the_members_of_a_group() -> None:
    def peak(number: int) -> int:
        tracemalloc.start()
        found = SortedRows()
        for n in range(number):
            found.add(f"{n:08d}", b'{"displayName":"Somebody of the many","id":"%08d"}' % n)
        big = item(members=found)
        size = sum(map(len, big.line()))
        big.digests()
        big.close()
        used = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert size > 40 * number
        return used

    assert peak(12 * HELD) < 1.5 * peak(3 * HELD)
