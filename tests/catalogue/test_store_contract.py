"""What every catalogue must do, whatever database is behind it."""

from __future__ import annotations

import dataclasses
import datetime as dt
import time
from pathlib import Path

import numpy as np
import pytest
from catalogue_schemes import strassen, variant

from flipsearch.catalogue import Catalogue, Filters, Provenance
from flipsearch.errors import InvalidSchemeError, NotFoundError, UsageError
from flipsearch.formats import parse_format
from flipsearch.formats.tensors import polynomial_product
from flipsearch.rings import Ring
from flipsearch.scheme import Scheme, naive_scheme, rational_scheme
from flipsearch.verify import verify

FORMATS = ["1x3x2", "2x2x2", "3x2x4", "ug:3x3x3", "st:2x2x2", "gt:3x3x3c"]


@pytest.mark.parametrize("ring", Ring)
@pytest.mark.parametrize("name", FORMATS)
def test_what_goes_in_comes_out(catalogue: Catalogue, name: str, ring: Ring) -> None:
    scheme = naive_scheme(parse_format(name), ring)
    stored = catalogue.add(scheme, Provenance(source="a paper"))
    record = catalogue.get(stored.hash)
    assert record.scheme == scheme
    assert record.format == scheme.format
    assert record.ring == scheme.natural_ring
    assert (record.rank, record.nonzeros, record.additions) == (
        scheme.rank,
        scheme.nonzeros,
        scheme.additions,
    )
    assert record.source == "a paper"
    verify(record.scheme)


def test_rational_schemes_keep_their_fractions(catalogue: Catalogue) -> None:
    u, v, w = (matrix.tolist() for matrix in strassen().factors)
    from fractions import Fraction

    u[0] = [Fraction(x, 3) for x in u[0]]
    v[0] = [Fraction(x) * 3 for x in v[0]]
    v[1] = [Fraction(x, 2) for x in v[1]]
    split = rational_scheme(parse_format("2x2x2"), [*u, u[1]], [*v, v[1]], [*w, w[1]])
    assert split.ring is Ring.Q
    record = catalogue.get(catalogue.add(split).hash)
    assert record.ring is Ring.Q
    assert record.scheme == split


def test_formats_that_are_tensors(catalogue: Catalogue) -> None:
    scheme = naive_scheme(polynomial_product(2, 3), Ring.ZT)
    stored = catalogue.add(scheme, Provenance(source="school"))
    again = catalogue.add(naive_scheme(polynomial_product(2, 3), Ring.F2))
    record = catalogue.get(stored.hash)
    assert record.format == scheme.format
    assert record.scheme == scheme
    best = catalogue.best(scheme.format, "F2")
    assert best is not None
    assert best.hash == again.hash
    assert catalogue.count(format=scheme.format.name) == 2
    assert catalogue.known_bound(scheme.format, "Z") is None
    cells = [cell for cell in catalogue.best_table() if cell.format == scheme.format.name]
    assert [cell.rank for cell in cells] == [6] * 5
    assert catalogue.audit().damaged == []


def test_unions_say_what_they_survive(catalogue: Catalogue) -> None:
    said = {"workers": "7", "survives": "0", "name": "Strassen alone"}
    union = catalogue.get(catalogue.add(strassen(), Provenance(details=said)).id)
    assert (union.workers, union.survives) == (7, 0)
    for odd in ({"workers": "9", "survives": "1"}, {"workers": "many", "survives": ""}, {}):
        other = catalogue.get(catalogue.add(variant(3), Provenance(details=odd)).id)
        assert (other.workers, other.survives) == (None, None)


def test_a_scheme_is_stored_once(catalogue: Catalogue) -> None:
    first = catalogue.add(strassen(), Provenance(source="first"))
    u, v, w = strassen().factors
    again = Scheme(strassen().format, Ring.Q, -u[::-1], v[::-1], -w[::-1])
    second = catalogue.add(again, Provenance(source="second"))
    assert first.new
    assert not second.new
    assert first.hash == second.hash
    assert first.id == second.id
    assert len(catalogue) == 1
    assert [p.source for p in catalogue.provenance(first.id)] == ["first", "second"]
    assert catalogue.get(first.hash).source == "first"


