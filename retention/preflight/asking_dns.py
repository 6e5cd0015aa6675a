"""Asks the DNS for MX and NS of a domain.

Rules of this file: the only place that speaks DNS; whatever goes wrong is an `Unknown`. After two questions in a row without an
answer nobody else is asked: a network without DNS must not cost minutes. dnspython is loaded when it is needed.
Source: retention-domain §3 (PF-12, PF-13); docs/decisions/0081.

    mx = Dns.of_this_machine().mx("contoso.com")
"""

import os
from typing import Any, Final

from exporters.errors import ConfigurationError
from retention.preflight.facts import DnsAnswer, Unknown

VARIABLE: Final = "LASTCOPY_RESOLVER"
"""Environment variable: the address of a name server to ask instead of this machine's, `ADDRESS` or `ADDRESS:PORT`."""
TIMEOUT_SECONDS: Final = 5.0
_GIVE_UP_AFTER = 2
_PORT = 53


class Dns:
    """A resolver. failed: questions in a row without an answer."""

    def __init__(self, resolver: Any, why_not: str = "") -> None:
        self._resolver, self._why_not, self._failed = resolver, why_not, 0

    @classmethod
    def of_this_machine(cls) -> "Dns":
        """That of the environment, else the machine's. Raises: ConfigurationError for an address that cannot be read."""
        import dns.exception
        import dns.resolver

        named = os.environ.get(VARIABLE)
        try:
            resolver = dns.resolver.Resolver(configure=not named)
        except (dns.exception.DNSException, OSError) as error:
            return cls(None, f"this machine has no name server ({type(error).__name__})")
        if named:
            resolver.nameservers, resolver.port = _address(named)
        resolver.lifetime = TIMEOUT_SECONDS
        resolver.cache = None
        return cls(resolver)

    def mx(self, domain: str) -> DnsAnswer | Unknown:
        """Where mail for a domain goes."""
        return self._ask(domain, "MX")

    def ns(self, domain: str) -> DnsAnswer | Unknown:
        """Who answers for a domain: for one that is not a zone of its own, those of the zone above it."""
        name = domain
        while True:
            answer = self._ask(name, "NS")
            _, _, above = name.partition(".")
            if isinstance(answer, Unknown) or answer.names or "." not in above:
                return answer
            name = above

    def _ask(self, domain: str, kind: str) -> DnsAnswer | Unknown:
        import dns.exception
        import dns.resolver

        if self._resolver is None or self._failed >= _GIVE_UP_AFTER:
            return Unknown(self._why_not or "the name server does not answer")
        try:
            found = self._resolver.resolve(domain, kind, search=False, raise_on_no_answer=False)
        except dns.resolver.NXDOMAIN:
            self._failed = 0
            return DnsAnswer()
        except (dns.exception.DNSException, OSError, UnicodeError) as error:
            self._failed += 1
            self._why_not = f"the DNS cannot be asked ({type(error).__name__})"
            return Unknown(self._why_not)
        self._failed = 0
        if found.rrset is None:
            return DnsAnswer()
        names = [str(one.exchange if kind == "MX" else one.target) for one in found.rrset]
        return DnsAnswer(tuple(sorted(name.rstrip(".").lower() for name in names)), int(found.rrset.ttl))


def _address(named: str) -> tuple[list[str], int]:
    import ipaddress

    host, colon, port = named.rpartition(":")
    if not colon or (":" in host.strip("[]") and not named.startswith("[")):
        host, port = named, str(_PORT)
    try:
        return [str(ipaddress.ip_address(host.strip("[]")))], int(port)
    except ValueError:
        raise ConfigurationError(
            f"{VARIABLE} is no address", code="resolver_unusable", action="Write it as 9.9.9.9 or 127.0.0.1:5353."
        ) from None
