"""Tensors by name: their products against those of NumPy, their names, what is refused."""

from pathlib import Path

import numpy as np
import pytest

from flipsearch.errors import FormatError, UsageError
from flipsearch.formats import tensors
from flipsearch.formats.named import format_of, named_format, register_tensor, short_name
from flipsearch.formats.sparse import SparseTensor, tensor_text

NAMES = [
    *("poly:3x5", "poly:4x4:mod", "cyclic:7", "complex:2x1x3", "complex:1x1x1", "quaternion"),
    *("group:s3", "group:z2xz2", "group:q8", "group:d4", "group:a4", "toeplitz:4", "toeplitz:3x5"),
    "banded:4x4x2:1",
]


def value(tensor: SparseTensor, a: np.ndarray, b: np.ndarray) -> np.ndarray:
    out = np.zeros(tensor.sizes[2], dtype=np.int64)
    for i, j, k, factor in tensor.entries:
        out[k] += factor * a[i] * b[j]
    return out


def random_pair(tensor: SparseTensor) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(1)
    return tuple(generator.integers(-9, 9, size) for size in tensor.sizes[:2])


@pytest.mark.parametrize("name", NAMES)
def test_names_read_back(name: str) -> None:
    tensor = named_format(name)
    assert named_format(str(tensor)) == tensor
    assert short_name(tensor) == name


def test_products_of_coefficients() -> None:
    for tensor, kept in (
        (tensors.polynomial(4, 3), 6),
        (tensors.polynomial(3, 3, truncated=True), 3),
    ):
        a, b = random_pair(tensor)
        assert np.array_equal(value(tensor, a, b), np.convolve(a, b)[:kept])
    cyclic = tensors.cyclic(5)
    a, b = random_pair(cyclic)
    whole = np.convolve(a, b)
    assert np.array_equal(value(cyclic, a, b), whole[:5] + np.append(whole[5:], 0))
    tensor = tensors.toeplitz(3, 4)
    a, b = random_pair(tensor)
    matrix = np.array([[a[i - j + 3] for j in range(4)] for i in range(3)])
    assert np.array_equal(value(tensor, a, b), matrix @ b)


def test_complex_numbers_and_quaternions() -> None:
    tensor = tensors.complex_product(2, 3, 1)
    a, b = random_pair(tensor)
    x = (a[::2] + 1j * a[1::2]).reshape(2, 3)
    y = (b[::2] + 1j * b[1::2]).reshape(3, 1)
    c = value(tensor, a, b)
    assert np.array_equal(c[::2] + 1j * c[1::2], (x @ y).ravel())
    quaternion = tensors.quaternion()
    one, i, j, k = np.eye(4, dtype=np.int64)
    for left, right, product in ((i, j, k), (j, k, i), (k, i, j), (j, i, -k), (i, i, -one)):
        assert np.array_equal(value(quaternion, left, right), product)
        assert np.array_equal(value(quaternion, one, left), left)


@pytest.mark.parametrize(
    ("name", "size", "abelian"),
    [("Z6", 6, 1), ("S3", 6, 0), ("A4", 12, 0), ("D4", 8, 0), ("Q8", 8, 0), ("Z2xS3", 12, 0)],
)
def test_groups(name: str, size: int, abelian: bool) -> None:
    tensor = tensors.group(name)
    table = np.zeros((size, size), dtype=int)
    for i, j, k, factor in tensor.entries:
        table[i, j] = k
        assert factor == 1
    assert tensor.sizes == (size,) * 3
    assert np.array_equal(table[0], range(size))  # the identity comes first
    assert all(sorted(row) == list(range(size)) for row in (*table, *table.T))
    assert np.array_equal(table, table.T) == bool(abelian)
    assert np.array_equal(table[table], table[:, table])  # associative
    squares = int((np.diagonal(table) == 0).sum()) - 1
    assert squares == {"Q8": 1, "D4": 5, "Z6": 1, "S3": 3, "A4": 3, "Z2xS3": 7}[name]


def test_patterns(tmp_path: Path) -> None:
    left, right = [[1, 0], [1, 1]], [[1, 1], [0, 1]]
    tensor = tensors.masked(left, right, label="masked-mine")
    assert tensor.sizes == (3, 3, 4)
    a, b = random_pair(tensor)
    x, y = np.zeros((2, 2), int), np.zeros((2, 2), int)
    x[np.nonzero(left)], y[np.nonzero(right)] = a, b
    assert np.array_equal(value(tensor, a, b), (x @ y).ravel())
    path = tmp_path / "Mine.txt"
    path.write_text("1 0  # left\n1 1\n\n11\n01\n")
    assert format_of(f"masked:{path}") == tensor
    path.write_text("10\n11\n\n11\n01\n\n10\n01\n")
    assert format_of(f"masked:{path}").dimensions == (3, 3, 2)
    assert tensors.banded(3, 3, 1, 0).naive_rank == 3
    for text, message in (
        ("1 2\n", "0 and 1"),
        ("1 0\n", "1 patterns"),
        ("10\n1\n\n1\n1\n", "different lengths"),
        ("10\n\n1\n1\n1\n", "do not multiply"),
        ("10\n\n0\n1\n", "no nonzero entry"),
    ):
        path.write_text(text)
        with pytest.raises(FormatError, match=message):
            format_of(f"masked:{path}")


def test_files_are_found_by_their_paths(tmp_path: Path) -> None:
    path = tmp_path / "quaternions.txt"
    path.write_text(tensor_text(tensors.quaternion(), "mine"))
    found = format_of(str(path))
    assert str(found).startswith("tensor:mine:")
    assert short_name(found) == str(found)
    with pytest.raises(UsageError, match="cannot read"):
        format_of(str(tmp_path / "missing.tns"))
    with pytest.raises(UsageError, match="unknown format"):
        named_format(str(path))  # a name in a foreign file opens nothing


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("poly:5", "poly:5x5"),
        ("poly:0x3", "1 to 256"),
        ("cyclic:300", "1 to 256"),
        ("complex:2x2", "complex:2x2x2"),
        ("quaternion:3", "only quaternion"),
        ("group:s9", "no group"),
        ("group:a5xa5", "256 elements"),
        ("banded:3x3x3", "banded:6x6x3:1"),
        ("nonsense", "unknown format"),
        ("tensor:cyclic-3:000000000000", "is now"),
        ("tensor:nobody-3:000000000000", "nobody here"),
    ],
)
def test_one_line_for_names_that_mean_nothing(name: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        named_format(name)


def test_families_of_the_house_keep_their_names() -> None:
    for name in ("poly", "masked", "tensor"):
        with pytest.raises(UsageError, match="there is a tensor"):
            register_tensor(name, lambda text: tensors.cyclic(3))