def test_the_same_provenance_is_kept_once(catalogue: Catalogue) -> None:
    run = catalogue.start_run("2x2x2", "ZT")
    for task in range(3):
        catalogue.add(strassen(), Provenance(run=run.id, seed=2**100, task=task))
    (found,) = catalogue.provenance(catalogue.get(strassen().content_hash))
    assert found == Provenance(run=run.id, seed=2**100, task=0)


def test_every_field_of_a_provenance_comes_back(catalogue: Catalogue) -> None:
    run = catalogue.start_run("2x2x2", "F2", seed=7)
    given = Provenance(
        run=run.id,
        seed=7,
        task=12,
        parent="ab" * 32,
        lifted_from="cd" * 32,
        source="somewhere, 2026",
        method="hensel",
        details={"steps": 3},
    )
    stored = catalogue.add(strassen(), given)
    assert catalogue.provenance(stored.id) == [given]
    assert "lifted from cdcdcdcdcdcd" in catalogue.get(stored.id).source


def test_an_invalid_scheme_is_refused(catalogue: Catalogue) -> None:
    u, v, w = strassen().factors
    wrong = w.copy()
    wrong[3, 2] += 1
    bad = Scheme(strassen().format, Ring.Z, u, v, wrong)
    with pytest.raises(InvalidSchemeError):
        catalogue.add(bad)
    assert len(catalogue) == 0
    assert bad not in catalogue


def test_one_invalid_scheme_does_not_lose_the_others(catalogue: Catalogue) -> None:
    u, v, w = strassen().factors
    bad = Scheme(strassen().format, Ring.Z, u, v, -w)
    with pytest.raises(InvalidSchemeError):
        catalogue.add_many([variant(1), bad, variant(2)])
    assert variant(1) in catalogue
    assert variant(2) in catalogue


def test_invalid_schemes_can_be_quarantined(catalogue: Catalogue) -> None:
    u, v, w = strassen().factors
    bad = Scheme(strassen().format, Ring.Z, u, v, -w)
    results = catalogue.add_many(
        [variant(1), bad], Provenance(source="worker 3"), on_invalid="quarantine"
    )
    assert results[0].new
    assert results[0].rejected is None
    assert results[1].rejected is not None
    assert "not a scheme" in results[1].rejected
    (kept,) = catalogue.quarantined()
    assert kept.source == "worker 3"
    assert kept.payload is not None
    assert kept.payload["w"] == (-w).tolist()


def test_quarantine_keeps_the_task(catalogue: Catalogue) -> None:
    run = catalogue.start_run("2x2x2", "F2")
    catalogue.quarantine("worker lied", run=run, task={"seed": 5, "flips": 10**12})
    (kept,) = catalogue.quarantined()
    assert (kept.reason, kept.run, kept.task) == (
        "worker lied",
        run.id,
        {"seed": 5, "flips": 10**12},
    )


def test_many_in_batches_with_duplicates(catalogue: Catalogue) -> None:
    schemes = [variant(k) for k in range(25)]
    stored = catalogue.add_many([*schemes, *schemes[:5]], batch=7, workers=2)
    assert [s.new for s in stored] == [True] * 25 + [False] * 5
    assert [s.hash for s in stored[:25]] == [s.content_hash for s in schemes]
    assert len({s.id for s in stored}) == 25
    repeated = catalogue.add_many([variant(99), variant(99)])
    assert [s.new for s in repeated] == [True, False]
    assert len(catalogue) == 26


def test_names_are_hash_prefixes(catalogue: Catalogue) -> None:
    stored = catalogue.add(strassen())
    for digits in (6, 12, 40, 64):
        assert catalogue.get(stored.hash[:digits].upper()).hash == stored.hash
    assert catalogue.get(stored.id).hash == stored.hash
    with pytest.raises(NotFoundError):
        catalogue.get("0" * 12)
    with pytest.raises(NotFoundError):
        catalogue.get(stored.id + 1)
    for bad in (stored.hash[:5], "nonsense", "", stored.hash + "00"):
        with pytest.raises((UsageError, NotFoundError)):
            catalogue.get(bad)


