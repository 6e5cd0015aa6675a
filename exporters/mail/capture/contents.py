"""What is fetched of one item: the MIME of a message, the record of an event, and the bytes that they need.

Rules of this file: runs in a worker thread and touches neither state nor ledger; no single item may stop the others: what the
service refuses becomes a code. MIME that is refused is replaced by JSON and attachments, and the item says so. Attachments are
listed without contents and fetched one by one (Q-045); attached items have bytes too (Q-071), links have none (Q-072), and
names may be missing or alike (Q-073). Source: design §5, graph.md §3.3, §3.4, §3.6.
"""

import hashlib
import tempfile
from collections.abc import Callable, Iterator
from typing import IO, BinaryIO, cast

from exporters.bag.formats import JsonObject
from exporters.errors import ItemError, LastcopyError, SourceError, TransientError
from exporters.graph.answers import object_of, objects_of, text_of
from exporters.graph.calls import segment
from exporters.graph.errors import MalformedAnswerError, NotFoundError, RefusedError
from exporters.graph.mailbox import Mailbox
from exporters.mail.capture.asked import (
    ATTACHMENT,
    CONTACT_EXPANDS,
    EVENT,
    EVENT_EXPANDS,
    MESSAGE,
    MESSAGE_EXPANDS,
    RECURRENCE,
    TASK_EXPANDS,
    TASK_PARTS,
)
from exporters.mail.capture.exceptions import MIME_CODES, code_of, concerns_all, reason_of
from exporters.mail.capture.facts import completed, has_extended, id_of, record_of, same_content, whole_facts
from exporters.mail.capture.fetched import SPOOLED, Fetched, Piece, Task
from exporters.mail.capture.mime_doubts import is_of, is_page
from exporters.mail.capture.refusals import MOST_ITEMS, Refusals
from exporters.outcomes import ExceptionCode, Outcome

_REFERENCE = "#microsoft.graph.referenceAttachment"
_ITEM = "#microsoft.graph.itemAttachment"
_NOT_MAIL = ("#microsoft.graph.event", "#microsoft.graph.contact")
_SELECTS = (
    f"{ATTACHMENT},contentId,contentLocation",
    f"{ATTACHMENT},microsoft.graph.fileAttachment/contentId",
    ATTACHMENT,
)
_CHUNK = 1 << 18
_NEXT = "@odata.nextLink"
PHOTO = "photo"


