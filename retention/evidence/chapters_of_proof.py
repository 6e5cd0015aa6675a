"""Chapters 7 to 14: how the copy is proven, who did what, and how to check it without us.

Rules of this file: as `chapters`; what was never done is said ("not done"), and nothing is called protected that was not read back.
Source: retention-domain §6; design §8.
"""

from collections.abc import Mapping
from typing import Any

from retention.evidence.blocks import Block, Code, Facts, Lines, Section, Style, Words, table
from retention.evidence.contents import Seal
from retention.evidence.words import instant, number, plural, size, yes

_Document = Mapping[str, Any]
_RESULTS: Mapping[str, Style] = {"pass": "good", "notice": "plain", "warn": "doubtful", "block": "bad"}


# ---------------------------------------------------------------------------------------------------------- integrity


def integrity_chapter(document: _Document, seal: Seal) -> list[Section]:
    """7: hashes, verifications, the seal, and against whom it protects."""
    found = document["integrity"]
    beside = found["beside_the_bags"]
    faults = beside["missing"] + beside["changed"] + beside["unexpected"]
    facts = Facts([
        ("Hash", [Words("SHA-256 of every item, of every file of each bag, and of each bag as a whole (its tagmanifest)")]),
        ("Read in full", [Words(f"{number(found['verified_files'])} of {number(document['totals']['files'])} files, {size(found['verified_bytes'])}, by the newest verification of each bag ({found['method']})")]),
        ("Made for this report", [Words("tag files, rows and ledgers were read and compared; payload was not read again")]),
        ("Beside the bags", [Words(f"{number(faults)} objects missing, changed or unexpected" if faults else "nothing missing, changed or unexpected", "bad" if faults else "good")]),
        ("Transfer", [Words(_agreement(document["totals"]["agreement"]))]),
        ("Journal", [Words(f"{number(document['journal']['rows'])} rows; the last one has the SHA-256"), Words(document["journal"]["last_row"] or "–", "mono")]),
    ])  # fmt: skip
    runs = document["verifications"]
    checks = table(
        "Verifications",
        (("When", 30.0), ("Level", 20.0), ("Bags", 20.0), ("Result", 30.0)),
        ([instant(r["at"]), r["level"], number(r["bags"]), Words(r["result"], "good" if r["result"] == "whole" else "bad")] for r in reversed(runs)),
        len(runs),
        "evidence.json, verifications",
    )  # fmt: skip
    bags = table(
        "Bags",
        (("Bag", 28.0), ("SHA-256 of its tagmanifest", 36.0), ("Segment", 8.0), ("Read in full", 28.0)),
        ([bag["path"], Words(bag["tagmanifest_sha256"] or "none", "mono"), number(bag["segment"]), _proof(proof)]
         for bag, proof in zip(found["bags"], found["proofs"], strict=True)),
        len(found["bags"]),
        "evidence.json, integrity",
    )  # fmt: skip
    return [
        Section("How it is proven", [facts]),
        Section("Signature and time stamp", _seal(document, seal)),
        Section("Verifications", [checks if runs else Words("Not done: run lastcopy verify.", "bad")]),
        Section("Bags", [bags]),
    ]


def _agreement(found: Mapping[str, int]) -> str:
    names = {
        "match": "as the service's own hash says",
        "unhashed": "of the length that the service says, which gave no hash",
        "rewritten": "of a type that SharePoint rewrites, re-read once",
        "differs": "other than the service says, kept and reported",
    }
    return (
        "; ".join(f"{count:,} files {names.get(name, name)}" for name, count in found.items()) or "no file was compared"
    )


def _proof(bag: Mapping[str, Any]) -> Words:
    if bag["faults"]:
        return Words(", ".join(bag["faults"]).replace("_", " "), "bad")
    if bag["verified_as_it_is"]:
        return Words(f"whole, {instant(bag['proven_at'])}", "good")
    last = bag["verified"]
    return Words(
        f"not as it is now; last looked at: {last['level']}, {last['result']}, {instant(last['at'])}"
        if last
        else "never",
        "bad",
    )