def test_an_ambiguous_prefix_is_refused(catalogue: Catalogue) -> None:
    from sqlalchemy import update

    from flipsearch.catalogue.models import SchemeRow

    catalogue.add_many([variant(k) for k in range(3)])
    with catalogue.database.writing() as connection:
        for number, name in enumerate(("abcdef" + "1" * 58, "abcdef" + "2" * 58), start=1):
            connection.execute(update(SchemeRow).where(SchemeRow.id == number).values(hash=name))
    with pytest.raises(UsageError, match="several"):
        catalogue.get("abcdef")
    assert catalogue.get("abcdef2").id == 2


def test_best_looks_at_every_order_of_the_sides(catalogue: Catalogue) -> None:
    catalogue.add(naive_scheme(parse_format("4x2x3"), Ring.F2))
    for name in ("2x3x4", "4x3x2", "3x2x4"):
        found = catalogue.best(name, "F2")
        assert found is not None
        assert str(found.format) == "4x2x3"
    assert catalogue.best("2x3x4", "F2", exact=True) is None
    catalogue.add(naive_scheme(parse_format("2x3x4"), Ring.F2))
    found = catalogue.best("2x3x4", "F2")
    assert found is not None
    assert str(found.format) == "2x3x4"
    assert catalogue.best("2x3x4", "ZT") is None
    assert catalogue.best("ug:3x3x3") is None


def test_rings_include_each_other(catalogue: Catalogue) -> None:
    catalogue.add(variant(1))  # over Z, rank 10
    catalogue.add(strassen())  # over ZT, rank 7
    catalogue.add(naive_scheme(parse_format("2x2x2"), Ring.F2))
    ranks = {ring: catalogue.best("2x2x2", ring) for ring in (None, *Ring)}
    assert {k: None if r is None else (r.ring, r.rank) for k, r in ranks.items()} == {
        None: (Ring.ZT, 7),
        Ring.F2: (Ring.F2, 8),
        Ring.F3: None,
        Ring.ZT: (Ring.ZT, 7),
        Ring.Z: (Ring.ZT, 7),
        Ring.Q: (Ring.ZT, 7),
    }
    assert catalogue.count(ring="Z") == 2
    assert catalogue.count(ring="ZT") == 1


def test_best_prefers_fewer_additions(catalogue: Catalogue) -> None:
    schemes = [variant(k) for k in range(12)]
    catalogue.add_many(schemes)
    found = catalogue.best("2x2x2")
    assert found is not None
    assert found.additions == min(scheme.additions for scheme in schemes)


def test_the_best_table_shows_ours_beside_the_bound(catalogue: Catalogue) -> None:
    catalogue.add_many([strassen(), naive_scheme(parse_format("3x2x2"), Ring.F2)])
    cells = {(cell.format, cell.ring): cell for cell in catalogue.best_table()}
    cell = cells["2x2x2", Ring.F3]
    assert (cell.rank, cell.over, cell.known_bound, cell.gap) == (7, Ring.ZT, 7, 0)
    cell = cells["2x2x3", Ring.F2]
    assert (cell.rank, cell.over, cell.known_bound, cell.gap) == (12, Ring.F2, 11, 1)
    cell = cells["4x4x4", Ring.F2]
    assert (cell.rank, cell.hash, cell.known_bound, cell.gap) == (None, None, 47, None)
    names = list(dict.fromkeys(name for name, _ in cells))
    assert names.index("2x2x10") < names.index("2x3x3") < names.index("ug:3x3x3")


def test_growth_factors_are_those_of_the_literature(catalogue: Catalogue) -> None:
    assert catalogue.get(catalogue.add(strassen()).id).growth == 12
    assert catalogue.get(catalogue.add(strassen(Ring.F2)).id).growth is None
    naive = catalogue.add(naive_scheme(parse_format("3x5x2"), Ring.ZT))
    assert catalogue.get(naive.id).growth == 5