class Fetcher:
    """Fetches items of one mailbox. Safe from many threads."""

    def __init__(self, mailbox: Mailbox) -> None:
        self._mailbox = mailbox
        self._refusals = Refusals(MOST_ITEMS)
        self._odd: dict[str, str] = {}
        """By the SHA-256 of MIME that does not seem to be of its message: of which it was (Message-ID as listed, or path)."""

    def fetch(self, task: Task) -> Fetched:
        """All that a task needs. Raises: RunError, and what concerns the whole mailbox."""
        fetched = Fetched(task, task.facts)
        fetch: dict[str, Callable[[Fetched], None]] = {
            "message": self._message,
            "contact": self._contact,
            "event": self._event,
            "task": self._task,
            "post": self._post,
        }
        try:
            try:
                fetch[task.kind](fetched)
            except NotFoundError as error:
                if concerns_all(error):
                    raise
                fetch[task.kind](fetched)  # a replica may lag: asked once more
            self._refusals.served()
        except (ItemError, SourceError, TransientError) as error:
            if concerns_all(error):
                fetched.close()
                raise
            self._refusals.refused(error)
            fetched.code = code_of(error)
            fetched.reason = reason_of(fetched.code, error)
        except BaseException:
            fetched.close()
            raise
        return fetched

    # -- messages ---------------------------------------------------------------------------------------------------

    def _message(self, fetched: Fetched) -> None:
        task = fetched.task
        path = f"/messages/{segment(task.item_id)}"
        if "graph" not in task.facts:  # a row that is tried once more
            served = self._first(MESSAGE_EXPANDS, path, {"$select": MESSAGE})
            fetched.facts = whole_facts("message", served, str(task.facts["parent"]))
        if is_held(fetched.facts, task.row):
            self._links(fetched, path)
            return
        if task.row is not None and is_refused(fetched.facts, task.row):
            self._without_mime(fetched, path, ExceptionCode(task.row["code"]), task.row.get("reason"))
            return
        try:
            self._mime(fetched, f"{path}/$value")
        except (ItemError, TransientError) as error:
            code = code_of(error)
            if code not in MIME_CODES:
                raise
            self._without_mime(fetched, path, code, reason_of(code, error))
            return
        self._links(fetched, path)

    def _mime(self, fetched: Fetched, path: str) -> None:
        """What seems to be of another message is asked for again, and taken if it comes twice alike, and for this one alone."""
        message_id = fetched.facts["graph"].get("internetMessageId")
        got = self._content(path)
        is_wanted = is_of(got[0], message_id) and not is_page(got[0])
        if not is_wanted:
            got[0].close()
            before, got = got, self._content(path)
            is_wanted = is_of(got[0], message_id)
            is_odd = got[2] == before[2] and self._is_one_alone(str(message_id or path), got[2])
            if is_page(got[0]) or not (is_wanted or is_odd):
                got[0].close()
                raise MalformedAnswerError(
                    "The service answered with something else than this message.", code="malformed"
                )
        fetched.file, fetched.size, fetched.sha256 = got
        fetched.is_odd = not is_wanted

    def _is_one_alone(self, message: str, sha256: str) -> bool:
        """Whether an odd body came for no other message, copies of this one apart: what answers in the service's place gives
        the same for all."""
        return self._odd.setdefault(sha256, message) == message  # a dict does this at once, whatever other threads do

    def _links(self, fetched: Fetched, path: str) -> None:
        """What MIME does not tell of attachments: files in the cloud that are linked to (Q-072), and which are items (Q-071)."""
        if fetched.facts["graph"].get("hasAttachments") is False:
            return
        try:
            for record in self._listed(f"{path}/attachments"):
                kind, attachment_id = record.get("@odata.type"), id_of(record)
                if attachment_id is None or kind not in (_REFERENCE, _ITEM):
                    continue
                place = f"{path}/attachments/{segment(attachment_id)}"
                told = self._address(place) if kind == _REFERENCE else self._attached(place)
                fetched.pieces.append(Piece(attachment_id, text_of(record.get("name")) or "", {**record, **told}))
        except (ItemError, TransientError) as error:
            fetched.pieces.append(unlisted := Piece("message/attachments", "attachments", {}))
            _refuse(unlisted, error)

    def _attached(self, path: str) -> JsonObject:
        """An attached event or contact as JSON: the calendar or card of it in the MIME says less. Mails are whole there."""
        try:
            served = self._mailbox.get(path, params={"$expand": "microsoft.graph.itemattachment/item"})
        except (ItemError, TransientError) as error:
            if concerns_all(error):
                raise
            return {}
        item = served.get("item")
        is_wanted = isinstance(item, dict) and item.get("@odata.type") in _NOT_MAIL
        return {"item": record_of(item)} if is_wanted and isinstance(item, dict) else {}

    def _address(self, path: str) -> JsonObject:
        """Where a link leads: only the beta version says so (graph.md §3.4)."""
        try:
            served = self._mailbox.get(path, beta=True)
        except (ItemError, TransientError) as error:
            if concerns_all(error):
                raise
            return {}
        return {name: served[name] for name in ("sourceUrl", "providerType", "permission") if name in served}

    def _without_mime(self, fetched: Fetched, path: str, code: ExceptionCode, reason: str | None) -> None:
        """The service does not make MIME of it: JSON with its body, and its attachments, are kept in its place.

        Raises: what keeps the JSON from being read; such a message is tried again.
        """
        served = self._first(MESSAGE_EXPANDS, path, {"$select": f"{MESSAGE},body,internetMessageHeaders"})
        fetched.code, fetched.reason = code, reason
        fetched.facts = {**fetched.facts, "graph": record_of(served)}
        fetched.are_pieces_known = True
        self._attachments(fetched, path, has=served.get("hasAttachments") is True)

    # -- the others -------------------------------------------------------------------------------------------------

    def _contact(self, fetched: Fetched) -> None:
        path = f"/contacts/{segment(fetched.task.item_id)}"
        self._complete(fetched, CONTACT_EXPANDS, path)
        fetched.are_pieces_known = True
        photo = Piece(PHOTO, "ContactPicture.jpg", {})
        try:
            photo.file, photo.size, photo.sha256 = self._content(f"{path}/photo/$value")
        except (ItemError, TransientError) as error:
            if isinstance(error, NotFoundError) and not concerns_all(error):
                return  # most have none
            _refuse(photo, error)
        fetched.pieces.append(photo)

    def _complete(self, fetched: Fetched, expands: tuple[str | None, ...], path: str) -> None:
        """Of a row that is tried once more: its record is asked for by itself."""
        facts = fetched.task.facts
        if "graph" not in facts:
            fetched.facts = whole_facts(facts["kind"], self._first(expands, path, {}), str(facts["parent"]))

    def _event(self, fetched: Fetched) -> None:
        path = f"/events/{segment(fetched.task.item_id)}"
        served = record_of(self._expanded(self._first(EVENT_EXPANDS, path, {"$select": EVENT})))
        fetched.facts = completed(fetched.task.facts, served)
        fetched.are_pieces_known = True
        self._attachments(fetched, path, has=served.get("hasAttachments") is True)
        if served.get("type") == "seriesMaster":
            _doubt_series(fetched, served)
        for other in objects_of(served.get("exceptionOccurrences")):
            other_id = id_of(other)
            if other_id is not None and may_have_attachments(other):  # it may say so of those of its series
                self._attachments(fetched, f"/events/{segment(other_id)}", has=False, of=other_id)

    def _task(self, fetched: Fetched) -> None:
        facts = fetched.task.facts
        path = f"/todo/lists/{segment(str(facts['parent']))}/tasks/{segment(fetched.task.item_id)}"
        self._complete(fetched, TASK_EXPANDS, path)
        graph = self._expanded(fetched.facts["graph"])
        fetched.facts = {**fetched.facts, "graph": graph}
        fetched.are_pieces_known = True
        for name in TASK_PARTS:
            if not isinstance(graph.get(name), list):  # a listing may refuse what it is to expand, or pass it over
                self._take_part(fetched, graph, name, f"{path}/{name}")
        if may_have_attachments(graph):
            self._attachments(fetched, path, has=graph.get("hasAttachments") is True, named=False)

    def _take_part(self, fetched: Fetched, graph: JsonObject, name: str, path: str) -> None:
        """Complete a record with a list that hangs on its item."""
        try:
            graph[name] = [row for page in self._mailbox.pages(path) for row in page]
        except (ItemError, TransientError) as error:
            if concerns_all(error):
                raise
            _lack(fetched, name, f"The service does not give the {name} of this task: {error}")

    def _post(self, fetched: Fetched) -> None:
        facts = fetched.task.facts
        path = f"/threads/{segment(str(facts['parent']))}/posts/{segment(fetched.task.item_id)}"
        fetched.facts = completed(facts, record_of(self._mailbox.get(path)))
        fetched.are_pieces_known = True
        if (has := fetched.facts["graph"].get("hasAttachments")) is not False:
            self._attachments(fetched, path, has=has is True)

    # -- attachments ------------------------------------------------------------------------------------------------

    def _attachments(
        self, fetched: Fetched, path: str, *, has: bool, named: bool = True, of: str | None = None
    ) -> None:
        """All of an item: asked for even where `hasAttachments` is false, which leaves inline ones out.

        has: the item says that it has some. of: id of the exception of a series that they hang on.
        """
        whole = f"{path.rpartition('/')[2]}/attachments"  # stands for all of them
        try:
            records = list(self._listed(f"{path}/attachments", named=named))
            if has and not records:
                records = list(self._listed(f"{path}/attachments", named=named))
        except (ItemError, TransientError) as error:
            fetched.pieces.append(unlisted := Piece(whole, "attachments", {}))
            fetched.are_pieces_known = False
            _refuse(unlisted, error)
            return
        if has and not records:
            _lack(fetched, whole, "The item has attachments, and the service lists none.")
        there = {piece.item_id for piece in fetched.pieces}
        for record in records:
            attachment_id = id_of(record)
            if attachment_id is None:
                _lack(fetched, whole, "The service names an attachment without an id.")
            if attachment_id is None or attachment_id in there:
                continue
            there.add(attachment_id)
            place = f"{path}/attachments/{segment(attachment_id)}"
            is_link = record.get("@odata.type") == _REFERENCE
            known = {**record, **(self._address(place) if is_link else {}), **({} if of is None else {"of": of})}
            piece = Piece(attachment_id, text_of(record.get("name")) or "", known)
            fetched.pieces.append(piece)
            if is_link:
                continue
            try:
                kind = text_of(record.get("contentType"))
                piece.file, piece.size, piece.sha256 = self._content(f"{place}/$value", kind=kind)
            except (ItemError, TransientError) as error:
                _refuse(piece, error)

    def _listed(self, path: str, *, named: bool = True) -> Iterator[JsonObject]:
        selects = _SELECTS if named else (None,)
        for select in selects:
            try:
                for page in self._mailbox.pages(path, params=None if select is None else {"$select": select}):
                    for record in page:
                        kept = record_of(record)
                        kept.pop("contentBytes", None)
                        yield kept
            except RefusedError:
                if select == selects[-1]:
                    raise
            else:
                return

    # -- requests ---------------------------------------------------------------------------------------------------

    def _first(self, expands: tuple[str | None, ...], path: str, params: dict[str, str]) -> JsonObject:
        """The answer to the first of these that the service does not call wrong."""
        for expand in expands:
            try:
                return self._mailbox.get(path, params=params if expand is None else {**params, "$expand": expand})
            except RefusedError:
                if expand is None:
                    raise
        raise AssertionError("unreachable")

    def _expanded(self, served: JsonObject) -> JsonObject:
        """A record with all of what was expanded in it: of a long list only the first page comes with it."""
        whole = {name: value for name, value in served.items() if not name.endswith(_NEXT)}
        for name, link in served.items():
            of = name.removesuffix(_NEXT)
            if of == name or not of or not isinstance(link, str):
                continue
            rest = [row for page in self._mailbox.pages(link) for row in page]
            whole[of] = [*objects_of(whole.get(of)), *rest]
        return whole

    def _content(self, path: str, *, kind: str | None = None) -> tuple[IO[bytes], int, str]:
        """(file, bytes, SHA-256). kind: content type as it was listed."""
        file = tempfile.SpooledTemporaryFile(SPOOLED)  # noqa: SIM115 - whoever takes it closes it
        try:
            size = self._mailbox.content(path, cast("BinaryIO", file), kind=kind)
            file.seek(0)
            found = hashlib.sha256()
            while chunk := file.read(_CHUNK):
                found.update(chunk)
        except BaseException:
            file.close()
            raise
        return cast("IO[bytes]", file), size, found.hexdigest()


