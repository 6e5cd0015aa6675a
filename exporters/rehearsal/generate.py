"""A lively little tenant in the tenant-data format: twelve people with their mail, about three hundred files and every oddity
of drives, three sites.

Rules of this file: the same seed gives the same bytes; contents are recipes, so the folder stays small; the story of the
changes (changes.jsonl) holds every kind of change once or more.
Source: reference/tenant-data.md.
"""

import hashlib
import struct
from collections import Counter
from collections.abc import Iterable
from datetime import timedelta
from pathlib import Path

from exporters.clock import timestamp
from exporters.rehearsal.content import ContentReader
from exporters.rehearsal.directory_making import make_directory, make_groups
from exporters.rehearsal.documents import Row, render
from exporters.rehearsal.drive_making import DriveMaker
from exporters.rehearsal.lively import DRIVES, INITIAL_DOMAIN, NOW, PEOPLE, SPECIALS, VANITY_DOMAIN
from exporters.rehearsal.lively_mail import BERLIN, FEW, LANGUAGES, LETTERS, TOKYO
from exporters.rehearsal.mail_making import MailboxMaker
from exporters.rehearsal.organizer_making import make_organizer
from exporters.rehearsal.quickxor import quick_xor
from exporters.rehearsal.site_making import make_sites
from exporters.rehearsal.story import Story, guid, tell_of_lists, tell_of_mail, tell_of_sites

_SKU = "05e9a617-0261-4cee-bb44-138d3ef5d965"


def generate(folder: Path, *, seed: str = "1") -> Path:
    """Write the tenant into `folder`, which must not hold one; returns it. Takes about a second."""
    folder.mkdir(parents=True)
    maker = _Maker(folder, seed)
    maker.people()
    for number in range(len(PEOPLE)):
        maker.drive(number)
        maker.mailbox(number)
    sites = make_sites(maker)
    maker.groups(sites)
    maker.changes(sites)
    maker.finish()
    return folder


