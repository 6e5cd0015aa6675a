"""Writes the runbook of a preflight into a folder: `runbook.md` and `runbook.html`.

Rules of this file: whole files, put in their place by a rename; one that is there is replaced. Source: design §6 (`check`).
"""

import os
from pathlib import Path
from zoneinfo import ZoneInfo

from exporters.errors import ConfigurationError
from retention.config import Config
from retention.preflight.checking import Attested
from retention.preflight.facts import Facts
from retention.preflight.recorded import Preflight
from retention.preflight.runbook.contents import runbook_of
from retention.preflight.runbook.markdown import markdown_of
from retention.preflight.runbook.page import page_of
from retention.preflight.runbook.subject import Subject
from retention.rehearsed import is_rehearsal_folder


def write_runbook(config: Config, preflight: Preflight, facts: Facts, told: Attested, folder: Path) -> list[Path]:
    """Write both files; their paths. Raises: ConfigurationError where the folder cannot be written to, or there is no runbook."""
    settings = config.settings
    about = Subject(
        preflight,
        facts,
        told,
        ZoneInfo(settings.retention.time_zone),
        config.file.name,
        settings.store.url if settings.store is not None else "no store yet",
        config.tenant.cloud,
        is_rehearsal=is_rehearsal_folder(config.base),
    )
    book = runbook_of(about)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        return [
            _put(folder / "runbook.md", markdown_of(book)),
            _put(folder / "runbook.html", page_of(book)),
        ]
    except OSError as error:
        raise ConfigurationError(
            f"the runbook cannot be written to {folder} ({error.strerror})",
            code="runbook_unwritable",
            action="Name a folder that can be written to: --runbook DIR.",
        ) from None


def _put(path: Path, text: str) -> Path:
    """Write a file whole. What has no UTF-8 (lone surrogates in names) stands as `?`."""
    new = path.with_name(f".{path.name}.new")
    new.write_text(text, encoding="utf-8", errors="replace")
    os.replace(new, path)  # noqa: PTH105 - the same file system by its name
    return path
