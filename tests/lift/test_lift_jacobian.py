"""Both systems of a Hensel step against the Jacobian by its definition and galois."""

from __future__ import annotations

import galois
import numpy as np
import pytest
from lift_examples import STRASSEN, flipped, not_liftable, sandwiched

from flipsearch.formats import parse_format
from flipsearch.lift.hensel import Steps
from flipsearch.lift.jacobian import SelectedSystem, WholeSystem, reduce_pairs, support_first
from flipsearch.lift.trilinear import frame_of, remainder
from flipsearch.rings import Ring
from flipsearch.scheme import Scheme, naive_scheme


def jacobian(factors) -> np.ndarray:
    """Return the matrix of all partial derivatives, rows (e, p, q), columns E, P, Q by rows."""
    columns = []
    for slot in range(3):
        terms, size = factors[slot].shape
        for r in range(terms):
            for i in range(size):
                rows = [factors[0][r], factors[1][r], factors[2][r]]
                rows[slot] = np.eye(size, dtype=np.int64)[i]
                columns.append(np.einsum("a,b,c->abc", *rows).reshape(-1))
    return np.array(columns).T


def system_of(kind, frame, factors, p):
    zeros = np.inf if kind is SelectedSystem else 1.0
    return kind(frame, factors, p, support_first(factors, p, None, zeros))


def examples():
    generator = np.random.default_rng(3)
    for ring in (Ring.F2, Ring.F3):
        strassen = STRASSEN.over(ring)
        yield strassen
        yield sandwiched(strassen, generator)
        yield flipped(naive_scheme(parse_format("2x2x3"), ring), 60, generator)
        yield naive_scheme(parse_format("us:3x3x3"), ring)


@pytest.mark.parametrize("scheme", list(examples()), ids=repr)
@pytest.mark.parametrize("kind", [WholeSystem, SelectedSystem])
def test_solves_exactly_the_solvable_right_sides(scheme: Scheme, kind):
    p = scheme.ring.characteristic
    frame = frame_of(scheme.format)
    factors = frame.factors(scheme)
    J = jacobian(factors) % p
    if kind is SelectedSystem:
        J = J[:, np.concatenate([m.reshape(-1) for m in factors]) != 0]
    field = galois.GF(p)
    rank = int(np.linalg.matrix_rank(field(J)))
    system = system_of(kind, frame, factors, p)
    generator = np.random.default_rng(0)
    for trial in range(6):
        defect = J @ generator.integers(0, p, J.shape[1]) % p
        if trial % 2:
            defect[generator.integers(len(defect))] += 1
            defect %= p
        solvable = int(np.linalg.matrix_rank(field(np.column_stack([J, defect])))) == rank
        defect = defect.reshape(frame.dimensions[0], -1)
        steps = Steps(system, frame, factors, generator)
        assert steps.eliminate(defect) == solvable
        if solvable:
            free = generator.integers(0, p, system.columns).astype(np.int8)
            change = steps.change(defect, free)
            assert change is not None
            whole = np.concatenate([matrix.reshape(-1) for matrix in change])
            full = jacobian(factors) % p
            assert (full @ whole % p == defect.reshape(-1)).all()
            if kind is SelectedSystem:
                assert not any(d[m % p == 0].any() for d, m in zip(change, factors, strict=True))


@pytest.mark.parametrize("kind", [WholeSystem, SelectedSystem])
def test_one_elimination_and_a_fresh_one_each_step_agree(kind):
    scheme = sandwiched(STRASSEN.over(Ring.F2), np.random.default_rng(11))
    frame = frame_of(scheme.format)
    first = frame.factors(scheme)
    free = np.zeros(system_of(kind, frame, first, 2).columns, dtype=np.int8)
    once = Steps(system_of(kind, frame, first, 2), frame, first, np.random.default_rng(0))
    if not once.begin():
        pytest.skip("no solution that keeps the support")
    kept, fresh, modulus = first, first, 2
    for seed in range(4):
        kept = once.solve(kept, modulus, free)
        again = Steps(
            system_of(kind, frame, first, 2), frame, first, np.random.default_rng(seed + 1)
        )
        assert again.begin()
        fresh = again.solve(fresh, modulus, free)
        modulus *= 2
        assert not remainder(frame, kept, modulus).any()
        assert all((a == b).all() for a, b in zip(kept, fresh, strict=True))


def test_dependent_pair_products_show_a_reducible_scheme():
    naive = naive_scheme(parse_format("2x2x2"), Ring.F2)
    u, v, w = (np.concatenate([m, m[:1], m[:1]]) for m in naive.factors)
    doubled = Scheme(naive.format, Ring.F2, u, v, w)  # the same term twice cancels mod 2
    assert reduce_pairs(doubled.v, doubled.w, 2).rank == 8 < doubled.rank
    assert reduce_pairs(naive.v, naive.w, 2).rank == 8


def test_the_first_step_of_a_scheme_without_a_lift():
    scheme = not_liftable()
    frame = frame_of(scheme.format)
    factors = frame.factors(scheme)
    defect = remainder(frame, factors, 4) // 2
    J = jacobian(factors) % 2
    field = galois.GF(2)
    with_right = field(np.column_stack([J, defect.reshape(-1)]))
    assert np.linalg.matrix_rank(with_right) == np.linalg.matrix_rank(field(J)) + 1
    system = system_of(WholeSystem, frame, factors, 2)
    assert not Steps(system, frame, factors, np.random.default_rng(0)).begin()
