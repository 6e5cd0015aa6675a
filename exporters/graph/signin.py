"""Sign-in: tokens for the application, by secret or certificate.

Rules of this file: the only importer of msal (lazily). Tokens stay in memory; the repr of a credential shows nothing.
MSAL is asked before each request in effect: its answer is kept with its expiry, and it is asked anew when under five
minutes are left (Q-051). Each refusal of the sign-in service is one sentence of what and one of what to do.

    signin = SignIn(cloud, tenant, client_id, Credential(secret="…"), clock)
    signin.token("graph")

Source: reference graph.md 1.2 to 1.5; quirks Q-051 to Q-054.
"""

import base64
import json
import logging
import re
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal
from urllib.parse import urlencode

import tenacity

from exporters.clock import Clock, timestamp
from exporters.errors import ConfigurationError, LastcopyError
from exporters.graph.answers import object_of
from exporters.graph.clouds import Cloud
from exporters.graph.errors import ConnectionFailedError, ServiceTroubleError, SignInError, TenantLapsedError
from exporters.graph.headers import server_date
from exporters.graph.masking import event, quiet_foreign_loggers
from exporters.graph.transport import Transport

TokenScope = Literal["graph", "sharepoint"]
_RENEW_BEFORE_SECONDS = 300.0
_TRIES = 5


@dataclass(frozen=True)
class Credential:
    """Exactly one of secret and certificate_pem (key and certificate in one PEM; passphrase if the key has one)."""

    secret: str | None = field(default=None, repr=False)
    certificate_pem: bytes | None = field(default=None, repr=False)
    passphrase: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class _Token:
    value: str = field(repr=False)
    renew_at: float = 0.0  # on the clock's monotonic scale


