"""The command `python -m exporters.pst`: what a PST holds, and a PST from a tree of mails.

Rules of this file: words and exit statuses only; 0 all done, 1 failed, 2 usage, 3 done in part. It is the one module of
this package that knows of another one of ours: what makes messages of mails lives in `exporters.mail`, and is loaded
only by `from-eml`.
"""

import argparse
import io
import json
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from exporters.pst.errors import PstError
from exporters.pst.inventory import FolderContents, Inventory, StoreFacts

_EXAMPLES = """\
examples:
  python -m exporters.pst from-eml Maildir/ mail.pst       every .eml below Maildir/, a folder for each folder
  python -m exporters.pst from-eml --part-size 10GiB Maildir/ mail.pst     then mail-2.pst and so on
  python -m exporters.pst info mail.pst                     folders, items, kinds
  python -m exporters.pst info --json mail.pst | jq .items

exit status: 0 done, 1 failed, 2 usage, 3 done in part: a mail could not be put into the PST, or a file disagrees with itself
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command line; the exit status."""
    args = _parser().parse_args(argv)
    if isinstance(
        sys.stdout, io.TextIOWrapper
    ):  # names that the terminal's encoding does not have are no reason to fail
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        return _info(args) if args.command == "info" else _from_eml(args)
    except (PstError, OSError) as error:
        print(f"exporters.pst: {_words(error)}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("exporters.pst: interrupted", file=sys.stderr)
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m exporters.pst",
        description="Unicode PST files: made of mails, and looked into.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    verbs = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    info = verbs.add_parser("info", help="print what a PST holds, whoever wrote it")
    info.add_argument("file", type=Path, metavar="FILE")
    info.add_argument("--json", action="store_true", help="one JSON object instead of a table")
    make = verbs.add_parser("from-eml", help="make a PST from a tree of .eml files")
    make.add_argument(
        "folder", type=Path, metavar="FOLDER", help="read with everything below it, in the order of names"
    )
    make.add_argument("out", type=Path, metavar="OUT.pst")
    make.add_argument("--name", help="what Outlook shows for the file (default: the name of FOLDER)")
    make.add_argument("--part-size", metavar="SIZE", help="begin another file before 10GiB, 500MiB (default: one file)")
    make.add_argument(
        "--losses", type=Path, metavar="FILE", help="write what was changed or left out, one JSON line each"
    )
    make.add_argument(
        "--force", action="store_true", help="replace OUT.pst, and the file of --losses, if they are there"
    )
    make.add_argument("--quiet", action="store_true", help="no progress")
    return parser


def _words(error: Exception) -> str:
    if isinstance(error, OSError) and error.filename is not None:
        return f"{error.filename}: {error.strerror}"
    return str(error)


def _from_eml(args: argparse.Namespace) -> int:
    from exporters.mail.from_eml import main as from_eml

    return from_eml(args)


# -- info -----------------------------------------------------------------------------------------------------------------


def _info(args: argparse.Namespace) -> int:
    with args.file.open("rb") as file:
        inventory = Inventory(file)
        folders = list(inventory.folders())
    shown = [folder for folder in folders if not folder.is_internal or folder.items or folder.hidden]
    differing = [folder for folder in folders if folder.told != folder.items]
    if args.json:
        is_unicode = (sys.stdout.encoding or "").lower().replace("-", "") == "utf8"
        print(json.dumps(_as_json(inventory.facts, folders), ensure_ascii=not is_unicode, indent=1))
    else:
        print(_as_text(args.file.name, inventory.facts, shown))
    for folder in differing:
        path = _printable("/".join(folder.path))
        print(f"folder {path}: it says {folder.told} items, and {folder.items} are listed", file=sys.stderr)
    return 3 if differing else 0


def _totals(folders: Sequence[FolderContents]) -> dict[str, Any]:
    classes: Counter[str] = Counter()
    for folder in folders:
        classes.update(folder.classes)
    return {
        "items": sum(folder.items for folder in folders),
        "unread": sum(folder.unread for folder in folders),
        "hidden": sum(folder.hidden for folder in folders),
        "with_attachments": sum(folder.with_attachments for folder in folders),
        "bytes": sum(folder.size for folder in folders),
        "classes": dict(sorted(classes.items())),
    }


def _as_json(facts: StoreFacts, folders: Sequence[FolderContents]) -> dict[str, Any]:
    return {
        "file_bytes": facts.size,
        "version": facts.version,
        "permuted": facts.is_permuted,
        "maps_valid": facts.maps_are_valid,
        "name": facts.display_name,
        "record_key": facts.record_key.hex(),
        **_totals(folders),
        "folders": [
            {
                "path": list(folder.path),
                "container_class": folder.container_class,
                "internal": folder.is_internal,
                "items": folder.items,
                "unread": folder.unread,
                "hidden": folder.hidden,
                "with_attachments": folder.with_attachments,
                "bytes": folder.size,
                "classes": dict(sorted(folder.classes.items())),
            }
            for folder in folders
        ],
    }


def _printable(words: str) -> str:
    """Names as they may be shown: what would steer a terminal is shown as U+FFFD."""
    return "".join(letter if letter.isprintable() else "\ufffd" for letter in words)


def _as_text(name: str, facts: StoreFacts, folders: Sequence[FolderContents]) -> str:
    totals = _totals(folders)
    encoding = "permuted" if facts.is_permuted else "not encoded"
    lines = [
        f"{_printable(name)}: {facts.size:,} bytes, Unicode PST (version {facts.version}, {encoding})",
        f'store "{_printable(facts.display_name)}", record key {facts.record_key.hex()}',
    ]
    if not facts.maps_are_valid:
        lines.append("its allocation maps are marked as not valid: Outlook rebuilds them when it writes")
    lines += ["", f"{'items':>9} {'unread':>8} {'hidden':>7} {'attached':>9} {'bytes':>15}  folder"]
    for folder in folders:
        indent = "  " * max(len(folder.path) - 1, 0)
        title = _printable(folder.path[-1]) if folder.path else "(top of the mailbox)"
        kind = f"  [{folder.container_class}]" if folder.container_class not in ("", "IPF.Note") else ""
        lines.append(
            f"{folder.items:9,} {folder.unread:8,} {folder.hidden:7,} {folder.with_attachments:9,} {folder.size:15,}"
            f"  {indent}{title}{kind}"
        )
    lines.append(
        f"{totals['items']:9,} {totals['unread']:8,} {totals['hidden']:7,} {totals['with_attachments']:9,}"
        f" {totals['bytes']:15,}  in {len(folders):,} folder{'s' if len(folders) != 1 else ''}"
    )
    lines += ["", *(f"{count:9,} {_printable(kind)}" for kind, count in totals["classes"].items())]
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
