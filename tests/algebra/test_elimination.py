"""The packed elimination against galois and against plain arithmetic."""

from __future__ import annotations

import galois
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flipsearch.algebra.elimination import Elimination, packed, packed_words, unpacked_words

FIELDS = {p: galois.GF(p) for p in (2, 3)}


def rank_of(matrix: np.ndarray, p: int) -> int:
    return int(np.linalg.matrix_rank(FIELDS[p](matrix))) if matrix.any() else 0


def matrix_of_rank(m: int, n: int, r: int, p: int, generator: np.random.Generator, density: float):
    left = generator.integers(0, p, (m, r)) * (generator.random((m, r)) < density)
    right = generator.integers(0, p, (r, n)) * (generator.random((r, n)) < density)
    return left @ right % p


def eliminated(matrix: np.ndarray, right: np.ndarray, p: int, batches: int):
    elimination = Elimination(p, matrix.shape[1])
    contradiction = None
    for rows in np.array_split(np.arange(len(matrix)), batches):
        known = right[elimination.identifiers].astype(np.int8)
        contradiction = elimination.add(
            packed(matrix[rows], p), rows, right[rows].astype(np.int8), known
        )
        if contradiction is not None:
            break
    return elimination, contradiction


@settings(max_examples=60, deadline=None)
@given(
    p=st.sampled_from([2, 3]),
    m=st.integers(1, 256),
    n=st.integers(1, 256),
    share=st.floats(0.05, 1),
    density=st.sampled_from([0.03, 0.2, 0.6]),
    batches=st.integers(1, 4),
    consistent=st.booleans(),
    seed=st.integers(0, 2**32),
)
def test_agrees_with_galois(p, m, n, share, density, batches, consistent, seed):
    generator = np.random.default_rng(seed)
    r = max(1, int(share * min(m, n)))
    matrix = matrix_of_rank(m, n, r, p, generator, density)
    right = matrix @ generator.integers(0, p, n) % p
    if not consistent:
        right = (right + generator.integers(0, p, m) * (generator.random(m) < 0.1)) % p
    rank = rank_of(matrix, p)
    solvable = rank_of(np.column_stack([matrix, right]), p) == rank

    elimination, contradiction = eliminated(matrix, right, p, batches)

    assert (contradiction is None) == solvable
    if not solvable:
        return
    assert elimination.rank == rank
    echelon = np.array(FIELDS[p](matrix).row_reduce()) if rank else np.zeros((0, n), int)
    leading = [int(row.argmax()) for row in (echelon != 0) if row.any()]
    assert sorted(elimination.pivots.tolist()) == leading
    free_columns = np.setdiff1d(np.arange(n), elimination.pivots)
    for _ in range(2):  # later right sides, without a new elimination
        later = matrix @ generator.integers(0, p, n) % p
        free = generator.integers(0, p, n).astype(np.int8)
        solution = elimination.solve(later[elimination.identifiers].astype(np.int8), free)
        assert (matrix @ solution.astype(np.int64) % p == later).all()
        assert (solution[free_columns] == free[free_columns]).all()


@pytest.mark.parametrize("p", [2, 3])
def test_wide_matrix_over_several_strips(p):
    generator = np.random.default_rng(5)
    matrix = matrix_of_rank(700, 1700, 650, p, generator, 0.1)
    unknowns = generator.integers(0, p, 1700)
    right = matrix @ unknowns % p
    elimination, contradiction = eliminated(matrix, right, p, 3)
    assert contradiction is None
    known = right[elimination.identifiers].astype(np.int8)
    solution = elimination.solve(known, unknowns.astype(np.int8))
    assert (solution == unknowns).all()  # the free values were the right ones


@pytest.mark.parametrize("p", [2, 3])
def test_rows_in_another_order_give_the_same_solution(p):
    generator = np.random.default_rng(8)
    matrix = matrix_of_rank(150, 120, 90, p, generator, 0.3)
    right = matrix @ generator.integers(0, p, 120) % p
    order = generator.permutation(150)
    free = generator.integers(0, p, 120).astype(np.int8)
    solutions = []
    for rows, batches in ((np.arange(150), 1), (order, 3)):
        elimination, _ = eliminated(matrix[rows], right[rows], p, batches)
        known = right[rows][elimination.identifiers].astype(np.int8)
        solutions.append(elimination.solve(known, free))
    assert (solutions[0] == solutions[1]).all()


def test_the_contradicting_row_is_named():
    matrix = np.array([[1, 1, 0], [0, 1, 1], [1, 0, 1]])
    _, contradiction = eliminated(matrix, np.array([1, 0, 0]), 2, 1)
    assert contradiction in (0, 1, 2)
    _, contradiction = eliminated(np.array([[1, 2], [2, 1]]), np.array([1, 1]), 3, 2)
    assert contradiction == 1


@pytest.mark.parametrize("p", [2, 3])
def test_zero_rows(p):
    elimination, contradiction = eliminated(np.zeros((3, 5), int), np.zeros(3, int), p, 1)
    assert contradiction is None
    assert elimination.rank == 0
    assert eliminated(np.zeros((3, 5), int), np.array([0, 1, 0]), p, 1)[1] == 1


@given(st.lists(st.integers(0, 2), max_size=200))
def test_packed_words_round_trip(residues):
    values = np.array(residues, dtype=np.int8)
    assert (unpacked_words(packed_words(values, 3), len(values)) == values).all()
