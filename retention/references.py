"""Secrets by reference: `env:NAME`, `file:PATH`, `keyring:NAME`, read only when they are needed.

Rules of this file: a value never enters a message, a log or a repr; every error names the key of the configuration.
Source: design §7, §10.
"""

import os
from pathlib import Path

from exporters.errors import ConfigurationError

KEYRING_SERVICE = "lastcopy"


class ReferenceUnreadableError(ConfigurationError):
    """A reference leads to nothing that can be read. `key`: the key of the configuration."""

    def __init__(self, key: str, what: str, action: str) -> None:
        super().__init__(f"{key}: {what}", code="secret_unreadable", action=action)
        self.key = key


def read_secret(reference: str, base: Path, key: str) -> str:
    """The text that `reference` stands for, without line ends around it.

    base: folder that relative paths are relative to. key: such as `tenant.credential.secret`, for errors.
    Raises: ReferenceUnreadableError.
    """
    kind, _, rest = reference.partition(":")
    if kind == "env":
        text = os.environ.get(rest)
        if not text:
            raise ReferenceUnreadableError(
                key, f"the environment variable {rest} is not set", f"Set {rest} and run again."
            )
        return text
    if kind == "keyring":
        return _from_keyring(rest, key)
    try:
        text = read_file(reference, base, key).decode().strip("\r\n")
    except UnicodeDecodeError:
        raise ReferenceUnreadableError(key, f"the file {rest} holds no text", "Put the secret there as text.") from None
    if not text:
        raise ReferenceUnreadableError(key, f"the file {rest} is empty", "Put the secret there.")
    return text


def read_bytes(reference: str, base: Path, key: str) -> bytes:
    """As `read_secret`, as bytes (PEM). Raises: ReferenceUnreadableError."""
    if reference.startswith("file:"):
        return read_file(reference, base, key)
    return read_secret(reference, base, key).encode()


def read_file(reference: str, base: Path, key: str) -> bytes:
    """The bytes of a `file:` reference. Raises: ReferenceUnreadableError."""
    path = path_of(reference, base)
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise ReferenceUnreadableError(
            key, f"there is no file {path}", "Put it there, or correct the path (relative to the configuration)."
        ) from None
    except OSError as error:
        raise ReferenceUnreadableError(
            key, f"{path} cannot be read ({error.strerror})", "Make it readable for the user who runs Lastcopy."
        ) from None


def path_of(reference: str, base: Path) -> Path:
    """The path that a `file:` reference names."""
    return base / Path(reference.removeprefix("file:")).expanduser()


def open_to_others(reference: str, base: Path) -> bool:
    """Whether other users of this machine can read the file of a reference."""
    if not reference.startswith("file:") or os.name != "posix":
        return False
    try:
        return bool(path_of(reference, base).stat().st_mode & 0o077)
    except OSError:
        return False


def _from_keyring(name: str, key: str) -> str:
    try:
        import keyring
        from keyring.errors import KeyringError
    except ImportError:
        raise ReferenceUnreadableError(
            key,
            "keyring: needs a package that is not installed",
            "Run pip install 'lastcopy[keyring]', or use env: or file:.",
        ) from None
    try:
        text = keyring.get_password(KEYRING_SERVICE, name)
    except KeyringError:
        raise ReferenceUnreadableError(
            key, "this machine has no key ring that can be opened", "Use env:NAME or file:PATH instead."
        ) from None
    if not text:
        raise ReferenceUnreadableError(
            key, f"the key ring holds no {name!r}", f"Run keyring set {KEYRING_SERVICE} {name}, and run again."
        )
    return str(text)
