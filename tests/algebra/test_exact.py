"""Exact linear algebra against fractions, float ranks and the definitions."""

from __future__ import annotations

from fractions import Fraction
from itertools import permutations
from math import prod

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from flipsearch.algebra import exact

matrices = st.integers(1, 6).flatmap(
    lambda width: st.lists(
        st.lists(st.integers(-4, 4), min_size=width, max_size=width), min_size=1, max_size=6
    )
)


@settings(max_examples=60, deadline=None)
@given(matrices)
def test_relations_are_a_basis(rows: list[list[int]]) -> None:
    matrix = np.array(rows, dtype=np.int64)
    found = exact.relations(matrix)
    assert not (found @ matrix).any()
    assert exact.rank(matrix) == np.linalg.matrix_rank(matrix.astype(float))
    if len(found):
        assert np.linalg.matrix_rank(found.astype(float)) == len(found)


@settings(max_examples=60, deadline=None)
@given(matrices, st.data())
def test_combinations_solve(rows: list[list[int]], data: st.DataObject) -> None:
    matrix = np.array(rows, dtype=np.int64)
    weights = np.array(
        data.draw(st.lists(st.integers(-3, 3), min_size=len(rows), max_size=len(rows)))
    )
    target = (weights @ matrix)[None, :]
    found = exact.combination(matrix, target)
    assert found is not None
    numerators, scales = found
    assert (numerators @ matrix == scales[:, None] * target).all()


def test_a_target_outside_the_span_is_none() -> None:
    assert exact.combination(np.array([[1, 0], [2, 0]]), np.array([[0, 1]])) is None


def test_entries_too_large_for_one_prime_fall_back_to_fractions() -> None:
    matrix = np.array([[100_003, 99_991], [99_989, 100_019]], dtype=np.int64)
    found = exact.combination(matrix, np.array([[1, 0]]))
    assert found is not None
    det = 100_003 * 100_019 - 99_991 * 99_989
    assert Fraction(int(found[0][0, 0]), int(found[1][0])) == Fraction(100_019, det)


def test_primes_are_primes_below_two_to_the_31() -> None:
    found = exact.primes(4)
    assert found[0] == 2**31 - 1
    assert list(found) == sorted(found, reverse=True)
    assert all(pow(3, p - 1, p) == 1 for p in found)


def square(low: int, high: int) -> st.SearchStrategy[list[list[int]]]:
    return st.integers(1, 4).flatmap(
        lambda side: st.lists(
            st.lists(st.integers(low, high), min_size=side, max_size=side),
            min_size=side,
            max_size=side,
        )
    )


def leibniz(rows: list[list[int]]) -> int:
    total = 0
    for order in permutations(range(len(rows))):
        inversions = sum(x > y for k, y in enumerate(order) for x in order[:k])
        total += (-1) ** inversions * prod(rows[i][k] for i, k in enumerate(order))
    return total


@given(square(-3, 3) | square(-(10**12), 10**12))
def test_determinant(rows: list[list[int]]) -> None:
    assert exact.determinant(np.array(rows, dtype=np.int64)) == leibniz(rows)


@given(square(-3, 3), st.sampled_from([0, 2, 3, 7]))
def test_inverse(rows: list[list[int]], p: int) -> None:
    found = exact.inverse(rows, p)
    value = leibniz(rows)
    if (value % p if p else value) == 0:
        assert found is None
        return
    assert found is not None
    for i, row in enumerate(rows):
        for j in range(len(rows)):
            entry = sum((x * line[j] for x, line in zip(row, found, strict=True)), Fraction(0))
            assert (entry % p if p else entry) == (i == j)


@given(st.lists(st.lists(st.fractions(-4, 4), min_size=2, max_size=2), max_size=3))
def test_integral(rows: list[list[Fraction]]) -> None:
    matrix, below = exact.integral(rows)
    assert [[Fraction(x, below) for x in row] for row in matrix] == rows


def test_relations_of_large_numbers_and_of_many_equations() -> None:
    large = 2**40 * np.array([[1, 0], [0, 1], [3, 5]], dtype=np.int64)  # checked beyond floats
    assert exact.relations(large).tolist() == [[-3, -5, 1]]
    many = np.arange(300).reshape(1, -1) * np.array([[1], [2], [7]])  # through a sketch
    assert exact.relations(many).tolist() == [[-2, 1, 0], [-7, 0, 1]]


@settings(deadline=None)
@given(matrices, st.sampled_from([0, 2, 3, 5]))
def test_reduced_rows_and_ranks_agree_with_the_plain_echelon_form(rows, p) -> None:
    prime = p or exact.primes(1)[0]
    plain = [[Fraction(x % prime) for x in row] for row in rows]
    width = len(rows[0])
    pivots = exact.echelon(plain, width, prime)
    matrix = np.array(rows, dtype=np.int64)
    modular = exact.residues(matrix, prime)
    assert exact.reduce_rows(modular, width, np.uint64(prime)).tolist() == pivots
    assert modular.tolist() == plain
    rational = [[Fraction(x) for x in row] for row in rows]
    assert exact.rank(matrix, p) == len(pivots if p else exact.echelon(rational, width))


def test_a_rank_over_q_that_many_primes_deny() -> None:
    """Modulo the largest primes the rank is 1; the bound of Hadamard asks for more primes."""
    first, second = exact.primes(2)
    assert exact.rank(np.array([[1, 0], [0, first * second]])) == 2
    assert exact.rank(np.array([[1, 1], [1, 1]])) == 1


@settings(deadline=None)
@given(matrices, st.sampled_from([0, 2, 3, 5]))
def test_dependency_of_the_first_dependent_row(rows: list[list[int]], p: int) -> None:
    matrix = np.array(rows, dtype=np.int64)
    ranks = [exact.rank(matrix[:k], p) for k in range(len(rows) + 1)]
    found = exact.dependency(matrix, p)
    last = next((k for k in range(len(rows)) if ranks[k] == ranks[k + 1]), None)
    if last is None:
        assert found is None
        return
    assert found is not None
    assert found[last] == 1
    assert not any(found[last + 1 :])
    assert all(2 * abs(c) <= (p or 2 * abs(c)) for c in found)
    total = [
        sum(c * row[k] for c, row in zip(found, rows, strict=True)) for k in range(len(rows[0]))
    ]
    assert not any(x % p if p else x for x in total)
