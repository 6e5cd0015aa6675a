"""The policy: every sentence has its source, and files of one's own protect no less (retention-domain §2.2 to §2.4)."""

import re
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
import yaml

from retention.policy import Policy, PolicyError, load_policy, parse_policy, references, source_key
from retention.policy_parts import Says
from retention.policy_shown import explained

POLICY = load_policy()
HEAD = "schema: lastcopy.retention.policy/1\npolicy_id: own-1\n"
SKETCH = """
schema: lastcopy.retention.policy/1
policy_id: lastcopy-retention-2026-11
day_seconds: 86400
max_age_days: 180
sources:
  SEED: {title: "Cancel your subscription", document_date: 2021-02-05, verified_on: 2026-11-23, sha256: "<copy read>"}
windows:
  - id: direct-cancel
    applies_to: {channel: direct, trigger: cancel}
    source: "SEED: What happens when you cancel a subscription"
    verified_on: 2026-11-23
    windows:
      stages: [{state: Disabled, days: 90, users: false, admins: true, reactivate: true}]
      at_risk: {days: 30, basis: stated, source: "SEED: Save your data", alternative: {days: 90, source: W24}}
      gone_by: {days: 180, from: latest, basis: stated, source: "SEED: Save your data"}
object_clocks:
  unlicensed_onedrive: {read_only_days: 60, archived_days: 93, exempt_segments: [education, gcc, dod], source: OD2}
  deleted_user_onedrive: {retention_days: {default: 30, min: 30, max: 3650}, recycle_days: 93, source: OD1}
  export_package: {days: 14, source: MC}
fallback:
  stages: [{state: Disabled, days: 30, users: false, reactivate: false}]
  at_risk: {days: 30}
  gone_by: {days: 180, from: latest}
"""
EXEMPT = """
object_clocks:
  unlicensed_onedrive: {read_only_days: 60, archived_days: 93, exempt_segments: [nonprofit, education, gcc, dod], source: OD2}
"""
SLOWER = """
shortcuts:
  - {id: delete-subscription, title: T, trigger: delete_subscription, days: 3, beforehand: {says: S, source: EN},
     source: EN, verified_on: 2026-11-28}
"""


def window(days: int = 90, risk: int = 30, gone: int = 180, **changes: Any) -> str:
    """A file of one's own with the window direct-cancel."""
    one: dict[str, Any] = {
        "id": "direct-cancel",
        "applies_to": {"channel": "direct", "trigger": "cancel"},
        "source": "W24",
        "verified_on": date(2026, 11, 28),
        "windows": {
            "stages": [{"state": "Disabled", "days": days, "reactivate": True}],
            "at_risk": {"days": risk, "source": "SEED"},
            "gone_by": {"days": gone, "from": "latest", "source": "SEED"},
        },
    }
    return HEAD + yaml.safe_dump({"windows": [{**one, **changes}]})


@pytest.fixture
def laid_over(tmp_path: Path) -> Callable[..., Policy]:
    """The policy with files of these texts over it."""

    def load(*texts: str) -> Policy:
        paths = []
        for place, text in enumerate(texts):
            paths.append(tmp_path / f"own-{place}.yaml")
            paths[-1].write_text(text, encoding="utf-8")
        return load_policy(paths)

    return load


def test_every_sentence_has_a_source_with_title_and_date() -> None:
    found = list(references(POLICY))
    assert len(found) > 150
    for place, reference in found:
        source = POLICY.sources[source_key(reference)]
        assert source.title, place
        assert source.document_date, place
        assert source.verified_on >= date(2026, 11, 23), place


def test_every_source_is_used() -> None:
    used = {source_key(reference) for _, reference in references(POLICY)}
    assert set(POLICY.sources) - used <= {"RE", "PCM", "DOM", "NP", "C22", "FIELD"}


def test_every_built_in_stage_says_what_people_can_do() -> None:
    stages = [stage for one in POLICY.windows for stage in one.windows.stages] + POLICY.fallback.stages
    for stage in stages:
        assert isinstance(stage.users_can, Says)
        assert isinstance(stage.admins_can, Says)


