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
import html
import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from flipsearch.errors import FormatError, UsageError
from flipsearch.formats import Format
from flipsearch.formats.named import format_of
from flipsearch.formats.written import written
from flipsearch.normal import (
    LARGEST_COEFFICIENT,
    lines_of,
    narrow,
    normal_rows,
    scaled,
    sorting_order,
)
from flipsearch.rings import IntArray, Ring, parse_ring

_BLOCK = 1 << 10
MOST_SHOWN = 64
"""Products and outputs that a notebook shows of a scheme."""


def _frozen(matrix: npt.ArrayLike, name: str) -> IntArray:
    try:
        array = np.asarray(matrix)
    except ValueError:
        raise FormatError(f"{name} has rows of different lengths") from None
    if array.size and array.dtype.kind not in "iub":
        raise FormatError(f"{name} holds entries that are not 64-bit integers")
    # checked before the conversion, which would wrap unsigned integers
    if max(int(array.max(initial=0)), -int(array.min(initial=0))) >= LARGEST_COEFFICIENT:
        raise FormatError(f"{name} holds a coefficient of 2^62 or more in absolute value")
    if array.dtype == np.int64 and _is_fixed(array):
        return array
    array = array.astype(np.int64)
    array.flags.writeable = False
    return array


def _is_fixed(array: npt.NDArray[Any]) -> bool:
    """Return whether an array, like those of another scheme, can no longer change."""
    whole = array if array.base is None else array.base
    return isinstance(whole, np.ndarray) and not (array.flags.writeable or whole.flags.writeable)


