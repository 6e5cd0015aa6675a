"""The shapes of a policy file: sources, conflicts, windows with their stages, shortcuts, related clocks.

Rules of this file: shapes and what each must hold by itself, no I/O. An unknown key is an error; every window has its source
and the day on which it was last verified; where sources disagree both numbers stand here. Source: retention-domain §2.1 to §2.4.
"""

from datetime import date
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

SCHEMA = "lastcopy.retention.policy/1"
DAY_SECONDS = 86_400

State = Literal["Active", "Expired", "Grace", "Disabled", "Inactive", "Suspended", "Deleted"]
Basis = Literal["stated", "extended", "inferred", "field"]
"""stated for exactly this case, extended from a stricter neighbouring one, inferred by us; field: unofficial."""
Channel = Literal[
    "direct", "enterprise", "vl_enterprise", "open_value", "csp_nce", "csp_legacy", "vianet21", "germany", "trial"
]
Trigger = Literal["cancel", "term_end", "suspend", "term_end_suspended"]
Term = Literal["monthly", "annual", "multi_year"]
Segment = Literal["commercial", "education", "nonprofit", "gcc", "dod"]
Days = Annotated[int, Field(ge=0, le=36_500)]
Text = Annotated[str, Field(min_length=1)]
Reference = Annotated[str, Field(pattern=r"^[A-Z0-9][A-Za-z0-9]*(:.*)?$")]
"""The key of a source, and the section after a colon: `SEED: Save your data`."""


def _as_list(value: Any) -> Any:
    return value if value is None or isinstance(value, list) else [value]


