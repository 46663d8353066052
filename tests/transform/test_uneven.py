"""Products with blocks of different sizes are schemes, of the rank that their terms need."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flipsearch.errors import UsageError
from flipsearch.formats import MatrixProduct, parse_format
from flipsearch.rings import Ring
from flipsearch.scheme import Scheme, naive_scheme
from flipsearch.transform import random_sandwich
from flipsearch.transform.uneven import term_sides, uneven_product
from flipsearch.verify import is_valid

SIZES = st.lists(st.integers(1, 3), min_size=2, max_size=2).map(tuple)
RINGS = st.sampled_from(list(Ring))


@given(sizes=st.tuples(SIZES, SIZES, SIZES), seed=st.integers(0, 9), ring=RINGS)
@settings(deadline=None)
def test_products_with_blocks_of_any_sizes_are_schemes(
    strassen: Scheme, sizes: tuple[tuple[int, int], ...], seed: int, ring: Ring
) -> None:
    outer = strassen.over(ring)
    if ring is not Ring.ZT:
        outer = random_sandwich(outer, np.random.default_rng(seed))
    made = uneven_product(
        outer, sizes, lambda *sides: naive_scheme(MatrixProduct(*sides), outer.ring)
    )
    assert is_valid(made)
    assert made.format.sides == tuple(map(sum, sizes))
    assert made.rank <= term_sides(outer, sizes).prod(axis=1).sum()


def test_three_terms_of_strassens_need_fewer_rows(strassen: Scheme) -> None:
    sides = term_sides(strassen, ((4, 3), (4, 4), (4, 4)))
    assert sorted(map(tuple, sides.tolist())) == [(3, 4, 4)] * 3 + [(4, 4, 4)] * 4


def test_refusals(strassen: Scheme) -> None:
    def naive(n: int, m: int, p: int) -> Scheme:
        return naive_scheme(MatrixProduct(n, m, p), Ring.ZT)

    with pytest.raises(UsageError, match="no sizes of blocks"):
        uneven_product(strassen, ((1,), (1, 1), (1, 1)), naive)
    with pytest.raises(UsageError, match="no sizes of blocks"):
        uneven_product(strassen, ((1, 0), (1, 1), (1, 1)), naive)
    with pytest.raises(UsageError, match="not a scheme for"):
        uneven_product(
            strassen,
            ((1, 2), (1, 1), (1, 1)),
            lambda *sides: naive_scheme(parse_format("3x3x3"), Ring.ZT),
        )