@dataclass(frozen=True, eq=False, init=False)
class Scheme:
    """An exact bilinear scheme.

    Parameters
    ----------
    format : Format or str
        The bilinear map to compute.
    ring : Ring or str
        The ring of the coefficients.
    u, v, w : integer arrays, shapes (R, dU), (R, dV), (R, dW)
        The factors; row r belongs to term r. W holds the output transposed (trilinear convention).
    denominators : integer array, shape (R,), optional
        Positive; term r is divided by ``denominators[r]``. All are 1 unless the ring is Q.

    Raises
    ------
    FormatError
        A shape does not fit the format, or a coefficient is outside the ring or too large.

    Examples
    --------
    >>> dot = Scheme("1x2x1", "ZT", u=[[1, 0], [0, 1]], v=[[1, 0], [0, 1]], w=[[1], [1]])
    >>> dot.rank, dot.products(), dot.outputs()
    (2, [('m1', 'a11 b11'), ('m2', 'a12 b21')], [('c11', 'm1 + m2')])
    """

    format: Format
    ring: Ring
    u: IntArray
    v: IntArray
    w: IntArray
    denominators: IntArray

    def __init__(
        self,
        format: Format | str,
        ring: Ring | str,
        u: npt.ArrayLike,
        v: npt.ArrayLike,
        w: npt.ArrayLike,
        denominators: npt.ArrayLike | None = None,
    ) -> None:
        format, ring = format_of(format), parse_ring(ring)
        factors = [_frozen(matrix, name) for name, matrix in (("U", u), ("V", v), ("W", w))]
        rank = len(factors[0])
        for name, matrix, dimension in zip("UVW", factors, format.dimensions, strict=True):
            if matrix.shape != (rank, dimension) and not (rank == 0 and matrix.size == 0):
                raise FormatError(
                    f"{name} has shape {matrix.shape}; {format} at rank {rank} needs "
                    f"{(rank, dimension)}"
                )
            if not ring.contains(matrix):
                raise FormatError(f"{name} has coefficients outside {ring}")
        below = _frozen(
            np.ones(rank, np.int64) if denominators is None else denominators, "denominators"
        )
        if below.shape != (rank,) or (below < 1).any():
            raise FormatError("denominators must be one positive integer a term")
        if ring is not Ring.Q and (below != 1).any():
            raise FormatError(f"a scheme over {ring} has no denominators")
        shaped = (m.reshape(rank, d) for m, d in zip(factors, format.dimensions, strict=True))
        for name, value in zip(
            ("format", "ring", "u", "v", "w", "denominators"),
            (format, ring, *shaped, below),
            strict=True,
        ):
            object.__setattr__(self, name, value)

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

    @property
    def growth(self) -> float | None:
        """The growth factor max_k sum_r |u_r|_1 |v_r|_1 |w_rk| / d_r; None over a finite field.

        It bounds the amplification of rounding errors in one step of the scheme (Bini and Lotti
        1980, "Stability of fast algorithms for matrix multiplication").
        """
        if self.ring.characteristic:
            return None
        u, v, w = (np.abs(matrix).astype(np.float64) for matrix in self.factors)
        weights = u.sum(axis=1) * v.sum(axis=1) / self.denominators
        return float((weights @ w).max(initial=0.0))

    @property
    def bad_characteristics(self) -> int:
        """The product of the primes 2 and 3 that divide a denominator: 1, 2, 3 or 6."""
        return math.prod(p for p in (2, 3) if (self.denominators % p == 0).any())

    @property
    def greatest_denominator(self) -> int:
        """The greatest denominator of a term with coprime integers in u and in v."""
        return int(self.canonical.denominators.max(initial=1))

    @property
    def canonical(self) -> Scheme:
        """The same terms in normal form, sorted.

        The vectors u and v are in the normal form of `normal_rows`; w takes their scalars. Over Q
        w and the denominator have no common factor.
        """
        return self._canonical or self

    @cached_property
    def _canonical(self) -> Scheme | None:
        """The canonical form, or None if this scheme has it: a cycle would keep its arrays."""
        (left, u), (right, v) = (normal_rows(narrow(m), self.ring) for m in (self.u, self.v))
        w, denominators = narrow(self.w), self.denominators
        if self.ring is not Ring.F2:
            for scalars in (left, right):
                w = scaled(w, np.where(scalars == 0, 1, scalars))
        if self.ring is Ring.Q:
            common = np.gcd(np.gcd.reduce(w, axis=1), denominators)
            w, denominators = w // common[:, None], denominators // common
        order = sorting_order([u, v, w, denominators[:, None]])
        form = Scheme(self.format, self.ring, u[order], v[order], w[order], denominators[order])
        form.__dict__["_canonical"] = None
        return form

    @cached_property
    def content_hash(self) -> str:
        """SHA-256 (64 hex digits) of format, characteristic and the canonical terms."""
        form = self.canonical
        columns = [narrow(part) for part in (*form.factors, form.denominators[:, None])]
        wide = max(int(part.max(initial=0)) for part in map(np.abs, columns)) >= 10
        head = f"flipsearch scheme 1\n{self.format}\n{self.ring.characteristic}\n"
        digest = hashlib.sha256(head.encode())
        for start in range(0, form.rank, _BLOCK):
            digest.update(lines_of([part[start : start + _BLOCK] for part in columns], wide))
        return digest.hexdigest()

    @property
    def natural_ring(self) -> Ring:
        """The smallest of ZT, Z and Q that holds the canonical coefficients; else F2 or F3."""
        if self.ring.characteristic:
            return self.ring
        if (self.denominators == 1).all() and all(map(Ring.ZT.contains, self.factors)):
            return Ring.ZT
        form = self.canonical
        if (form.denominators != 1).any():
            return Ring.Q
        return Ring.ZT if all(Ring.ZT.contains(matrix) for matrix in form.factors) else Ring.Z

    def over(self, ring: Ring | str) -> Scheme:
        """Map the coefficients to another ring exactly.

        From characteristic 0 to F2 or F3 coefficients are reduced, and terms that vanish are
        dropped. Among ZT, Z and Q coefficients stay the same.

        Raises
        ------
        FormatError
            No exact map exists: the characteristic divides a denominator, a coefficient is
            outside ZT, or the scheme is over F2 or F3.
        """
        ring = parse_ring(ring)
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

    def products(self) -> list[tuple[str, str]]:
        """Return a pair (``m1``, ``(a11 + a22) (b11 + b22)``) for each term, in order."""
        names = [
            [self.format.variable(slot, index) for index in range(dimension)]
            for slot, dimension in enumerate(self.format.dimensions[:2])
        ]
        lines = []
        for number, rows in enumerate(zip(self.u, self.v, strict=True), start=1):
            sums = [
                written({name[k]: int(row[k]) for k in np.flatnonzero(row)})
                for name, row in zip(names, rows, strict=True)
            ]
            text = " ".join(f"({each})" if " " in each else each for each in sums)
            lines.append((f"m{number}", text))
        return lines

    def outputs(self) -> list[tuple[str, str]]:
        """Return a pair (``c11``, ``m1 + m4 - m5 + m7``) for each output entry, sorted by name.

        ``c21`` is C[2, 1], although W holds C transposed.
        """
        below, lines = self.denominators.tolist(), []
        for index in range(self.format.dimensions[2]):
            column = self.w[:, index]
            terms = {
                f"m{r + 1}": Fraction(int(column[r]), below[r]) for r in np.flatnonzero(column)
            }
            lines.append((self.format.variable(2, index), written(terms)))
        return sorted(lines, key=lambda line: (len(line[0]), line[0]))

    def _repr_html_(self) -> str:
        """Return the products and outputs for a notebook; large schemes are cut short."""
        title = f"{self.format} of rank {self.rank} over {self.ring}"
        columns = []
        for lines in (self.products(), self.outputs()):
            shown = [f"{name} = {text}" for name, text in lines[:MOST_SHOWN]]
            if len(lines) > MOST_SHOWN:
                shown.append(f"... and {len(lines) - MOST_SHOWN} more")
            cell = "<br>".join(html.escape(line) for line in shown)
            columns.append(f'<td style="text-align: left; vertical-align: top">{cell}</td>')
        head = html.escape(f"{title}, {self.content_hash[:12]}")
        return f"<table><caption>{head}</caption><tr>{''.join(columns)}</tr></table>"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Scheme) and self.content_hash == other.content_hash

    def __hash__(self) -> int:
        return hash(self.content_hash)

    def __repr__(self) -> str:
        return f"<Scheme {self.format}:{self.rank} over {self.ring} {self.content_hash[:12]}>"


