"""The keys of the configuration, with their defaults: one model per section.

Rules of this file: shapes and defaults only; nothing is read or resolved here. An unknown key is an error, an empty one takes
its default. Every key stands in `config.example.yaml` (a test). Loaded only when a configuration is read. Source: design §7.
"""

import re
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, PlainValidator, model_validator

from retention.values import (
    Duration,
    FileReference,
    Fingerprints,
    HttpsAddress,
    Instant,
    Names,
    Reference,
    SigningReference,
    Size,
    Switch,
    TimeOfDay,
    TimeZone,
    names,
    word_for_switch,
)

_SMALLEST_PART = 64 << 10


def _all_none_or_names(value: Any) -> str | list[str]:
    if value in ("all", "on", "yes") or value is True:
        return "all"
    if value in ("none", "off", "no") or value is False:
        return "none"
    if isinstance(value, list):
        return list(names(value))
    raise ValueError("allowed: all, none, or a list of names")


def _versions(value: Any) -> str | int:
    if value in ("current", "all"):
        return str(value)
    if isinstance(value, int) and not isinstance(value, bool) and value >= 1:
        return value
    raise ValueError("allowed: current, all, or how many of the last versions (1 or more)")


def _tenant_id(value: Any) -> str:
    if isinstance(value, str) and re.fullmatch(r"[A-Za-z0-9]([A-Za-z0-9.-]{0,251}[A-Za-z0-9])?", value):
        return value
    raise ValueError("allowed: the tenant's id (a GUID) or one of its domains")


def _plain_word(value: Any) -> str:
    if isinstance(value, str) and re.fullmatch(r"[^\s/?#@]{1,200}", value):
        return value
    raise ValueError("allowed: the application (client) id of the app registration")


def _part_size(value: int) -> int:
    if value < _SMALLEST_PART:  # `10`, meant as 10 GiB, would make a PST of each message
        raise ValueError("allowed: a size such as 10GiB, 64KiB or more")
    return value


class Section(BaseModel):
    """Base of all sections: nothing unknown, nothing changed later, no value in an error."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True, validate_default=True)

    @model_validator(mode="before")
    @classmethod
    def _empty_is_default(cls, data: Any) -> Any:
        if data is None:
            return {}
        if isinstance(data, dict):
            return {key: value for key, value in data.items() if value is not None or key not in cls.model_fields}
        return data


class CredentialSettings(Section):
    """How the application proves who it is: a secret, or a certificate with its key in one PEM."""

    secret: Reference | None = None
    certificate: Reference | None = None
    passphrase: Reference | None = None

    @model_validator(mode="after")
    def _exactly_one(self) -> Self:
        if (self.secret is None) == (self.certificate is None):
            raise ValueError("allowed: either secret or certificate, exactly one of them")
        if self.passphrase is not None and self.certificate is None:
            raise ValueError("allowed: passphrase only with certificate")
        return self


class TenantSettings(Section):
    """Which tenant, in which cloud, as which application."""

    id: Annotated[str, PlainValidator(_tenant_id)]
    cloud: str = "worldwide"
    client_id: Annotated[str, PlainValidator(_plain_word)]
    credential: CredentialSettings
    login: HttpsAddress | None = None
    graph: HttpsAddress | None = None
    sharepoint: HttpsAddress | None = None
    download_hosts: Names = []
    ca_bundle: FileReference | None = None

    @model_validator(mode="after")
    def _addresses_only_where_custom(self) -> Self:
        addresses = ("login", "graph", "sharepoint", "download_hosts", "ca_bundle")
        if self.cloud == "custom":
            missing = [name for name in ("login", "graph") if getattr(self, name) is None]
            if missing:
                raise ValueError(f"cloud: custom also needs {' and '.join(missing)}")
        elif given := [name for name in addresses if getattr(self, name)]:
            raise ValueError(f"{', '.join(given)}: allowed only with cloud: custom")
        return self


class ObjectLockSettings(Section):
    """The lock that every object gets, for buckets with Object Lock."""

    mode: Literal["governance", "compliance"] = "governance"
    until: Instant


class StoreSettings(Section):
    """Where the copy goes."""

    url: Annotated[str, Field(min_length=1)]
    region: str | None = None
    endpoint_url: Annotated[str, Field(pattern=r"^https?://[^\s@]+$")] | None = None
    object_lock: ObjectLockSettings | None = None


Choice = Annotated[str | list[str], PlainValidator(_all_none_or_names)]


class SourcesSettings(Section):
    """What is asked for. mail, onedrive, sharepoint: all, none, or a list of names."""

    mail: Choice = "all"
    onedrive: Choice = "all"
    sharepoint: Choice = "all"
    directory: Switch = True
    exclude: Names = []
    archive: Annotated[Literal["auto", "none"], word_for_switch("auto", "none")] = "auto"
    recoverable: Annotated[Literal["none", "all"], word_for_switch("all", "none")] = "none"


class DriveSection(Section):
    """How much of each drive. versions: current, all, or the last N; permissions: none, shared or all."""

    versions: Annotated[str | int, PlainValidator(_versions)] = "current"
    permissions: Annotated[Literal["none", "shared", "all"], word_for_switch("all", "none")] = "shared"


class PstSettings(Section):
    """part_size: where a PST is split, in bytes."""

    part_size: Annotated[Size, AfterValidator(_part_size)] = 10 << 30


class MailSection(Section):
    """How mail is copied."""

    pst: PstSettings = PstSettings()
    fasttransfer: Annotated[Literal["auto", "on", "off"], word_for_switch("on", "off")] = "auto"


class QuietHours(Section):
    """When nobody is woken for less than a critical warning."""

    start: TimeOfDay = Field(default="20:00", validate_default=True)
    end: TimeOfDay = Field(default="07:00", validate_default=True)


class SubscriptionSettings(Section):
    """How a subscription was bought: Graph does not say."""

    id: str
    channel: Literal[
        "direct", "enterprise", "vl_enterprise", "open_value", "csp_nce", "csp_legacy", "vianet21", "germany", "trial"
    ]
    term: Literal["monthly", "annual", "multi_year"] | None = None


class RetentionSettings(Section):
    """The clock of the tenant."""

    time_zone: TimeZone = "UTC"
    policy_files: Names = []
    quiet_hours: QuietHours = QuietHours()
    sweep_every: Duration = Field(default="1h", validate_default=True)
    subscriptions: list[SubscriptionSettings] = []

    @property
    def known_zone(self) -> str | None:
        """The tenant's zone, None where nobody has said which: then dates and wall times are read in every zone."""
        return self.time_zone if "time_zone" in self.model_fields_set else None


