"""Makers of PSTs, ours among them, given the same mails: `rival_writers.py ours|aspose|eml2pst FOLDER OUT.pst [TIMES]`.

Rules of this file: each is used as its own documents say, 50 mails to a folder (what Aspose's trial allows), by an
interpreter that has it. It prints one JSON line: seconds and CPU seconds without the start of the interpreter, mails
taken and refused.
"""

import json
import sys
import time
from pathlib import Path

A_FOLDER = 50


def aspose(mails: list[Path], out: Path) -> int:
    """Aspose.Email for Python via .NET; the number of mails refused."""
    from aspose.email import MailMessage
    from aspose.email.mapi import MapiMessage
    from aspose.email.storage.pst import FileFormatVersion, PersonalStorage

    refused = 0
    with PersonalStorage.create(str(out), FileFormatVersion.UNICODE) as pst:
        folder = None
        for number, mail in enumerate(mails):
            if number % A_FOLDER == 0:
                folder = pst.root_folder.add_sub_folder(f"Folder {number // A_FOLDER}")
            try:
                folder.add_message(MapiMessage.from_mail_message(MailMessage.load(str(mail))))
            except Exception:  # noqa: BLE001
                refused += 1
    return refused


def eml2pst(mails: list[Path], out: Path) -> int:
    """TremendousTurtle/eml2pst; the number of mails refused."""
    from eml2pst.eml_parser import parse_eml_file
    from eml2pst.pst_file import PSTFileBuilder

    refused, folder = 0, 0
    builder = PSTFileBuilder(display_name="Mail")
    for number, mail in enumerate(mails):
        if number % A_FOLDER == 0:
            folder = builder.add_folder(f"Folder {number // A_FOLDER}")
        try:
            parsed = parse_eml_file(str(mail))
            if any(type(value).__name__ == "Header" for value in parsed.values()):
                raise TypeError("it would break in `write`, for all mails")
            builder.add_message(folder, parsed)
        except Exception:  # noqa: BLE001
            refused += 1
    builder.write(str(out))
    return refused


def ours(mails: list[Path], out: Path) -> int:
    """What `from-eml` does, in folders of the same size."""
    from exporters.mail.compose.mime import convert
    from exporters.pst import FileSink, Folder, PstError, Writer

    refused, folder = 0, Folder(0, 0, "")
    with out.open("w+b") as file, Writer(lambda part: FileSink(file), seed=b"bench", display_name="Mail") as writer:
        for number, mail in enumerate(mails):
            if number % A_FOLDER == 0:
                folder = writer.add_folder(writer.top, f"Folder {number // A_FOLDER}")
            try:
                writer.add_message(folder, convert(mail.read_bytes()).message)
            except PstError:
                refused += 1
    return refused


def main() -> None:
    maker, folder, out = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])
    mails = sorted(folder.rglob("*.eml")) * int(sys.argv[4] if len(sys.argv) > 4 else 1)
    make = {"aspose": aspose, "eml2pst": eml2pst, "ours": ours}[maker]
    make(mails[:1], out.with_suffix(".warm.pst"))  # imports and start of the .NET runtime are not what is measured
    begun, cpu = time.monotonic(), time.process_time()
    refused = make(mails, out)
    facts = {
        "seconds": time.monotonic() - begun, "cpu": time.process_time() - cpu, "mails": len(mails), "refused": refused,
        "bytes": sum(mail.stat().st_size for mail in mails),
    }  # fmt: skip
    print(json.dumps(facts))


if __name__ == "__main__":
    main()