def naive_scheme(format: Format | str, ring: Ring | str) -> Scheme:
    """Return the scheme with one product for each nonzero term of the target over the ring.

    Raises
    ------
    UsageError
        The ring is ZT, and the format has an entry other than -1, 0 and 1.

    Examples
    --------
    >>> naive_scheme("2x2x2", "ZT").rank
    8
    """
    format, ring = format_of(format), parse_ring(ring)
    terms = format.naive_terms
    if ring is Ring.ZT and (large := np.abs(terms[:, 3]).max(initial=0)) > 1:
        raise UsageError(
            f"{format} has the value {large}, and ZT only -1, 0 and 1: search over F3 or F2, "
            "whose schemes lift to Z or Q"
        )
    u, v, w = (
        np.zeros((len(terms), dimension), dtype=np.int64) for dimension in format.dimensions
    )
    rows = np.arange(len(terms))
    u[rows, terms[:, 0]] = v[rows, terms[:, 1]] = 1
    w[rows, terms[:, 2]] = ring.balanced(terms[:, 3])
    alive = w.any(axis=1)
    return Scheme(format, ring, u[alive], v[alive], w[alive])


def rational_scheme(
    format_: Format, u: Sequence[Any], v: Sequence[Any], w: Sequence[Any]
) -> Scheme:
    """Return the scheme with the given rational factors, over its natural ring.

    U, V and W are sequences of R rows of `int` or `fractions.Fraction`. Raises `FormatError` if
    shapes do not fit, or a coefficient on the common denominator of its row is 2^62 or more.
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
