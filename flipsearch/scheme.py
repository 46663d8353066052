"""Hold one bilinear scheme as an immutable value.

A scheme of rank R for a format has R terms (1/d_r) u_r (x) v_r (x) w_r that sum to the format's
target tensor. The vectors u, v, w and the positive denominators d are integers. Over F2, F3, ZT
and Z every denominator is 1; over Q the fractions lie in d. All arithmetic is therefore done in
integers.

Invariant: a `Scheme` is well-formed: shapes and ring fit, and no entry reaches
`LARGEST_COEFFICIENT`. It need not be *valid*; `flipsearch.verify` proves that its terms sum to the
target. Its arrays are read-only. Its content hash depends only on the set of its terms. It does
not depend on their order, on the spread of signs and scalars over the factors of a term, or on
the process, platform or version.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from flipsearch.errors import FormatError
from flipsearch.formats import Format
from flipsearch.rings import IntArray, Ring

LARGEST_COEFFICIENT = 2**62


def _frozen(matrix: npt.ArrayLike, name: str) -> IntArray:
    try:
        array = np.array(matrix)
    except ValueError:
        raise FormatError(f"{name} has rows of different lengths") from None
    if array.size and array.dtype.kind not in "iub":
        raise FormatError(f"{name} holds entries that are not 64-bit integers")
    # checked before the conversion, which would wrap unsigned integers
    if max(int(array.max(initial=0)), -int(array.min(initial=0))) >= LARGEST_COEFFICIENT:
        raise FormatError(f"{name} holds a coefficient of 2^62 or more in absolute value")
    array = array.astype(np.int64)
    array.flags.writeable = False
    return array


@dataclass(frozen=True, eq=False)
class Scheme:
    """An exact bilinear scheme.

    Parameters
    ----------
    format : Format
        The bilinear map to compute.
    ring : Ring
        The ring of the coefficients.
    u, v, w : integer arrays, shapes (R, dU), (R, dV), (R, dW)
        The factors; row r belongs to term r. W holds the output transposed (trilinear convention).
    denominators : integer array, shape (R,), optional
        Positive; term r is divided by ``denominators[r]``. All are 1 unless the ring is Q.

    Raises
    ------
    FormatError
        A shape does not fit the format, or a coefficient is outside the ring or too large.
    """

    format: Format
    ring: Ring
    u: IntArray
    v: IntArray
    w: IntArray
    denominators: IntArray = field(default=None)  # type: ignore[arg-type]

    def __post_init__(self) -> None:
        set_ = object.__setattr__
        rank = len(self.u)
        for name, dimension in zip("uvw", self.format.dimensions, strict=True):
            matrix = _frozen(getattr(self, name), name.upper())
            if matrix.shape != (rank, dimension) and not (rank == 0 and matrix.size == 0):
                raise FormatError(
                    f"{name.upper()} has shape {matrix.shape}; {self.format} at rank {rank} needs "
                    f"{(rank, dimension)}"
                )
            matrix = matrix.reshape(rank, dimension)
            if not self.ring.contains(matrix):
                raise FormatError(f"{name.upper()} has coefficients outside {self.ring}")
            set_(self, name, matrix)
        given = np.ones(rank, np.int64) if self.denominators is None else self.denominators
        denominators = _frozen(given, "denominators")
        if denominators.shape != (rank,) or (denominators < 1).any():
            raise FormatError("denominators must be one positive integer a term")
        if self.ring is not Ring.Q and (denominators != 1).any():
            raise FormatError(f"a scheme over {self.ring} has no denominators")
        set_(self, "denominators", denominators)

    @property
    def rank(self) -> int:
        """The number R of products."""
        return len(self.u)

    @property
    def factors(self) -> tuple[IntArray, IntArray, IntArray]:
        """The factors (U, V, W)."""
        return self.u, self.v, self.w

    @property
    def nonzeros(self) -> int:
        """The number of nonzero coefficients in all three factors."""
        return sum(int(np.count_nonzero(matrix)) for matrix in self.factors)

    @property
    def additions(self) -> int:
        """The number of additions without shared sums: nonzeros - 2R - outputs."""
        return self.nonzeros - 2 * self.rank - int(self.w.any(axis=0).sum())

    @property
    def omega(self) -> float:
        """The exponent of recursion on this scheme, 3 log R / log(nmp).

        For a structured format nmp is its naive rank. The figure then serves comparisons only.
        """
        return 3 * math.log(self.rank) / math.log(max(2, self.format.naive_rank))

    @cached_property
    def canonical(self) -> Scheme:
        """The same terms in normal form, sorted.

        The vectors u and v are in the normal form of `normal_rows`; w takes their scalars. Over Q
        w and the denominator have no common factor.
        """
        (left, u), (right, v) = (normal_rows(matrix, self.ring) for matrix in (self.u, self.v))
        w, denominators = self.w, self.denominators
        if self.ring is not Ring.F2:
            for scalars in (left, right):
                w = _scaled(w, np.where(scalars == 0, 1, scalars))
            common = np.gcd(np.gcd.reduce(w, axis=1), denominators)
            w, denominators = w // common[:, None], denominators // common
        rows = np.concatenate([u, v, w, denominators[:, None]], axis=1)
        order = np.lexsort(rows.T[::-1]) if self.rank else np.arange(0)
        return Scheme(self.format, self.ring, u[order], v[order], w[order], denominators[order])

    @cached_property
    def content_hash(self) -> str:
        """SHA-256 (64 hex digits) of format, characteristic and the canonical terms."""
        head = f"flipsearch scheme 1\n{self.format}\n{self.ring.characteristic}\n"
        return hashlib.sha256(head.encode() + _lines(self.canonical)).hexdigest()

    @property
    def natural_ring(self) -> Ring:
        """The smallest of ZT, Z and Q that holds the canonical coefficients; else F2 or F3."""
        if self.ring.characteristic:
            return self.ring
        form = self.canonical
        if (form.denominators != 1).any():
            return Ring.Q
        return Ring.ZT if all(Ring.ZT.contains(matrix) for matrix in form.factors) else Ring.Z

    def over(self, ring: Ring) -> Scheme:
        """Map the coefficients to another ring exactly.

        From characteristic 0 to F2 or F3 coefficients are reduced, and terms that vanish are
        dropped. Among ZT, Z and Q coefficients stay the same.

        Raises
        ------
        FormatError
            No exact map exists: the characteristic divides a denominator, a coefficient is
            outside ZT, or the scheme is over F2 or F3.
        """
        if ring is self.ring:
            return self
        if self.ring.characteristic:
            raise FormatError(f"a scheme over {self.ring} must be lifted to be over {ring}")
        form = self.canonical if (self.denominators != 1).any() else self
        p = ring.characteristic
        if not p:
            if ring is not Ring.Q and (form.denominators != 1).any():
                raise FormatError(f"a scheme with denominators is not over {ring}")
            return Scheme(form.format, ring, *form.factors, form.denominators)
        if (form.denominators % p == 0).any():
            raise FormatError(
                f"a denominator is divisible by {p}: the scheme has no image mod {p}"
            )
        inverse = np.array([pow(int(d), -1, p) for d in form.denominators], dtype=np.int64)
        w = (form.w % p) * inverse[:, None]
        u, v, w = (ring.balanced(matrix % p) for matrix in (form.u, form.v, w))
        alive = u.any(axis=1) & v.any(axis=1) & w.any(axis=1)
        return Scheme(form.format, ring, u[alive], v[alive], w[alive])

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Scheme) and self.content_hash == other.content_hash

    def __hash__(self) -> int:
        return hash(self.content_hash)

    def __repr__(self) -> str:
        return f"<Scheme {self.format}:{self.rank} over {self.ring} {self.content_hash[:12]}>"


def naive_scheme(format_: Format, ring: Ring) -> Scheme:
    """Return the scheme with one product for each nonzero term of the target over the ring."""
    terms = format_.naive_terms
    u, v, w = (
        np.zeros((len(terms), dimension), dtype=np.int64) for dimension in format_.dimensions
    )
    rows = np.arange(len(terms))
    u[rows, terms[:, 0]] = v[rows, terms[:, 1]] = 1
    w[rows, terms[:, 2]] = ring.balanced(terms[:, 3])
    alive = w.any(axis=1)
    return Scheme(format_, ring, u[alive], v[alive], w[alive])


def rational_scheme(
    format_: Format, u: Sequence[Any], v: Sequence[Any], w: Sequence[Any]
) -> Scheme:
    """Return the scheme with the given rational factors, over its natural ring.

    Parameters
    ----------
    format_ : Format
        The bilinear map to compute.
    u, v, w : sequences of R rows of `int` or `fractions.Fraction`
        The factors.

    Raises
    ------
    FormatError
        Shapes do not fit, or a coefficient on the common denominator of its row is 2^62 or more.
    """
    if not len(u) == len(v) == len(w):
        raise FormatError("U, V and W have different numbers of rows")
    rows: tuple[list[list[int]], ...] = ([], [], [])
    denominators = []
    for term in zip(u, v, w, strict=True):
        product = 1
        for into, row in zip(rows, term, strict=True):
            fractions = [Fraction(entry) for entry in row]
            common = math.lcm(*(entry.denominator for entry in fractions))
            into.append([int(entry * common) for entry in fractions])
            product *= common
        denominators.append(product)
    largest = max((abs(x) for matrix in rows for row in matrix for x in row), default=0)
    if max(largest, *denominators, 1) >= LARGEST_COEFFICIENT:
        raise FormatError("a coefficient or denominator is 2^62 or more in absolute value")
    U, V, W = (_frozen(matrix, name) for matrix, name in zip(rows, "UVW", strict=True))
    scheme = Scheme(format_, Ring.Q, U, V, W, _frozen(denominators, "denominators"))
    return scheme.canonical.over(scheme.natural_ring)


def _lines(form: Scheme) -> bytes:
    """Return the terms as text, a line each; ``1,0,-1;0,1,0;1,0,1;1`` is u, v, w, denominator."""
    columns = [*form.factors, form.denominators[:, None]]
    rows = np.concatenate(columns, axis=1)
    if np.abs(rows).max(initial=0) >= 10:
        lists = zip(*(matrix.tolist() for matrix in columns), strict=True)
        text = "".join(";".join(str(row)[1:-1] for row in term) + "\n" for term in lists)
        return text.replace(" ", "").encode()
    # three bytes an entry: a sign (dropped if positive), a digit, a separator
    entries = np.full((*rows.shape, 3), ord(","), dtype=np.uint8)
    entries[..., 0] = ord("-")
    entries[..., 1] = np.abs(rows) + ord("0")
    entries[:, np.cumsum([matrix.shape[1] for matrix in columns[:3]]) - 1, 2] = ord(";")
    entries[:, -1, 2] = ord("\n")
    kept = np.ones(entries.shape, dtype=bool)
    kept[..., 0] = rows < 0
    return entries[kept].tobytes()


def normal_rows(matrix: IntArray, ring: Ring) -> tuple[IntArray, IntArray]:
    """Return (scalars, normal forms) whose products are the rows of a matrix.

    The first nonzero entry of a normal form is positive; over Z and Q its entries are coprime.
    Two rows span the same line exactly when their normal forms are equal. A zero row has scalar 0.
    """
    if ring is Ring.F2 or not matrix.size:
        return np.asarray(matrix.any(axis=1), dtype=np.int64), matrix
    lead = (matrix != 0).argmax(axis=1)
    scalars: IntArray = np.asarray(np.sign(matrix[np.arange(len(matrix)), lead]))
    if ring in (Ring.Z, Ring.Q):
        scalars = np.asarray(scalars * np.gcd.reduce(matrix, axis=1), dtype=np.int64)
    return scalars, matrix // np.where(scalars == 0, 1, scalars)[:, None]


def _scaled(matrix: IntArray, scalars: IntArray) -> IntArray:
    largest = np.abs(matrix).max(axis=1, initial=0).tolist()
    if any(
        x * abs(y) >= LARGEST_COEFFICIENT for x, y in zip(largest, scalars.tolist(), strict=True)
    ):
        raise FormatError("normalising the scheme needs a coefficient of 2^62 or more")
    return matrix * scalars[:, None]
