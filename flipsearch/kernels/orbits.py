"""Find the least growth factor on the orbit of a scheme under changes of basis, over the reals.

Invertible P, Q, R turn the terms' matrices into P u Q^-1, Q v R^-1, R w P^-1. Two growth factors
are made small: gamma2 and emax of `flipsearch.kernels.stability`.

The logarithm of gamma2 is convex along geodesics exp(tX), exp(tY), exp(tZ) with symmetric X, Y, Z:
the square of each norm is a sum of exponentials in t with positive weights, so each norm is
log-convex, and so are products and sums of such functions. Orthogonal matrices change no 2-norm.
A local minimum is therefore the least value on the whole orbit, and all schemes of an orbit have
the same. emax has corners and other local minima; it is smoothed, and several starts are needed.

Invariant: gradients are exact derivatives of the function that is minimised.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize

from flipsearch.scheme import Scheme
from flipsearch.transform.dimensions import matrix_format

Floats = npt.NDArray[np.float64]
Stacks = tuple[Floats, Floats, Floats]
Smooth = Callable[[Stacks], tuple[float, Stacks]]
"""The logarithm of a growth factor of stacks of matrices, and its derivative by each entry."""

CORNERS = ((0.3, 4), (0.1, 8), (0.03, 24), (1e-2, 64), (1e-3, 256), (1e-4, 1024))
"""Rounding of absolute values and power of the mean that stands for the maximum, in each descent.
The last mean is at most 0.5 % above emax for 256 outputs."""
MOST_STEPS = {"2": 2000, "max": 300}


@dataclass(frozen=True, eq=False)
class Orbit:
    """A scheme of a general product as stacks of matrices, with shapes (R, n, m), (R, m, p), ...

    `factors` holds u_r, v_r, and w_r / d_r of the transposed output.
    """

    sides: tuple[int, int, int]
    factors: Stacks

    @classmethod
    def of(cls, scheme: Scheme) -> Orbit:
        """Return the orbit that a scheme of a general product lies on."""
        n, m, p = sides = matrix_format(scheme).sides
        u, v, w = (factor.astype(np.float64) for factor in scheme.factors)
        w = w / scheme.denominators[:, None]
        return cls(sides, (u.reshape(-1, n, m), v.reshape(-1, m, p), w.reshape(-1, p, n)))

    def at(self, maps: Sequence[Floats]) -> Stacks:
        """Return the stacks after the change of basis by P, Q, R."""
        P, Q, R = maps
        u, v, w = self.factors
        return P @ u @ np.linalg.inv(Q), Q @ v @ np.linalg.inv(R), R @ w @ np.linalg.inv(P)

    def least(self, kind: str, start: Sequence[Floats] | None = None) -> list[Floats]:
        """Return P, Q, R at a local minimum of a growth factor, by L-BFGS.

        Parameters
        ----------
        kind : str
            ``2`` for gamma2, whose local minimum is the least value; ``max`` for emax.
        start : three square float64 arrays, optional
            By default the identity.
        """
        given = [np.eye(side) for side in self.sides] if start is None else start
        at = np.concatenate([matrix.ravel() for matrix in given])
        smooth: list[Smooth] = [log_gamma2]
        if kind == "max":
            smooth = [partial(log_emax, epsilon=e, power=q) for e, q in CORNERS]
        for function in smooth:
            found = minimize(
                self._by_maps,
                at,
                args=(function,),
                jac=True,
                method="L-BFGS-B",
                options={"maxiter": MOST_STEPS[kind], "ftol": 1e-15, "gtol": 1e-9, "maxcor": 30},
            )
            at = found.x
        return self._matrices(at)

    def _matrices(self, at: Floats) -> list[Floats]:
        ends = np.cumsum([side * side for side in self.sides])[:-1]
        parts = zip(np.split(at, ends), self.sides, strict=True)
        return [part.reshape(side, side) for part, side in parts]

    def _by_maps(self, at: Floats, function: Smooth) -> tuple[float, Floats]:
        """Return the value of a function at P, Q, R, and its derivative by their entries."""
        maps = self._matrices(at)
        stacks = self.at(maps)
        value, slopes = function(stacks)
        gradient = []
        for k, matrix in enumerate(maps):
            # the derivative at (1 + X) P: X acts on one stack from the left, on another by -X
            left, right = k, (k + 2) % 3
            towards = _summed(slopes[left], stacks[left].swapaxes(1, 2))
            away = _summed(stacks[right].swapaxes(1, 2), slopes[right])
            gradient.append(((towards - away) @ np.linalg.inv(matrix).T).ravel())
        return value, np.concatenate(gradient)


def _summed(first: Floats, second: Floats) -> Floats:
    """Return the sum of the products of two stacks of matrices."""
    return np.asarray(np.tensordot(first, second, axes=([0, 2], [0, 1])))


def log_gamma2(stacks: Stacks) -> tuple[float, Stacks]:
    """Return log gamma2 and its derivatives."""
    squares = [(stack**2).sum(axis=(1, 2)) for stack in stacks]
    products = np.sqrt(squares[0] * squares[1] * squares[2])
    total = products.sum()
    slopes = [
        stack * (products / square / total)[:, None, None]
        for stack, square in zip(stacks, squares, strict=True)
    ]
    return float(np.log(total)), (slopes[0], slopes[1], slopes[2])


def log_emax(stacks: Stacks, epsilon: float, power: float) -> tuple[float, Stacks]:
    """Return the logarithm of a smooth function a little above emax, and its derivatives.

    |x| is replaced by sqrt(x^2 + epsilon^2), the maximum over outputs by the power mean without
    its division by their number.
    """
    a, b, c = (np.sqrt(stack**2 + epsilon**2) for stack in stacks)
    left, right = a.sum(axis=(1, 2)), b.sum(axis=(1, 2))
    sizes = np.tensordot(left * right, c, axes=1)
    largest = sizes.max()
    relative = (sizes / largest) ** power
    total = relative.sum()
    by_size = relative / sizes / total
    by_product = np.tensordot(c, by_size, axes=2)
    return float(np.log(largest) + np.log(total) / power), (
        stacks[0] / a * (by_product * right)[:, None, None],
        stacks[1] / b * (by_product * left)[:, None, None],
        stacks[2] / c * by_size * (left * right)[:, None, None],
    )


def growth_at(kind: str, stacks: Stacks) -> float:
    """Return gamma2 (``2``) or emax (``max``) of stacks."""
    u, v, w = stacks
    if kind == "2":
        norms = [np.sqrt((stack**2).sum(axis=(1, 2))) for stack in stacks]
        return float((norms[0] * norms[1] * norms[2]).sum())
    sums = np.abs(u).sum(axis=(1, 2)) * np.abs(v).sum(axis=(1, 2))
    return float(np.tensordot(sums, np.abs(w), axes=1).max())