def _seal(document: _Document, seal: Seal) -> list[Block]:
    lock = document["storage"][0]["object_lock"] if document["storage"] else {"mode": None, "retain_until": None}
    is_locked = lock["mode"] == "compliance"
    stamp = (
        f"asked from {seal.timestamp_url}; evidence.tsr, if it is there"
        if seal.timestamp_url
        else "none: no authority is configured"
    )
    before = str(seal.previous.get("package")) if seal.previous else "none: this is the first, or it is not known"
    blocks: list[Block] = [
        Facts([
            ("Signature", [Words(f"evidence.sig, {seal.algorithm}, over evidence.json")]),
            ("Fingerprint of the key", [Words(seal.fingerprint, "mono")]),
            ("Time stamp", [Words(stamp)]),
            ("Package before", [Words(before)]),
        ]),
        Words("A key is trusted only by a fingerprint that you have from elsewhere. Against whoever holds the key only these protect:"),
        Lines([
            Words(f"a time stamp of another authority: {'asked for' if seal.timestamp_url else 'not in force'}", "plain" if seal.timestamp_url else "doubtful"),
            Words(f"Object Lock in compliance mode: {'read back, until ' + instant(lock['retain_until']) if is_locked else 'not in force'}", "plain" if is_locked else "doubtful"),
            Words("a fingerprint given away beforehand: in force only if you had it from elsewhere before this report"),
        ]),
    ]  # fmt: skip
    if seal.full:
        blocks.append(
            Words("This package leaves the house with names replaced. It stands for the evidence.json with the SHA-256")
        )
        blocks.append(Words(str(seal.full.get("evidence")), "mono"))
    return blocks


# ------------------------------------------------------------------------------------------------------------ storage


def storage_chapter(document: _Document) -> list[Section]:
    """8: what the store says of itself, and the locks as they were read back."""
    return [Section("The store", [Facts(_store(row))]) for row in document["storage"]]


def _store(row: Mapping[str, Any]) -> list[tuple[str, list[Words]]]:
    asked, lock, back = row["asked_for"], row["object_lock"], row["read_back"]
    facts = [
        ("Place", [Words(str(row["bucket"]))]),
        ("Versions kept", [Words(yes(row["versioning"]), "plain" if row["versioning"] else "doubtful")]),
        ("Encryption", [Words(row["encryption"] or "not told")]),
        (
            "Lock that the configuration asks for",
            [Words(f"{asked['mode']} until {instant(asked['until'])}" if asked else "none")],
        ),
    ]
    if back is None:
        facts.append(
            (
                "Lock read back",
                [
                    Words(
                        "none: a folder has neither locks nor versions; whoever may write to it can change it",
                        "doubtful",
                    )
                ],
            )
        )
        return facts
    frame, sample = back["frame"], back["payload_sample"]
    told = (
        f"{lock['mode']}, none of them ending before {instant(lock['retain_until'])}"
        if lock["mode"]
        else "not every object that was read is locked"
    )
    facts += [
        ("Lock read back", [Words(told, "good" if lock["mode"] else "doubtful"), Words(f"on {instant(row['readback_at'])}")]),
        ("Of these objects", [
            Words(f"{number(frame['objects'])} that hold the copy together, all of them: root, journal's last segment, records, tag files, newest segments ({_modes(frame)})"),
            Words(f"{number(sample['objects'])} of {number(row['payload_objects'])} of the payload, a sample ({_modes(sample)})"),
        ]),
        ("All objects", [Words("lastcopy verify reads the lock of each, where the configuration asks for one")]),
    ]  # fmt: skip
    return facts


def _modes(back: Mapping[str, Any]) -> str:
    told = ", ".join(f"{count:,} {'not locked' if mode == 'none' else mode}" for mode, count in back["modes"].items())
    return told + (f", {back['missing']:,} missing" if back["missing"] else "")


# ---------------------------------------------------------------------------------------------- preflight, readiness


def preflight_chapter(document: _Document) -> list[Section]:
    """9: what was looked at before cancelling, and whether the tenant was ready."""
    ready, rows = document["readiness"], document["preflight"]
    if ready["ready"] is None:
        answer = [Words("not asked: run lastcopy ready", "doubtful")]
    else:
        text = f"{'yes' if ready['ready'] else 'no'}, {instant(ready['asked_at'])}{'; an export has ended since' if ready['before_last_run'] else ''}"
        answer = [Words(text, "good" if ready["ready"] else "bad")]
        answer += [Words(f"reasons: {', '.join(ready['reasons'])}")] if ready["reasons"] else []
    checks = table(
        "Preflight",
        (("Item", 8.0), ("Result", 12.0), ("Finding", 40.0), ("Attested", 26.0), ("Taken upon", 14.0)),
        ([row["id"], Words(str(row["result"] or "–").replace("_", " "), _RESULTS.get(str(row["result"]), "weak")), row["message"],
          _attested(row["attested"]), row["accepted_by"]] for row in rows),
        len(rows),
        "evidence.json, preflight",
    )  # fmt: skip
    return [
        Section("May the tenant be cancelled?", [Facts([("lastcopy ready", answer)])]),
        Section("Preflight", [checks if rows else Words("Not done: run lastcopy check --cancel.", "doubtful")]),
    ]


def _attested(row: Mapping[str, Any] | None) -> str | None:
    if row is None:
        return None
    values = ", ".join(f"{name}={value}" for name, value in (row["values"] or {}).items())
    return "; ".join(str(part) for part in (f"{row['by']}, {instant(row['at'])}", row["text"], values) if part)


