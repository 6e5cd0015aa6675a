"""`config.example.yaml` shows every key, with its default and one line of explanation (design §7)."""

import re
from pathlib import Path
from typing import Any, get_args

import pytest
import yaml
from pydantic import BaseModel
from pydantic_core import PydanticUndefined

from retention.config import parse
from retention.settings import Settings

EXAMPLE = Path(__file__).parents[2] / "config.example.yaml"
TEXT = EXAMPLE.read_text(encoding="utf-8")
OPTIONAL = "#~ "


def models(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for part in get_args(annotation) for model in models(part)]


def keys(model: type[BaseModel], prefix: str = "") -> list[str]:
    """Every key below a model, as `tenant.credential.secret`."""
    found = []
    for name, field in model.model_fields.items():
        found.append(f"{prefix}{name}")
        for inner in models(field.annotation):
            found += keys(inner, f"{prefix}{name}.")
    return found


def shown_keys(text: str) -> list[str]:
    """Keys of a YAML text, by their indentation, whether they are commented out or not."""
    found, stack = [], []
    for line in text.splitlines():
        plain = re.sub(r"^(\s*)#~ ", r"\1", line)
        match = re.match(r"(\s*)(?:- )?([a-z_]+):", plain)
        if match is None or plain.lstrip().startswith("#"):
            continue
        indent = len(match[1]) + (2 if plain.lstrip().startswith("- ") else 0)
        while stack and stack[-1][0] >= indent:
            stack.pop()
        stack.append((indent, match[2]))
        found.append(".".join(name for _, name in stack))
    return found


def test_it_loads() -> None:
    settings = parse(TEXT)
    assert settings.tenant is not None
    assert settings.store is not None


@pytest.mark.parametrize("key", keys(Settings))
def test_every_key_is_shown(key: str) -> None:
    assert key in shown_keys(TEXT)


def test_no_other_key_is_shown() -> None:
    assert set(shown_keys(TEXT)) <= set(keys(Settings))


def test_defaults_shown_are_the_defaults() -> None:
    shown = parse(TEXT)

    def compare(model: BaseModel, path: str) -> None:
        for name, field in type(model).model_fields.items():
            value = getattr(model, name)
            if isinstance(value, BaseModel):
                compare(value, f"{path}{name}.")
            elif not field.is_required() and path not in ("tenant.credential.",):
                default = (
                    type(model)().__getattribute__(name) if not path.startswith(("tenant", "store")) else field.default
                )
                assert default is not PydanticUndefined
                assert value == default, f"{path}{name}"

    compare(shown, "")


def test_every_key_has_its_line_of_explanation() -> None:
    for line in TEXT.splitlines():
        plain = re.sub(r"^(\s*)#~ ", r"\1", line)
        if re.match(r"\s*(- )?[a-z_]+: *\S", plain) and not plain.lstrip().startswith("#"):
            assert re.search(r"\S\s+# \S", plain), f"no explanation: {line}"


@pytest.mark.parametrize("key", ["store.object_lock", "retention.subscriptions", "notify", "heartbeat"])
def test_what_is_commented_out_is_right_too(key: str) -> None:
    """Each block that is commented out loads in the place of the line that it replaces."""
    name = key.rpartition(".")[2]
    lines, result, taking = TEXT.splitlines(), [], False
    for line in lines:
        match = re.match(rf"(\s*)#~ ({name}):", line)
        if match:
            taking = True
            result = [kept for kept in result if not re.match(rf"{match[1]}{name}:", kept)]
        elif not re.match(r"\s*#~ \s", line):
            taking = False
        result.append(re.sub(r"^(\s*)#~ ", r"\1", line) if taking else line)
    text = "\n".join(result)
    assert yaml.safe_load(text) != yaml.safe_load(TEXT)
    parse(text)
