"""From a request to its answer: faults, sign-in, route, permission, budget, route's work, ledger.

Rules of this file: one order for all requests, batch or not; every request gets one row in the ledger, written before the
last byte of its answer.
Source: reference/graph.md 2.1, 6, 7, 11, 12.
"""

import re
import traceback
from collections.abc import Callable
from dataclasses import dataclass

from exporters.clock import Clock, timestamp
from exporters.rehearsal.changes import apply_changes
from exporters.rehearsal.faults import FaultPlan, Rule
from exporters.rehearsal.mishaps import HINTS, damage, instead, wait_of
from exporters.rehearsal.requests import masked
from exporters.rehearsal.routes import reports, sharepoint_rest
from exporters.rehearsal.routes.answers import LAPSED, ApiError, bad_request, denied, failure, no_mailbox
from exporters.rehearsal.routes.batch import batch
from exporters.rehearsal.routes.downloads import download
from exporters.rehearsal.routes.router import Call, Route, Router
from exporters.rehearsal.routes.signin import SignIn, Token
from exporters.rehearsal.routes.sites import by_id, refuse_closed
from exporters.rehearsal.service import Service
from exporters.rehearsal.throttling import Turn, Verdict
from exporters.rehearsal.wire import Request, Response

_READING = ("GET", "HEAD")
_REST = Route("sharepoint", sharepoint_rest.answer, sharepoint_rest.COST, "sharepoint", "sharepoint")
_DECORATED = re.compile(r"(NON)?ISV\|[^|]+\|[^|/]+/\S+$")  # the form of User-Agent that is served first
_REASONS = {
    "missing": ("InvalidAuthenticationToken", "Access token is empty."),
    "unknown": ("InvalidAuthenticationToken", "Access token validation failure. Invalid signature."),
    "audience": ("InvalidAuthenticationToken", "Access token validation failure. Invalid audience."),
    "expired": ("InvalidAuthenticationToken", "Lifetime validation failed, the token is expired."),
}


@dataclass
class Entry:
    """What the ledger will say of a request."""

    route: str
    cost: int = 0
    family: str = ""
    avoidable: bool = False
    fault: str = ""