# ----------------------------------------------------------------------------------------------------------- warnings


def warnings_chapter(document: _Document) -> list[Section]:
    """10: who was warned of what, when, and who took note."""
    rows = document["warnings"]
    listing = table(
        "Warnings",
        (("Boundary", 22.0), ("Due", 17.0), ("Severity", 10.0), ("To", 14.0), ("Sent", 17.0), ("Acknowledged", 20.0)),
        (
            [f"{row['boundary']}, {row['threshold_days']} d" if isinstance(row["threshold_days"], int) else f"{row['boundary']}, {row['threshold_days']}",
             instant(row["due"]), row["severity"], row["channel"], _sent(row), _acknowledged(row)]
            for row in reversed(rows)
        ),
        document["warnings_total"],
        "evidence.json, warnings",
    )  # fmt: skip
    sent = sum(1 for row in rows if row["sent"])
    seen = sum(1 for row in rows if row["ack"])
    text = f"{plural(document['warnings_total'], 'warning')} on record; of the newest {len(rows):,}, {sent:,} were sent and {seen:,} acknowledged."
    return [
        Section(
            "", [Words(text), listing] if rows else [Words("None: nothing was due, or no subscription is tracked.")]
        )
    ]


def _sent(row: Mapping[str, Any]) -> Words:
    if row["sent"]:
        return Words(instant(row["sent"]))
    return Words(row["status"], "weak" if row["status"] in {"superseded", "withdrawn", "dropped"} else "bad")


def _acknowledged(row: Mapping[str, Any]) -> Words:
    if row["ack"]:
        return Words(f"{row['ack']['by']}, {instant(row['ack']['at'])}")
    return Words(
        "nobody" if row["sent"] else "–", "doubtful" if row["sent"] and row["severity"] == "critical" else "weak"
    )


# ----------------------------------------------------------------------------------------------------------- restores


def restore_chapter(document: _Document) -> list[Section]:
    """11: whether anybody tried to get something back."""
    rows = document["restores"]
    listing = table(
        "Test restores",
        (("When", 22.0), ("Items", 12.0), ("Passed", 12.0), ("Failed", 12.0), ("Seed", 22.0), ("By", 20.0)),
        (
            [instant(row["at"]), number(row["sample_size"]), number(row["passed"]),
             Words(number(row["failed"]), "bad" if row["failed"] else "good"), str(row["seed"]), row["by"]]
            for row in reversed(rows)
        ),
        len(rows),
        "evidence.json, restores",
    )  # fmt: skip
    return [Section("", [listing if rows else Words("Not done: run lastcopy restore --drill N.", "doubtful")])]


# ------------------------------------------------------------------------------------------------------------ custody


def custody_chapter(document: _Document) -> list[Section]:
    """12: holds, disposals, and what people and the clock did, chained by hash."""
    holds, chain = document["holds"], document["custody"]
    held = table(
        "Holds and keep-until dates",
        (("Bag", 34.0), ("What", 22.0), ("By", 18.0), ("Reason", 26.0)),
        (
            *([row["bag"], f"hold {row.get('name') or ''}", row["by"], row["reason"]] for row in holds["held"]),
            *([row["bag"], f"keep until {instant(row['until'])}", row["by"], row["reason"]] for row in holds["keep_until"]),
        ),
        len(holds["held"]) + len(holds["keep_until"]),
        "evidence.json, holds",
    )  # fmt: skip
    gone = table(
        "Disposed of",
        (("Bag", 40.0), ("When", 20.0), ("Items", 12.0), ("Size", 12.0), ("By", 16.0)),
        (
            [row["bag"], instant(row["at"]), number(row["items"]), size(row["bytes"]), row["by"]]
            for row in holds["disposed"]
        ),
        len(holds["disposed"]),
        "evidence.json, holds",
    )
    deeds = table(
        "The journal, newest rows first",
        (("When", 15.0), ("Who", 18.0), ("What", 15.0), ("About", 26.0), ("SHA-256 of the row", 26.0)),
        (
            [instant(row["at"]), _who(row), row["action"], row["object"], Words(row["hash"], "mono")]
            for row in reversed(chain)
        ),
        document["journal"]["rows"],
        "journal/ in the store, each row with the SHA-256 of the one before",
    )  # fmt: skip
    made, actor = document["made_by"], document["made_by"]["actor"]
    return [
        Section(
            "This report",
            [Facts([("Made by", [Words(f"{made['by'] or 'nobody by name'}, as {actor['user']} on {actor['host']}")])])],
        ),
        Section(
            "Holds",
            [held if holds["held"] or holds["keep_until"] else Words("No hold and no keep-until date is on record.")],
        ),
        Section("Disposal", [gone if holds["disposed"] else Words("Nothing was disposed of.")]),
        Section("The journal", [deeds]),
    ]


