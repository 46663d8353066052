"""Minimise the Brent residual of a format at one rank; measure the freedom of a solution.

Invariant: a problem has no state; the same call gives the same result on one machine.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
from scipy.linalg import lapack

from flipsearch.algebra import IntArray
from flipsearch.errors import UsageError
from flipsearch.formats import Format
from flipsearch.numerical.equations import descend, inner_products, normal_matrix
from flipsearch.numerical.unknowns import Floats, Unknowns

SOLVED = 1e-18
"""Largest sum of squares of a solution; rounding errors leave about 1e-25."""
GOAL = 1e-20
SHARE_OF_MEMORY = 0.5
BYTES_A_PAIR = 32
"""Bytes for each pair of unknowns: the normal matrix, its factor and their copies."""


@dataclass
class Descent:
    """A point on the way down, and a pull of its variables to zero.

    Parameters
    ----------
    variables : float64 array, shape (n,)
    damping, pull : float
        The damping and the weight of the pull in the next step.
    squares : float
        The sum of squares of the residual.
    decay, least : float
        Factor of the pull after each step; below `least` the pull becomes zero.
    weights : float64 array, shape (n,), optional
        Weights of the variables in the pull, 1 by default.
    """

    variables: Floats
    damping: float = 1.0
    pull: float = 0.0
    squares: float = np.inf
    decay: float = 1.0
    least: float = 0.0
    weights: Floats | None = None

    @property
    def is_solution(self) -> bool:
        """Whether the residual is zero up to rounding errors, without a pull."""
        return self.squares < SOLVED and self.pull == 0.0


@dataclass(frozen=True, eq=False)
class Problem:
    """The Brent equations of a format at one rank."""

    format: Format
    rank: int
    lengths: IntArray = field(init=False)
    first: IntArray = field(init=False)

    def __post_init__(self) -> None:
        lengths = np.array(self.format.dimensions, dtype=np.int64)
        object.__setattr__(self, "lengths", lengths)
        object.__setattr__(self, "first", self.rank * np.cumsum([0, *lengths])[:3])

    @cached_property
    def target(self) -> Floats:
        """The target tensor, shape (dU * dV, dW)."""
        dense = np.zeros(self.format.dimensions)
        a, b, c, values = self.format.target.T
        dense[a, b, c] = values
        return dense.reshape(-1, self.lengths[2])

    def factors(self, entries: Floats) -> list[Floats]:
        """Return U, V and W."""
        ends = [*self.first[1:], len(entries)]
        return [
            entries[start:end].reshape(self.rank, length)
            for start, end, length in zip(self.first, ends, self.lengths, strict=True)
        ]

    def descended(self, unknowns: Unknowns, at: Descent, steps: int) -> Descent:
        """Return the point after so many steps of Levenberg-Marquardt or fewer."""
        variables = at.variables.copy()
        state = np.array([at.damping, at.pull, at.decay, at.least])
        weights = np.ones(len(unknowns)) if at.weights is None else at.weights
        try:
            squares, _ = descend(
                *(variables, *unknowns.arrays, self.rank, self.lengths, self.first, self.target),
                *(weights, state, steps, GOAL),
            )
        except np.linalg.LinAlgError:  # the entries are too large, or no numbers
            squares = np.inf
        damping, pull = state[:2].tolist()
        return replace(at, variables=variables, damping=damping, pull=pull, squares=float(squares))

    def normal(self, unknowns: Unknowns, variables: Floats) -> Floats:
        """Return the lower triangle of J^T J, shape (n, n)."""
        n, entries = len(unknowns), unknowns.entries(variables)
        inner, matrix = np.empty((3, self.rank, self.rank)), np.zeros((n, n))
        inner_products(entries, self.rank, self.lengths, self.first, inner)
        shape = self.rank, self.lengths, self.first
        normal_matrix(entries, *shape, *unknowns.arrays[1:], inner, matrix)
        return matrix

    def freedom(self, unknowns: Unknowns, variables: Floats, damping: float = 1e-7) -> Floats:
        """Return how freely each variable moves along the variety of solutions, from 0 to 1.

        The numbers are the diagonal of the projection to the kernel of J, up to the damping:
        damping * (J^T J + damping)^-1. Their sum is the dimension of the kernel.
        """
        matrix = self.normal(unknowns, variables)
        matrix[np.diag_indices(len(unknowns))] += damping
        factor, _ = lapack.dpotrf(matrix, lower=1)
        inverse, _ = lapack.dpotri(factor, lower=1)
        return damping * np.diag(inverse)


def refuse_too_large(format_: Format, unknowns: int) -> None:
    """Refuse (`UsageError`) a normal matrix of more than `SHARE_OF_MEMORY` of the machine."""
    needed = BYTES_A_PAIR * unknowns**2
    held = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    if needed > SHARE_OF_MEMORY * held:
        raise UsageError(
            f"{format_} has {unknowns:,} unknowns, whose equations take {needed / 2**30:.0f} GiB "
            f"of {held / 2**30:.0f}: impose a --symmetry, or take a smaller format"
        )