def test_every_boundary_of_a_window_has_its_own_source() -> None:
    for one in POLICY.windows:
        assert one.windows.at_risk.source
        assert one.windows.gone_by.source
        assert one.windows.gone_by.days == 180
    for clock in vars(POLICY.object_clocks).values():
        assert clock.source
        assert clock.verified_on


def test_conflicts_k1_to_k16_carry_both_statements() -> None:
    assert list(POLICY.conflicts) == [f"K{number}" for number in range(1, 17)]
    used = {name for one in [*POLICY.windows, *POLICY.shortcuts] for name in one.conflicts}
    used |= {name for clock in vars(POLICY.object_clocks).values() for name in clock.conflicts}
    assert set(POLICY.conflicts) - used <= {"K3", "K4", "K5"}, "which are the preflight's"


def test_the_earlier_of_two_numbers_drives() -> None:
    for one in POLICY.windows:
        other = one.windows.at_risk.alternative
        assert other is None or one.windows.at_risk_days <= other.days
    direct = POLICY.window("direct", "cancel")
    assert direct is not None
    assert direct.windows.at_risk.alternative is not None
    assert (direct.windows.at_risk_days, direct.windows.at_risk.alternative.days) == (30, 90)


def test_the_policy_grows_old() -> None:
    verified = datetime(2026, 11, 23, tzinfo=UTC)
    assert not POLICY.too_old(verified + timedelta(days=180))
    assert POLICY.too_old(verified + timedelta(days=181))


def test_the_files_lie_in_the_package_and_share_one_id() -> None:
    texts = [one for one in files("retention").joinpath("policies").iterdir() if one.name.endswith(".yaml")]
    assert len(texts) == 8
    assert {parse_policy(one.read_text(encoding="utf-8"), one.name).policy_id for one in texts} == {POLICY.policy_id}


def test_every_part_can_be_explained() -> None:
    names = [one.id for one in [*POLICY.windows, *POLICY.shortcuts]]
    names += [*vars(POLICY.object_clocks), *POLICY.conflicts, *POLICY.states, *POLICY.sources, "fallback", "germany"]
    for name in names:
        (part, *_) = explained(POLICY, name)
        assert part.lines, name
    assert [part.as_json["name"] for part in explained(POLICY, "csp_nce")] == [
        "csp-nce-term-end",
        "csp-nce-cancel",
        "csp-nce-suspended-term-end",
    ]


def test_the_sketch_of_the_reference_is_a_policy_file(laid_over: Callable[..., Policy]) -> None:
    laid = laid_over(SKETCH)
    assert laid.sha256 != POLICY.sha256
    assert laid.window("direct", "cancel") is not None
    assert not laid.accepted_risks


def test_a_stricter_window_takes_the_place_of_a_built_in_one(laid_over: Callable[..., Policy]) -> None:
    laid = laid_over(window(days=60, risk=20, gone=200))
    found = laid.window("direct", "cancel")
    assert found is not None
    assert (found.windows.at_risk_days, found.windows.protected_days) == (20, 60)
    assert laid.policy_id == "lastcopy-retention-2026-11+own-1"
    assert len(laid.windows) == len(POLICY.windows)


@pytest.mark.parametrize(
    ("text", "word"),
    [
        (window(days=91), "deletable_from"),
        (window(risk=31), "at_risk_from"),
        (window(gone=179), "gone_by"),
        (window(id="enterprise-cancel", applies_to={"channel": "enterprise", "trigger": "cancel"}), "deletable_from"),
        (HEAD + "object_clocks: {export_package: {days: 30, source: MC}}", "export_package"),
        (HEAD + EXEMPT, "nonprofit"),
        (HEAD + "fallback: {stages: [{state: Disabled, days: 90}], at_risk: {days: 30}, gone_by: {days: 180}}", "fallback"),
        (HEAD + SLOWER, "delete-subscription"),
    ],
)  # fmt: skip
def test_later_dates_need_somebody_who_accepts_the_risk(text: str, word: str, laid_over: Callable[..., Policy]) -> None:
    with pytest.raises(PolicyError) as told:
        laid_over(text)
    assert word in str(told.value)
    assert "accept_risk" in told.value.action
    laid = laid_over(text + "\naccept_risk: {by: Anna Berg, reason: our contract says so}\n")
    (accepted,) = laid.accepted_risks
    assert (accepted.by, accepted.policy_id) == ("Anna Berg", "own-1")


