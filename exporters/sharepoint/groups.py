"""The groups of a site and their members, and what they may do in it: lines of `data/site/site-…`, and a `permissions` row.

Rules of this file: SharePoint's own API alone tells them, to an application that signs in with a certificate; only what is new
becomes a line; a group that two listings do not have any more is gone. Source: docs/formats.md (bag of a site); SP.Web.siteGroups
and roleAssignments of Microsoft's REST reference.
"""

from collections.abc import Set
from urllib.parse import quote

from exporters.bag.digests import Hashed
from exporters.bag.formats import JsonObject, dump_json, load_json
from exporters.bag.objects import LineObjects
from exporters.clock import timestamp
from exporters.errors import SourceError
from exporters.graph.answers import text_of
from exporters.graph.rest import SharePointRest
from exporters.outcomes import Outcome
from exporters.sharepoint.described import STEM
from exporters.sharepoint.run import SiteRun

SCOPE = "group"
WEB = "web"
"""Scope of the `permissions` row that has the role assignments of the site itself."""
_GROUPS = "/web/sitegroups?$expand=Users"
_ASSIGNMENTS = "/web/roleassignments?$expand=Member,RoleDefinitionBindings"


def read_groups(run: SiteRun, rest: SharePointRest) -> int:
    """Write down what is new of the groups; how many are. Raises: GraphError, errors of the store."""
    there = set[str]()
    new = _write(run, rest, there)
    if _unlisted(run, there):  # a listing may come short: gone is what two of them do not have
        new += _write(run, rest, there)
    lost = _unlisted(run, there)
    over = {"outcome": Outcome.GONE.value, "since": timestamp(run.clock.now()), "run": run.writer.run.id}
    run.writer.emit_all([("item", {**row, **over}) for row in lost])
    return new + len(lost)


def _unlisted(run: SiteRun, there: Set[str]) -> list[JsonObject]:
    """Rows of groups that are held and not among these."""
    rows = run.writer.state.rows("kind = 'site' AND scope = ? AND outcome = 'copied'", (SCOPE,))
    return [row for row in map(load_json, rows) if row["id"] not in there]


def _write(run: SiteRun, rest: SharePointRest, there: set[str]) -> int:
    """List the groups, and write down those that are new; how many are. there: gets the ids of all."""
    objects, new = LineObjects(run.writer, run.clock), 0
    try:
        for page in rest.pages(_GROUPS):
            for served in page:
                new += _keep(run, objects, _whole(rest, served), there)
        objects.finish()
    except BaseException:
        run.writer.orphans_possible = True  # what was put has no row yet: named before the bag closes
        objects.abandon()
        raise
    return new


def _keep(run: SiteRun, objects: LineObjects, served: JsonObject, there: set[str]) -> bool:
    """Take a group in; whether it is new."""
    group_id = str(served["Id"])
    there.add(group_id)
    held = run.writer.state.row(("site", SCOPE, group_id))
    row: JsonObject = {"kind": "site", "scope": SCOPE, "id": group_id, "outcome": Outcome.COPIED.value}
    row.update(run=run.writer.run.id, captured=timestamp(run.clock.now()))
    row["name"] = text_of(served.get("Title")) or ""
    row["service"] = {"content": Hashed.of(dump_json(served))}
    if held is not None and held["outcome"] == Outcome.COPIED and held.get("service") == row["service"]:
        return False
    objects.lines(STEM).add_row({"kind": SCOPE, "id": group_id, "graph": served}, row, held)
    objects.close_due()
    return True


def _whole(rest: SharePointRest, served: JsonObject) -> JsonObject:
    """A group with its members: asked for by itself where the listing does not have them, or not all. Raises: SourceError."""
    if served.get("Id") is None:
        raise SourceError(
            "SharePoint lists a group of this site without an id.",
            code="malformed",
            action="Run the export again; if it stays, report it.",
        )
    if isinstance(served.get("Users"), list) and not any(name.startswith("Users@") for name in served):
        return served
    steady = {name: value for name, value in served.items() if not name.startswith("Users@")}
    return {**steady, "Users": rest.rows(f"/web/sitegroups({quote(str(served['Id']), safe='')})/users")}


def read_assignments(run: SiteRun, rest: SharePointRest) -> None:
    """Write down who may do what in the site. Raises: GraphError, errors of the store."""
    rows = rest.rows(_ASSIGNMENTS)
    at = timestamp(run.clock.now())
    run.writer.emit("permissions", {"scope": WEB, "id": run.source.id, "captured": at, "permissions": rows})
