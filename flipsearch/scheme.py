"""Scheme: the immutable value everything passes around.

A scheme of rank R for a format is R terms (1/d_r) u_r (x) v_r (x) w_r with integer vectors u, v, w
and positive integer denominators d, whose sum is the format's target tensor. Over F2, F3, ZT and
Z every denominator is 1; a rational scheme keeps its fractions in d, so that all arithmetic stays
in integers.

Invariant: a `Scheme` is well-formed (shapes, ring, no entry beyond `LARGEST_COEFFICIENT`) but not
necessarily *valid*: whether its terms do sum to the target is what `flipsearch.verify` proves.
Its arrays are read-only, and its content hash depends only on the set of its terms: not on their
order, not on how signs and scalars are spread over the three factors of a term, not on the
process, platform or version.
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
    # before the conversion, in which unsigned integers would wrap around
    if max(int(array.max(initial=0)), -int(array.min(initial=0))) >= LARGEST_COEFFICIENT:
        raise FormatError(f"{name} holds a coefficient of 2^62 or more in absolute value")
    array = array.astype(np.int64)
    array.flags.writeable = False
    return array


@dataclass(frozen=True, eq=False)
class Scheme:
    """A bilinear scheme, exact.

    Parameters
    ----------
    format : Format
        What it computes.
    ring : Ring
        Where its coefficients lie.
    u, v, w : integer arrays, shapes (R, dU), (R, dV), (R, dW)
        Factors, a row a term; the third in the trilinear convention (output transposed).
    denominators : integer array, shape (R,), optional
        Positive; term r is divided by ``denominators[r]``. All 1 unless the ring is Q.

    Raises
    ------
    FormatError
        Shapes, ring or size of the coefficients do not fit.
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
        """R, the number of products."""
        return len(self.u)

    @property
    def factors(self) -> tuple[IntArray, IntArray, IntArray]:
        """(U, V, W)."""
        return self.u, self.v, self.w

    @property
    def nonzeros(self) -> int:
        """Nonzero coefficients in all three factors."""
        return sum(int(np.count_nonzero(matrix)) for matrix in self.factors)

    @property
    def additions(self) -> int:
        """Additions of the scheme as written, without sharing: nonzeros - 2R - outputs."""
        u, v, w = self.factors
        return (
            int(np.count_nonzero(u) + np.count_nonzero(v) - 2 * self.rank)
            + int(np.count_nonzero(w))
            - int((w != 0).any(axis=0).sum())
        )

    @property
    def omega(self) -> float:
        """3 log R / log(nmp): the exponent that recursion on this scheme gives.

        For a structured format nmp is its naive rank, so the figure is a comparison, not an
        exponent.
        """
        return 3 * math.log(self.rank) / math.log(max(2, self.format.naive_rank))

    @cached_property
    def canonical(self) -> Scheme:
        """The same terms in normal form, sorted.

        Over F2 the rows as they are. Over F3, ZT and Z the first nonzero entry of u and of v is
        positive and the sign sits in w; over Z and Q, u and v are primitive as well and the
        content sits in w, reduced against the denominator.
        """
        u, v, w = (matrix.copy() for matrix in self.factors)
        denominators = self.denominators.copy()
        if self.ring is not Ring.F2:
            if self.ring in (Ring.Z, Ring.Q):
                for matrix in (u, v):
                    content = np.maximum(np.gcd.reduce(matrix, axis=1), 1)
                    matrix //= content[:, None]
                    w = _scaled(w, content)
                common = np.gcd(np.gcd.reduce(w, axis=1), denominators)
                w //= common[:, None]
                denominators //= common
            for matrix in (u, v):
                sign = _leading_sign(matrix)
                matrix *= sign[:, None]
                w *= sign[:, None]
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
        """The smallest ring that holds the canonical coefficients: ZT, Z or Q (or F2, F3)."""
        if self.ring.characteristic:
            return self.ring
        form = self.canonical
        if (form.denominators != 1).any():
            return Ring.Q
        return Ring.ZT if all(Ring.ZT.contains(matrix) for matrix in form.factors) else Ring.Z

    def over(self, ring: Ring) -> Scheme:
        """Return the scheme over another ring, coefficients mapped exactly.

        From characteristic 0 to F2 or F3 coefficients are reduced, and terms that vanish are left
        out; among ZT, Z and Q coefficients are kept.

        Raises
        ------
        FormatError
            There is no exact map (a denominator divisible by the characteristic, coefficients
            outside ZT, or from a finite field to anything else).
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
    """Return the scheme with one product for each product of entries that counts over the ring."""
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
        What it computes.
    u, v, w : sequences of R rows of `int` or `fractions.Fraction`
        The factors.

    Raises
    ------
    FormatError
        Shapes do not fit, or a coefficient is beyond 2^62 on a common denominator.
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
    """Return the terms as text: ``1,0,-1;0,1,0;1,0,1;1`` is u, v, w and the denominator."""
    columns = [*form.factors, form.denominators[:, None]]
    rows = np.concatenate(columns, axis=1)
    if np.abs(rows).max(initial=0) >= 10:
        lists = zip(*(matrix.tolist() for matrix in columns), strict=True)
        text = "".join(";".join(str(row)[1:-1] for row in term) + "\n" for term in lists)
        return text.replace(" ", "").encode()
    # an entry is a sign, dropped where there is none, a digit, and what separates it
    entries = np.full((*rows.shape, 3), ord(","), dtype=np.uint8)
    entries[..., 0] = ord("-")
    entries[..., 1] = np.abs(rows) + ord("0")
    entries[:, np.cumsum([matrix.shape[1] for matrix in columns[:3]]) - 1, 2] = ord(";")
    entries[:, -1, 2] = ord("\n")
    kept = np.ones(entries.shape, dtype=bool)
    kept[..., 0] = rows < 0
    return entries[kept].tobytes()


def _leading_sign(matrix: IntArray) -> IntArray:
    """Return the sign (+1, -1; +1 for zero rows) of each row's first nonzero entry."""
    if not matrix.size:
        return np.ones(len(matrix), dtype=np.int64)
    first = (matrix != 0).argmax(axis=1)
    return np.where(matrix[np.arange(len(matrix)), first] < 0, -1, 1)


def _scaled(matrix: IntArray, factors: IntArray) -> IntArray:
    largest = np.abs(matrix).max(axis=1, initial=0).tolist()
    if any(x * y >= LARGEST_COEFFICIENT for x, y in zip(largest, factors.tolist(), strict=True)):
        raise FormatError("normalising the scheme needs a coefficient of 2^62 or more")
    return matrix * factors[:, None]