class NotifyEntry(Section):
    """Who is warned, in order of escalation."""

    name: Annotated[str, Field(min_length=1)]
    to: Reference
    min_severity: Literal["info", "notice", "high", "critical"] = "notice"
    escalate_after: Duration = Field(default="24h", validate_default=True)


class HeartbeatSettings(Section):
    """An address that is called while all is well."""

    url: Reference | None = None


class PlanSettings(Section):
    """What `plan` reckons with."""

    line_mbit: Annotated[int, Field(ge=1)] = 1000


class ReadySettings(Section):
    """How old a copy and its verification may be for `ready`."""

    max_age: Duration = Field(default="24h", validate_default=True)
    verify_age: Duration = Field(default="30d", validate_default=True)


class EvidenceSettings(Section):
    """How evidence is signed and stamped."""

    key: SigningReference = "file:./evidence-key.pem"
    passphrase: Reference | None = None
    timestamp_url: Annotated[str, Field(pattern=r"^https?://[^\s@]+$")] | None = None
    trusted_keys: Fingerprints = []


class Settings(Section):
    """The whole configuration. `tenant` and `store` are None where the file has none of them."""

    tenant: TenantSettings | None = None
    store: StoreSettings | None = None
    sources: SourcesSettings = SourcesSettings()
    drive: DriveSection = DriveSection()
    mail: MailSection = MailSection()
    state: Annotated[str, BeforeValidator(lambda value: value)] = "sqlite:///lastcopy.db"
    retention: RetentionSettings = RetentionSettings()
    notify: list[NotifyEntry] = []
    heartbeat: HeartbeatSettings = HeartbeatSettings()
    plan: PlanSettings = PlanSettings()
    ready: ReadySettings = ReadySettings()
    evidence: EvidenceSettings = EvidenceSettings()

    @model_validator(mode="after")
    def _names_are_unique(self) -> Self:
        seen: set[str] = set()
        for entry in self.notify:
            if entry.name in seen:
                raise ValueError(f"notify: two entries have the name {entry.name!r}; allowed: each name once")
            seen.add(entry.name)
        return self
