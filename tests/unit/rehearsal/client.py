"""A small client of the rehearsal tenant for its own tests: requests over TLS, no retries, nothing of the product.

Rules of this file: what comes back is shown as it came; the environment's proxies and CA bundles are left out.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import requests

from exporters.clock import Clock, SystemClock
from exporters.rehearsal.generate import generate
from exporters.rehearsal.server import Rehearsal

Row = dict[str, Any]


class Client:
    """Talks to one rehearsal."""

    def __init__(self, rehearsal: Rehearsal) -> None:
        self.rehearsal, self.info = rehearsal, rehearsal.info
        self.http = requests.Session()
        self.http.trust_env = False
        self.http.verify = self.info["ca_bundle"]
        self.token = ""

    def send(self, method: str, url: str, **options: Any) -> requests.Response:
        """As it is: redirects are not followed."""
        return self.http.request(method, url, timeout=30, allow_redirects=False, **options)

    def sign_in(self, scope: str | None = None, **form: str) -> requests.Response:
        """The answer of the token endpoint, by secret if nothing else is said."""
        data = {
            "client_id": self.info["client_id"],
            "client_secret": self.info["secret"],
            "grant_type": "client_credentials",
            "scope": scope or f"{self.info['graph']}/.default",
        } | form
        return self.send("POST", f"{self.info['login']}/{self.info['tenant']}/oauth2/v2.0/token", data=data)

    def url(self, path: str) -> str:
        """Of a path below v1.0; full addresses stay."""
        return path if path.startswith("https://") else f"{self.info['graph']}/v1.0{path}"

    def raw(self, path: str, **headers: str) -> requests.Response:
        """GET with a token."""
        self.token = self.token or self.sign_in().json()["access_token"]
        return self.send("GET", self.url(path), headers={"Authorization": f"Bearer {self.token}", **headers})

    def get(self, path: str, **headers: str) -> Row:
        """The JSON of a GET that has to succeed."""
        answer = self.raw(path, **headers)
        assert answer.status_code == 200, (path, answer.status_code, answer.text[:500])
        body: Row = answer.json()
        return body

    def rounds(self, link: str) -> tuple[list[Row], str]:
        """All rows of a delta round as they came, and the delta link."""
        rows: list[Row] = []
        while True:
            page = self.get(link)
            rows += page["value"]
            if "@odata.deltaLink" in page:
                return rows, page["@odata.deltaLink"]
            link = page["@odata.nextLink"]

    def pages(self, link: str) -> Iterator[list[Row]]:
        """Pages of a plain list."""
        following: str | None = link
        while following:
            page = self.get(following)
            yield page["value"]
            following = page.get("@odata.nextLink")

    def content(self, path: str, **headers: str) -> requests.Response:
        """Follow one redirect without the token."""
        answer = self.raw(path)
        if answer.status_code == 302:
            answer = self.send("GET", answer.headers["Location"], headers=headers)
        return answer

    def control(self, method: str, path: str, body: Any = None) -> Any:
        """JSON, or a list of it for JSON lines."""
        answer = self.send(
            method, f"{self.info['control']}/{path}", data=json.dumps(body).encode() if body is not None else b""
        )
        assert answer.status_code == 200, answer.text
        if "ndjson" in answer.headers["Content-Type"]:
            return [json.loads(line) for line in answer.text.splitlines()]
        return answer.json()

    def change(self, *rows: Row) -> Row:
        """Apply changes."""
        body = "\n".join(json.dumps({"kind": "driveItem", **row}) for row in rows) + "\n"
        answer = self.send("POST", f"{self.info['control']}/changes", data=body.encode())
        assert answer.status_code == 200, answer.text
        done: Row = answer.json()
        return done

    def truth(self, drive: str) -> dict[str, Row]:
        """Live items of a drive folder by id."""
        return {row["id"]: row for row in self.control("GET", f"truth/drives/{drive}") if not row["deleted"]}


@contextmanager
def running(data: Path, *, clock: Clock | None = None, **options: Any) -> Iterator[Client]:
    """A rehearsal of `data`, and a client of it; no request may have met a defect."""
    with Rehearsal(data, clock=clock or SystemClock(), **options) as rehearsal:
        client = Client(rehearsal)
        try:
            yield client
        finally:
            client.http.close()
        assert rehearsal.service.defects == []


def latest(rows: list[Row]) -> dict[str, Row]:
    """The tree of a delta round: the last row of an id counts, deleted ones leave."""
    found: dict[str, Row] = {}
    for row in rows:
        found[row["id"]] = row
    return {item_id: row for item_id, row in found.items() if "deleted" not in row}


def paths(tree: dict[str, Row]) -> dict[str, str]:
    """Paths by id, from names and parents alone."""
    found = {}
    for item_id, item in tree.items():
        names: list[str] = []
        row = item
        while "root" not in row:
            names.append(row["name"])
            row = tree[row["parentReference"]["id"]]
        found[item_id] = "/" + "/".join(reversed(names))
    return found


def lively(folder: Path) -> Path:
    """The generated tenant."""
    return generate(folder / "tenant")
