"""What an export costs in CPU beside `rclone copy` of the same bytes over HTTP, both to a folder.

Rules of this file: marker `bench`, never part of `make test`; CPU seconds are those of the copying process alone;
in turns, medians. Both ask twice for each file (rclone: HEAD and GET). What is compared is
still not the same work: an export does it over TLS, hashes what comes, proves it against the service's facts and writes a ledger.
"""

import http.server
import shutil
import statistics
import subprocess
import sys
from pathlib import Path

import pytest

from tests.bench.many_files import FILES_PER_FOLDER, ServedTenant, made_tenant
from tests.bench.measuring import cost_of, environment_of, note
from tests.bench.test_scale_bench import product_of
from tests.bench.unlimited import COMMAND

pytestmark = [
    pytest.mark.bench,
    pytest.mark.skipif(shutil.which("rclone") is None, reason="there is no rclone to compare with"),
]
ROUNDS = 3


class Handler(http.server.SimpleHTTPRequestHandler):
    """A plain server of files with listings, whose connections are kept."""

    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        """Nothing."""


def serve(folder: str) -> None:
    """Serve a folder on a free port, which is printed."""

    def handler(*arguments: object) -> Handler:
        return Handler(*arguments, directory=folder)  # type: ignore[arg-type]

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    print(server.server_port, flush=True)
    server.serve_forever()


def beside_rclone(name: str, folder: Path, files: int, length: int | None) -> None:
    """Print the CPU of both, and the ratio."""
    ours, theirs, octets = [], [], 0
    with ServedTenant(made_tenant(folder / "tenant", files, length)) as tenant:
        for number in range(ROUNDS):
            product = product_of(folder / f"work{number}", tenant)
            environment = environment_of(product.environment)
            ours.append(cost_of([*COMMAND, "export", "--json"], product.folder, environment))
            held = next(product.store.glob("onedrive/*/data/files"))
            if not octets:
                octets = sum(path.stat().st_size for path in held.rglob("*") if path.is_file())
            with subprocess.Popen(
                [sys.executable, __file__, str(held)], stdout=subprocess.PIPE, text=True, start_new_session=True
            ) as server:
                assert server.stdout is not None
                address = f"http://127.0.0.1:{server.stdout.readline().strip()}"
                there = folder / f"there{number}"
                command = ["rclone", "--config", "", "--http-url", address, "copy", ":http:", str(there)]
                theirs.append(cost_of([*command, "--transfers", "16", "--checkers", "16"], folder))
                server.terminate()
            assert sum(1 for path in there.rglob("*") if path.is_file()) == files
            shutil.rmtree(there)
            shutil.rmtree(product.folder)
    note(f"\n{name}: {files:,} files in folders of {FILES_PER_FOLDER}, {octets / 1e6:,.1f} MB")
    median = {}
    for label, costs in (("export", ours), ("rclone", theirs)):
        wall, cpu = (statistics.median(cost[n] for cost in costs) for n in (0, 1))
        median[label] = cpu
        note(
            f"  {label}: {wall:6.1f} s, {cpu:6.2f} CPU s = {cpu / files * 1000:.3f} per 1,000 files, {cpu / octets * 1e9:.2f}"
            f" per GB; CPU s of the rounds {[round(cost.cpu, 2) for cost in costs]}"
        )
    note(f"  export / rclone: {median['export'] / median['rclone']:.2f}")


def test_small_files(folder: Path) -> None:
    """(i) Per 1,000 files of some bytes."""
    beside_rclone("small files", folder, 10_000, None)


def test_large_files(folder: Path) -> None:
    """(i) Per GB."""
    beside_rclone("large files", folder, 8, 128 << 20)


if __name__ == "__main__":
    serve(sys.argv[1])
