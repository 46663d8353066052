"""What goes into a catalogue, whatever database is behind it."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from catalogue_schemes import strassen, variant
from hypothesis import given
from hypothesis import strategies as st

from flipsearch.catalogue import Catalogue, Provenance
from flipsearch.catalogue.portions import bytes_of, portions
from flipsearch.errors import FormatError, InvalidSchemeError, UsageError
from flipsearch.formats import parse_format
from flipsearch.formats.tensors import polynomial
from flipsearch.rings import Ring
from flipsearch.scheme import Scheme, naive_scheme, rational_scheme
from flipsearch.verify import verify

FORMATS = ["1x3x2", "2x2x2", "3x2x4", "ug:3x3x3", "st:2x2x2", "gt:3x3x3c"]


@pytest.mark.parametrize("ring", Ring)
@pytest.mark.parametrize("name", FORMATS)
def test_what_goes_in_comes_out(catalogue: Catalogue, name: str, ring: Ring) -> None:
    scheme = naive_scheme(parse_format(name), ring)
    stored = catalogue.schemes.add(scheme, Provenance(source="a paper"))
    record = catalogue.schemes.get(stored.hash)
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
    record = catalogue.schemes.get(catalogue.schemes.add(split).hash)
    assert record.ring is Ring.Q
    assert record.scheme == split


def test_formats_that_are_tensors(catalogue: Catalogue) -> None:
    scheme = naive_scheme(polynomial(2, 3), Ring.ZT)
    stored = catalogue.schemes.add(scheme, Provenance(source="school"))
    again = catalogue.schemes.add(naive_scheme(polynomial(2, 3), Ring.F2))
    record = catalogue.schemes.get(stored.hash)
    assert record.format == scheme.format
    assert record.scheme == scheme
    best = catalogue.best(scheme.format, "F2")
    assert best is not None
    assert best.hash == again.hash
    assert catalogue.schemes.count(format=scheme.format.name) == 2
    assert catalogue.bounds.known(scheme.format, "Z") is None
    cells = [cell for cell in catalogue.schemes.best_table() if cell.format == scheme.format.name]
    assert [cell.rank for cell in cells] == [6] * 5
    assert catalogue.audit().damaged == []


def test_unions_say_what_they_survive(catalogue: Catalogue) -> None:
    said = {"workers": "7", "survives": "0", "name": "Strassen alone"}
    union = catalogue.schemes.get(catalogue.schemes.add(strassen(), Provenance(details=said)).id)
    assert (union.workers, union.survives) == (7, 0)
    for odd in ({"workers": "9", "survives": "1"}, {"workers": "many", "survives": ""}, {}):
        other = catalogue.schemes.get(
            catalogue.schemes.add(variant(3), Provenance(details=odd)).id
        )
        assert (other.workers, other.survives) == (None, None)


def test_a_scheme_is_stored_once(catalogue: Catalogue) -> None:
    first = catalogue.schemes.add(strassen(), Provenance(source="first"))
    u, v, w = strassen().factors
    again = Scheme(strassen().format, Ring.Q, -u[::-1], v[::-1], -w[::-1])
    second = catalogue.schemes.add(again, Provenance(source="second"))
    assert first.new
    assert not second.new
    assert first.hash == second.hash
    assert first.id == second.id
    assert len(catalogue.schemes) == 1
    assert [p.source for p in catalogue.schemes.provenance(first.id)] == ["first", "second"]
    assert catalogue.schemes.get(first.hash).source == "first"


def test_the_same_provenance_is_kept_once(catalogue: Catalogue) -> None:
    run = catalogue.runs.start("2x2x2", "ZT")
    for task in range(3):
        catalogue.schemes.add(strassen(), Provenance(run=run.id, seed=2**100, task=task))
    (found,) = catalogue.schemes.provenance(catalogue.schemes.get(strassen().content_hash))
    assert found == Provenance(run=run.id, seed=2**100, task=0)


def test_every_field_of_a_provenance_comes_back(catalogue: Catalogue) -> None:
    run = catalogue.runs.start("2x2x2", "F2", seed=7)
    origin = Provenance(
        run=run.id,
        seed=7,
        task=12,
        parent="ab" * 32,
        lifted_from="cd" * 32,
        source="somewhere, 2026",
        method="hensel",
        details={"steps": 3},
    )
    stored = catalogue.schemes.add(strassen(), origin)
    assert catalogue.schemes.provenance(stored.id) == [origin]
    assert "lifted from cdcdcdcdcdcd" in catalogue.schemes.get(stored.id).source


def test_a_scheme_without_normal_form_is_set_aside(catalogue: Catalogue) -> None:
    naive = naive_scheme(parse_format("1x1x1"), Ring.Z)
    extra = np.array([[2**40]] * 2)
    u, v = (np.concatenate([matrix, extra]) for matrix in naive.factors[:2])
    scheme = Scheme(naive.format, Ring.Z, u, v, np.array([[1], [1], [-1]]))
    verify(scheme)
    good, bad = catalogue.schemes.add_many([strassen(), scheme], on_invalid="quarantine")
    assert good.new
    assert (bad.id, bad.hash) == (0, "")
    assert "2^62" in (bad.rejected or "")
    with pytest.raises(FormatError, match=r"2\^62"):
        catalogue.schemes.add_many([variant(1), scheme])
    assert len(catalogue.schemes) == 2


def test_an_invalid_scheme_is_refused(catalogue: Catalogue) -> None:
    u, v, w = strassen().factors
    wrong = w.copy()
    wrong[3, 2] += 1
    bad = Scheme(strassen().format, Ring.Z, u, v, wrong)
    with pytest.raises(InvalidSchemeError):
        catalogue.schemes.add(bad)
    assert len(catalogue.schemes) == 0
    assert bad not in catalogue.schemes


def test_one_invalid_scheme_does_not_lose_the_others(catalogue: Catalogue) -> None:
    u, v, w = strassen().factors
    bad = Scheme(strassen().format, Ring.Z, u, v, -w)
    with pytest.raises(InvalidSchemeError):
        catalogue.schemes.add_many([variant(1), bad, variant(2)])
    assert variant(1) in catalogue.schemes
    assert variant(2) in catalogue.schemes


def test_invalid_schemes_can_be_quarantined(catalogue: Catalogue) -> None:
    u, v, w = strassen().factors
    bad = Scheme(strassen().format, Ring.Z, u, v, -w)
    results = catalogue.schemes.add_many(
        [variant(1), bad], Provenance(source="worker 3"), on_invalid="quarantine"
    )
    assert results[0].new
    assert results[0].rejected is None
    assert results[1].rejected is not None
    assert "not a scheme" in results[1].rejected
    (kept,) = catalogue.runs.quarantined()
    assert kept.source == "worker 3"
    assert kept.payload is not None
    assert kept.payload["w"] == (-w).tolist()


def test_quarantine_keeps_the_task(catalogue: Catalogue) -> None:
    run = catalogue.runs.start("2x2x2", "F2")
    catalogue.runs.quarantine("worker lied", run=run, task={"seed": 5, "flips": 10**12})
    (kept,) = catalogue.runs.quarantined()
    assert (kept.reason, kept.run, kept.task) == (
        "worker lied",
        run.id,
        {"seed": 5, "flips": 10**12},
    )


def test_many_in_batches_with_duplicates(catalogue: Catalogue) -> None:
    schemes = [variant(k) for k in range(25)]
    stored = catalogue.schemes.add_many([*schemes, *schemes[:5]], batch=7, workers=2)
    assert [s.new for s in stored] == [True] * 25 + [False] * 5
    assert [s.hash for s in stored[:25]] == [s.content_hash for s in schemes]
    assert len({s.id for s in stored}) == 25
    repeated = catalogue.schemes.add_many([variant(99), variant(99)])
    assert [s.new for s in repeated] == [True, False]
    assert len(catalogue.schemes) == 26


def test_a_long_stream_is_committed_by_bytes(
    catalogue: Catalogue, monkeypatch: pytest.MonkeyPatch
) -> None:
    size = bytes_of(variant(0))
    monkeypatch.setattr("flipsearch.catalogue.portions.MOST_BYTES", 3 * size)
    held: list[int] = []

    def schemes() -> Iterator[Scheme]:
        for number in range(10):
            held.append(len(catalogue.schemes))
            yield variant(number)

    catalogue.schemes.add_many(schemes())
    assert held == [0, 0, 0, 3, 3, 3, 6, 6, 6, 9]
    assert len(catalogue.schemes) == 10


def test_a_slow_stream_is_committed_by_seconds(
    catalogue: Catalogue, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("flipsearch.catalogue.portions.MOST_SECONDS", -1.0)
    seen: list[int] = []

    def schemes() -> Iterator[Scheme]:
        for number in range(3):
            seen.append(len(catalogue.schemes))
            yield variant(number)

    catalogue.schemes.add_many(schemes())
    assert seen == [0, 1, 2]


@given(st.lists(st.integers(0, 40), max_size=30), st.integers(1, 7))
def test_portions_keep_order_and_limits(weights: list[int], most: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("flipsearch.catalogue.portions.MOST_BYTES", 50)
        found = list(portions(weights, lambda weight: weight, most=most))
    assert [weight for portion in found for weight in portion] == weights
    assert all(0 < len(portion) <= most and sum(portion[:-1]) < 50 for portion in found)


def test_growth_factors_are_those_of_the_literature(catalogue: Catalogue) -> None:
    assert catalogue.schemes.get(catalogue.schemes.add(strassen()).id).growth == 12
    assert catalogue.schemes.get(catalogue.schemes.add(strassen(Ring.F2)).id).growth is None
    naive = catalogue.schemes.add(naive_scheme(parse_format("3x5x2"), Ring.ZT))
    assert catalogue.schemes.get(naive.id).growth == 5


def test_invariants_are_added(catalogue: Catalogue) -> None:
    stored = catalogue.schemes.add(strassen())
    assert catalogue.schemes.invariants(stored.id) is None
    catalogue.schemes.annotate(stored.hash, {"type": [1, 2]})
    catalogue.schemes.annotate(stored.hash, {"buds": 3})
    assert catalogue.schemes.invariants(stored.id) == {"type": [1, 2], "buds": 3}


def test_no_annotation_is_lost_to_another(tmp_path: Path) -> None:
    with Catalogue.open(tmp_path / "c.sqlite") as catalogue:
        stored = catalogue.schemes.add(strassen())

        def annotate(thread: int) -> None:
            for number in range(5):
                catalogue.schemes.annotate(stored.id, {f"{thread} {number}": True})

        with ThreadPoolExecutor(8) as pool:
            list(pool.map(annotate, range(8)))
        assert len(catalogue.schemes.invariants(stored.id) or {}) == 40


def test_two_connections_see_each_others_commits(address: str) -> None:
    with Catalogue.open(address) as first, Catalogue.open(address, read_only=True) as second:
        stored = first.schemes.add(strassen())
        assert second.schemes.get(stored.hash).scheme == strassen()
        with pytest.raises(UsageError, match="read-only"):
            second.schemes.add(strassen())
