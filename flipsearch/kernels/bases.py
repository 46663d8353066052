"""Alternative bases: the sparsest factors of a scheme up to changes of basis of its operands.

A factor U (R x d) is S B with an invertible B (d x d): the products take S from B a, which is
computed once for the whole recursion and costs O(n^2 log n) operations. The same holds for V; the
output is B^T of the sums by S^T. Only the sparse factors count toward the leading constant
(Karstadt and Schwartz 2017, "Matrix multiplication, a little faster").

The columns of S are a basis of the column space of U. A column vanishes on rows that span a
hyperplane at most, so the sparsest vectors come from all sets of d - 1 independent rows. Sparsest
bases form a matroid: taking vectors by their nonzeros, each independent of those before, gives the
sparsest basis. For many sets columns are only combined in pairs, and the result may not be the
sparsest.

Invariant: S B is the factor, exactly, and B is invertible. `AlternativeBasis.check` proves both,
and the scheme.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import combinations
from typing import Any

import numpy as np

from flipsearch.algebra.exact import combination, inverse, rank, relations
from flipsearch.errors import FormatError, InvalidSchemeError, UsageError
from flipsearch.kernels.additions.reduction import shorten_all
from flipsearch.programs import Program
from flipsearch.rings import IntArray, Ring
from flipsearch.scheme import Scheme
from flipsearch.verify import verify

MOST_SETS = 20_000
"""Largest number of sets of rows that are tried; 2x2x4:14 has 3,432."""


@dataclass(frozen=True, eq=False)
class AlternativeBasis:
    """A scheme whose factors are sparse in other bases.

    Parameters
    ----------
    scheme : Scheme
        In characteristic 0.
    sparse : three int64 arrays, shapes (R, d)
        S of U, V and W.
    bases : three matrices of Fraction, shapes (d, d)
        B of U, V and W: row r of S B is u_r, v_r or w_r / d_r.
    programs : three programs
        They compute the rows of S from d inputs. That of W runs backwards.
    """

    scheme: Scheme
    sparse: tuple[IntArray, IntArray, IntArray]
    bases: tuple[list[list[Fraction]], ...]
    programs: tuple[Program, Program, Program]

    @property
    def nonzeros(self) -> int:
        """The number of nonzeros of the sparse factors."""
        return sum(int(np.count_nonzero(matrix)) for matrix in self.sparse)

    @property
    def additions(self) -> tuple[int, int, int]:
        """The additions of the sparse linear parts; the output's by Tellegen's theorem."""
        left, right, output = (program.additions for program in self.programs)
        return left, right, output + self.scheme.rank - self.scheme.format.dimensions[2]

    @property
    def basis_additions(self) -> tuple[int, int, int]:
        """The additions of each change of basis, as written."""
        counts = [sum(x != 0 for row in basis for x in row) - len(basis) for basis in self.bases]
        return counts[0], counts[1], counts[2]

    @property
    def leading_constant(self) -> float:
        """See `leading_constant`; changes of basis do not count."""
        return leading_constant(self.scheme, self.additions)

    def check(self) -> None:
        """Prove the scheme and that the bases take the sparse factors to it.

        Raises
        ------
        InvalidSchemeError
            A basis is singular, or a product of both is not the scheme's factor.
        """
        verify(self.scheme)
        for slot, (matrix, basis) in enumerate(zip(self.sparse, self.bases, strict=True)):
            found = matrix.astype(object) @ np.array(basis, dtype=object)
            below = self.scheme.denominators.astype(object) if slot == 2 else 1
            wanted = self.scheme.factors[slot].astype(object)
            if inverse(basis) is None or (found * np.reshape(below, (-1, 1)) != wanted).any():
                raise InvalidSchemeError(f"basis {'UVW'[slot]} does not take S to the factor")

    def to_dict(self) -> dict[str, Any]:
        """Return sparse factors, bases and programs as JSON values; fractions are text."""
        names = ("left", "right", "output")
        parts = zip(names, self.sparse, self.bases, self.programs, strict=True)
        return {
            name: {
                "sparse": matrix.tolist(),
                "basis": [[str(x) for x in row] for row in basis],
                "program": {"steps": program.steps, "outputs": program.outputs},
            }
            for name, matrix, basis, program in parts
        }


def written_additions(scheme: Scheme) -> tuple[int, int, int]:
    """Return the additions of a scheme as written, for A, for B and for the output."""
    u, v, w = (int(np.count_nonzero(factor)) for factor in scheme.factors)
    return u - scheme.rank, v - scheme.rank, w - int(scheme.w.any(axis=0).sum())


def leading_constant(scheme: Scheme, additions: Sequence[int]) -> float:
    """Return the leading constant of recursion by a scheme: operations over R^levels.

    1 + sum over the parts of additions / (R - d), with d entries of an operand or the output, as
    T(l + 1) = R T(l) + additions of blocks: 7 for Strassen's 18 additions, 6 for Winograd's 15.
    It is infinite if R is not larger than every d.
    """
    constant = 1.0
    for count, dimension in zip(additions, scheme.format.dimensions, strict=True):
        if scheme.rank <= dimension and count:
            return math.inf
        constant += count / (scheme.rank - dimension) if count else 0.0
    return constant


def alternative_basis(scheme: Scheme, seconds: float = 5.0, seed: int = 0) -> AlternativeBasis:
    """Return the scheme in the bases in which its factors are sparsest, proved.

    Sums of the sparse factors are shared for some `seconds`. A scheme over F2 or F3, or one that
    leaves out an entry of an operand, raises a `UsageError`.
    """
    if scheme.ring.characteristic:
        raise UsageError(f"the scheme is over {scheme.ring}: bases change over ZT, Z and Q")
    common = math.lcm(*scheme.denominators.tolist())
    sparse, bases = [], []
    for slot, factor in enumerate(scheme.factors):
        scale = common if slot == 2 else 1
        rows = factor.astype(object) * scale
        if slot == 2:
            rows = rows // scheme.denominators.astype(object)[:, None]
        try:
            matrix = rows.astype(np.int64)
            columns = sparsest_basis(matrix)
            found = combination(columns.T, matrix.T)
        except OverflowError:
            raise FormatError("a coefficient of an alternative basis is beyond 64 bits") from None
        if found is None:
            raise AssertionError("the sparse columns do not span the factor's")
        numbers, below = found
        basis = [
            [Fraction(int(x), int(d) * scale) for x, d in zip(column, below, strict=True)]
            for column in numbers.T
        ]
        sparse.append(columns)
        bases.append(basis)
    u, v, w = sparse
    programs = shorten_all((u, v, w), Ring.Z, seconds, seed, None)
    result = AlternativeBasis(scheme, (u, v, w), tuple(bases), (*programs,))  # type: ignore[arg-type]
    result.check()
    return result


def sparsest_basis(matrix: IntArray) -> IntArray:
    """Return a sparse basis of the column space of an integer matrix, as primitive columns.

    It is the sparsest one if the matrix has at most `MOST_SETS` sets of d - 1 rows. A matrix whose
    columns are dependent raises a `UsageError`.
    """
    count, d = matrix.shape
    if rank(matrix) < d:
        raise UsageError("the scheme leaves out an entry of an operand: it has no basis")
    if math.comb(count, d - 1) > MOST_SETS:
        return _combined_in_pairs(matrix)
    vectors: dict[bytes, IntArray] = {}
    for chosen in combinations(range(count), d - 1):
        found = relations(np.ascontiguousarray(matrix[list(chosen)].T))
        if len(found) == 1:
            vector = _primitive(matrix @ found[0])
            vectors[vector.tobytes()] = vector
    columns: list[IntArray] = []
    for vector in sorted(vectors.values(), key=lambda one: (np.count_nonzero(one), one.tolist())):
        if rank(np.array([*columns, vector])) > len(columns):
            columns.append(vector)
    return np.ascontiguousarray(np.array(columns).T)


def _combined_in_pairs(matrix: IntArray) -> IntArray:
    """Return columns of which no one becomes sparser by a multiple of another."""
    columns = [_primitive(column) for column in matrix.T]
    improved = True
    while improved:
        improved = False
        for i, j in np.ndindex(len(columns), len(columns)):
            if i == j:
                continue
            ours, other = columns[i], columns[j]
            both = np.flatnonzero((ours != 0) & (other != 0))
            ratios = {Fraction(int(ours[r]), int(other[r])) for r in both.tolist()}
            for ratio in sorted(ratios):
                candidate = _primitive(ratio.denominator * ours - ratio.numerator * other)
                if np.count_nonzero(candidate) < np.count_nonzero(columns[i]):
                    columns[i], improved = candidate, True
    return np.ascontiguousarray(np.array(columns).T)


def _primitive(vector: IntArray) -> IntArray:
    """Return a vector without a common factor, its first nonzero entry positive."""
    first = vector[np.flatnonzero(vector)[0]]
    return np.asarray(vector // (np.gcd.reduce(vector) * np.sign(first)))
