"""Move an exact scheme along its orbit to one with a smaller growth factor.

`flipsearch.kernels.orbits` gives real P, Q, R. Each is a product of a unit lower triangular, a
diagonal, a unit upper triangular matrix and a permutation, after a signed permutation that changes
no growth factor. The entries of the triangles and the diagonal are rounded to small rationals.
Powers of two on the diagonal keep all denominators powers of two. Then entries step to other small
rationals as long as the growth factor falls, or the nonzeros at the same growth factor.

Invariant: every scheme returned is proved, and has the format and rank of the first.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import count

import numpy as np
import numpy.typing as npt
from scipy.linalg import lu

from flipsearch.errors import FormatError, UsageError
from flipsearch.formats import MatrixProduct
from flipsearch.kernels.orbits import Floats, Orbit, growth_at
from flipsearch.kernels.stability import growth
from flipsearch.numerical.sparsening import is_inside
from flipsearch.scheme import Scheme
from flipsearch.transform.sandwich import sandwich
from flipsearch.verify import verify

KINDS = ("2", "max")
AIMS = ("ZT", "Z", "halves", "Q")
LARGEST = 2**31
"""Coefficients and denominators stay below it, as kernels need."""
MOST = 64
"""Largest denominator of an entry."""
LOWER, DIAGONAL, UPPER = range(3)
Place = tuple[int, int, int, int]
"""A free entry: the matrix (P, Q or R), its factor, row and column."""


def cost(scheme: Scheme, kind: str, toward: str) -> tuple[bool, float, int]:
    """Return whether a scheme is outside the aim, its growth factor, and its nonzeros.

    The growth factor is gamma2 (`kind` ``2``) or emax (``max``), rounded to 9 digits. The aim is
    ``Q``, which everything is inside, or one of `flipsearch.numerical.sparsening.is_inside`.
    """
    factors = growth(scheme)
    value = factors.gamma2 if kind == "2" else factors.emax
    outside = toward != "Q" and not is_inside(scheme, toward)
    return outside, float(f"{value:.9g}"), scheme.canonical.nonzeros


def least_gamma2(scheme: Scheme) -> float:
    """Return the least gamma2 of the real schemes on the orbit of a general product's scheme."""
    orbit = Orbit.of(scheme)
    return growth_at("2", orbit.at(orbit.least("2")))


def stabler_schemes(
    scheme: Scheme, kind: str = "2", toward: str = "halves", denominators: int = 8, seed: int = 0
) -> Iterator[Scheme]:
    """Yield the best scheme so far, by `cost`, after each attempt.

    Parameters
    ----------
    scheme : Scheme
        Of a general product, in characteristic 0.
    kind, toward : str
        See `cost`.
    denominators : int
        Largest denominator of an entry of the triangles, and with the aim ``Q`` of the diagonals.
        Attempts take it, its half, its quarter and so on, in turn.
    seed : int

    Raises
    ------
    UsageError
        The scheme is over a finite field, or of another format, or the largest denominator is not
        from 1 to `MOST`.
    """
    form = scheme.format
    general = isinstance(form, MatrixProduct) and form.is_general and not form.corner
    if not general or scheme.ring.characteristic:
        raise UsageError(
            f"cannot stabilise {form} over {scheme.ring}: give a scheme over ZT, Z or Q of a "
            "general product"
        )
    if not 1 <= denominators <= MOST:
        raise UsageError(f"the largest denominator is {denominators}: choose one from 1 to {MOST}")
    orbit, best = Orbit.of(scheme), scheme
    least = orbit.least(kind)
    for number in count():
        generator = np.random.default_rng((seed, number)) if number else None
        if generator is not None and kind == "max":
            least = orbit.least(kind, [_orthogonal(side, generator) for side in orbit.sides])
        # coarser grids lead to other local minima, and to smaller coefficients
        grid = Grid(toward, denominators >> number % denominators.bit_length())
        found = _moved(scheme, Rounding(orbit, kind, grid, least, generator).maps())
        if found is not None and cost(found, kind, toward) < cost(best, kind, toward):
            verify(found)
            best = found
        yield best


def _orthogonal(side: int, generator: np.random.Generator) -> Floats:
    """Return a random orthogonal matrix."""
    return np.asarray(np.linalg.qr(generator.standard_normal((side, side)))[0])


def _moved(scheme: Scheme, maps: Sequence[list[list[Fraction]]]) -> Scheme | None:
    """Return the scheme after a change of basis; None if a coefficient is too large."""
    try:
        found = sandwich(scheme, *maps).canonical
    except FormatError:
        return None
    parts = (*found.factors, found.denominators)
    largest = max(int(np.abs(part).max(initial=0)) for part in parts)
    return found if largest < LARGEST else None


