"""Make a numerical solution exact: many zeros first, then small rationals one by one.

The solutions of a rank form a variety: scalings, changes of basis and often more leave a solution
one. A pull of the L1 norm moves along it to a point with many zeros, which are then fixed. Of the
entries left, the one that reaches a small rational with the least movement along the variety is
fixed next, and the others are solved for again. When no entry can move any more, the others are
read as fractions, and the result is verified.

Invariant: `exact_scheme` returns only schemes that `flipsearch.verify` has proved.
"""

from __future__ import annotations

from fractions import Fraction

import numpy as np

from flipsearch.algebra import IntArray
from flipsearch.errors import FormatError
from flipsearch.numerical.problem import Descent, Problem
from flipsearch.numerical.unknowns import Bools, Floats, Unknowns
from flipsearch.scheme import Scheme, rational_scheme
from flipsearch.verify import is_valid

_VALUES = np.array([0.0, 1.0, -1.0, 2.0, -2.0, 0.5, -0.5, 0.25, -0.25])
_PRICES = np.array([0.0, 0.0, 0.0, 0.1, 0.1, 0.05, 0.05, 0.15, 0.15])
GRIDS = {name: (_VALUES[:n], _PRICES[:n]) for name, n in (("ZT", 3), ("Z", 5), ("halves", 9))}
"""Values that entries are fixed to, and the distance that each costs in addition."""
EPSILONS = np.repeat([0.3, 0.1, 0.03, 0.01], 12)
"""Width of the smoothed L1 norm in each sweep of `sparser`."""
SPARSE_PULL = 0.02
ZERO = 0.05
"""Largest entry that is first tried as a zero."""
RIGID = 1e-4
"""Freedom below which a variable cannot move."""
LARGEST_ENTRY = 6.0
DENOMINATORS = (24, 512)
CLOSE = 1e-8
"""Largest distance of an entry from the fraction as which it is read."""


def sparser(
    problem: Problem, unknowns: Unknowns, at: Descent, sweep: int, tastes: Floats
) -> Descent:
    """Return the point after one step towards a small L1 norm (reweighted least squares).

    `sweep` is the number of the sweep, below ``len(EPSILONS)``. `tastes`, shape (n,), are positive
    weights of the entries in the norm.
    """
    epsilon = EPSILONS[sweep]
    pull = SPARSE_PULL * 0.5 ** np.flatnonzero(np.unique(EPSILONS)[::-1] == epsilon)[0]
    weights = tastes / np.sqrt(at.variables**2 + epsilon**2)
    damping = float(np.clip(at.damping, 1e-6, 0.1))
    return problem.descended(unknowns, Descent(at.variables, damping, pull, weights=weights), 1)


def solved(problem: Problem, unknowns: Unknowns, variables: Floats, steps: int = 30) -> Descent:
    """Return the solution near a point, if there is one within so many steps."""
    return problem.descended(unknowns, Descent(variables, 1e-3), steps)


def with_zeros(
    problem: Problem, unknowns: Unknowns, variables: Floats
) -> tuple[Unknowns, Floats] | None:
    """Return the unknowns and a solution after small entries became zeros; None if none did."""
    tolerance = ZERO
    while tolerance > 1e-7:
        small = np.abs(variables) < tolerance
        if not small.any():
            return None
        left = unknowns.fixing(small, np.zeros(len(variables)))
        found = solved(problem, left, variables[~small])
        if found.is_solution:
            return left, found.variables
        tolerance /= 3
    return None


def choice(
    problem: Problem,
    unknowns: Unknowns,
    variables: Floats,
    grid: str,
    barred: Bools,
    noise: Floats,
) -> tuple[int, IntArray] | None:
    """Return the variable to fix next, and the place in the grid for every variable.

    None if no variable can move, or all values are barred.

    Parameters
    ----------
    variables : float64 array, shape (n,)
        A solution.
    grid : str
        A name in `GRIDS`.
    barred : bool array, shape (n, values of the grid)
        Values that failed.
    noise : float64 array, shape (n,)
        Factors of the movement that is counted for each variable.
    """
    if not len(variables):
        return None
    values, prices = GRIDS[grid]
    costs = np.where(barred, np.inf, np.abs(variables[:, None] - values) + prices + 1e-3)
    freedom = problem.freedom(unknowns, variables)
    movement = noise * costs.min(axis=1) / np.sqrt(np.maximum(freedom, RIGID))
    movement[freedom < RIGID] = np.inf
    best = int(movement.argmin())
    return None if np.isinf(movement[best]) else (best, costs.argmin(axis=1))


def fixed_to(
    problem: Problem, unknowns: Unknowns, variables: Floats, which: int, values: Floats
) -> tuple[Unknowns, Floats] | None:
    """Return the unknowns and a solution with one variable at its value, or None.

    Variables that are already at their values are fixed too.
    """
    fixed = np.abs(variables - values) < CLOSE
    fixed[which] = True
    left = unknowns.fixing(fixed, values)
    found = solved(problem, left, variables[~fixed])
    small = np.abs(found.variables).max(initial=0.0) < LARGEST_ENTRY
    return (left, found.variables) if found.is_solution and small else None


def exact_scheme(problem: Problem, entries: Floats) -> Scheme | None:
    """Return the proved scheme of the fractions that the entries are close to, or None."""
    for largest in DENOMINATORS:
        fractions = [Fraction(x).limit_denominator(largest) for x in entries.tolist()]
        distances = np.abs(entries - np.array(fractions, dtype=np.float64))
        if distances.max(initial=0.0) > CLOSE:
            continue
        rows = np.array(fractions, dtype=object)
        try:
            scheme = rational_scheme(problem.format, *(m.tolist() for m in problem.factors(rows)))
        except FormatError:  # a coefficient is too large
            continue
        if is_valid(scheme):
            return scheme
    return None


def quadratic_field(entries: Floats, largest: int = 200) -> int | None:
    """Return a squarefree d such that all entries are close to elements of Q(sqrt(d)), or None.

    Only entries that are rational, or rational multiples of the root, are recognised.
    """
    odd = [x for x in entries.tolist() if abs(x - Fraction(x).limit_denominator(512)) > CLOSE]
    found = set()
    for x in odd:
        square = Fraction(x * x).limit_denominator(512)
        if abs(x * x - square) > CLOSE:
            return None
        found.add(_squarefree(square.numerator * square.denominator))
    return found.pop() if len(found) == 1 and max(found) <= largest else None


def _squarefree(number: int) -> int:
    factor = 2
    while factor * factor <= number:
        while number % (factor * factor) == 0:
            number //= factor * factor
        factor += 1
    return number
