"""From path to route: a table of templates with what each needs and costs.

Rules of this file: one `Route` a template; a segment `{name}` takes anything, `name()` is a function call with arguments.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

from exporters.rehearsal.routes.answers import Area
from exporters.rehearsal.service import Service
from exporters.rehearsal.throttling import Family, Turn
from exporters.rehearsal.wire import Request, Response


@dataclass
class Call:
    """One request on its way to a route: `names` holds what stood in place of `{…}`, and arguments of functions."""

    service: Service
    request: Request
    names: dict[str, str]
    faults: frozenset[str] = frozenset()  # what a fault plan wants this route to do
    marks: list[str] = field(default_factory=list)
    cost: int = 0
    skew: float = 0.0  # seconds by which a fault plan wants the clock of the login host to be off
    turn: Turn | None = None  # the place at a mailbox that this request takes


Action = Callable[[Call], Response]


@dataclass(frozen=True)
class Route:
    """A template, what it does, what it costs, and which application permission it takes (any one of `roles`).

    mailbox: names the mailbox whose limits it is charged to. method: POST for the few calls that read by it.
    """

    template: str
    action: Action
    cost: int | Callable[[Call], int] = 1
    family: Family = ""
    area: Area = "directory"
    roles: frozenset[str] = frozenset()
    mailbox: Callable[[Call], str] | None = None
    method: str = "GET"


class _Node:
    __slots__ = ("name", "named", "parts", "route")

    def __init__(self) -> None:
        self.parts: dict[str, _Node] = {}
        self.named: _Node | None = None
        self.name = ""
        self.route: Route | None = None


class Router:
    """Finds the route of a path."""

    def __init__(self, routes: list[Route]) -> None:
        self._top = _Node()
        for route in routes:
            self._add(route)

    def _add(self, route: Route) -> None:
        node = self._top
        for part in route.template.strip("/").split("/"):
            if part.startswith("{"):
                if node.named is None:
                    node.named, node.name = _Node(), part[1:-1]
                node = node.named
            else:
                node = node.parts.setdefault(part.lower(), _Node())
        node.route = route

    def find(self, segments: list[str]) -> tuple[Route, dict[str, str]] | None:
        """The route, and what stood in place of its names."""
        names: dict[str, str] = {}
        node = self._top
        for segment in segments:
            following = node.parts.get(segment.lower())
            if following is None and segment.endswith(")") and "(" in segment:
                function, _, arguments = segment[:-1].partition("(")
                following = node.parts.get(f"{function.lower()}()")
                if following is not None:
                    name, _, value = arguments.partition("=")
                    names[name] = value.strip("'")
            if following is None and node.named is not None:
                names[node.name] = segment
                following = node.named
            if following is None:
                return None
            node = following
        return (node.route, names) if node.route is not None else None
