"""A PostgreSQL server for tests, where this machine has one; it runs as a user that is not root, in a temporary folder."""

import os
import pwd
import shutil
import subprocess
import tempfile
import time
from pathlib import Path
from types import TracebackType


def _why_not() -> str:
    if shutil.which("initdb") is None and not any(Path("/usr/lib/postgresql").glob("*/bin/initdb")):
        return "this machine has no PostgreSQL server"
    if os.geteuid() == 0 and (shutil.which("setpriv") is None or "postgres" not in {u.pw_name for u in pwd.getpwall()}):
        return "PostgreSQL does not run as root, and there is no user for it"
    return ""


WHY_NOT = _why_not()


def _tool(name: str) -> str:
    found = shutil.which(name)
    return found or str(sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"))[-1])


class Postgresql:
    """A server on a socket of its own folder, so that no port can be taken by somebody else; `with` starts and stops it."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="lastcopy-pg-"))
        self._as: list[str] = []
        self._number = 0
        self._server: subprocess.Popen[bytes] | None = None
        if os.geteuid() == 0:
            user = pwd.getpwnam("postgres")
            os.chown(self.folder, user.pw_uid, user.pw_gid)
            self._as = ["setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups"]

    def __enter__(self) -> "Postgresql":
        data = str(self.folder / "data")
        made = [_tool("initdb"), "-D", data, "-U", "lastcopy", "-A", "trust", "--no-sync", "-E", "UTF8", "--locale=C"]
        subprocess.run([*self._as, *made], check=True, capture_output=True, cwd=self.folder)
        self.start()
        return self

    def start(self) -> None:
        """Start the server, and wait until it answers."""
        options = ["-D", str(self.folder / "data"), "-F", "-h", "", "-k", str(self.folder)]
        log = (self.folder / "log").open("ab")
        self._server = subprocess.Popen(
            [*self._as, _tool("postgres"), *options], stdout=log, stderr=log, cwd=self.folder
        )
        log.close()
        import psycopg

        for _ in range(200):
            try:
                psycopg.connect(self.url("postgres")).close()
                return
            except psycopg.OperationalError:
                time.sleep(0.05)
        raise AssertionError((self.folder / "log").read_text())

    def stop(self, signal: int = 3) -> None:
        """Stop it at once (SIGQUIT), as a restart of its machine would."""
        assert self._server is not None
        self._server.send_signal(signal)
        self._server.wait(20)

    def url(self, name: str) -> str:
        return f"postgresql://lastcopy@/{name}?host={self.folder}"

    def new_database(self) -> str:
        """The URL of an empty database."""
        import psycopg

        self._number += 1
        name = f"lastcopy{self._number}"
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name}".encode())
        return self.url(name)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop(2)
        shutil.rmtree(self.folder, ignore_errors=True)
