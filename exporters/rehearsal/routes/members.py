"""Groups of the directory, roles, who is in them, and what was deleted within the last thirty days.

Rules of this file: members may be groups themselves; counts want `ConsistencyLevel: eventual` and are plain text; who is in a
group with hidden membership takes a permission of its own. Who may not read users is told of members of roles by their ids alone.
Source: reference/graph.md 3.1, 7.4, 8.1; data/graph/directory.
"""

from collections.abc import Callable, Sequence

from exporters.rehearsal.documents import Row
from exporters.rehearsal.group_truth import find_group, has_mailbox
from exporters.rehearsal.routes.answers import bad_request, collection, denied, entity, identity, public, success
from exporters.rehearsal.routes.directory import missing_resource, reading
from exporters.rehearsal.routes.paging import page_of
from exporters.rehearsal.routes.query import parse_query, project, selection, top
from exporters.rehearsal.routes.router import Action, Call, Route
from exporters.rehearsal.routes.users import served_user
from exporters.rehearsal.wire import Response

_GROUPS = ("Group.Read.All", "Group.ReadWrite.All")
_MEMBERS = (*_GROUPS, "GroupMember.Read.All")
_USERS = ("User.Read.All", "User.ReadBasic.All")
_ROLES = ("RoleManagement.Read.Directory", "RoleManagement.Read.All")
_HIDDEN = frozenset({"Member.Read.Hidden"})
_UNIFIED = "groupTypes/any(c:c eq 'Unified')"
_DELETED = "directory/deletedItems/microsoft.graph"
_SHORT = ("id", "displayName", "mail", "userPrincipalName")


def routes() -> list[Route]:
    """The routes of groups as the directory has them, of roles and of deleted objects."""
    one = "groups/{group}"
    return [
        reading("groups", groups, 1, *_GROUPS),
        reading("groups/$count", counting(lambda call: call.service.tenant.groups), 1, *_GROUPS),
        reading(one, group, 1, *_GROUPS),
        reading(f"{one}/members", _listing("_members"), 3, *_MEMBERS),
        reading(f"{one}/members/$count", counting(lambda call: _people(call, "_members")), 1, *_MEMBERS),
        reading(f"{one}/owners", _listing("_owners"), 1, *_MEMBERS),
        reading(f"{one}/owners/$count", counting(lambda call: _people(call, "_owners")), 1, *_MEMBERS),
        reading("directoryRoles", roles, 1, *_ROLES),
        reading("directoryRoles/{role}", role, 1, *_ROLES),
        reading("directoryRoles/{role}/members", role_members, 1, *_ROLES),
        reading("directoryRoles()", role, 1, *_ROLES),
        reading("directoryRoles()/members", role_members, 1, *_ROLES),
        reading(f"{_DELETED}.user", _deleted("user"), 1, "User.Read.All"),
        reading(f"{_DELETED}.user/$count", counting(lambda call: call.service.tenant.directory.deleted_users), 1, *_USERS),
        reading(f"{_DELETED}.group", _deleted("group"), 1, *_GROUPS),
        reading(f"{_DELETED}.group/$count", counting(lambda call: call.service.tenant.directory.deleted_groups), 1, *_GROUPS),
    ]  # fmt: skip


def counting(rows: Callable[[Call], Sequence[object]]) -> Action:
    """A route that says how many there are."""

    def count(call: Call) -> Response:
        parse_query(call.request.query, set())
        if call.request.headers.get("consistencylevel", "").lower() != "eventual":
            raise bad_request("$count needs the header 'ConsistencyLevel: eventual'.", "Request_UnsupportedQuery")
        number = str(len(rows(call))).encode()
        return Response(200, number, {"Content-Type": "text/plain", "OData-Version": "4.0", **identity(call.request)})

    return count


# ------------------------------------------------------------------------------------------------------ groups


def _group_row(row: Row) -> Row:
    unified = has_mailbox(row)
    local = str(row.get("mail") or "").partition("@")[0]
    return {"mailEnabled": unified, "mailNickname": local, "securityEnabled": not unified, **public(row)}