class SignIn:
    """Tokens of one application in one tenant. Safe from many threads."""

    def __init__(
        self,
        cloud: Cloud,
        tenant: str,
        client_id: str,
        credential: Credential,
        clock: Clock,
        *,
        sharepoint_host: str | None = None,
    ) -> None:
        """sharepoint_host: `https://contoso.sharepoint.com`, where the cloud does not name it.

        Raises: ConfigurationError if the credential cannot be used at all.
        """
        if (credential.secret is None) == (credential.certificate_pem is None):
            raise ConfigurationError(
                "The credential must be either a secret or a certificate.",
                code="credential_missing",
                action="Set tenant.credential to {secret: …} or {certificate: …}.",
            )
        self._cloud, self._tenant, self._client_id = cloud, tenant, client_id
        self._credential, self._clock = credential, clock
        self._sharepoint = cloud.sharepoint or sharepoint_host
        self._transport = Transport(cloud.ca_bundle, connections=2)
        self._http = _MsalHttp(self._transport, clock)
        self._lock = threading.Lock()
        self._tokens: dict[str, _Token] = {}
        self._application: Any = None

    def token(
        self, scope: TokenScope | str, *, force: bool = False, claims: str | None = None, stale: str | None = None
    ) -> str:
        """A token with at least a few minutes left.

        scope: `graph`, `sharepoint` (of the configuration), or the address of a SharePoint host that the cloud owns.
        force: pass the cache by, unless another thread renewed meanwhile (the token now held is not `stale`).
        claims: of a continuous access evaluation challenge (Q-052). Raises: RunError or ConfigurationError, final.
        """
        held = self._tokens.get(scope)
        if not force and claims is None and held is not None and self._is_fresh(held):
            return held.value
        with self._lock:
            held = self._tokens.get(scope)
            fresh = held is not None and self._is_fresh(held) and held.value != stale
            if held is not None and fresh and (not force or stale is not None):
                return held.value
            renewed = self._acquire(scope, force=force, claims=claims)
            self._tokens[scope] = renewed
            return renewed.value

    def roles(self, scope: TokenScope | str = "graph") -> frozenset[str]:
        """Application permissions named in the token for a scope: a hint, not verified. Raises as `token`."""
        return _roles(self.token(scope))

    def close(self) -> None:
        self._transport.close()

    def __enter__(self) -> "SignIn":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _is_fresh(self, token: _Token) -> bool:
        return self._clock.monotonic() < token.renew_at

    def _acquire(self, scope: TokenScope | str, *, force: bool, claims: str | None) -> _Token:
        address = {"graph": self._cloud.graph, "sharepoint": self._sharepoint}.get(scope, scope)
        if address is None:
            raise ConfigurationError(
                "The address of SharePoint is not known, so no token can be asked for it.",
                code="sharepoint_unknown",
                action="Let the sites be listed first, or set tenant.sharepoint.",
            )
        retrying = tenacity.Retrying(
            retry=tenacity.retry_if_exception_type((ConnectionFailedError, ServiceTroubleError)),
            stop=tenacity.stop_after_attempt(_TRIES),
            wait=tenacity.wait_exponential_jitter(multiplier=2, max=30),
            sleep=self._clock.sleep,
            reraise=True,
        )
        try:
            result = retrying(self._ask, f"{address}/.default", force, claims)
        except (ConnectionFailedError, ServiceTroubleError) as error:
            raise SignInError(
                f"Signing in failed: {error}",
                code="sign_in_unreachable",
                action="Check that this machine reaches the sign-in service, then run again.",
            ) from error
        seconds = _lifetime(result.get("expires_in"))
        named = scope if scope == "graph" else "sharepoint"
        event(logging.INFO, "token", scope=named, seconds=int(seconds), forced=force or claims is not None)
        use_for = max(seconds - _RENEW_BEFORE_SECONDS, seconds / 2)  # of a token that lives for minutes, half of them
        return _Token(result["access_token"], self._clock.monotonic() + use_for)

    def _ask(self, scope: str, force: bool, claims: str | None) -> Mapping[str, Any]:
        """One try. After trouble the next one gets a new application: MSAL would answer it from its memory of failures."""
        try:
            application = self._msal()
            if force and claims is None:
                application.remove_tokens_for_client()
            result = self._of_msal(lambda: application.acquire_token_for_client([scope], claims_challenge=claims))
        except (ConnectionFailedError, ServiceTroubleError):
            self._application = None
            raise
        if isinstance(result, Mapping) and isinstance(result.get("access_token"), str) and result["access_token"]:
            return result
        told = object_of(result)
        text = str(told.get("error_description") or told.get("error") or "")
        if not text or self._http.last_status == 429 or any(f"AADSTS{number}" in text for number in _PASSING):
            self._application = None
            raise _trouble()
        raise self._refusal(text)

    def _of_msal(self, call: Callable[[], Any]) -> Any:
        """What MSAL makes of the answers; it takes them to be right, and stumbles over a page of an appliance."""
        from msal.exceptions import MsalServiceError

        try:
            return call()
        except (_SignInStatusError, MsalServiceError, ValueError, KeyError, TypeError, AttributeError):
            raise _trouble() from None

    def _msal(self) -> Any:
        if self._application is None:
            import msal

            quiet_foreign_loggers()
            credential = self._msal_credential()
            try:
                self._application = msal.ConfidentialClientApplication(
                    self._client_id,
                    authority=f"{self._cloud.login}/{self._tenant}",
                    client_credential=credential,
                    instance_discovery=False,  # our hosts are in `clouds`; a custom one is nobody's business
                    http_client=self._http,
                )
            except (_SignInStatusError, msal.exceptions.MsalServiceError):
                raise _trouble() from None
            except (ValueError, KeyError, TypeError, AttributeError):
                is_word = "AADSTS" in self._http.last_problem or self._http.last_status in (400, 404)
                if not is_word:  # a page of something else
                    raise _trouble() from None
                raise self._refusal(self._http.last_problem or "AADSTS90002") from None
        return self._application

    def _msal_credential(self) -> Any:
        if self._credential.secret is not None:
            return self._credential.secret
        from exporters.graph.certificate import read_certificate

        return read_certificate(self._credential.certificate_pem or b"", self._credential.passphrase, self._clock.now())

    def _refusal(self, text: str) -> LastcopyError:
        number = next(iter(re.findall(r"AADSTS(\d+)", text)), "")
        if "subscription within the tenant has lapsed" in text:
            return TenantLapsedError(*_LAPSED[:1], code="tenant_lapsed", action=_LAPSED[1])
        if number == "700024":
            return self._clock_skew()
        code, what, action = _REFUSALS.get(
            number, ("sign_in_refused", "The sign-in service refused the application.", "")
        )
        sentence = f"{what.rstrip('.')} (AADSTS{number})." if number else what
        return SignInError(sentence, code=code, action=action or "Check the app registration, then run again.")

    def _clock_skew(self) -> SignInError:
        here, there = self._http.last_dates
        seen = f"here it is {timestamp(here)}, there it is {timestamp(there)}" if here and there else "the times differ"
        return SignInError(
            f"The clock of this machine is wrong: {seen} (AADSTS700024).",
            code="clock_skew",
            action="Set the clock (switch NTP on), then run again.",
        )


