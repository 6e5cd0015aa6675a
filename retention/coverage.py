"""What the configuration asks for, and what of that no run can bring: names, and classes that are not built yet.

Rules of this file: no I/O; rows of coverage, as they stand in the record of a run. Source: design §7, docs/decisions/0008.
"""

from exporters.bag.formats import JsonObject
from retention.acceptance import NOT_BUILT
from retention.config import Config


def listed_names(config: Config) -> list[str]:
    """OneDrives that the configuration asks for by name."""
    chosen = config.settings.sources.onedrive
    return [] if isinstance(chosen, str) else list(chosen)


def not_built(config: Config) -> list[JsonObject]:
    """Classes that the configuration leaves on and this version does not copy. asked: whether the file itself says so."""
    sources = config.settings.sources
    rows: list[JsonObject] = []
    for name, wanted in (
        ("mail", sources.mail != "none"),
        ("sharepoint", sources.sharepoint != "none"),
        ("directory", sources.directory),
    ):
        if wanted:
            reason = "This version copies OneDrives; it does not copy this yet."
            asked = name in sources.model_fields_set
            rows.append({"class": name, "state": "not reachable", "code": NOT_BUILT, "reason": reason, "asked": asked})
    return rows
