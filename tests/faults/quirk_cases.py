"""Quirks as rows: a plan, and what a first export under it must come to.

Rules of this file: data alone; the number of the quirk stands in the name. `{large}` in a route is the id of one file. Routes in
`asked` bound the requests: nothing is hammered, nothing loops. Source: reference/quirks.md.
"""

from tests.end_to_end.driving import Row
from tests.faults.desk import CONTENT, DELTA, DRIVE, HTML, SITES, VERSION, Case, no_sites, rule

ROUTE_DELTA, ROUTE_CONTENT, ROUTE_DRIVE = (
    "drives/{drive}/root/delta",
    "drives/{drive}/items/{item}/content",
    "users/{user}/drive",
)


LAPSED = "The service principal is disabled. This indicate that a subscription within the tenant has lapsed."


def status(number: int, route: str = "*", **more: object) -> Row:
    """An answer of this status."""
    return rule("status", route, status=number, **more)


# What a first export comes to. Routes of `asked` bound the requests: nothing is hammered, nothing loops.
LISTING = {
    "q001_410_in_the_first_listing": Case((rule("410", DELTA, after=1, count=1),), settings={"delta_page": 20}),
    "q001_410_at_once": Case((rule("410", DELTA, count=1),)),
    "q001_410_in_the_closing_round": Case((rule("410", DELTA, after=1, count=1),)),
    "q001_410_upload_differences": Case(
        (rule("410", DELTA, after=1, count=1, inner="resyncChangesUploadDifferences"),)
    ),
    "q001_410_in_capitals": Case((rule("410", DELTA, count=1, code="RESYNCREQUIRED", inner="ResyncApplyDifferences"),)),
    "q001_410_short_spelling": Case((rule("410", DELTA, count=1, code="resyncUploadDifferences", inner=None),)),
    "q001_410_nested_deep": Case((rule("410", DELTA, count=1, code="gone", inner=["a", "b", "resyncRequired"]),)),
    "q001_410_of_another_code": Case((rule("410", DELTA, count=1, code="itemNotFound", inner=None),)),
    "q001_410_without_location": Case((rule("410", DELTA, count=1, location=None),)),
    "q001_410_location_elsewhere": Case((rule("410", DELTA, count=1, location="https://elsewhere.example/v1.0/x"),)),
    "q001_410_location_by_http": Case((rule("410", DELTA, count=1, location="http://localhost/v1.0/x"),)),
    "q001_410_in_html": Case((status(410, DELTA, body=HTML, count=1),)),
    "q001_410_empty": Case((status(410, DELTA, count=1),)),
    "q001_code_under_400": Case((status(400, DELTA, code="resyncRequired", count=1),)),
    "q001_410_twice_fails_the_drive": Case(
        (rule("410", DELTA, after=1, count=2),), problem="resync_loop", least=2, asked={ROUTE_DELTA: 4}
    ),
    "q001_410_for_ever": Case((rule("410", DELTA),), problem="resync_loop", asked={ROUTE_DELTA: 2}),
    "q003_rows_come_twice": Case((rule("duplicate-rows", DELTA),)),
    "q003_users_come_twice": Case((rule("duplicate-rows", "users"),)),
    "q004_nothing_but_ids_of_parents": Case(
        (
            rule(
                "edit",
                DELTA,
                edits=[
                    {"at": "value/*/parentReference/driveId", "drop": True},
                    {"at": "value/*/parentReference/driveType", "drop": True},
                ],
            ),
        )
    ),
    "q005_pages_without_rows": Case((rule("empty-page", DELTA, count=1),)),
    "q005_many_pages_without_rows": Case((rule("empty-page", DELTA, count=40),), least=40),
    "q005_pages_of_two_rows": Case((rule("headers", "nothing"),), least=0, settings={"delta_page": 2}),
    "q005_users_one_by_one": Case((rule("headers", "nothing"),), least=0, settings={"users_page": 1}),
    "q007_no_delta": Case((rule("no-delta", DELTA),), differs={"not_found_while_listed": -1}),
    "q007_no_delta_501": Case((status(501, DELTA, code="notSupported"),), differs={"not_found_while_listed": -1}),
    "q007_no_delta_400_of_another_kind": Case(
        (status(400, DELTA, code="BadRequest"),), differs={"not_found_while_listed": -1}
    ),
    "q007_no_delta_invalid_request": Case((rule("400-transient", DELTA),), differs={"not_found_while_listed": -1}),
    "q007_no_delta_in_pages_of_three": Case(
        (rule("no-delta", DELTA),), differs={"not_found_while_listed": -1}, settings={"children_page": 3}
    ),
    "q007_and_a_folder_that_cannot_be_read": Case(
        (rule("no-delta", DELTA), status(500, "drives/*/items/*/children", after=2)), problem="transient"
    ),
    "q011_next_link_elsewhere": Case(
        (rule("edit", DELTA, edits=[{"at": "@odata.nextLink", "to": "https://elsewhere.example/x"}]),),
        problem="foreign_link",
        settings={"delta_page": 20},
    ),
    "q011_delta_link_elsewhere": Case(
        (rule("edit", DELTA, edits=[{"at": "@odata.deltaLink", "to": "https://elsewhere.example/x"}]),),
        problem="foreign_link",
    ),
    "q011_pages_that_lead_in_a_circle": Case(
        (rule("page-loop", DELTA, after=1),), problem="paging_loop", settings={"delta_page": 20}, asked={ROUTE_DELTA: 4}
    ),
    "q011_users_that_lead_in_a_circle": Case((rule("page-loop", "users"),), code=1, error="paging_loop"),
}
CONTENTS = {
    "q013_not_found_once": Case((rule("404", CONTENT, count=1),)),
    "q013_not_found_though_it_is_there": Case(
        (rule("404", "drives/*/items/{large}/content"),), differs={"not_found_while_listed": 1}
    ),
    "q014_url_expires": Case((rule("url-expired", host="download", count=2),), asked={"token": 1}),
    "q014_url_expires_403": Case((status(403, host="download", count=2),), least=2, asked={"token": 1}),
    "q014_url_expires_404": Case((status(404, host="download", body=HTML, count=2),), least=2),
    "q014_url_expires_410": Case((status(410, host="download", count=2),), least=2),
    "q015_url_expires_in_mid_file": Case(
        (rule("reset-mid-body", host="download", count=1, after=3), rule("url-expired", host="download", count=1)),
        least=2,
    ),
    "q016_redirect_to_a_stranger": Case(
        (status(302, "drives/*/items/{large}/content", headers={"Location": "https://elsewhere.example/x"}),),
        differs={"refused": 1},
    ),
    "q016_redirect_to_plain_http": Case(
        (status(302, "drives/*/items/{large}/content", headers={"Location": "http://localhost/x"}),),
        differs={"refused": 1},
    ),
    "q017_content_without_redirect": Case((rule("content-direct", CONTENT),)),
    "q018_range_is_ignored": Case(
        (rule("reset-mid-body", host="download", count=3, after=2), rule("range-ignored", host="download")), least=4
    ),
    "q019_416_at_the_end": Case(
        (rule("short-body", host="download", count=1), rule("range-unsatisfiable", host="download", count=1)), least=2
    ),
    "q020_connection_ends_early": Case((rule("short-body", host="download", count=5),), least=5),
    "q020_reset_in_mid_body": Case((rule("reset-mid-body", host="download", count=5),), least=5),
    "q020_reset_at_the_first_byte": Case((rule("reset-mid-body", host="download", after_bytes=0, count=5),), least=5),
    "q020_chunks_without_an_end": Case((rule("chunked-cut", host="download", count=5),), least=5),
    "q022_hash_of_an_upload": Case(
        (
            rule(
                "edit", DELTA, edits=[{"at": "value/*/file/hashes/quickXorHash", "to": "AAAAAAAAAAAAAAAAAAAAAAAAAAA="}]
            ),
        ),
        problem="content_differs",
        heals="bytes",
    ),
    "q023_hashes_null": Case((rule("edit", DELTA, edits=[{"at": "value/*/file/hashes", "to": None}]),), heals="bytes"),
    "q023_hashes_empty": Case((rule("edit", DELTA, edits=[{"at": "value/*/file/hashes", "to": {}}]),), heals="bytes"),
    "q023_hashes_absent": Case(
        (rule("edit", DELTA, edits=[{"at": "value/*/file/hashes", "drop": True}]),), heals="bytes"
    ),
    "q023_hash_empty_text": Case(
        (rule("edit", DELTA, edits=[{"at": "value/*/file/hashes/quickXorHash", "to": ""}]),), heals="bytes"
    ),
    "q025_everything_answers_204_once": Case((rule("content-empty", CONTENT, count=5),), least=5),
    "q026_html_and_a_header": Case(
        (status(403, "drives/*/items/{large}/content", body=HTML, headers={"X-Virus-Infected": "true"}),),
        differs={"malware": 1},
    ),
    "q026_said_by_the_download_host": Case(
        (status(403, host="download", body="", headers={"X-Virus-Infected": "True"}, count=1),), differs={"malware": 1}
    ),
    "q026_code_inside": Case(
        (status(403, "drives/*/items/{large}/content", code="accessDenied", inner=["x", "malwareDetected"]),),
        differs={"malware": 1},
    ),
    "q031_versions_400": Case((status(400, VERSION, code="invalidRequest"),), differs={"download_failed": 3}),
    "q031_versions_403": Case((rule("403", VERSION),), differs={"access_denied": 3}),
    "q031_versions_404": Case((rule("404", VERSION),), differs={"version_unavailable": 3}),
    "q031_versions_404_once": Case((rule("404", VERSION, count=1),)),
    "q031_versions_500": Case((rule("500", VERSION),), differs={"download_failed": 3}),
    "q030_the_current_one_among_them": Case(
        (
            status(
                400,
                VERSION,
                code="invalidRequest",
                count=1,
                message="You cannot get the content of the current version.",
            ),
        ),
        differs={"version_unavailable": 1},
    ),
    "q032_download_is_denied_once": Case((rule("403", CONTENT, count=1),), differs={"access_denied": 1}),
    "q032_denied_by_the_host": Case(
        (status(403, host="download"),), differs={"access_denied": 35 + 3}, asked={ROUTE_CONTENT: 150}
    ),
    "q055_a_labelled_file": Case((rule("403", "drives/*/items/{large}/content"),), differs={"access_denied": 1}),
    "q055_labels_keep_the_listing_back": Case((rule("403", DELTA),), problem="permission_missing"),
}
THROTTLING = {
    "q040_429_with_seconds": Case((rule("429", CONTENT, count=2, retry_after="seconds", seconds=10),)),
    "q040_429_of_two_minutes": Case((rule("429", DELTA, count=1, retry_after="seconds", seconds=120),)),
    "q040_429_with_decimals": Case((rule("429", CONTENT, count=2, retry_after="decimal", seconds=9.4),)),
    "q040_429_with_a_date": Case((rule("429", DELTA, count=1, retry_after="date", seconds=20),)),
    "q040_429_many_times": Case((rule("429", CONTENT, probability=0.3, count=40, seed=3, seconds=4),), least=10),
    "q040_429_for_a_million_seconds": Case((rule("429", DELTA, count=1, retry_after=1_000_000, block=False),)),
    "q040_429_for_less_than_nothing": Case((rule("429", DELTA, count=1, retry_after=-7, block=False),)),
    "q040_429_for_no_time": Case((rule("429", DELTA, count=3, retry_after=0, block=False),), least=3),
    "q040_429_that_cannot_be_read": Case(
        (status(429, DELTA, headers={"Retry-After": "soon", "RateLimit-Reset": "x"}, count=1),)
    ),
    "q040_429_until_the_next_century": Case(
        (status(429, DELTA, headers={"Retry-After": "Fri, 01 Jan 2100 00:00:00 GMT"}, count=1),)
    ),
    "q040_rate_limits_that_cannot_be": Case(
        (
            rule(
                "headers",
                DELTA,
                set={"RateLimit-Limit": "9" * 400, "RateLimit-Remaining": "0", "RateLimit-Reset": "9" * 12},
            ),
        )
    ),
    "q040_429_at_sign_in": Case((status(429, host="login", body="", headers={"Retry-After": "3"}, count=2),), least=2),
    "q040_429_of_the_download_host": Case(
        (status(429, host="download", headers={"Retry-After": "3"}, count=2),), least=2
    ),
    "q040_429_in_the_directory": Case(
        (
            rule("429", "users", count=1, seconds=5),
            rule("429", "organization", count=1, seconds=5),
            rule("429", "subscribedSkus", count=1, seconds=5),
        ),
        least=3,
    ),
    "q041_429_without_a_word": Case((rule("429", CONTENT, count=1, retry_after="none"),)),
    "q041_429_in_html": Case((status(429, CONTENT, body=HTML, count=2),), least=2),
    "q042_503_is_throttling": Case((rule("503", CONTENT, count=2, retry_after="decimal", seconds=5),)),
    "q042_502_504_509": Case(
        (rule("502", DELTA, count=1), rule("504", CONTENT, count=1), rule("509", CONTENT, count=1)), least=3
    ),
    "q042_503_for_ever": Case(
        (rule("503", DELTA, retry_after="none", block=False),), problem="throttled", asked={ROUTE_DELTA: 12}
    ),
    "q048_html_instead_of_json": Case(
        (rule("503-html", "users", count=1), rule("503-html", CONTENT, count=1)), least=2
    ),
    "q048_errors_without_a_body": Case(
        (
            status(500, "users", count=1),
            status(502, DRIVE, count=1),
            status(503, DELTA, count=1),
            status(504, CONTENT, count=2),
        ),
        least=5,
    ),
    "q048_errors_in_text": Case(
        (status(500, "organization", body="Oh dear", count=1), status(503, "users", body="Busy", count=1)), least=2
    ),
    "q048_errors_of_odd_json": Case(
        (
            status(500, DELTA, body={"error": []}, count=1),
            status(500, DELTA, body={"error": {"code": 5, "innerError": [1]}}, count=1),
            status(503, DELTA, body={"error": None}, count=1),
        ),
        least=3,
    ),
    "q049_400_that_goes_away": Case(
        (rule("400-transient", DELTA, count=1), rule("400-transient", CONTENT, count=1)), least=2
    ),
    "q049_400_of_one_item": Case(
        (rule("400-transient", "drives/*/items/{large}/content"),),
        differs={"download_failed": 1},
        least=3,
        asked={ROUTE_CONTENT: 60},
    ),
    "q050_resets": Case((rule("reset", DELTA, count=1), rule("close", CONTENT, count=2)), least=3),
    "q050_resets_everywhere": Case((rule("reset", "*", probability=0.15, seed=5),), least=10),
    "q050_reset_at_sign_in": Case((rule("reset", host="login", count=2),), least=2),
    "q050_what_came_is_no_http": Case((rule("garbage", "*", probability=0.1, seed=6),), least=5),
    "q050_the_drive_is_out_of_reach": Case(
        (rule("reset", DELTA),), problem="connection_failed", asked={ROUTE_DELTA: 7}
    ),
}
SIGN_IN = {
    "q051_token_expires": Case((rule("401-expired", CONTENT, count=1, after=5),)),
    "q051_token_expires_in_the_listing": Case((rule("401-expired", DELTA, count=1, after=1),)),
    "q051_tokens_revoked_in_mid_run": Case((rule("revoked", CONTENT, count=1, after=5),)),
    "q051_tokens_of_seconds": Case((rule("headers", "nothing"),), least=0, settings={"token_seconds": 20}),
    "q051_never_accepted": Case(
        (rule("401-expired", "organization"),), code=1, error="unauthorized", asked={"token": 2}
    ),
    "q051_revoked_and_no_new_one": Case(
        (rule("revoked", CONTENT, count=1, after=5), rule("aadsts", host="login", number=7000222, after=2)),
        code=1,
        error="secret_expired",
        least=2,
    ),
    "q052_continuous_access_evaluation": Case((rule("401-claims", CONTENT, count=1, after=3),)),
    "q052_in_the_listing": Case((rule("401-claims", DELTA, count=1),)),
    "q052_for_ever": Case((rule("401-claims", DELTA),), code=1, error="unauthorized", asked={ROUTE_DELTA: 2}),
    "q054_subscription_lapsed_users": Case(
        (rule("lapsed", "users"),), code=1, error="tenant_lapsed", asked={"users": 1}
    ),
    "q054_subscription_lapsed_organization": Case((rule("lapsed", "organization"),), code=1, error="tenant_lapsed"),
    "q054_subscription_lapsed_drives": Case(
        (rule("lapsed", DELTA),), code=1, error="tenant_lapsed", asked={ROUTE_DELTA: 1}
    ),
    "q054_subscription_lapsed_in_mid_run": Case((rule("lapsed", CONTENT, after=10),), code=1, error="tenant_lapsed"),
    "q054_subscription_lapsed_sign_in": Case(
        (rule("aadsts", "token", host="login", number=500014, message=LAPSED),),
        code=1,
        error="tenant_lapsed",
        asked={"token": 1},
    ),
    "secret_expired": Case(
        (rule("headers", "nothing"),), least=0, settings={"secret_expired": True}, code=1, error="secret_expired"
    ),
    "application_unknown": Case(
        (rule("aadsts", host="login", number=700016, status=400),), code=1, error="application_unknown"
    ),
    "sign_in_blocked_by_policy": Case(
        (rule("aadsts", "token", number=53003, status=400),), code=1, error="policy_blocked"
    ),
    "sign_in_for_an_unknown_reason": Case((rule("aadsts", "token", number=99999),), code=1, error="sign_in_refused"),
    "sign_in_for_the_moment_not": Case((rule("aadsts", "token", number=90033, status=400, count=2),), least=2),
    "sign_in_html": Case((status(200, host="login", body=HTML, count=2),), least=2),
    "sign_in_html_for_ever": Case((status(200, host="login", body=HTML),), code=1, error="sign_in_unreachable"),
    "sign_in_token_of_odd_types": Case(
        (status(200, "token", host="login", body={"access_token": 5, "expires_in": []}, count=2),), least=2
    ),
    "sign_in_500_for_ever": Case((rule("500", host="login"),), code=1, error="sign_in_unreachable"),
    "permissions_missing": Case(
        (rule("headers", "nothing"),),
        least=0,
        settings={"roles": ["User.Read.All"]},
        code=1,
        error="permission_missing",
    ),
    "licences_cannot_be_read": Case((rule("500", "subscribedSkus"),), least=6),
    "licences_may_not_be_read": Case((rule("403", "subscribedSkus"),)),
    "q053_dates_are_off": Case((rule("clock-skew", "*", seconds=7200),), least=5),
}
SOURCES = {
    "q056_no_sharepoint": Case((rule("no-spo", DRIVE), rule("no-spo", SITES)), problem="no_drive"),
    "q056_no_mysite_url": Case(
        (status(400, DRIVE, code="BadRequest", message="Unable to retrieve user's mysite URL."), no_sites()),
        problem="no_drive",
    ),
    "q056_404_that_names_nothing_once": Case((rule("404", DRIVE, count=1),)),
    "q056_404_that_names_nothing": Case((rule("404", DRIVE), no_sites()), problem="not_found", asked={ROUTE_DRIVE: 4}),
    "q056_404_in_html": Case((status(404, DRIVE, body=HTML), no_sites()), problem="not_found"),
    "q058_user_not_found": Case(
        (
            status(404, DRIVE, code="Request_ResourceNotFound"),
            status(404, "users/*", code="ResourceNotFound"),
            no_sites(),
        ),
        problem="not_found",
    ),
    "q058_invalid_user": Case(
        (status(404, DRIVE, code="ErrorInvalidUser"), status(404, "users/*", code="ErrorInvalidUser"), no_sites()),
        problem="not_found",
    ),
    "q058_resource_not_found": Case(
        (
            status(404, DRIVE, code="ResourceNotFound"),
            status(404, "users/*", code="Request_ResourceNotFound"),
            no_sites(),
        ),
        problem="not_found",
    ),
    "q056_a_drive_that_its_site_leads_to": Case((rule("404", DRIVE), rule("500", "sites/*/drive", count=1)), least=3),
    "q060_locked_site_of_a_drive": Case((rule("423", DRIVE), rule("423", "sites/*/drive")), problem="site_locked"),
    "q060_locked_listing": Case((rule("423", DELTA),), problem="locked", asked={ROUTE_DELTA: 1}),
    "q060_locked_drive": Case((rule("423", DRIVE), no_sites()), problem="locked", asked={ROUTE_DRIVE: 2}),
    "q060_locked_resource": Case(
        (status(423, DELTA, code="resourceLocked"),), problem="locked", asked={ROUTE_DELTA: 1}
    ),
    "q060_locked_without_a_word": Case((status(423, DELTA),), problem="locked", asked={ROUTE_DELTA: 1}),
    "q060_locked_in_mid_run": Case((rule("423", DELTA, after=1),), problem="locked"),
    "q060_locked_file": Case((rule("423", "drives/*/items/{large}/content"),), differs={"locked": 1}),
    "a_drive_in_trouble": Case((rule("500", DELTA),), problem="transient", asked={ROUTE_DELTA: 6}),
    "a_drive_that_is_gone": Case((rule("404", DELTA),), problem="not_found"),
    "clock_of_the_service_is_off": Case((rule("clock-skew", "*", seconds=-86_400),), least=5),
    "truncated_json": Case((rule("truncated-json", DELTA, count=1), rule("truncated-json", "users", count=1)), least=2),
    "corrupt_byte": Case((rule("corrupt", host="download", count=2, after=2),), least=2),
    "slow_trickle": Case((rule("slow", host="download", count=3, seconds=0.02, piece=64),), least=3),
}
CASES = {**LISTING, **CONTENTS, **THROTTLING, **SIGN_IN, **SOURCES}
