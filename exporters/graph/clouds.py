"""The Microsoft clouds: which hosts a tenant's data may be asked from.

Rules of this file: data and checks, no I/O. Everything is https. A token of one cloud is refused by another.
Source: reference graph.md 1.1; design §7 (`cloud: custom`) and §10 (downloads go only to hosts the cloud owns).
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from urllib.parse import urlsplit

from exporters.errors import ConfigurationError


@dataclass(frozen=True)
class Cloud:
    """login, graph, sharepoint: addresses without a path (`https://host[:port]`). sharepoint: replaces scheme and host
    of every site address, or None to take them as served. sharepoint_hosts: suffixes such as `.sharepoint.com`.
    download_hosts: further host names that pre-authenticated URLs may name, at any port. ca_bundle: PEM, or None."""

    name: str
    login: str
    graph: str
    sharepoint: str | None
    sharepoint_hosts: tuple[str, ...]
    download_hosts: tuple[str, ...]
    ca_bundle: Path | None

    @property
    def is_custom(self) -> bool:
        return self.name == "custom"

    def owns_graph(self, url: str) -> bool:
        """True if the Graph token may be sent to this address: same scheme, host and port as `graph`."""
        if url.startswith(f"{self.graph}/"):
            return True
        return _origin(url) is not None and _origin(url) == _origin(self.graph)

    def sharepoint_address(self, web_url: str) -> str | None:
        """`https://host[:port]` of SharePoint's own API for a site at `web_url`; None if the cloud does not own that host."""
        if self.sharepoint is not None:
            return self.sharepoint
        origin = _origin(web_url)
        if origin is None or origin[1] != 443:
            return None
        suffixes = [suffix for suffix in self.sharepoint_hosts if suffix != _MEDIA]
        is_own = any(origin[0].endswith(suffix) and len(origin[0]) > len(suffix) for suffix in suffixes)
        return f"https://{origin[0]}" if is_own else None

    def owns_download(self, url: str) -> bool:
        """True if content may be fetched from this address (without a token unless `owns_graph`)."""
        origin = _origin(url)
        if origin is None:
            return False
        host = origin[0]
        return (
            self.owns_graph(url)
            or (self.sharepoint is not None and origin == _origin(self.sharepoint))
            or host in {allowed.lower() for allowed in self.download_hosts}
            or any(host.endswith(suffix) and len(host) > len(suffix) for suffix in self.sharepoint_hosts)
        )


_REPORTS = ("reports.office.com",)
"""Where usage reports lie (graph.md 9.2)."""
_MEDIA = ".svc.ms"
"""Hosts that give content and no API."""
_START = re.compile(r"https://[^/?#]*")
"""Scheme and authority, as `urlsplit` cuts them."""
_MICROSOFT = "https://login.microsoftonline.com"
_MICROSOFT_US = "https://login.microsoftonline.us"
_CLOUDS: dict[str, Cloud] = {
    "worldwide": Cloud(
        "worldwide", _MICROSOFT, "https://graph.microsoft.com", None, (".sharepoint.com", ".svc.ms"), _REPORTS, None
    ),
    "gcc": Cloud(
        "gcc", _MICROSOFT, "https://graph.microsoft.com", None, (".sharepoint.com", ".svc.ms"), _REPORTS, None
    ),
    "usgov_l4": Cloud("usgov_l4", _MICROSOFT_US, "https://graph.microsoft.us", None, (".sharepoint.us",), (), None),
    "usgov_l5": Cloud(
        "usgov_l5", _MICROSOFT_US, "https://dod-graph.microsoft.us", None, (".sharepoint-mil.us",), (), None
    ),
    "china": Cloud(
        "china",
        "https://login.partner.microsoftonline.cn",
        "https://microsoftgraph.chinacloudapi.cn",
        None,
        (".sharepoint.cn",),
        (),
        None,
    ),
}
_OTHER_NAMES = {
    "gcc_high": "usgov_l4",
    "gcchigh": "usgov_l4",
    "dod": "usgov_l5",
    "global": "worldwide",
    "21vianet": "china",
}
# Only the login hosts of these are documented: everything else must come from the configuration.
_SOVEREIGN = {
    "bleu": "https://login.sovcloud-identity.fr",
    "delos": "https://login.sovcloud-identity.de",
    "govsg": "https://login.sovcloud-identity.sg",
}
NAMES: tuple[str, ...] = (*_CLOUDS, "gcc_high", "dod", *_SOVEREIGN, "custom")


