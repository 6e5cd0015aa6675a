"""Names that do not resolve, ports that refuse, TLS that cannot be trusted, proxies, silence and drips (issue 4, item 7).

Rules of this file: the network is real (loopback), only the clock runs fast; each fault strikes the sign-in host, Graph or the
download host of a whole export; nothing half is there afterwards, and the next run ends as if nothing had been.
"""

import contextlib
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.end_to_end.driving import Row, Tenant
from tests.faults import network
from tests.faults.desk import CONTENT, DELTA, HTML, Desk, assert_heals, exported, problems, rule

HOSTS = ("login", "graph", "download")
CODES = {"login": "sign_in_unreachable", "graph": "connection_failed"}


@pytest.fixture
def product(tenant: Tenant, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    """Without a proxy, whatever this machine has."""
    for name in ("https_proxy", "http_proxy", "all_proxy", "no_proxy"):
        for variable in (name, name.upper()):
            monkeypatch.delenv(variable, raising=False)
    made = Desk(tmp_path / "work", tenant)
    yield made
    lead_back(made)


def refused_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def lead_to(product: Desk, host: str, address: str) -> None:
    """Have this kind of host be at another address (`https://host:port`)."""
    name = address.removeprefix("https://").rpartition(":")[0]
    if host == "download":
        product.settings["tenant"]["download_hosts"] = ["localhost", name]
        where = f"{address}/personal/x/download.aspx?tempauth=secret"
        moved = rule("headers", "re:items/.*[ABCDEF]/content$", set={"Location": where})
        product.tenant.faults(moved)
    else:
        product.settings["tenant"][host] = address
        if host == "graph":  # so that a token for it is given out
            product.tenant.rehearsal.service.hosts.graph = address
    product.configure()


def lead_back(product: Desk) -> None:
    """Everything where it was."""
    tenant = product.tenant
    graph = next(one for one in tenant.rehearsal._listeners if one._host == "graph")
    tenant.rehearsal.service.hosts.graph = f"https://localhost:{graph.port}"
    for host in ("login", "graph"):
        product.settings["tenant"][host] = product.tenant.info[host]
    product.settings["tenant"]["ca_bundle"] = f"file:{product.tenant.info['ca_bundle']}"
    product.tenant.faults()
    product.configure()


def assert_said(product: Desk, host: str, code: str, *words: str) -> None:
    """What an export comes to where this kind of host is out of order: one sentence of what, one of what to do."""
    result = product.run("export", "--json", seconds=120)
    assert "tempauth" not in result.err + result.out and "secret" not in result.err
    if host == "download":
        assert result.code in (1, 3)
    else:
        assert result.code == 1
        assert not product.store.exists(), "nothing was touched"
    document = result.document
    said = [row for source in document.get("sources", ()) for row in source["coverage"] if "code" in row]
    if host == "download" and not said and result.code == 3:  # a small drive: said of each file
        assert document["exceptions"]["download_failed"] > 1
        text = next(product.store.glob("onedrive/*/lastcopy/exceptions.jsonl")).read_text()
    else:
        error: Row = document.get("error") or said[0]
        assert error["code"] == code, document
        text = error.get("message", "") + error.get("reason", "")
    for word in words:
        assert word in text, text
    if result.code == 1:
        assert document["error"]["action"], document


@pytest.mark.parametrize("host", HOSTS)
def test_q050_a_name_that_does_not_resolve(host: str, product: Desk, undisturbed: Desk) -> None:
    lead_to(product, host, "https://no-such-host.invalid:443")
    assert_said(product, host, CODES.get(host, "connection_failed"), "resolved")
    lead_back(product)
    assert_heals(product, undisturbed)


@pytest.mark.parametrize("host", HOSTS)
def test_q050_a_port_that_refuses(host: str, product: Desk, undisturbed: Desk) -> None:
    lead_to(product, host, f"https://localhost:{refused_port()}")
    assert_said(product, host, CODES.get(host, "connection_failed"), "refused")
    lead_back(product)
    assert_heals(product, undisturbed)


TLS = {
    "untrusted": ("tls_untrusted", "not trusted"),
    "expired": ("tls_untrusted", "has expired"),
    "not_yet_valid": ("tls_untrusted", "not valid yet"),
    "another_host": ("tls_untrusted", "for another host"),
    "plain_http": (None, "does not speak TLS"),
    "cut_off": (None, "cut off"),
}


@contextlib.contextmanager
def bad_tls(kind: str, folder: Path, product: Desk) -> Iterator[int]:
    """A port where TLS goes wrong in this way; its authority is trusted where that is not the point."""
    issuer = network.authority(folder)
    if kind != "untrusted":
        bundle = folder / "bundle.pem"
        bundle.write_bytes((folder / "ca.pem").read_bytes() + Path(product.tenant.info["ca_bundle"]).read_bytes())
        product.settings["tenant"]["ca_bundle"] = f"file:{bundle}"
        product.configure()
    days = {"expired": (-500, -100), "not_yet_valid": (100, 500)}.get(kind, (-1, 100))
    name = "elsewhere.example" if kind == "another_host" else "localhost"
    handlers: dict[str, Callable[[socket.socket], None]] = {
        "plain_http": network.plain_http,
        "cut_off": network.cut_in_the_handshake,
    }
    handle = handlers.get(kind) or network.tls_port(network.certificate(folder, issuer, host=name, days=days))
    with network.listening(handle) as port:
        yield port


@pytest.mark.parametrize(
    ("kind", "host"),
    [
        pytest.param(kind, host, marks=[pytest.mark.soak] if (row + column) % 3 else [])
        for row, kind in enumerate(TLS)
        for column, host in enumerate(HOSTS)
    ],
)
def test_tls(kind: str, host: str, product: Desk, undisturbed: Desk, tmp_path: Path) -> None:
    code, words = TLS[kind]
    with bad_tls(kind, tmp_path, product) as port:
        lead_to(product, host, f"https://localhost:{port}")
        assert_said(product, host, code or CODES.get(host, "connection_failed"), words)
    lead_back(product)
    assert_heals(product, undisturbed)


# ------------------------------------------------------------------------------------------------------------ proxies


def test_a_proxy_that_connects(product: Desk, undisturbed: Desk) -> None:
    proxy = network.Proxy()
    with network.listening(proxy.handle) as port:
        product.environment["HTTPS_PROXY"] = f"http://somebody:s3cret@localhost:{port}"
        product.export()
        hosts = {address.rpartition(":")[0] for address in proxy.asked}
        ports = {int(address.rpartition(":")[2]) for address in proxy.asked}
        assert hosts == {"localhost"} and len(ports) == 3, "sign-in, Graph and downloads"
        assert_heals(product, undisturbed)


def test_hosts_that_no_proxy_names_are_reached_directly(product: Desk, undisturbed: Desk) -> None:
    proxy = network.Proxy(b"HTTP/1.1 502 Bad Gateway\r\n\r\n")
    with network.listening(proxy.handle) as port:
        product.environment |= {"HTTPS_PROXY": f"http://localhost:{port}", "NO_PROXY": "localhost,127.0.0.1"}
        product.export()
    assert proxy.asked == []
    assert_heals(product, undisturbed)


REFUSALS = {
    "407": (b"HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic\r\n\r\n", "proxy_refused", "407"),
    "403": (b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n", "proxy_refused", "403"),
    "502": (b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n", "sign_in_unreachable", "502"),
    "html": (network.HTML, "sign_in_unreachable", "TLS"),
    "silence": (b"", "sign_in_unreachable", "closed"),
}


@pytest.mark.parametrize("kind", REFUSALS)
def test_a_proxy_that_refuses(kind: str, product: Desk, undisturbed: Desk) -> None:
    answer, code, words = REFUSALS[kind]
    proxy = network.Proxy(answer)
    with network.listening(proxy.handle) as port:
        product.environment["HTTPS_PROXY"] = f"http://somebody:s3cret@localhost:{port}"
        result = product.run("export", "--json", code=1)
    error = result.document["error"]
    assert error["code"] == code and words in error["message"] and error["action"], error
    assert "s3cret" not in result.out + result.err
    assert len(proxy.asked) <= 8
    assert not product.store.exists()
    del product.environment["HTTPS_PROXY"]
    assert_heals(product, undisturbed)


def test_a_proxy_that_fails_in_mid_run(product: Desk, undisturbed: Desk, tenant: Tenant) -> None:
    proxy = network.Proxy()
    with network.listening(proxy.handle) as port:
        product.environment["HTTPS_PROXY"] = f"http://localhost:{port}"
        tenant.at_request(20, lambda: setattr(proxy, "refusal", b"HTTP/1.1 407 Who are you?\r\n\r\n"))
        tenant.faults(rule("close", host="download"))  # so that new connections are needed
        result = product.run("export", "--json")
    assert result.code == 1 and result.document["error"]["code"] == "proxy_refused"
    del product.environment["HTTPS_PROXY"]
    assert_heals(product, undisturbed)


# --------------------------------------------------------------------------------------------------- silence and drips


@pytest.mark.parametrize(
    ("route", "host"),
    [("token", "login"), ("organization", "graph"), ("users", "graph"), (DELTA, "graph"), ("*", "download")],
)
def test_a_host_that_takes_requests_and_never_answers(
    route: str, host: str, product: Desk, undisturbed: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("exporters.graph.transport.READ_SECONDS", 0.15)
    product.tenant.faults(rule("silent", route, host=host, seconds=20))
    result = product.run("export", "--json", seconds=120)
    assert result.code in (1, 3)
    assert "no answer in time" in result.out or "download_failed" in result.out
    monkeypatch.undo()
    assert_heals(product, undisturbed)


def test_q050_silence_once_is_asked_again(product: Desk, undisturbed: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("exporters.graph.transport.READ_SECONDS", 0.5)
    product.tenant.faults(
        rule("silent", DELTA, count=1), rule("silent", CONTENT, count=2), rule("silent", host="download", count=2)
    )
    product.export()
    monkeypatch.undo()
    assert_heals(product, undisturbed)


def test_a_drip_is_cut_and_what_is_merely_slow_is_not(
    product: Desk, undisturbed: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The rule of `graph.pace`, with its window of minutes made one of tenths of a second."""
    monkeypatch.setattr("exporters.graph.pace.WINDOW_SECONDS", 0.4)
    monkeypatch.setattr("exporters.graph.pace.LEAST_BYTES", 200)
    slow = rule("slow", host="download", seconds=0.02, piece=32)  # 1,600 bytes a second
    product.tenant.faults(slow | {"count": 3})
    product.export()
    assert product.tenant.fired() == 3
    assert_heals(product, undisturbed)
    dripping = Desk(product.folder.parent / "drip", product.tenant)
    product.tenant.faults(rule("slow", host="download", seconds=0.1, piece=1, count=40))
    document = exported(dripping, code=3)
    assert document["exceptions"]["download_failed"] > 0
    monkeypatch.undo()
    assert_heals(dripping, undisturbed)


def test_a_listing_that_drips(product: Desk, undisturbed: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("exporters.graph.pace.WINDOW_SECONDS", 0.4)
    monkeypatch.setattr("exporters.graph.pace.LEAST_BYTES", 200)
    product.tenant.faults(rule("slow", DELTA, seconds=0.1, piece=1))
    assert "connection_failed" in problems(exported(product, code=3))
    monkeypatch.undo()
    assert_heals(product, undisturbed)


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_a_redirect_where_json_belongs_is_not_followed(status: int, product: Desk, undisturbed: Desk) -> None:
    to = f"{product.tenant.info['graph']}/v1.0/users"
    product.tenant.faults(rule("status", "users", status=status, headers={"Location": to}, body=HTML))
    product.tenant.forget_requests()
    error = product.run("export", "--json", code=1).document["error"]
    assert error["code"] == "refused" and error["action"]
    assert sum(row["route"] == "users" for row in product.tenant.requests()) == 1
    assert_heals(product, undisturbed)
