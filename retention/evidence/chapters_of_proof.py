"""Chapters 7, 8 and 14: how the copy is proven and kept, and how to check it without us.

Rules of this file: as `chapters`; what was never done is said ("not done"), and nothing is called protected that was not read
back. Source: retention-domain §6; design §8.
"""

from collections.abc import Mapping
from typing import Any

from retention.evidence.blocks import Block, Code, Facts, Lines, Section, Words, table
from retention.evidence.contents import Seal
from retention.evidence.words import instant, number, size, yes

_Document = Mapping[str, Any]
_FRAME = "root, last segment of the journal, records of runs, tag files, newest segments"
_BAGIT = (
    "Each bag is a BagIt bag: bagit.py --validate of the Library of Congress reads it. bags/ in this package holds the manifests"
    " that this report speaks of."
)


# ---------------------------------------------------------------------------------------------------------- integrity


def integrity_chapter(document: _Document, seal: Seal) -> list[Section]:
    """7: hashes, verifications, the seal, and against whom it protects."""
    found = document["integrity"]
    beside = found["beside_the_bags"]
    faults = beside["missing"] + beside["changed"] + beside["unexpected"]
    journal, totals = document["journal"], document["totals"]
    read = f"{number(found['verified_files'])} of {number(totals['files'])} files, {size(found['verified_bytes'])}"
    facts = Facts([
        ("Hash", [Words("SHA-256 of every item, of every file of each bag, and of each bag as a whole (its tagmanifest)")]),
        ("Read in full", [Words(f"{read}, by the newest verification of each bag ({found['method']})")]),
        ("Made for this report", [Words("tag files, rows and ledgers were read and compared; payload was not read again")]),
        ("Beside the bags", [Words(f"{faults or 'nothing'} missing, changed or unexpected", "bad" if faults else "good")]),
        ("Transfer", [Words(_agreement(document["totals"]["agreement"]))]),
        ("Journal", [Words(f"{number(journal['rows'])} rows, the last one:"), Words(journal["last_row"] or "–", "mono")]),
    ])  # fmt: skip
    runs = document["verifications"]
    checks = table(
        "Results, the newest first",
        (("When", 30.0), ("Level", 20.0), ("Bags", 20.0), ("Result", 30.0)),
        (
            [instant(row["at"]), row["level"], number(row["bags"]), _result(row["result"])]
            for row in reversed(runs)
        ),
        len(runs),
        "evidence.json, verifications",
    )  # fmt: skip
    bags = table(
        "Each bag, its hash, and when it was read",
        (("Bag", 28.0), ("SHA-256 of its tagmanifest", 36.0), ("Segment", 10.0), ("Read in full", 26.0)),
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


def _result(text: str) -> Words:
    return Words(text, "good" if text == "whole" else "bad")


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
        Words("A key is trusted only by a fingerprint that you have from elsewhere. Against its holder only these protect:"),
        Lines([
            _protection("a time stamp of another authority", "asked for" if seal.timestamp_url else None),
            _protection("Object Lock in compliance mode", f"until {instant(lock['retain_until'])}" if is_locked else None),
            Words("a fingerprint given away beforehand: in force only if you had it from elsewhere before this report"),
        ]),
    ]  # fmt: skip
    if seal.full:
        blocks.append(
            Words("This package leaves the house with names replaced. It stands for the evidence.json with the SHA-256")
        )
        blocks.append(Words(str(seal.full.get("evidence")), "mono"))
    return blocks


def _protection(name: str, told: str | None) -> Words:
    return Words(f"{name}: {told or 'not in force'}", "plain" if told else "doubtful")


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
            Words(f"{number(frame['objects'])} that hold the copy together, all of them: {_FRAME} ({_modes(frame)})"),
            Words(f"{number(sample['objects'])} of {number(row['payload_objects'])} of the payload, a sample ({_modes(sample)})"),
        ]),
        ("All objects", [Words("lastcopy verify reads the lock of each, where the configuration asks for one")]),
    ]  # fmt: skip
    return facts


def _modes(back: Mapping[str, Any]) -> str:
    told = ", ".join(f"{count:,} {'not locked' if mode == 'none' else mode}" for mode, count in back["modes"].items())
    return told + (f", {back['missing']:,} missing" if back["missing"] else "")


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
            Words("VERIFY.md beside this report has every step, also for PowerShell and for the time stamp. The heart of it:"),
            Code(steps),
            Words(_BAGIT),
        ]),
        Section("With Lastcopy", [Code("lastcopy verify --evidence DIR --fingerprint FINGERPRINT --latest SHA256\n")]),
        Section("Which questions this report answers", [Lines([
            Words("Complete: chapters 4 to 6. Intact: chapter 7. When, provably: chapters 7, 13. Cannot be altered: chapter 8."),
            Words("Who did what: chapter 12. Tested: chapter 11. In time, under which policy: chapters 3, 10, 13."),
            Words("What is missing: chapters 1, 4, 6. What of it is still allowed to be kept, and until when: chapter 12."),
            Words("It states facts for whoever judges them, and is no legal opinion.", "weak"),
        ])]),
    ]  # fmt: skip
