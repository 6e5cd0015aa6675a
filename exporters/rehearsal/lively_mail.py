"""What lies in the mailboxes of the rehearsal tenant: folders, letters, meetings, contacts, tasks.

Rules of this file: tables only; all people and places are invented. Who writes is a number of `lively.PEOPLE` counted on from the
owner (0: the owner), or a stranger by name and address.
"""

from typing import NamedTuple

Correspondent = int | tuple[str, str]


class FolderRow(NamedTuple):
    """A mail folder. above: its parent by its own `key`; known: its well-known name."""

    key: str
    name: str
    above: str | None = "top"
    known: str | None = None
    hidden: bool = False
    search: bool = False


_WELL_KNOWN = (
    FolderRow("top", "Top of Information Store", None, "msgfolderroot"),
    FolderRow("inbox", "Inbox", "top", "inbox"),
    FolderRow("sent", "Sent Items", "top", "sentitems"),
    FolderRow("drafts", "Drafts", "top", "drafts"),
    FolderRow("deleted", "Deleted Items", "top", "deleteditems"),
    FolderRow("junk", "Junk Email", "top", "junkemail"),
    FolderRow("archive", "Archive", "top", "archive"),
    FolderRow("history", "Conversation History", "top", "conversationhistory"),
    FolderRow("sync", "Sync Issues", "top", "syncissues", hidden=True),
)
_OWN = (
    FolderRow("wall", "Projects/Harbour wall", "inbox"),
    FolderRow("minutes", "Minutes", "wall"),
    FolderRow("twin", "Minutes", "inbox"),
    FolderRow("unread", "Unread mail", "top", search=True),
)
_RECOVERABLE = (
    FolderRow("recoverable", "Recoverable Items", None, "recoverableitemsroot", hidden=True),
    FolderRow("deletions", "Deletions", "recoverable", "recoverableitemsdeletions", hidden=True),
)
FOLDERS = (*_WELL_KNOWN, *_OWN, *_RECOVERABLE)
"""In the order of the data: parents before children, messages in the order of their folders."""
LOCAL_NAMES = {
    "de-DE": {"inbox": "Posteingang", "sent": "Gesendete Elemente", "drafts": "Entwürfe", "deleted": "Gelöschte Elemente"},
    "tr-TR": {"inbox": "Gelen Kutusu", "sent": "Gönderilmiş Öğeler", "drafts": "Taslaklar", "deleted": "Silinmiş Öğeler"},
    "ja-JP": {"inbox": "受信トレイ", "sent": "送信済みアイテム", "drafts": "下書き", "deleted": "削除済みアイテム"},
    "ru-RU": {"inbox": "Входящие", "sent": "Отправленные", "drafts": "Черновики", "deleted": "Удаленные"},
}  # fmt: skip
LANGUAGES = {1: "tr-TR", 3: "de-DE", 4: "ja-JP", 5: "ru-RU"}
"""By number of a person; everybody else has en-US."""

BUILDER = ("Halvard & Sons, Builders", "office@halvard.example")
NEWSLETTER = ("The Quarry Times", "news@quarry-times.example")
BANK = ("Sparkasse Weidenau", "service@weidenau.example")


class Letter(NamedTuple):
    """One message. days, hour: how long before the tenant's now, and at what hour (UTC). marks: html, inline, attachment,
    attached-mail, invite, unread, flagged, complete, high, categories, draft, latin, no-subject."""

    folder: str
    sender: Correspondent
    subject: str | None
    text: str
    days: int
    marks: tuple[str, ...] = ()
    to: tuple[Correspondent, ...] = (0,)
    cc: tuple[Correspondent, ...] = ()
    hour: int = 9


