"""Define formats: bilinear maps to compute, as sparse integer tensors.

A `Format` is the value every other part starts from. It fixes the target tensor
T = sum t_abc a (x) b (x) c, written in the trilinear convention: the third factor holds the output
transposed. The n x m by m x p product is then sum a_ij b_jk c_ki; its cyclic symmetry is plain.

Invariant: two formats are equal exactly when their names are, and a name parses back to an equal
format. Everything else (dimensions, target, naive scheme) is derived from the name's data.
"""

from __future__ import annotations

import math
import re
from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np

from flipsearch.errors import UsageError
from flipsearch.formats.layout import Layout
from flipsearch.rings import IntArray

LARGEST_SIDE = 32
"""Of a general format."""
TABULATED_SIDE = 16
"""Of a structured format, and of the general ones that plans and tables of ranks know."""
OPERANDS = (
    *("gg", "ug", "sg", "kg", "wg", "uu", "us", "uk", "uw", "ul"),
    *("ss", "sk", "sw", "kk", "ww", "gt", "ut", "st", "kt", "wt"),
)
CORNERS = {"": (), "a": ("first",), "b": ("last",), "c": ("first", "last")}


class Format(ABC):
    """A bilinear map to compute: a name, three dimensions and a sparse integer tensor."""

    name: str

    @property
    @abstractmethod
    def dimensions(self) -> tuple[int, int, int]:
        """(dU, dV, dW): the lengths of the three factors of a term."""

    @property
    @abstractmethod
    def naive_terms(self) -> IntArray:
        """The naive scheme as rows (a, b, c, sign), each one product; shape (N, 4)."""

    @abstractmethod
    def variable(self, slot: int, index: int) -> str:
        """Return a readable name of coordinate `index` of slot 0 (A), 1 (B) or 2 (C)."""

    @property
    def is_general(self) -> bool:
        """Whether this is a full product of general matrices."""
        return False

    @cached_property
    def target(self) -> IntArray:
        """The target tensor as rows (a, b, c, value), sorted, each triple once; shape (N, 4)."""
        entries: dict[tuple[int, int, int], int] = {}
        for a, b, c, sign in self.naive_terms.tolist():
            entries[a, b, c] = entries.get((a, b, c), 0) + sign
        rows = [(*triple, value) for triple, value in sorted(entries.items()) if value]
        return np.array(rows, dtype=np.int64).reshape(-1, 4)

    @property
    def naive_rank(self) -> int:
        """The number of products of the naive scheme."""
        return len(self.naive_terms)

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True)
class MatrixProduct(Format):
    """The product of an n x m by an m x p matrix, each general or structured.

    Parameters
    ----------
    n, m, p : int
        Sides, 1 to 32 of a general product, 1 to 16 of another one.
    operands : str
        Two letters, left then right: see `flipsearch.formats.layout.LETTERS`; ``t`` on the right
        means the left operand transposed.
    corner : str
        ``a``, ``b``, ``c`` leave out the output corner C[0,0], C[n-1,n-1], or both.
    """

    n: int
    m: int
    p: int
    operands: str = "gg"
    corner: str = ""

    def __post_init__(self) -> None:
        largest = LARGEST_SIDE if self.is_general else TABULATED_SIDE
        for side in (self.n, self.m, self.p):
            if not 1 <= side <= largest:
                raise UsageError(
                    f"size {side} in {self.name} is out of range: sides are 1 to {largest}"
                )
        if self.operands not in OPERANDS:
            raise UsageError(
                f"unknown operands {self.operands!r}: choose one of {' '.join(OPERANDS)}"
            )
        if self.operands[1] == "t" and self.n != self.p:
            raise UsageError(f"{self.name}: a matrix times its transpose is square (n = p)")
        if self.corner not in CORNERS:
            raise UsageError(f"unknown corner suffix {self.corner!r}: use a, b or c")
        if self.corner and not self.n == self.m == self.p:
            raise UsageError(f"{self.name}: a corner suffix needs a square format")
        _ = self.left, self.right  # raises when a structured operand is not square

    @property
    def name(self) -> str:  # type: ignore[override]
        """``4x5x12`` or ``ug:4x4x4``, with the corner suffix."""
        sizes = f"{self.n}x{self.m}x{self.p}{self.corner}"
        return sizes if self.is_general else f"{self.operands}:{sizes}"

    @property
    def is_general(self) -> bool:
        """Whether this is a full product of general matrices: all of C is computed."""
        return self.operands == "gg" and not self.corner

    @property
    def is_gram(self) -> bool:
        """Whether the right operand is the left one transposed."""
        return self.operands[1] == "t"

    @property
    def sides(self) -> tuple[int, int, int]:
        """(n, m, p)."""
        return self.n, self.m, self.p

    @cached_property
    def left(self) -> Layout:
        """Layout of the left operand, n x m."""
        return Layout(self.operands[0], self.n, self.m)

    @cached_property
    def right(self) -> Layout:
        """Layout of the right operand, m x p (of its transpose for a Gram format)."""
        return self.left if self.is_gram else Layout(self.operands[1], self.m, self.p)

    @property
    def is_packed_output(self) -> bool:
        """Whether only the upper half of the output is computed (``uu`` and every ``t``)."""
        return self.is_gram or self.operands == "uu"

    @property
    def dimensions(self) -> tuple[int, int, int]:
        """(dU, dV, dW): parameters of the operands and entries of the output."""
        outputs = self.n * (self.n + 1) // 2 if self.is_packed_output else self.n * self.p
        return self.left.parameters, self.right.parameters, outputs

    def right_entry(self, j: int, k: int) -> tuple[int, int] | None:
        """Return (parameter, sign) of B[j, k], or None where it is zero."""
        return self.right.entry(k, j) if self.is_gram else self.right.entry(j, k)

    def output_index(self, i: int, k: int) -> int | None:
        """Return the coordinate of C[i, k] in the third factor, or None if not computed.

        Dense outputs are transposed (k * n + i); packed ones run along the upper triangle.
        """
        if ("first" in CORNERS[self.corner] and i == k == 0) or (
            "last" in CORNERS[self.corner] and i == k == self.n - 1
        ):
            return None
        if not self.is_packed_output:
            return k * self.n + i
        return i * (2 * self.n - i - 1) // 2 + k if i <= k else None

    @cached_property
    def naive_terms(self) -> IntArray:
        """One product for every nonzero A[i, j] B[j, k] that some output needs."""
        a, a_sign = self.left.table
        b, b_sign = self.right.table.swapaxes(1, 2) if self.is_gram else self.right.table
        outputs = [[self.output_index(i, k) for k in range(self.p)] for i in range(self.n)]
        c = np.array([[-1 if at is None else at for at in row] for row in outputs])
        factors = (a_sign != 0)[:, :, None] & (b_sign != 0)
        i, j, k = np.nonzero(factors & (c >= 0)[:, None, :])
        return np.stack([a[i, j], b[j, k], c[i, k], a_sign[i, j] * b_sign[j, k]], axis=1)

    @property
    def naive_rank(self) -> int:
        """The number of products of the naive scheme; n m p of a general one."""
        return math.prod(self.sides) if self.is_general else len(self.naive_terms)

    def output_position(self, index: int) -> tuple[int, int]:
        """Return the entry (i, k) of C that coordinate `index` of the third factor stands for."""
        if not self.is_packed_output:
            return index % self.n, index // self.n
        return Layout("u", self.n, self.n).position(index)

    def variable(self, slot: int, index: int) -> str:
        """Return ``a12``, ``b12`` or ``c12``, rows and columns from 1; ``a1_12`` from side 10."""
        if slot == 2:
            i, j = self.output_position(index)
        else:
            i, j = (self.left, self.right)[slot].position(index)
        separator = "_" if max(self.sides) > 9 else ""
        return f"{'abc'[slot]}{i + 1}{separator}{j + 1}"

    def permuted(self, order: tuple[int, int, int]) -> MatrixProduct:
        """Return the general format whose sides are (n, m, p) in another order."""
        if not self.is_general:
            raise UsageError(f"{self.name}: only general formats with all corners permute")
        n, m, p = (self.sides[k] for k in order)
        return MatrixProduct(n, m, p)

    @property
    def sorted(self) -> MatrixProduct:
        """The format under which ranks are tabulated: of a general one, that with n <= m <= p."""
        if not self.is_general:
            return self
        n, m, p = sorted(self.sides)
        return MatrixProduct(n, m, p)


_NAME = re.compile(r"(?:([a-z]{2}):)?(\d{1,3})x(\d{1,3})x(\d{1,3})([abc]?)")


def is_product(text: str) -> bool:
    """Whether the text has the form of a matrix product's name: ``4x5x12``, ``gt:4x4x4c``."""
    return _NAME.fullmatch(text.strip().lower().replace("×", "x")) is not None


@lru_cache(maxsize=4096)
def parse_format(text: str) -> MatrixProduct:
    """Return the format of that name: ``4x5x12``, ``ug:4x4x4``, ``gt:4x4x4c``.

    Raises
    ------
    UsageError
        The text is no format, or a size or letter is out of range.

    Examples
    --------
    >>> parse_format("ug:4x4x4").dimensions
    (10, 16, 16)
    """
    match = _NAME.fullmatch(text.strip().lower().replace("×", "x"))
    if match is None:
        raise UsageError(
            f"unknown format {text!r}: write sizes such as 4x5x12, or operands and sizes such as "
            "ug:4x4x4"
        )
    operands, n, m, p, corner = match.groups()
    return MatrixProduct(int(n), int(m), int(p), operands or "gg", corner)
