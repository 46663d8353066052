"""Additions: programs compute their matrices exactly; known results are reached."""

from argparse import ArgumentTypeError
from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flipsearch.cli.reducing import _copies
from flipsearch.formats import parse_format
from flipsearch.kernels.additions import (
    Program,
    chained,
    fewest_additions,
    greedy,
    plain,
    reduce_additions,
    shorten,
    transposed,
)
from flipsearch.kernels.additions.reduction import _both_sides
from flipsearch.kernels.builtin import strassen, winograd
from flipsearch.rings import Ring
from flipsearch.scheme import Scheme, naive_scheme
from flipsearch.transform import product
from flipsearch.verify import is_valid

shapes = st.tuples(st.integers(1, 12), st.integers(1, 8))


def ternary(shape, seed):
    return np.random.default_rng(seed).integers(-1, 2, shape)


@settings(max_examples=60, deadline=None)
@given(shape=shapes, seed=st.integers(0, 10**6), largest=st.sampled_from([1, 1, 4]))
def test_programs_compute_their_matrix(shape, seed, largest):
    matrix = np.random.default_rng(seed).integers(-largest, largest + 1, shape)
    program = shorten(matrix, seed=seed, passes=3)
    np.testing.assert_array_equal(program.matrix(), matrix)
    rows = int(matrix.any(axis=1).sum())
    assert program.additions <= max(0, np.count_nonzero(matrix) - rows)


@settings(max_examples=60, deadline=None)
@given(shape=shapes, seed=st.integers(0, 10**6))
def test_transposition_costs_what_tellegens_theorem_says(shape, seed):
    matrix = ternary(shape, seed)
    program = shorten(matrix, seed=seed, passes=1)
    turned = transposed(program)
    np.testing.assert_array_equal(turned.matrix(), matrix.T)
    used = int(matrix.any(axis=0).sum()), int(matrix.any(axis=1).sum())
    assert turned.additions == program.additions - used[0] + used[1]


def test_zero_rows_and_columns():
    matrix = np.array([[0, 0, 0], [1, 0, -1], [0, 0, 0]])
    for program in (shorten(matrix, passes=1), transposed(shorten(matrix.T, passes=1))):
        np.testing.assert_array_equal(program.matrix(), matrix)
        assert program.additions == 1
    assert shorten(np.zeros((2, 3), int), passes=1).additions == 0


def test_chained_counts_each_addition():
    program = chained(2, [(1, 0, -2, 1)], [[(3, 2), (1, 0)], [], [(-1, 1)]])
    assert isinstance(program, Program)
    assert program.additions == 2
    np.testing.assert_array_equal(program.matrix(), [[4, -6], [0, 0], [0, -1]])


