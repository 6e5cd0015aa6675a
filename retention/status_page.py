"""The status as one HTML page that needs nothing else.

Rules of this file: no script, nothing remote; every text is escaped; a Content-Security-Policy says so too. Read in five
seconds: the days left come first. Works at the width of a phone. Source: design §6 (`status --html`), §10.
"""

from datetime import datetime
from html import escape
from zoneinfo import ZoneInfo

from retention.standing import sentences
from retention.status import Row, Status
from retention.timeline import Boundary
from retention.timeline_shown import MEANINGS, distance, headline, local
from retention.tracked import counted, one_line

_STYLE = """
:root { color-scheme: light dark; --ink: #1b1f24; --weak: #57606a; --line: #d0d7de; --back: #ffffff; --card: #f6f8fa;
  --bad: #b42318; --doubtful: #8a5a00; --good: #1a7f37; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6edf3; --weak: #9aa4af; --line: #3d444d; --back: #0d1117;
  --card: #161b22; --bad: #ff8a80; --doubtful: #f0b429; --good: #56d364; } }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 64rem; padding: 1rem; background: var(--back); color: var(--ink);
  font: 1rem/1.5 system-ui, sans-serif; }
h1 { font-size: 1.25rem; margin: 0 0 .25rem; } h2 { font-size: 1.1rem; margin: 0; overflow-wrap: anywhere; }
p { margin: .25rem 0; } .weak { color: var(--weak); }
.bad { color: var(--bad); } .doubtful { color: var(--doubtful); } .good { color: var(--good); }
.note { border-left: .25rem solid var(--bad); padding: .25rem .75rem; margin: .75rem 0; background: var(--card); }
article { border: 1px solid var(--line); border-radius: .5rem; padding: 1rem; margin: 1rem 0; background: var(--card); }
.top { display: flex; gap: 1rem; align-items: flex-start; }
.days { font-size: 2.25rem; font-weight: 700; line-height: 1; min-width: 4.5rem; text-align: center; }
.unit { display: block; font-size: .8rem; font-weight: 400; line-height: 1.5; }
table { width: 100%; border-collapse: collapse; margin-top: .75rem; font-size: .95rem; }
th, td { text-align: left; padding: .35rem .5rem .35rem 0; border-top: 1px solid var(--line); vertical-align: top; }
td[data-name="When"], td[data-name="Local"], td[data-name="UTC"] { white-space: nowrap; }
.of { overflow-wrap: anywhere; min-width: 10rem; }
thead th { border-top: 0; color: var(--weak); font-weight: 600; }
@media (max-width: 40rem) {
  thead { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); }
  tr { display: block; border-top: 1px solid var(--line); padding: .35rem 0; }
  th, td { display: block; border: 0; padding: 0; }
  td::before { content: attr(data-name) " "; color: var(--weak); }
}
"""
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
SHOWN = 20


def page_of(status: Status) -> str:
    """The page."""
    mark = "REHEARSAL: " if status.is_rehearsal else ""
    title = f"{mark}Lastcopy status of {status.tenant}"
    parts = [
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f'<meta http-equiv="Content-Security-Policy" content="{escape(_POLICY)}">',
        f"<title>{escape(title)}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n<main>",
        f"<h1>{escape(title)}</h1>",
        f'<p class="weak">{escape(_when(status))}</p>',
        *(f'<p class="note">{escape(note)}</p>' for note in notes(status)),
        *(_card(row, status.now) for row in status.rows),
        *_personal_card(status),
        '<p class="weak">No subscription is tracked: run <code>lastcopy track</code>.</p>' if not status.rows else "",
        f'<footer class="weak"><p>Policy {escape(status.policy)}. Times in {escape(_zones(status.zone))}.</p></footer>',
        "</main>\n</body>\n</html>\n",
    ]
    return "\n".join(part for part in parts if part)


def notes(status: Status) -> list[str]:
    """What must be seen before everything else."""
    found = sentences(status.standing)
    if status.unreachable_since:
        found.append(
            f"The tenant has not been reachable since {status.unreachable_since}: dates stand as they were known"
        )
    return found + status.problems


