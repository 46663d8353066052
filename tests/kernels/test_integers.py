"""Exact products of integers: small types, Python's integers of any size."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flipsearch.kernels import matmul_exact


@settings(max_examples=30, deadline=None)
@given(
    shape=st.tuples(st.integers(0, 6), st.integers(0, 6), st.integers(0, 6)),
    bits=st.sampled_from([1, 30, 31, 62, 63, 64, 200, 3000]),
    data=st.data(),
)
def test_products_of_pythons_integers(shape, bits, data):
    m, k, n = shape
    entry = st.integers(-(2**bits), 2**bits)

    def matrix(rows, columns):
        flat = data.draw(st.lists(entry, min_size=rows * columns, max_size=rows * columns))
        out = np.empty(rows * columns, object)
        out[:] = flat
        return out.reshape(rows, columns)

    a, b = matrix(m, k), matrix(k, n)
    found = matmul_exact(a, b)
    assert found.dtype == object
    assert found.shape == (m, n)
    expected = [[sum(x * y for x, y in zip(row, col, strict=True)) for col in b.T] for row in a]
    assert found.tolist() == expected


@pytest.mark.parametrize(
    ("dtype", "result"),
    [(bool, np.int32), (np.int8, np.int32), (np.uint8, np.int32), (np.int16, np.int64),
     (np.uint16, np.int64), (np.int64, np.int64), (np.uint64, np.int64)],
)  # fmt: skip
@pytest.mark.parametrize("side", [20, 300])
def test_small_types_do_not_wrap(dtype, result, side):
    low, high = (0, 1) if dtype is bool else (np.iinfo(dtype).min, np.iinfo(dtype).max)
    limit = 2**16
    generator = np.random.default_rng(0)
    a, b = (
        generator.integers(max(low, -limit), min(high, limit), (side, side), endpoint=True)
        for _ in range(2)
    )
    found = matmul_exact(a.astype(dtype), b.astype(dtype))
    assert found.dtype == result
    np.testing.assert_array_equal(found, (a.astype(float) @ b.astype(float)).astype(np.int64))


def test_what_may_overflow_is_refused():
    large = np.full((2, 2), 2**40)
    with pytest.raises(OverflowError, match="type object"):
        matmul_exact(large, large)
    exact = matmul_exact(large.astype(object), large)
    assert exact[0, 0] == 2**81
    with pytest.raises(TypeError, match="integers"):
        matmul_exact(large * 0.5, large)
    with pytest.raises(TypeError, match="integers"):
        matmul_exact(np.array([[0.5]], object), np.array([[1]]))
    with pytest.raises(ValueError, match="do not multiply"):
        matmul_exact(large, np.ones((3, 2), int))


@pytest.mark.parametrize("kind", ["int8", "int64", "object"])
def test_exact_products_into_an_output(kind):
    a = np.arange(-15, 15).reshape(5, 6).astype(kind)
    expected = a.astype(object) @ a.astype(object).T
    product = matmul_exact(a, a.T)
    for dtype in {product.dtype, np.dtype(object)}:
        out = np.ones((5, 5), dtype)
        assert matmul_exact(a, a.T, out) is out
        np.testing.assert_array_equal(out, expected)
        assert dtype.kind == "i" or {type(x) for x in out.flat} == {int}
    narrow = np.ones((5, 5), np.int16)
    with pytest.raises(TypeError, match="out is int16"):
        matmul_exact(a, a.T, narrow)
    wide = product.astype(object if kind == "object" else np.int64)
    square = wide @ wide
    np.testing.assert_array_equal(matmul_exact(wide, wide, out=wide), square)
