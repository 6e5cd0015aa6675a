"""A runbook as one HTML page that needs nothing else, and prints well.

Rules of this file: no script, nothing remote, and a Content-Security-Policy that says so; every text is escaped by the template
(autoescape). Source: design §10.
"""

from retention.preflight.runbook.parts import Runbook

_STYLE = """
:root { color-scheme: light dark; --ink: #1b1f24; --weak: #57606a; --line: #d0d7de; --back: #fff; --card: #f6f8fa; --bad:
#b42318; } @media (prefers-color-scheme: dark) { :root { --ink: #e6edf3; --weak: #9aa4af; --line: #3d444d; --back: #0d1117;
  --card: #161b22; --bad: #ff8a80; } }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 60rem; padding: 1rem; background: var(--back); color: var(--ink); font: 1rem/1.5 system-ui,
sans-serif; } h1 { font-size: 1.5rem; line-height: 1.25; } h2 { font-size: 1.2rem; margin: 2rem 0 .5rem; border-top: 2px solid
  var(--line); padding-top: .75rem; }
h1, h2, td, p, li { overflow-wrap: anywhere; }
.weak { color: var(--weak); }
nav ol { columns: 2; padding-left: 1.5rem; } a { color: inherit; }
table { width: 100%; border-collapse: collapse; margin: .75rem 0; font-size: .95rem; }
th, td { text-align: left; vertical-align: top; padding: .35rem .5rem; border: 1px solid var(--line); }
.short { white-space: nowrap; overflow-wrap: normal; }
pre { background: var(--card); border: 1px solid var(--line); border-radius: .3rem; padding: .5rem .75rem; white-space: pre-wrap;
  overflow-wrap: anywhere; }
.warn { border-left: .3rem solid var(--bad); background: var(--card); padding: .4rem .75rem; font-weight: 600; }
.tick::before { content: "\\2610\\00a0"; font-size: 1.2rem; }
.portal { background: var(--card); border-left: .3rem solid var(--line); padding: .4rem .75rem; margin: .5rem 0; }
.portal p { margin: 0; }
.letter { border: 1px dashed var(--line); padding: .5rem 1rem; } .letter p { margin: .4rem 0; }
@media print {
  :root { --ink: #000; --weak: #333; --line: #999; --back: #fff; --card: #fff; --bad: #000; }
  body { max-width: none; padding: 0; font-size: 10pt; } nav { display: none; }
  h2, p:has(+ .portal), p:has(+ pre), p:has(+ table) { break-after: avoid; }
  tr, pre, .portal, .letter, .tick { break-inside: avoid; }
}
"""
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
_TEMPLATE = """\
<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="{{ policy }}">
<title>{{ book.title }}</title>
<style>{{ style }}</style>
</head>
<body>
<main>
<h1>{{ book.title }}</h1>
<p class="weak">{{ book.subtitle }}</p>
<nav aria-label="Steps"><ol>
{% for section in book.sections if section.number -%}
<li><a href="#{{ section.anchor }}">{{ section.title }}</a></li>
{% endfor -%}
</ol></nav>
{% for section in book.sections %}
<section id="{{ section.anchor }}">
<h2>{% if section.number %}Step {{ section.number }}. {% endif %}{{ section.title }}</h2>
{% for part in section.parts -%}
{% set kind = part.__class__.__name__ -%}
{% if kind == "Text" %}<p>{{ part.text }}</p>
{% elif kind == "Warn" %}<p class="warn">{{ part.text }}</p>
{% elif kind == "Command" %}<pre><code>{{ part.line }}</code></pre>
{% elif kind == "Tick" %}<p class="tick">{{ part.text }}</p>
{% elif kind == "Portal" %}<div class="portal"><p>{{ part.english }}</p>
{% if part.dutch %}<p lang="nl">{{ part.dutch }}</p>{% if part.note %}<p class="weak">{{ part.note }}</p>{% endif %}
{% else %}<p class="weak">No Dutch words are on record: the page is named in English.</p>
{% endif %}</div>
{% elif kind == "Letter" %}<div class="letter">{% for line in part.lines if line %}<p>{{ line }}</p>{% endfor %}</div>
{% elif kind == "Table" %}<table><thead><tr>{% for name in part.headings %}<th scope="col">{{ name }}</th>{% endfor
%}</tr></thead> <tbody>{% for row in part.rows %}<tr>
{% for cell in row %}<td{% if cell|length < 9 %} class="short"{% endif %}>{{ cell }}</td>{% endfor %}
</tr>{% endfor %}</tbody></table>
{% endif -%}
{% endfor %}</section>
{% endfor %}</main>
</body>
</html>
"""


def page_of(runbook: Runbook) -> str:
    """The page."""
    from jinja2 import Environment, StrictUndefined
    from markupsafe import Markup

    environment = Environment(autoescape=True, undefined=StrictUndefined)
    return environment.from_string(_TEMPLATE).render(book=runbook, style=Markup(_STYLE), policy=_POLICY)  # noqa: S704 - our own text
