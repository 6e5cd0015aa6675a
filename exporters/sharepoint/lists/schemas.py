"""Columns and content types of a list, as served: `schema.json` beside its items.

Rules of this file: read when the list is new or not as it was; that they are refused does not stop its items; put in place of
what was there, and only if it differs. Source: docs/formats.md (bag of a site), graph.md §5.4.
"""

from exporters.bag.formats import JsonObject, dump_row
from exporters.errors import RunError
from exporters.graph.calls import segment
from exporters.graph.errors import GraphError, SiteLockedError
from exporters.graph.limits import Cost
from exporters.sharepoint.lists.derived import put_derived_file
from exporters.sharepoint.lists.facts import digest_of_list, tables_scope
from exporters.sharepoint.lists.one_list import note_tables_due
from exporters.sharepoint.lists.places import Places
from exporters.sharepoint.run import SiteList, SiteRun

SCHEMA = "schema.json"


class SchemaReader:
    """Reads them. refused: {list id: code} of those that the service does not give."""

    def __init__(self, run: SiteRun, places: Places) -> None:
        self._run, self._places = run, places
        self.refused: dict[str, str] = {}

    def refresh(self, one: SiteList) -> None:
        """Read them again if the list is not as it was. Raises: RunError, SiteLockedError, errors of the store."""
        cursor = self._run.writer.heads.cursors.get(tables_scope(one.id), {})
        digest = digest_of_list(one)
        if cursor.get("digest") == digest:
            return
        try:
            columns, types = self._rows(one, "columns"), self._rows(one, "contentTypes")
        except GraphError as error:
            if isinstance(error, (RunError, SiteLockedError)):
                raise
            self.refused[one.id] = error.code
            return
        note_tables_due(self._run, one.id)
        content = dump_row({"list": _steady(one.served), "columns": columns, "contentTypes": types})
        put_derived_file(self._run, self._places, one, SCHEMA, [content])
        cursor = self._run.writer.heads.cursors.get(tables_scope(one.id), {})
        self._run.writer.emit("cursor", {**cursor, "scope": tables_scope(one.id), "digest": digest})

    def _rows(self, one: SiteList, what: str) -> list[JsonObject]:
        path = f"/sites/{segment(self._run.source.id)}/lists/{segment(one.id)}/{what}"
        return [row for page in self._run.graph.pages(path, cost=Cost.LISTING) for row in page]


def _steady(served: JsonObject) -> JsonObject:
    """Without what changes with every item."""
    return {
        name: value for name, value in served.items() if name not in ("eTag", "lastModifiedDateTime", "lastModifiedBy")
    }
