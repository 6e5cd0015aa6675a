"""The login host: discovery, and tokens for a client secret or a signed assertion.

Rules of this file: credentials are really checked; tokens are kept in memory and end with the server.
Source: reference/graph.md 1.2 to 1.5.
"""

import base64
import hashlib
import hmac
import secrets
import threading
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from exporters.clock import Clock
from exporters.rehearsal.documents import Row, parse, render
from exporters.rehearsal.routes.answers import LAPSED
from exporters.rehearsal.service import Service
from exporters.rehearsal.wire import Request, Response

_ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
_SKEW = 300  # seconds that an assertion's times may be off


class SignInError(Exception):
    """A refused sign-in: `number` is that of AADSTS."""

    def __init__(self, status: int, error: str, number: int, message: str) -> None:
        super().__init__(message)
        self.status, self.error, self.number, self.message = status, error, number, message


@dataclass(frozen=True)
class Token:
    """An access token that was given out."""

    audience: str
    expires_at: float
    roles: frozenset[str]
    by_certificate: bool = False  # SharePoint's own API takes no others


def _unpadded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def _bytes(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


class SignIn:
    """Discovery and token endpoint of one tenant."""

    def __init__(self, service: Service, certificate: x509.Certificate, real: Clock) -> None:
        """real: the clock that clients date their assertions by, which is the machine's even in a rehearsal."""
        self._service, self._certificate, self._real = service, certificate, real
        self._tokens: dict[str, Token] = {}
        self._revoked_at = 0.0
        self._key = secrets.token_bytes(32)
        self._lock = threading.Lock()

    # -------------------------------------------------------------------------------------------------- routes

    def answer(self, request: Request, *, skew: float = 0.0) -> tuple[Response, str]:
        """The response, and the name of its route. skew: seconds by which the clock of this host is off."""
        segments = request.segments
        name, tail = "unknown", [part.lower() for part in segments[1:]]
        try:
            if tail == ["v2.0", ".well-known", "openid-configuration"]:
                name = "discovery"
                self._tenant(segments[0])
                return self._json(200, self._discovery(segments[0])), name
            if tail == ["oauth2", "v2.0", "token"]:
                name = "token"
                return self._json(200, self._token(request, segments[0], skew)), name
            if segments[:3] == ["common", "discovery", "instance"]:
                return self._json(200, self._instance()), "instance"
            raise SignInError(404, "not_found", 90006, "There is no such page on the login host.")
        except SignInError as error:
            return self._refusal(error, request), name

    def check(self, header: str, audience: str) -> Token:
        """The token of an Authorization header. Raises KeyError with the reason: missing, unknown, audience, expired."""
        scheme, _, text = header.partition(" ")
        if scheme.lower() != "bearer" or not text:
            raise KeyError("missing")
        token = self._tokens.get(text.strip())
        if token is None:
            raise KeyError("unknown")
        if token.audience != audience:
            raise KeyError("audience")
        if token.expires_at <= self._service.clock.now().timestamp():
            raise KeyError("expired")
        return token

    def revoke(self) -> None:
        """All tokens given out so far are worth nothing."""
        with self._lock:
            self._tokens.clear()

    # ------------------------------------------------------------------------------------------------- answers

    def _tenant(self, name: str) -> None:
        tenant = self._service.tenant
        if name.lower() not in {tenant.id.lower(), *(domain.lower() for domain in tenant.domains)}:
            raise SignInError(
                400,
                "invalid_tenant",
                90002,
                f"Tenant '{name}' not found. Check to make sure you have the correct tenant ID "
                "and are signing into the correct cloud.",
            )

    def _discovery(self, tenant: str) -> Row:
        base = f"{self._service.hosts.login}/{tenant}"
        return {
            "token_endpoint": f"{base}/oauth2/v2.0/token",
            "token_endpoint_auth_methods_supported": ["client_secret_post", "private_key_jwt"],
            "jwks_uri": f"{base}/discovery/v2.0/keys",
            "response_modes_supported": ["query", "fragment", "form_post"],
            "subject_types_supported": ["pairwise"],
            "id_token_signing_alg_values_supported": ["RS256"],
            "response_types_supported": ["code", "id_token", "code id_token", "id_token token"],
            "scopes_supported": ["openid", "profile", "email", "offline_access"],
            "issuer": f"{self._service.hosts.login}/{self._service.tenant.id}/v2.0",
            "authorization_endpoint": f"{base}/oauth2/v2.0/authorize",
            "device_authorization_endpoint": f"{base}/oauth2/v2.0/devicecode",
            "tenant_region_scope": "EU",
            "cloud_instance_name": "rehearsal",
            "msgraph_host": self._service.hosts.graph.partition("//")[2],
        }

    def _instance(self) -> Row:
        host = self._service.hosts.login.partition("//")[2]
        discovery = f"{self._service.hosts.login}/{self._service.tenant.id}/v2.0/.well-known/openid-configuration"
        aliases = {"preferred_network": host, "preferred_cache": host, "aliases": [host]}
        return {"tenant_discovery_endpoint": discovery, "api-version": "1.1", "metadata": [aliases]}

    def _token(self, request: Request, tenant: str, skew: float) -> Row:
        if request.method != "POST":
            raise SignInError(400, "invalid_request", 900561, "The endpoint only accepts POST requests.")
        self._tenant(tenant)
        form = dict(parse_qsl(request.body.decode("utf-8", "replace"), keep_blank_values=True))
        if form.get("grant_type") != "client_credentials":
            raise SignInError(400, "unsupported_grant_type", 70003, "Only client_credentials is served here.")
        if form.get("client_id", "").lower() != self._service.client_id.lower():
            raise SignInError(
                400,
                "unauthorized_client",
                700016,
                f"Application with identifier '{form.get('client_id')}' was not found in the directory '{tenant}'.",
            )
        if self._service.subscription_status() == "Deleted":
            raise SignInError(400, "invalid_resource", 500014, LAPSED.format(resource=self._service.hosts.graph))
        if "client_assertion" in form:
            self._check_assertion(form, request, skew)
        else:
            self._check_secret(form)
        return self._issue(self._audience(form.get("scope", "")), by_certificate="client_assertion" in form)

    def _audience(self, scope: str) -> str:
        hosts = self._service.hosts
        for audience in (hosts.graph, hosts.sharepoint):
            if scope.rstrip().lower() in (f"{audience}/.default", f"{audience}//.default"):
                return audience
        number = 70011 if scope.endswith("/.default") else 1002012
        raise SignInError(
            400,
            "invalid_scope",
            number,
            f"The provided value for the input parameter 'scope' is not valid. The scope {scope} is not valid.",
        )

    def _check_secret(self, form: dict[str, str]) -> None:
        given = form.get("client_secret", "")
        if not given:
            raise SignInError(
                401,
                "invalid_client",
                7000218,
                "The request body must contain the following parameter: 'client_assertion' or 'client_secret'.",
            )
        if not hmac.compare_digest(given.encode(), self._service.secret.encode()):
            raise SignInError(
                401,
                "invalid_client",
                7000215,
                "Invalid client secret provided. Ensure the secret being sent in the request is the client secret "
                f"value, not the client secret ID, for a secret added to app '{self._service.client_id}'.",
            )
        if self._service.settings.secret_expired:
            raise SignInError(
                401,
                "invalid_client",
                7000222,
                f"The provided client secret keys for app '{self._service.client_id}' are expired.",
            )

    def _issue(self, audience: str, *, by_certificate: bool) -> Row:
        service = self._service
        seconds, now = service.settings.token_seconds, service.clock.now().timestamp()
        claims = {
            "aud": audience,
            "iss": f"https://sts.windows.net/{service.tenant.id}/",
            "iat": int(now),
            "nbf": int(now),
            "exp": int(now) + seconds,
            "app_displayname": "rehearsal",
            "appid": service.client_id,
            "appidacr": "2" if by_certificate else "1",
            "idtyp": "app",
            "oid": str(uuid.uuid5(uuid.NAMESPACE_URL, service.client_id)),
            "roles": sorted(service.settings.roles),
            "tid": service.tenant.id,
            "uti": secrets.token_urlsafe(8),
            "ver": "1.0",
        }
        head = _unpadded(render({"typ": "JWT", "alg": "RS256", "kid": "rehearsal"}))
        signed = f"{head}.{_unpadded(render(claims))}"
        text = f"{signed}.{_unpadded(hmac.new(self._key, signed.encode(), hashlib.sha256).digest())}"
        with self._lock:
            self._tokens[text] = Token(audience, now + seconds, service.settings.roles, by_certificate)
        return {"token_type": "Bearer", "expires_in": seconds, "ext_expires_in": seconds, "access_token": text}

    # ---------------------------------------------------------------------------------------------- assertions

    def _check_assertion(self, form: dict[str, str], request: Request, skew: float) -> None:
        if form.get("client_assertion_type") != _ASSERTION:
            raise SignInError(400, "invalid_request", 900023, "client_assertion_type is not jwt-bearer.")
        try:
            head_text, claims_text, signature = form["client_assertion"].split(".")
            head, claims = parse(_bytes(head_text)), parse(_bytes(claims_text))
            self._check_thumbprint(head)
            self._verify(head["alg"], f"{head_text}.{claims_text}".encode(), _bytes(signature))
        except (ValueError, KeyError, InvalidSignature) as error:
            raise _bad_assertion("Client assertion failed signature validation.") from error
        self._check_claims(claims, request, skew)

    def _check_thumbprint(self, head: dict[str, Any]) -> None:
        registered = {
            "x5t": self._certificate.fingerprint(hashes.SHA1()),  # noqa: S303
            "x5t#S256": self._certificate.fingerprint(hashes.SHA256()),
        }
        named = [name for name in registered if name in head]
        if not named:
            raise _bad_assertion("Client assertion contains no thumbprint (x5t or x5t#S256).")
        if any(_bytes(str(head[name])) != registered[name] for name in named):
            raise _bad_assertion(
                "The certificate with identifier used to sign the client assertion is not registered on application."
            )

    def _verify(self, algorithm: str, signed: bytes, signature: bytes) -> None:
        key = self._certificate.public_key()
        if not isinstance(key, rsa.RSAPublicKey):
            raise _bad_assertion("The registered certificate has no RSA key.")
        if algorithm == "RS256":
            key.verify(signature, signed, padding.PKCS1v15(), hashes.SHA256())
        elif algorithm == "PS256":
            pss = padding.PSS(mgf=padding.MGF1(hashes.SHA256()), salt_length=padding.PSS.DIGEST_LENGTH)
            key.verify(signature, signed, pss, hashes.SHA256())
        else:
            raise _bad_assertion(f"The algorithm {algorithm} of the client assertion is not supported.")

    def _check_claims(self, claims: dict[str, Any], request: Request, skew: float) -> None:
        client_id = self._service.client_id
        if claims.get("iss") != client_id or claims.get("sub") != client_id:
            raise _bad_assertion("Client assertion: iss and sub must be the application's id.")
        endpoint = f"{self._service.hosts.login}{request.path}"
        if str(claims.get("aud", "")).lower() != endpoint.lower():
            raise _bad_assertion(f"Client assertion audience claim does not match: {endpoint} is expected.")
        now = self._real.now().timestamp() + skew
        starts = float(claims.get("nbf", claims.get("iat", now)))
        if not starts - _SKEW <= now <= float(claims.get("exp", 0)) + _SKEW:
            raise SignInError(
                401,
                "invalid_client",
                700024,
                "Client assertion is not within its valid time range. "
                f"Current time: {_date(now)}, assertion valid from {_date(starts)}.",
            )

    # -------------------------------------------------------------------------------------------------- bodies

    def _json(self, status: int, body: Row) -> Response:
        headers = {"Content-Type": "application/json; charset=utf-8", "Cache-Control": "no-store"}
        return Response(status, render(body), headers)

    def _refusal(self, error: SignInError, request: Request) -> Response:
        now = self._service.clock.now()
        trace, correlation = str(uuid.uuid4()), request.headers.get("client-request-id", str(uuid.uuid4()))
        stamp = f"{now:%Y-%m-%d %H:%M:%SZ}"
        text = (
            f"AADSTS{error.number}: {error.message} Trace ID: {trace} Correlation ID: {correlation} Timestamp: {stamp}"
        )
        body = {
            "error": error.error,
            "error_description": text,
            "error_codes": [error.number],
            "timestamp": stamp,
            "trace_id": trace,
            "correlation_id": correlation,
            "error_uri": f"{self._service.hosts.login}/error?code={error.number}",
        }
        return self._json(error.status, body)


def _bad_assertion(reason: str) -> SignInError:
    return SignInError(401, "invalid_client", 700027, reason)


def _date(seconds: float) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%SZ}"