def _who(row: Mapping[str, Any]) -> str:
    actor = row["actor"] or {}
    machine = f"{actor.get('user', '?')} on {actor.get('host', '?')}"
    return f"{row['by']} ({machine})" if row["by"] else machine


# ----------------------------------------------------------------------------------------------------------- software


def software_chapter(document: _Document) -> list[Section]:
    """13: what made the copy, by which rules, and how right its clock was."""
    made, policy, clock = document["generator"], document["policy"], document["clock"]
    skew = clock["skew_ms"]
    told = (
        f"{skew / 1000:+.0f} s against the service's clock, {instant(clock['checked_at'])}"
        if isinstance(skew, int)
        else "the service's clock was never seen"
    )
    runs = document["runs"]
    listing = table(
        "Runs",
        (("Run", 24.0), ("What", 9.0), ("Started", 16.0), ("Ended", 16.0), ("Exit", 6.0), ("By", 15.0), ("Software", 14.0)),
        (
            [row["run"], row["verb"], instant(row["started"]), Words(instant(row["ended"]) if row["ended"] else "no end", "plain" if row["ended"] else "bad"),
             number(row["exit"]), _who({"actor": row["actor"], "by": None}), row["software"] or "not recorded"]
            for row in reversed(runs)
        ),
        document["runs_total"],
        "evidence.json, runs, and runs/ in the store",
    )  # fmt: skip
    sources = table(
        "Sources of the policy that the dates follow",
        (("Key", 10.0), ("Document", 40.0), ("Dated", 14.0), ("Verified", 14.0), ("SHA-256 of the copy read", 22.0)),
        ([row["key"], row["title"], row["document_date"], row["verified_on"], Words(row["sha256"] or "none", "mono")] for row in policy["sources"]),
        len(policy["sources"]),
        "lastcopy policies",
    )  # fmt: skip
    risks = [
        Words(f"{row['part']}: dates later than published, by {row['by']}: {row['reason']}", "doubtful")
        for row in policy["accepted_risks"]
    ]
    return [
        Section("Software", [Facts([
            ("Program", [Words(f"{made['name']} {made['version']}")]),
            ("SHA-256 of its code", [Words(made["build_sha256"], "mono")]),
        ])]),
        Section("Policy", [
            Facts([
                ("Policy", [Words(f"{policy['id']}, verified {policy['verified_on']}{'; it should have been verified again' if policy['too_old'] else ''}", "doubtful" if policy["too_old"] else "plain")]),
                ("SHA-256", [Words(policy["sha256"], "mono")]),
                ("Risks that somebody took", risks or [Words("none")]),
            ]),
            *([sources] if policy["sources"] else []),
        ]),
        Section("Clock", [Facts([
            ("Source", [Words(clock["source"])]),
            ("Difference", [Words(told, "bad" if isinstance(skew, int) and abs(skew) > 60_000 else "plain")]),
        ])]),
        Section("Runs", [listing if runs else Words("None.")]),
    ]  # fmt: skip


# ---------------------------------------------------------------------------------------------------------- verifying


def verifying_chapter(seal: Seal) -> list[Section]:
    """14: with tools that everybody has. VERIFY.md beside this report has all steps."""
    steps = (
        "# in the folder of the package\n"
        "sha256sum -c SHA256SUMS\n"
        "# the fingerprint must be the one that you have from elsewhere\n"
        "openssl pkey -pubin -in public-key.pem -outform DER | sha256sum\n"
    )
    if seal.algorithm == "ed25519":
        steps += "openssl pkeyutl -verify -pubin -inkey public-key.pem -rawin -in evidence.json -sigfile evidence.sig\n"
    else:
        steps += "openssl dgst -sha256 -verify public-key.pem -signature evidence.sig evidence.json\n"
    return [
        Section("With sha256sum and openssl", [
            Words("VERIFY.md beside this report has every step, also those for PowerShell and for the time stamp. The heart of it:"),
            Code(steps),
            Words("Each bag is a BagIt bag: bagit.py --validate of the Library of Congress reads it. bags/ in this package holds the manifests that this report speaks of."),
        ]),
        Section("With Lastcopy", [Code("lastcopy verify --evidence DIR --fingerprint FINGERPRINT --latest SHA256\n")]),
        Section("Which questions this report answers", [Lines([
            Words("Complete: chapters 4 to 6. Intact: chapter 7. When, provably: chapters 7 and 13. Cannot be altered: chapter 8."),
            Words("Who did what: chapter 12. Tested: chapter 11. In time, under which policy: chapters 3, 10, 13. What is missing: chapters 1, 4, 6."),
            Words("It states facts for whoever judges them, and is no legal opinion.", "weak"),
        ])]),
    ]  # fmt: skip
