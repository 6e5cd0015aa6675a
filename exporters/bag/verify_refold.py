"""`verify --refold`: the fold built again from segment 1 by the code that writes folds, compared byte for byte.

Rules of this file: the one place where a check uses the writers' code, because "the fold equals the fold from segment 1" is a
statement about that code; whether it is right is told by the other checks. Source: design §4 (the fold).
"""

from collections.abc import Iterable

from exporters.bag.formats import SOURCE
from exporters.bag.verify_report import BagVerification
from exporters.errors import LastcopyError
from exporters.store.errors import ObjectMissingError
from exporters.store.protocol import Store


def compare_refold(store: Store, report: BagVerification) -> None:
    """Render every tag file of the fold again and note each that differs. Nothing is written; nothing to do without fold."""
    from exporters.bag.fold import render, state_from_segments

    if report.segment == 0:
        return
    bag, named = report.bag, {finding.name for finding in report.changed.first}
    try:
        state, position, at = state_from_segments(store, bag, report.segment)
        source = store.read(f"{bag}/{SOURCE}")
    except ObjectMissingError:
        return  # told as missing
    except LastcopyError as error:
        report.doubt(f"the fold could not be built again: {error}")
        return
    try:
        for name, content in render(state, position, at, source):
            if not _is_same(store, f"{bag}/{name}", content()) and name not in named:
                report.changed.add(name, "the fold from segment 1 gives other bytes")
    finally:
        state.close()
    report.refolded = True


def _is_same(store: Store, key: str, chunks: Iterable[bytes]) -> bool:
    """Whether the object has just these bytes; both are streamed."""
    wanted = bytearray()
    source = iter(chunks)
    try:
        with store.open(key) as there:
            for chunk in there:
                while len(wanted) < len(chunk):
                    more = next(source, None)
                    if more is None:
                        return False
                    wanted += more
                if wanted[: len(chunk)] != chunk:
                    return False
                del wanted[: len(chunk)]
    except ObjectMissingError:
        return False
    return not wanted and not any(source)
