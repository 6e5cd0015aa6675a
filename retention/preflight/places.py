"""PF-23: what of our own lies inside the tenant that goes dark: channels of warnings, the store, the credential.

Rules of this file: addresses are secrets: they are read here, and nothing of them leaves but the domain of the tenant that
they hang on. What is not known to be outside counts as inside. Source: retention-domain §5 (channels).
"""

import re
from collections.abc import Mapping
from pathlib import PurePath
from typing import Final
from urllib.parse import urlsplit

from exporters.errors import ConfigurationError
from retention.config import Config
from retention.notify import MAIL_SCHEMES, mail_route
from retention.preflight.facts import Facts, Place, Unknown
from retention.preflight.judging_domains import mail_is_microsofts
from retention.references import path_of, read_secret

_MICROSOFT_MAIL: Final = (
    "office365.com",
    "outlook.com",
    "outlook.office.com",
    "partner.outlook.cn",
    "mail.protection.outlook.com",
)
"""Hosts by which the mail of a tenant is sent; a sign-in there ends with it."""
_TEAMS: Final = re.compile(
    r"(^|\.)(webhook\.office\.com|outlook\.office(365)?\.com|logic\.azure\.com|powerplatform\.com|powerautomate\.com)$"
)
_TEAMS_SCHEMES: Final = frozenset({"msteams", "workflow", "workflows", "azure", "o365"})
"""Schemes by which Apprise knows webhooks of Teams, Power Automate and mail by a tenant's application."""
_SYNCHRONISED: Final = re.compile(r"^(OneDrive|SharePoint)( - |$)", re.IGNORECASE)


def places_of(config: Config, facts: Facts) -> list[Place]:
    """Where each of them lies. Raises: nothing for an address that cannot be read: it is a place inside, with that reason."""
    domains = {} if isinstance(facts.domains, Unknown) else {one.name: mail_is_microsofts(one) for one in facts.domains}
    found = [
        Place(entry.name, "channel", _channel(config, entry.name, entry.to, domains, facts))
        for entry in config.settings.notify
    ]
    if config.settings.store is not None:
        url = config.settings.store.url
        found.append(Place("store", "store", _folder(config, url) if not url.startswith("s3://") else ""))
    credential = config.tenant.credential
    reference = credential.certificate or credential.secret or ""
    found.append(Place("credential", "credential", _folder(config, reference)))
    return found


def _channel(config: Config, name: str, reference: str, domains: Mapping[str, bool | None], facts: Facts) -> str:
    """Why a channel goes dark with the tenant; empty if it does not."""
    try:
        address = read_secret(reference, config.base, f"notify.{name}")
        scheme = address.partition(":")[0].lower()
        if scheme in MAIL_SCHEMES:
            route = mail_route(name, address)
            return _mail(route.to, route.host, route.user, domains, facts)
    except ConfigurationError as error:
        return f"its address cannot be used ({error})"
    host = (urlsplit(address).hostname or "").lower()
    if scheme in _TEAMS_SCHEMES or _TEAMS.search(host):
        return "it is a webhook of Teams or Power Automate, which ends with the tenant"
    return _domain(host, domains, facts, what="its host")


def _mail(to: str, host: str, user: str | None, domains: Mapping[str, bool | None], facts: Facts) -> str:
    inside = _domain(to.rpartition("@")[2].lower(), domains, facts, what="its recipient")
    if inside:
        return inside
    server = host.lower()
    if any(server == zone or server.endswith(f".{zone}") for zone in _MICROSOFT_MAIL):
        mine = (user or "").rpartition("@")[2].lower()
        if not mine or mine in domains or _hangs_on(mine, facts) or isinstance(facts.domains, Unknown):
            return "it is sent by Microsoft's mail server, with a sign-in that ends with the tenant"
    return ""


def _domain(name: str, domains: Mapping[str, bool | None], facts: Facts, *, what: str) -> str:
    """Why an address at a domain goes dark; empty if it does not."""
    if _hangs_on(name, facts):
        return f"{what} is at {name}, a domain of Microsoft's that ends with the tenant"
    own = next((one for one in domains if name == one or name.endswith(f".{one}")), None)
    if own is None:
        if isinstance(facts.domains, Unknown) and what == "its recipient":
            return "which domains are the tenant's is not known (PF-10), so its recipient may be inside"
        return ""
    if what != "its recipient":
        return ""  # a web server at a domain of one's own does not hang on its MX
    if domains[own] is None:
        return f"{what} is at {own}, of which it is not known where its mail goes (PF-12)"
    return f"{what} is at {own}, whose MX is still Microsoft's" if domains[own] else ""


def _hangs_on(name: str, facts: Facts) -> bool:
    labels = name.split(".")
    return name == facts.initial_domain.lower() or any(label in {"onmicrosoft", "onmschina"} for label in labels[:-1])


def _folder(config: Config, reference: str) -> str:
    """Why a file or folder goes with the tenant: it is synchronised to its OneDrive or SharePoint."""
    if ":" in reference and not reference.startswith("file:"):
        return ""
    path = path_of(reference, config.base)
    parts = PurePath(str(path)).parts
    named = next((part for part in parts if _SYNCHRONISED.match(part)), None)
    return f"it lies below {named!r}, a folder that is synchronised with the tenant" if named else ""
