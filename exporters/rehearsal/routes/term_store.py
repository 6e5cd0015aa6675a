"""The term store of a tenant, as every site shows it: groups, sets, and terms level by level.

Rules of this file: whatever site is named, it is the same store, as of a tenant with one.
Source: reference/graph.md 5.4; the v1.0 schema (termStore.store, group, set, term).
"""

from collections.abc import Callable

from exporters.rehearsal.documents import Row
from exporters.rehearsal.routes.answers import collection, entity, item_not_found, public, success
from exporters.rehearsal.routes.paging import page_of
from exporters.rehearsal.routes.query import parse_query, top
from exporters.rehearsal.routes.router import Action, Call, Route
from exporters.rehearsal.wire import Response

_READ = frozenset({"TermStore.Read.All", "TermStore.ReadWrite.All"})
_STORE = "sites/{site}/termStore"


def routes() -> list[Route]:
    """The routes of the term store."""

    def reading(template: str, action: Action, cost: int) -> Route:
        return Route(template, action, cost, "sharepoint", "sharepoint", _READ)

    return [
        reading(_STORE, store, 1),
        reading(f"{_STORE}/groups", _listing(_groups, "groups"), 2),
        reading(f"{_STORE}/groups/{{group}}/sets", _listing(_sets, "sets"), 2),
        reading(f"{_STORE}/sets/{{set}}/children", _listing(_terms, "children"), 2),
        reading(f"{_STORE}/sets/{{set}}/terms/{{term}}/children", _listing(_children, "children"), 2),
    ]


def store(call: Call) -> Response:
    parse_query(call.request.query, set())
    row = public(call.service.tenant.directory.term_store)
    return success(entity(call.service.root, "sites('root')/termStore/$entity", row), call.request)


def _listing(rows: Callable[[Call], list[Row]], name: str) -> Action:
    def listing(call: Call) -> Response:
        parameters = parse_query(call.request.query, {"$top", "$skiptoken"})
        served, following = page_of(call, parameters, rows(call), top(parameters, 200, 999))
        context = f"sites('root')/termStore/{name}"
        body = collection(call.service.root, context, [public(row) for row in served], next=following)
        return success(body, call.request)

    return listing


def _groups(call: Call) -> list[Row]:
    found: list[Row] = call.service.tenant.directory.term_store["_groups"]
    return found


def _sets(call: Call) -> list[Row]:
    return _parts_of(call.service.tenant.directory.find_term_group(call.names["group"]), "_sets")


def _terms(call: Call) -> list[Row]:
    return _parts_of(call.service.tenant.directory.find_set(call.names["set"]), "_terms")


def _children(call: Call) -> list[Row]:
    return _parts_of(call.service.tenant.directory.find_term(call.names["set"], call.names["term"]), "_children")


def _parts_of(row: Row | None, name: str) -> list[Row]:
    if row is None:
        raise item_not_found()
    found: list[Row] = row.get(name, [])
    return found
