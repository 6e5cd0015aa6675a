"""The two charts of a report: windows of the policy beside the runs, and how much of each class is covered.

Rules of this file: pure; shapes in a plane, and the same facts in words for whoever cannot see them; nothing is told by colour
alone. Source: retention-domain §6; design §8.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from exporters.results import COVERED, IN_PART, NEVER, NOT_ASKED, NOT_REACHABLE
from retention.evidence.blocks import Chart, Shape
from retention.evidence.collecting_sources import TENANT
from retention.evidence.words import class_name, day, instant, plural
from retention.timeline_shown import MEANINGS

WIDTH: Final = 720.0
SUBSCRIPTIONS: Final = 3
CLASSES: Final = 24
RUNS: Final = 200
_LEFT, _RIGHT = 10.0, 710.0
_BOUNDARIES = ("access_ends", "at_risk_from", "deletable_from", "gone_by")
_BANDS = ("calm", "doubtful", "risk", "bad")
"""What holds before each boundary, by the name of a colour."""
_STATUSES = (
    (COVERED, "good"), (IN_PART, "doubtful"), (NOT_REACHABLE, "bad"), (NOT_ASKED, "weak"), (NEVER, "line"),
)  # fmt: skip
_LABELS, _BARS = 170.0, 280.0
_LONGEST = 40
_LETTER = 5.6
"""Width of a letter, on the wide side."""
_Row = Mapping[str, Any]


class _Scale:
    """From instants to places."""

    def __init__(self, first: datetime, last: datetime) -> None:
        self._first, self._span = first, max((last - first).total_seconds(), 1.0)

    def at(self, when: datetime) -> float:
        share = (when - self._first).total_seconds() / self._span
        return _LEFT + min(max(share, 0.0), 1.0) * (_RIGHT - _LEFT)


def timeline_chart(document: _Row) -> Chart | None:
    """Windows against runs; None where no clock runs."""
    lines = [row for row in document["subscriptions"] if row["boundaries"]][:SUBSCRIPTIONS]
    if not lines:
        return None
    runs = [row for row in document["runs"] if row["verb"] == "export" and row["started"]][-RUNS:]
    now = _time(document["generated_at"])
    instants = [now, *(_time(row["started"]) for row in runs)]
    instants += [
        _time(row["boundaries"][kind]["at"]) for row in lines for kind in _BOUNDARIES if kind in row["boundaries"]
    ]
    instants += [_time(row["clock_start"]["earliest"]) for row in lines if row["clock_start"]]
    margin = (max(instants) - min(instants)) / 20 + timedelta(days=1)
    scale = _Scale(min(instants) - margin, max(instants) + margin)
    shapes: list[Shape] = []
    y = 4.0
    for row in lines:
        shapes += _windows(row, scale, y)
        y += 104
    shapes += _runs(runs, document["verifications"], scale, y)
    x = scale.at(now)
    shapes.append(Shape("line", x, 16, x, y + 50, "ink"))
    shapes += _label(x, y + 50, f"this report, {day(now.isoformat())}")
    return Chart(
        "Windows of the subscriptions, and the runs",
        WIDTH,
        y + 58,
        shapes,
        list(_told(lines, runs, document)),
        is_told=True,
    )


def _windows(row: _Row, scale: _Scale, y: float) -> Iterator[Shape]:
    yield Shape("words", _LEFT, y + 10, text=f"{_short(row['name'])}: {row['state'] or 'state not known'}")
    edges = [(kind, _time(row["boundaries"][kind]["at"])) for kind in _BOUNDARIES if kind in row["boundaries"]]
    before = _LEFT
    for (_, at), role in zip(edges, _BANDS, strict=False):
        x = scale.at(at)
        if x > before:
            yield Shape("box", before, y + 16, x - before, 18, role)
        before = x
    yield Shape("box", before, y + 16, _RIGHT - before, 18, "gone")
    for number, (_, at) in enumerate(edges):
        yield Shape("line", scale.at(at), y + 16, scale.at(at), y + 48 + 13 * number, "weak")
    for number, (kind, at) in enumerate(edges):
        yield from _label(scale.at(at), y + 48 + 13 * number, f"{day(at.isoformat())} {kind}: {MEANINGS[kind]}")


def _short(name: str) -> str:
    """A name that stays inside of the chart; the words beside it have all of it."""
    return name if len(name) <= _LONGEST else f"{name[:_LONGEST]}…"


def _label(x: float, y: float, text: str) -> Iterator[Shape]:
    """Words beside a line, on paper of their own, so that no other line runs through them."""
    width = _LETTER * len(text)
    is_left = x > WIDTH * 0.6
    yield Shape("box", x - 3 - width if is_left else x + 2, y - 10, width, 12, "paper")
    yield Shape("words", x - 4 if is_left else x + 4, y, text=text, anchor="end" if is_left else "start")


def _runs(runs: Sequence[_Row], verifications: Sequence[_Row], scale: _Scale, y: float) -> Iterator[Shape]:
    yield Shape("words", _LEFT, y + 10, text="exports (upper row) and verifications (lower row)")
    for run in runs:
        begun, ended = _time(run["started"]), _time(run["ended"] or run["started"])
        x = scale.at(begun)
        role = "good" if run["exit"] == 0 else "doubtful" if run["exit"] == 3 else "bad"
        yield Shape("box", x, y + 16, max(scale.at(ended) - x, 3.0), 8, role)
    for one in verifications[-RUNS:]:
        role = "good" if one["result"] == "whole" else "bad"
        yield Shape("box", scale.at(_time(one["at"])), y + 27, 3.0, 8, role)


def _told(lines: Sequence[_Row], runs: Sequence[_Row], document: _Row) -> Iterator[str]:
    for row in lines:
        edges = (
            f"{kind} ({MEANINGS[kind]}) {instant(row['boundaries'][kind]['at'])}"
            for kind in _BOUNDARIES
            if kind in row["boundaries"]
        )
        yield f"{row['name']}: {'; '.join(edges)}."
    if runs:
        good = sum(1 for run in runs if run["exit"] == 0)
        yield (
            f"{plural(len(runs), 'export')} from {instant(runs[0]['started'])} to"
            f" {instant(runs[-1]['ended'] or runs[-1]['started'])}, {good:,} of them with exit 0."
        )
    checks = document["verifications"]
    if checks:
        yield f"{plural(len(checks), 'verification result')}, the last on {instant(checks[-1]['at'])}."


def coverage_chart(document: _Row) -> Chart | None:
    """Sources by class and state; None where there is no coverage."""
    table = dict(coverage_by_class(document))
    if not table:
        return None
    names = sorted(table, key=lambda name: (-table[name].total(), name))[:CLASSES]
    most = max(table[name].total() for name in names)
    shapes = list(_key())
    words = []
    for place, name in enumerate(names):
        y = 26.0 + 20 * place
        told = ", ".join(f"{table[name][status]:,} {status}" for status, _ in _STATUSES if table[name][status])
        shapes.append(Shape("words", _LABELS - 8, y + 12, text=class_name(name), anchor="end"))
        x = _LABELS
        for status, role in _STATUSES:
            width = _BARS * table[name][status] / most
            if width:
                shapes.append(Shape("box", x, y, max(width, 2.0), 16, role))
            x += width
        shapes.append(Shape("words", x + 8, y + 12, text=told))
        words.append(f"{class_name(name)}: {told}")
    return Chart(
        "Sources by class of content, and how far each class is covered", WIDTH, 32.0 + 20 * len(names), shapes, words
    )


def _key() -> Iterator[Shape]:
    x = _LABELS
    for status, role in _STATUSES:
        yield Shape("box", x, 4, 10, 10, role)
        yield Shape("words", x + 14, 13, text=status)
        x += 24 + 6.2 * len(status)


def coverage_by_class(document: _Row) -> list[tuple[str, Counter[str]]]:
    """(class, sources by state) of what lies in sources, sorted by class."""
    table: dict[str, Counter[str]] = {}
    for row in document["coverage"]:
        if row["principal"] != TENANT:
            table.setdefault(row["class"], Counter())[row["status"]] += 1
    return sorted(table.items())


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text)