def test_filters(catalogue: Catalogue) -> None:
    run = catalogue.start_run("2x2x2", "ZT", name="mine")
    catalogue.add(strassen(), Provenance(run=run.id))
    catalogue.add(naive_scheme(parse_format("2x2x2"), Ring.F2), Provenance(source="A 100% Paper"))
    catalogue.add(naive_scheme(parse_format("2x3x2"), Ring.ZT), Provenance(source="elsewhere"))
    catalogue.add(naive_scheme(parse_format("3x2x2"), Ring.ZT), Provenance(source="elsewhere"))

    def ranks(**conditions: object) -> list[int]:
        return sorted(r.rank for r in catalogue.records(Filters(**conditions)))  # type: ignore[arg-type]

    assert ranks() == [7, 8, 12, 12]
    assert ranks(format="2x2x3") == [12, 12]
    assert ranks(format="2x3x2", exact=True) == [12]
    assert ranks(ring="F2") == [8]
    assert ranks(rank=8) == [8]
    assert ranks(rank=(8, None)) == [8, 12, 12]
    assert ranks(rank=(None, 8)) == [7, 8]
    assert ranks(gap=0) == [7]
    assert ranks(gap=(1, 5)) == [8, 12, 12]
    assert ranks(additions=(0, 10)) == [8, 12, 12] if strassen().additions > 10 else True
    assert ranks(growth=4) == [12, 12]
    assert ranks(source="100% paper") == [8]
    assert ranks(source="_") == []
    assert ranks(run=run.id) == [7]
    assert ranks(run="mine") == [7]
    today = dt.datetime.now(dt.UTC)
    assert ranks(since=today - dt.timedelta(hours=1)) == [7, 8, 12, 12]
    assert ranks(until=today - dt.timedelta(hours=1)) == []
    assert ranks(since=dt.date(2020, 1, 1)) == [7, 8, 12, 12]
    assert catalogue.count(Filters(gap=0)) == 1


def test_order_and_pages(catalogue: Catalogue) -> None:
    catalogue.add_many([variant(k) for k in range(10)])
    catalogue.add(strassen())
    whole = [r.id for r in catalogue.records(sort="rank,-additions")]
    assert whole[0] == catalogue.get(strassen().content_hash).id
    pages = [
        [r.id for r in catalogue.records(sort="rank,-additions", limit=4, offset=offset)]
        for offset in (0, 4, 8, 12)
    ]
    assert [number for page in pages for number in page] == whole
    assert [r.id for r in catalogue.records(sort="rank,-additions", offset=8)] == whole[8:]
    additions = [r.additions for r in catalogue.query(sort=["-additions"], ring="Z")]
    assert additions == sorted(additions, reverse=True)
    with pytest.raises(UsageError, match="cannot sort"):
        catalogue.query(sort="colour")


def test_known_bounds_know_permutations(catalogue: Catalogue) -> None:
    for name in ("3x4x5", "4x5x3", "5x4x3"):
        bound = catalogue.known_bound(name, "Z")
        assert bound is not None
        assert (bound.value, bound.format) == (47, "3x4x5")
    assert catalogue.known_bound("4x4x4", Ring.F2).value == 47  # type: ignore[union-attr]
    assert catalogue.known_bound("ss:4x4x4", "Q").value == 30  # type: ignore[union-attr]
    assert catalogue.known_bound("ss:4x4x4", "Z").value == 32  # type: ignore[union-attr]
    assert catalogue.known_bound("ss:7x7x7", "Z") is None
    assert catalogue.known_bound("7x1x3", "F3").value == 21  # type: ignore[union-attr]


def test_a_newer_table_of_bounds(catalogue: Catalogue, tmp_path: Path) -> None:
    table = tmp_path / "new.csv"
    table.write_text("format,ZT,Z,Q,F2,F3,source\n4x4x4,48,48,48,46,,a dream\n", "utf-8")
    assert catalogue.update_bounds(table) == 4
    assert catalogue.update_bounds(table) is None
    bound = catalogue.known_bound("4x4x4", "F2")
    assert bound is not None
    assert dataclasses.astuple(bound) == ("4x4x4", Ring.F2, 46, "a dream", "new.csv")
    assert catalogue.known_bound("4x4x4", "F3").value == 48  # type: ignore[union-attr]
    assert catalogue.known_bound("4x4x5", "F2").value == 60  # type: ignore[union-attr]
    assert len(catalogue) == 0
    catalogue.update_bounds()
    assert catalogue.known_bound("4x4x4", "F2").value == 47  # type: ignore[union-attr]


