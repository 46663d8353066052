import itertools
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from flipsearch.algebra.exact import dependency
from flipsearch.formats import parse_format
from flipsearch.rings import Ring
from flipsearch.scheme import Scheme, naive_scheme
from flipsearch.transform import random_sandwich, reduce_terms
from flipsearch.transform.terms import from_normal_terms, normal_term, normal_terms
from flipsearch.verify import is_valid


def split(scheme: Scheme, row: int, slot: int, part: np.ndarray) -> Scheme:
    """Replace a term x by two with x = part + (x - part) in one slot."""
    factors = [np.concatenate([f, f[row : row + 1]]) for f in scheme.factors]
    factors[slot][-1] = part
    factors[slot][row] -= part
    ring = scheme.ring
    if ring is Ring.ZT:
        ring = Ring.Z
    denominators = np.append(scheme.denominators, scheme.denominators[row])
    return Scheme(scheme.format, ring, *(ring.balanced(f.copy()) for f in factors), denominators)


@pytest.mark.parametrize("ring", list(Ring))
@pytest.mark.parametrize("slot", [0, 1, 2])
def test_merge_undoes_a_split(strassen: Scheme, ring: Ring, slot: int) -> None:
    scheme = strassen.over(ring)
    longer = split(scheme, 3, slot, np.array([1, 0, 1, 1]))
    assert is_valid(longer)
    assert longer.rank == 8
    shorter = reduce_terms(longer, "merge")
    assert shorter.rank == 7
    assert is_valid(shorter)


def test_zero_terms_vanish(strassen: Scheme) -> None:
    zero = np.zeros((1, 4), dtype=np.int64)
    padded = Scheme(
        strassen.format,
        Ring.ZT,
        np.concatenate([strassen.u, zero]),
        np.concatenate([strassen.v, zero + 1]),
        np.concatenate([strassen.w, zero]),
    )
    assert reduce_terms(padded, "merge") == strassen


@pytest.mark.parametrize("ring", [Ring.F2, Ring.F3, Ring.ZT, Ring.Z, Ring.Q])
def test_span_reduction_finds_dependent_factors(ring: Ring) -> None:
    # a11 b1 c1 + a11 b2 c2 + a11 (b1 + b2) c3 are two products, and no two agree in two factors
    format_ = parse_format("1x1x3")
    u = np.ones((3, 1), dtype=np.int64)
    v = np.array([[1, 0, 0], [0, 1, 0], [1, 1, 0]])
    w = np.array([[1, 0, 0], [0, 1, 0], [0, 0, 1]])
    scheme = Scheme(format_, ring, u, v, w)
    assert reduce_terms(scheme, "merge").rank == 3
    shorter = reduce_terms(scheme, "span")
    assert shorter.rank == 2
    before = np.einsum("ra,rb,rc->abc", *scheme.factors)
    after = np.einsum("ra,rb,rc->abc", *shorter.factors)
    p = ring.characteristic
    assert ((before - after) % p == 0).all() if p else (before == after).all()


def test_pairs_reduction_contains_a_case_that_span_misses() -> None:
    # v (x) w spans a space of dimension 3 only: (b1+b2)(c1+c2) = b1 c1 + b1 c2 + b2 c1 + b2 c2
    format_ = parse_format("2x2x2")
    pairs = [([1, 0], [1, 0]), ([1, 0], [0, 1]), ([0, 1], [1, 0]), ([0, 1], [0, 1])]
    pairs.append(([1, 1], [1, 1]))
    rows = [(*b, 0, 0) for b, _ in pairs], [(*c, 0, 0) for _, c in pairs]
    u = np.array([[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1], [1, 1, 1, 0]])
    scheme = Scheme(format_, Ring.Z, u, np.array(rows[0]), np.array(rows[1]))
    shorter = reduce_terms(scheme, "pairs")
    assert shorter.rank == 4
    assert np.array_equal(
        np.einsum("ra,rb,rc->abc", *scheme.factors),
        np.einsum("ra,rb,rc->abc", *shorter.factors),
    )


@given(ring=st.sampled_from([Ring.F2, Ring.F3, Ring.Z]), seed=st.integers(0, 2**32))
@example(ring=Ring.F2, seed=655)  # stops at rank 8
@settings(max_examples=25, deadline=None)
def test_reductions_keep_the_sum(strassen: Scheme, ring: Ring, seed: int) -> None:
    generator = np.random.default_rng(seed)
    scheme = random_sandwich(strassen, generator).over(ring)
    for _ in range(3):
        row, slot = int(generator.integers(scheme.rank)), int(generator.integers(3))
        scheme = split(scheme, row, slot, generator.integers(-1, 2, 4))
    assert is_valid(scheme)
    shorter = reduce_terms(scheme)
    assert is_valid(shorter)
    assert 7 <= shorter.rank < scheme.rank  # the last split at least is undone


