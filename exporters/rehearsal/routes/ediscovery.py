"""eDiscovery cases and their holds, as an application sees them: those that it made.

Rules of this file: the data name the cases (`directory.json`); none by default. Source: reference/graph.md 2.1, 9.1.
"""

from exporters.rehearsal.documents import Row
from exporters.rehearsal.routes.answers import collection, public, success
from exporters.rehearsal.routes.directory import missing_resource, reading
from exporters.rehearsal.routes.query import parse_query
from exporters.rehearsal.routes.router import Call, Route
from exporters.rehearsal.wire import Response

_CASES = "security/cases/ediscoveryCases"


def routes() -> list[Route]:
    """The routes of cases and holds."""
    return [
        reading(_CASES, cases, 1, "eDiscovery.Read.All", "eDiscovery.ReadWrite.All"),
        reading(f"{_CASES}/{{case}}/legalHolds", holds, 1, "eDiscovery.Read.All", "eDiscovery.ReadWrite.All"),
    ]


def _case(row: Row) -> Row:
    return {"status": "active", "description": "", "externalId": "", "closedDateTime": None, **public(row)}


def cases(call: Call) -> Response:
    parse_query(call.request.query, set())
    rows = [_case(row) for row in call.service.tenant.directory.cases]
    return success(collection(call.service.root, _CASES, rows), call.request)


def holds(call: Call) -> Response:
    parse_query(call.request.query, set())
    name = call.names["case"]
    case = next((row for row in call.service.tenant.directory.cases if row["id"] == name), None)
    if case is None:
        raise missing_resource(name)
    rows = [{"isEnabled": True, "status": "success", "contentQuery": "", **row} for row in case.get("_holds", ())]
    return success(collection(call.service.root, f"{_CASES}('{name}')/legalHolds", rows), call.request)
