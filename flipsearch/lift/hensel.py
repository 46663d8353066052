"""Take Hensel steps on one linear system: from a scheme mod p to one modulo p^(k+1).

A step solves J d = (T - F(x)) / p^k mod p and sets x <- x + p^k d. J never changes, so it is
eliminated once. The elimination begins with a sample of the rows. Each solution is checked in all
equations through the remainder T - F(x) itself, and rows that fail are eliminated next. A row
that contradicts the others proves that the step has no solution.

Invariant: after a step the remainder is zero modulo p^(k+1) in every equation.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from flipsearch.algebra.elimination import Elimination, Residues
from flipsearch.lift.jacobian import System
from flipsearch.lift.trilinear import Factors, Frame, remainder
from flipsearch.rings import IntArray

_SPARE_ROWS = 64
_ROUND = 4096
_CLEAN = 2


@dataclass
class Steps:
    """Solve Hensel steps on one system; each row is eliminated at most once.

    Parameters
    ----------
    frame : Frame
        The target in slot order (E, P, Q).
    start : three int64 arrays
        The scheme mod p as (E, P, Q), at which J is taken.
    generator : numpy.random.Generator
        Draws the rows that are eliminated first. The solutions do not depend on it.
    """

    system: System
    frame: Frame
    start: Factors
    generator: np.random.Generator
    elimination: Elimination = field(init=False)

    def __post_init__(self) -> None:
        p = self.system.p
        self.elimination = Elimination(p, self.system.columns)
        self._remainder = remainder(self.frame, self.start, p * p)

    @property
    def free(self) -> IntArray:
        """The unknowns without a pivot among the rows eliminated until now."""
        return np.setdiff1d(np.arange(self.system.columns), self.elimination.pivots)

    def begin(self) -> bool:
        """Eliminate the rows that the first step needs; return False if it has no solution."""
        return self.eliminate(self._remainder // self.system.p)

    def eliminate(self, defect: IntArray) -> bool:
        """Eliminate rows that determine all others; return False if no d meets the defect.

        The defect, shape (dE, dP * dQ), is the right side: J d must equal it mod p. A sample as
        large as the number of unknowns comes first. Random solutions of the homogeneous system
        then name the rows to add: the rows that they violate. This ends when `_CLEAN` such
        solutions in succession satisfy every row. A row that is still missing is found later, when
        a solution violates it.
        """
        system = self.system
        order = self.generator.permutation(system.rows)
        if not self._extend(np.sort(order[: system.columns + _SPARE_ROWS]), system.right(defect)):
            return False
        clean = 0
        while clean < _CLEAN:
            rank = self.elimination.rank
            free = self.generator.integers(0, system.p, system.columns).astype(np.int8)
            self.change(np.zeros_like(defect), free)
            clean = clean + 1 if self.elimination.rank == rank else 0
        return self.change(defect, np.zeros(system.columns, dtype=np.int8)) is not None

    def change(self, defect: IntArray, free: Residues) -> Factors | None:
        """Solve J d = defect mod p and check the solution in every row.

        The defect has shape (dE, dP * dQ). `free`, int8 of shape (columns,), gives the unknowns
        without a pivot. Return d as (E, P, Q), or None if the equations contradict each other.
        """
        system, p = self.system, self.system.p
        right = system.right(defect)
        while True:
            unknowns = self.elimination.solve(right[self.elimination.identifiers], free)
            found = system.step(unknowns, defect)
            moved = remainder(self.frame, _moved(self.start, found, p), p * p)
            image = (self._remainder - moved) // p
            violated = np.flatnonzero(system.right((defect - image) % p))
            if not violated.size:
                return found
            if not self._extend(self._some(violated), right):
                return None

    def solve(self, factors: Factors, modulus: int, free: Residues) -> Factors | None:
        """Take one step, from a scheme modulo `modulus` to one modulo p * `modulus`.

        The factors are (E, P, Q) modulo `modulus`, a power of p. `free`, int8 of shape (columns,),
        gives the next digits of the unknowns without a pivot. Return entries in 0..p*modulus-1, or
        None if the equations contradict each other.
        """
        wider = modulus * self.system.p
        found = self.change(remainder(self.frame, factors, wider) // modulus, free)
        if found is None:
            return None
        E, P, Q = (matrix % wider for matrix in _moved(factors, found, modulus))
        return E, P, Q

    def kernel(self) -> list[Factors]:
        """Return a basis of the solutions of J d = 0 mod p: one vector for each free unknown."""
        nothing = np.zeros_like(self.frame.target)
        zero = np.zeros(self.elimination.rank, dtype=np.int8)
        basis = []
        for column in self.free.tolist():
            free = np.zeros(self.system.columns, dtype=np.int8)
            free[column] = 1
            basis.append(self.system.step(self.elimination.solve(zero, free), nothing))
        return basis

    def _some(self, rows: IntArray) -> IntArray:
        if len(rows) <= _ROUND:
            return rows
        return np.sort(self.generator.choice(rows, _ROUND, replace=False))

    def _extend(self, rows: IntArray, right: Residues) -> bool:
        """Eliminate more rows; return whether the right side agrees with them."""
        known = right[self.elimination.identifiers]
        matrix = self.system.packed_rows(rows)
        return self.elimination.add(matrix, rows, right[rows].copy(), known) is None


def _moved(factors: Factors, change: Factors, weight: int) -> Factors:
    E, P, Q = (matrix + weight * d for matrix, d in zip(factors, change, strict=True))
    return E, P, Q
