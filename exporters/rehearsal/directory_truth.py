"""What a directory has beside its users and groups: deleted ones, roles, domains, subscriptions, holds, the term store.

Rules of this file: `directory.json` of the tenant's folder says it, each part of its own; what the data leave out follows from
the users, so that every tenant has roles and a term store. Keys that start with `_` are never served.

    {"deletedUsers": [user], "deletedGroups": [group], "roles": [{…directoryRole, "_members": [user id]}],
     "organization": {what differs from the usual}, "domains": [{id, …}: beside those of users], "applications": [application],
     "subscriptions": [{…companySubscription: beside the first}], "cases": [{…ediscoveryCase, "_holds": [legal hold]}],
     "termStore": {…store, "_groups": [{…group, "_sets": [{…set, "_terms": [{…term, "_children": [term]}]}]}]}}

Source: reference/graph.md 5.4, 8.1; data/graph/directory; the v1.0 schema.
"""

import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from exporters.rehearsal.documents import Row, parse

GLOBAL_ADMINISTRATOR = "62e90394-69f5-4237-9190-012177145e10"
BILLING_ADMINISTRATOR = "b0f54661-2d74-4c50-afa3-1ec803f12efe"
_ROLES = (
    (
        "Global Administrator",
        GLOBAL_ADMINISTRATOR,
        "Can manage all aspects of Microsoft Entra ID and Microsoft services that use Microsoft Entra identities.",
    ),
    (
        "Billing Administrator",
        BILLING_ADMINISTRATOR,
        "Can perform common billing related tasks like updating payment information.",
    ),
)
_WHEN = "2021-01-10T08:00:00Z"


class DirectoryTruth:
    """The parts of one tenant, which may be changed in memory."""

    def __init__(self, folder: Path, tenant_id: str, users: list[Row]) -> None:
        path = folder / "directory.json"
        told: Row = parse(path.read_bytes()) if path.exists() else {}
        self.deleted_users: list[Row] = told.get("deletedUsers", [])
        self.deleted_groups: list[Row] = told.get("deletedGroups", [])
        self.roles: list[Row] = told["roles"] if "roles" in told else _roles(tenant_id, users)
        self.organization: Row = told.get("organization", {})
        self.domains: list[Row] = told.get("domains", [])
        self.applications: list[Row] = told.get("applications", [])
        self.subscriptions: list[Row] = told.get("subscriptions", [])
        self.cases: list[Row] = told.get("cases", [])
        self.term_store: Row = told.get("termStore") or _term_store(tenant_id)

    def find_role(self, name: str) -> Row | None:
        """By its id, or by that of its template."""
        return next((row for row in self.roles if name.lower() in (row["id"], row["roleTemplateId"])), None)

    def find_domain(self, name: str) -> Row:
        """What the data say of a domain; nothing of one that only users have."""
        return next((row for row in self.domains if str(row["id"]).lower() == name.lower()), {})

    def find_term_group(self, group_id: str) -> Row | None:
        """A group of sets."""
        return next((row for row in self.term_store["_groups"] if row["id"] == group_id.lower()), None)

    def find_set(self, set_id: str) -> Row | None:
        """A set of terms, in whatever group."""
        sets = (row for group in self.term_store["_groups"] for row in group["_sets"])
        return next((row for row in sets if row["id"] == set_id.lower()), None)

    def find_term(self, set_id: str, term_id: str) -> Row | None:
        """A term of a set, at whatever depth."""
        found = self.find_set(set_id)
        return (
            next((row for row in _below(found.get("_terms", [])) if row["id"] == term_id.lower()), None)
            if found
            else None
        )


def _below(terms: list[Row]) -> Iterator[Row]:
    """Each term once, though one may stand below itself."""
    waiting, seen = list(terms), set[str]()
    while waiting:
        term = waiting.pop()
        if term["id"] not in seen:
            seen.add(term["id"])
            yield term
            waiting += term.get("_children", [])


def _made(tenant_id: str, *parts: object) -> str:
    return str(uuid.uuid5(uuid.NAMESPACE_URL, "/".join(map(str, (tenant_id, *parts)))))


def _roles(tenant_id: str, users: list[Row]) -> list[Row]:
    people = [user["id"] for user in users if user.get("userType", "Member") == "Member"]
    return [
        {
            "id": _made(tenant_id, "role", template),
            "deletedDateTime": None,
            "description": text,
            "displayName": name,
            "roleTemplateId": template,
            "_members": people[n : n + 1],
        }
        for n, (name, template, text) in enumerate(_ROLES)
    ]


def _term_store(tenant_id: str) -> Row:
    """A tree of three levels, in two languages."""

    def term(name: str, *children: Row) -> Row:
        labels = [{"name": name, "languageTag": tag, "isDefault": True} for tag in ("en-US", "de-DE")]
        row: dict[str, Any] = {"id": _made(tenant_id, "term", name), "createdDateTime": _WHEN}
        row |= {"lastModifiedDateTime": _WHEN, "labels": labels, "descriptions": []}
        return {**row, "_children": list(children)}

    places = {
        "id": _made(tenant_id, "set", "Places"),
        "createdDateTime": _WHEN,
        "description": "Where we work",
        "localizedNames": [{"name": "Places", "languageTag": "en-US"}, {"name": "Orte", "languageTag": "de-DE"}],
        "_terms": [term("Europe", term("Utrecht"), term("Zürich", term("Kreis 5"))), term("Asia / Pacific")],
    }
    group = {
        "id": _made(tenant_id, "term group", "Company"),
        "createdDateTime": _WHEN,
        "description": "",
        "displayName": "Company",
        "scope": "global",
        "_sets": [places],
    }
    return {
        "id": _made(tenant_id, "term store"),
        "defaultLanguageTag": "en-US",
        "languageTags": ["en-US", "de-DE"],
        "_groups": [group],
    }
