"""What comes out of a catalogue: by name, the best, by filters, in pages."""

from __future__ import annotations

import datetime as dt

import pytest
from catalogue_schemes import split, strassen, variant

from flipsearch.catalogue import Catalogue, Filters, Provenance
from flipsearch.catalogue.columns import JSON_NAMES
from flipsearch.errors import FormatError, NotFoundError, UsageError
from flipsearch.formats import parse_format
from flipsearch.rings import Ring
from flipsearch.scheme import naive_scheme
from flipsearch.verify import verify


def test_names_are_hash_prefixes(catalogue: Catalogue) -> None:
    stored = catalogue.schemes.add(strassen())
    for digits in (6, 12, 40, 64):
        assert catalogue.schemes.get(stored.hash[:digits].upper()).hash == stored.hash
    assert catalogue.schemes.get(stored.id).hash == stored.hash
    with pytest.raises(NotFoundError):
        catalogue.schemes.get("0" * 12)
    with pytest.raises(NotFoundError):
        catalogue.schemes.get(stored.id + 1)
    for bad in (stored.hash[:5], "nonsense", "", stored.hash + "00"):
        with pytest.raises((UsageError, NotFoundError)):
            catalogue.schemes.get(bad)


def test_an_ambiguous_prefix_is_refused(catalogue: Catalogue) -> None:
    from sqlalchemy import update

    from flipsearch.catalogue.columns import SCHEMES

    catalogue.schemes.add_many([variant(k) for k in range(3)])
    with catalogue.database.writing() as connection:
        for number, name in enumerate(("abcdef" + "1" * 58, "abcdef" + "2" * 58), start=1):
            connection.execute(update(SCHEMES).where(SCHEMES.c.id == number).values(hash=name))
    with pytest.raises(UsageError, match="several"):
        catalogue.schemes.get("abcdef")
    assert catalogue.schemes.get("abcdef2").id == 2


def test_best_looks_at_every_order_of_the_sides(catalogue: Catalogue) -> None:
    catalogue.schemes.add(naive_scheme(parse_format("4x2x3"), Ring.F2))
    for name in ("2x3x4", "4x3x2", "3x2x4"):
        found = catalogue.best(name, "F2")
        assert found is not None
        assert str(found.format) == "4x2x3"
    assert catalogue.best("2x3x4", "F2", exact=True) is None
    catalogue.schemes.add(naive_scheme(parse_format("2x3x4"), Ring.F2))
    found = catalogue.best("2x3x4", "F2")
    assert found is not None
    assert str(found.format) == "2x3x4"
    assert catalogue.best("2x3x4", "ZT") is None
    assert catalogue.best("ug:3x3x3") is None


def test_rings_include_each_other(catalogue: Catalogue) -> None:
    catalogue.schemes.add(variant(1))  # over Z, rank 10
    catalogue.schemes.add(strassen())  # over ZT, rank 7
    catalogue.schemes.add(naive_scheme(parse_format("2x2x2"), Ring.F2))  # rank 8: reduction has 7
    ranks = {ring: catalogue.best("2x2x2", ring) for ring in (None, *Ring)}
    assert {k: None if r is None else (r.ring, r.rank) for k, r in ranks.items()} == {
        None: (Ring.ZT, 7),
        Ring.F2: (Ring.ZT, 7),
        Ring.F3: (Ring.ZT, 7),
        Ring.ZT: (Ring.ZT, 7),
        Ring.Z: (Ring.ZT, 7),
        Ring.Q: (Ring.ZT, 7),
    }
    assert catalogue.schemes.count(ring="Z") == 2
    assert catalogue.schemes.count(ring="ZT") == 1


@pytest.mark.parametrize(
    ("common", "over"), [(2, {Ring.F3}), (3, {Ring.F2}), (5, {Ring.F2, Ring.F3}), (6, set())]
)
def test_schemes_over_q_count_where_they_reduce(
    catalogue: Catalogue, common: int, over: set[Ring]
) -> None:
    catalogue.schemes.add(split(common))
    for ring in (Ring.F2, Ring.F3):
        found = catalogue.best("2x2x2", ring)
        (cell,) = (c for c in catalogue.schemes.best_table((ring,)) if c.format == "2x2x2")
        if ring in over:
            assert found is not None
            assert (cell.rank, cell.over, cell.hash) == (8, Ring.Q, found.hash)
            verify(found.scheme.over(ring))
        else:
            assert found is None
            assert cell.rank is None
            with pytest.raises(FormatError):
                split(common).over(ring)
    assert catalogue.schemes.count(ring="F2") == catalogue.schemes.count(ring="F3") == 0
    native = catalogue.schemes.add(naive_scheme(parse_format("2x2x2"), Ring.F3))  # of rank 8 too
    assert catalogue.best("2x2x2", "F3").hash == native.hash  # type: ignore[union-attr]
    assert catalogue.audit().damaged == []


