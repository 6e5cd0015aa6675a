"""Sign-in: what goes over the wire, and one clear sentence for each way in which it is refused."""

import base64
import json
import logging
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import parse_qs

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.x509 import load_pem_x509_certificate

from exporters.clock import ManualClock
from exporters.errors import ConfigurationError, LastcopyError, RunError
from exporters.graph.clouds import NAMES, Cloud, cloud_named, custom_cloud
from exporters.graph.errors import TenantLapsedError, UntrustedError
from exporters.graph.limits import Cost
from exporters.graph.masking import LOGGER, mask
from exporters.graph.session import GraphSession, open_session
from exporters.graph.signin import Credential, SignIn
from tests.unit.graph.fake_service import SECRET, TENANT, FakeService, Reply, json_reply, make_certificate


def sign_in(cloud: Cloud, clock: ManualClock, credential: Credential, tenant: str = TENANT) -> str:
    with SignIn(cloud, tenant, "app", credential, clock) as signin:
        return signin.token("graph")


def refused(cloud: Cloud, clock: ManualClock, credential: Credential, tenant: str = TENANT) -> LastcopyError:
    with pytest.raises(LastcopyError) as caught:
        sign_in(cloud, clock, credential, tenant)
    assert str(caught.value).endswith((".", ")."))
    assert caught.value.action
    assert SECRET not in str(caught.value) + caught.value.action
    return caught.value


def test_secret(service: FakeService, cloud: Cloud, clock: ManualClock) -> None:
    with SignIn(cloud, TENANT, "app", Credential(secret=SECRET), clock) as signin:
        assert signin.token("graph") == signin.token("graph")
        assert signin.roles() == {"Files.Read.All"}
        clock.advance(3599 - 299)
        signin.token("graph")
    form = parse_qs(service.of("login")[1].body.decode())
    assert form["scope"] == [f"{service.url('graph')}/.default"]
    assert form["grant_type"] == ["client_credentials"]


@pytest.mark.parametrize("passphrase", [None, "opensésame"])
def test_certificate_signs_the_assertion(
    service: FakeService, cloud: Cloud, clock: ManualClock, tmp_path: Path, passphrase: str | None
) -> None:
    pem = make_certificate(tmp_path / "app.pem", key_type="rsa", passphrase=passphrase).read_bytes()
    assert sign_in(cloud, clock, Credential(certificate_pem=pem, passphrase=passphrase))
    form = parse_qs(service.of("login")[-1].body.decode())
    head, claims, signature = form["client_assertion"][0].split(".")
    raw = base64.urlsafe_b64decode(signature + "==")
    assert json.loads(base64.urlsafe_b64decode(head + "=="))["alg"] == "PS256"
    assert json.loads(base64.urlsafe_b64decode(claims + "=="))["iss"] == "app"
    public = load_pem_x509_certificate(pem[pem.index(b"-----BEGIN CERT") :]).public_key()
    pss = padding.PSS(padding.MGF1(hashes.SHA256()), hashes.SHA256().digest_size)
    public.verify(raw, f"{head}.{claims}".encode(), pss, hashes.SHA256())


@pytest.mark.parametrize(
    ("number", "code"),
    [
        ("7000215", "secret_wrong"),
        ("7000222", "secret_expired"),
        ("700016", "application_unknown"),
        ("90002", "tenant_unknown"),
        ("700027", "certificate_unknown"),
        ("53003", "policy_blocked"),
        ("999999", "sign_in_refused"),
    ],
)
def test_refusals_say_what_and_what_to_do(
    service: FakeService, cloud: Cloud, clock: ManualClock, number: str, code: str
) -> None:
    service.token_error = (401, {"error": "invalid_client", "error_description": f"AADSTS{number}: No."})
    error = refused(cloud, clock, Credential(secret=SECRET))
    assert (error.code, isinstance(error, RunError)) == (code, True)
    assert number in str(error)


def test_wrong_secret_and_unknown_tenant_end_to_end(service: FakeService, cloud: Cloud, clock: ManualClock) -> None:
    assert refused(cloud, clock, Credential(secret="wrong")).code == "secret_wrong"
    assert refused(cloud, clock, Credential(secret=SECRET), "nobody.example").code == "tenant_unknown"


