"""Which sources are meant by a name: `--source`, `sources` and `exclude` match any name that a source has had.

Rules of this file: names compare after NFC and case folding; an entry that cannot be read
names nobody (`verify` tells of it). Source: design §7.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from exporters.bag.catalogue import entries, record_of
from exporters.bag.keys import folded
from exporters.errors import ConfigurationError
from exporters.sources import FINDABLE, Source, SourceKind
from exporters.store.protocol import Store
from retention.settings import SourcesSettings


class Names:
    """All labels (kind/NAME) of each source that the store knows."""

    def __init__(self, records: Iterable[Mapping[str, Any]]) -> None:
        self._labels: dict[str, frozenset[str]] = {}
        self._bag_of: dict[str, str] = {}
        self._bags: dict[str, frozenset[str]] = {}
        self._described: dict[str, str] = {}
        for record in records:
            labels = {f"{record['kind']}/{entry['name']}" for entry in record["names"]} | {record["bag"]}
            self._labels[record["id"]] = frozenset(labels)
            self._bag_of[record["id"]] = record["bag"]
            self._bags[record["bag"]] = frozenset(labels)
            self._described[record["bag"]] = (
                f"{record['id']} (bag {record['bag']}, called {record['names'][-1]['name']})"
            )

    def labels_of(self, source: Source) -> frozenset[str]:
        """Every label that this source has, or has had."""
        return self._labels.get(source.id, frozenset()) | {source.label}

    def bag_of(self, source_id: str) -> str | None:
        """The bag of the source with this id."""
        return self._bag_of.get(source_id)

    def described(self, bag: str) -> str:
        """The source that lies in a bag, for people who have to choose: its id, and what it is called."""
        return self._described.get(bag, bag)

    def labels_of_bag(self, bag: str) -> frozenset[str]:
        """Every label of the source that lies in a bag."""
        return self._bags.get(bag, frozenset()) | {bag}

    def bags(self, wanted: Iterable[str]) -> list[str]:
        """The bags that the names `wanted` mean; all of them if there are none. Raises: ConfigurationError."""
        wanted = list(wanted)
        if not wanted:
            return sorted(self._bags)
        found = []
        for name in wanted:
            bags = [bag for bag, labels in self._bags.items() if means(name, labels)]
            if not bags:
                raise unknown_source(name, sorted(self._bags))
            found.extend(bags)
        return sorted(set(found))


def means(name: str, labels: Iterable[str]) -> bool:
    """Whether `name` (kind/NAME, or NAME alone) is one of `labels`."""
    wanted = folded(name)
    return any(wanted in _spellings(folded(label)) for label in labels)


def _spellings(label: str) -> Iterator[str]:
    """What a person may type for kind/NAME. The `!` of a site's name stands for `/` of its path."""
    kind, _, name = label.partition("/")
    yield from (label, name)
    if kind == SourceKind.SHAREPOINT and "!" in name:
        path = name.replace("!", "/")
        yield from (f"{kind}/{path}", path)


def unknown_source(name: str, known: list[str]) -> ConfigurationError:
    """The error for a name that nobody has or has had."""
    some = ", ".join(known[:5]) + (", …" if len(known) > 5 else "")
    return ConfigurationError(
        f"there is no source {name!r}",
        code="source_unknown",
        action=f"Name one as kind/NAME, such as {some}."
        if known
        else "Name one as kind/NAME, such as onedrive/anna@contoso.com or mail/anna@contoso.com.",
    )


def chosen(settings: SourcesSettings, kind: SourceKind) -> str | list[str]:
    """What the configuration says of a kind of source: all, none, or a list of names."""
    if kind is SourceKind.DIRECTORY:
        return "all" if settings.directory else "none"
    choice: str | list[str] = getattr(settings, kind.value)
    return choice


def kinds_asked(settings: SourcesSettings) -> list[SourceKind]:
    """The kinds of sources that the configuration asks for, of those that can be found."""
    return [kind for kind in FINDABLE if chosen(settings, kind) != "none"]


def kinds_of(name: str, settings: SourcesSettings) -> list[SourceKind]:
    """The kinds that a name means: that of kind/NAME; of NAME alone, those that the configuration asks for (a user's drive and
    mailbox have one name), or any if it asks for none. A name with an @ is no site's: to look for sites costs a request each. The
    directory has no name but its own."""
    if folded(name) == SourceKind.DIRECTORY:
        return [SourceKind.DIRECTORY]
    said = [kind for kind in FINDABLE if folded(name).startswith(f"{kind}/")]
    possible = [kind for kind in FINDABLE if kind is not SourceKind.SHAREPOINT or "@" not in name]
    possible = [kind for kind in possible if kind is not SourceKind.DIRECTORY]
    asked = [kind for kind in kinds_asked(settings) if kind in possible]
    return said or asked or possible


def is_asked(labels: frozenset[str], settings: SourcesSettings, kind: SourceKind = SourceKind.ONEDRIVE) -> bool:
    """Whether the configuration asks for a source of this kind with these labels."""
    if any(means(name, labels) for name in settings.exclude):
        return False
    choice = chosen(settings, kind)
    if isinstance(choice, str):
        return choice == "all"
    return any(means(name, labels) for name in choice)


def records_of(store: Store) -> Iterator[Mapping[str, Any]]:
    """Each `sources/….json` that can be read."""
    for key in entries(store):
        record = record_of(key, store.read(key))
        if record is not None:
            yield record
