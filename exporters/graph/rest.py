"""SharePoint's own REST API, for what Graph lacks: JSON and contents below the address of one site.

Rules of this file: only reads; tokens made with a certificate alone are of use here, and each goes to the host that it was
made for; units are counted with those of Graph (no price is published: a guess). That the API refuses the app as a whole is a
matter of what is asked here, never the end of a run.

    rest = SharePointRest(graph, "https://contoso.sharepoint.com/sites/harbour")
    rows = rest.rows(f"/web/lists(guid'{list_id}')/items({number})/AttachmentFiles")

Source: reference graph.md 5.4, 7.3; quirk Q-062.
"""

from collections.abc import Callable, Iterator
from typing import Any, BinaryIO, TypeVar
from urllib.parse import quote, urlsplit

from exporters.graph.answers import json_object, objects_of
from exporters.graph.calls import Call, JsonObject, charged
from exporters.graph.contents import Receiver
from exporters.graph.errors import (
    ForeignLinkError,
    MalformedAnswerError,
    PermissionMissingError,
    SignInError,
    UnauthorizedError,
)
from exporters.graph.limits import Cost
from exporters.graph.pages import LinkTrail
from exporters.graph.session import GraphSession
from exporters.graph.transport import Answer

T = TypeVar("T")
_ACCEPT = "application/json;odata=nometadata"
_NOT_OURS = frozenset({"sign_in_unreachable", "clock_skew"})
"""Refusals of the sign-in that say nothing of what the app may do."""


class SharePointRest:
    """The API of one site. Safe from many threads."""

    def __init__(self, graph: GraphSession, web_url: str) -> None:
        """web_url: of the site, as Graph serves it. Raises: ForeignLinkError if the cloud does not own its host."""
        address = graph.cloud.sharepoint_address(web_url)
        if address is None:
            raise ForeignLinkError(
                "The address of a site does not lead to a host of this cloud.",
                code="foreign_link",
                action="Check tenant.cloud, or set tenant.sharepoint; nothing was sent there.",
            )
        self._graph, self._address = graph, address
        self._site = quote(urlsplit(web_url).path.rstrip("/"), safe="/%!$&'()*+,;=:@~-._")

    def rows(self, path: str) -> list[JsonObject]:
        """All rows of a collection. path: below `_api`, percent-encoded.

        Raises: PermissionMissingError if the app is refused as such; GraphError; RunError.
        """
        return [row for page in self.pages(path) for row in page]

    def pages(self, path: str) -> Iterator[list[JsonObject]]:
        """The same, page by page."""
        url, trail = self._url(path), LinkTrail()
        while True:
            trail.step(url)
            page = self._ask(self._call(url, {"Accept": _ACCEPT}), _page)
            yield page["value"]
            link = page.get("odata.nextLink") or page.get("@odata.nextLink")
            if not isinstance(link, str) or not link:
                return
            url = link if link.startswith("https://") else self._url(f"/{link.removeprefix('/')}")

    def content(self, path: str, sink: BinaryIO, *, most: int | None = None) -> int:
        """The body of `…/$value` into `sink` (which can seek) from its present position on; its size in bytes.

        After an error the file is as it was. Raises as `rows`; ContentTooLargeError.
        """
        call = self._call(self._url(path), {"Accept": "*/*"})
        receiver = Receiver(sink, call.path, most=most)
        try:
            size = self._ask(call, receiver.take)
        except BaseException:
            receiver.rewind()
            raise
        self._graph.observer.received(size)
        return size

    def _url(self, path: str) -> str:
        return f"{self._address}{self._site}/_api{path}"

    def _call(self, url: str, headers: dict[str, str]) -> Call:
        if not url.startswith(f"{self._address}/"):
            raise ForeignLinkError(
                "SharePoint gave a link that does not lead to its own address.",
                code="foreign_link",
                action="The link was not followed.",
            )
        path = url.removeprefix(self._address)
        cost = Cost.SITES_REST
        return Call(url, path, cost, charged(cost, None), headers=headers, audience=self._address)

    def _ask(self, call: Call, read: Callable[[Answer], T]) -> T:
        try:
            return self._graph.exchange(call, read)
        except (UnauthorizedError, SignInError) as error:
            if error.code in _NOT_OURS:
                raise
            raise PermissionMissingError(
                f"SharePoint's own API refuses the app: {error}",
                code="permission_missing",
                action="Sign in with a certificate, and grant the app registration Sites.Read.All (application) of SharePoint.",
                status=error.status,
                service_code=error.service_code,
                request_id=error.request_id,
            ) from error


def _page(answer: Answer) -> dict[str, Any]:
    """A page with its rows. Raises: MalformedAnswerError."""
    document = json_object(answer)
    rows = document.get("value")
    if not isinstance(rows, list) or len(objects_of(rows)) != len(rows):
        raise MalformedAnswerError(
            "SharePoint answered with a page without its rows.", code="malformed", status=answer.status
        )
    return document
