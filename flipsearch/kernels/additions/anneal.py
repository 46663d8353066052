# mypy: allow-untyped-defs
"""A walk at constant rank towards fewer additions.

Simulated annealing over schemes of the same rank with ternary coefficients. The moves are flips
(two terms with a factor in common) and, for general formats, elementary sandwiches (add or
subtract a row or column of one operand, the inverse on the other side). The energy counts the
additions that one greedy pass of sharing leaves of each factor, not the nonzeros: dense schemes
often share better (Winograd's 42 nonzeros cost 15 additions, Strassen's 36 cost 18).

Invariant: both moves keep a valid scheme valid; the result is proved again before it is returned.
"""

from __future__ import annotations

import time

import numpy as np

from flipsearch.algebra.draws import next_draw
from flipsearch.algebra.jit import njit
from flipsearch.errors import UsageError
from flipsearch.formats import MatrixProduct
from flipsearch.kernels.additions.energy import energy_of, memory_for
from flipsearch.rings import Ring
from flipsearch.scheme import Scheme
from flipsearch.verify import verify

HOT, COLD = 2.0, 0.25
"""Temperatures, in additions, at which a cycle begins and ends."""

SANDWICH_SHARE = 16
"""One move in so many is a sandwich."""


def fewer_additions(scheme: Scheme, seconds: float = 10.0, seed: int = 0) -> Scheme:
    """Return a scheme of the same format and rank that needs no more additions, as far as seen.

    Parameters
    ----------
    scheme : Scheme
        Over ZT.
    seconds : float
        Time to spend; cycles of annealing double in length until it is used up.
    seed : int
        Of the random choices.

    Raises
    ------
    UsageError
        The scheme is not ternary.
    """
    if scheme.ring is not Ring.ZT:
        raise UsageError(f"the walk to fewer additions needs a scheme over ZT, not {scheme.ring}")
    rank = scheme.rank
    u, v, w = factors = tuple(matrix.astype(np.int8) for matrix in scheme.factors)
    format_ = scheme.format
    sides = np.zeros(3, np.int64)
    if isinstance(format_, MatrixProduct) and format_.is_general:
        sides[:] = format_.sides
    state = np.array([seed], np.uint64)
    best = tuple(factor.copy() for factor in factors)
    memory = memory_for(rank, max(factor.shape[1] for factor in factors))
    best_energy = 1 << 60
    # the first call compiles, apart from the time to spend
    spare = u.copy(), v.copy(), w.copy()
    anneal(u, v, w, *spare, sides, SANDWICH_SHARE, best_energy, HOT, COLD, 0, memory, state.copy())
    end = time.monotonic() + seconds
    steps, cycle_steps, done = 500, 4000, 0
    while time.monotonic() < end:
        hot, cold = (HOT * (COLD / HOT) ** min(1.0, x / cycle_steps) for x in (done, done + steps))
        best_energy = anneal(
            u, v, w, best[0], best[1], best[2], sides, SANDWICH_SHARE, best_energy, hot, cold,
            steps, memory, state,
        )  # fmt: skip
        done += steps
        if done >= cycle_steps:
            done, cycle_steps = 0, 2 * cycle_steps
            for factor, kept in zip(factors, best, strict=True):
                factor[:] = kept
    result = Scheme(format_, Ring.ZT, *(factor.astype(np.int64) for factor in best))
    verify(result)
    return result


@njit
def _equal(factor, r, s):
    """Return 1 or -1 if row s is row r times that, else 0."""
    sign = 0
    for x in range(factor.shape[1]):
        p, q = factor[r, x], factor[s, x]
        if p == 0 and q == 0:
            continue
        if p == 0 or q == 0:
            return 0
        ratio = p * q
        if sign == 0:
            sign = ratio
        elif sign != ratio:
            return 0
    return sign


@njit
def _add_row(factor, r, s, scale):
    """Add scale * row s to row r if that stays ternary and nonzero; say whether."""
    some = False
    for x in range(factor.shape[1]):
        value = factor[r, x] + scale * factor[s, x]
        if value > 1 or value < -1:
            return False
        if value != 0:
            some = True
    if some:
        for x in range(factor.shape[1]):
            factor[r, x] += scale * factor[s, x]
    return some


