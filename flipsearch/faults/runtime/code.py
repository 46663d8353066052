"""Hold products, parity checks and decoders, and find a decoder for the arrived products."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Decoding:
    """Coefficients that combine the arrived products into the blocks of C.

    ``rows[c]`` holds the integer numerators and ``scales[c]`` the denominator of output block c.
    """

    rows: tuple[tuple[int, ...], ...]
    scales: tuple[int, ...]
    growth: float

    @property
    def used(self) -> tuple[int, ...]:
        """The products with a nonzero coefficient."""
        return tuple(r for r in range(len(self.rows[0])) if any(row[r] for row in self.rows))


@dataclass(frozen=True)
class Code:
    """n products of blocks of A and B, with decoders for C.

    A is cut into n x m blocks and B into m x p blocks by `sides` (n, m, p). Rows of `left` and
    `right` are the coefficients of these blocks in each product. `checks` are integer relations
    between the products. `rows` holds for each block of C its decoders (denominator, numerators),
    least growth first. `kmin` is the fewest lost products that can be fatal.
    """

    sides: tuple[int, int, int]
    left: tuple[tuple[int, ...], ...]
    right: tuple[tuple[int, ...], ...]
    checks: tuple[tuple[int, ...], ...]
    rows: tuple[tuple[tuple[int, tuple[int, ...]], ...], ...]
    kmin: int
    _known: dict[Any, Any] = field(default_factory=dict, repr=False, compare=False)

    @property
    def workers(self) -> int:
        """The number of products."""
        return len(self.left)

    @property
    def weights(self) -> list[int]:
        """The weight |u_r|_1 |v_r|_1 of each product."""
        return [
            sum(map(abs, u)) * sum(map(abs, v)) for u, v in zip(self.left, self.right, strict=True)
        ]

    def decoding(self, lost: frozenset[int], room: int | None = None) -> Decoding | None:
        """Return the decoder of least known growth without the lost products, or None.

        For integers `room` is given. A row then counts if its denominator is odd, which allows
        division modulo 2^64, or if sum |D_r| |u_r|_1 |v_r|_1 is below 2^room.
        """
        key = (lost, room)
        if key not in self._known:
            if len(self._known) > 100_000:
                self._known.clear()
            self._known[key] = self._decode(lost, room)
        found: Decoding | None = self._known[key]
        return found

    def _decode(self, lost: frozenset[int], room: int | None) -> Decoding | None:
        weights = self.weights

        def fits(scale: int, row: tuple[int, ...]) -> bool:
            if room is None or scale % 2:
                return True
            return sum(abs(x) * w for x, w in zip(row, weights, strict=True)) < 2**room

        rows, scales, worst = [], [], 0.0
        for book in self.rows:
            for scale, row in book:
                if not any(row[r] for r in lost) and fits(scale, row):
                    break
            else:
                found = self._solve(book[0], lost, weights)
                if found is None or not fits(*found):
                    return None
                scale, row = found
            rows.append(row)
            scales.append(scale)
            growth = sum(abs(x) * w for x, w in zip(row, weights, strict=True)) / scale
            worst = max(worst, growth)
        return Decoding(tuple(rows), tuple(scales), worst)

    def _solve(
        self, start: tuple[int, tuple[int, ...]], lost: frozenset[int], weights: list[int]
    ) -> tuple[int, tuple[int, ...]] | None:
        """Make a row zero at the lost products by adding relations, exactly; reduce its growth.

        The row then becomes a vertex: it is zero at one more product for each relation left. Steps
        from vertex to vertex follow while its weighted 1-norm falls.
        """
        scale, numerators = start
        row = [Fraction(x, scale) for x in numerators]
        free = [[Fraction(x) for x in check] for check in self.checks]
        for r in sorted(lost):
            if row[r] and not any(check[r] for check in free):
                return None
            row, free = _cancel(row, free, r)
        base, zeros = free, []
        while free:
            check, r = _best_step(row, free, weights) or (free[0], _first(free[0]))
            row = _minus(row, check, row[r] / check[r])
            _, free = _cancel(row, free, r)
            zeros.append(r)
        for _ in range(20):
            moved = False
            for i in range(len(zeros)):
                edge = base
                for r in zeros[:i] + zeros[i + 1 :]:
                    _, edge = _cancel(row, edge, r)
                step = _best_step(row, edge[:1], weights, 1 - 1e-9)
                if step is not None:
                    check, r = step
                    row = _minus(row, check, row[r] / check[r])
                    zeros[i], moved = r, True
            if not moved:
                break
        common = math.lcm(*(x.denominator for x in row))
        return common, tuple(int(x * common) for x in row)

    def repair(self, lost: frozenset[int], room: int | None = None) -> tuple[int, ...]:
        """Return a smallest set of lost products whose return makes C decodable."""
        for size in range(len(lost) + 1):
            for chosen in itertools.combinations(sorted(lost), size):
                if self.decoding(lost - frozenset(chosen), room) is not None:
                    return chosen
        raise OverflowError("integers this large cannot be decoded by this code exactly")

    def relations_without(self, products: frozenset[int]) -> list[tuple[int, ...]]:
        """Return a basis, in integers, of the relations without the given products."""
        key = ("relations", products)
        if key not in self._known:
            free = [[Fraction(x) for x in check] for check in self.checks]
            for r in sorted(products):
                _, free = _cancel([Fraction(0)] * self.workers, free, r)
            basis = []
            for check in free:
                common = math.lcm(*(x.denominator for x in check))
                basis.append(tuple(int(x * common) for x in check))
            self._known[key] = basis
        found: list[tuple[int, ...]] = self._known[key]
        return found

    def prove(self) -> None:
        """Check every decoder and relation of this module against the definition, exactly.

        Raises
        ------
        AssertionError
            An identity fails: the file was damaged.
        """
        n, m, p = self.sides
        left = np.array(self.left, dtype=object)
        right = np.array(self.right, dtype=object)
        forms = (left[:, :, None] * right[:, None, :]).reshape(self.workers, -1)
        for check in self.checks:
            if np.array(check, dtype=object).dot(forms).any():
                raise AssertionError("a parity check does not hold")
        for c, book in enumerate(self.rows):
            i, k = divmod(c, p)
            target = np.zeros((n * m, m * p), dtype=object)
            for j in range(m):
                target[i * m + j, j * p + k] = 1
            for scale, row in book:
                found = np.array(row, dtype=object).dot(forms)
                if (found != scale * target.ravel()).any():
                    raise AssertionError(f"a decoder of block {i},{k} of C is wrong")


def _minus(row: list[Fraction], other: list[Fraction], factor: Fraction) -> list[Fraction]:
    return [x - factor * y for x, y in zip(row, other, strict=True)] if factor else row


def _first(check: list[Fraction]) -> int:
    return next(r for r, x in enumerate(check) if x)


def _cancel(
    row: list[Fraction], free: list[list[Fraction]], r: int
) -> tuple[list[Fraction], list[list[Fraction]]]:
    """Make the row and all relations zero at r by subtracting one relation, which is used up."""
    pivot = next((check for check in free if check[r]), None)
    if pivot is None:
        return row, free
    rest = [_minus(check, pivot, check[r] / pivot[r]) for check in free if check is not pivot]
    return _minus(row, pivot, row[r] / pivot[r]), rest


def _best_step(
    row: list[Fraction], free: list[list[Fraction]], weights: list[int], below: float = math.inf
) -> tuple[list[Fraction], int] | None:
    """Return the relation, and the entry for it to cancel, that give the least 1-norm.

    Only norms less than `below` times the present one count. The choice is made in floats; the
    caller subtracts in fractions.
    """
    here, scale = np.array(row, dtype=np.float64), np.array(weights, dtype=np.float64)
    best = float(np.abs(here) @ scale) * below if below < math.inf else math.inf
    found = None
    for check in free:
        other = np.array(check, dtype=np.float64)
        places = np.flatnonzero(other)
        steps = here[places] / other[places]
        sizes = np.abs(here - steps[:, None] * other) @ scale
        if len(sizes) and sizes.min() < best:
            best, found = float(sizes.min()), (check, int(places[sizes.argmin()]))
    return found