class Part(BaseModel):
    """Base of all parts of a policy: closed and unchangeable."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Says(Part):
    """One sentence, and the source that says it."""

    says: Text
    source: Reference


class SourceDocument(Part):
    """A document that was read. document_date: as printed in it. sha256: of the copy that was read."""

    title: Text
    publisher: Text = "Microsoft"
    document_date: date | Text
    verified_on: date
    sha256: Text | None = None


class Conflict(Part):
    """Where sources disagree: each statement with its source, and what is done about it."""

    about: Text
    statements: Annotated[list[Says], Field(min_length=2)]
    handling: Text
    verified_on: date


class Stage(Part):
    """One state of a window. users, admins: whether they can work with data; reactivate: whether the customer can undo it."""

    state: State
    days: Days
    users: bool = False
    admins: bool = False
    reactivate: bool = False
    users_can: Says | None = None
    admins_can: Says | None = None


class Alternative(Part):
    """What another page of the same publisher says."""

    days: Days
    source: Reference


class AtRisk(Part):
    """When the strictest published sentence says that data may be gone: days from the start of the clock."""

    days: Days
    basis: Basis = "inferred"
    source: Reference | None = None
    alternative: Alternative | None = None


class GoneBy(Part):
    """The latest published bound, counted from the latest reading of the start."""

    days: Days
    start: Annotated[Literal["latest"], Field(alias="from")] = "latest"
    basis: Basis = "inferred"
    source: Reference | None = None
    alternative: Alternative | None = None

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


class Windows(Part):
    """The stages after the start of a clock, and the two statements about data.

    cut_short_by: the event that ends the last stage early.
    """

    stages: Annotated[list[Stage], Field(min_length=1)]
    at_risk: AtRisk
    gone_by: GoneBy
    cut_short_by: Literal["term_end"] | None = None

    @model_validator(mode="after")
    def _stages_agree(self) -> Self:
        chances = {stage.reactivate for stage in self.stages}
        if len(chances) > 1:
            raise ValueError("reactivate must be the same in every stage: the last reactivation is the end of the last")
        users = [stage.users for stage in self.stages]
        if users != sorted(users, reverse=True):
            raise ValueError("users who were locked out do not get in again in a later stage")
        if self.gone_by.days < self.protected_days:
            raise ValueError("gone_by lies before the end of the stages")
        return self

    @property
    def access_days(self) -> int:
        """Days until users are locked out."""
        return sum(stage.days for stage in self.stages if stage.users)

    @property
    def protected_days(self) -> int:
        """Days until the state is Deleted."""
        return sum(stage.days for stage in self.stages)

    @property
    def at_risk_days(self) -> int:
        """Not before users are locked out, not after the end of the protected stages."""
        return min(max(self.at_risk.days, self.access_days), self.protected_days)

    @property
    def reactivate(self) -> bool:
        return self.stages[0].reactivate


class AppliesTo(Part):
    """Which subscriptions a window is for; None: all."""

    channel: Channel
    trigger: Trigger
    term: Annotated[list[Term] | None, BeforeValidator(_as_list)] = None
    segment: Annotated[list[Segment] | None, BeforeValidator(_as_list)] = None
    cloud: Annotated[list[str] | None, BeforeValidator(_as_list)] = None

    def meets(self, other: "AppliesTo") -> bool:
        """Whether one subscription could match both."""
        return (self.channel, self.trigger) == (other.channel, other.trigger) and all(
            mine is None or theirs is None or set(mine) & set(theirs)
            for mine, theirs in [(self.term, other.term), (self.segment, other.segment), (self.cloud, other.cloud)]
        )

    def matches(self, channel: str, trigger: str, term: str | None, segment: str, cloud: str) -> bool:
        return (
            (self.channel, self.trigger) == (channel, trigger)
            and (self.term is None or term in self.term)
            and (self.segment is None or segment in self.segment)
            and (self.cloud is None or cloud in self.cloud)
        )


class Window(Part):
    """What follows one trigger in one channel."""

    id: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]*$")]
    title: str = ""
    applies_to: AppliesTo
    source: Reference
    verified_on: date
    basis: Basis = "stated"
    conflicts: list[str] = []
    notes: list[Says] = []
    windows: Windows


class Shortcut(Part):
    """Something a person can do that ends every window at once, whatever the channel.

    trigger: the event that tells of it; None where only its steps are seen. gone_by_days: None: that of the clock that ran.
    beforehand: what is told while there is still time, for afterwards there is none.
    """

    id: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]*$")]
    title: Text
    trigger: Literal["delete_subscription", "expedited_deprovision"] | None = None
    steps: list[Says] = []
    days: Days
    state: State = "Deleted"
    gone_by_days: Days | None = None
    beforehand: Says
    source: Reference
    verified_on: date
    basis: Basis = "stated"
    conflicts: list[str] = []
    notes: list[Says] = []


class Refused(Part):
    """A channel for which no date is told, and why."""

    channel: Channel
    why: Says
    verified_on: date


class Fallback(Part):
    """Holds where no window matches: the strictest."""

    stages: Annotated[list[Stage], Field(min_length=1)]
    at_risk: AtRisk
    gone_by: GoneBy

    @property
    def windows(self) -> Windows:
        return Windows(stages=self.stages, at_risk=self.at_risk, gone_by=self.gone_by)


class StateMeaning(Part):
    """A lifecycle state: its other names, and what Graph shows meanwhile."""

    other_names: list[str] = []
    graph_status: list[Literal["Enabled", "Warning", "Suspended", "Deleted", "LockedOut"]] = []
    says: list[Says] = []
    source: Reference
    basis: Basis = "inferred"
    verified_on: date


class Clock(Part):
    """Base of the related clocks, which run per user, drive, file, group or package."""

    title: str = ""
    starts_at: str = ""
    source: Reference
    verified_on: date | None = None
    basis: Basis = "stated"
    conflicts: list[str] = []
    notes: list[Says] = []


class Plain(Clock):
    days: Days


class Chosen(Clock):
    """days: unless the tenant or item has its own number between least and most."""

    days: Days
    least: Days | None = None
    most: Days | None = None


class UnlicensedDrive(Clock):
    read_only_days: Days
    archived_days: Days
    exempt_segments: list[Segment] = []


class Range(Part):
    default: Days
    min: Days
    max: Days


class DeletedUserDrive(Clock):
    retention_days: Range
    recycle_days: Days


class OverAssignment(Clock):
    """days to bring assignments down; at_once: channels in which services go at once."""

    days: Days
    at_once: list[Channel] = []


class ObjectClocks(Part):
    """The related clocks (§2.3). In a file of one's own each is optional."""

    unlicensed_onedrive: UnlicensedDrive | None = None
    deleted_user_onedrive: DeletedUserDrive | None = None
    deleted_user: Plain | None = None
    mailbox_without_licence: Plain | None = None
    inactive_mailbox: Clock | None = None
    recoverable_items: Chosen | None = None
    deleted_group: Plain | None = None
    recycle_bin: Chosen | None = None
    export_package: Plain | None = None
    over_assignment: OverAssignment | None = None


class AcceptRisk(Part):
    """Who takes it upon them that dates become later than published, and why."""

    by: Text
    reason: Text


class PolicyFile(Part):
    """One file: the whole policy, or a part of it."""

    schema_: Annotated[Literal["lastcopy.retention.policy/1"], Field(alias="schema")]
    policy_id: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._+-]*$")]
    day_seconds: Literal[86400] = 86400
    max_age_days: Annotated[int, Field(ge=1, le=180)] | None = None
    sources: dict[str, SourceDocument] = {}
    conflicts: dict[str, Conflict] = {}
    states: dict[State, StateMeaning] = {}
    windows: list[Window] = []
    shortcuts: list[Shortcut] = []
    refused: list[Refused] = []
    object_clocks: ObjectClocks = ObjectClocks()
    fallback: Fallback | None = None
    accept_risk: AcceptRisk | None = None

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)