def test_a_way_back_that_is_not_published_needs_it_too(laid_over: Callable[..., Policy]) -> None:
    text = HEAD + yaml.safe_dump(
        {
            "windows": [
                {
                    "id": "csp-nce-term-end",
                    "applies_to": {"channel": "csp_nce", "trigger": "term_end"},
                    "source": "SO",
                    "verified_on": date(2026, 11, 28),
                    "windows": {
                        "stages": [{"state": "Expired", "days": 30, "users": True, "reactivate": True}],
                        "at_risk": {"days": 30},
                        "gone_by": {"days": 180},
                    },
                }
            ]
        }
    )
    with pytest.raises(PolicyError, match="reactivation"):
        laid_over(text)


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("", "no keys"),
        ("schema: other/1\npolicy_id: a\n", "schema"),
        (HEAD + "wimdows: []", "unknown key"),
        (HEAD + "day_seconds: 86401", "day_seconds"),
        (HEAD + "max_age_days: 400", "max_age_days"),
        (window(source="NOWHERE"), "NOWHERE"),
        (window().replace("verified_on: 2026-11-28", "basis: stated"), "verified_on"),
        (window().replace("  source: W24\n", ""), "source"),
        (window(conflicts=["K99"]), "K99"),
        (window(id="mine"), "match one subscription"),
        (window(days=90, gone=80), "gone_by"),
        (HEAD + "policy_id: twice", "twice"),
        (HEAD + "windows: [", "YAML"),
    ],
)
def test_what_does_not_hold_together_is_refused(text: str, word: str, laid_over: Callable[..., Policy]) -> None:
    with pytest.raises(PolicyError) as told:
        laid_over(text)
    assert word in str(told.value)
    assert told.value.action


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(PolicyError, match=r"gone\.yaml"):
        load_policy([tmp_path / "gone.yaml"])


def test_the_file_in_the_guide_is_right(laid_over: Callable[..., Policy]) -> None:
    guide = (Path(__file__).parents[3] / "docs" / "operating.md").read_text(encoding="utf-8")
    (text,) = [block for block in re.findall(r"```yaml\n(.*?)```", guide, re.DOTALL) if "policy_id" in block]
    found = laid_over(text).window("direct", "cancel")
    assert found is not None
    assert found.windows.protected_days == 60


def test_windows_may_be_split_by_term_or_segment(laid_over: Callable[..., Policy]) -> None:
    narrow = {"channel": "direct", "trigger": "cancel", "segment": "education"}
    laid = laid_over(window(days=60, applies_to=narrow))
    assert laid.window("direct", "cancel") is None, "the built-in one was replaced"
    assert laid.window("direct", "cancel", segment="education") is not None


REFUSING = "refused:\n  - {channel: direct, why: {says: S, source: SEED}, verified_on: 2026-11-23}\n"
ELSEWHERE = """
windows:
  - id: csp-nce-cancel
    applies_to: {channel: trial, trigger: suspend}
    source: PC
    verified_on: 2026-11-23
    windows:
      stages: [{state: Disabled, days: 0, users: false}]
      at_risk: {days: 0, basis: stated, source: PC}
      gone_by: {days: 180, from: latest, basis: stated, source: PC}
"""


@pytest.mark.parametrize("text", [REFUSING, ELSEWHERE])
def test_a_channel_is_not_silenced_and_no_window_taken_from_it_in_passing(tmp_path: Path, text: str) -> None:
    """Refused, direct would have no dates at all; without its window, the partner's 7 days would become the fallback's 30."""
    file = tmp_path / "own.yaml"
    file.write_text(HEAD + text)
    with pytest.raises(PolicyError, match="later than published"):
        load_policy([file])
    file.write_text(HEAD + "accept_risk: {by: Anna, reason: R}\n" + text)
    assert load_policy([file]).accepted_risks
