"""Solve the Brent equations by dense Jacobians in plain numpy, for tests.

Invariant: `PlainProblem` shares with `Problem` the meaning of its arguments and no arithmetic.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from flipsearch.numerical.problem import GOAL, Descent, Problem
from flipsearch.numerical.unknowns import Floats, Unknowns


class PlainProblem(Problem):
    """The Brent equations of a format at one rank, about a hundred times slower."""

    def error(self, unknowns: Unknowns, variables: Floats) -> Floats:
        """Return the sum of all terms minus the target, shape (dU * dV * dW,)."""
        u, v, w = self.factors(unknowns.entries(variables))
        total: Floats = np.einsum("ra,rb,rc->abc", u, v, w)
        return total.reshape(-1) - self.target.reshape(-1)

    def jacobian(self, unknowns: Unknowns, variables: Floats) -> Floats:
        """Return the derivatives of the error by the variables, shape (dU * dV * dW, n)."""
        entries = unknowns.entries(variables)
        u, v, w = self.factors(entries)
        units = [np.eye(length) for length in self.lengths]
        blocks = [
            np.einsum("ax,rb,rc->abcrx", units[0], v, w),
            np.einsum("ra,bx,rc->abcrx", u, units[1], w),
            np.einsum("ra,rb,cx->abcrx", u, v, units[2]),
        ]
        whole = np.concatenate([block.reshape(self.target.size, -1) for block in blocks], axis=1)
        chart = np.zeros((len(entries), len(unknowns)))
        held = np.flatnonzero(unknowns.owners >= 0)
        chart[held, unknowns.owners[held]] = unknowns.signs[held]
        product: Floats = whole @ chart
        return product

    def descended(self, unknowns: Unknowns, at: Descent, steps: int) -> Descent:
        """Return the point after so many steps of Levenberg-Marquardt or fewer."""
        counts = unknowns.counts
        weights = np.ones(len(unknowns)) if at.weights is None else at.weights
        error, growth = self.error(unknowns, at.variables), 2.0
        at = replace(at, squares=float(error @ error))
        for _ in range(steps):
            if (at.pull == 0 and at.squares < GOAL) or at.damping >= 1e8:
                break
            jacobian = self.jacobian(unknowns, at.variables)
            pulls = at.pull * counts * weights
            matrix = jacobian.T @ jacobian + np.diag(pulls + at.damping * counts)
            slope = jacobian.T @ self.error(unknowns, at.variables) + pulls * at.variables
            step = np.linalg.solve(matrix, -slope)
            tried = at.variables + step
            error = self.error(unknowns, tried)
            before = at.squares + pulls @ at.variables**2
            after = error @ error + pulls @ tried**2
            if after < before:
                ratio = (before - after) / (step @ (at.damping * counts * step - slope))
                factor = max(0.2, 1 - (2 * float(ratio) - 1) ** 3)
                damping, pull, growth = max(at.damping * factor, 1e-12), at.pull * at.decay, 2.0
                pull = 0.0 if pull < at.least else pull
                squares = float(error @ error)
                at = replace(at, variables=tried, damping=damping, pull=pull, squares=squares)
            else:
                at, growth = replace(at, damping=at.damping * growth), 2 * growth
        return at

    def normal(self, unknowns: Unknowns, variables: Floats) -> Floats:
        """Return the lower triangle of J^T J, shape (n, n)."""
        jacobian = self.jacobian(unknowns, variables)
        return np.tril(jacobian.T @ jacobian)