def test_q053_clock_skew_names_both_times(service: FakeService, cloud: Cloud, clock: ManualClock) -> None:
    text = "AADSTS700024: Client assertion is not within its valid time range."
    service.token_error = (401, {"error": "invalid_client", "error_description": text})
    clock.advance(3600)
    error = refused(cloud, clock, Credential(secret=SECRET))
    assert error.code == "clock_skew"
    assert "2026-11-23T16:40:17Z" in str(error)
    assert "2026-11-23T15:40:17Z" in str(error)


def test_q054_lapsed_subscription_stops_at_once(service: FakeService, cloud: Cloud, clock: ManualClock) -> None:
    text = (
        "AADSTS500014: The service principal for resource 'x' is disabled. This indicate that a subscription within "
        "the tenant has lapsed, or that the administrator for this tenant has disabled the application"
    )
    service.token_error = (400, {"error": "invalid_resource", "error_description": text})
    error = refused(cloud, clock, Credential(secret=SECRET))
    assert isinstance(error, TenantLapsedError)
    assert len(service.of("login")) == 2


def test_sign_in_service_in_trouble_is_tried_again_and_then_named(
    service: FakeService, cloud: Cloud, clock: ManualClock
) -> None:
    service.token_error = (503, {"error": "temporarily_unavailable"})
    assert refused(cloud, clock, Credential(secret=SECRET)).code == "sign_in_unreachable"
    assert clock.monotonic() > 20


def test_certificates_are_judged_before_anything_is_sent(
    service: FakeService, cloud: Cloud, clock: ManualClock, tmp_path: Path
) -> None:
    early, late = datetime(2020, 1, 1, tzinfo=UTC), datetime(2026, 12, 1, tzinfo=UTC)

    def pem(**kwargs: object) -> bytes:
        return make_certificate(tmp_path / "app.pem", **kwargs).read_bytes()

    expired = refused(cloud, clock, Credential(certificate_pem=pem(start=early, end=datetime(2026, 1, 1, tzinfo=UTC))))
    assert (expired.code, "2026-01-01" in str(expired)) == ("certificate_expired", True)
    future = refused(cloud, clock, Credential(certificate_pem=pem(start=late)))
    assert future.code == "certificate_not_yet_valid"
    for unfit in (
        Credential(certificate_pem=b"nonsense"),
        Credential(certificate_pem=pem(passphrase="x")),
        Credential(certificate_pem=pem(passphrase="x"), passphrase="y"),
        Credential(certificate_pem=pem(), passphrase="not needed"),
        Credential(certificate_pem=pem(foreign_key=True)),
        Credential(certificate_pem=pem().partition(b"-----BEGIN CERT")[0]),
    ):
        error = refused(cloud, clock, unfit)
        assert (type(error), error.code) == (ConfigurationError, "certificate_unreadable")
    assert not service.of("login")


def test_a_credential_is_exactly_one_thing_and_never_shown(cloud: Cloud, clock: ManualClock) -> None:
    for wrong in (Credential(), Credential(secret="s", certificate_pem=b"p")):
        with pytest.raises(ConfigurationError):
            SignIn(cloud, TENANT, "app", wrong, clock)
    assert "hush" not in repr(Credential(secret="hush", certificate_pem=b"hush", passphrase="hush"))


def test_an_untrusted_host_is_refused_whatever_the_environment_says(
    service: FakeService, cloud: Cloud, clock: ManualClock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """TLS verification cannot be switched off, and REQUESTS_CA_BUNDLE does not beat tenant.ca_bundle."""
    other = make_certificate(tmp_path / "other.pem")
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(other))
    monkeypatch.setenv("CURL_CA_BUNDLE", str(other))
    assert sign_in(cloud, clock, Credential(secret=SECRET))
    strange = custom_cloud(login=service.url("login"), graph=service.url("graph"), ca_bundle=other)
    assert isinstance(refused(strange, clock, Credential(secret=SECRET)), UntrustedError)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(service.ca_bundle))
    assert isinstance(refused(strange, clock, Credential(secret=SECRET)), UntrustedError)
    bare = custom_cloud(login=service.url("login"), graph=service.url("graph"))
    assert sign_in(bare, clock, Credential(secret=SECRET)), "without ca_bundle the environment's bundle holds"