def test_best_prefers_fewer_additions(catalogue: Catalogue) -> None:
    schemes = [variant(k) for k in range(12)]
    catalogue.schemes.add_many(schemes)
    found = catalogue.best("2x2x2")
    assert found is not None
    assert found.additions == min(scheme.additions for scheme in schemes)


def test_the_best_table_shows_ours_beside_the_bound(catalogue: Catalogue) -> None:
    catalogue.schemes.add_many([strassen(), naive_scheme(parse_format("3x2x2"), Ring.F2)])
    cells = {(cell.format, cell.ring): cell for cell in catalogue.schemes.best_table()}
    cell = cells["2x2x2", Ring.F3]
    assert (cell.rank, cell.over, cell.known_bound, cell.gap) == (7, Ring.ZT, 7, 0)
    cell = cells["2x2x3", Ring.F2]
    assert (cell.rank, cell.over, cell.known_bound, cell.gap) == (12, Ring.F2, 11, 1)
    cell = cells["4x4x4", Ring.F2]
    assert (cell.rank, cell.hash, cell.known_bound, cell.gap) == (None, None, 47, None)
    names = list(dict.fromkeys(name for name, _ in cells))
    assert names.index("2x2x10") < names.index("2x3x3") < names.index("ug:3x3x3")


def test_filters(catalogue: Catalogue) -> None:
    run = catalogue.runs.start("2x2x2", "ZT", name="mine")
    catalogue.schemes.add(strassen(), Provenance(run=run.id))
    catalogue.schemes.add(
        naive_scheme(parse_format("2x2x2"), Ring.F2), Provenance(source="A 100% Paper")
    )
    catalogue.schemes.add(
        naive_scheme(parse_format("2x3x2"), Ring.ZT), Provenance(source="elsewhere")
    )
    catalogue.schemes.add(
        naive_scheme(parse_format("3x2x2"), Ring.ZT), Provenance(source="elsewhere")
    )

    def ranks(**conditions: object) -> list[int]:
        return sorted(r.rank for r in catalogue.schemes.records(Filters(**conditions)))  # type: ignore[arg-type]

    assert ranks() == [7, 8, 12, 12]
    assert ranks(format="2x2x3") == [12, 12]
    assert ranks(format="2x3x2", exact=True) == [12]
    assert ranks(ring="F2") == [8]
    assert ranks(rank=8) == [8]
    assert ranks(rank=(8, None)) == [8, 12, 12]
    assert ranks(rank=(None, 8)) == [7, 8]
    assert ranks(gap=0) == [7]
    assert ranks(gap=(1, 5)) == [8, 12, 12]
    assert ranks(additions=(0, 10)) == [8, 12, 12]
    assert ranks(growth=4) == [12, 12]
    assert ranks(source="100% paper") == [8]
    assert ranks(source="_") == []
    assert ranks(run=run.id) == [7]
    assert ranks(run="mine") == [7]
    today = dt.datetime.now(dt.UTC)
    assert ranks(since=today - dt.timedelta(hours=1)) == [7, 8, 12, 12]
    assert ranks(until=today - dt.timedelta(hours=1)) == []
    assert ranks(since=dt.date(2020, 1, 1)) == [7, 8, 12, 12]
    assert catalogue.schemes.count(Filters(gap=0)) == 1


def test_order_and_pages(catalogue: Catalogue) -> None:
    catalogue.schemes.add_many([variant(k) for k in range(10)])
    catalogue.schemes.add(strassen())
    whole = [r.id for r in catalogue.schemes.records(sort="rank,-additions")]
    assert whole[0] == catalogue.schemes.get(strassen().content_hash).id
    pages = [
        [r.id for r in catalogue.schemes.records(sort="rank,-additions", limit=4, offset=offset)]
        for offset in (0, 4, 8, 12)
    ]
    assert [number for page in pages for number in page] == whole
    assert [r.id for r in catalogue.schemes.records(sort="rank,-additions", offset=8)] == whole[8:]
    additions = [r.additions for r in catalogue.schemes.query(sort=["-additions"], ring="Z")]
    assert additions == sorted(additions, reverse=True)
    with pytest.raises(UsageError, match="cannot sort"):
        catalogue.schemes.query(sort="colour")


def test_records_suit_a_data_frame(catalogue: Catalogue) -> None:
    catalogue.schemes.add_many([strassen(), variant(3)])
    rows = catalogue.schemes.to_records(format="2x2x2", sort="rank")
    assert [row["rank"] for row in rows] == [7, 10]
    assert all(isinstance(v, str | int | float | None) for row in rows for v in row.values())
    assert tuple(rows[0]) == tuple(rows[1]) == JSON_NAMES
