# mypy: allow-untyped-defs
"""Cheaper linear forms by elementary operations before and after the sharing.

Sharing of pairs (`greedy`) never lets terms cancel. An operation in place does: x_j := x_j + c x_i
on the inputs, or f_r := f_r + c f_s on the forms, costs one addition and changes the matrix that
is left by a column or row operation. So U = O U' I with |O| + |I| + shared(U') additions; the
annealing here looks for O and I. It contains the alternative bases of Karstadt and Schwartz
(2017): Winograd's left factor is one operation and three additions, and its Kronecker square
33 + 8 = 41, where sharing alone leaves 44.

Invariant: O U' I is the given matrix at every step; all three are ternary or elementary.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from flipsearch.algebra.draws import next_draw
from flipsearch.algebra.jit import njit
from flipsearch.kernels.additions.energy import energy_of, memory_for
from flipsearch.programs import Output, Program, Step
from flipsearch.rings import IntArray

MOST = 128
"""Operations on either side at most."""

HOT, COLD = 0.4, 0.2
"""Temperatures, in additions, at which a cycle begins and ends: so cold that of the many
operations that only cost, few are accepted."""

REMOVALS = 10
"""One move in so many takes an operation away."""


class InPlace:
    """An annealing for one matrix, in cycles; keeps the best operations so far.

    Parameters
    ----------
    matrix : integer array, shape (forms, inputs)
        Of -1, 0, 1.
    seed : int
        Of the random choices.
    """

    def __init__(self, matrix: IntArray, seed: int) -> None:
        self.matrix = matrix.astype(np.int8)
        self.state = np.array([seed], np.uint64)
        self.memory = memory_for(*matrix.shape)
        self.best = _no_operations()
        self.additions = 1 << 60

    def improve(self, steps: int, fresh: bool) -> None:
        """Run one cycle of so many steps, from the best operations so far or from none."""
        operations, lengths = _no_operations() if fresh else self.best
        ends = operations.copy(), lengths.copy()
        self.additions = anneal_in_place(
            self.matrix, ends, self.best, self.additions, HOT, COLD, steps, self.memory, self.state
        )

    def rest(self) -> IntArray:
        """Return the matrix left between the best operations."""
        rest = self.matrix.copy()
        strip(rest, *self.best)
        return rest.astype(np.int64)

    def around(self, program: Program) -> Program:
        """Return a program for the whole matrix from one for `rest()`."""
        operations, lengths = self.best
        inputs = program.inputs
        steps: list[Step] = []
        place = list(range(inputs))
        for i, j, c in operations[0, : lengths[0]].tolist():
            steps.append((1, place[j], c, place[i]))
            place[j] = inputs + len(steps) - 1
        for p, x, q, y in program.steps:
            steps.append((p, place[x], q, place[y]))
            place.append(inputs + len(steps) - 1)
        outputs: list[Output] = [(p, place[x]) for p, x in program.outputs]
        for s, r, c in operations[1, : lengths[1]].tolist():
            (p, x), (q, y) = outputs[r], outputs[s]
            if p and q:
                steps.append((p, x, c * q, y))
                outputs[r] = (1, inputs + len(steps) - 1)
            elif q:
                outputs[r] = (c * q, y)
        return Program(inputs, tuple(steps), tuple(outputs))


def _no_operations() -> tuple[Any, Any]:
    return np.zeros((2, MOST, 3), np.int64), np.zeros(2, np.int64)


@njit
def strip(matrix, operations, lengths):
    """Turn O U' I into U' in place; say whether all that is met on the way is ternary.

    Parameters
    ----------
    matrix : int8 array, shape (forms, inputs)
        Changed.
    operations : int64 array, shape (2, MOST, 3)
        On inputs: x_j := x_j + c x_i as (i, j, c), in order; then on forms, f_j := f_j + c f_i.
    lengths : int64 array, shape (2,)
        How many of each.
    """
    rows, inputs = matrix.shape
    for k in range(lengths[0]):
        i, j, c = operations[0, k]
        for r in range(rows):
            value = matrix[r, i] - c * matrix[r, j]
            if value > 1 or value < -1:
                return False
            matrix[r, i] = value
    for k in range(lengths[1] - 1, -1, -1):
        i, j, c = operations[1, k]
        for x in range(inputs):
            value = matrix[j, x] - c * matrix[i, x]
            if value > 1 or value < -1:
                return False
            matrix[j, x] = value
    return True


@njit
def anneal_in_place(matrix, start, found, best, hot, cold, steps, memory, state):
    """Run annealing steps over operations; return the least energy seen, kept in `found`.

    Parameters
    ----------
    matrix : int8 array
        The given matrix.
    start : (int64 array, int64 array)
        Where to start: operations and lengths as in `strip`. Changed.
    found : (int64 array, int64 array)
        Overwritten when an energy below `best` is met.
    best : int
        Least energy so far.
    hot, cold : float
        Temperatures at the first and last step.
    steps : int
        Moves to try.
    memory, state
        Work space, random state.
    """
    operations, lengths = start
    best_operations, best_lengths = found
    rest = matrix.copy()
    strip(rest, operations, lengths)
    energy = energy_of(rest, memory, state) + lengths.sum()
    before, before_lengths = operations.copy(), lengths.copy()
    for step in range(steps):
        if energy < best:
            best = energy
            best_operations[:], best_lengths[:] = operations, lengths
        side = np.int64(next_draw(state) % np.uint64(2))
        count = lengths[side]
        size = np.uint64(matrix.shape[1] if side == 0 else matrix.shape[0])
        if size < 2:
            continue
        before[side], before_lengths[side] = operations[side], count
        if count > 0 and next_draw(state) % np.uint64(REMOVALS) == 0:
            place = np.int64(next_draw(state) % np.uint64(count))
            for k in range(place, count - 1):
                operations[side, k] = operations[side, k + 1]
            lengths[side] = count - 1
        elif count < MOST:
            place = np.int64(next_draw(state) % np.uint64(count + 1))
            for k in range(count, place, -1):
                operations[side, k] = operations[side, k - 1]
            i = np.int64(next_draw(state) % size)
            j = np.int64(
                (np.uint64(i) + np.uint64(1) + next_draw(state) % (size - np.uint64(1))) % size
            )
            operations[side, place, 0], operations[side, place, 1] = i, j
            operations[side, place, 2] = 1 if next_draw(state) & np.uint64(1) else -1
            lengths[side] = count + 1
        else:
            continue
        rest[:] = matrix
        fine = strip(rest, operations, lengths)
        rise = 1 << 30
        if fine:
            rise = energy_of(rest, memory, state) + lengths.sum() - energy
        temperature = hot * (cold / hot) ** (step / steps)
        chance = float(next_draw(state) >> np.uint64(11)) * 2.0**-53
        if rise <= 0 or chance < np.exp(-rise / temperature):
            energy += rise
        else:
            operations[side], lengths[side] = before[side], before_lengths[side]
    if energy < best:
        best = energy
        best_operations[:], best_lengths[:] = operations, lengths
    return best
