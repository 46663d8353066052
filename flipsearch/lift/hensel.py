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
        """Eliminate the rows needed for the first step; return False if it has no solution."""
        p = self.system.p
        return self.eliminate(factors, remainder(self.frame, factors, p * p) // p)

    def eliminate(self, factors: Factors, defect: IntArray) -> bool:
        """Eliminate rows that determine all others; return False if the defect cannot be met.

        A sample as large as the number of unknowns comes first. Then rows are added that a random
        solution violates, of the homogeneous system and of the one for the defect in turn, until
        `_CLEAN` solutions in succession satisfy every row.

        Parameters
        ----------
        factors : three int64 arrays
            (E, P, Q) mod p.
        defect : int64 array, shape (dE, dP * dQ)
            What J d must be mod p.
        """
        system, p = self.system, self.system.p
        right = system.right(defect)
        order = self.generator.permutation(system.rows)
        if not self._extend(np.sort(order[: system.columns + _SPARE_ROWS]), right):
            return False
        start = remainder(self.frame, factors, p * p)
        clean = 0
        while clean < _CLEAN:
            wanted = defect if clean else np.zeros_like(defect)
            free = self.generator.integers(0, p, system.columns).astype(np.int8)
            known = system.right(wanted)[self.elimination.identifiers]
            change = system.step(self.elimination.solve(known, free), wanted)
            image = start - remainder(self.frame, _moved(factors, change, p), p * p)
            violated = np.flatnonzero(system.right((wanted - image // p) % p))
            clean += 1
            if violated.size:
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
