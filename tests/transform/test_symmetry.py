from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flipsearch.algebra.exact import inverse
from flipsearch.errors import FormatError, UsageError
from flipsearch.formats import OPERANDS, parse_format
from flipsearch.rings import Ring
from flipsearch.scheme import Scheme, naive_scheme
from flipsearch.transform import (
    ORDERS,
    cyclic,
    dual,
    permute,
    product,
    random_invertible,
    random_sandwich,
    random_unimodular,
    sandwich,
    transpose,
)
from flipsearch.verify import is_valid

SEARCH_RINGS = [Ring.F2, Ring.F3, Ring.ZT]


@pytest.mark.parametrize("ring", list(Ring))
@pytest.mark.parametrize("order", ORDERS)
def test_permute_keeps_validity(strassen: Scheme, ring: Ring, order: tuple[int, int, int]) -> None:
    scheme = product(strassen, naive_scheme(parse_format("1x2x3"), Ring.ZT)).over(ring)
    image = permute(scheme, order)
    assert is_valid(image)
    assert image.format.sides == tuple((2, 4, 6)[k] for k in order)
    back = tuple(order.index(k) for k in range(3))
    assert permute(image, back) == scheme  # type: ignore[arg-type]


def test_cyclic_has_order_three_and_transpose_order_two(strassen: Scheme) -> None:
    scheme = product(strassen, naive_scheme(parse_format("1x2x3"), Ring.ZT))
    assert cyclic(cyclic(cyclic(scheme))) == scheme == cyclic(scheme, 3)
    assert np.array_equal(cyclic(scheme).u, scheme.v)
    assert transpose(transpose(scheme)) == scheme
    assert str(transpose(scheme).format) == "6x4x2"


@pytest.mark.parametrize("operands", ["ss", "kk", "ww", "ul", "uu", "gg"])
def test_transpose_of_structured_formats(operands: str) -> None:
    corner = "a" if operands == "gg" else ""
    scheme = naive_scheme(parse_format(f"{operands}:3x3x3{corner}"), Ring.ZT)
    image = transpose(random_sandwich(scheme, np.random.default_rng(1)))
    assert is_valid(image)
    assert transpose(transpose(image)) == image


def test_transpose_refuses_what_is_no_format() -> None:
    with pytest.raises(UsageError, match="no format"):
        transpose(naive_scheme(parse_format("ug:2x2x2"), Ring.ZT))
    with pytest.raises(UsageError, match="corner"):
        transpose(naive_scheme(parse_format("uu:3x3x3a"), Ring.ZT))
    with pytest.raises(UsageError, match="no order"):
        permute(naive_scheme(parse_format("2x2x2"), Ring.ZT), [0, 2, 1])  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="does not permute"):
        permute(naive_scheme(parse_format("gg:2x2x2a"), Ring.ZT), (0, 1, 2))


@pytest.mark.parametrize("text", ["ug:3x3x2", "gt:3x2x3", "uu:4x4x4", "ut:4x4x4"])
def test_dual_exchanges_formats_of_one_tensor(text: str) -> None:
    scheme = naive_scheme(parse_format(text), Ring.F3)
    scheme = random_sandwich(scheme, np.random.default_rng(2))
    image = dual(scheme)
    assert is_valid(image)
    assert image.rank == scheme.rank
    assert image.format.operands != scheme.format.operands
    assert dual(image) == scheme


@given(
    operands=st.sampled_from([*OPERANDS]),
    n=st.integers(1, 4),
    corner=st.sampled_from(["", "", "a", "c"]),
    ring=st.sampled_from(SEARCH_RINGS),
    seed=st.integers(0, 2**32),
)
@settings(max_examples=80, deadline=None)
def test_random_sandwich_keeps_every_format(
    operands: str, n: int, corner: str, ring: Ring, seed: int
) -> None:
    format_ = parse_format(f"{operands}:{n}x{n}x{n}{corner}")
    scheme = naive_scheme(format_, ring)
    image = random_sandwich(scheme, np.random.default_rng(seed))
    assert is_valid(image)
    assert image.rank == scheme.rank
    assert image.ring is ring or ring is Ring.ZT


@given(ring=st.sampled_from(list(Ring)), seed=st.integers(0, 2**32))
@settings(max_examples=30, deadline=None)
def test_random_sandwich_of_strassen(strassen: Scheme, ring: Ring, seed: int) -> None:
    image = random_sandwich(strassen.over(ring), np.random.default_rng(seed))
    assert is_valid(image)
    assert image.rank == 7


def test_sandwich_moves_the_scheme(strassen: Scheme) -> None:
    scheme = strassen.over(Ring.F2)
    shear = np.array([[1, 1], [0, 1]])
    identity = np.eye(2, dtype=np.int64)
    assert sandwich(scheme, identity, identity, identity) == scheme
    moved = sandwich(scheme, shear, identity, identity)
    assert moved != scheme
    assert sandwich(moved, shear, identity, identity) == scheme  # the shear is an involution mod 2


def test_sandwich_by_rational_matrices(strassen: Scheme) -> None:
    scaling = [[Fraction(1, 2), Fraction(0)], [Fraction(1, 3), Fraction(5)]]
    image = sandwich(strassen, scaling, [[2, 1], [0, 3]], [[1, 0], [7, 1]])
    assert image.ring is Ring.Q
    assert is_valid(image)


def test_sandwich_refusals(strassen: Scheme) -> None:
    identity = np.eye(2, dtype=np.int64)
    with pytest.raises(UsageError, match="not fractions"):
        sandwich(strassen.over(Ring.F3), [[1, Fraction(1, 2)], [0, 1]], identity, identity)
    with pytest.raises(UsageError, match="singular"):
        sandwich(strassen, [[1, 1], [1, 1]], identity, identity)
    with pytest.raises(UsageError, match="2x2"):
        sandwich(strassen, np.eye(3, dtype=np.int64), identity, identity)
    with pytest.raises(UsageError, match="structure"):
        sandwich(
            naive_scheme(parse_format("ug:2x2x2"), Ring.ZT),
            [[1, 1], [0, 1]],
            identity,
            identity,
        )
    with pytest.raises(FormatError, match=r"2\^62"):
        sandwich(strassen, [[2**61, 1], [1, 0]], [[2**61, 1], [1, 0]], identity)


def test_random_matrices_are_invertible() -> None:
    generator = np.random.default_rng(5)
    for side in (1, 2, 5):
        for p in (2, 3):
            matrix = random_invertible(side, p, generator)
            inverted = np.array(inverse(matrix.tolist(), p), dtype=np.int64)
            assert ((matrix @ inverted - np.eye(side)) % p == 0).all()
        matrix = random_unimodular(side, generator, 2 * side)
        assert abs(round(float(np.linalg.det(matrix)))) == 1