@dataclass(frozen=True)
class Grid:
    """The rationals to which free entries are rounded, for an aim and a largest denominator."""

    toward: str
    largest: int

    @property
    def denominators(self) -> list[int]:
        """The denominators of entries off the diagonal."""
        if self.toward == "Q":
            return list(range(1, self.largest + 1))
        largest = self.largest if self.toward == "halves" else 1
        return [2**k for k in range(largest.bit_length())]

    def near(self, number: float, factor: int) -> Fraction:
        """Return the rational nearest to a number; positive on the diagonal."""
        if factor == DIAGONAL and self.toward != "Q":
            exponent = round(math.log2(number)) if self.toward == "halves" else 0
            return Fraction(2) ** exponent
        found = (Fraction(round(number * k), k) for k in self.denominators)
        nearest = min(found, key=lambda each: abs(each - Fraction(number)))
        return max(nearest, Fraction(1, self.largest)) if factor == DIAGONAL else nearest

    def steps(self, at: Fraction, number: float, factor: int) -> set[Fraction]:
        """Return the rationals that an entry at one may step to; `number` is its real value."""
        if factor == DIAGONAL and self.toward != "Q":
            return {at * 2, at / 2} if self.toward == "halves" else set()
        steps = {Fraction(round(number * k), k) for k in self.denominators}
        for k in self.denominators:
            steps |= {(at + Fraction(s, k)).limit_denominator(self.largest) for s in (1, -1)}
        return {x for x in steps if x > 0} if factor == DIAGONAL else {*steps, Fraction(0)}


class Rounding:
    """Rational P, Q and R near real ones, as products of triangles, diagonals and permutations.

    `generator` draws the order of columns in which a matrix is factorised and the entry of the
    diagonal that becomes 1; without one the columns stay, and it is the first.
    """

    def __init__(
        self,
        orbit: Orbit,
        kind: str,
        grid: Grid,
        maps: Sequence[Floats],
        generator: np.random.Generator | None = None,
    ) -> None:
        self._orbit, self._kind = orbit, kind
        self._permutations: list[npt.NDArray[np.int64]] = []
        self._factors: list[list[Floats]] = []
        self._exact: dict[Place, Fraction] = {}
        for matrix in maps:
            side = len(matrix)
            order, first = np.arange(side), 0
            if generator is not None:
                order, first = generator.permutation(side), int(generator.integers(side))
            if kind == "2":  # an orthogonal matrix in front changes no 2-norm
                lower, upper = np.eye(side), np.linalg.qr(matrix[:, order])[1]
            else:
                _, lower, upper = lu(matrix[:, order])
            diagonal = np.diag(upper)
            signs = np.sign(diagonal)
            self._permutations.append(np.eye(side, dtype=np.int64)[order])
            self._factors.append(
                [
                    lower * signs * signs[:, None],
                    np.diag(np.abs(diagonal) / abs(diagonal[first])),
                    upper / diagonal[:, None],
                ]
            )
        self._round(grid)

    def _round(self, grid: Grid) -> None:
        """Round all free entries, then step while that lowers growth factor or nonzeros."""
        numbers: dict[Place, float] = {}
        for k, factors in enumerate(self._factors):
            for i, j in np.ndindex(*factors[LOWER].shape):
                factor = LOWER if i > j else UPPER if i < j else DIAGONAL
                numbers[k, factor, i, j] = float(factors[factor][i, j])
        for place, number in numbers.items():
            self._set(place, grid.near(number, place[1]))
        best, improved = self._cost(), True
        while improved:
            improved = False
            for place, number in numbers.items():
                at = self._exact[place]
                for step in sorted(grid.steps(at, number, place[1]) - {at}):
                    self._set(place, step)
                    if (there := self._cost()) < best:
                        best, at, improved = there, step, True
                self._set(place, at)

    def _set(self, place: Place, value: Fraction) -> None:
        k, factor, i, j = place
        self._exact[place] = value
        self._factors[k][factor][i, j] = float(value)

    def _cost(self) -> tuple[float, int]:
        """Return the growth factor to 9 digits, and the number of nonzeros."""
        stacks = self._orbit.at(
            [
                lower @ diagonal @ upper @ permutation
                for (lower, diagonal, upper), permutation in zip(
                    self._factors, self._permutations, strict=True
                )
            ]
        )
        nonzeros = sum(int(np.count_nonzero(np.abs(stack) > 1e-9)) for stack in stacks)
        return float(f"{growth_at(self._kind, stacks):.9g}"), nonzeros

    def maps(self) -> list[list[list[Fraction]]]:
        """Return P, Q and R."""
        found = []
        for k, permutation in enumerate(self._permutations):
            factors = [np.eye(len(permutation), dtype=np.int64).astype(object) for _ in range(3)]
            for (matrix, factor, i, j), value in self._exact.items():
                if matrix == k:
                    factors[factor][i, j] = value
            product = factors[LOWER] @ factors[DIAGONAL] @ factors[UPPER]
            found.append((product @ permutation.astype(object)).tolist())
        return found