def test_nothing_to_reduce(strassen: Scheme) -> None:
    assert reduce_terms(strassen) == strassen
    naive = naive_scheme(parse_format("us:3x3x3"), Ring.F3)
    assert is_valid(reduce_terms(naive))


def test_ternary_reductions_stay_ternary() -> None:
    # c1 + c1 would need a 2: the terms stay apart over ZT, and merge over Z
    format_ = parse_format("1x1x1")
    u = v = w = np.ones((2, 1), dtype=np.int64)
    assert reduce_terms(Scheme(format_, Ring.ZT, u, v, w)).rank == 2
    assert reduce_terms(Scheme(format_, Ring.Z, u, v, w)).rank == 1
    assert reduce_terms(Scheme(format_, Ring.F2, u, v, w)).rank == 0


def test_products_that_would_wrap_around_are_not_compared() -> None:
    """In 64 bits the first v (x) w is the second plus 2^32 times the third; it is not."""
    zeros = [0, 0, 0, 0]
    v = np.array([[2**32, 1], [0, 1], [1, 0]])
    w = np.array([[2**32, 1, *zeros], [2**32, 1, *zeros], [0, 1, *zeros]])
    scheme = Scheme(parse_format("3x1x2"), Ring.Z, np.eye(3, dtype=np.int64), v, w)
    assert reduce_terms(scheme) == scheme


def test_terms_whose_sum_is_too_large_stay_apart() -> None:
    one, large = np.ones((2, 1), dtype=np.int64), np.full((2, 1), 2**61)
    scheme = Scheme(parse_format("1x1x1"), Ring.Z, one, one, large)
    assert reduce_terms(scheme) == scheme
    assert reduce_terms(Scheme(scheme.format, Ring.Z, one, one, large - 1)).rank == 1


@pytest.mark.parametrize("p", [0, 2, 3])
def test_dependency(p: int) -> None:
    generator = np.random.default_rng(p)
    for _ in range(20):
        rows = generator.integers(-1, 2, (4, 5))
        found = dependency(rows, p)
        if found is None:
            some = itertools.islice(itertools.product(range(p or 3), repeat=4), 1, None)
            assert all(((np.array(c) @ rows) % p if p else np.array(c) @ rows).any() for c in some)
            assert p or np.linalg.matrix_rank(rows) == 4
            continue
        assert any(found)
        total = sum((c * Fraction(int(x)) for c, x in zip(found, rows[:, 0], strict=True)))
        assert (total % p == 0) if p else total == 0
        for column in range(1, 5):
            total = sum(c * int(x) for c, x in zip(found, rows[:, column], strict=True))
            assert (total % p == 0) if p else total == 0
    assert dependency(np.array([[2**31 - 19, 0], [0, 1]]), 0) is None  # zero mod the first prime


@given(
    ring=st.sampled_from(list(Ring)),
    rows=st.lists(st.lists(st.integers(-6, 6), min_size=4, max_size=4), min_size=3, max_size=3),
    denominator=st.integers(1, 12),
)
def test_normal_terms_against_one_at_a_time(
    ring: Ring, rows: list[list[int]], denominator: int
) -> None:
    if ring in (Ring.F2, Ring.F3, Ring.ZT):
        rows = [ring.balanced(np.array(row) % 3 - 1).tolist() for row in rows]
    denominator = denominator if ring is Ring.Q else 1
    factors = [np.array([row]) for row in rows]
    scheme = Scheme(parse_format("2x2x2"), ring, *factors, [denominator])  # type: ignore[arg-type]
    expected = normal_term(Fraction(1, denominator), rows, ring)
    assert normal_terms(scheme) == ([expected] if expected.scalar else [])
    if expected.scalar:
        again = from_normal_terms(scheme.format, ring, [expected])
        before = np.einsum("ra,rb,rc->abc", *scheme.factors) * int(again.denominators[0])
        after = np.einsum("ra,rb,rc->abc", *again.factors) * denominator
        p = ring.characteristic
        assert ((before - after) % p == 0).all() if p else (before == after).all()