def test_invariants_are_added(catalogue: Catalogue) -> None:
    stored = catalogue.add(strassen())
    assert catalogue.invariants(stored.id) is None
    catalogue.annotate(stored.hash, {"type": [1, 2]})
    catalogue.annotate(stored.hash, {"buds": 3})
    assert catalogue.invariants(stored.id) == {"type": [1, 2], "buds": 3}


def test_records_suit_a_data_frame(catalogue: Catalogue) -> None:
    catalogue.add_many([strassen(), variant(3)])
    rows = catalogue.to_records(format="2x2x2", sort="rank")
    assert [row["rank"] for row in rows] == [7, 10]
    assert all(isinstance(v, str | int | float | None) for row in rows for v in row.values())
    assert set(rows[0]) == set(rows[1])


def test_a_run_from_start_to_end(catalogue: Catalogue) -> None:
    run = catalogue.start_run(
        "4x4x4", "F2", strategy="pool", parameters={"size": 100}, seed=2**90, name="night"
    )
    assert (run.status, run.seed, run.parameters) == ("running", 2**90, {"size": 100})
    catalogue.heartbeat(run, flips=10**13, seconds=1.5, best_rank=48)
    state = {"level": 48, "pool": np.arange(6, dtype=np.uint64).reshape(2, 3), "x": [None, 1.5]}
    catalogue.checkpoint(run.id, state, flips=2 * 10**13)
    found = catalogue.run("night")
    assert (found.flips, found.best_rank, found.status) == (2 * 10**13, 48, "running")
    loaded = catalogue.load_checkpoint(run)
    assert loaded is not None
    assert loaded["level"] == 48
    assert loaded["x"] == [None, 1.5]
    np.testing.assert_array_equal(loaded["pool"], state["pool"])
    assert loaded["pool"].flags.writeable
    catalogue.finish_run(run, "done", seconds=20.0, message="enough")
    found = catalogue.run(run.id)
    assert (found.status, found.seconds, found.message) == ("done", 20.0, "enough")
    assert found.finished is not None
    assert catalogue.runs() == [found]


def test_names_of_runs_are_unique(catalogue: Catalogue) -> None:
    catalogue.start_run("2x2x2", "F2", name="mine")
    with pytest.raises(UsageError, match="already"):
        catalogue.start_run("2x2x2", "F2", name="mine")
    for bad in ("12", "", " ", "x" * 201):
        with pytest.raises(UsageError):
            catalogue.start_run("2x2x2", "F2", name=bad)
    assert catalogue.find_run("yours") is None
    with pytest.raises(NotFoundError):
        catalogue.run(77)
    with pytest.raises(NotFoundError):
        catalogue.heartbeat(77)
    with pytest.raises(UsageError):
        catalogue.finish_run(1, "exploded")


def test_two_connections_see_each_others_commits(address: str) -> None:
    with Catalogue.open(address) as first, Catalogue.open(address, read_only=True) as second:
        stored = first.add(strassen())
        assert second.get(stored.hash).scheme == strassen()
        with pytest.raises(UsageError, match="read-only"):
            second.add(strassen())


def test_an_audit_finds_nothing_wrong_and_dates_it(catalogue: Catalogue) -> None:
    catalogue.add_many([strassen(), strassen(Ring.F2), variant(1)])
    before = catalogue.get(1).verified
    time.sleep(0.01)
    seen: list[tuple[int, int]] = []
    result = catalogue.audit(progress=lambda done, total: seen.append((done, total)))
    assert (result.checked, result.damaged) == (3, [])
    assert seen[-1] == (3, 3)
    catalogue.record_verified(result)
    assert catalogue.get(1).verified > before
    assert catalogue.health().problems == []
