"""The control port: the ledger, the clock, faults, changes and the truth, as plain JSON.

Rules of this file: for tests, judges and the rehearsal command; no client of the tenant ever needs it.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from exporters.rehearsal.changes import ChangeError, apply_changes, rename_users
from exporters.rehearsal.dispatch import Dispatcher
from exporters.rehearsal.documents import parse, render
from exporters.rehearsal.faults import FaultPlan, FaultPlanError
from exporters.rehearsal.group_truth import find_group, threads_of
from exporters.rehearsal.mailbox_truth import mailbox_truth
from exporters.rehearsal.service import Service
from exporters.rehearsal.truth import drive_truth, tenant_truth
from exporters.rehearsal.wire import Request, Response

_LINES = {"Content-Type": "application/x-ndjson"}


class ControlError(Exception):
    """A control request that cannot be done."""


@dataclass
class Control:
    """Answers the control port."""

    service: Service
    dispatcher: Dispatcher

    def answer(self, request: Request) -> Response:
        """Any control request; errors are 400 with a message."""
        try:
            if request.method == "GET" and (rows := self._truth_of(request.segments)) is not None:
                return _lines(rows)
            action = self._actions().get((request.method, "/".join(request.segments)))
            if action is None:
                known = ", ".join(f"{method} /{path}" for method, path in self._actions())
                raise ControlError(
                    f"unknown; known: {known}, GET /truth/drives/NAME, GET /truth/mailboxes/USER, GET /truth/groups/ID, "
                    "GET /truth/lists/SITE/LIST, GET /truth/pages/SITE"
                )
            return action(request)
        except (ControlError, ChangeError, FaultPlanError, ValueError, TypeError, KeyError, OSError) as error:
            return _json({"error": f"{type(error).__name__}: {error}"}, 400)

    def _truth_of(self, segments: list[str]) -> Iterator[Any] | None:
        """The rows of one drive, mailbox, …; None if the path names none of these."""
        match segments:
            case ["truth", "drives", name]:
                return drive_truth(self.service.tenant, self.service.tenant.drive_in(f"drives/{name}"))
            case ["truth", "mailboxes", name]:
                return self._mailbox_truth(name)
            case ["truth", "pages", name]:
                return iter(self.service.tenant.pages.of({"_dir": f"sites/{name}"}))
            case ["truth", "lists", site, name]:
                return self._list_truth(f"sites/{site}", name)
            case ["truth", "groups", name]:
                return self._group_truth(name)
        return None

    def _actions(self) -> dict[tuple[str, str], Callable[[Request], Response]]:
        return {
            ("GET", "requests"): self._requests,
            ("GET", "summary"): self._summary,
            ("POST", "reset-requests"): self._reset,
            ("POST", "changes"): self._changes,
            ("POST", "advance"): self._advance,
            ("POST", "faults"): self._faults,
            ("POST", "settings"): self._settings,
            ("POST", "rename-users"): self._rename_users,
            ("POST", "revoke-tokens"): self._revoke,
            ("GET", "truth"): lambda _: _json(tenant_truth(self.service.tenant)),
        }

    def _mailbox_truth(self, name: str) -> Iterator[Any]:
        user = self.service.tenant.user(name)
        box = self.service.tenant.mailbox(user) if user is not None else None
        if box is None:
            raise ControlError(f"there is no active mailbox of {name}")
        return mailbox_truth(box)

    def _group_truth(self, name: str) -> Iterator[Any]:
        found = find_group(self.service.tenant, name)
        if found is None:
            raise ControlError(f"there is no group {name}")
        return (post for thread in threads_of(self.service.tenant, *found) for post in thread.posts)

    def _list_truth(self, folder: str, name: str) -> Iterator[Any]:
        site = self.service.tenant.site(folder)
        found = self.service.tenant.lists_of(site).find(name) if site is not None else None
        if found is None:
            raise ControlError(f"there is no list {name} in {folder}")
        with found.lock:
            return iter([found.row(n) for n in found.live()])

    def _requests(self, _: Request) -> Response:
        return Response(200, b"".join(self.service.ledger.lines()), _LINES)

    def _summary(self, _: Request) -> Response:
        body = self.service.ledger.summary()
        body["budget"] = self.service.throttle.usage()
        body["mailboxes"] = self.service.throttle.occupancy()
        body["defects"] = self.service.defects
        body["faults"] = self.dispatcher.faults.report()
        return _json(body)

    def _reset(self, _: Request) -> Response:
        self.service.ledger.reset()
        self.service.throttle.forget_occupancy()
        return _json({})

    def _changes(self, request: Request) -> Response:
        body = request.body
        if b"\n" not in body.strip() and isinstance(given := parse(body), dict) and "file" in given:
            body = Path(given["file"]).read_bytes()
        rows = [parse(line) for line in body.splitlines() if line.strip()]
        return _json(apply_changes(self.service.tenant, rows))

    def _advance(self, request: Request) -> Response:
        seconds = float(parse(request.body)["seconds"])
        if seconds < 0:
            raise ControlError("time does not go back")
        self.service.advance(seconds)
        return _json({"now": self.service.clock.now().isoformat()})

    def _faults(self, request: Request) -> Response:
        self.dispatcher.faults = FaultPlan.parse(request.body)
        return _json({"rules": len(self.dispatcher.faults.rules)})

    def _settings(self, request: Request) -> Response:
        given: dict[str, Any] = parse(request.body)
        settings = self.service.settings
        for name, value in given.items():
            if name == "subscription_status":
                self.service.tenant.subscription_status = str(value)
            elif hasattr(settings, name):
                setattr(settings, name, self._setting(name, value))
            else:
                raise ControlError(f"there is no setting {name!r}")
        return _json(given)

    def _setting(self, name: str, value: Any) -> Any:
        if name == "roles":
            return frozenset(value)
        if name == "lifecycle":
            return tuple((float(after), str(status)) for after, status in value)
        return value

    def _rename_users(self, request: Request) -> Response:
        return _json({"renamed": rename_users(self.service.tenant, str(parse(request.body)["domain"]))})

    def _revoke(self, _: Request) -> Response:
        self.dispatcher.signin.revoke()
        return _json({})


def _json(body: Any, status: int = 200) -> Response:
    return Response(status, render(body), {"Content-Type": "application/json"})


def _lines(rows: Iterator[Any]) -> Response:
    return Response(200, b"".join(render(row) + b"\n" for row in rows), _LINES)
