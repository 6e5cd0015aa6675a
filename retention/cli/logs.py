"""What is logged, and how: to standard error, as JSON when nobody is watching.

Rules of this file: whatever the level, no secret, token or pre-authenticated address gets into a log; at the default level no
names of people or files either (those who log put names at DEBUG). Called when a verb runs, never for `--help`.
Source: design §10.
"""

import logging
import sys
from collections.abc import MutableMapping
from typing import Any

from exporters.graph.masking import mask

_LEVELS = (logging.WARNING, logging.INFO, logging.DEBUG)
_OURS = ("lastcopy", "exporters", "retention")
_FOREIGN = ("urllib3", "requests", "msal", "boto3", "botocore", "s3transfer", "asyncio", "sqlalchemy")


def configure(verbosity: int, *, at_need: bool = False) -> None:
    """Set up logging. verbosity: how often -v was given (0: warnings, 1: what happens, 2: everything). at_need: structlog (a
    tenth of a second) is loaded with the first line that is logged: for verbs that mostly have nothing to say, and have no module
    that asks structlog itself."""
    root = logging.getLogger()
    for handler in [handler for handler in root.handlers if isinstance(handler, _StandardError)]:
        root.removeHandler(handler)
    root.addHandler(_StandardError())
    for name in _OURS:
        logging.getLogger(name).setLevel(_LEVELS[min(verbosity, 2)])
    for name in _FOREIGN:  # at DEBUG these write whole addresses and signed headers
        logging.getLogger(name).setLevel(logging.WARNING)
    if not at_need:
        _configure_structlog()


def _configure_structlog() -> None:
    import structlog

    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            structlog.stdlib.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=lambda *names: logging.getLogger(names[0] if names else "lastcopy"),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )


class _StandardError(logging.Handler):
    """Writes to the standard error of the moment, so that whoever replaced it (a test, a progress bar) gets it."""

    _has_form = False

    def _take_form(self) -> None:
        """At the first line: structlog is slow to load."""
        import structlog

        renderer: Any = structlog.processors.JSONRenderer()
        if sys.stderr.isatty():
            renderer = structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)
        self.setFormatter(
            structlog.stdlib.ProcessorFormatter(
                foreign_pre_chain=[
                    structlog.stdlib.add_log_level,
                    structlog.processors.TimeStamper(fmt="iso", utc=True),
                ],
                processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, _masked, renderer],
            )
        )

    def emit(self, record: logging.LogRecord) -> None:
        try:
            if not self._has_form:
                self._has_form = True
                self._take_form()
            sys.stderr.write(self.format(record) + "\n")
        except (OSError, ValueError):
            self.handleError(record)


def _masked(_: object, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    for key, value in event.items():
        if isinstance(value, str) and key not in {"timestamp", "level"}:
            event[key] = mask(value)
    return event
