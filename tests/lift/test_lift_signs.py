"""The sign search, and the sparse kernel basis it walks on."""

from __future__ import annotations

import itertools

import galois
import numpy as np
import pytest
from lift_examples import STRASSEN, kronecker

from flipsearch.lift.hensel import Steps
from flipsearch.lift.jacobian import SelectedSystem, support_first
from flipsearch.lift.signs import products_of, search_signs, sparsify
from flipsearch.lift.trilinear import balanced, frame_of
from flipsearch.rings import Ring
from flipsearch.scheme import Scheme
from flipsearch.verify import is_valid

SQUARE = kronecker(STRASSEN, STRASSEN).over(Ring.F2)


@pytest.fixture(scope="module")
def first_step():
    """The scheme modulo 4 with signs, and the kernel, of the square of Strassen's scheme."""
    frame = frame_of(SQUARE.format)
    factors = frame.factors(SQUARE)
    system = SelectedSystem(frame, factors, 2, support_first(factors, 2, None, np.inf))
    steps = Steps(system, frame, factors, np.random.default_rng(0))
    assert steps.begin()
    solved = steps.solve(factors, 2, np.zeros(system.columns, dtype=np.int8))
    signs = tuple(balanced(matrix, 4) for matrix in solved)
    return frame, signs, steps.kernel()


def over_integers(frame, signs) -> Scheme:
    return Scheme(SQUARE.format, Ring.ZT, *frame.in_slot_order(signs))


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_finds_signs_where_the_first_solution_fails(first_step, seed):
    frame, signs, kernel = first_step
    assert not is_valid(over_integers(frame, signs))
    found = search_signs(frame, signs, kernel, seed)
    assert found is not None
    assert is_valid(over_integers(frame, found))
    assert all((abs(a) == abs(b)).all() for a, b in zip(found, signs, strict=True))
    again = search_signs(frame, signs, kernel, seed)
    assert all((a == b).all() for a, b in zip(found, again, strict=True))


def test_gives_up_when_the_work_is_spent_or_nothing_can_be_flipped(first_step):
    frame, signs, kernel = first_step
    assert search_signs(frame, signs, kernel, 0, work=0) is None
    assert search_signs(frame, signs, kernel[:1], 0, work=100_000) is None
    assert search_signs(frame, signs, [], 0) is None


def test_products_are_the_nonzero_ones_by_equation():
    frame = frame_of(STRASSEN.format)
    E, P, Q = frame.factors(STRASSEN)
    places, equations, starts = products_of((E, P, Q), frame)
    sums = np.zeros(frame.target.size, dtype=np.int64)
    r, e, p, q = places.T
    np.add.at(sums, equations, E[r, e] * P[r, p] * Q[r, q])
    assert (sums == frame.target.reshape(-1)).all()
    borders = enumerate(itertools.pairwise(starts.tolist()))
    assert all((equations[a:b] == i).all() for i, (a, b) in borders)
    assert len(places) == sum(
        np.count_nonzero(E[t]) * np.count_nonzero(P[t]) * np.count_nonzero(Q[t]) for t in range(7)
    )


def test_sparsifying_keeps_the_span_and_the_pairing():
    generator = np.random.default_rng(4)
    before = generator.integers(0, 2, (30, 100), dtype=np.uint8)
    image = generator.integers(0, 2, (100, 70), dtype=np.uint8)
    patterns, flipping = before.copy(), (before @ image) % 2
    weight = flipping.sum()
    sparsify(flipping, patterns)
    assert flipping.sum() < weight
    assert (flipping == (patterns @ image) % 2).all()
    field = galois.GF(2)
    assert np.linalg.matrix_rank(field(np.vstack([before, patterns]))) == np.linalg.matrix_rank(
        field(patterns)
    )
