# mypy: allow-untyped-defs
"""Evaluate the Brent equations in floating point: residual, gradient and normal matrix.

The entries of the factors lie in one vector, U first, then V, then W, row by row. An entry is a
constant, or a variable times a sign. Several entries may share a variable: that is how a symmetry
is imposed and how entries are fixed (`flipsearch.numerical.unknowns`).

With J the Jacobian of the residual in all entries, J^T J needs no J. The block of entries (r, a)
and (s, b) of one factor is zero unless a = b, and then the product of the inner products of terms
r and s in the other two factors. Between two factors it is u_s[a] v_r[b] <w_r, w_s>.

Invariant: if the group of the shared variables fixes the tensor and the point, the entries of a
variable contribute equally. One of them is evaluated and multiplied by their number.
"""

from __future__ import annotations

import numpy as np

from flipsearch.algebra.jit import njit


@njit
def spread(variables, constants, owners, signs, entries):
    """Write all entries, shape (N,), from the values of the variables, shape (n,).

    `constants` are the values of the entries that belong to no variable; `owners` is the variable
    of each entry, or -1.
    """
    for e in range(len(entries)):
        owner = owners[e]
        entries[e] = constants[e] if owner < 0 else signs[e] * variables[owner]


@njit
def residual(entries, rank, lengths, first, target, error):
    """Write the sum of all terms minus the target; return the sum of its squares.

    Parameters
    ----------
    entries : float64 array, shape (N,)
    lengths, first : int64 arrays, shape (3,)
        Length of the rows of U, V, W, and place of their first entries.
    target, error : float64 arrays, shape (dU * dV, dW)
    """
    total = 0.0
    for a in range(lengths[0]):
        for b in range(lengths[1]):
            row = error[a * lengths[1] + b]
            for c in range(lengths[2]):
                row[c] = -target[a * lengths[1] + b, c]
            for r in range(rank):
                product = entries[r * lengths[0] + a] * entries[first[1] + r * lengths[1] + b]
                if product != 0.0:
                    w = first[2] + r * lengths[2]
                    for c in range(lengths[2]):
                        row[c] += product * entries[w + c]
            for c in range(lengths[2]):
                total += row[c] * row[c]
    return total


@njit
def gradient(entries, rank, lengths, first, error, slopes):
    """Write half the derivative of the sum of squares by each entry; shapes as in `residual`."""
    for e in range(len(slopes)):
        slopes[e] = 0.0
    for r in range(rank):
        w = first[2] + r * lengths[2]
        for a in range(lengths[0]):
            u = r * lengths[0] + a
            for b in range(lengths[1]):
                v = first[1] + r * lengths[1] + b
                product, along = entries[u] * entries[v], 0.0
                row = error[a * lengths[1] + b]
                for c in range(lengths[2]):
                    along += row[c] * entries[w + c]
                    slopes[w + c] += product * row[c]
                slopes[u] += along * entries[v]
                slopes[v] += along * entries[u]


@njit
def inner_products(entries, rank, lengths, first, inner):
    """Write the inner products of all pairs of rows of each factor; shape (3, R, R)."""
    for slot in range(3):
        length = lengths[slot]
        for r in range(rank):
            for s in range(r + 1):
                total = 0.0
                for a in range(length):
                    x = entries[first[slot] + r * length + a]
                    total += x * entries[first[slot] + s * length + a]
                inner[slot, r, s] = inner[slot, s, r] = total


@njit
def normal_matrix(entries, rank, lengths, first, owners, signs, leaders, counts, inner, matrix):
    """Write the lower triangle of J^T J in the variables, shape (n, n).

    The first arguments are as for `residual` and `spread`. `leaders`, int64 of shape (n,), is an
    entry of each variable whose sign is 1. `counts`, float64 of shape (n,), is the number of its
    entries. `inner` is from `inner_products`.
    """
    for i in range(len(leaders)):
        row, leader, slot = matrix[i], leaders[i], 0
        for j in range(i + 1):
            row[j] = 0.0
        while slot < 2 and leader >= first[slot + 1]:
            slot += 1
        r = (leader - first[slot]) // lengths[slot]
        a = leader - first[slot] - r * lengths[slot]
        for other in range(3):
            if other == slot:
                p, q = inner[(slot + 1) % 3], inner[(slot + 2) % 3]
                for s in range(rank):
                    place = first[slot] + s * lengths[slot] + a
                    j = owners[place]
                    if 0 <= j <= i:
                        row[j] += counts[i] * signs[place] * p[r, s] * q[r, s]
                continue
            length, third = lengths[other], inner[3 - slot - other]
            here = first[other] + r * length
            for s in range(rank):
                factor = counts[i] * third[r, s] * entries[first[slot] + s * lengths[slot] + a]
                if factor == 0.0:
                    continue
                there = first[other] + s * length
                for b in range(length):
                    j = owners[there + b]
                    if 0 <= j <= i:
                        row[j] += factor * signs[there + b] * entries[here + b]


