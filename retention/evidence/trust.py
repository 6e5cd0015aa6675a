"""Which keys are believed: those whose fingerprints somebody wrote down outside of the package.

Rules of this file: a fingerprint counts if it stands in `evidence.trusted_keys`, or in the file beside the configuration where
keys that Lastcopy made are noted; never because of what stands in a store. Source: design §8; docs/decisions/0092.
"""

import os
import re
from pathlib import Path

from exporters.clock import Clock, timestamp
from retention.config import Config
from retention.evidence.errors import EvidenceKeyError

FILE = "evidence-trusted"
_LINE = re.compile(r"([0-9a-f]{64})(?:\s.*)?")
_HEADING = (
    "# Keys whose evidence is believed here: SHA-256 of the public key, and since when. Remove a line to end that.\n"
)


def trusted(config: Config) -> dict[str, str]:
    """{fingerprint: where it is written}. Raises: EvidenceKeyError if the file cannot be read, or others can write to it."""
    place = trust_file(config)
    found: dict[str, str] = {}
    try:
        if os.name == "posix" and place.stat().st_mode & 0o022:
            raise EvidenceKeyError(
                f"others on this machine can write to {place}, and so say which keys are believed",
                code="trust_open",
                action="Look at its lines, then run chmod 644 on it.",
            )
        for line in place.read_text(encoding="utf-8").splitlines():
            if match := _LINE.fullmatch(line.strip()):
                found[match[1]] = place.name
    except FileNotFoundError:
        found = {}
    except (OSError, UnicodeDecodeError):
        raise EvidenceKeyError(
            f"{place} cannot be read", code="trust_unreadable", action="Make it readable, or remove it."
        ) from None
    return found | dict.fromkeys(config.settings.evidence.trusted_keys, "evidence.trusted_keys")


def trust_file(config: Config) -> Path:
    """Where keys that were made here are noted."""
    return config.base / FILE


def trust(config: Config, fingerprint: str, clock: Clock) -> None:
    """Note a key as believed, safe from a loss of power. Called twice: a second line. Raises: EvidenceKeyError."""
    place = trust_file(config)
    line = f"{fingerprint} made here {timestamp(clock.now())}\n"
    try:
        file = os.open(place, os.O_CREAT | os.O_APPEND | os.O_WRONLY | os.O_CLOEXEC, 0o644)
        try:
            os.write(file, ((_HEADING if os.fstat(file).st_size == 0 else "") + line).encode())
            os.fsync(file)
        finally:
            os.close(file)
    except OSError as error:
        raise EvidenceKeyError(
            f"{place} cannot be written ({error.strerror})",
            code="trust_unwritable",
            action="Let the folder of the configuration be writable once, or make a key yourself and name its fingerprint"
            " in evidence.trusted_keys.",
        ) from None