@pytest.mark.parametrize("seed", range(6))
def test_compiled_pass_agrees_with_plain_counting(seed):
    matrix = ternary((70, 9), seed)
    inputs = matrix.shape[1]
    most = 60
    plus, minus = (np.zeros((inputs + most + 2, 2), np.uint64) for _ in range(2))
    for r, x in np.argwhere(matrix).tolist():
        (plus if matrix[r, x] > 0 else minus)[x, r // 64] |= np.uint64(1) << np.uint64(r % 64)
    counts = np.zeros((inputs + most + 2,) * 2 + (2,), np.int32)
    choices = np.zeros((most + 2, 3), np.int64)
    additions, made = greedy.shorten_once(
        plus,
        minus,
        counts,
        inputs,
        seed % 3,
        0.5,
        np.array([seed], np.uint64),
        choices,
        0,
        choices,
    )
    dictionaries = [{x: int(p) for x, p in enumerate(row) if p} for row in matrix]
    for step, (x, y, negative) in enumerate(choices[:made].tolist()):
        pair = plain.pair_of(x, 1, y, -1 if negative else 1)
        occurring = plain.pairs_of(dictionaries)
        assert occurring[pair] >= 2
        if seed % 3 != 1:
            assert occurring[pair] == max(occurring.values())
        plain.replace(dictionaries, pair, inputs + step)
    assert made == most + 1 or max(plain.pairs_of(dictionaries).values(), default=0) < 2
    assert additions == made + sum(max(0, len(row) - 1) for row in dictionaries)


def test_potential_is_the_change_of_sharing():
    matrix = ternary((40, 7), 3)
    plus, minus = (np.zeros((9, 1), np.uint64) for _ in range(2))
    for r, x in np.argwhere(matrix).tolist():
        (plus if matrix[r, x] > 0 else minus)[x, 0] |= np.uint64(1) << np.uint64(r)
    counts = np.zeros((9, 9, 2), np.int32)
    for x in range(7):
        for y in range(x + 1, 7):
            counts[x, y] = greedy._occurrences(plus, minus, x, y)
    rows = [{x: int(p) for x, p in enumerate(row) if p} for row in matrix]
    before = sum(max(0, c - 1) for c in plain.pairs_of(rows).values())
    kept = plus.copy(), minus.copy()
    change = greedy._potential(plus, minus, counts, 2, 5, 1, 7, np.zeros((4, 1), np.uint64))
    np.testing.assert_array_equal((plus[:7], minus[:7]), (kept[0][:7], kept[1][:7]))
    plain.replace(rows, plain.pair_of(2, 1, 5, -1), 7)
    assert change == sum(max(0, c - 1) for c in plain.pairs_of(rows).values()) - before


def test_plain_shortening_shares_up_to_a_factor():
    matrix = np.array([[2, 4, 1, 0], [3, 6, 0, 1], [-1, -2, 1, 1]])
    program = plain.shorten_plain(matrix, Random(0))
    np.testing.assert_array_equal(program.matrix(), matrix)
    assert program.additions == 5


def test_winograd_needs_15_additions():
    reduction = reduce_additions(winograd(), passes=40)
    assert reduction.additions == 15
    assert reduction.parts == (4, 4, 7)
    assert reduce_additions(strassen(), passes=40).additions == 18


@pytest.mark.parametrize("ring", [Ring.ZT, Ring.F2, Ring.F3])
def test_the_walk_leads_from_strassen_to_15(ring):
    found = fewest_additions(strassen().over(ring), seconds=1.5)
    assert found.additions == 15
    assert is_valid(found.scheme)
    found.check()


def test_copies_count_the_sums_of_one_factor_once():
    scheme = product(strassen(), naive_scheme(parse_format("1x1x2"), Ring.ZT))
    found = fewest_additions(scheme, seconds=1.5, weights=(9, 1, 1))
    assert found.left.additions <= 4
    assert is_valid(found.scheme)


@pytest.mark.parametrize(
    ("text", "weights"), [("2p", (1, 2, 2)), ("3n", (3, 1, 3)), ("2m", (2, 2, 1))]
)
def test_copies_along_a_side_share_a_factor(text, weights):
    assert _copies(text) == weights


@pytest.mark.parametrize("text", ["p", "0p", "2", "2q", "-1p", "2pp"])
def test_copies_that_make_no_sense_are_refused(text):
    with pytest.raises(ArgumentTypeError, match="such as 2p"):
        _copies(text)


def test_further_starts_are_taken():
    assert fewest_additions(strassen(), seconds=0.01, others=[winograd()]).additions == 15


@pytest.mark.parametrize("name", ["gg:2x2x2c", "gg:3x3x3a"])
def test_the_walk_keeps_a_missing_corner(name):
    start = naive_scheme(parse_format(name), Ring.ZT)
    found = fewest_additions(start, seconds=0.3).scheme
    assert (found.format, found.rank) == (start.format, start.rank)
    assert is_valid(found)


def test_cancellation_saves_what_sharing_cannot():
    left = product(winograd(), winograd()).u
    assert min(program.additions for program in _both_sides(left, 0, 0, 60)) == 42
    assert shorten(left, passes=60).additions <= 41


@settings(max_examples=40, deadline=None)
@given(shape=shapes, seed=st.integers(0, 10**6), ring=st.sampled_from([Ring.F2, Ring.F3]))
def test_programs_over_a_field_compute_their_matrix(shape, seed, ring):
    matrix = ring.balanced(ternary(shape, seed))
    program = shorten(matrix, seed=seed, passes=2, ring=ring)
    np.testing.assert_array_equal(program.matrix(ring), matrix)


def test_terms_cancel_over_a_field():
    # 1 + 1 = 0: the third form is the sum of the first two
    matrix = np.array([[1, 1, 1, 0], [0, 1, 1, 1], [1, 0, 0, 1]])
    assert shorten(matrix, passes=20, ring=Ring.F2).additions == 4
    assert reduce_additions(winograd().over(Ring.F2), passes=20).additions == 15
    assert reduce_additions(winograd().over(Ring.F3), passes=20).additions == 15


def test_coefficients_beyond_one_are_shared_but_not_annealed():
    doubled = winograd().over(Ring.Z)
    doubled = Scheme(doubled.format, Ring.Q, 2 * doubled.u, doubled.v, doubled.w, [2] * 7)
    assert fewest_additions(doubled, seconds=0.2).scheme == doubled
