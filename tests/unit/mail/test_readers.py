"""The shared mails in one PST, as an independent reader sees them, against what Python's `email` says of them."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.independent.mail_expectation import expectation
from tests.unit.pst.judges import TOOLS, Checked, pypff

MAILS = TOOLS.parent / "data" / "mail" / "eml"


@pytest.mark.skipif(not MAILS.is_dir(), reason="../shared/data/mail is not there")
def test_every_shared_mail_is_read_as_email_reads_it(tmp_path: Path) -> None:
    """Folders, subjects, dates, recipients, texts, attachments; in all of a PST that the strict checker finds clean."""
    pypff()
    out, expected = tmp_path / "all.pst", tmp_path / "expect.json"
    make = [sys.executable, "-m", "exporters.pst", "from-eml", str(MAILS), str(out)]
    subprocess.run(make, check=True, capture_output=True)
    Checked(out)
    wanted = expectation(MAILS)
    wanted["folders"][MAILS.name] = 0
    expected.write_text(json.dumps(wanted))
    judge = [sys.executable, str(TOOLS / "pst_judge.py"), str(out), "--readers", "libpff", "--expect", str(expected)]
    verdict = subprocess.run(judge, capture_output=True, text=True, check=False)
    assert verdict.returncode == 0, verdict.stdout[-3000:]
    loose = wanted["loose"]
    assert len(wanted["items"]) == 667 and loose["subject"] < 40 and loose["recipients"] < 130, loose
