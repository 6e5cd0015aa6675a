"""The parts of a plan by themselves: reports, what is left, costs, order, deadlines."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from exporters.sources import SourceKind
from retention.config import Config, parse
from retention.planning.deadlines import Clocked, dues, verdict
from retention.planning.feasibility import Work
from retention.planning.held import Held
from retention.planning.inventory import Counted, items_of, left_of
from retention.planning.listing import Asked, Means, ask
from retention.planning.measured import Measured
from retention.planning.ordering import KEPT, Order
from retention.planning.quantities import Certainty, Quantity, Sum
from retention.planning.usage_reports import read_report
from retention.planning.work import Costs, without_permissions, without_versions

NOW = datetime(2026, 11, 29, 12, tzinfo=UTC)


# -- reports --------------------------------------------------------------------------------------------------------------


@dataclass
class Reports:
    """The service, as far as reports need it: one body, in pieces of any size."""

    body: bytes
    piece: int = 7

    @contextmanager
    def download(self, path: str, **_: Any) -> Iterator[Any]:
        pieces = [self.body[at : at + self.piece] for at in range(0, len(self.body), self.piece)]
        yield SimpleNamespace(decoded=lambda: iter(pieces))


def usages(kind: SourceKind, text: str, piece: int = 7) -> Any:
    return read_report(Reports(b"\xef\xbb\xbf" + text.encode(), piece), kind)  # type: ignore[arg-type]


@pytest.mark.parametrize("piece", [1, 3, 1000])
def test_a_report_is_read_whatever_its_pieces(piece: int) -> None:
    text = (
        "Report Refresh Date,User Principal Name,Is Deleted,Item Count,Storage Used (Byte),Deleted Item Count,Has Archive\r\n"
        '2026-11-27,"zoë@contoso.example",False,1200,98765,3,True\r\n'
        "2026-11-27,gone@contoso.example,True,7,7,0,False\r\n"
        "2026-11-27,odd@contoso.example,False,many,,,\r\n"
    )
    report = usages(SourceKind.MAIL, text, piece)
    first, odd = report.rows
    assert not report.is_concealed
    assert (first.name, first.items, first.size, first.has_archive) == ("zoë@contoso.example", 1200, 98765, True)
    assert (first.deleted_items, first.refreshed) == (3, "2026-11-27")
    assert (odd.items, odd.size, odd.has_archive) == (None, None, False)


@pytest.mark.parametrize(
    ("kind", "head", "row", "concealed", "name"),
    [
        (SourceKind.MAIL, "User Principal Name", "8DA3F1", True, None),
        (SourceKind.ONEDRIVE, "Site URL,Owner Principal Name", "x,8DA3F1", True, None),
        (SourceKind.ONEDRIVE, "Site URL,Owner Principal Name", "8DA3F1,", True, None),
        (
            SourceKind.ONEDRIVE,
            "Site URL,Owner Principal Name",
            "https://c-my.sharepoint.com/personal/anna_c,",
            False,
            "anna_c",
        ),
        (SourceKind.SHAREPOINT, "Site URL", "8DA3F1", True, None),
        (SourceKind.SHAREPOINT, "Site URL", "https://c.sharepoint.com/sites/a/b", False, "sites!a!b"),
        (SourceKind.SHAREPOINT, "Site URL", "https://c.sharepoint.com/", False, "root"),
    ],
)
def test_names_that_are_concealed_are_known(
    kind: SourceKind, head: str, row: str, concealed: bool, name: str | None
) -> None:
    report = usages(kind, f"{head},File Count\r\n{row},5\r\n")
    assert report.is_concealed is concealed
    (usage,) = report.rows
    assert usage.name == name


def test_an_empty_report_names_nobody() -> None:
    report = usages(SourceKind.MAIL, "User Principal Name,Item Count\r\n")
    assert (report.is_concealed, list(report.rows)) == (False, [])


# -- what is left ---------------------------------------------------------------------------------------------------------


def exact(items: int) -> Asked:
    return Asked(Quantity.exact(items, "counted"), Quantity.unknown("not told"))


def reported(items: int) -> Asked:
    return Asked(Quantity.estimated(items, "report"), Quantity.estimated(items * 100, "report"))


def by_quota(items: int, size: int) -> Asked:
    guess, told = Quantity.estimated(items, "mean"), Quantity.estimated(size, "quota")
    return Asked(guess, told, is_counted=False)


WHOLE = Held(settled=1_100, messages=1_000, files=1_000, is_listed=True, at="2026-11-28T10:00:00Z", bytes=10_000)
MAIL, DRIVE = SourceKind.MAIL, SourceKind.ONEDRIVE


@pytest.mark.parametrize(
    ("asked", "held", "kind", "left"),
    [
        (exact(1_000), Held(), MAIL, 1_000),  # nothing is held
        (exact(1_000), WHOLE, MAIL, 0),
        (exact(1_003), WHOLE, MAIL, 3),  # of an exact count each item
        (exact(900), WHOLE, MAIL, 0),
        (exact(1_000), replace(WHOLE, is_listed=False, messages=400), MAIL, 600),
        (exact(1_000), replace(WHOLE, messages=400, pending=600), MAIL, 600),
        (reported(1_099), WHOLE, MAIL, 0),  # that may be how it counts
        (reported(1_101), WHOLE, MAIL, 101),
        (reported(1_101), replace(WHOLE, pending=7), MAIL, 7),
        (by_quota(40, 10_900), WHOLE, DRIVE, 0),
        (by_quota(40, 20_000), WHOLE, DRIVE, 20),  # it has doubled
        (by_quota(40, 10_000), replace(WHOLE, pending=9), DRIVE, 9),
        (by_quota(40, 10_000), replace(WHOLE, files=15, is_listed=False), DRIVE, 25),
        (Asked(Quantity.unknown("no"), Quantity.unknown("no")), replace(WHOLE, pending=4), DRIVE, 4),
    ],
)
def test_what_is_left_of_a_source(asked: Asked, held: Held, kind: SourceKind, left: int) -> None:
    assert left_of(asked, held, kind) == left


def test_the_copys_own_listing_knows_better_than_a_mean() -> None:
    assert items_of(by_quota(40, 10_000), WHOLE).value == 1_100
    assert "2026-11-28" in items_of(by_quota(40, 10_000), WHOLE).source
    assert items_of(by_quota(40, 10_000), Held()).value == 40
    assert items_of(exact(5), WHOLE).value == 5


def test_a_sum_with_something_unknown_is_at_least() -> None:
    found = Sum()
    assert (found.certainty, found.shown) == (Certainty.EXACT, 0)
    found.add(Quantity.unknown("why"))
    assert (found.certainty, found.shown) == (Certainty.UNKNOWN, None)
    found.add(Quantity.exact(5, "counted"))
    assert (found.certainty, found.shown, found.unknown) == (Certainty.ESTIMATED, 5, 1)
    assert found.as_json()["source"] == "counted, why"


@dataclass
class Sites:
    """The service, as far as drives and lists of a site need it."""

    used: list[Any]

    def pages(self, path: str, **_: Any) -> Iterator[list[dict[str, Any]]]:
        rows = [{"id": str(n), "quota": {"used": used}} for n, used in enumerate(self.used)]
        yield rows if path.endswith("/drives") else [{"id": "1"}, {"id": "2"}]


@pytest.mark.parametrize(
    ("used", "size"), [([5_000_000, 1_000_000], 6_000_000), ([7, 7, 7], 7), ([], 0), ([5, None], None)]
)
def test_what_all_libraries_of_a_site_tell_alike_counts_once(used: list[Any], size: int | None) -> None:
    from exporters.sources import Source

    asked = ask(Sites(used), Source(SourceKind.SHAREPOINT, "s", "root"), Means())  # type: ignore[arg-type]
    assert (asked.bytes.value, asked.lists) == (size, 2)
    assert asked.items.value == (None if size is None else -(-size // 1_600_000))


# -- costs ----------------------------------------------------------------------------------------------------------------


def config(versions: str = "current", permissions: str = "none") -> Config:
    return Config(Path("/x/lastcopy.yaml"), parse(f"drive: {{versions: {versions}, permissions: {permissions}}}"))


def counted(kind: SourceKind, items: int, size: int = 0) -> Counted:
    return Counted(kind, f"{kind}/x", Quantity.exact(items, ""), Quantity.exact(size, ""), items, size)


def units(versions: str = "current", permissions: str = "none", measured: Measured | None = None) -> float:
    work = Work()
    Costs(config(versions, permissions), measured or Measured(), with_streams=False).add(work, counted(DRIVE, 20_000))
    return work.files.units


def test_files_cost_what_the_design_says() -> None:
    assert units() == 20_000 + 100 + 1
    assert units(permissions="all") - units() == 5 * 20_000
    assert units(permissions="shared") - units() == pytest.approx(5 * 0.12 * 20_000)
    assert units("all") - units() == pytest.approx(2 * 20_000 + 0.15 * 2.2 * 20_000)
    assert units("1") - units() == pytest.approx(2 * 20_000 + 0.15 * 20_000)
    told = Measured(units_per_file=1.005 + 5 * 0.4)
    assert units(permissions="shared", measured=told) - units() == pytest.approx(5 * 0.4 * 20_000)


def test_a_mailbox_costs_a_request_a_message_and_what_it_costs_to_look() -> None:
    box = counted(MAIL, 10_000, 100)
    plain = Costs(config(), Measured(), with_streams=False)
    assert plain.requests(box) == pytest.approx(10_000 * 1.26 + 70 + 24)
    assert plain.mail_bytes(box) == pytest.approx(135)
    twice = Costs(config(), Measured(), with_streams=True)
    assert twice.requests(box) == pytest.approx(10_000 * (1.26 + 0.055) + 70 + 48)
    assert twice.mail_bytes(box) == pytest.approx(270)
    known = Costs(config(), Measured(requests_per_item=1.05, message_bytes=3.0), with_streams=True)
    assert known.requests(box) == pytest.approx(10_500 + 70 + 48)
    assert known.mail_bytes(box) == 30_000


def test_what_can_be_put_off_is_taken_out_alone() -> None:
    work = Work()
    Costs(config("all", "all"), Measured(), with_streams=False).add(work, counted(DRIVE, 1_000))
    assert work.files.units - without_permissions(work).files.units == 5_000
    assert without_versions(work).files.permissions == 1_000
    assert without_versions(work).files.versions == without_versions(work).files.listings == 0


# -- order and deadlines --------------------------------------------------------------------------------------------------


def test_first_what_is_lost_first_then_the_largest_mailbox() -> None:
    order = Order({"mail/soon": NOW})
    for n in range(300):
        order.add(MAIL, f"mail/{n:03}", float(n), "")
        order.add(DRIVE, f"onedrive/{n:03}", 1_000.0 + n, "")
    order.add(MAIL, "mail/soon", 1.0, "")
    order.add(DRIVE, "onedrive/left", 1.0, "its user is gone")
    order.add(MAIL, None, 299.5, "")
    labels = [place.label for place in order.first()]
    assert labels[:5] == ["onedrive/left", "mail/soon", "(name concealed)", "mail/299", "mail/298"]
    assert len(labels) == KEPT
    assert order.others == 603 - KEPT
    assert all(place.reason for place in order.first())


def clocked(name: str, *, possible: bool = False, **days: float) -> Clocked:
    """A subscription whose boundaries lie so many days ahead."""
    found = {kind: SimpleNamespace(kind=kind, at=NOW + timedelta(days=day)) for kind, day in days.items()}
    return Clocked(name, name, SimpleNamespace(boundary=found.get, possible=possible))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("ones", "days", "complete", "expected"),
    [
        ([], 3, True, None),
        ([clocked("a")], 3, True, None),  # no clock runs
        ([clocked("a", access_ends=5, at_risk_from=30)], 3, True, True),
        ([clocked("a", access_ends=2, at_risk_from=30)], 3, True, False),
        ([clocked("a", access_ends=-1, at_risk_from=30)], 3, True, True),
        ([clocked("a", access_ends=-1, at_risk_from=2)], 3, True, False),
        ([clocked("a", access_ends=-9, at_risk_from=-1)], 3, True, False),
        ([clocked("a", access_ends=-9, at_risk_from=-1)], 0, True, True),  # nothing is left
        ([clocked("a", access_ends=5)], 3, False, None),
        ([clocked("a", access_ends=2)], 3, False, False),
        ([clocked("a", access_ends=2, possible=True)], 3, True, None),
        ([clocked("a", access_ends=5), clocked("b", access_ends=2)], 3, True, False),
        ([clocked("a", access_ends=5), clocked("b", access_ends=4)], 3, True, True),
    ],
)
def test_whether_it_fits(ones: list[Clocked], days: float, complete: bool, expected: bool | None) -> None:
    found = dues(ones, days * 86_400.0, NOW, is_complete=complete)
    assert verdict(found) is expected
    assert [due.at for due in found] == sorted(due.at for due in found)
    for due in found:
        assert due.start_by == due.at - timedelta(days=days)