@njit
def solve_triangular(lower, right):
    """Solve L L^T x = b in place, for a lower triangular L, shape (n, n), and b, shape (n,)."""
    for i in range(len(right)):
        row, total = lower[i], right[i]
        for j in range(i):
            total -= row[j] * right[j]
        right[i] = total / row[i]
    for i in range(len(right) - 1, -1, -1):
        row = lower[i]
        right[i] /= row[i]
        for j in range(i):
            right[j] -= row[j] * right[i]


@njit
def objective(squares, variables, counts, pull, weights):
    """Return the sum of squares plus the pull of all entries to zero."""
    total = 0.0
    for i in range(len(variables)):
        total += counts[i] * weights[i] * variables[i] ** 2
    return squares + pull * total


LARGEST_DAMPING, LEAST_DAMPING = 1e8, 1e-12
"""Bounds of the damping; below, rounding errors make the normal matrix indefinite."""


@njit
def descend(
    variables, constants, owners, signs, leaders, counts, rank, lengths, first, target, weights,
    numbers, steps, goal,
):  # fmt: skip
    """Minimise |error|^2 + pull * sum weights variables^2 by Levenberg-Marquardt.

    The damping follows Nielsen (1999). The pull shrinks by a factor after each accepted step.

    Parameters
    ----------
    variables : float64 array, shape (n,)
        The point, overwritten.
    weights : float64 array, shape (n,)
    numbers : float64 array, shape (4,)
        Damping and pull, both overwritten; the factor of the pull; below the fourth number the
        pull becomes zero.
    steps : int
        Largest number of steps.
    goal : float
        Without a pull the descent ends at a sum of squares below this.

    Returns
    -------
    (float, int)
        The sum of squares, and the number of steps taken.
    """
    n, used, growth = len(variables), 0, 2.0
    damping, pull = numbers[0], numbers[1]
    entries, slopes = np.empty(len(owners)), np.empty(len(owners))
    error, inner = np.empty(target.shape), np.empty((3, rank, rank))
    matrix, tried = np.zeros((n, n)), np.empty(n)
    spread(variables, constants, owners, signs, entries)
    squares = residual(entries, rank, lengths, first, target, error)
    while used < steps and (pull > 0.0 or squares >= goal) and damping < LARGEST_DAMPING:
        used += 1
        gradient(entries, rank, lengths, first, error, slopes)
        downhill = np.zeros(n)
        for e in range(len(owners)):
            if owners[e] >= 0:
                downhill[owners[e]] -= signs[e] * slopes[e]
        inner_products(entries, rank, lengths, first, inner)
        normal_matrix(entries, rank, lengths, first, owners, signs, leaders, counts, inner, matrix)
        for i in range(n):
            downhill[i] -= pull * counts[i] * weights[i] * variables[i]
            matrix[i, i] += counts[i] * (pull * weights[i] + damping)
        step = downhill.copy()
        solve_triangular(np.linalg.cholesky(matrix), step)
        predicted = 0.0
        for i in range(n):
            tried[i] = variables[i] + step[i]
            predicted += step[i] * (damping * counts[i] * step[i] + downhill[i])
        before = objective(squares, variables, counts, pull, weights)
        spread(tried, constants, owners, signs, entries)
        reached = residual(entries, rank, lengths, first, target, error)
        after = objective(reached, tried, counts, pull, weights)
        if after < before:
            for i in range(n):
                variables[i] = tried[i]
            ratio = (before - after) / predicted
            damping = max(damping * max(0.2, 1.0 - (2.0 * ratio - 1.0) ** 3), LEAST_DAMPING)
            squares, growth = reached, 2.0
            pull *= numbers[2]
            if pull < numbers[3]:
                pull = 0.0
        else:
            damping, growth = damping * growth, 2.0 * growth
            spread(variables, constants, owners, signs, entries)
            residual(entries, rank, lengths, first, target, error)
    numbers[0], numbers[1] = damping, pull
    return squares, used