def groups(call: Call) -> Response:
    parameters = parse_query(call.request.query, {"$select", "$top", "$skiptoken", "$filter", "$count"})
    names, wanted = selection(parameters, "group"), parameters.get("$filter")
    if wanted not in (None, _UNIFIED):
        raise bad_request(f"Of filters on groups only {_UNIFIED} is served here.", "Request_UnsupportedQuery")
    rows = [row for row in call.service.tenant.groups if wanted is None or has_mailbox(row)]
    served, following = page_of(call, parameters, rows, top(parameters, 100, 999))
    page = [project(_group_row(row), names) for row in served]
    return success(collection(call.service.root, "groups", page, next=following), call.request)


def _find(call: Call) -> Row:
    found = find_group(call.service.tenant, call.names["group"])
    if found is None:
        raise missing_resource(call.names["group"])
    return found[1]


def group(call: Call) -> Response:
    names = selection(parse_query(call.request.query, {"$select"}), "group")
    row = project(_group_row(_find(call)), names)
    return success(entity(call.service.root, "groups/$entity", row), call.request)


def _people(call: Call, key: str) -> list[str]:
    """The ids of members or owners. Raises ApiError 403."""
    row = _find(call)
    if row.get("visibility") == "HiddenMembership" and not _HIDDEN & call.service.settings.roles:
        raise denied("directory")
    return [str(one) for one in row.get(key, ())]


def _object(call: Call, object_id: str) -> Row:
    """A user or group, with its type; anything else is a device."""
    if (user := call.service.tenant.user(object_id)) is not None:
        return {"@odata.type": "#microsoft.graph.user", **public(user)}
    if (nested := find_group(call.service.tenant, object_id)) is not None:
        return {"@odata.type": "#microsoft.graph.group", **_group_row(nested[1])}
    return {"@odata.type": "#microsoft.graph.device", "id": object_id, "displayName": None}


def _page(call: Call, ids: Sequence[str], *, limited: bool = False) -> Response:
    """limited: the application may not read them, so that all but type and id is null."""
    parameters = parse_query(call.request.query, {"$select", "$top", "$skiptoken"})
    names = selection(parameters, "user") or _SHORT
    served, following = page_of(call, parameters, ids, top(parameters, 100, 999))
    page = [project(_object(call, one), ("@odata.type", *names)) for one in served]
    if limited:
        page = [{key: value if key in ("@odata.type", "id") else None for key, value in row.items()} for row in page]
    return success(collection(call.service.root, "directoryObjects", page, next=following), call.request)


def _listing(key: str) -> Action:
    return lambda call: _page(call, _people(call, key))


# ------------------------------------------------------------------------------------------------------- roles


def roles(call: Call) -> Response:
    names = selection(parse_query(call.request.query, {"$select"}), "directoryRole")
    rows = [project(public(row), names) for row in call.service.tenant.directory.roles]
    return success(collection(call.service.root, "directoryRoles", rows), call.request)


def _role(call: Call) -> Row:
    name = call.names.get("role") or call.names.get("roleTemplateId", "")
    row = call.service.tenant.directory.find_role(name)
    if row is None:
        raise missing_resource(name)
    return row


def role(call: Call) -> Response:
    names = selection(parse_query(call.request.query, {"$select"}), "directoryRole")
    row = project(public(_role(call)), names)
    return success(entity(call.service.root, "directoryRoles/$entity", row), call.request)


def role_members(call: Call) -> Response:
    limited = not call.service.settings.roles & {*_USERS, "Directory.Read.All"}
    return _page(call, list(_role(call).get("_members", ())), limited=limited)


# --------------------------------------------------------------------------------------------- what was deleted


def _deleted(kind: str) -> Action:
    def listing(call: Call) -> Response:
        parameters = parse_query(call.request.query, {"$select", "$top", "$skiptoken"})
        names, directory = selection(parameters, kind), call.service.tenant.directory
        rows = directory.deleted_users if kind == "user" else directory.deleted_groups
        served, following = page_of(call, parameters, rows, top(parameters, 100, 999))
        whole = [served_user(call.service, row) if kind == "user" else _group_row(row) for row in served]
        page = [project(row, names) for row in whole]
        return success(collection(call.service.root, f"{kind}s", page, next=following), call.request)

    return listing
