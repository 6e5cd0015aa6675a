"""Every figure of a report, worked out from the store alone by other code than ours, and a page of HTML read back as tables.

Rules of this file: standard library only; imports nothing of ours; reads files of a folder store as docs/formats.md describes
them. Source: issue 10 (g).
"""

import hashlib
import json
from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

Row = dict[str, Any]
KINDS = ("mail", "onedrive", "sharepoint")
ITEMS = {"file", "folder", "package", "shortcut", "other", "message", "contact", "event", "task", "post", "list_item", "page",
         "user", "group", "licence", "subscription", "domain", "organization", "role", "term"}  # fmt: skip
DAYS = {"access_ends": 0, "at_risk_from": 30, "deletable_from": 90, "gone_by": 180}
"""Of a subscription that was bought direct and cancelled, by the table of the retention reference."""


def lines_of(file: Path) -> list[Row]:
    return [json.loads(line) for line in file.read_bytes().splitlines()] if file.exists() else []


@dataclass
class BagFigures:
    """A bag, counted."""

    place: str
    rows: list[Row]
    owed: int
    files: int
    octets: int
    tagmanifest: str
    segment: int
    segment_sha256: str
    counts: dict[str, int] = field(default_factory=dict)
    kinds: Counter[tuple[str, str]] = field(default_factory=Counter)


def read_bag(store: Path, place: str) -> BagFigures:
    """Count what lies in a bag: its rows one by one, its payload on the disk."""
    folder = store / place
    rows = lines_of(folder / "lastcopy/items.jsonl")
    owed = {(row.get("scope"), row["id"]) for row in lines_of(folder / "lastcopy/owed.jsonl")}
    payload = [file for file in (folder / "data").rglob("*") if file.is_file()]
    newest = max((folder / "lastcopy/ledger").iterdir(), key=lambda file: file.name)
    bag = BagFigures(
        place, rows, len(owed), len(payload), sum(file.stat().st_size for file in payload),
        hashlib.sha256((folder / "tagmanifest-sha256.txt").read_bytes()).hexdigest(),
        int(newest.stem), hashlib.sha256(newest.read_bytes()).hexdigest(),
    )  # fmt: skip
    settled = [row for row in rows if row["kind"] in ITEMS and (row["scope"], row["id"]) not in owed]
    copied = sum(row["outcome"] == "copied" for row in settled)
    excepted = sum(row["outcome"] == "excepted" and row["code"] != "vanished" for row in settled)
    gone = sum(row["outcome"] == "gone" and row["kind"] in ITEMS for row in rows)
    bag.counts = {"listed": copied + excepted + len(owed), "copied": copied, "excepted": excepted, "pending": len(owed)}
    bag.counts["gone"] = gone
    bag.kinds = Counter((row["kind"], row["outcome"]) for row in rows)
    return bag