def missing_text(row: Row) -> str:
    """What is not copied."""
    if row.missing is None:
        return "which sources belong to it is not known"
    if not row.missing:
        return f"all of it is copied ({counted(row.subscription.sources, 'source')})"
    more = f" and {len(row.missing) - SHOWN:,} more" if len(row.missing) > SHOWN else ""
    named = ", ".join(map(one_line, row.missing[:SHOWN]))
    return f"not copied: {len(row.missing):,} of {counted(row.subscription.sources, 'source')}: {named}{more}"


def personal_rows(status: Status) -> list[tuple[str, str, str, str, str]]:
    """(of whom, what, local, UTC, when) of the personal clocks that come first."""
    from retention.personal import MEANINGS as OF_MARKS

    zone = ZoneInfo(status.zone)
    return [
        (
            one_line(mark.owner.name),
            OF_MARKS[mark.kind],
            _wall(mark.at, zone),
            mark.at.strftime("%Y-%m-%d %H:%M"),
            distance(mark.at, status.now),
        )
        for mark in status.personal[:SHOWN]
    ]


def _wall(at: datetime, zone: ZoneInfo) -> str:
    """`2026-03-31 12:15 +02:00`."""
    text = at.astimezone(zone).isoformat(sep=" ", timespec="minutes")
    return f"{text[:16]} {text[16:]}"


def _personal_card(status: Status) -> list[str]:
    if not status.personal:
        return []
    names = ("Of", "What", "Local", "UTC", "When")
    heads = "".join(f'<th scope="col">{name}</th>' for name in names)
    lines = [
        "<article>",
        f"<h2>{counted(len(status.personal), 'personal clock')}</h2>",
        "<p>Of users, drives, files, groups and packages; a digest a day warns of them.</p>",
        f"<table>\n<thead><tr>{heads}</tr></thead>\n<tbody>",
    ]
    for row in personal_rows(status):
        cells = "".join(
            f'<td data-name="{name}">{escape(text)}</td>' for name, text in zip(names[1:], row[1:], strict=True)
        )
        lines.append(f'<tr><th scope="row" class="of">{escape(row[0])}</th>{cells}</tr>')
    more = len(status.personal) - SHOWN
    rest = [f'<p class="weak">And {more:,} more: lastcopy status --json lists them.</p>'] if more > 0 else []
    return [*lines, "</tbody></table>", *rest, "</article>"]


def _zones(zone: str) -> str:
    return zone if zone == "UTC" else f"{zone} and UTC"


def _when(status: Status) -> str:
    seen = f"; the tenant was last asked {status.observed_at}" if status.observed_at else ""
    return f"As of {status.now.isoformat(timespec='minutes')}{seen}"


def _card(row: Row, now: datetime) -> str:
    style, text = headline(row.timeline, now)
    days = row.days_left(now)
    number = "–" if days is None else f"{days:,}"
    unit = "" if days is None else f'<span class="unit">day{"" if days == 1 else "s"} left</span>'
    lines = [
        f'<article>\n<div class="top"><div class="days {style}">{number}{unit}</div><div>',
        f"<h2>{escape(row.subscription.name)}</h2>",
        f'<p class="{style}">{escape(text)}</p></div></div>',
        f"<p>{escape(missing_text(row).capitalize())}.</p>" if row.timeline.boundaries or row.missing else "",
        *(f'<p class="doubtful">{escape(told)}</p>' for told in row.differences),
    ]
    if row.timeline.boundaries:
        lines.append(
            '<table>\n<thead><tr><th scope="col">Boundary</th><th scope="col">When</th><th scope="col">Local</th>'
        )
        lines.append('<th scope="col">UTC</th><th scope="col">Basis</th></tr></thead>\n<tbody>')
        lines += [_line(row, one, now) for one in sorted(row.timeline.boundaries, key=lambda one: one.at)]
        lines.append("</tbody></table>")
    return "\n".join(line for line in [*lines, "</article>"] if line)


def _line(row: Row, one: Boundary, now: datetime) -> str:
    what = f"{one.kind}: {MEANINGS[one.kind]}"
    wall = local(row.timeline, one.at)[:16].replace("T", " ") + " " + local(row.timeline, one.at)[-6:]
    cells = [
        ("When", distance(one.at, now)),
        ("Local", wall),
        ("UTC", one.at.strftime("%Y-%m-%d %H:%M")),
        ("Basis", f"{one.basis}, {one.source}"),
    ]
    tail = "".join(f'<td data-name="{name}">{escape(text)}</td>' for name, text in cells)
    return f'<tr><th scope="row">{escape(what)}</th>{tail}</tr>'