class Dispatcher:
    """The front of every port but the control port."""

    def __init__(self, service: Service, signin: SignIn, router: Router, real: Clock, beta: Router) -> None:
        self.service, self.signin, self._real = service, signin, real
        self._routers = {"v1.0": router, "beta": beta}
        self.faults = FaultPlan()

    # -------------------------------------------------------------------------------------------------- ports

    def login(self, request: Request) -> Response:
        """The login port."""
        tail = request.path.rpartition("/")[2]
        name = {"token": "token", "openid-configuration": "discovery"}.get(tail, tail)
        call, entry = Call(self.service, request, {}), Entry(name)

        def work() -> Response:
            return self.signin.answer(request, skew=call.skew)[0]

        return self._run(call, entry, work)

    def graph(self, request: Request) -> Response:
        """The Graph port."""
        segments = request.segments
        version, rest = (segments[0], segments[1:]) if segments else ("", [])
        if version == "v1.0" and rest == ["$batch"]:
            call = Call(self.service, request, {})
            return self._run(call, Entry("$batch"), lambda: batch(call, self._authorise(request, "graph"), self.graph))
        known = self._routers.get(version)
        found = known.find(by_id(self.service, rest)) if known is not None else None
        if found is None:
            call = Call(self.service, request, {})
            return self._run(call, Entry("unknown"), lambda: self._unknown(call, version, rest))
        route, names = found
        call = Call(self.service, request, names)
        entry = Entry(route.template, family=route.family)
        return self._run(call, entry, lambda: self._routed(call, route, entry), route)

    def sharepoint(self, request: Request) -> Response:
        """The SharePoint port: its own REST API, for tokens made with a certificate."""
        call, entry = Call(self.service, request, {}), Entry(sharepoint_rest.route_of(request), family="sharepoint")

        def work() -> Response:
            self._refuse_writes(call)
            token = self._authorise(request, "sharepoint")
            try:
                sharepoint_rest.check_token(token)
                self._refuse_lapsed(_REST)
                entry.cost = sharepoint_rest.COST
                verdict = self.service.throttle.charge("sharepoint", entry.cost, _what(request))
                if verdict.status:
                    raise self._refusal(call, _REST, entry, verdict)
                response = sharepoint_rest.answer(call)
            except sharepoint_rest.RestError as error:
                return sharepoint_rest.refusal(error, call)
            response.headers.update(verdict.headers)
            return response

        return self._run(call, entry, work, _REST)

    def download(self, request: Request) -> Response:
        """The download port: pre-authenticated."""
        call = Call(self.service, request, {})

        def work() -> Response:
            self._refuse_writes(call)
            return reports.serve(call) if request.path.startswith(reports.PLACE) else download(call)

        return self._run(call, Entry("download"), work)

    # -------------------------------------------------------------------------------------------------- order

    def _run(self, call: Call, entry: Entry, work: Callable[[], Response], route: Route | None = None) -> Response:
        request, now = call.request, self.service.clock.now()
        path = request.path.removeprefix("/v1.0") if request.host == "graph" else request.path
        rule = self.faults.pick(request.method, request.host, path, entry.route)
        response = None
        if rule is not None:
            entry.fault = rule.fault
            response = self._strike(call, rule, route)
        if response is None:
            try:
                response = work()
            except ApiError as error:
                call.marks.extend(error.marks)
                response = failure(error, now, request)
            except Exception:  # noqa: BLE001  a request is a unit of work: a defect of ours must show, not hang the client
                self.service.defects.append(traceback.format_exc())
                call.marks.append("defect")
                response = failure(ApiError(500, "rehearsalDefect", "A defect of the rehearsal itself."), now, request)
            if rule is not None:
                response = damage(rule, request, response, now, self._real)
        self._record(call, entry, response)
        self._carry(response)
        return response

    def _carry(self, response: Response) -> None:
        """Give the body to the line, where that is narrow."""
        rate = self.service.settings.bytes_a_second
        if rate is None:
            return
        if response.stream is not None:
            response.stream = self.service.line.paced(response.stream, rate)
        elif response.body:
            self.service.line.carry(len(response.body), rate)

    def _strike(self, call: Call, rule: Rule, route: Route | None) -> Response | None:
        if rule.fault == "revoked":
            self.signin.revoke()
            return None
        if rule.fault == "change":
            apply_changes(self.service.tenant, list(rule.details["changes"]))
            return None
        if rule.fault in HINTS:
            call.faults = frozenset({rule.fault})
            return None
        if rule.fault == "clock-skew":
            call.skew = rule.number("seconds", 3600)
        response = instead(rule, call.request, self.service.clock.now())
        if response is not None and response.status in (429, 503):
            call.marks.append("throttled")
            wait = wait_of(response, rule)
            if wait and route is not None and rule.details.get("block", True):
                self.service.throttle.block(route.family, wait, _what(call.request), _mailbox(call, route))
        return response

    def _routed(self, call: Call, route: Route, entry: Entry) -> Response:
        self._refuse_writes(call, route.method)
        token = self._authorise(call.request, "graph")
        if route.roles and not route.roles & token.roles:
            raise denied(route.area)
        self._refuse_lapsed(route)
        cost = route.cost if isinstance(route.cost, int) else route.cost(call)
        entry.cost = cost
        mailbox = _mailbox(call, route)
        verdict = self.service.throttle.charge(route.family, cost, _what(call.request), mailbox)
        if not verdict.status and mailbox:
            verdict = self._take_turn(call, mailbox) or verdict
        if verdict.status:
            raise self._refusal(call, route, entry, verdict)
        if route.family == "sharepoint":
            refuse_closed(call, route.template)
        response = route.action(call)
        response.headers.update(verdict.headers)
        return response

    def _take_turn(self, call: Call, mailbox: str) -> Verdict | None:
        """A place at the mailbox for the time of the request, or the refusal if all four are taken (Q-043)."""
        service = self.service
        call.turn = Turn(service.throttle, mailbox)
        if not call.turn.fits:
            wait = service.settings.mailbox_wait
            service.throttle.block("exchange", wait, _what(call.request), mailbox)
            return Verdict(429, {"Retry-After": str(wait)}, True, "mailbox-concurrency")
        if service.settings.mailbox_seconds:
            self._real.sleep(service.settings.mailbox_seconds)
        return None

    def _refusal(self, call: Call, route: Route, entry: Entry, verdict: Verdict) -> ApiError:
        entry.avoidable = verdict.avoidable
        call.marks.extend(("throttled", verdict.reason))
        code, message = {
            "sharepoint": ("activityLimitReached", "The request has been throttled"),
            "exchange": ("ApplicationThrottled", "Application is over its MailboxConcurrency limit."),
        }.get(route.family, ("TooManyRequests", "Too many requests."))
        inner = "throttledRequest" if route.family == "sharepoint" else None
        return ApiError(verdict.status, code, message, inner=inner, headers=verdict.headers)

    def _refuse_lapsed(self, route: Route) -> None:
        """Files of a tenant whose subscription has ended: users are out first, then the data goes."""
        status = self.service.subscription_status()
        if route.family not in ("sharepoint", "exchange") or status in ("Enabled", "Warning"):
            return
        if status == "Deleted" and route.family == "exchange":
            raise no_mailbox()
        if status == "Deleted":
            raise ApiError(404, "ResourceNotFound", "Tenant does not have a SPO license.")
        raise ApiError(403, "accessDenied", LAPSED.format(resource=self.service.hosts.graph))

    def _refuse_writes(self, call: Call, method: str = "GET") -> None:
        if method == "POST" and call.request.method in _READING:
            raise ApiError(405, "methodNotAllowed", "This takes POST.", headers={"Allow": "POST"})
        if call.request.method not in _READING and call.request.method != method:
            call.marks.append("write")
            text = f"{call.request.method} is not served: this tenant is for reading only."
            raise ApiError(405, "methodNotAllowed", text, headers={"Allow": "GET"})

    def _authorise(self, request: Request, host: str) -> Token:
        audience = self.service.hosts.graph if host == "graph" else self.service.hosts.sharepoint
        try:
            return self.signin.check(request.headers.get("authorization", ""), audience)
        except KeyError as reason:
            code, message = _REASONS[reason.args[0]]
            challenge = f'Bearer realm="", authorization_uri="{self.service.hosts.login}/common/oauth2/authorize"'
            raise ApiError(401, code, message, headers={"WWW-Authenticate": challenge}) from reason

    def _unknown(self, call: Call, version: str, rest: list[str]) -> Response:
        self._refuse_writes(call)
        self._authorise(call.request, "graph")
        if version != "v1.0":
            raise bad_request(f"Invalid version: {version}. Known here: v1.0.")
        last = rest[-1] if rest else ""
        raise bad_request(
            f"Resource not found for the segment '{last}'. This rehearsal does not serve /{'/'.join(rest)}."
        )

    def _record(self, call: Call, entry: Entry, response: Response) -> None:
        request = call.request
        row = {
            "at": timestamp(self.service.clock.now()),
            "method": request.method,
            "host": request.host,
            "route": entry.route,
            "path": masked(request.path),
            "query": masked(request.query),
            "status": response.status,
            "cost": entry.cost,
            "family": entry.family,
            "avoidable": entry.avoidable,
            "bytes": 0,
            "fault": entry.fault,
            "marks": call.marks,
            "decorated": _DECORATED.match(request.headers.get("user-agent", "")) is not None,
        }
        if call.turn is not None:
            row["mailbox"] = call.turn.mailbox
        if "range" in request.headers:
            row["range"] = request.headers["range"]

        def add(sent: int) -> None:
            if call.turn is not None:
                call.turn.leave()
            row["bytes"] = sent
            self.service.ledger.add(row)

        response.before_end = add


def _what(request: Request) -> str:
    return f"{request.method} {request.path}?{request.query}"


def _mailbox(call: Call, route: Route) -> str:
    """The mailbox whose limits a request is charged to; empty for none."""
    return route.mailbox(call) if route.mailbox is not None else ""
