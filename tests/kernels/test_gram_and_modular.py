"""A times its transpose by halving, and matrices modulo p."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flipsearch.errors import UsageError
from flipsearch.kernels import gram, matmul_mod, matmul_triangular
from flipsearch.kernels.runtime.algorithm import Algorithm
from flipsearch.kernels.runtime.driver import multiply


@pytest.mark.parametrize("order", "CF")
def test_gram_is_exact_on_integers_and_symmetric(monkeypatch, order):
    monkeypatch.setattr("flipsearch.kernels.halving.SMALLEST_HALF", 64)
    monkeypatch.setattr("flipsearch.kernels.runtime.driver.choose_levels", lambda *_, **__: 0)
    a = np.random.default_rng(0).integers(-9, 9, (301, 270)).astype(float)
    out = np.zeros((301, 301), order=order)
    assert gram(a, out) is out
    np.testing.assert_array_equal(out, a @ a.T)
    np.testing.assert_array_equal(gram(a, out, upper=True), np.triu(a @ a.T))
    small = a[:5]
    np.testing.assert_array_equal(gram(small, upper=True), np.triu(small @ small.T))
    np.testing.assert_array_equal(gram(small), small @ small.T)
    square = a[:270, :270].copy()
    np.testing.assert_array_equal(gram(square, out=square), a[:270, :270] @ a[:270, :270].T)
    with pytest.raises(TypeError, match="out is int64"):
        gram(a, np.zeros((301, 301), np.int64))
    with pytest.raises(ValueError, match="threads"):
        gram(a, threads=0)


def test_products_that_reach_no_block_are_left_out():
    useful = (((1, 0, 0),), ((1, 0, 0),), ((1, 0, 0),))
    idle = Algorithm((1, 1, 1), (useful, (*useful[:2], ()), ((), *useful[1:])), (1, 1, 1))
    a = np.random.default_rng(0).integers(-9, 9, (64, 64)).astype(float)
    np.testing.assert_array_equal(multiply(idle, a, a, levels=1), a @ a)


@pytest.mark.parametrize("smallest", [20, 2000])
@pytest.mark.parametrize("letters", ["ug", "lg", "gu", "gl"])
def test_triangular_operands(monkeypatch, letters, smallest):
    monkeypatch.setattr("flipsearch.kernels.halving.SMALLEST_BLOCK", 25)
    monkeypatch.setattr("flipsearch.kernels.halving.SMALLEST_OF_SCHEME", smallest)
    monkeypatch.setattr("flipsearch.kernels.runtime.driver.choose_levels", lambda *_, **__: 1)
    a, b = (np.random.default_rng(x).integers(-9, 9, (150, 150)).astype(float) for x in (0, 1))
    cut = np.triu if "u" in letters else np.tril
    a, b = (cut(a), b[:, :109]) if letters[1] == "g" else (a[:109], cut(b))
    np.testing.assert_array_equal(matmul_triangular(a, b, letters), a @ b)
    with pytest.raises(UsageError, match="square"):
        matmul_triangular(a[:, :9], b, letters[::-1] if letters[1] != "g" else letters)
    with pytest.raises(UsageError, match="choose ug"):
        matmul_triangular(a, b, "gg")


@settings(max_examples=40, deadline=None)
@given(
    shape=st.tuples(st.integers(0, 40), st.integers(0, 40), st.integers(0, 40)),
    modulus=st.sampled_from([2, 3, 4, 101, 65521, 2**25 - 39, 2**26, 2**31 - 1, 2**31]),
    seed=st.integers(0, 2**32),
)
def test_products_modulo_p_against_python_integers(shape, modulus, seed):
    m, k, n = shape
    generator = np.random.default_rng(seed)
    information = np.iinfo(np.int64)
    a = generator.integers(information.min, information.max, (m, k))
    b = generator.integers(information.min, information.max, (k, n))
    exact = (a.astype(object) @ b.astype(object)) % modulus if k else np.zeros((m, n), int)
    result = matmul_mod(a, b, modulus)
    assert result.dtype == np.int64
    np.testing.assert_array_equal(result, exact)


@pytest.mark.parametrize("levels", [-1, 0, 2])
@pytest.mark.parametrize("modulus", [7, 1009, 2**20 + 7, 2**26 - 5, 2**31 - 1])
def test_larger_products_modulo_p(monkeypatch, modulus, levels):
    monkeypatch.setattr("flipsearch.kernels.modular.choose_levels", lambda *_: levels)
    if levels < 0:  # numpy is called itself: levels chosen for a piece could exceed 2^53
        monkeypatch.setattr("flipsearch.kernels.modular.multiply", None)
    generator = np.random.default_rng(1)
    a, b = (generator.integers(0, modulus, (260, 260)) for _ in range(2))
    low, high = a & 8191, a >> 13
    exact = (low @ b % modulus + ((high @ b) % modulus) * 8192) % modulus
    np.testing.assert_array_equal(matmul_mod(a, b, modulus), exact)


def test_bad_moduli_and_operands():
    one = np.ones((2, 2), int)
    for modulus in (0, 1, -5, 2**31 + 1):
        with pytest.raises(UsageError, match="out of range"):
            matmul_mod(one, one, modulus)
    with pytest.raises(UsageError, match=r"7\.0 is not an integer"):
        matmul_mod(one, one, 7.0)
    with pytest.raises(TypeError, match="integers"):
        matmul_mod(one * 0.5, one, 7)
    np.testing.assert_array_equal(matmul_mod(one, one, np.int32(2**26 - 5)), one @ one)
    with pytest.raises(ValueError, match="do not multiply"):
        matmul_mod(one, np.ones((3, 2), int), 7)


@pytest.mark.parametrize("modulus", [2, 3, 101])
def test_products_modulo_p_into_an_output(modulus):
    a = np.arange(30).reshape(5, 6)
    for dtype in (np.int64, object):
        out = np.ones((5, 5), dtype, order="F")
        assert matmul_mod(a, a.T, modulus, out) is out
        np.testing.assert_array_equal(out, a @ a.T % modulus)
    with pytest.raises(TypeError, match="out is float64; the product is int64"):
        matmul_mod(a, a.T, modulus, out=np.ones((5, 5)))
    with pytest.raises(ValueError, match="out has shape"):
        matmul_mod(a, a.T, modulus, out=np.ones((5, 6), np.int64))
    square = a[:5, :5]
    expected = square @ square % modulus
    np.testing.assert_array_equal(matmul_mod(square, square, modulus, out=square), expected)