def test_proxies_of_the_environment_are_used(
    service: FakeService, cloud: Cloud, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("NO_PROXY", "")
    monkeypatch.setenv("no_proxy", "")
    error = refused(cloud, clock, Credential(secret=SECRET))
    assert error.code == "sign_in_unreachable"
    assert "proxy" in str(error)
    assert not service.asked


@pytest.mark.parametrize("name", [name for name in NAMES if name not in ("custom", "bleu", "delos", "govsg")])
def test_clouds(name: str) -> None:
    cloud = cloud_named(name)
    assert cloud.login.startswith("https://login.")
    assert cloud.owns_graph(cloud.graph + "/v1.0/users")
    assert cloud.owns_download(f"https://contoso-my{cloud.sharepoint_hosts[0]}/x")
    for foreign in (
        "https://evil.example/",
        f"http://contoso{cloud.sharepoint_hosts[0]}/",
        "https://graph.microsoft.com.evil/",
    ):
        assert not cloud.owns_graph(foreign)
        assert not cloud.owns_download(foreign)


@pytest.mark.parametrize("name", ["germany", "bleu", "delos", "govsg", "mars"])
def test_clouds_that_cannot_be_used_say_why(name: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        cloud_named(name)
    assert caught.value.action


@pytest.mark.parametrize(
    "address", ["http://localhost", "localhost:8443", "https://localhost/x", "https://a@b", "https://h:x"]
)
def test_addresses_of_a_custom_cloud_are_checked(address: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError):
        custom_cloud(login=address, graph="https://localhost")
    with pytest.raises(ConfigurationError):
        custom_cloud(login="https://localhost", graph="https://localhost", ca_bundle=tmp_path / "none.pem")


SECRETS = ("tempauth=abc", "eyJhbGciOi", SECRET, "client_assertion", "skiptoken")


@pytest.mark.parametrize("level", [logging.DEBUG, logging.INFO])
def test_q016_no_secret_in_any_log_at_any_level(
    service: FakeService, cloud: Cloud, clock: ManualClock, caplog: pytest.LogCaptureFixture, level: int
) -> None:
    numbers = iter(range(100))

    def graph(asked):
        number = next(numbers)
        if asked.path.endswith("/content"):
            return Reply(302, b"", {"Location": f"{service.url('download')}/d/Ada.docx?tempauth=abc&sig=def"})
        return Reply(503) if number % 2 else json_reply({"value": [], "@odata.nextLink": asked_link(number)})

    def asked_link(number: int) -> str:
        return f"{service.url('graph')}/v1.0/users?$skiptoken=abc{number}"

    service.graph, service.downloads = graph, lambda asked: Reply(404, b"no", {"x": "tempauth=abc"})
    with (
        caplog.at_level(level),
        caplog.at_level(level, logger=LOGGER),
        open_session(cloud, TENANT, "app", Credential(secret=SECRET), clock) as session,
    ):
        logging.getLogger("urllib3.connectionpool").setLevel(level)
        pages = session.pages("/users", cost=Cost.USERS)
        next(pages), next(pages)
        with pytest.raises(LastcopyError) as caught, session.download("/drives/d/items/i/content"):
            pass
        session._signin.close()
    logging.getLogger("urllib3.connectionpool").setLevel(logging.NOTSET)
    said = caplog.text + str(caught.value) + repr(caught.value.__cause__)
    assert any(record.name == LOGGER for record in caplog.records)
    assert not [secret for secret in SECRETS if secret in said]


@pytest.mark.parametrize(
    "text",
    [
        "GET https://contoso.sharepoint.com/_layouts/download.aspx?UniqueId=1&tempauth=SECRET HTTP/1.1",
        '"GET /_layouts/download.aspx?x=1&tempauth=SECRET HTTP/1.1" 200 None',
        "Authorization: Bearer SECRETSECRET",
        "token eyJhbGciOi.eyJSECRET.SECRET",
        "client_secret=SECRET&scope=x",
        "{'client_secret': 'SECRET', 'a': 1}",
        '{"access_token": "SECRET"}',
        "-----BEGIN PRIVATE KEY-----\nSECRET\n-----END PRIVATE KEY-----",
        "https://h/v1.0/users?$skiptoken=SECRET#SECRET",
    ],
)
def test_mask(text: str) -> None:
    assert "SECRET" not in mask(text)


def test_mask_leaves_ordinary_words() -> None:
    assert mask("listing /drives/b!1/root took 2 s") == "listing /drives/b!1/root took 2 s"


def test_token_is_cheap_when_it_is_fresh(signin: SignIn, session: GraphSession) -> None:
    """Asked before each request (Q-051): a look-up, not a question to MSAL."""
    signin.token("graph")
    asked = []
    signin._application.acquire_token_for_client = lambda *a, **k: asked.append(a)
    for _ in range(1000):
        signin.token("graph")
    assert not asked