@njit
def _flip(u, v, w, state):
    """Try a random flip; return the slot that was shared, or -1 if nothing changed."""
    rank = len(u)
    slot = np.int64(next_draw(state) % np.uint64(3))
    shared = u if slot == 0 else v if slot == 1 else w
    second = v if slot == 0 else w if slot == 1 else u
    third = w if slot == 0 else u if slot == 1 else v
    r = np.int64(next_draw(state) % np.uint64(rank))
    start = np.int64(next_draw(state) % np.uint64(rank))
    for k in range(rank):
        s = (start + k) % rank
        if s == r:
            continue
        sign = _equal(shared, r, s)
        if sign == 0:
            continue
        draw = next_draw(state)
        c = 1 if draw & np.uint64(1) else -1
        if draw & np.uint64(2):
            second, third = third, second
        if not _add_row(second, r, s, c):
            return -1
        if not _add_row(third, s, r, -c * sign):
            _add_row_back(second, r, s, c)
            return -1
        return slot
    return -1


@njit
def _add_row_back(factor, r, s, scale):
    for x in range(factor.shape[1]):
        factor[r, x] -= scale * factor[s, x]


@njit
def _add_line(factor, count, stride, length, step, i, j, scale):
    """Add scale * line i to line j of each row seen as a matrix; say whether it stays ternary.

    Element t of line i is at i * stride + t * step, t < length.
    """
    ternary = True
    for r in range(count):
        for t in range(length):
            value = factor[r, j * stride + t * step] + scale * factor[r, i * stride + t * step]
            factor[r, j * stride + t * step] = value
            if value > 1 or value < -1:
                ternary = False
    return ternary


@njit
def _sandwich(u, v, w, sides, state):
    """Try a random elementary sandwich; return the slot left alone, or -1 if undone."""
    n, m, p = sides
    which = np.int64(next_draw(state) % np.uint64(3))
    size = sides[which]
    if size < 2:
        return -1
    i = np.int64(next_draw(state) % np.uint64(size))
    j = (i + 1 + np.int64(next_draw(state) % np.uint64(size - 1))) % size
    c = 1 if next_draw(state) & np.uint64(1) else -1
    rank = len(u)
    if which == 0:  # rows of U (n x m) and columns of W (p x n)
        first, a, second, b = u, (m, m, 1), w, (1, p, n)
    elif which == 1:  # rows of V (m x p) and columns of U
        first, a, second, b = v, (p, p, 1), u, (1, n, m)
    else:  # rows of W and columns of V
        first, a, second, b = w, (n, n, 1), v, (1, m, p)
    fine = _add_line(first, rank, a[0], a[1], a[2], i, j, c)
    if not _add_line(second, rank, b[0], b[1], b[2], j, i, -c) or not fine:
        _add_line(first, rank, a[0], a[1], a[2], i, j, -c)
        _add_line(second, rank, b[0], b[1], b[2], j, i, c)
        return -1
    return (which + 1) % 3


@njit
def anneal(u, v, w, best_u, best_v, best_w, sides, share, best, hot, cold, steps, memory, state):
    """Run annealing steps; return the least energy seen, the scheme of which is in best_*.

    Parameters
    ----------
    u, v, w : int8 arrays, R rows each
        The scheme, changed in place.
    best_u, best_v, best_w : int8 arrays
        Overwritten when an energy below `best` is met.
    sides : int64 array (n, m, p)
        Of a general format, else zeros: no sandwiches then.
    share : int
        One move in so many is a sandwich.
    best : int
        Least energy so far.
    hot, cold : float
        Temperatures at the first and last step.
    steps : int
        Moves to try.
    memory, state
        Work space, random state.
    """
    energies = np.array(
        [energy_of(u, memory, state), energy_of(v, memory, state), energy_of(w, memory, state)]
    )
    before_u, before_v, before_w = u.copy(), v.copy(), w.copy()
    previous = energies.copy()
    for step in range(steps):
        total = energies.sum()
        if total < best:
            best = total
            best_u[:], best_v[:], best_w[:] = u, v, w
        if sides[0] > 0 and next_draw(state) % np.uint64(share) == 0:
            untouched = _sandwich(u, v, w, sides, state)
        else:
            untouched = _flip(u, v, w, state)
        if untouched < 0:
            continue
        previous[:] = energies
        if untouched != 0:
            energies[0] = energy_of(u, memory, state)
        if untouched != 1:
            energies[1] = energy_of(v, memory, state)
        if untouched != 2:
            energies[2] = energy_of(w, memory, state)
        rise = energies.sum() - total
        temperature = hot * (cold / hot) ** (step / steps)
        chance = float(next_draw(state) >> np.uint64(11)) * 2.0**-53
        if rise <= 0 or chance < np.exp(-rise / temperature):
            before_u[:], before_v[:], before_w[:] = u, v, w
        else:
            u[:], v[:], w[:] = before_u, before_v, before_w
            energies[:] = previous
    total = energies.sum()
    if total < best:
        best = total
        best_u[:], best_v[:], best_w[:] = u, v, w
    return best
