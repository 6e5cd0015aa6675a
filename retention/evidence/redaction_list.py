"""What may stand clear in a package that leaves the house: an allow-list by the name of the field.

Rules of this file: data, nothing else. A string stands clear only if its field is here and the string has the form that
belongs to it; the name of a field stands clear only if it is here. What is missing here is replaced: nothing is ever shown by
mistake.
Source: issue 10 (6): counts, dates, codes, hashes of manifests, policy and software facts; docs/decisions/0094.
"""

import re
from typing import Final

INSTANT: Final = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}([T ][0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]{1,9})?)?(Z| ?[+-][0-9]{2}:[0-9]{2})?)?"
)
CODE: Final = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,63}")
WORDS: Final = re.compile(r"[a-z_]{1,24}( [a-z_]{1,24}){0,3}")
DIGEST: Final = re.compile(r"[0-9a-f]{64}")
RUN: Final = re.compile(r"[0-9]{8}T[0-9]{6}Z-[0-9a-f]{6}")
PACKAGE: Final = re.compile(r"evidence/[0-9]{8}T[0-9]{6}Z")
VERSION: Final = re.compile(r"(lastcopy )?[0-9][0-9A-Za-z.+-]{0,39}")
SOFTWARE: Final = re.compile(r"lastcopy[a-z0-9./-]{0,40}")
PREFLIGHT: Final = re.compile(r"PF-[0-9]{2}")
PAGE: Final = re.compile(r"[A-Z]{1,6}[0-9]{0,3}")
"""Key of a source of the policy, such as W24."""
NOTHING: Final = re.compile(r"(?!)")
POLICY: Final = re.compile(r"lastcopy-retention-[0-9]{4}-[0-9]{2}")
ZONE: Final = re.compile(r"UTC|[A-Z][A-Za-z_]{1,20}/[A-Z][A-Za-z_]{1,30}")

_BY_FORM: Final[tuple[tuple[re.Pattern[str], str], ...]] = (
    (
        INSTANT,
        "as_of asked_at at captured checked_at created document_date due earliest earliest_end ended first_at first_row_at"
        " fold_at generated_at known_at last_at latest local modified now proven_at readback_at retain_until sent since started"
        " until verified_on",
    ),
    (
        CODE,
        "agreement algorithm attested basis boundary class classes cloud code codes faults flags kind kinds level mode outcome"
        " origin possible_end provenance reasons severity state step term threshold_days trigger type verb channel action"
        " credential default_lock encryption",
    ),
    (WORDS, "result status"),
    (
        DIGEST,
        "build_sha256 certificate evidence last_row record_sha256 lastcopy_json row segment_sha256 sha256 signature_key"
        " tagmanifest_sha256 tsa_root",
    ),
    (RUN, "run run_records_differ runs"),
    (PACKAGE, "package"),
    (VERSION, "software version layout"),
    (SOFTWARE, "schema product"),
    (PREFLIGHT, "id item"),
    (PAGE, "conflicts key source"),
    (POLICY, "policy"),
    (ZONE, "time_zone"),
)
FORMS: Final = {name: form for form, names in _BY_FORM for name in names.split()}
"""{field: form that a string in it must have to stand clear}."""

_CHOICES: Final = "archive fasttransfer mail onedrive permissions recoverable sharepoint versions"
EXACT: Final = {
    ("generator", "name"): re.compile("lastcopy"),
    ("warnings", "channel"): NOTHING,  # the name of a `notify` entry, which may be a person's
    ("subscriptions", "agreement"): re.compile(r"MCA|MOSA|MPSA|EA|CSP|OV"),  # what a person typed
    ("policy", "id"): POLICY,
    ("package", "name"): PACKAGE,
    ("", "signature_algorithm"): re.compile(r"ed25519|ecdsa-p256-sha256"),
    ("", "report_id"): re.compile(r"[0-9]{8}T[0-9]{6}Z"),
    ("independent", "by"): re.compile(r"totalItemCount|folder\.childCount"),
    ("integrity", "method"): CODE,
    **dict.fromkeys(
        (("configured", name) for name in _CHOICES.split()),
        re.compile(r"all|none|auto|current|shared|on|off|[0-9]{1,6}"),
    ),
    ("", "schema"): re.compile(r"lastcopy[a-z0-9./-]{0,40}"),
}
"""{(field above, field): form}; goes before FORMS."""

CODE_MAPS: Final = frozenset(
    {"agreement", "boundaries", "by_code", "by_kind", "by_status", "counts", "kinds", "modes", "outcomes", "totals"}
    | {"superseded"}
)
"""Fields whose value is a map from codes: its keys stand clear if they have the form of one."""

_NAMES: Final = """\
acceptances accepted accepted_by accepted_risks access_ends ack actor after all_sources alternative archive as_json
asked asked_for at_risk_from attested_by average bag bags before_last_run beside_the_bags boundaries bucket by
by_class by_code bytes changed classes clock clock_start closing_rounds configured copied count counts coverage
custody data days days_left deletable_from demanded description different directory disposed domain domains doubtful drill
drive equal event events excepted exceptions exceptions_by_code exceptions_total exclude exit expected explained
explanation failed fasttransfer files finding findings first found frame full gap generator gone gone_by hash held
holds host id independent integrity is_rehearsal items journal keep_until last lastcopy_json listed lock_state made_by
mail max_age message method missing modes moving name names next not_asked not_covered notes number object object_lock
object_lock_enabled objects observed onedrive open owner part parts passed path payload_objects payload_sample pending
people permissions places policy policy_id preflight prev_hash previous principal problem proofs proven
reactivate_until read_back readiness ready reason recipient reconciled reconciliation recoverable refresh_permissions
refused rehearsal report_id restores rounds rows rule runs_total sample sample_size scope seed segment service
settings sharepoint signature_algorithm skew_ms sku source_count sources stamped steps storage subscription
subscriptions superseded superseded_psts take_over tenant text title too_large too_old total totals unavailable
unexpected unexplained user users value values verdict verification verifications verified verified_as_it_is
verified_bytes verified_files verified_items verify_age versioning versions warnings warnings_total whole
without_mailbox
"""
FIELDS: Final = frozenset(FORMS) | frozenset(_NAMES.split())
"""Names of fields that stand clear."""

TEXTS: Final = frozenset({"alternative", "data", "reason", "source", "title"})
"""Fields of sentences: one of ours stands clear there, and nowhere else: a folder may be called Contacts, as a class is."""

LEFT_OUT: Final = frozenset({"sha256", "quickXorHash", "versionId", "eTag"})
"""Columns of tables that hold hashes of items: empty unless they were asked for."""
