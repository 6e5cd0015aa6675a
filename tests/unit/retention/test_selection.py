"""Names mean sources: any name that one has had (design §7)."""

import pytest

from exporters.errors import ConfigurationError
from exporters.sources import Source, SourceKind
from retention.selection import Names, is_asked, means
from retention.settings import SourcesSettings

RECORDS = [
    {
        "kind": "onedrive",
        "id": "d1",
        "bag": "onedrive/anna@contoso.com",
        "names": [{"name": "anna@contoso.com"}, {"name": "anna@x.onmicrosoft.com"}],
    },
    {"kind": "onedrive", "id": "d2", "bag": "onedrive/bob@contoso.com", "names": [{"name": "bob@contoso.com"}]},
    {"kind": "sharepoint", "id": "s1", "bag": "sharepoint/sites!bob", "names": [{"name": "sites/bob"}]},
]
ANNA = Source(SourceKind.ONEDRIVE, "d1", "anna@new.example", "u1")


@pytest.mark.parametrize(
    "name", ["onedrive/anna@contoso.com", "ANNA@contoso.com", "anna@x.onmicrosoft.com", "anna@new.example"]
)
def test_any_name_that_it_has_had(name: str) -> None:
    assert means(name, Names(RECORDS).labels_of(ANNA))


@pytest.mark.parametrize("name", ["anna", "sharepoint/anna@contoso.com", "", "onedrive/"])
def test_what_it_was_never_called(name: str) -> None:
    assert not means(name, Names(RECORDS).labels_of(ANNA))


def test_bags() -> None:
    names = Names(RECORDS)
    assert names.bags([]) == ["onedrive/anna@contoso.com", "onedrive/bob@contoso.com", "sharepoint/sites!bob"]
    assert names.bags(["anna@x.onmicrosoft.com", "sharepoint/sites/bob"]) == [
        "onedrive/anna@contoso.com",
        "sharepoint/sites!bob",
    ]
    with pytest.raises(ConfigurationError) as caught:
        names.bags(["carl"])
    assert "onedrive/anna@contoso.com" in caught.value.action


@pytest.mark.parametrize(
    ("settings", "asked"),
    [
        ({}, True),
        ({"onedrive": "none"}, False),
        ({"onedrive": ["anna@contoso.com"]}, True),
        ({"onedrive": ["bob@contoso.com"]}, False),
        ({"exclude": ["onedrive/anna@X.onmicrosoft.com"]}, False),
        ({"onedrive": ["anna@contoso.com"], "exclude": ["anna@contoso.com"]}, False),
    ],
)
def test_what_the_configuration_asks_for(settings: dict[str, object], asked: bool) -> None:
    labels = Names(RECORDS).labels_of(ANNA)
    assert is_asked(labels, SourcesSettings.model_validate(settings)) is asked


def test_a_source_is_known_by_its_id_whatever_others_are_called() -> None:
    names = Names(RECORDS)
    assert names.bag_of("d1") == "onedrive/anna@contoso.com"
    assert names.bag_of("d9") is None
    assert names.described("onedrive/anna@contoso.com") == (
        "d1 (bag onedrive/anna@contoso.com, called anna@x.onmicrosoft.com)"
    )
