"""Which policy holds for a command: the built-in one, with the files that the configuration names, if there is one.

Rules of this file: a configuration that is there must be right; none is needed. Source: design §7 ("timeline without a file").
"""

from pathlib import Path
from typing import NamedTuple

from retention.config import load
from retention.policy import Policy, load_policy
from retention.references import path_of


class Chosen(NamedTuple):
    """The policy, and the tenant's zone where the configuration says one (None: unknown)."""

    policy: Policy
    time_zone: str | None


def policy_of(file: Path, *, named: bool) -> Chosen:
    """The policy in force. named: whether the user named the configuration, so that it must be there.

    Raises: ConfigurationError (also PolicyError).
    """
    if not named and not file.exists():
        return Chosen(load_policy(), None)
    config = load(file)
    retention = config.settings.retention
    own = [path_of(one, config.base) for one in retention.policy_files]
    return Chosen(load_policy(own), retention.known_zone)
