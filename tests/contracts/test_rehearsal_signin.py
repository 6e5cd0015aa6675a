"""Sign-in at the rehearsal tenant: MSAL with both credentials, and every refusal with its number (graph.md 1)."""

import base64
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msal
import pytest
import requests
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from exporters.clock import ManualClock, SystemClock
from exporters.rehearsal.generate import generate
from exporters.rehearsal.service import Settings
from tests.unit.rehearsal.client import Client, running

ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return generate(tmp_path_factory.mktemp("signin") / "tenant")


@pytest.fixture(scope="module")
def client(folder: Path) -> Iterator[Client]:
    with running(folder) as found:
        yield found


def msal_app(client: Client, credential: Any, **options: Any) -> msal.ConfidentialClientApplication:
    info = client.info
    session = requests.Session()
    session.trust_env, session.verify = False, info["ca_bundle"]
    return msal.ConfidentialClientApplication(
        options.get("client_id", info["client_id"]),
        authority=f"{info['login']}/{options.get('tenant', info['tenant'])}",
        client_credential=credential,
        http_client=session,
        instance_discovery=False,
    )


def pem_parts(client: Client) -> tuple[str, str]:
    pem = Path(client.info["certificate"]).read_text()
    place = pem.index("-----BEGIN CERTIFICATE")
    return pem[:place], pem[place:]


def credentials(client: Client) -> dict[str, Any]:
    key, certificate = pem_parts(client)
    thumbprint = x509.load_pem_x509_certificate(certificate.encode()).fingerprint(hashes.SHA1()).hex()
    return {
        "secret": client.info["secret"],
        "certificate PS256": {"private_key": key, "public_certificate": certificate},
        "certificate RS256": {"private_key": key, "thumbprint": thumbprint},
        "certificate with chain": {"private_key": key, "thumbprint": thumbprint, "public_certificate": certificate},
    }


@pytest.mark.parametrize("kind", ["secret", "certificate PS256", "certificate RS256", "certificate with chain"])
@pytest.mark.parametrize("host", ["graph", "sharepoint"])
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_msal_gets_a_token(client: Client, kind: str, host: str) -> None:
    app = msal_app(client, credentials(client)[kind])
    answer = app.acquire_token_for_client([f"{client.info[host]}/.default"])
    assert answer["token_type"] == "Bearer", answer
    claims = json.loads(base64.urlsafe_b64decode(answer["access_token"].split(".")[1] + "=="))
    assert (claims["aud"], claims["tid"], claims["idtyp"]) == (client.info[host], client.info["tenant"], "app")
    assert "Files.Read.All" in claims["roles"]
    app.http_client.close()


def test_msal_names_the_tenant_by_domain(client: Client) -> None:
    app = msal_app(client, client.info["secret"], tenant="willowmere.example")
    assert "access_token" in app.acquire_token_for_client([f"{client.info['graph']}/.default"])
    app.http_client.close()


@pytest.mark.parametrize(
    ("form", "status", "number"),
    [
        ({"client_secret": "wrong"}, 401, 7000215),
        ({"client_secret": ""}, 401, 7000218),
        ({"client_id": "00000000-0000-0000-0000-000000000000"}, 400, 700016),
        ({"scope": "https://graph.example/.default"}, 400, 70011),
        ({"scope": "User.Read.All"}, 400, 1002012),
        ({"grant_type": "password"}, 400, 70003),
        ({"client_assertion": "a.b", "client_assertion_type": ASSERTION}, 401, 700027),
        ({"client_assertion": "a.b.c", "client_assertion_type": "other"}, 400, 900023),
    ],
    ids=["secret", "no secret", "client", "foreign scope", "no default scope", "grant", "assertion", "assertion type"],
)
def test_refusals_have_their_number(client: Client, form: dict[str, str], status: int, number: int) -> None:
    answer = client.sign_in(**form)
    body = answer.json()
    assert (answer.status_code, body["error_codes"]) == (status, [number])
    assert body["error_description"].startswith(f"AADSTS{number}: ")
    assert {"error", "timestamp", "trace_id", "correlation_id", "error_uri"} <= body.keys()


def test_an_expired_secret_says_so(client: Client) -> None:
    client.control("POST", "settings", {"secret_expired": True})
    try:
        assert client.sign_in().json()["error_codes"] == [7000222]
    finally:
        client.control("POST", "settings", {"secret_expired": False})


@pytest.mark.parametrize("page", ["v2.0/.well-known/openid-configuration", "oauth2/v2.0/token"])
def test_an_unknown_tenant_is_90002(client: Client, page: str) -> None:
    method = "POST" if page.endswith("token") else "GET"
    answer = client.send(method, f"{client.info['login']}/nowhere.example/{page}")
    assert (answer.status_code, answer.json()["error_codes"]) == (400, [90002])


