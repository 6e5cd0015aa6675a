"""The sites of the rehearsal tenant, and what is in them.

Rules of this file: tables only; all people and places are invented. Paths are those below the root of a library; sizes are bytes.
"""

from typing import NamedTuple

from exporters.rehearsal.documents import Row
from exporters.rehearsal.lively import Special

SITE_HOST = "willowmere.sharepoint.example"


class LivelySite(NamedTuple):
    """A site. parent: number of the site that it is below. group: name of the group whose team site it is."""

    path: str
    title: str
    files: tuple[tuple[str, int], ...]
    specials: tuple[Special, ...] = ()
    parent: int | None = None
    group: str | None = None
    issues: int = 6


_WALL = tuple(
    (f"/{folder}/{name}.{kind}", 700 + 911 * (place * 7 + index))
    for place, folder in enumerate(("Drawings", "Tenders/2025", "Minutes"))
    for index, name in enumerate(("North quay", "South quay", "Gate"))
    for kind in ("docx", "pdf")
)

SITES = (
    LivelySite(
        "/",
        "Willowmere",
        (("/Welcome.docx", 4_310), ("/Rules of the house.pdf", 12_077), ("/Forms/Leave.docx", 2_048)),
    ),
    LivelySite(
        "/sites/harbour-wall",
        "Harbour wall",
        _WALL,
        (
            ("versions", "/Tenders/2025/Offer.docx", 9_100),
            ("checked-out", "/Minutes/Draft.docx", 3_333),
            ("shared", "/Drawings/For the council.pdf", 5_151),
            ("size-hash-differ", "/Minutes/Annotated.docx", 6_006),
            ("odd-name", "/Tenders/2025/50% of # the wall.docx", 1_212),
            ("empty-folder", "/Photos to come", 0),
        ),
        group="Harbour wall",
        issues=12,
    ),
    LivelySite(
        "/sites/harbour-wall/survey",
        "Survey of the wall",
        (("/Soundings/March.xlsx", 7_654), ("/Soundings/April.xlsx", 7_655), ("/Read me.txt", 95)),
        parent=1,
        issues=3,
    ),
)

LIBRARIES = (  # name of the list, name shown and name of the drive, last part of the address, template, is it a system one
    ("Shared Documents", "Documents", "Shared%20Documents", "documentLibrary", False),
    ("SiteAssets", "Site Assets", "SiteAssets", "documentLibrary", False),
    ("SitePages", "Site Pages", "SitePages", "webPageLibrary", True),
)

Column = tuple[str, str, Row]  # name, name shown, type facet (hyperlinks and locations have none, as in the service)

ISSUES: tuple[Column, ...] = (
    ("Title", "Title", {"text": {"allowMultipleLines": False, "maxLength": 255}}),
    ("Notes", "Notes", {"text": {"allowMultipleLines": True, "textType": "richText"}}),
    ("Costs", "Costs", {"currency": {"locale": "de-DE"}}),
    ("Due_x0020_Date", "Due Date", {"dateTime": {"displayAs": "standard", "format": "dateOnly"}}),
    (
        "Status",
        "Status",
        {"choice": {"allowTextEntry": True, "choices": ["Open", "Closed"], "displayAs": "dropDownMenu"}},
    ),
    ("Tags", "Tags", {"choice": {"allowTextEntry": False, "choices": ["a", "b", "ü"], "displayAs": "checkBoxes"}}),
    ("Urgent", "Urgent?", {"boolean": {}}),
    ("Owner0", "Owner", {"personOrGroup": {"allowMultipleSelection": False, "chooseFromType": "peopleOnly"}}),
    ("Team", "Team", {"personOrGroup": {"allowMultipleSelection": True, "chooseFromType": "peopleOnly"}}),
    ("Parent", "Parent", {"lookup": {"allowMultipleValues": False, "columnName": "Title"}}),
    ("Plan_x002d_Link", "Plan-Link", {}),
    ("Topic", "Topic", {"term": {"allowMultipleValues": True}}),
    ("Attachments", "Attachments", {"boolean": {}}),
)
VISITS: tuple[Column, ...] = (
    ("Title", "Title", {"text": {"allowMultipleLines": False, "maxLength": 255}}),
    ("EventDate", "Start", {"dateTime": {"format": "dateTime"}}),
    ("EndDate", "End", {"dateTime": {"format": "dateTime"}}),
    ("fAllDayEvent", "All day", {"boolean": {}}),
    ("fRecurrence", "Recurrence", {"boolean": {}}),
    ("RecurrenceData", "RecurrenceData", {"text": {"allowMultipleLines": True}}),
    ("Attachments", "Attachments", {"boolean": {}}),
)
PEOPLE_LIST: tuple[Column, ...] = (
    ("Title", "Name", {"text": {}}),
    ("Name", "Account", {"text": {}}),
    ("EMail", "Work email", {"text": {}}),
)
FILE_COLUMNS: tuple[Column, ...] = (
    ("FileLeafRef", "Name", {"text": {"maxLength": 255}}),
    ("Title", "Title", {"text": {"allowMultipleLines": False, "maxLength": 255}}),
)

TITLES = (
    "Stone 14 is loose",
    "Größe der Pfähle prüfen",
    "=SUM(A1:A9) in the tender",
    "Gate squeaks, again",
    "",
    "見積書 missing",
    'Quotes " and, commas; and\ttabs',
)
NOTE = '<div class="ExternalClass">Seen at low tide.<br/>See <a href="https://willowmere.example/tides">tides</a></div>'

PAGES: dict[int, tuple[tuple[str, str, str], ...]] = {  # of each site: file name, title, HTML of its text
    0: (("Home.aspx", "Welcome to Willowmere", "<h2>Welcome</h2><p>Offices, forms, <b>people</b>.</p>"),),
    1: (
        ("Home.aspx", "Harbour wall", "<p>All about the wall: drawings, tenders &amp; minutes.</p>"),
        (
            "North-quay-is-done.aspx",
            "North quay is done",
            '<p onclick="alert(1)">Thanks, all!<script>alert(2)</script> <img src="https://elsewhere.example/x.png"></p>',
        ),
    ),
    2: (("Home.aspx", "Survey of the wall", "<p>Soundings month by month.</p>"),),
}
