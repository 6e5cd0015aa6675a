"""The whole story on a simulated tenant, in a folder: each step is a command that a person would type, and what it came to.

Rules of this file: every step runs the real command line; nothing is pretended: a step that does not come to what it should
ends the rehearsal with exit 1; only a folder that is empty, absent or an earlier rehearsal is touched. Source:
design §1 (`rehearse`).
"""

import contextlib
import csv
import io
import json
import shlex
import shutil
import ssl
import urllib.request
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from exporters.bag.formats import dump_json
from exporters.clock import SystemClock
from exporters.errors import ConfigurationError, RunError
from exporters.rehearsal.generate import generate
from exporters.rehearsal.server import Rehearsal
from retention.opened_pst import open_pst
from retention.rehearsal_clock import ADDRESS_FILE, MAILBOX, half_a_year, watch_begins
from retention.rehearsal_clock import CONFIGURATION as CLOCK
from retention.rehearsal_evidence import proven
from retention.rehearsal_ready import may_i_cancel
from retention.rehearsed import MARKER
from retention.verdicts import Exit

OURS = (
    "tenant",
    "server",
    "copy",
    "restored",
    "lastcopy.yaml",
    "lastcopy.db",
    "lastcopy.db-wal",
    "lastcopy.db-shm",
    "lastcopy-journal",
    "lastcopy-watch.json",
    "evidence-key.pem",
    "evidence-trusted",
    "evidence-redaction.key",
    ADDRESS_FILE,
    MAILBOX,
    MARKER,
)
SEATS = 60_000
"""Bought by the tenant: a small one may send so little a minute that the story would mostly wait."""
_MARKER_TEXT = "Made by `lastcopy rehearse`, which makes it anew each time. The tenant and all in it is invented.\n"
Say = Callable[[str, str], None]


@dataclass(slots=True)
class Story:
    """A rehearsal under way. `steps`: (command, exit status) so far."""

    folder: Path
    say: Say
    quiet: bool
    main: Callable[[Sequence[str]], int]
    steps: list[dict[str, Any]] = field(default_factory=list)

    @property
    def config(self) -> Path:
        return self.folder / "lastcopy.yaml"

    def chapter(self, text: str) -> None:
        """A heading."""
        self.say("", "")
        self.say(f"── {text}", "strong")

    def run(self, *words: str, expect: tuple[int, ...] = (0,)) -> int:
        """Run a command; raises RunError if it does not come to what it should."""
        argv = [*words, "--config", str(self.config)]
        command = shlex.join(["lastcopy", *argv])
        self.say(f"$ {command}", "strong")
        hidden = contextlib.redirect_stdout(io.StringIO()) if self.quiet else contextlib.nullcontext()
        with hidden:
            status = self.main(argv)
        self.steps.append({"command": command, "exit": status})
        self.say(f"  (exit {status})", "weak")
        if status not in expect:
            raise RunError(
                f"`{command}` ended with {status} where the story has {' or '.join(map(str, expect))}",
                code="rehearsal_failed",
                action="Run that command by itself with -v, and report what it says.",
            )
        return status


def rehearse(folder: Path, *, say: Say, quiet: bool, main: Callable[[Sequence[str]], int]) -> list[dict[str, Any]]:
    """Run the story in `folder`; return the commands with their exit status.

    say: shows a line in a style. quiet: the commands' own output is not wanted. main: the command line.
    Raises: ConfigurationError if the folder is somebody's; RunError if a step fails.
    """
    make_room(folder)
    story = Story(folder, say, quiet, main)
    story.chapter(f"A tenant of invented people is made in {folder / 'tenant'} and served on this machine, over TLS")
    generate(folder / "tenant")
    with Rehearsal(folder / "tenant", clock=SystemClock(), state=folder / "server", licences=SEATS) as tenant:
        info = tenant.info
        story.config.write_text(configuration(info), encoding="utf-8")
        say(f"  sign-in {info['login']}, Graph {info['graph']}; configuration: {story.config}", "weak")
        _first_copy(story)
        _second_copy(story, info)
        watch_begins(story)
        may_i_cancel(story, lambda path, rows: _control(info, "POST", path, b"\n".join(map(dump_json, rows))))
    _from_the_store_alone(story)
    half_a_year(story, SystemClock(), lambda at: proven(story, at))
    _what_next(story)
    return story.steps


