"""Which software this is, as records and reports name it. Source: design §8 (software version)."""

from importlib import metadata

NAME = "lastcopy"


def version() -> str:
    """Of what is installed."""
    return metadata.version(NAME)


def software() -> str:
    """Name and version, as the journal has them."""
    return f"{NAME} {version()}"
