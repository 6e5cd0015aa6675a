"""A tenant of very many small files, made row by row, and served by a process of its own.

Rules of this file: nothing is held of a drive but the row at hand; contents are recipes of some bytes, distinct for each file,
made by the server when they are asked for. As a script it is the server: `many_files.py TENANT [limited SCALE BASE]`; limited:
by what the service grants, by a clock that runs SCALE times as fast since BASE.
"""

import hashlib
import json
import signal
import ssl
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

from exporters.rehearsal.server import Rehearsal, serve  # noqa: E402
from exporters.rehearsal.service import Settings  # noqa: E402
from tests.end_to_end.scaled import ScaledClock  # noqa: E402
from tests.independent import tiny  # noqa: E402

FILES_PER_FOLDER = 500
LICENCES = 60_000
Row = dict[str, Any]


def made_tenant(out: Path, files: int, length: int | None = None) -> Path:
    """One drive with that many files in folders of 500. length: of each file; None: 20 to 59 bytes."""
    tiny.make(out, drives=1, files=0, odd=False)
    with (out / "drives/u00000/items.jsonl").open("w") as lines:
        lines.writelines(json.dumps(row) + "\n" for row in rows(files, length))
    return out


def rows(files: int, length: int | None) -> Iterator[Row]:
    """Items as the tenant-data format has them: each folder, then what lies in it."""
    user = json.loads('{"id": "nobody"}')
    drive = tiny.Drive(0, user)
    root, folders = drive.root, -(-files // FILES_PER_FOLDER)
    root["folder"]["childCount"] = folders
    yield root
    for n in range(folders):
        folder = drive.folder_in(f"folder {n:05}", root)
        inside = range(n * FILES_PER_FOLDER, min(files, (n + 1) * FILES_PER_FOLDER))
        folder["folder"]["childCount"] = len(inside)
        yield folder
        for number in inside:
            yield _file(drive.id, number, n, folder, 20 + number % 40 if length is None else length)


def _file(drive: str, number: int, above: int, folder: Row, length: int) -> Row:
    digest = hashlib.sha256(b"file %d" % number).hexdigest().upper()
    guid = f"{digest[:8]}-0000-4000-8000-{digest[8:20]}"
    content = _content(f"many {number}", length)
    return {
        "id": f"01{digest[:32]}",
        "name": f"file {number:07}.txt",
        "createdDateTime": tiny.AT,
        "lastModifiedDateTime": tiny.AT,
        "fileSystemInfo": {"createdDateTime": tiny.AT, "lastModifiedDateTime": tiny.AT},
        "createdBy": {"user": {"displayName": "Somebody", "email": "somebody@" + tiny.DOMAIN}},
        "eTag": f'"{{{guid}}},1"',
        "cTag": f'"c:{{{guid}}},1"',
        "parentReference": {
            "driveId": drive,
            "driveType": "business",
            "id": folder["id"],
            "name": folder["name"],
            "path": f"/drives/{drive}/root:/folder {above:05}",
        },
        "webUrl": "https://tiny.example/x",
        "size": length,
        "file": {"mimeType": "text/plain", "hashes": {"quickXorHash": content["qx"]}},
        "_c": content,
    }


def _content(recipe: str, length: int) -> Row:
    """As `tiny.recipe`, but for contents of some bytes in a fifth of the time: the start of the first tile."""
    if not 8 <= length <= 160:
        return tiny.recipe(recipe, length)
    data = bytes(8) + hashlib.shake_256(b"tile1:" + recipe.encode()).digest(length)[8:]
    return {"gen": recipe, "len": length, "sha256": hashlib.sha256(data).hexdigest(), "qx": tiny.quick_xor(data)}


class ServedTenant:
    """A rehearsal in a process of its own, so that what it costs is not ours. A context manager.

    clock: it keeps to what the service grants, by this clock; None: it refuses nothing.
    """

    def __init__(self, data: Path, clock: ScaledClock | None = None) -> None:
        limited = [] if clock is None else ["limited", repr(clock.scale), repr(clock.base)]
        command = [sys.executable, __file__, str(data), *limited]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True)
        assert self._process.stdout is not None
        self.info: Row = json.loads(self._process.stdout.readline())
        self._context = ssl.create_default_context(cafile=self.info["ca_bundle"])

    def __enter__(self) -> "ServedTenant":
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.communicate(timeout=60)

    def control(self, method: str, path: str, body: bytes | None = None) -> bytes:
        """Ask the control port."""
        request = urllib.request.Request(f"{self.info['control']}/{path}", data=body, method=method)
        with urllib.request.urlopen(request, context=self._context, timeout=300) as answer:
            data: bytes = answer.read()
        return data

    def units(self) -> int:
        """Resource units of all requests since this was last asked for."""
        cost = int(json.loads(self.control("GET", "summary"))["cost"])
        self.control("POST", "reset-requests", b"{}")
        return cost


def serve_limited(data: Path, clock: ScaledClock) -> None:
    """Until SIGTERM."""
    ended = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: ended.set())
    lasting = Settings(token_seconds=10**8, url_seconds=10**8)
    with Rehearsal(data, clock=clock, licences=LICENCES, settings=lasting) as rehearsal:
        print(json.dumps(rehearsal.info), flush=True)
        ended.wait()


if __name__ == "__main__":
    if len(sys.argv) > 2:
        serve_limited(Path(sys.argv[1]), ScaledClock(float(sys.argv[3]), float(sys.argv[4])))
    else:
        serve(Path(sys.argv[1]), None, 0, sys.stdout, licences=LICENCES, throttling=False)