def make_room(folder: Path) -> None:
    """An empty folder, with our mark in it. Raises: ConfigurationError if there is something of somebody else's in it."""
    if folder.exists() and not folder.is_dir():
        raise ConfigurationError(
            f"{folder} is not a folder", code="target_not_folder", action="Choose another with --in."
        )
    names = {path.name for path in folder.iterdir()} if folder.exists() else set()
    strange = names if MARKER not in names else names - set(OURS)
    if strange:
        raise ConfigurationError(
            f"{folder} holds {min(strange)!r}, which no rehearsal made",
            code="target_not_empty",
            action="Choose another folder with --in, or empty that one.",
        )
    for name in sorted(names - {MARKER}):
        path = folder / name
        shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
    folder.mkdir(parents=True, exist_ok=True)
    (folder / MARKER).write_text(_MARKER_TEXT, encoding="utf-8")


def configuration(info: dict[str, Any]) -> str:
    """The configuration that reaches a simulated tenant."""
    return f"""\
# A rehearsal: this tenant exists only while `lastcopy rehearse` runs; the copy in ./copy stays.
tenant:
  id: {info["tenant"]}
  cloud: custom
  login: {info["login"]}
  graph: {info["graph"]}
  sharepoint: {info["sharepoint"]}
  download_hosts: [localhost]
  ca_bundle: file:./server/{Path(info["ca_bundle"]).name}
  client_id: {info["client_id"]}
  credential: {{certificate: file:./server/{Path(info["certificate"]).name}}}
store: {{url: file:./copy}}
sources: {{mail: all, onedrive: all, sharepoint: all, directory: on}}
drive: {{versions: all, permissions: shared}}
{CLOCK}"""


def _first_copy(story: Story) -> None:
    story.chapter("Can it work?")
    story.run("check")
    story.chapter(
        "Copy every OneDrive, every mailbox and every site. Some items cannot be copied by anyone, and nothing is passed over"
        " in silence: exit 3"
    )
    story.run("export", expect=(3,))
    story.chapter("A person looks at them, and accepts them by name: that goes on record in the store")
    _accept_all(story)
    story.chapter("The same again: it asks only what is new, and all that was asked is done: exit 0")
    story.run("export")


def _second_copy(story: Story, info: dict[str, Any]) -> None:
    story.chapter(
        "People go on working: files are changed, renamed, moved and deleted, mail comes, is read and thrown away, a site gets"
        " another address"
    )
    changes = (story.folder / "tenant" / "changes.jsonl").read_bytes()
    applied = _control(info, "POST", "changes", changes)
    story.say(f"  {len(changes.splitlines())} changes: {json.dumps(applied)}"[:200], "weak")
    _control(info, "POST", "reset-requests", b"{}")
    story.chapter(
        "The second run brings only what is new, keeps what was deleted, and downloads nothing that was only renamed"
    )
    if story.run("export", expect=(0, 3)) == Exit.PARTIAL:
        _accept_all(story)
        story.run("export")
    summary = _control(info, "GET", "summary", None)
    story.say(f"  the tenant counted: {json.dumps(_numbers(summary))}", "weak")


def _from_the_store_alone(story: Story) -> None:
    story.chapter("The tenant is gone now. Is every byte there, and is everything there?")
    story.run("verify")
    _show_pst(story)
    _show_site(story)
    story.chapter("Get one person's files back, under the names that they had")
    bag = sorted(path.name for path in (story.folder / "copy" / "onedrive").iterdir())[0]
    story.run("restore", "--to", str(story.folder / "restored"), "--source", f"onedrive/{bag}")


