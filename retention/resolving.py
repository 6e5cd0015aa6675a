"""Which sources are meant: those that `--source` names, and what stands for sources that could not be listed.

Rules of this file: a name that nobody has is an error of the command line, unless it may be somebody's whom the service did not
list: then the reason of that is the answer. Source: design §6, §7.
"""

from collections.abc import Sequence

from exporters.bag.catalogue import Catalogue
from exporters.clock import Clock
from exporters.discovery import Discovered, discover
from exporters.errors import ConfigurationError
from exporters.graph.session import GraphSession
from exporters.sources import Source
from exporters.undiscovered import Undiscovered, Without
from retention.config import Config
from retention.selection import Names, chosen, is_asked, kinds_of, means, unknown_source
from retention.settings import SourcesSettings
from retention.state.database import State


def resolve(
    names: Sequence[str],
    config: Config,
    graph: GraphSession,
    catalogue: Catalogue,
    state: State,
    clock: Clock,
) -> list[Source | Undiscovered] | None:
    """The sources that --source names; None if it is not given. A name that nobody has may be one of those who could not be
    listed: then that is the finding. Raises: ConfigurationError for a name nobody has.
    """
    if not names:
        return None
    known, wanted = Names(catalogue.records()), []
    matched: set[str] = set()
    labels_seen: list[str] = []
    kinds = {name: kinds_of(name, config.settings.sources) for name in names}
    without: dict[str, str] = {}
    hiding: list[Undiscovered] = []
    for found in discover(graph, catalogue, clock, state, {kind for some in kinds.values() for kind in some}):
        labels = labels_of(known, found)
        hits = {name for name in names if found.kind in kinds[name] and means(name, labels)}
        if isinstance(found, Without):
            without |= dict.fromkeys(hits, found.label)
            continue
        if isinstance(found, Undiscovered) and found.may_hide and not hits:
            hiding.append(found)
        matched |= hits
        labels_seen.append(min(labels))
        if hits:
            wanted.append(found)
    unmet = {kind for name in names if name not in matched for kind in kinds[name]}
    behind = [one for one in hiding if one.kind in unmet]
    for name in names:
        if name in without and name not in matched:
            raise ConfigurationError(
                f"the service says that there is no mailbox {without[name]}",
                code="no_mailbox",
                action="Name another, or leave it out; `lastcopy export` asks for it again within a week.",
            )
        if name not in matched and not any(one.kind in kinds[name] for one in behind):
            raise unknown_source(name, sorted(labels_seen))
    return [*wanted, *behind]


def is_of_names(labels: frozenset[str], settings: SourcesSettings, found: Undiscovered) -> bool:
    """Whether it matters only if a name of the configuration stays unmet: the kind is asked for by names, of which any may be
    hidden behind it."""
    named = not isinstance(chosen(settings, found.kind), str)
    excluded = any(means(name, labels) for name in settings.exclude)
    return found.may_hide and named and not excluded and not is_asked(labels, settings, found.kind)


def labels_of(names: Names, source: Discovered) -> frozenset[str]:
    """Every label that a source has, or has had."""
    return names.labels_of(source) if isinstance(source, Source) else frozenset({source.label})
