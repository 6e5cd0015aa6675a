"""Reads the configuration: one YAML file, validated as a whole, all mistakes told at once.

Rules of this file: an error names the key and what is allowed, never a value that could be a secret; nothing is touched
before the whole file is right. pydantic and PyYAML load here, so verbs import this module when they run. Source: design §7.

    config = load(Path("lastcopy.yaml"))
    config.tenant.id, config.store.url          # ConfigurationError where the file has no such section
"""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, get_args

import yaml
from pydantic import BaseModel, ValidationError

from exporters.errors import ConfigurationError
from retention.references import path_of
from retention.settings import Settings, StoreSettings, TenantSettings
from retention.unique_keys import UniqueKeys

DEFAULT_FILE = "lastcopy.yaml"
ENVIRONMENT = "LASTCOPY_CONFIG"
_EXAMPLE = "config.example.yaml shows every key"
_MESSAGES = {
    "missing": "is missing",
    "string_type": "allowed: text",
    "string_too_short": "allowed: text that is not empty",
    "int_type": "allowed: a whole number",
    "int_parsing": "allowed: a whole number",
    "int_from_float": "allowed: a whole number",
    "bool_type": "allowed: on or off",
    "list_type": "allowed: a list",
    "model_type": "allowed: keys below it",
    "model_attributes_type": "allowed: keys below it",
    "dict_type": "allowed: keys below it",
    "greater_than_equal": "allowed: 1 or more",
    "string_pattern_mismatch": "allowed: an address that begins with https:// or http://",
}


class Mistake(NamedTuple):
    """One mistake: key as in `tenant.cloud`, and what is wrong or allowed."""

    key: str
    what: str


class ConfigError(ConfigurationError):
    """The configuration cannot be used. `mistakes`: all of them; `key`: of the first."""

    def __init__(self, message: str, *, code: str, action: str, mistakes: Sequence[Mistake] = ()) -> None:
        super().__init__(message, code=code, action=action)
        self.mistakes = tuple(mistakes)
        self.key = self.mistakes[0].key if self.mistakes else ""


@dataclass(frozen=True, slots=True)
class Config:
    """The settings of a file, and where it lies: relative paths are relative to `base`."""

    file: Path
    settings: Settings

    @property
    def base(self) -> Path:
        return self.file.parent

    @property
    def tenant(self) -> TenantSettings:
        """Raises: ConfigError if the file has no tenant."""
        if self.settings.tenant is None:
            raise self._lacks("tenant", "the tenant's id, client_id and credential")
        return self.settings.tenant

    @property
    def store(self) -> StoreSettings:
        """Raises: ConfigError if the file has no store."""
        if self.settings.store is None:
            raise self._lacks("store", "the store's url")
        return self.settings.store

    def path(self, reference: str) -> Path:
        """The path of a `file:` reference."""
        return path_of(reference, self.base)

    def _lacks(self, key: str, what: str) -> ConfigError:
        return ConfigError(
            f"{self.file.name}: {key} is missing",
            code="configuration_invalid",
            action=f"Add {key} with {what}; {_EXAMPLE}.",
            mistakes=[Mistake(key, "is missing")],
        )


def load(file: Path) -> Config:
    """Read and check a configuration. Raises: ConfigError naming every mistake."""
    try:
        text = file.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise ConfigError(
            f"there is no configuration {file}",
            code="configuration_missing",
            action="Run `lastcopy init`, or name the file with --config or LASTCOPY_CONFIG.",
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise ConfigError(
            f"the configuration {file} cannot be read ({reason})",
            code="configuration_unreadable",
            action="Make it a readable text file.",
        ) from None
    return Config(Path(os.path.abspath(file)), parse(text, file.name))  # noqa: PTH100 - resolve() would follow links


def parse(text: str, name: str = DEFAULT_FILE) -> Settings:
    """The settings that a YAML text holds. name: of the file, for errors. Raises: ConfigError."""
    try:
        document = yaml.load(text, Loader=UniqueKeys)  # noqa: S506 - a SafeLoader
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        place = f" at line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        problem = getattr(error, "problem", None) or "it is no YAML"
        raise ConfigError(
            f"{name} cannot be read as YAML{place}: {problem}",
            code="configuration_invalid",
            action=f"Correct that line; {_EXAMPLE}.",
        ) from None
    document = {} if document is None else document
    if not isinstance(document, dict):
        raise ConfigError(
            f"{name} holds no keys", code="configuration_invalid", action=f"Begin with tenant: and store:; {_EXAMPLE}."
        )
    try:
        settings = Settings.model_validate(document)
    except ValidationError as error:
        raise _refused(name, [_mistake(row) for row in error.errors(include_input=False, include_url=False)]) from None
    return settings


def _refused(name: str, mistakes: list[Mistake]) -> ConfigError:
    told = [f"{mistake.key}: {mistake.what}" if mistake.key else mistake.what for mistake in mistakes]
    start = name if len(told) == 1 else f"{name} has {len(told)} mistakes"
    return ConfigError(
        f"{start}: {'; '.join(told)}",
        code="configuration_invalid",
        action=f"Correct {'this key' if len(told) == 1 else 'these keys'}; {_EXAMPLE}.",
        mistakes=mistakes,
    )


def _mistake(row: Mapping[str, Any]) -> Mistake:
    location = [part for part in row["loc"] if isinstance(part, int) or "[" not in part]
    key = ""
    for part in location:
        key += f"[{part}]" if isinstance(part, int) else f".{part}" if key else str(part)
    kind, context = str(row["type"]), row.get("ctx") or {}
    if kind == "extra_forbidden":
        return Mistake(key, f"unknown key; allowed here: {', '.join(allowed_at(location[:-1]))}")
    if kind == "literal_error":
        return Mistake(key, f"allowed: {context['expected']}")
    if kind == "value_error":
        return Mistake(key, str(context["error"]))
    return Mistake(key, _MESSAGES.get(kind, "this value is not allowed here"))


def allowed_at(location: Sequence[str | int]) -> list[str]:
    """The keys that may stand at a place of the configuration."""
    model: type[BaseModel] = Settings
    for part in location:
        if isinstance(part, int):
            continue
        annotation = model.model_fields[part].annotation
        model = next(kind for kind in _models(annotation))
    return list(model.model_fields)


def _models(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for part in get_args(annotation) for model in _models(part)]
