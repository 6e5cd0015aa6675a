"""The policy in force: what Microsoft has published about the end of a subscription, as data.

Rules of this file: the policy as a whole and how it is found; `policy_parts` has the shapes, `policy_merging` lays files over one
another. Nothing is fetched. The earlier of two published numbers drives warnings. Source: retention-domain §2.1 to §2.4.

    policy = load_policy()                       # the built-in one; load_policy([Path("own.yaml")]) lays a file over it
    policy.window("direct", "cancel")            # Window, or None: then policy.fallback holds
"""

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from datetime import date, datetime, timedelta
from functools import cached_property
from importlib.resources import files
from pathlib import Path
from typing import Any, Self

import yaml
from pydantic import BaseModel, Field, ValidationError, model_validator

from exporters.errors import ConfigurationError
from retention.policy_parts import (
    Conflict,
    Fallback,
    ObjectClocks,
    Part,
    PolicyFile,
    Refused,
    Shortcut,
    SourceDocument,
    State,
    StateMeaning,
    Window,
)
from retention.unique_keys import FastUniqueKeys

BUILT_IN = "policies"


class PolicyError(ConfigurationError):
    """A policy file cannot be used: which one, where in it, and what is allowed there."""

    def __init__(self, message: str, action: str) -> None:
        super().__init__(message, code="policy_invalid", action=action)


class AcceptedRisk(Part):
    """A part that makes dates later than published, and who took that upon them. It goes into the evidence."""

    part: str
    policy_id: str
    by: str
    reason: str


class Policy(Part):
    """The policy in force: the built-in one, and files of one's own laid over it."""

    policy_id: str
    max_age_days: int
    sources: dict[str, SourceDocument]
    conflicts: dict[str, Conflict]
    states: dict[State, StateMeaning]
    windows: list[Window]
    shortcuts: list[Shortcut]
    refused: list[Refused]
    object_clocks: ObjectClocks
    fallback: Fallback
    accepted_risks: list[AcceptedRisk] = Field(default_factory=list)

    @model_validator(mode="after")
    def _holds_together(self) -> Self:
        for place, reference in references(self):
            if source_key(reference) not in self.sources:
                raise ValueError(f"{place}: there is no source {source_key(reference)!r}; add it to `sources`")
        for part in [*self.windows, *self.shortcuts, *vars(self.object_clocks).values()]:
            for name in part.conflicts if part else ():
                if name not in self.conflicts:
                    raise ValueError(f"there is no conflict {name!r}; add it to `conflicts`")
        for count, window in enumerate(self.windows):
            for other in self.windows[:count]:
                if window.id == other.id or window.applies_to.meets(other.applies_to):
                    raise ValueError(f"the windows {other.id!r} and {window.id!r} match one subscription")
        triggers = [one.trigger for one in self.shortcuts if one.trigger]
        if sorted(triggers) != ["delete_subscription", "expedited_deprovision"]:
            raise ValueError("shortcuts: one for delete_subscription and one for expedited_deprovision are needed")
        if absent := [name for name, clock in vars(self.object_clocks).items() if clock is None]:
            raise ValueError(f"object_clocks: {', '.join(absent)} is missing")
        return self

    @cached_property
    def sha256(self) -> str:
        """Of the canonical JSON of the whole policy: 64 hex digits. Stands in every warning and report."""
        text = json.dumps(self.as_json(), sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        return hashlib.sha256(text.encode()).hexdigest()

    def as_json(self) -> Mapping[str, Any]:
        """The whole policy, as its files would say it."""
        return self.model_dump(mode="json", by_alias=True)

    def window(
        self,
        channel: str,
        trigger: str,
        *,
        term: str | None = None,
        segment: str = "commercial",
        cloud: str = "worldwide",
    ) -> Window | None:
        """The one window of a subscription; None: the fallback holds."""
        return next(
            (one for one in self.windows if one.applies_to.matches(channel, trigger, term, segment, cloud)), None
        )

    def shortcut(self, trigger: str) -> Shortcut:
        """The shortcut that an event tells of. Raises: KeyError."""
        for one in self.shortcuts:
            if one.trigger == trigger:
                return one
        raise KeyError(trigger)

    def refusal(self, channel: str) -> Refused | None:
        """Why no date is told for a channel; None where dates are."""
        return next((one for one in self.refused if one.channel == channel), None)

    @property
    def verified_on(self) -> date:
        """The oldest verification of any window."""
        return min(window.verified_on for window in self.windows)

    def too_old(self, now: datetime) -> bool:
        """Whether the policy should have been verified again (preflight PF-25)."""
        return now.date() - self.verified_on > timedelta(days=self.max_age_days)

    def source_of(self, reference: str) -> SourceDocument:
        """The document of a reference such as `SEED: Save your data`. Raises: KeyError."""
        return self.sources[source_key(reference)]


def load_policy(own: Iterable[Path] = ()) -> Policy:
    """The built-in policy, with the files of one's own laid over it in this order. Raises: PolicyError."""
    from retention.policy_merging import lay_over, united

    built_in = sorted(
        (one for one in files("retention").joinpath(BUILT_IN).iterdir() if one.name.endswith(".yaml")), key=str
    )
    policy = united([parse_policy(one.read_text(encoding="utf-8"), one.name) for one in built_in])
    for file in own:
        policy = lay_over(policy, parse_policy(_text_of(file), file.name), file.name)
    return policy


def parse_policy(text: str, name: str) -> PolicyFile:
    """The policy file in a YAML text. name: of the file, for errors. Raises: PolicyError."""
    try:
        document = yaml.load(text, Loader=FastUniqueKeys)  # noqa: S506 - a SafeLoader
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        place = f" at line {mark.line + 1}" if mark else ""
        problem = getattr(error, "problem", None) or "it is no YAML"
        raise PolicyError(f"{name} cannot be read as YAML{place}: {problem}", "Correct that line.") from None
    if not isinstance(document, dict):
        raise PolicyError(f"{name} holds no keys", "A policy file begins with schema and policy_id.")
    try:
        return PolicyFile.model_validate(document)
    except ValidationError as error:
        raise refused(name, error) from None


def refused(name: str, error: ValidationError) -> PolicyError:
    """The error of a file that does not hold together: every mistake with its place."""
    told = []
    for row in error.errors(include_input=False, include_url=False):
        place = ".".join(str(part) for part in row["loc"])
        what = (
            str(row["ctx"]["error"])
            if row["type"] == "value_error"
            else "unknown key"
            if row["type"] == "extra_forbidden"
            else row["msg"]
        )
        told.append(f"{place}: {what}" if place else what)
    return PolicyError(
        f"{name}: {'; '.join(told)}", "Correct the file; docs/operating.md, The clock, shows one that is right."
    )


def _text_of(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise PolicyError(
            f"the policy file {file} cannot be read ({reason})", "Correct retention.policy_files in the configuration."
        ) from None


def source_key(reference: str) -> str:
    """`SEED` of `SEED: Save your data`."""
    return reference.partition(":")[0].strip()


def references(part: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """Every reference to a source in a part of a policy, with its place."""
    if isinstance(part, BaseModel):
        for name in type(part).model_fields:
            value = getattr(part, name)
            where = f"{path}.{name}" if path else name
            if name == "source" and isinstance(value, str):
                yield where, value
            else:
                yield from references(value, where)
    elif isinstance(part, dict):
        for key, value in part.items():
            yield from references(value, f"{path}.{key}")
    elif isinstance(part, list):
        for place, value in enumerate(part):
            yield from references(value, f"{path}[{getattr(value, 'id', place)}]")
