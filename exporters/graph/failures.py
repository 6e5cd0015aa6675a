"""What a broken connection means: exceptions of requests, urllib3, ssl and sockets as errors of ours.

Rules of this file: no I/O; the text of a foreign exception is never passed on (it may hold whole addresses); what a person can
mend is told apart: certificate, proxy, name, silence. Source: quirks Q-050; design §6 (errors), §10.
"""

import re
import ssl
from collections.abc import Iterator

from exporters.graph.errors import ConnectionFailedError, GraphError, NoAnswerError, ProxyRefusedError, UntrustedError

_EXPIRED, _NOT_YET_VALID, _OTHER_HOST = (10,), (9,), (62, 64)
_INSPECTED = "If a proxy of yours inspects TLS, name its CA in tenant.ca_bundle (or REQUESTS_CA_BUNDLE)."
_CHECK = "Check network, proxy and name resolution of this machine, then run again."
_NO_TLS = frozenset({"WRONG_VERSION_NUMBER", "HTTP_REQUEST", "PACKET_LENGTH_TOO_LONG", "RECORD_LAYER_FAILURE"})
_KINDS = (
    ("ProxyError", "the proxy could not be used"),
    ("NameResolutionError", "its name could not be resolved"),
    ("ConnectTimeout", "no connection in time"),
    ("ReadTimeout", "no answer in time"),
    ("IncompleteRead", "the body ended early"),
    ("ConnectionReset", "it was reset"),
    ("ConnectionRefused", "it was refused"),
    ("RemoteDisconnected", "it was closed without an answer"),
    ("BadStatusLine", "what came is no HTTP"),
    ("DecodeError", "the body is not coded as it says"),
    ("SSL", "TLS was cut off"),
)


def failure(error: BaseException, host: str) -> GraphError:
    """The error of ours for a request to `host` that got no answer, or half of one."""
    causes = list(_causes(error))
    for cause in causes:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return _untrusted(cause, host)
    refused = next((found for cause in causes if (found := _TUNNEL.search(str(cause)))), None)
    if refused is not None:
        return _proxy_refused(int(refused[1]), host)
    if any(isinstance(cause, ssl.SSLError) and cause.reason in _NO_TLS for cause in causes):
        kind = "what answers there does not speak TLS (a captive portal, or another service)"
    else:
        names = [type(cause).__name__ for cause in causes]
        kind = next((text for name, text in _KINDS if any(name in found for found in names)), names[-1])
    fate = NoAnswerError if kind == "no answer in time" else ConnectionFailedError
    return fate(f"The connection to {host} failed: {kind}.", code="connection_failed", action=_CHECK)


_TUNNEL = re.compile(r"Tunnel connection failed: (\d{3})")


def _proxy_refused(status: int, host: str) -> GraphError:
    if status == 407:
        return ProxyRefusedError(
            f"The proxy wants to know who asks (407) before it connects to {host}.",
            code="proxy_refused",
            action="Put user name and password into HTTPS_PROXY, or leave the host out with NO_PROXY.",
        )
    if status < 500:
        return ProxyRefusedError(
            f"The proxy does not allow a connection to {host} ({status}).",
            code="proxy_refused",
            action="Have the host allowed on the proxy, or leave it out with NO_PROXY.",
        )
    text = f"The connection to {host} failed: the proxy could not reach it ({status})."
    return ConnectionFailedError(text, code="connection_failed", action=_CHECK)


def _untrusted(cause: ssl.SSLCertVerificationError, host: str) -> UntrustedError:
    number = getattr(cause, "verify_code", 0)
    if number in _EXPIRED:
        what = f"The certificate of {host} has expired."
        action = (
            "Check the clock of this machine; if it is right, whoever runs the host (or your proxy) has to renew it."
        )
    elif number in _NOT_YET_VALID:
        what = f"The certificate of {host} is not valid yet."
        action = "Check the clock of this machine: it is most likely behind."
    elif number in _OTHER_HOST:
        what = f"The certificate that {host} shows is for another host."
        action = f"Check the address in the configuration, and name resolution. {_INSPECTED}"
    else:
        what = f"The certificate of {host} cannot be verified: its authority is not trusted here."
        action = _INSPECTED
    return UntrustedError(what, code="tls_untrusted", action=action)


def _causes(error: BaseException) -> Iterator[BaseException]:
    """The error and all that it was made from, each once."""
    seen: list[BaseException] = []
    pending = [error]
    while pending:
        current = pending.pop(0)
        if any(current is known for known in seen):
            continue
        seen.append(current)
        yield current
        pending += [arg for arg in current.args if isinstance(arg, BaseException)]
        pending += [
            e
            for e in (current.__cause__, current.__context__, getattr(current, "reason", None))
            if isinstance(e, BaseException)
        ]
