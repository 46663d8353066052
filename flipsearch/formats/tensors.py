"""Tensors with names: polynomials, convolutions, complex numbers, quaternions, groups, Toeplitz.

Each family is a function, and a reader of the text after its name's colon: ``poly:5x5:mod`` is
``polynomial(5, 5, truncated=True)``. `flipsearch.formats.named` looks names up in `FAMILIES`.
Tensors of one's own come from `sparse_tensor`, `read_tensor` and `masked`.

Invariant: the label of a tensor is its name with ``-`` for ``:``. A stored name therefore tells
which function makes the tensor again.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from itertools import product
from pathlib import Path

import numpy as np

from flipsearch.errors import FormatError, UsageError
from flipsearch.formats.sparse import (
    LARGEST_DIMENSION,
    Entry,
    SparseTensor,
    label_of,
    parse_tensor,
    read_tensor,
    read_text,
    sparse_tensor,
    tensor_text,
)

__all__ = [
    "SparseTensor",
    "banded",
    "complex_product",
    "cyclic",
    "group",
    "masked",
    "parse_tensor",
    "polynomial",
    "quaternion",
    "read_patterns",
    "read_tensor",
    "sparse_tensor",
    "tensor_text",
    "toeplitz",
]

Pattern = Sequence[Sequence[int]]
Permutation = tuple[int, ...]
_QUATERNIONS = "1ijk"
_SIGNS = {"ij": "k", "jk": "i", "ki": "j"}


def polynomial(n: int, m: int, *, truncated: bool = False) -> SparseTensor:
    """Return the product of polynomials with n and m coefficients: C[i + j] += A[i] B[j].

    Over a field with at least n + m - 2 elements its rank is n + m - 1 (interpolation, with the
    point at infinity), over smaller fields it is larger.

    Parameters
    ----------
    n, m : int
        Numbers of coefficients, 1 to 256.
    truncated : bool
        Whether only the lower max(n, m) coefficients of the product are computed.

    Examples
    --------
    >>> polynomial(2, 3).dimensions, polynomial(3, 3, truncated=True).dimensions
    ((2, 3, 4), (3, 3, 3))
    """
    sizes = _sides("poly", n, m)
    outputs = max(sizes) if truncated else sum(sizes) - 1
    entries = ((i, j, i + j, 1) for i in range(n) for j in range(m) if i + j < outputs)
    return sparse_tensor(f"poly-{n}x{m}{'-mod' * truncated}", entries)


def cyclic(n: int) -> SparseTensor:
    """Return the product of polynomials modulo x^n - 1: C[(i + j) mod n] += A[i] B[j].

    Examples
    --------
    >>> cyclic(7).naive_rank
    49
    """
    _sides("cyclic", n)
    return sparse_tensor(f"cyclic-{n}", _table(n, lambda i, j: ((i + j) % n, 1)))


def complex_product(n: int, m: int, p: int) -> SparseTensor:
    """Return the product of complex n x m and m x p matrices, real and imaginary parts apart.

    Entry (i, j) of a matrix with c columns has its real part at 2 (i c + j) and its imaginary
    part next to it.

    Examples
    --------
    >>> complex_product(1, 1, 1).target.tolist()
    [[0, 0, 0, 1], [0, 1, 1, 1], [1, 0, 1, 1], [1, 1, 0, -1]]
    """
    _sides("complex", 2 * n, m, p)
    entries = (
        (2 * (i * m + j) + x, 2 * (j * p + k) + y, 2 * (i * p + k) + (x ^ y), -1 if x and y else 1)
        for i, j, k, x, y in product(range(n), range(m), range(p), range(2), range(2))
    )
    return sparse_tensor(f"complex-{n}x{m}x{p}", entries)


def quaternion() -> SparseTensor:
    """Return the product of quaternions a + b i + c j + d k: 16 products as written.

    Its rank over the rational and the real numbers is 8 (Howell and Lafon, "The complexity of the
    quaternion product", 1975).
    """

    def entry(i: int, j: int) -> tuple[int, int]:
        x, y = _QUATERNIONS[i], _QUATERNIONS[j]
        if "1" in (x, y):
            return i + j, 1
        if x == y:
            return 0, -1
        third = _SIGNS.get(x + y)
        return _QUATERNIONS.index(third or _SIGNS[y + x]), 1 if third else -1

    return sparse_tensor("quaternion", _table(4, entry))


def group(name: str) -> SparseTensor:
    """Return the product in the group algebra: C[gh] += A[g] B[h].

    Parameters
    ----------
    name : str
        ``Z6`` (cyclic), ``S3`` (symmetric), ``A4`` (alternating), ``D4`` (dihedral, of 8
        elements), ``Q8`` (quaternion), or a direct product of those such as ``Z2xZ2``; at most
        256 elements, the identity first.

    Examples
    --------
    >>> group("S3").naive_rank
    36
    """
    elements: list[tuple[Permutation, ...]] = [()]
    for part in name.lower().split("x"):
        factor = _group(part)
        if len(elements) * len(factor) > LARGEST_DIMENSION:
            raise UsageError(f"group:{name}: a group has {LARGEST_DIMENSION} elements at most")
        elements = [(*one, two) for one in elements for two in factor]
    places = {element: place for place, element in enumerate(elements)}

    def entry(i: int, j: int) -> tuple[int, int]:
        both = zip(elements[i], elements[j], strict=True)
        return places[tuple(_composed(g, h) for g, h in both)], 1

    return sparse_tensor(f"group-{name.lower()}", _table(len(elements), entry))


def toeplitz(n: int, m: int | None = None) -> SparseTensor:
    """Return the product of an n x m Toeplitz matrix and a vector: C[i] += A[i - j + m - 1] B[j].

    It is the transpose of a polynomial product and has its rank: `polynomial(n, m)` with A and C
    exchanged.

    Parameters
    ----------
    n, m : int
        Rows and columns; square by default.
    """
    columns = n if m is None else m
    _sides("toeplitz", n, columns)
    entries = ((i - j + columns - 1, j, i, 1) for i in range(n) for j in range(columns))
    return sparse_tensor(f"toeplitz-{n}" + ("" if m is None else f"x{m}"), entries)


def banded(n: int, m: int, p: int, width: int) -> SparseTensor:
    """Return the product of a banded n x m and a general m x p matrix.

    Parameters
    ----------
    n, m, p : int
        Sides.
    width : int
        Entry (i, j) of the left operand is zero unless abs(i - j) <= width.
    """
    _sides("banded", n, m, p)
    if width < 0:
        raise UsageError(f"banded: the half width of the band is 0 or more, not {width}")
    left = [[int(abs(i - j) <= width) for j in range(m)] for i in range(n)]
    right = [[1] * p for _ in range(m)]
    return masked(left, right, label=f"banded-{n}x{m}x{p}-{width}")


def masked(
    left: Pattern, right: Pattern, output: Pattern | None = None, *, label: str = "masked"
) -> SparseTensor:
    """Return the product of matrices with entries at given places only.

    Each operand has a coordinate for every 1 of its pattern, row by row; the output likewise.

    Parameters
    ----------
    left, right, output : rows of 0 and 1
        Shapes (n, m), (m, p) and (n, p). By default every output that has a product is computed.
    label : str
        The tensor's label.

    Raises
    ------
    FormatError
        The patterns do not fit each other, or leave no product.

    Examples
    --------
    >>> masked([[1, 0], [1, 1]], [[1, 1], [0, 1]]).dimensions
    (3, 3, 4)
    """
    a, b = _pattern(left), _pattern(right)
    if a.shape[1] != b.shape[0]:
        raise FormatError(f"patterns of {a.shape} and {b.shape} entries do not multiply")
    wanted = a @ b if output is None else _pattern(output)
    if wanted.shape != (a.shape[0], b.shape[1]):
        raise FormatError(f"the output has {a.shape[0], b.shape[1]} entries, not {wanted.shape}")
    places = [np.cumsum(pattern != 0).reshape(pattern.shape) - 1 for pattern in (a, b, wanted)]
    indices = zip(*np.nonzero(a[:, :, None] * b[None, :, :] * wanted[:, None, :]), strict=True)
    entries = (
        (int(places[0][i, j]), int(places[1][j, k]), int(places[2][i, k]), 1)
        for i, j, k in indices
    )
    sizes = (int((a != 0).sum()), int((b != 0).sum()), int((wanted != 0).sum()))
    return sparse_tensor(label, entries, sizes)


def read_patterns(path: str | Path) -> SparseTensor:
    """Return the `masked` product whose patterns a text file holds.

    The file has two or three blocks with an empty line between them: rows of 0 and 1 of the left
    operand, of the right one, and of the output. Spaces and comments (``#``) count for nothing.
    """
    lines = [line.split("#", 1)[0].strip() for line in read_text(path).splitlines()]
    blocks: list[list[list[int]]] = [[]]
    for line in lines:
        row = line.replace(" ", "").replace(",", "")
        if set(row) - {"0", "1"}:
            raise FormatError(f"{path}: a pattern is made of 0 and 1, not {line[:40]!r}")
        if row:
            blocks[-1].append([int(digit) for digit in row])
        elif blocks[-1]:
            blocks.append([])
    blocks = [block for block in blocks if block]
    if len(blocks) not in (2, 3):
        raise FormatError(
            f"{path} has {len(blocks)} patterns: write the left operand's, the right one's and, "
            "if you like, the output's, with an empty line between them"
        )
    return masked(*blocks, label=label_of(f"masked-{Path(path).stem}"))


def _pattern(rows: Pattern) -> np.ndarray:
    try:
        pattern = np.array(rows, dtype=np.int64)
    except (ValueError, TypeError):
        raise FormatError(
            "the rows of a pattern have different lengths, or are no numbers"
        ) from None
    if pattern.ndim != 2 or not pattern.size or not np.isin(pattern, (0, 1)).all():
        raise FormatError("a pattern is a matrix of 0 and 1")
    return pattern


def _sides(family: str, *sides: int) -> tuple[int, ...]:
    if not all(1 <= side <= LARGEST_DIMENSION for side in sides):
        raise UsageError(f"{family}: sides are 1 to {LARGEST_DIMENSION}, not {sides}")
    return sides


def _table(n: int, entry: Callable[[int, int], tuple[int, int]]) -> Iterator[Entry]:
    """Yield the entries of an algebra in which basis elements multiply to plus or minus one."""
    for i, j in product(range(n), range(n)):
        yield (i, j, *entry(i, j))


def _composed(g: Permutation, h: Permutation) -> Permutation:
    return tuple(g[x] for x in h)


def _group(name: str) -> list[Permutation]:
    """Return the elements of a group as permutations, the identity first."""
    match = re.fullmatch(r"([zsadq])(\d{1,3})", name)
    kind, n = (match[1], int(match[2])) if match else ("", 0)
    swap, turn = (1, 0, *range(2, n)), (*range(1, n), 0)
    if kind == "z" and 1 <= n <= LARGEST_DIMENSION:
        generators = [turn]
    elif kind == "s" and 2 <= n <= 5:
        generators = [swap, turn]
    elif kind == "a" and 3 <= n <= 5:
        generators = [(1, k, *range(2, k), 0, *range(k + 1, n)) for k in range(2, n)]
    elif kind == "d" and 3 <= n <= LARGEST_DIMENSION // 2:
        generators = [turn, tuple(-i % n for i in range(n))]
    elif (kind, n) == ("q", 8):
        generators = [
            (2, 3, 1, 0, 6, 7, 5, 4),
            (4, 5, 7, 6, 1, 0, 2, 3),
        ]  # i and j on 1 -1 i ... -k
    else:
        raise UsageError(
            f"no group {name!r}: write Z6, S3 to S5, A3 to A5, D4, Q8 or products such as Z2xZ4"
        )
    identity = tuple(range(len(generators[0])))
    found, new = {identity: None}, [identity]
    while new:
        made = [_composed(g, h) for h in new for g in generators]
        new = [element for element in dict.fromkeys(made) if element not in found]
        found |= dict.fromkeys(new)
    return list(found)


def _numbers(pattern: str, usage: str) -> Callable[[str], tuple[int, ...]]:
    """Return a reader of a family's numbers, which says how they are written."""

    def read(text: str) -> tuple[int, ...]:
        match = re.fullmatch(pattern, text)
        if match is None:
            raise UsageError(f"{usage.partition(':')[0]}:{text[:40]}: write for instance {usage}")
        return tuple(int(number) for number in match.groups() if number is not None)

    return read


def _polynomial(text: str) -> SparseTensor:
    truncated = text.endswith(":mod")
    n, m = _numbers(r"(\d{1,3})x(\d{1,3})", "poly:5x5 or poly:5x5:mod")(text.removesuffix(":mod"))
    return polynomial(n, m, truncated=truncated)


def _quaternion(text: str) -> SparseTensor:
    if text:
        raise UsageError(f"quaternion:{text[:40]}: there is only quaternion")
    return quaternion()


_cyclic = _numbers(r"(\d{1,3})", "cyclic:7")
_complex = _numbers(r"(\d{1,3})x(\d{1,3})x(\d{1,3})", "complex:2x2x2")
_toeplitz = _numbers(r"(\d{1,3})(?:x(\d{1,3}))?", "toeplitz:4 or toeplitz:4x6")
_banded = _numbers(r"(\d{1,3})x(\d{1,3})x(\d{1,3}):(\d{1,3})", "banded:6x6x3:1")

FAMILIES: dict[str, Callable[[str], SparseTensor]] = {
    "poly": _polynomial,
    "cyclic": lambda text: cyclic(*_cyclic(text)),
    "complex": lambda text: complex_product(*_complex(text)),
    "quaternion": _quaternion,
    "group": group,
    "toeplitz": lambda text: toeplitz(*_toeplitz(text)),
    "banded": lambda text: banded(*_banded(text)),
}
"""From the name of each family to its reader of the text behind the colon."""
