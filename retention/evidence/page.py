"""The report as one HTML page that needs nothing else.

Rules of this file: no script, nothing remote, and a Content-Security-Policy that says so; every text is escaped; what has no
UTF-8 stands as `\\udXXX`. Readable on a phone, in the dark, on paper, and by a screen reader. Source: design §8, §10.
"""

import re
from collections.abc import Mapping
from importlib.resources import files
from typing import Any, BinaryIO, Final

from retention.evidence.chapters import chapters_of, title_of
from retention.evidence.contents import Seal
from retention.evidence.words import instant

POLICY: Final = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
_AT_ONCE = 200
_UNSEEN: Final = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


def html_page(document: Mapping[str, Any], seal: Seal, out: BinaryIO) -> None:
    """Write the page."""
    from jinja2 import Environment, StrictUndefined

    here = files("retention.evidence")
    environment = Environment(autoescape=True, undefined=StrictUndefined, finalize=_visible)
    environment.globals["place"] = _place
    environment.globals["kind_of"] = lambda block: type(block).__name__
    template = environment.from_string(here.joinpath("report.html.jinja").read_text(encoding="utf-8"))
    stream = template.stream(
        document=document,
        chapters=chapters_of(document, seal),
        title=title_of(document),
        made=instant(document["generated_at"]),
        policy=POLICY,
        style=_style(here.joinpath("report.css").read_text(encoding="utf-8")),
    )
    stream.enable_buffering(_AT_ONCE)
    for part in stream:
        out.write(part.encode("utf-8", "backslashreplace"))


def _visible(value: Any) -> Any:
    """Text without characters that nobody sees, or that turn what stands beside them round: those stand as `\\u202e`."""
    if value.__class__ is not str or value.isprintable():
        return value
    return _UNSEEN.sub(lambda found: found[0].encode("unicode_escape").decode(), value)


def _style(text: str) -> Any:
    """Our own style sheet, which holds nothing of a tenant: as it is."""
    from markupsafe import Markup

    return Markup(text)  # noqa: S704 - a file of ours


def _place(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")
