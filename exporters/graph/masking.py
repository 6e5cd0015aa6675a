"""What may stand in a log: no token, no secret, no pre-authenticated address.

Rules of this file: all that this package logs goes through `event`; addresses are logged without their query, which
in a download holds a credential (`tempauth`). The loggers of urllib3 and msal, which write whole addresses at level
DEBUG, are held at WARNING and filtered besides. structlog is loaded at the first event (141 ms).
Source: design §10; quirk Q-016.
"""

import logging
import re
from typing import Any
from urllib.parse import urlsplit

LOGGER = "lastcopy.graph"
_FOREIGN = ("urllib3", "urllib3.connectionpool", "urllib3.connection", "urllib3.util.retry", "requests", "msal")
_MASKED = "***"
_PATTERNS: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"(https?://[^\s\"'<>?#]*)[?#][^\s\"'<>]*", re.IGNORECASE), r"\1?" + _MASKED),
    (re.compile(r"(\bBearer\s+)[^\s\"',;]+", re.IGNORECASE), r"\1" + _MASKED),
    (re.compile(r"\beyJ[\w-]{5,}(?:\.[\w-]*){1,4}"), _MASKED),
    (
        re.compile(
            r"((?:tempauth|access_token|refresh_token|client_secret|client_assertion|sig|token|\$?skiptoken|password|"
            r"passphrase|secret|assertion|x-ms-token)[\"']?\s*[=:]\s*[\"']?)[^\s\"'&,;}]+",
            re.IGNORECASE,
        ),
        r"\1" + _MASKED,
    ),
    (re.compile(r"-----BEGIN [^-]*PRIVATE KEY-----.*?(-----END [^-]*-----|$)", re.DOTALL), _MASKED),
    # A request target without its host, as urllib3 writes it: "GET /path?query HTTP/1.1".
    (re.compile(r"(/[^\s\"'?]*)\?[^\s\"']+"), r"\1?" + _MASKED),
)


def mask(text: str) -> str:
    """`text` without anything that lets its reader in."""
    for pattern, replacement in _PATTERNS:
        text = pattern.sub(replacement, text)
    return text


def bare_url(url: str) -> str:
    """The address without query, fragment and user name."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return _MASKED
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


class _MaskingFilter(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        try:
            text = record.getMessage()
        except (TypeError, ValueError):
            text = str(record.msg)
        record.msg, record.args = mask(text), ()
        return True


_FILTER = _MaskingFilter()


def quiet_foreign_loggers() -> None:
    """Hold urllib3, requests and msal at WARNING, and mask what they still say. May be called again."""
    for name in _FOREIGN:
        logger = logging.getLogger(name)
        if _FILTER not in logger.filters:
            logger.addFilter(_FILTER)
        if logger.level < logging.WARNING:
            logger.setLevel(logging.WARNING)


def is_logged(level: int) -> bool:
    """Whether events of this level are written at all; worth asking where one comes with every request."""
    return logging.getLogger(LOGGER).isEnabledFor(level)


def event(level: int, name: str, **fields: Any) -> None:
    """Log one event. Strings are masked; addresses MUST have gone through `bare_url`."""
    if not is_logged(level):
        return
    import structlog

    safe = {key: mask(value) if isinstance(value, str) else value for key, value in fields.items()}
    if structlog.is_configured():
        logger = structlog.get_logger(LOGGER)
    else:  # structlog's own default prints to standard output, which belongs to the verb's JSON
        renderer = structlog.processors.KeyValueRenderer(key_order=["event"])
        logger = structlog.wrap_logger(
            logging.getLogger(LOGGER), processors=[renderer], wrapper_class=structlog.stdlib.BoundLogger
        )
    logger.log(level, name, **safe)
