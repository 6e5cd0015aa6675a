"""The documents name each verb, key and exception code, and what they link to is there."""

import re
from pathlib import Path

import pytest

from exporters.outcomes import ExceptionCode
from retention.acceptance import NOT_BUILT, NOT_FOUND, REFUSED
from retention.cli.main import VERBS
from retention.findings import PASSING, REASONS
from retention.settings import Settings

ROOT = Path(__file__).parents[2]
GUIDE = (ROOT / "docs" / "operating.md").read_text(encoding="utf-8")
DOCUMENTS = ["README.md", "CONTRIBUTING.md", "CHANGELOG.md", "docs/operating.md"]


@pytest.mark.parametrize("verb", sorted(VERBS))
def test_the_guide_names_each_verb(verb: str) -> None:
    assert f"| `{verb}` |" in GUIDE


COPYING = [
    *(ROOT / "exporters/drive").glob("*.py"),
    *(ROOT / "exporters/mail/capture").glob("*.py"),
    *(ROOT / "exporters/directory").glob("*.py"),
    *(ROOT / "exporters/sharepoint").rglob("*.py"),
    *(ROOT / f"exporters/{name}.py" for name in ("discovery", "export", "results")),
]
PROBLEMS = {code for path in COPYING for code in re.findall(r'problems\.append\("(\w+)"\)', path.read_text())}
ERRORS = {code for path in COPYING for code in re.findall(r'\bcode="(\w+)"', path.read_text())} - {
    "no_users",
    "stopped",
}


@pytest.mark.parametrize(
    "code", sorted({*ExceptionCode, NOT_BUILT, NOT_FOUND, *REFUSED, *PASSING, *REASONS, *PROBLEMS, *ERRORS})
)
def test_the_guide_names_each_exception_code(code: str) -> None:
    assert f"`{code}`" in GUIDE


def test_each_problem_of_a_whole_source_has_a_sentence_of_its_own() -> None:
    assert len(PROBLEMS) > 3
    assert REASONS.keys() >= PROBLEMS
    assert len(set(REASONS.values())) == len(REASONS)


@pytest.mark.parametrize("key", sorted(Settings.model_fields))
def test_the_guide_names_each_section_of_the_configuration(key: str) -> None:
    assert f"`{key}`" in GUIDE


@pytest.mark.parametrize("verb", sorted(VERBS))
def test_the_guide_names_each_option(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    from retention.cli.main import main

    assert main([verb, "--help"]) == 0
    options = set(re.findall(r"--[a-z][a-z-]+", capsys.readouterr().out.partition("examples:")[0]))
    shown_by_help_alone = {"--help"} | (
        {f"--{name}" for name in ("tenant", "cloud", "client-id", "certificate", "secret", "store", "region", "force")}
        if verb == "init"
        else set()
    )
    shown_by_help_alone |= {"--in", "--data", "--faults", "--port"} if verb == "rehearse" else set()
    for option in options - shown_by_help_alone:
        assert option in GUIDE, option


@pytest.mark.parametrize("name", DOCUMENTS)
def test_links_lead_somewhere(name: str) -> None:
    document = ROOT / name
    for target in re.findall(r"\]\(([^)]+)\)", document.read_text(encoding="utf-8")):
        if not target.startswith(("http://", "https://")):
            path, _, anchor = target.partition("#")
            place = (document.parent / path).resolve()
            assert place.exists(), target
            if anchor:
                headings = re.findall(r"^#+ (.+)$", place.read_text(encoding="utf-8"), re.MULTILINE)
                assert anchor in {re.sub(r"[^a-z0-9 -]", "", heading.lower()).replace(" ", "-") for heading in headings}
