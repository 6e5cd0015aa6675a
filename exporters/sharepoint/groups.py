"""The groups of a site and their members, and what they may do in it: lines of `data/site/site-…`, and a `permissions` row.

Rules of this file: SharePoint's own API alone tells them, to an application that signs in with a certificate; only what is new
becomes a line; a group that is not listed any more is gone. Source: docs/formats.md (bag of a site); SP.Web.siteGroups and
roleAssignments of Microsoft's REST reference.
"""

from exporters.bag.digests import Hashed
from exporters.bag.formats import JsonObject, dump_json, load_json
from exporters.bag.objects import LineObjects
from exporters.clock import timestamp
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
    state, at = run.writer.state, {"run": run.writer.run.id, "captured": timestamp(run.clock.now())}
    objects, there, new = LineObjects(run.writer, run.clock), set[str](), 0
    try:
        for page in rest.pages(_GROUPS):
            for served in page:
                group_id = str(served.get("Id", ""))
                there.add(group_id)
                held = state.row(("site", SCOPE, group_id))
                row: JsonObject = {
                    "kind": "site",
                    "scope": SCOPE,
                    "id": group_id,
                    "outcome": Outcome.COPIED.value,
                    **at,
                }
                row["name"] = text_of(served.get("Title")) or ""
                row["service"] = {"content": Hashed.of(dump_json(served))}
                if held is None or held["outcome"] != Outcome.COPIED or held.get("service") != row["service"]:
                    line = {"kind": SCOPE, "id": group_id, "graph": served}
                    objects.lines(STEM).add_row(line, row, held)
                    objects.close_due()
                    new += 1
        objects.finish()
    except BaseException:
        run.writer.orphans_possible = True  # what was put has no row yet: named before the bag closes
        objects.abandon()
        raise
    query = "kind = 'site' AND scope = ? AND outcome = 'copied'"
    gone = [row for row in map(load_json, state.rows(query, (SCOPE,))) if row["id"] not in there]
    over = {"outcome": Outcome.GONE.value, "since": at["captured"], "run": at["run"]}
    run.writer.emit_all([("item", {**row, **over}) for row in gone])
    return new + len(gone)


def read_assignments(run: SiteRun, rest: SharePointRest) -> None:
    """Write down who may do what in the site. Raises: GraphError, errors of the store."""
    rows = rest.rows(_ASSIGNMENTS)
    at = timestamp(run.clock.now())
    run.writer.emit("permissions", {"scope": WEB, "id": run.source.id, "captured": at, "permissions": rows})