def cloud_named(name: str, *, graph: str | None = None, sharepoint: str | None = None) -> Cloud:
    """The cloud of this name.

    graph, sharepoint: only for the new sovereign clouds, whose addresses Microsoft has not published.
    Raises: ConfigurationError for an unknown name, for Germany (closed), and for a sovereign cloud without `graph`.
    """
    wanted = name.strip().lower().replace("-", "_")
    wanted = _OTHER_NAMES.get(wanted, wanted)
    if wanted in _CLOUDS:
        return _CLOUDS[wanted]
    if wanted in ("germany", "de"):
        raise ConfigurationError(
            "Microsoft closed the German cloud on 29 October 2021; nothing can be copied from it.",
            code="cloud_closed",
            action="If the tenant was moved, set tenant.cloud to worldwide.",
        )
    if wanted in _SOVEREIGN:
        if graph is None:
            raise ConfigurationError(
                f"Microsoft has not published the addresses of the cloud {wanted!r}.",
                code="cloud_addresses_missing",
                action=f"Set tenant.cloud to custom, login to {_SOVEREIGN[wanted]}, graph to what your provider gave.",
            )
        suffixes = () if sharepoint is None else (_parent_suffix(sharepoint),)
        return Cloud(wanted, _SOVEREIGN[wanted], _address("graph", graph), None, suffixes, (), None)
    raise ConfigurationError(
        f"There is no cloud {name!r}.", code="cloud_unknown", action=f"Set tenant.cloud to one of: {', '.join(NAMES)}."
    )


def custom_cloud(
    *,
    login: str,
    graph: str,
    sharepoint: str | None = None,
    download_hosts: Iterable[str] = (),
    ca_bundle: Path | None = None,
) -> Cloud:
    """A rehearsal, a proxy or a new sovereign cloud (design §7).

    Raises: ConfigurationError for an address that is not `https://host[:port]`, or a CA bundle that is not there.
    """
    if ca_bundle is not None and not ca_bundle.is_file():
        raise ConfigurationError(
            "The CA bundle of the tenant's cloud is not there.",
            code="ca_bundle_missing",
            action=f"Put the file at {ca_bundle.name} as tenant.ca_bundle says, or correct the key.",
        )
    return Cloud(
        name="custom",
        login=_address("login", login),
        graph=_address("graph", graph),
        sharepoint=None if sharepoint is None else _address("sharepoint", sharepoint),
        sharepoint_hosts=(),
        download_hosts=tuple(host.strip().lower() for host in download_hosts),
        ca_bundle=ca_bundle,
    )


def _address(key: str, value: str) -> str:
    plain = value.strip().rstrip("/")
    parts = urlsplit(plain)
    if _origin(plain) is None or parts.path or parts.query or parts.fragment:
        raise ConfigurationError(
            f"tenant.{key} is not an address of the form https://host[:port].",
            code="address_invalid",
            action=f"Correct tenant.{key}; plain http is never used.",
        )
    return plain


def _parent_suffix(address: str) -> str:
    host = urlsplit(address).hostname or ""
    return "." + host.partition(".")[2]


def _origin(url: str) -> tuple[str, int] | None:
    """(host in lower case, port) of an https address; None for any other, and for one with a user name in it."""
    start = _START.match(url)  # addresses differ from file to file, what they start with does not
    return _origin_of(url if start is None else start[0])


@lru_cache(maxsize=256)
def _origin_of(address: str) -> tuple[str, int] | None:
    try:
        parts = urlsplit(address)
        port = parts.port or 443
    except ValueError:
        return None
    if parts.scheme.lower() != "https" or not parts.hostname or "@" in parts.netloc or "\\" in parts.netloc:
        return None
    return parts.hostname.lower(), port
