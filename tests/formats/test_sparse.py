from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flipsearch.errors import FormatError, UsageError
from flipsearch.formats import parse_format
from flipsearch.formats.sparse import (
    SparseTensor,
    parse_tensor,
    read_tensor,
    sparse_tensor,
    tensor_text,
)
from flipsearch.formats.tensors import cyclic, polynomial
from flipsearch.rings import Ring
from flipsearch.scheme import naive_scheme, rational_scheme
from flipsearch.transform import reduce_terms
from flipsearch.verify import is_valid

TENSORS = st.builds(
    lambda rows, values: sparse_tensor(
        "map", [(*row, value) for row, value in zip(rows, values, strict=False)], (4, 3, 5)
    ),
    st.lists(
        st.tuples(st.integers(0, 3), st.integers(0, 2), st.integers(0, 4)),
        min_size=1,
        max_size=12,
        unique=True,
    ),
    st.lists(st.sampled_from([1, -1, 2, -7]), min_size=12, max_size=12),
)


@given(TENSORS)
def test_text_parses_back(tensor: SparseTensor) -> None:
    again = parse_tensor(tensor_text(tensor))
    assert again == tensor
    assert again.name == tensor.name
    assert is_valid(naive_scheme(tensor, Ring.Z))


@given(TENSORS, TENSORS)
def test_equal_names_are_equal_tensors(first: SparseTensor, second: SparseTensor) -> None:
    assert (first == second) == (first.name == second.name)


def test_karatsuba() -> None:
    tensor = polynomial(2, 2)
    assert tensor.dimensions == (2, 2, 3)
    scheme = rational_scheme(
        tensor,
        [[1, 0], [1, 1], [0, 1]],
        [[1, 0], [1, 1], [0, 1]],
        [[1, -1, 0], [0, 1, 0], [0, -1, 1]],
    )
    assert scheme.rank == 3
    assert is_valid(scheme)
    for ring in (Ring.F2, Ring.F3):
        assert is_valid(scheme.over(ring))
    assert naive_scheme(tensor, Ring.ZT).rank == 4


def test_products_of_coefficients() -> None:
    generator = np.random.default_rng(0)
    a, b, c = (generator.integers(-9, 9, size) for size in (4, 3, 4))
    for tensor, expected in (
        (polynomial(4, 3), np.convolve(a, b)),
        (
            cyclic(4),
            np.array([sum(a[i] * c[k - i] for i in range(4)) for k in range(4)]),
        ),
    ):
        x, y = (a, b) if tensor.label.startswith("poly") else (a, c)
        out = np.zeros(tensor.dimensions[2])
        for i, j, k, value in tensor.target.tolist():
            out[k] += value * x[i] * y[j]
        assert np.array_equal(out, expected)


def test_any_format_can_be_written() -> None:
    matrix = parse_format("sk:3x3x3")
    tensor = parse_tensor(tensor_text(matrix))
    assert tensor.dimensions == matrix.dimensions
    assert np.array_equal(tensor.target, matrix.target)
    assert tensor.label == "sk-3x3x3"
    assert reduce_terms(naive_scheme(tensor, Ring.F2), "merge").rank <= matrix.naive_rank


def test_reading_files(tmp_path: Path) -> None:
    path = tmp_path / "My Map.tns"
    path.write_text("# a comment\n1 1 1 1  # another\n2 1 3 -2\n1 1 1 1\n")
    tensor = read_tensor(path)
    assert tensor.label == "my-map"
    assert tensor.dimensions == (2, 1, 3)
    assert tensor.entries == ((0, 0, 0, 2), (1, 0, 2, -2))
    assert tensor.name.startswith("tensor:my-map:")
    assert tensor.variable(2, 2) == "c3"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "no nonzero"),
        ("1 1 1 0", "no nonzero"),
        ("0 1 1 1", "start at 1"),
        ("1 1 1", "4 integers"),
        ("1 1 1 1.5", "4 integers"),
        ("1 1 1 99999999999", "4 integers"),
        ("1 1 1 9999999999", "2\\^31"),
        ("1 1 300 1", "1 to 256"),
        ("# dimensions: 2 2\n1 1 1 1", "3 integers"),
        ("# dimensions: 2 2 2\n1 3 1 1", "outside"),
        ("# name: ../x\n1 1 1 1", "cannot name"),
    ],
)
def test_ill_formed_files(text: str, message: str) -> None:
    with pytest.raises(FormatError, match=message):
        parse_tensor(text)


def test_refusals(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot read"):
        read_tensor(tmp_path / "missing.tns")
    binary = tmp_path / "binary.tns"
    binary.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(FormatError, match="not a text"):
        read_tensor(binary)
    with pytest.raises(FormatError, match="sorted"):
        SparseTensor("map", (2, 2, 2), ((1, 0, 0, 1), (0, 0, 0, 1)))
    with pytest.raises(UsageError):
        polynomial(0, 2)
    with pytest.raises(UsageError):
        cyclic(0)
    with pytest.raises(FormatError, match="1,000,000 entries"):
        sparse_tensor("map", ((i, 0, 0, 1) for i in range(10**7)))


def test_entries_that_vanish_over_the_ring_need_no_product() -> None:
    tensor = parse_tensor("1 1 1 2\n1 2 2 3\n")
    for ring, rank in ((Ring.F2, 1), (Ring.F3, 1), (Ring.Z, 2)):
        naive = naive_scheme(tensor, ring)
        assert is_valid(naive)
        assert naive.rank == rank
        assert naive == naive_scheme(tensor, Ring.Z).over(ring)
