"""What a run on drives came to, by the rows and the service's own counts: what is said of it at the end.

Rules of this file: asks the state, or the last fold where nothing was new; decides nothing, and emits nothing. Source: design §4
(Whole), docs/decisions/0005.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from exporters.bag.digests import Hashed
from exporters.bag.formats import JsonObject, dump_json, load_json
from exporters.bag.ledger import BagWriter
from exporters.bag.reconcile import difference_of, reconcile, uncounted, uncounted_folders, uncounted_of
from exporters.copied import CopyResult
from exporters.drive.capture import asks_again
from exporters.drive.copying import DriveCopy
from exporters.drive.planning import PUT_ASIDE
from exporters.outcomes import ExceptionCode


def count_loaded(writer: BagWriter, drives: Sequence[DriveCopy], result: CopyResult) -> JsonObject:
    """Count the rows of the state; return their reconciliation. drives: all of the bag that were copied in this run."""
    state = writer.state
    reconciliation = reconcile(state)
    take_counts(result, reconciliation, map(load_json, state.rows("outcome = 'excepted'")))
    result.agreements = state.agreements()
    doubted = {drive.scope.drive for drive in drives if drive.to_read_again()}
    if doubted:
        result.problems.append("content_differs")
        put_aside = [
            row for row in map(load_json, state.rows(PUT_ASIDE)) if asks_again(row) and row["scope"] in doubted
        ]
        result.digests["content_differs"] = digest_of([[row["id"], row["sha256"]] for row in put_aside])
    _note_uncounted([folder for drive in drives for folder in uncounted_folders(state, drive.scope.drive)], result)
    return reconciliation


def count_unread(writer: BagWriter, scopes: Sequence[str], result: CopyResult) -> bool:
    """Nothing was new: the fold's own reconciliation still holds. False if it is not as it was written. scopes: drives."""
    reconciliation = writer.folded_reconciliation()
    if not reconciliation:
        return False
    take_counts(result, reconciliation, writer.exceptions())
    if uncounted([entry for entry in reconciliation["independent"] if entry["scope"] in scopes], "folder"):
        _note_uncounted([folder for scope in scopes for folder in uncounted_of(writer.rows(), scope)], result)
    return not writer.has_unfinished_work


def _note_uncounted(folders: list[str], result: CopyResult) -> None:
    """Nothing proves that the listing of these is whole."""
    if folders:
        result.problems.append("count_unavailable")
        result.digests["count_unavailable"] = digest_of(folders)


def take_counts(result: CopyResult, reconciliation: JsonObject, excepted: Iterable[JsonObject]) -> None:
    """Take in a reconciliation, and the rows that are *excepted*."""
    result.counts, result.kinds = dict(reconciliation["counts"]), reconciliation["kinds"]
    result.unexplained = sum(entry["unexplained"] for entry in reconciliation["independent"])
    if difference := difference_of(reconciliation["independent"]):
        result.digests["not_reconciled"] = difference
    result.uncounted_packages = uncounted(reconciliation["independent"], "package")
    result.exceptions.clear()
    result.excepted_kinds.clear()
    result.newest.clear()
    for row in excepted:
        if row["code"] != ExceptionCode.VANISHED:
            result.excepted_kinds[row["kind"]] = result.excepted_kinds.get(row["kind"], 0) + 1
        code, run, captured = row["code"], str(row.get("run")), datetime.fromisoformat(row["captured"])
        result.exceptions[code] = result.exceptions.get(code, 0) + 1
        runs = result.newest.setdefault(code, {})
        runs[run] = max(runs.get(run, captured), captured)


def digest_of(content: list[Any]) -> str:
    """A name for the content of a finding."""
    return Hashed.of(dump_json({"content": content}))
