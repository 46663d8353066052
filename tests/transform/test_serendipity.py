import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flipsearch.errors import FormatError, UsageError
from flipsearch.formats import MatrixProduct, parse_format
from flipsearch.rings import Ring
from flipsearch.scheme import Scheme, naive_scheme
from flipsearch.transform import (
    Group,
    extend,
    random_sandwich,
    serendipitous_product,
    serendipitous_rank,
    shared_factors,
)
from flipsearch.transform.serendipity import cheapest_split
from flipsearch.verify import is_valid

KNOWN = {(2, 2, 2): 7, (2, 2, 3): 11, (2, 2, 4): 14, (2, 2, 5): 18, (2, 2, 6): 21}


def rank_of(n: int, m: int, p: int) -> int | None:
    """The naive rank, but for the few formats of the table above."""
    return KNOWN.get(tuple(sorted((n, m, p))), n * m * p if max(n, m, p) <= 8 else None)  # type: ignore[arg-type]


@given(
    ring=st.sampled_from(list(Ring)),
    slot=st.integers(0, 2),
    inner=st.tuples(*[st.integers(1, 3)] * 3),
    seed=st.integers(0, 2**32),
)
@settings(max_examples=40, deadline=None)
def test_product_of_any_groups_is_valid(
    strassen: Scheme, ring: Ring, slot: int, inner: tuple[int, int, int], seed: int
) -> None:
    generator = np.random.default_rng(seed)
    outer = extend(strassen, "p").over(ring)
    if ring is not Ring.ZT:
        outer = random_sandwich(outer, generator)
        outer = outer if ring.characteristic else outer.over(Ring.Q)
    groups = [group for group in shared_factors(outer) if group.slot == slot]
    assert groups or slot

    def scheme_of(n: int, m: int, p: int) -> Scheme:
        return naive_scheme(MatrixProduct(n, m, p), outer.ring)

    big = serendipitous_product(outer, inner, groups, scheme_of)
    assert is_valid(big)
    assert big.format.sides == tuple(a * b for a, b in zip((2, 2, 3), inner, strict=True))
    assert big.rank <= outer.rank * inner[0] * inner[1] * inner[2]


def test_grouping_pays(strassen: Scheme) -> None:
    # terms of the naive 1x1x2 scheme share u: two of <2,2,1> (4 each) become one <2,2,2> (7)
    outer = naive_scheme(parse_format("1x1x2"), Ring.ZT)
    groups = shared_factors(outer)
    assert groups == [Group(0, (0, 1))]
    table = {(2, 2, 1): 4, (2, 2, 2): 7}

    def scheme_of(n: int, m: int, p: int) -> Scheme:
        if (n, m, p) == (2, 2, 2):
            return strassen
        return naive_scheme(MatrixProduct(n, m, p), Ring.ZT)

    big = serendipitous_product(outer, (2, 2, 1), groups, scheme_of)
    assert is_valid(big)
    assert big.rank == 7 == serendipitous_rank(outer, (2, 2, 1), groups, lambda *s: table.get(s))


def test_splitting_a_group_uses_the_cheapest_cut() -> None:
    table = {(2, 2, 1): 4, (2, 2, 2): 7, (2, 2, 3): 11, (2, 2, 4): 15}
    assert cheapest_split(0, 4, (2, 2, 1), lambda *s: table.get(s)) == (14, (2, 2))
    assert cheapest_split(0, 5, (2, 2, 1), lambda *s: table.get(s))[0] == 18


def test_a_product_may_leave_zt() -> None:
    # the second factors b1 + b2 and b1 - b2 share a1: a form on both adds up to 2 b1
    outer = Scheme(
        parse_format("1x1x3"),
        Ring.ZT,
        np.array([[1], [1], [1]]),
        np.array([[1, 0, 0], [1, 1, 0], [0, 0, 1]]),
        np.array([[1, -1, 0], [0, 1, 0], [0, 0, 1]]),
    )
    assert is_valid(outer)
    inner = outer
    groups = [group for group in shared_factors(outer) if group.slot == 0]
    assert [len(group.members) for group in groups] == [3]
    big = serendipitous_product(outer, (1, 1, 1), groups, lambda *s: inner)
    assert is_valid(big)
    rings = {big.ring}
    for seed in range(20):
        other = random_sandwich(outer, np.random.default_rng(seed), 2)
        if other.ring is Ring.ZT:
            big = serendipitous_product(outer, (1, 1, 1), groups, lambda *s, o=other: o)
            assert is_valid(big)
            rings.add(big.ring)
    assert rings == {Ring.ZT, Ring.Z}


def test_sums_that_would_wrap_around_are_refused() -> None:
    """Eight times 2^61 is nothing in 64 bits."""
    ones, identity = np.ones((8, 1), dtype=np.int64), np.eye(2, dtype=np.int64)
    outer = Scheme(
        parse_format("1x1x2"), Ring.Z, ones, identity[[0] * 8], identity[[0, 1] * 4] * 2**61
    )

    def block(n: int, m: int, p: int) -> Scheme:
        row = np.ones((1, p), dtype=np.int64)
        return Scheme(MatrixProduct(n, m, p), Ring.Z, ones[:1], row, row)

    with pytest.raises(FormatError, match=r"2\^62"):
        serendipitous_product(outer, (1, 1, 1), [Group(0, tuple(range(8)))], block)
    two = Scheme(outer.format, Ring.Z, ones[:2], identity, identity * 2**61)
    product = serendipitous_product(two, (1, 1, 1), [Group(0, (0, 1))], block)
    assert product.w.max() == 2**61


def test_refusals(strassen: Scheme) -> None:
    def scheme_of(n: int, m: int, p: int) -> Scheme:
        return naive_scheme(MatrixProduct(n, m, p), Ring.ZT)

    with pytest.raises(UsageError, match="disjoint"):
        serendipitous_product(strassen, (1, 1, 1), [Group(0, (0, 0))], scheme_of)
    with pytest.raises(UsageError, match="do not share"):
        serendipitous_product(strassen, (1, 1, 1), [Group(0, (0, 1))], scheme_of)
    with pytest.raises(UsageError, match="structured"):
        serendipitous_product(
            naive_scheme(parse_format("ug:2x2x2"), Ring.ZT), (1, 1, 1), [], scheme_of
        )
