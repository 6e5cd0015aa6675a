"""The files below a folder in the order of their keys' bytes.

Rules of this file: reads names and facts of files, no content. The order is that of whole keys: `a-b` before `a/b`,
since `-` is less than `/`. A directory sorts as its name with `/`, which gives just that. Symbolic links and special
files are no objects.
"""

import contextlib
import os
import stat as modes
from collections.abc import Iterator

from exporters.store.protocol import TEMPORARY


def walk(root: str, prefix: str, after: str | None) -> Iterator[tuple[str, os.stat_result]]:
    """Yield (key, facts) of each regular file whose key begins with `prefix`, beyond `after`, sorted by bytes.

    Holds the names of the directories it is in, one list each. Raises: OSError other than for what vanished meanwhile.
    """
    wanted = prefix.encode()
    beyond = after.encode(errors="surrogatepass") if after is not None else b""
    base = os.fsencode(root) + b"/"
    first = wanted[: wanted.rfind(b"/") + 1]
    if not is_folder_chain(base, first):
        return
    open_folders = [(first, _names(base, first))]
    while open_folders:
        folder, names = open_folders[-1]
        if not names:
            open_folders.pop()
            continue
        key = folder + names.pop()
        if not (key.startswith(wanted) or wanted.startswith(key)):
            continue
        if key.endswith(b"/"):
            if key > beyond or beyond.startswith(key):
                open_folders.append((key, _names(base, key)))
        elif key > beyond:
            with contextlib.suppress(FileNotFoundError, UnicodeDecodeError):
                text = key.decode()
                facts = os.lstat(base + key)
                if modes.S_ISREG(facts.st_mode) and key.startswith(wanted):
                    yield text, facts


def _names(base: bytes, folder: bytes) -> list[bytes]:
    """Names in a folder, the last in order first (so that `pop` gives and frees the next); directories end in `/`."""
    names = []
    with contextlib.suppress(FileNotFoundError, NotADirectoryError), os.scandir(base + folder) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                if folder or entry.name != TEMPORARY.encode():
                    names.append(entry.name + b"/")
            elif entry.is_file(follow_symlinks=False):
                names.append(entry.name)
    names.sort(reverse=True)
    return names


def is_folder_chain(base: bytes, folder: bytes) -> bool:
    """Whether each component is a real directory, so that no symbolic link is followed."""
    position = folder.find(b"/")
    while position >= 0:
        try:
            if not modes.S_ISDIR(os.lstat(base + folder[:position]).st_mode):
                return False
        except (FileNotFoundError, NotADirectoryError):
            return False
        position = folder.find(b"/", position + 1)
    return True
