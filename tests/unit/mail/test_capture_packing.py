"""A zip packed by its own thread: whole, or with the error of the store, and never waiting for ever."""

import io
import threading
import zipfile
from collections.abc import Iterable
from typing import IO

import pytest

from exporters.bag.uploads import Upload
from exporters.mail.capture.packing import WAITING, Packer
from exporters.store.protocol import Stored


class Full(Exception):
    """What the store raises here."""


class Kept:
    """Takes an object, or refuses after so many chunks."""

    def __init__(self, refuses_after: int | None = None) -> None:
        self.data = bytearray()
        self._left = refuses_after

    def put(self, chunks: Iterable[bytes]) -> Stored:
        for chunk in chunks:
            if self._left is not None:
                self._left -= 1
                if self._left < 0:
                    raise Full
            self.data += chunk
        return Stored("k", len(self.data), "", "")


def entry(number: int) -> zipfile.ZipInfo:
    return zipfile.ZipInfo(f"{number:03}")


def test_a_zip_that_any_reader_opens() -> None:
    kept = Kept()
    packer = Packer(upload := Upload(kept.put))
    files = [io.BytesIO(b"%d" % n * n) for n in range(3 * WAITING)]
    for n, file in enumerate(files):
        file.seek(0, io.SEEK_END)  # it is read from its start all the same
        packer.add(entry(n), file, keeps_file=False)
    packer.end()
    packer.join()
    assert upload.stored().size == len(kept.data)
    with zipfile.ZipFile(io.BytesIO(kept.data)) as container:
        assert [container.read(name) for name in container.namelist()] == [b"%d" % n * n for n in range(3 * WAITING)]
    assert all(file.closed for file in files)


def test_a_file_that_is_kept_is_packed_when_add_returns() -> None:
    kept = Kept()
    packer = Packer(upload := Upload(kept.put))
    file = io.BytesIO(b"first")
    packer.add(entry(0), file, keeps_file=True)
    file.seek(0)
    file.truncate()
    packer.add(entry(1), file, keeps_file=True)
    assert not file.closed
    packer.end()
    packer.join()
    upload.stored()
    with zipfile.ZipFile(io.BytesIO(kept.data)) as container:
        assert (container.read("000"), container.read("001")) == (b"first", b"")


@pytest.mark.parametrize("keeps_file", [True, False])
def test_the_error_of_the_store_comes_out(keeps_file: bool) -> None:
    packer = Packer(Upload(Kept(refuses_after=0).put))
    files: list[IO[bytes]] = []

    def fill() -> None:
        for n in range(1_000):
            files.append(io.BytesIO(threading.current_thread().name.encode() * 100_000))
            packer.add(entry(n), files[-1], keeps_file=keeps_file)
        packer.end()
        packer.join()

    with pytest.raises(Full):
        fill()
    packer.abandon()
    assert keeps_file or all(file.closed for file in files)


def test_one_that_is_given_up_ends() -> None:
    kept, files = Kept(), [io.BytesIO(b"x") for _ in range(WAITING)]
    packer = Packer(Upload(kept.put))
    for n, file in enumerate(files):
        packer.add(entry(n), file, keeps_file=False)
    packer.abandon()
    assert all(file.closed for file in files)
    names = {thread.name for thread in threading.enumerate()}
    assert not names & {"lastcopy-zip", "lastcopy-upload"}