def _refuse(piece: Piece, error: LastcopyError) -> None:
    """It could not be had. Raises: the error itself, if it concerns the whole mailbox."""
    if concerns_all(error):
        raise error
    piece.code, piece.reason = ExceptionCode.ATTACHMENT_UNREADABLE, reason_of(code_of(error), error)


def may_have_attachments(record: JsonObject) -> bool:
    """Whether an item is to be asked for attachments: `hasAttachments` tells nothing of inline ones, and may be missing."""
    content = text_of(object_of(record.get("body")).get("content")) or ""
    return record.get("hasAttachments") is not False or "cid:" in content.lower()


def _doubt_series(fetched: Fetched, served: JsonObject) -> None:
    """Say what a series does not tell of its occurrences. Outlook's own blob tells which are cancelled, too."""
    if not isinstance(served.get("exceptionOccurrences"), list):
        _lack(fetched, "exceptionOccurrences", "The service does not tell which occurrences of this series differ.")
    if not isinstance(served.get("cancelledOccurrences"), list) and not has_extended(served, RECURRENCE):
        _lack(
            fetched, "cancelledOccurrences", "The service does not tell which occurrences of this series are cancelled."
        )


def _lack(fetched: Fetched, name: str, why: str) -> None:
    """Something of an item could not be had that has no id of its own."""
    if all(piece.item_id != name for piece in fetched.pieces):
        code = ExceptionCode.ATTACHMENT_UNREADABLE
        fetched.pieces.append(Piece(name, name.rpartition("/")[2], {}, code=code, reason=why))
    fetched.are_pieces_known = False


def is_refused(facts: JsonObject, row: JsonObject) -> bool:
    """Whether the service has said for good that it makes no MIME of a message, and that has not changed since."""
    return row.get("code") == ExceptionCode.MIME_REFUSED and "record" in row and same_content(facts, row)


def is_held(facts: JsonObject, row: JsonObject | None) -> bool:
    """Whether the MIME of a message is in the bag already, and only its state or its folder is another."""
    has_bytes = row is not None and row.get("key") is not None and row["outcome"] != Outcome.EXCEPTED
    return has_bytes and row is not None and same_content(facts, row)