class _Maker:
    def __init__(self, folder: Path, seed: str) -> None:
        self.folder, self.seed = folder, seed
        self.tenant_id = guid(seed, "tenant")
        self.reader = ContentReader(folder)
        self.users: list[Row] = []
        self.rows: dict[str, list[Row]] = {}
        self.messages: dict[int, list[Row]] = {}
        self.traits: Counter[str] = Counter()
        self.counts: Counter[str] = Counter()
        self.files: dict[str, Row] = {}

    # -------------------------------------------------------------------------------------------------- people

    def people(self) -> None:
        for number, person in enumerate(PEOPLE):
            domain = INITIAL_DOMAIN if person.kind == "guest" else VANITY_DOMAIN
            name = f"{person.login}@{domain}"
            licensed = person.kind == "user"
            self.users.append(
                {
                    "id": guid(self.seed, "user", number),
                    "userPrincipalName": name,
                    "mail": person.mail or name,
                    "displayName": person.name,
                    "givenName": person.name.split(" ", maxsplit=1)[0],
                    "surname": person.name.rpartition(" ")[2],
                    "accountEnabled": person.kind in ("user", "guest"),
                    "userType": "Guest" if person.kind == "guest" else "Member",
                    "preferredLanguage": LANGUAGES.get(number, "en-US"),
                    "createdDateTime": timestamp(NOW - timedelta(days=400 + 97 * number)),
                    "proxyAddresses": [] if person.kind == "guest" else [f"SMTP:{name}"],
                    "assignedLicenses": [{"skuId": _SKU, "disabledPlans": []}] if licensed else [],
                    "mailboxSettings": _settings(number, person.kind),
                    "_n": number,
                    "_kind": person.kind,
                    "_mailbox": "none" if person.kind == "guest" else "active",
                    "_dir": None if person.kind == "guest" else f"users/u{number:05}",
                    "_drive": f"drives/u{number:05}" if person.drive else None,
                }
            )
            self.counts["users"] += 1
        self.lines("users.jsonl", self.users)

    # -------------------------------------------------------------------------------------------------- drives

    def drive(self, number: int) -> None:
        user = self.users[number]
        name = user["_drive"]
        if name is None:
            return
        drive = DriveMaker(self, name, user)
        for path, size in DRIVES[number % len(DRIVES)]:
            drive.file(path, size)
        for special in SPECIALS.get(number, ()):
            drive.special(special)
        rows = drive.finish()
        self.rows[name] = rows
        self.lines(f"{name}/items.jsonl", rows)
        (self.folder / name / "drive.json").write_bytes(render(drive.info(rows)))
        self.counts["drives"] += 1
        self.counts["files"] += sum("file" in row for row in rows)
        self.counts["fileBytes"] += sum(row["_c"]["len"] for row in rows if "_c" in row)

    # --------------------------------------------------------------------------------------------------- mail

    def mailbox(self, number: int) -> None:
        """The mailbox of a person; rooms and the like have little in it."""
        owner = self.users[number]
        if owner["_dir"] is None:
            return
        people = [(user["displayName"], user["mail"]) for user in (*self.users[number:], *self.users[:number])]
        is_person = owner["_kind"] == "user"
        box = MailboxMaker(
            self.folder,
            owner,
            people,
            NOW,
            seed=self.seed,
            content=self.content,
            read=lambda reference: b"".join(self.reader.pieces(reference, 0, int(reference["len"]))),
            write=self.lines,
        )
        box.mail([letter for letter in LETTERS if is_person or letter.subject in FEW])
        make_organizer(box, with_tasks=is_person)
        box.close()
        self.messages[number] = box.messages
        self.counts.update({"mailboxes": 1, "messages": len(box.messages)})

    def groups(self, sites: list[Row]) -> None:
        """Groups of all kinds, some with a team site, and what the directory has beside them."""
        team = {site["_group"]: site["id"] for site in sites if site["_group"]}
        groups = [{**row, "_site": team.get(str(row["displayName"]))} for row in make_groups(self.seed, self.users)]
        self.lines("groups.jsonl", groups)
        (self.folder / "directory.json").write_bytes(render(make_directory(self.seed, self.users)))

    def content(self, recipe: str, length: int) -> Row:
        """A content reference for a recipe."""
        reference: Row = {"gen": f"{recipe}.{self.seed}", "len": length}
        digest = hashlib.sha256()
        pieces = []
        for piece in self.reader.pieces(reference, 0, length):
            digest.update(piece)
            pieces.append(piece)
        return {**reference, "sha256": digest.hexdigest(), "qx": quick_xor(pieces)}

    # ------------------------------------------------------------------------------------------------- changes

    def changes(self, sites: list[Row]) -> None:
        """What happens between the first export and the second."""
        written: list[Row] = []
        for name, rows in self.rows.items():
            written.extend({"kind": "driveItem", **row} for row in Story(name, rows, self.seed, self.content).tell())
        for number, messages in self.messages.items():
            written.extend(tell_of_mail(self.users[number]["userPrincipalName"], messages))
        written.extend(tell_of_lists(sites[1], self.content))
        written.extend(tell_of_sites(sites))
        self.lines("changes.jsonl", [{"n": n, **row} for n, row in enumerate(written)])

    # --------------------------------------------------------------------------------------------------- files

    def lines(self, name: str, rows: Iterable[Row]) -> list[int]:
        """A .jsonl with its .idx; returns where each row begins, and where the last one ends."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        digest, offsets, place = hashlib.sha256(), [], 0
        with path.open("wb") as out:
            for row in rows:
                line = render(row) + b"\n"
                offsets.append(place)
                place += len(line)
                digest.update(line)
                out.write(line)
        path.with_suffix(".idx").write_bytes(struct.pack(f"<{len(offsets)}Q", *offsets))
        self.files[name] = {"rows": len(offsets), "bytes": place, "sha256": digest.hexdigest()}
        return [*offsets, place]

    def finish(self) -> None:
        """tenant.json and summary.json."""
        digest = hashlib.sha256(
            render(sorted((name, entry["sha256"]) for name, entry in self.files.items()))
        ).hexdigest()
        tenant = {
            "format": 1,
            "tenantId": self.tenant_id,
            "domain": INITIAL_DOMAIN,
            "sharepointHost": "willowmere.sharepoint.example",
            "now": timestamp(NOW),
            "timeZones": {BERLIN: "Europe/Berlin", TOKYO: "Asia/Tokyo", "UTC": "Etc/UTC"},
            "options": {"seed": self.seed, "generator": "lastcopy rehearsal"},
            "digest": digest,
        }
        summary = {
            "counts": dict(self.counts),
            "traits": dict(sorted(self.traits.items())),
            "files": self.files,
            "digest": digest,
        }
        (self.folder / "tenant.json").write_bytes(render(tenant))
        (self.folder / "summary.json").write_bytes(render(summary))
        self.reader.close()


def _settings(number: int, kind: str) -> Row:
    language = LANGUAGES.get(number, "en-US")
    return {"timeZone": BERLIN, "userPurpose": kind, "language": {"locale": language, "displayName": language}}
