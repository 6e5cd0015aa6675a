"""What the configuration asks for, and what of that no run can bring: names, drives where nobody has one, classes not built.

Rules of this file: no I/O; rows of coverage, as they stand in the record of a run. Source: design §7, docs/decisions/0008, 0030.
"""

from exporters.bag.formats import JsonObject
from exporters.errors import SourceError
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


def no_drives() -> SourceError:
    """The finding of a run that asks for OneDrives and finds not one, neither in the tenant nor in the store: "complete" over
    nothing would be a lie where the service has taken the drives away from everybody (a lapsed licence begins so)."""
    return SourceError(
        "The service says of every user that there is no OneDrive, and the store holds none: nothing was copied",
        code="no_drive",
        action="If the tenant is to have OneDrives, look at its SharePoint licences and run the export again. If it has none:"
        " `sources.onedrive: none`, or lastcopy accept no_drive --source onedrive/onedrive --by NAME --reason TEXT",
    )
