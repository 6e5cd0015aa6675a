"""Whether a user or a group has a mailbox that can be reached: one cheap request.

Rules of this file: "no mailbox" only where Exchange says so in its own words (Q-057), or calls a user invalid whom the directory
has (Q-058); any other refusal is an error, since the answer is believed for a week. Source: graph.md §3.1, §11.1.
"""

from typing import Any

from exporters.graph.calls import segment
from exporters.graph.errors import GraphError, NoMailboxError, NotFoundError, UnsupportedError
from exporters.graph.limits import Cost
from exporters.graph.session import GraphSession

_INVALID_USER = frozenset({"errorinvaliduser", "request_resourcenotfound", "resourcenotfound"})
"""Of one who is in the directory: Exchange does not know that user (Q-058)."""


def has_mailbox(graph: GraphSession, owner: str, *, is_group: bool = False) -> bool:
    """Ask for the least that a mailbox has. owner: id of the user or group.

    Raises: NotFoundError if the directory has no such owner any more, or for a 404 that says neither; other GraphErrors
    (PermissionMissingError, …); RunError.
    """
    for again in (True, False):
        try:
            _ask(graph, owner, is_group=is_group)
        except NoMailboxError:
            return False
        except UnsupportedError as error:
            if error.service_code.lower() == "errorquotaexceeded":
                return True  # one that is too full to answer is there
            raise
        except NotFoundError as error:
            if again:
                continue
            if not _is_in_directory(graph, owner, is_group=is_group):
                raise
            if {code.lower() for code in (error.service_code, *error.inner_codes)} & _INVALID_USER:
                return False
            raise _plain(error) from error
        else:
            return True
    raise AssertionError("the second answer counts")


def _ask(graph: GraphSession, owner: str, *, is_group: bool) -> None:
    path = f"/groups/{segment(owner)}/threads" if is_group else f"/users/{segment(owner)}/mailFolders"
    limited = f"group/{owner.lower()}" if is_group else owner.lower()
    params: dict[str, Any] = {"$select": "id", "$top": "1"}
    graph.get(path, params=params, cost=Cost.MAILBOX, mailbox=limited)


def _is_in_directory(graph: GraphSession, owner: str, *, is_group: bool) -> bool:
    """Whether the directory still has this user or group; who cannot be asked for counts as there. Raises: RunError."""
    path = f"/groups/{segment(owner)}" if is_group else f"/users/{segment(owner)}"
    try:
        graph.get(path, params={"$select": "id"}, cost=Cost.DIRECTORY)
    except NotFoundError:
        return False
    except GraphError:
        return True
    return True


def _plain(error: GraphError) -> NotFoundError:
    """A 404 that says neither that there is no mailbox nor that there is no such user: nothing to rely on."""
    return NotFoundError(
        str(error),
        code="not_found",
        action="Run the export again.",
        status=error.status,
        service_code=error.service_code,
        request_id=error.request_id,
    )