LETTERS = (
    Letter("inbox", 1, "Lunch on Thursday?", "Shall we say half past twelve, at the pier?\n\nSee you there.", 2, ("unread",)),
    Letter(
        "inbox",
        BUILDER,
        "Offer no. 4711 for the harbour wall",
        "Dear all,\n\nplease find our offer attached. It holds until the end of the month.\n\nKind regards",
        9,
        ("attachment", "flagged", "high"),
        cc=(2, 3),
    ),
    Letter("inbox", 2, "The new sign", "This is how the sign would look:", 12, ("html", "inline")),
    Letter(
        "inbox",
        3,
        "Weitergeleitet: Kündigung des Mietvertrags",
        "Hallo,\n\nanbei die Nachricht der Hausverwaltung. Bitte bis Ende März antworten.\n\nViele Grüße",
        20,
        ("attached-mail", "categories"),
        hour=14,
    ),
    Letter("inbox", 1, "Site meeting", "We meet at the gate. Bring boots.", 30, ("invite",), (0, 2)),
    Letter("inbox", NEWSLETTER, "Stone, sand and gravel", "Prices are up, and so is the tide.", 5, ("html",)),
    Letter("wall", 4, "見積書の件", "お世話になっております。\n\n見積書をお送りします。ご確認ください。\n", 45, ("attachment",)),
    Letter("minutes", 2, "Minutes of the 14th", "Present: all. Decided: nothing. Next time: Monday.", 60, ("html", "complete")),
    Letter("twin", 5, "Протокол", "Добрый день!\n\nПротокол во вложении.\n", 61, ("attachment", "categories")),
    Letter("sent", 0, "Re: Lunch on Thursday?", "Half past twelve it is.", 2, (), (1,)),
    Letter(
        "sent",
        0,
        "Übergabe am Freitag",
        "Grüße aus München: wir übergeben um 10 Uhr.\n\nMit freundlichen Grüßen",
        33,
        ("latin",),
        (3, BUILDER),
        (1,),
    ),
    Letter("drafts", 0, None, "What I wanted to say is", 1, ("draft", "no-subject"), ()),
    Letter("deleted", BANK, "Ihr Kontoauszug steht bereit", "Bitte melden Sie sich in Ihrem Postfach an.", 90, ("latin",)),
    Letter("junk", ("A Prince", "prince@far-away.example"), "URGENT: your help is needed", "Dear friend,", 4, ("unread",)),
    Letter("archive", 1, "Last year's budget", "For the record.", 500, ("attachment",)),
    Letter("deletions", 2, "Forget what I said", "It was a mistake.", 10),
)  # fmt: skip
FEW = ("Lunch on Thursday?", "The new sign", "Site meeting", "Re: Lunch on Thursday?")
"""What lies in the mailboxes that are not a user's."""


class Meeting(NamedTuple):
    """An event. start, end: wall time in `zone`. recurrence: (pattern, range) as in Graph; cancelled: days; moved: (day that it
    replaces, new start, new end)."""

    subject: str
    zone: str
    start: str
    end: str
    text: str = ""
    all_day: bool = False
    attendees: tuple[int, ...] = ()
    pattern: dict[str, object] | None = None
    last: str | None = None
    cancelled: tuple[str, ...] = ()
    moved: tuple[str, str, str] | None = None
    online: bool = False


BERLIN, TOKYO = "W. Europe Standard Time", "Tokyo Standard Time"
MEETINGS = (
    Meeting(
        "Monday round",
        BERLIN,
        "2025-02-03T09:00:00",
        "2025-02-03T09:30:00",
        "What is on this week?",
        attendees=(1, 2, 3),
        pattern={"type": "weekly", "interval": 1, "daysOfWeek": ["monday"], "firstDayOfWeek": "monday"},
        cancelled=("2025-04-21",),
        moved=("2025-03-31", "2025-04-01T11:00:00", "2025-04-01T11:30:00"),
        online=True,
    ),
    Meeting(
        "Summer outing", BERLIN, "2025-07-11T00:00:00", "2025-07-12T00:00:00", "Boats, lunch, no rain.", all_day=True
    ),
    Meeting(
        "Call with the architects",
        TOKYO,
        "2025-11-20T17:00:00",
        "2025-11-20T18:00:00",
        "見積書について。",
        attendees=(4,),
        online=True,
    ),
    Meeting(
        "Rent is due",
        BERLIN,
        "2025-01-31T08:00:00",
        "2025-01-31T08:15:00",
        pattern={"type": "absoluteMonthly", "interval": 1, "dayOfMonth": 31},
        last="2026-12-31",
    ),
)


class Person(NamedTuple):
    """A contact."""

    given: str
    surname: str
    company: str
    address: str
    phone: str
    birthday: str | None = None
    photo: bool = False
    notes: str = ""


CONTACTS = (
    Person("Ingrid", "Halvard", "Halvard & Sons, Builders", BUILDER[1], "+49 30 5550101", "1971-05-17", photo=True),
    Person(
        "美咲",
        "田中",
        "株式会社みなと",
        "misaki@minato.example",
        "+81 3 5550 0102",
        notes="Speaks German.\nAsk for 4.",
    ),
    Person("Ольга", "Зимина", "", "olga@zimina.example", "+7 495 555-01-03", "1988-02-29"),
)


class ToDo(NamedTuple):
    """A task. due: day, or None."""

    title: str
    status: str
    importance: str = "normal"
    due: str | None = None
    steps: tuple[str, ...] = ()


TASKS = (
    ToDo("Answer Halvard", "notStarted", "high", "2026-01-09", ("read the offer", "ask about the crane")),
    ToDo("Return the keys", "completed", due="2025-12-01"),
)
SHOPPING = (ToDo("Kaffee, Milch, 🍪", "notStarted"),)
