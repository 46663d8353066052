# mypy: allow-untyped-defs
"""Make coefficients ternary by a change of basis.

A scheme lifted from F2 often has a few coefficients of 2 or 3 that another basis would not have.
Sandwiches by elementary unimodular matrices (`flipsearch.transform.sandwich`) reach every integral
basis. They are drawn at random and accepted as in simulated annealing: large coefficients cost
most, other nonzeros a little. Half a second is usually enough, or no time is. 2x4x5:33, 2x5x5:40
and 3x4x4:38, lifted to Z, became ternary at once.

Invariant: the rank never changes, and a returned scheme is verified.
"""

from __future__ import annotations

import numpy as np

from flipsearch.algebra.draws import next_draw
from flipsearch.algebra.jit import njit
from flipsearch.errors import UsageError
from flipsearch.rings import Ring
from flipsearch.scheme import Scheme
from flipsearch.transform.dimensions import matrix_format
from flipsearch.verify import verify

STEPS = 300_000
TRIES = 2
HOT, COLD = 30.0, 1.0
"""First and last temperature, in units of the cost of a coefficient 1."""
LARGEST_START = 1000


def ternary_sandwich(
    scheme: Scheme, seed: int = 0, steps: int = STEPS, tries: int = TRIES
) -> Scheme | None:
    """Search for a sandwich of a scheme over Z that is over ZT; return None if none was found.

    The same seed gives the same result. `steps` is the number of elementary matrices to draw in
    each of the tries, which begin with the given scheme. A scheme over ZT is returned as it is.
    Raises `UsageError` if the format is structured, or the scheme not over Z.
    """
    format_ = matrix_format(scheme)
    if not format_.is_general:
        raise UsageError(
            f"{format_} is structured: only general formats change their basis freely"
        )
    if scheme.ring is Ring.ZT:
        return scheme
    if scheme.ring is not Ring.Z or (scheme.denominators != 1).any():
        raise UsageError(f"{scheme!r} is not over Z: only integral schemes are made ternary")
    if max(int(np.abs(factor).max(initial=0)) for factor in scheme.factors) > LARGEST_START:
        return None
    n, m, p = format_.sides
    shapes = ((n, m), (m, p), (p, n))
    for number in range(tries):
        U, V, W = (
            np.ascontiguousarray(factor.reshape(scheme.rank, *shape)).copy()
            for factor, shape in zip(scheme.factors, shapes, strict=True)
        )
        start = np.random.SeedSequence(seed, spawn_key=(number,)).generate_state(1, np.uint64)
        if anneal(U, V, W, start, steps, HOT, COLD):
            rows = (factor.reshape(scheme.rank, -1) for factor in (U, V, W))
            found = Scheme(format_, Ring.ZT, *rows)
            verify(found)
            return found
    return None


@njit
def cost(value):
    """Return the cost of a coefficient: 0 for 0, 1 for 1 and -1, at least 10 for others."""
    size = abs(value)
    return size if size < 2 else 4 + 6 * (size - 1) * (size - 1)


@njit
def _change(X, i, j, sign, columns):
    """Return the changes of the cost and of the number of large coefficients.

    Line i, a column or else a row of each matrix, gains `sign` times line j.
    """
    change, larger = 0, 0
    for r in range(X.shape[0]):
        for c in range(X.shape[1] if columns else X.shape[2]):
            y = X[r, c, j] if columns else X[r, j, c]
            if y != 0:
                x = X[r, c, i] if columns else X[r, i, c]
                z = x + sign * y
                change += cost(z) - cost(x)
                larger += int(abs(z) > 1) - int(abs(x) > 1)
    return change, larger


@njit
def anneal(U, V, W, state, steps, hot, cold):
    """Sandwich in place until all coefficients are ternary; return whether they are.

    Parameters
    ----------
    U, V, W : int64 arrays, shapes (R, n, m), (R, m, p), (R, p, n)
        Changed in place.
    state : uint64 array, shape (1,)
        State of the generator.
    steps : int
        Number of elementary matrices I + E_ij or I - E_ij to draw.
    hot, cold : float
        First and last temperature.
    """
    large = 0
    for X in (U, V, W):
        for x in X.reshape(-1):
            large += int(abs(x) > 1)
    for step in range(steps):
        if large == 0:
            return True
        side = next_draw(state) % np.uint64(3)
        if side == np.uint64(0):
            X, Y = U, W
        elif side == np.uint64(1):
            X, Y = V, U
        else:
            X, Y = W, V
        lines = X.shape[1]
        if lines < 2:
            continue
        i = np.int64(next_draw(state) % np.uint64(lines))
        j = np.int64(next_draw(state) % np.uint64(lines - 1))
        j += int(j >= i)
        bits = next_draw(state)
        sign = 1 - 2 * np.int64(bits & np.uint64(1))
        chance = np.float64(bits >> np.uint64(11)) / 9007199254740992.0
        # the matrix changes the rows of X, its inverse the columns of the factor before X
        change, larger = _change(X, i, j, sign, False)
        other, more = _change(Y, j, i, -sign, True)
        temperature = hot * (cold / hot) ** (step / steps)
        if change + other <= 0 or chance < np.exp(-(change + other) / temperature):
            X[:, i, :] += sign * X[:, j, :]
            Y[:, :, j] -= sign * Y[:, :, i]
            large += larger + more
    return large == 0
