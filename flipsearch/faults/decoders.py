"""Find decoders of least growth by linear programming, and make them exact.

The growth of a decoder D is gamma = max over outputs c of sum_r |D_cr| |u_r|_1 |v_r|_1. It bounds
the magnification of the products' rounding errors. The outputs are independent, so each row of D
solves one linear programme: least weighted 1-norm among the rows that vanish at the lost products
and differ from D0 by relations. The support of its vertex is linearly independent, and the row is
then solved exactly on this support.

Invariant: every returned decoder satisfies the Brent equations exactly, because it was verified as
a scheme.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from scipy.optimize import linprog

from flipsearch.algebra import exact
from flipsearch.errors import InvalidSchemeError
from flipsearch.faults.union import FaultTolerantScheme
from flipsearch.rings import IntArray


@dataclass(frozen=True)
class Decoder:
    """Coefficients that combine the arrived products into the outputs.

    Output c is ``rows[c] . products / scales[c]``: `rows`, int64 of shape (dW, n), holds
    numerators, zero at the `lost` products, and `scales`, int64 of shape (dW,), positive
    denominators. `growth` is gamma, the largest factor by which errors of the products can grow.
    """

    lost: tuple[int, ...]
    rows: IntArray
    scales: IntArray
    growth: float


def product_weights(union: FaultTolerantScheme) -> IntArray:
    """Return |u_r|_1 |v_r|_1 of each product; int64, shape (n,)."""
    weights: IntArray = np.abs(union.u).sum(axis=1) * np.abs(union.v).sum(axis=1)
    return weights


def least_growth_row(
    union: FaultTolerantScheme, output: int, lost: Iterable[int] = ()
) -> tuple[IntArray, int] | None:
    """Find the row of least growth for one output, a coordinate of the third factor, exactly.

    Return its numerators, int64 of shape (n,) and zero at the lost products, and a positive
    denominator; None if the output cannot be decoded.
    """
    n = union.workers
    gone = sorted(set(lost))
    checks = union.relations.astype(np.float64)
    weights = product_weights(union).astype(np.float64)
    start, scale = union.decoder[output].astype(np.float64), union._decoder[1][output]
    h = len(checks)
    # variables: multipliers of the relations (free), then positive and negative parts of the row
    equalities = np.concatenate([-checks.T, np.eye(n), -np.eye(n)], axis=1)
    bounds = [(None, None)] * h + [(0, 0 if r in gone else None) for r in range(n)] * 2
    solution = linprog(
        np.concatenate([np.zeros(h), weights, weights]),
        A_eq=equalities,
        b_eq=start / scale,
        bounds=bounds,
        method="highs-ds",
    )
    supports = [np.setdiff1d(np.arange(n), gone)]
    if solution.status == 0:  # otherwise infeasible or badly conditioned
        row = solution.x[h : h + n] - solution.x[h + n :]
        supports.insert(0, np.flatnonzero(np.abs(row) > 1e-7))
    for support in supports:
        found = exact.combination(union.products[support], union.targets[[output]])
        if found is not None:
            exact_row = np.zeros(n, dtype=np.int64)
            exact_row[support] = found[0][0]
            return exact_row, int(found[1][0])
    return None


def decoder(union: FaultTolerantScheme, lost: Iterable[int] = ()) -> Decoder:
    """Return the verified decoder of least growth without the lost products.

    A fatal pattern raises an `InvalidSchemeError`, which names it.
    """
    gone = tuple(sorted(set(lost)))
    rows, scales = [], []
    for output in range(union.format.dimensions[2]):
        found = least_growth_row(union, output, gone)
        if found is None:
            raise InvalidSchemeError(
                f"without products {list(gone)} the outputs of {union.format} cannot be decoded"
            )
        rows.append(found[0])
        scales.append(found[1])
    matrix = np.stack(rows)
    union.prove_decoder(matrix, scales, gone)
    denominators = np.array(scales, dtype=np.int64)
    growth = float((np.abs(matrix) @ product_weights(union) / denominators).max())
    return Decoder(gone, matrix, denominators, growth)


def worst_growth(union: FaultTolerantScheme, losses: int) -> float:
    """Return the largest least growth over the decodable patterns of exactly `losses` losses."""
    book = RowBook(union)
    worst = 0.0
    for lost in itertools.combinations(range(union.workers), losses):
        rows = [book.row(output, lost) for output in range(union.format.dimensions[2])]
        if all(row is not None for row in rows):
            worst = max(worst, *(book.growth(row) for row in rows if row is not None))
    return worst


class RowBook:
    """The rows of least growth of a union; each is computed once for all patterns that use it.

    A row that is best for a lost set E and zero at r is also best for E and r. Only losses in the
    support of the best row therefore need a new programme.
    """

    def __init__(self, union: FaultTolerantScheme) -> None:
        self._union = union
        self._weights = product_weights(union)
        self._rows: dict[tuple[int, frozenset[int]], tuple[IntArray, int] | None] = {}

    def row(self, output: int, lost: Iterable[int]) -> tuple[IntArray, int] | None:
        """Return the row of least growth for the output without the lost products."""
        relevant: frozenset[int] = frozenset()
        gone = frozenset(lost)
        while True:
            key = (output, relevant)
            if key not in self._rows:
                self._rows[key] = least_growth_row(self._union, output, relevant)
            found = self._rows[key]
            if found is None:
                return None
            hit = gone & frozenset(np.flatnonzero(found[0]).tolist())
            if not hit:
                return found
            relevant |= {min(hit)}

    def growth(self, row: tuple[IntArray, int]) -> float:
        """Return the weighted 1-norm of a row."""
        return float((np.abs(row[0]) * self._weights).sum() / row[1])

    def fill(self, output: int, losses: int, lost: tuple[int, ...] = ()) -> None:
        """Compute the rows for the lost products and up to `losses` more."""
        found = self.row(output, lost)
        self._rows.setdefault((output, frozenset(lost)), found)
        if found is None or losses == 0:
            return
        for r in np.flatnonzero(found[0]).tolist():
            if (output, frozenset((*lost, r))) not in self._rows:
                self.fill(output, losses - 1, (*lost, r))

    def rows(self, output: int) -> list[tuple[IntArray, int]]:
        """Return the distinct rows computed for an output, least growth first."""
        distinct = {
            (row[0].tobytes(), row[1]): row
            for (which, _), row in self._rows.items()
            if which == output and row is not None
        }
        return sorted(distinct.values(), key=lambda row: (self.growth(row), row[0].tolist()))