_PASSING = ("90033", "90006", "90024")
"""Refusals that the service calls temporary."""
_LAPSED = (
    "A subscription of this tenant has lapsed and no tokens are issued for it any more.",
    "Reactivate the subscription in the admin centre while that is possible, then run again.",
)
_RENEW = "Make a new one in the app registration and put it where tenant.credential points to."
_REFUSALS: Mapping[str, tuple[str, str, str]] = {
    "7000215": ("secret_wrong", "The client secret is wrong.", "Use the secret's value, not its id. " + _RENEW),
    "7000222": ("secret_expired", "The client secret has expired.", _RENEW),
    "700016": (
        "application_unknown",
        "The tenant does not know this application.",
        "Check tenant.client_id and tenant.id, and that the application is registered in this tenant.",
    ),
    "90002": ("tenant_unknown", "There is no such tenant in this cloud.", "Check tenant.id and tenant.cloud."),
    "900023": ("tenant_unknown", "There is no such tenant in this cloud.", "Check tenant.id and tenant.cloud."),
    "700027": (
        "certificate_unknown",
        "The app registration does not know this certificate, or it has expired there.",
        "Upload the certificate (not its key) to the app registration.",
    ),
    "7000229": ("consent_missing", "The application has no service principal in this tenant.", "Give admin consent."),
    "53003": (
        "policy_blocked",
        "A conditional access policy blocks the application.",
        "Have an administrator exclude it, or run from a network that the policy allows.",
    ),
    "70011": ("scope_invalid", "The sign-in service does not know the scope.", "Check tenant.cloud and its addresses."),
    "1002012": ("scope_invalid", "The sign-in service does not know the scope.", "Check tenant.cloud."),
}


def _roles(token: str) -> frozenset[str]:
    parts = token.split(".")
    if len(parts) < 2:
        return frozenset()
    try:
        claims = json.loads(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
    except ValueError:
        return frozenset()
    roles = claims.get("roles") if isinstance(claims, dict) else None
    return frozenset(str(role) for role in roles) if isinstance(roles, list) else frozenset()


class _SignInStatusError(Exception):
    """An answer of the sign-in service that MSAL does not take for an answer."""


def _trouble() -> ServiceTroubleError:
    return ServiceTroubleError(
        "the sign-in service is in trouble, or something answers in its place.", code="transient"
    )


def _lifetime(told: object) -> float:
    """Seconds that a token lives; the usual hour if the service does not say so in a way that can be read."""
    try:
        seconds = float(str(told))
    except ValueError:
        return 3599.0
    return seconds if 0 < seconds <= 86_400 * 2 else 3599.0


class _MsalAnswer:
    """What MSAL wants of an answer."""

    def __init__(self, status: int, text: str, headers: Mapping[str, str]) -> None:
        self.status_code, self.text, self.headers = status, text, headers

    def raise_for_status(self) -> None:
        if self.status_code >= 400:
            raise _SignInStatusError(f"status {self.status_code}")


class _MsalHttp:
    """MSAL's HTTP client over our transport: its own would let REQUESTS_CA_BUNDLE beat our CA bundle."""

    def __init__(self, transport: Transport, clock: Clock) -> None:
        self._transport = transport
        self.last_problem, self.last_status = "", 0
        self.last_dates: tuple[Any, Any] = (None, None)
        self._clock = clock

    def get(
        self, url: str, params: Mapping[str, str] | None = None, headers: Mapping[str, str] | None = None, **_: Any
    ) -> _MsalAnswer:
        return self._send("GET", f"{url}?{urlencode(params)}" if params else url, headers, None)

    def post(
        self,
        url: str,
        params: Mapping[str, str] | None = None,
        data: Any = None,
        headers: Mapping[str, str] | None = None,
        **_: Any,
    ) -> _MsalAnswer:
        form = (
            data
            if isinstance(data, (str, bytes))
            else urlencode({k: v for k, v in (data or {}).items() if v is not None})
        )
        body = form.encode() if isinstance(form, str) else form
        kind = {"Content-Type": "application/x-www-form-urlencoded", **(headers or {})}
        return self._send("POST", f"{url}?{urlencode(params)}" if params else url, kind, body)

    def close(self) -> None:
        """The transport belongs to the sign-in."""

    def _send(self, method: str, url: str, headers: Mapping[str, str] | None, body: bytes | None) -> _MsalAnswer:
        answer = self._transport.send(method, url, {"Accept-Encoding": "gzip", **(headers or {})}, body)
        text = answer.body().decode("utf-8", "replace")
        self.last_problem, self.last_status = text if answer.status >= 400 else "", answer.status
        self.last_dates = (self._clock.now(), server_date(answer.headers))
        return _MsalAnswer(answer.status, text, dict(answer.headers))