@dataclass
class Figures:
    """A store, counted. journal: its rows with the SHA-256 of each line."""

    store: Path
    bags: dict[str, BagFigures] = field(default_factory=dict)
    journal: list[tuple[Row, str]] = field(default_factory=list)
    runs: dict[str, Row] = field(default_factory=dict)

    def of(self, kind: str) -> list[Row]:
        return [row for row, _ in self.journal if row["type"] == kind]

    def total(self, name: str) -> int:
        return sum(bag.counts[name] for bag in self.bags.values())

    def exceptions(self) -> Counter[tuple[str, str]]:
        """(bag, code): how many."""
        found: Counter[tuple[str, str]] = Counter()
        for bag in self.bags.values():
            found.update((bag.place, row["code"]) for row in bag.rows if row["outcome"] == "excepted")
        return found

    def accepted(self) -> Counter[tuple[str, str]]:
        """Those that a person accepted: every run that found one of them had ended before the acceptance was written."""
        ends = {row["run"]: place for place, (row, _) in enumerate(self.journal) if row["type"] == "run_ended"}
        found: Counter[tuple[str, str]] = Counter()
        for (bag, code), number in self.exceptions().items():
            runs = {row["run"] for row in self.bags[bag].rows if row["outcome"] == "excepted" and row["code"] == code}
            times = [p for p, (row, _) in enumerate(self.journal) if row["type"] == "accepted" and row["code"] == code
                     and row.get("source") in {None, bag}]  # fmt: skip
            if all(any(ends[run] < at for at in times) for run in runs):
                found[bag, code] = number
        return found

    def proven(self) -> dict[str, str]:
        """Bags that were read in full as they are now, and when."""
        found = {}
        for row in self.of("verified"):
            bag = self.bags.get(row["bag"])
            if (
                bag is not None
                and row["level"] == "full"
                and row["tagmanifest"] == bag.tagmanifest
                and row["result"] == "whole"
            ):
                found[bag.place] = row["at"]
        return found

    def coverage(self) -> Counter[tuple[str, str]]:
        """(class, state): in how many sources, by the newest run that looked at each."""
        newest: dict[str, Row] = {}
        for row in self.of("run_ended"):
            for source in self.runs[row["run"]]["sources"]:
                newest[source["bag"] or f"{source['kind']}/{source['name']}"] = source
        rows = (one for source in newest.values() for one in source["coverage"] if one["class"] != "whole")
        return Counter((one["class"], one["state"]) for one in rows)

    def boundaries(self) -> dict[str, str]:
        """Of the one subscription that somebody stated as cancelled."""
        events = [event for row in self.of("stated") for event in row.get("events") or () if event["type"] == "cancel"]
        start = datetime.fromisoformat(events[-1]["at"])
        return {kind: f"{start + timedelta(days=days):%Y-%m-%d %H:%M} UTC" for kind, days in DAYS.items()}

    def warnings(self) -> tuple[int, int, int]:
        """(claimed, sent, acknowledged): keys."""
        keys = {key["key"]: row.get("delivery") for row in self.of("warning_claimed") for key in row["keys"]}
        superseded = {key["key"] for row in self.of("warning_superseded") for key in row["keys"]}
        sent = {row["delivery"] for row in self.of("warning_sent")}
        seen = {row["key"] for row in self.of("acknowledged")}
        return len({*keys, *superseded}), sum(delivery in sent for delivery in keys.values()), len(seen)


def figures_of(store: Path, *, before: str | None = None) -> Figures:
    """Count a store. before: leave out rows of the journal that name this package, which were written after the report."""
    found = Figures(store)
    places = [f"{kind}/{bag.name}" for kind in KINDS for bag in (store / kind).glob("*")] + ["directory"]
    for place in sorted(place for place in places if (store / place / "tagmanifest-sha256.txt").exists()):
        found.bags[place] = read_bag(store, place)
    for segment in sorted((store / "journal").iterdir()):
        for line in segment.read_bytes().splitlines(keepends=True)[1:-1]:
            row = json.loads(line)
            if before is None or row.get("package") != before:
                found.journal.append((row, hashlib.sha256(line).hexdigest()))
    found.runs = {file.stem: json.loads(file.read_bytes()) for file in (store / "runs").glob("*.json")}
    return found


class Page(HTMLParser):
    """A report read back: tables by caption, answers by the question before them, headings."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tables: dict[str, list[list[str]]] = {}
        self.answers: dict[str, str] = {}
        self.headings: list[tuple[str, str]] = []
        self._stack: list[str] = []
        self._text = ""
        self._caption = self._question = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in {"caption", "dt", "dd", "th", "td", "h1", "h2", "h3"}:
            self._text = ""
        if tag == "tr":
            self.tables.setdefault(self._caption, []).append([])

    def handle_endtag(self, tag: str) -> None:
        text = " ".join(self._text.split())
        if tag == "caption":
            self._caption = text
        elif tag == "dt":
            self._question = text
        elif tag == "dd":
            self.answers[self._question] = text
        elif tag in {"th", "td"}:
            self.tables[self._caption][-1].append(text)
        elif tag in {"h1", "h2", "h3"}:
            self.headings.append((tag, text))
        elif tag == "p":
            self._text += " "

    def handle_data(self, data: str) -> None:
        self._text += data

    def rows(self, caption: str) -> list[list[str]]:
        """Of a table, without its head."""
        return self.tables[caption][1:]