def text_of(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")


def assertion(client: Client, *, key: Any = None, head: dict[str, Any] | None = None, **claims: Any) -> str:
    """A signed assertion, right but for what is given."""
    key_pem, certificate_pem = pem_parts(client)
    certificate = x509.load_pem_x509_certificate(certificate_pem.encode())
    print_ = base64.urlsafe_b64encode(certificate.fingerprint(hashes.SHA256())).decode().rstrip("=")
    signer = key or serialization.load_pem_private_key(key_pem.encode(), None)
    now = datetime.now(UTC)
    right = {
        "aud": f"{client.info['login']}/{client.info['tenant']}/oauth2/v2.0/token",
        "iss": client.info["client_id"],
        "sub": client.info["client_id"],
        "nbf": int(now.timestamp()),
        "exp": int((now + timedelta(minutes=10)).timestamp()),
    }
    signed = f"{text_of({'alg': 'RS256', 'typ': 'JWT', 'x5t#S256': print_} | (head or {}))}.{text_of(right | claims)}"
    signature = signer.sign(signed.encode(), padding.PKCS1v15(), hashes.SHA256())
    return f"{signed}.{base64.urlsafe_b64encode(signature).decode().rstrip('=')}"


def numbers(client: Client, text: str) -> list[int]:
    answer = client.sign_in(client_secret="", client_assertion=text, client_assertion_type=ASSERTION)
    return list(answer.json().get("error_codes", []))


def test_an_assertion_is_really_verified(client: Client) -> None:
    past = int((datetime.now(UTC) - timedelta(hours=1)).timestamp())
    later = int((datetime.now(UTC) + timedelta(hours=1)).timestamp())
    other = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    assert numbers(client, assertion(client)) == []
    assert numbers(client, assertion(client, key=other)) == [700027]
    assert numbers(client, assertion(client, head={"x5t#S256": "AAAA"})) == [700027]
    assert numbers(client, assertion(client, head={"alg": "none"})) == [700027]
    assert numbers(client, assertion(client, aud="https://login.microsoftonline.com/x")) == [700027]
    assert numbers(client, assertion(client, iss="somebody")) == [700027]
    assert numbers(client, assertion(client, nbf=past - 600, exp=past)) == [700024]
    assert numbers(client, assertion(client, nbf=later, exp=later + 600)) == [700024]
    head, _, signature = assertion(client).split(".")
    assert numbers(client, f"{head}.{text_of({'iss': 'x'})}.{signature}") == [700027]


def test_q051_tokens_end_on_the_servers_clock(folder: Path) -> None:
    clock = ManualClock(datetime(2026, 1, 1, tzinfo=UTC))
    with running(folder, clock=clock, settings=Settings(token_seconds=600)) as client:
        assert client.get("/organization")
        clock.advance(599)
        assert client.raw("/organization").status_code == 200
        client.control("POST", "advance", {"seconds": 1})
        answer = client.raw("/organization")
        assert (answer.status_code, answer.json()["error"]["code"]) == (401, "InvalidAuthenticationToken")
        assert "expired" in answer.json()["error"]["message"]
        assert answer.headers["WWW-Authenticate"].startswith("Bearer ")


def test_a_token_is_for_one_host(client: Client) -> None:
    foreign = client.sign_in(f"{client.info['sharepoint']}/.default").json()["access_token"]
    for token in (foreign, "nonsense", ""):
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        answer = client.send("GET", client.url("/organization"), headers=headers)
        assert (answer.status_code, answer.json()["error"]["code"]) == (401, "InvalidAuthenticationToken")
    answer = client.send("GET", f"{client.info['sharepoint']}/_api/web", headers={"Authorization": f"Bearer {foreign}"})
    assert (answer.status_code, answer.json()["error_description"]) == (401, "Unsupported app only token.")
    answer = client.send(
        "GET", f"{client.info['sharepoint']}/_api/web", headers={"Authorization": f"Bearer {client.token}"}
    )
    assert answer.status_code == 401


def test_revoked_tokens_are_refused(client: Client) -> None:
    client.get("/organization")
    client.control("POST", "revoke-tokens", {})
    assert client.raw("/organization").status_code == 401
    client.token = ""
    assert client.get("/organization")


@pytest.mark.parametrize(
    ("path", "role", "code"),
    [
        ("/users", "User.Read.All", "Authorization_RequestDenied"),
        ("/domains", "Domain.Read.All", "Authorization_RequestDenied"),
        ("/sites/getAllSites", "Sites.Read.All", "accessDenied"),
    ],
)
def test_a_missing_role_is_403_in_the_form_of_its_service(folder: Path, path: str, role: str, code: str) -> None:
    roles = Settings().roles
    with running(folder, settings=Settings(roles=roles - {role})) as client:
        answer = client.raw(path)
        assert (answer.status_code, answer.json()["error"]["code"]) == (403, code)


def test_the_state_folder_keeps_secret_and_certificates(folder: Path, tmp_path: Path) -> None:
    kept = []
    for _ in range(2):
        with running(folder, state=tmp_path / "state") as client:
            kept.append((client.info["secret"], Path(client.info["ca_bundle"]).read_bytes(), client.info["client_id"]))
    assert kept[0] == kept[1]
    assert (tmp_path / "state" / "app.pem").stat().st_mode & 0o777 == 0o600


def test_a_temporary_state_is_removed(folder: Path) -> None:
    with running(folder, clock=SystemClock()) as client:
        bundle = Path(client.info["ca_bundle"])
        assert bundle.parent.stat().st_mode & 0o777 == 0o700
    assert not bundle.parent.exists()
