"""JSON answers changed on their way: values edited, dropped or made, keys twice, pages without end, pages of any size.

Rules of this file: a spot is a path of keys and places (`value/*/file/hashes`), `*` stands for any, `[name=b.txt]` for those
that say so; what is not there is left alone unless `add` is said. Source: reference/quirks.md, rule 4 (everything in an answer
is optional until proved otherwise).
"""

from typing import Any

from exporters.rehearsal.documents import Row, parse, render
from exporters.rehearsal.faults import Rule
from exporters.rehearsal.wire import Request, Response


def change_json(rule: Rule, request: Request, response: Response) -> None:
    """Change the JSON body of an answer as the rule says; what is no JSON object stays."""
    try:
        document = parse(response.body)
    except ValueError:
        return
    if not isinstance(document, dict):
        return
    if rule.fault == "duplicate-keys":
        response.body = render(document)[:-1] + b',"value":[]}'
    elif rule.fault == "page-loop":
        document.pop("@odata.deltaLink", None)
        query = f"?{request.query}" if request.query else ""
        document["@odata.nextLink"] = f"https://{request.headers.get('host')}{request.path}{query}"
        response.body = render(document)
    elif rule.fault == "huge-page":
        _pad(response, document, int(rule.number("bytes", 100_000_000)))
    else:
        for edit in rule.details.get("edits", ()):
            _edit(document, str(edit["at"]).split("/"), edit)
        response.body = render(document)


def _pad(response: Response, document: Row, size: int) -> None:
    """The same document with a long text in it, streamed."""
    start, end = render(document)[:-1] + b',"padding":"', b'"}'
    rest = max(0, size - len(start) - len(end))
    piece = b"x" * 65_536
    whole, last = divmod(rest, len(piece))
    response.body, response.length = b"", len(start) + rest + len(end)
    response.stream = iter((start, *(piece for _ in range(whole)), piece[:last], end))


def _edit(node: Any, path: list[str], edit: Row) -> None:
    name, rest = path[0], path[1:]
    spots = _spots(node, name, make=not rest and bool(edit.get("add")))
    for spot in spots:
        if rest:
            _edit(node[spot], rest, edit)
        elif edit.get("drop"):
            del node[spot]
        else:
            node[spot] = edit.get("to")


def _spots(node: Any, name: str, *, make: bool) -> list[Any]:
    """Where `name` leads to in a node; from the end for lists, so that rows may be dropped."""
    if isinstance(node, list):
        places = range(len(node) - 1, -1, -1)
        return [place for place in places if name in {"*", str(place)} or _says(node[place], name)]
    if isinstance(node, dict):
        return list(node) if name == "*" else [name] if name in node or make else []
    return []


def _says(node: Any, spot: str) -> bool:
    """Whether `[key=value]` is true of a node."""
    if not (isinstance(node, dict) and spot.startswith("[") and spot.endswith("]")):
        return False
    key, _, value = spot[1:-1].partition("=")
    return str(node.get(key)) == value
