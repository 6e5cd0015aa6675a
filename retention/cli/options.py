"""The options that every verb takes, and what a verb gets to work with.

Rules of this file: parsing only; the configuration is read when a verb asks for it. Source: design §6.
"""

import argparse
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from exporters.clock import Clock, SystemClock
from exporters.errors import ConfigurationError
from retention.cli.output import Output

if TYPE_CHECKING:
    from retention.config import Config
    from retention.tracked import Standing

CONFIG_FILE = "lastcopy.yaml"
CONFIG_VARIABLE = "LASTCOPY_CONFIG"


class UsageError(ConfigurationError):
    """The command line is wrong."""

    def __init__(self, message: str, action: str) -> None:
        super().__init__(message, code="usage", action=action)


class Parser(argparse.ArgumentParser):
    """Says what is wrong with a command line by an exception, so that --json holds for it too."""

    def error(self, message: str) -> NoReturn:
        raise UsageError(message, f"See `{self.prog} --help`.")


@dataclass(slots=True)
class Context:
    """What a verb works with. standing: what stands open of warnings, where the verb has found out already."""

    args: argparse.Namespace
    output: Output
    clock: Clock = field(default_factory=SystemClock)
    standing: "Standing | None" = None
    _config: "Config | None" = None

    @property
    def config_file(self) -> Path:
        """The file that --config, LASTCOPY_CONFIG or the default names."""
        return Path(self.args.config or os.environ.get(CONFIG_VARIABLE) or CONFIG_FILE)

    @property
    def config_named(self) -> bool:
        """Whether somebody named the configuration: then it must be there."""
        return bool(self.args.config or os.environ.get(CONFIG_VARIABLE))

    def config(self) -> "Config":
        """The configuration, read now. Raises: ConfigError."""
        from retention.config import load

        if self._config is None:
            self._config = load(self.config_file)
        return self._config

    def take_now(self, config: "Config", *, only_rehearsed: bool) -> None:
        """Go by the time of --now, where it is given. only_rehearsed: the verb sends, records or signs. Raises: UsageError."""
        if self.args.now is None:
            return
        from retention.rehearsed import ShiftedClock, is_rehearsed, told_time

        if only_rehearsed and not is_rehearsed(config, self.clock):
            raise UsageError(
                f"--now is not for `{self.args.verb}`: it sends or records, and this state was not made by a rehearsal",
                "Leave it out: it exists on timeline, status, plan and sweep --dry-run alone.",
            )
        self.clock = ShiftedClock(told_time(self.args.now, config.settings.retention.time_zone))


def common_options(*, suppress: bool) -> Parser:
    """The options of every verb. suppress: leave no default (they may stand before or after the verb)."""
    parser = Parser(add_help=False, allow_abbrev=False)
    nothing = argparse.SUPPRESS

    def default(value: object) -> object:
        return nothing if suppress else value

    group = parser.add_argument_group("options of every verb")
    group.add_argument(
        "--config",
        metavar="FILE",
        default=default(None),
        help=f"configuration (default {CONFIG_FILE}, or ${CONFIG_VARIABLE})",
    )
    group.add_argument(
        "--json", action="store_true", default=default(False), help="one JSON document on standard output"
    )
    group.add_argument("--quiet", action="store_true", default=default(False), help="say nothing but errors")
    group.add_argument("-v", dest="verbose", action="count", default=default(0), help="log more; may be repeated")
    group.add_argument("--now", metavar="TIME", default=default(None), help=nothing)
    return parser


def add_source_option(parser: argparse.ArgumentParser, what: str) -> None:
    """`--source S`, repeatable."""
    parser.add_argument("--source", metavar="S", action="append", default=[], help=what)


def given_before_parsing(argv: Sequence[str], option: str) -> bool:
    """Whether an option stands on a command line that may be too wrong to parse."""
    return option in argv