def _show_pst(story: Story) -> None:
    """A mailbox is a PST now: let another program than ours open it. Raises: RunError if it cannot."""
    bag = sorted(path for path in (story.folder / "copy" / "mail").iterdir())[0]
    parts = sorted((bag / "data" / "pst").glob("*.pst"), key=lambda part: (len(part.name), part.name))
    opened = [(part, open_pst(part)) for part in parts]
    if not opened:
        raise RunError(
            f"mail/{bag.name} has no PST", code="rehearsal_failed", action="Run that export by itself with -v."
        )
    by = opened[0][1]
    told = (
        f"an independent reader, {by.reader}," if by.is_independent else f"{by.reader} (no other one is installed here)"
    )
    story.chapter(f"A mailbox has become a PST, which {told} opens: what it sees in it")
    for part, seen in opened:
        story.say(f"  {part.name}: {seen.items:,} items", "")
        for path, items in seen.folders:
            if items:
                story.say(f"    {items:>5,}  {path}", "")
    story.say(
        "  The mails themselves, as they came, lie beside it in data/originals/*.zip: any unzip opens those.", "weak"
    )


def _show_site(story: Story) -> None:
    """The largest site, as anybody finds it in the store. Raises: RunError if there is none."""
    bags = list((story.folder / "copy" / "sharepoint").iterdir())
    if not bags:
        raise RunError("no site was copied", code="rehearsal_failed", action="Run the export by itself with -v.")
    data = max(bags, key=lambda bag: sum(1 for _ in bag.rglob("*"))) / "data"
    story.chapter(f"A site has become plain files in {data}: what is in it")
    for library in sorted((data / "libraries").glob("*")):
        story.say(f"  {sum(path.is_file() for path in library.rglob('*')):>5,} files  libraries/{library.name}", "")
    for table in sorted((data / "lists").glob("*/items.csv")):
        with table.open(encoding="utf-8", newline="") as lines:
            story.say(f"  {sum(1 for _ in csv.reader(lines)) - 1:>5,} items  lists/{table.parent.name}/items.csv", "")
    pages = sorted((data / "pages").glob("*.html"))
    if pages:
        story.say(f"  {len(pages):>5,} pages  pages/*.html, safe to open: no scripts, nothing from elsewhere", "")


def _what_next(story: Story) -> None:
    here = shlex.quote(str(story.config))
    story.chapter("That was it. Try next:")
    for command, why in (
        (f"lastcopy verify --refold --config {here}", "build every fold again from the ledger, and compare"),
        (
            f"lastcopy compose --recompose --config {here}",
            "the PSTs anew, as the mailboxes were last: no tenant needed",
        ),
        (f"lastcopy restore --to {shlex.quote(str(story.folder / 'all'))} --config {here}", "everybody's files"),
        (f"less {shlex.quote(str(story.folder / 'copy' / 'runs'))}/*.json", "what each run found"),
        ("lastcopy rehearse serve", "the simulated tenant alone, for your own tools"),
        ("lastcopy init", "the real one"),
    ):
        story.say(f"  {command:<70}  # {why}", "")
    story.say("  Flip a byte anywhere below copy/onedrive, and verify again: it is found, exit 3.", "weak")


def _accept_all(story: Story) -> None:
    """Accept each code that the newest run shows, as a person who has looked at them would."""
    newest = max((story.folder / "copy" / "runs").iterdir())
    codes = json.loads(newest.read_text(encoding="utf-8"))["exceptions"]
    for code in sorted(codes):
        if code != "vanished":
            story.run("accept", code, "--by", "Robin Rehearsal", "--reason", "looked at, and it may stay behind")


def _control(info: dict[str, Any], method: str, path: str, body: bytes | None) -> Any:
    """Ask the simulated tenant's control port."""
    request = urllib.request.Request(f"{info['control']}/{path}", data=body, method=method)  # noqa: S310 - our own, https
    context = ssl.create_default_context(cafile=info["ca_bundle"])
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context))
    with opener.open(request, timeout=30) as answer:
        return json.loads(answer.read() or b"null")


def _numbers(summary: dict[str, Any]) -> dict[str, Any]:
    """The plain numbers of a summary."""
    return {name: value for name, value in summary.items() if isinstance(value, int | float)}
