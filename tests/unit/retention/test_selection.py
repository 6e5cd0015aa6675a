"""Names mean sources: any name that one has had (design §7)."""

import pytest

from exporters.errors import ConfigurationError
from exporters.sources import Source, SourceKind
from retention.selection import Names, is_asked, kinds_asked, kinds_of, means
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
ANNAS_MAIL = Source(SourceKind.MAIL, "u1", "anna@contoso.com")


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


@pytest.mark.parametrize(
    ("settings", "asked"),
    [
        ({}, True),
        ({"mail": "none"}, False),
        ({"onedrive": "none"}, True),
        ({"onedrive": ["anna@contoso.com"], "mail": []}, False),
        ({"mail": ["ANNA@contoso.com"]}, True),
        ({"mail": ["mail/anna@contoso.com"], "onedrive": "none"}, True),
        ({"mail": ["onedrive/anna@contoso.com"]}, False),
        ({"exclude": ["anna@contoso.com"]}, False),
        ({"exclude": ["onedrive/anna@contoso.com"]}, True),
        ({"exclude": ["mail/anna@contoso.com"]}, False),
    ],
)
def test_what_the_configuration_asks_for_of_mailboxes(settings: dict[str, object], asked: bool) -> None:
    labels = Names(RECORDS).labels_of(ANNAS_MAIL)
    assert is_asked(labels, SourcesSettings.model_validate(settings), SourceKind.MAIL) is asked


@pytest.mark.parametrize(
    ("name", "settings", "kinds"),
    [
        ("anna@contoso.com", {}, ["onedrive", "mail"]),
        ("anna@contoso.com", {"mail": "none"}, ["onedrive"]),
        ("anna@contoso.com", {"mail": "none", "onedrive": "none"}, ["onedrive", "mail"]),
        ("mail/anna@contoso.com", {"mail": "none"}, ["mail"]),
        ("MAIL/anna@contoso.com", {}, ["mail"]),
        ("onedrive/anna@contoso.com", {}, ["onedrive"]),
        ("Directory", {}, ["directory"]),
        ("directory/directory", {}, ["directory"]),
        ("sharepoint/sites/marketing", {"sharepoint": "none"}, ["sharepoint"]),
        ("sites/marketing", {}, ["onedrive", "mail", "sharepoint"]),
        ("sites/marketing", {"mail": "none", "onedrive": "none"}, ["sharepoint"]),
        ("sites/marketing", {"sharepoint": "none"}, ["onedrive", "mail"]),
    ],
)
def test_a_name_alone_means_the_kinds_that_are_asked_for(
    name: str, settings: dict[str, object], kinds: list[str]
) -> None:
    found = SourcesSettings.model_validate(settings)
    assert [str(kind) for kind in kinds_of(name, found)] == kinds
    assert SourceKind.DIRECTORY in kinds_asked(found)


@pytest.mark.parametrize(
    "name", ["sharepoint/sites!north!bob", "sharepoint/sites/north/bob", "Sites/North/Bob", "sites!north!bob"]
)
def test_a_site_is_named_by_its_path_or_as_in_the_store(name: str) -> None:
    site = Source(SourceKind.SHAREPOINT, "s2", "sites!north!bob")
    assert means(name, {site.label}) and not means(f"onedrive/{name}", {site.label})
    assert is_asked(frozenset({site.label}), SourcesSettings.model_validate({"sharepoint": [name]}), site.kind)
    assert not is_asked(frozenset({site.label}), SourcesSettings.model_validate({"exclude": [name]}), site.kind)
    assert not means("sites/north!bob", {"onedrive/sites!north!bob"})


def test_what_is_asked_for_by_default() -> None:
    assert (
        kinds_asked(SourcesSettings()) == [*SourceKind.__members__.values()] or len(kinds_asked(SourcesSettings())) == 4
    )
    kinds = kinds_asked(SourcesSettings.model_validate({"sharepoint": "none", "directory": False}))
    assert kinds == [SourceKind.ONEDRIVE, SourceKind.MAIL]
