"""Hensel steps on one linear system: from a scheme mod p to the same scheme modulo p^(k+1).

A step solves J d = (T - F(x)) / p^k mod p and sets x <- x + p^k d. J never changes, so it is
eliminated once, for as many of its rows as are needed: a sample at first; after each solution all
equations are checked through the remainder T - F(x) itself, and rows that fail are added. A row
that contradicts the others then proves that the step has no solution.

Invariant: after a step the remainder is zero modulo p^(k+1) in every equation.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from flipsearch.lift.elimination import Elimination, Residues
from flipsearch.lift.jacobian import System
from flipsearch.lift.trilinear import Factors, Frame, remainder
from flipsearch.rings import IntArray

_SPARE_ROWS = 64
_ROUND = 1024
_CLEAN = 2


@dataclass
class Steps:
    """Solves Hensel steps on one system, eliminating rows once.

    Parameters
    ----------
    system : System
        The unknowns and equations.
    frame : Frame
        The target in slot order (E, P, Q).
    generator : numpy.random.Generator
        Draws the rows that are eliminated first; the solutions do not depend on it.
    """

    system: System
    frame: Frame
    generator: np.random.Generator
    elimination: Elimination = field(init=False)

    def __post_init__(self) -> None:
        self.elimination = Elimination(self.system.p, self.system.columns)

    @property
    def free(self) -> IntArray:
        """Unknowns without a pivot, as far as rows have been eliminated."""
        return np.setdiff1d(np.arange(self.system.columns), self.elimination.pivots)

    def begin(self, factors: Factors) -> bool:
        """Eliminate enough rows for the first step; return False if they contradict each other.

        A sample as large as the number of unknowns comes first. Then rows are added that a random
        solution of the homogeneous system violates, until `_CLEAN` such solutions in succession
        satisfy every row.
        """
        system, p = self.system, self.system.p
        right = system.right(remainder(self.frame, factors, p * p) // p)
        order = self.generator.permutation(system.rows)
        rows = order[: min(system.rows, system.columns + _SPARE_ROWS)]
        if not self._extend(np.sort(rows), right):
            return False
        clean = 0
        nothing = np.zeros_like(self.frame.target)
        start = remainder(self.frame, factors, p * p)
        while clean < _CLEAN and len(self.elimination.pivots) < system.columns:
            free = self.generator.integers(0, p, system.columns).astype(np.int8)
            unknowns = self.elimination.solve(np.zeros(self.elimination.rank, dtype=np.int8), free)
            change = system.step(unknowns, nothing)
            moved = remainder(self.frame, _moved(factors, change, p), p * p)
            violated = np.flatnonzero(system.right((start - moved) % (p * p) // p))
            if not violated.size:
                clean += 1
                continue
            clean = 0
            if not self._extend(self._some(violated), right):
                return False
        return True

    def solve(self, factors: Factors, modulus: int, free: Residues) -> Factors | None:
        """Take one step: from a scheme modulo `modulus` to one modulo p * `modulus`.

        Parameters
        ----------
        factors : three int64 arrays
            (E, P, Q) modulo `modulus`, a power of p.
        modulus : int
        free : int8 array, shape (columns,)
            The next digits of the unknowns without a pivot.

        Returns
        -------
        three int64 arrays or None
            In 0..p*modulus-1; None if the equations contradict each other.
        """
        system, p = self.system, self.system.p
        defect = remainder(self.frame, factors, modulus * p) // modulus
        right = system.right(defect)
        while True:
            unknowns = self.elimination.solve(right[self.elimination.identifiers], free)
            found = _moved(factors, system.step(unknowns, defect), modulus)
            rest = remainder(self.frame, found, modulus * p)
            if not rest.any():
                return tuple(matrix % (modulus * p) for matrix in found)  # type: ignore[return-value]
            violated = np.flatnonzero(system.right(rest // modulus))
            if not self._extend(self._some(violated), right):
                return None

    def _some(self, rows: IntArray) -> IntArray:
        if len(rows) <= _ROUND:
            return rows
        return np.sort(self.generator.choice(rows, _ROUND, replace=False))

    def _extend(self, rows: IntArray, right: Residues) -> bool:
        """Eliminate more rows; return whether the right side is consistent with them."""
        known = right[self.elimination.identifiers]
        matrix = self.system.packed_rows(rows)
        return self.elimination.add(matrix, rows, right[rows].copy(), known) is None


def _moved(factors: Factors, change: Factors, weight: int) -> Factors:
    E, P, Q = (matrix + weight * d for matrix, d in zip(factors, change, strict=True))
    return E, P, Q
