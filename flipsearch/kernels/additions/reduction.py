"""Write a scheme's three linear parts as short programs, proved to be the same scheme.

The additions of a scheme form S_r from A, T_r from B and C from the products. Each of these parts
is shortened from both sides: as it stands, and transposed with the program run backwards. An
annealing then exchanges forms of the programs, and terms cancel if that saves additions.

Invariant: each program returned computes the scheme's factor exactly; any other is a bug and
raises.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from operator import attrgetter
from random import Random
from typing import Any

import numpy as np

from flipsearch.errors import UsageError
from flipsearch.kernels.additions.annealing import Annealing, may_anneal
from flipsearch.kernels.additions.greedy import shorten_repeatedly
from flipsearch.kernels.additions.plain import replace, shorten_plain
from flipsearch.programs import Program, Reduction, Step, chained, transposed
from flipsearch.rings import IntArray, Ring
from flipsearch.scheme import Scheme

PASSES = 20
"""Greedy passes between two looks at the clock."""

MOVES = 500
"""Moves of an annealing for each greedy pass."""

MOST_ENTRIES = 2_000_000
"""Coefficients of a scheme whose sums are shared; 16x16x16 of rank 2,401 has 1.8 million."""


def reduce_additions(
    scheme: Scheme, seconds: float = 5.0, seed: int = 0, passes: int | None = None
) -> Reduction:
    """Return short programs for a scheme's linear parts; over F2 and F3 they add modulo 2 and 3.

    Half of the `seconds` go to sharing and half to annealing. Instead, a number of `passes` a side
    gives repeatable results. A scheme of more than `MOST_ENTRIES` coefficients raises a
    `UsageError`.
    """
    if (entries := scheme.rank * sum(scheme.format.dimensions)) > MOST_ENTRIES:
        raise UsageError(
            f"{scheme.format} at rank {scheme.rank} has {entries:,} coefficients: sums are shared "
            f"among {MOST_ENTRIES:,} at most"
        )
    # W as it stands has the terms as rows, like U and V; its program is run backwards
    found = shorten_all(scheme.factors, scheme.ring, seconds, seed, passes)
    left, right, output = found
    result = Reduction(scheme, left, right, transposed(output))
    result.check()
    return result


def shorten(
    matrix: IntArray,
    seconds: float = 1.0,
    seed: int = 0,
    passes: int | None = None,
    ring: Ring = Ring.ZT,
) -> Program:
    """Return a short program for the rows of an int64 matrix of shape (outputs, inputs).

    Ternary matrices take the compiled passes, others plain ones. Over F2 and F3 the program
    computes the matrix modulo 2 or 3. `seconds`, `seed` and `passes` are as in `reduce_additions`.
    """
    return shorten_all([matrix], ring, seconds, seed, passes)[0]


def shorten_all(
    matrices: Sequence[IntArray], ring: Ring, seconds: float, seed: int, passes: int | None
) -> list[Program]:
    """Return a short program for the rows of each of up to three matrices; see `shorten`."""
    both = [
        _both_sides(matrix, seconds / 2 / len(matrices), 2 * (seed + k), passes)
        for k, matrix in enumerate(matrices)
    ]
    best = [min(programs, key=attrgetter("additions")) for programs in both]
    if may_anneal(matrices):
        moves = None if passes is None else passes * MOVES
        found = _annealed(matrices, both, ring, seconds / 2, seed, moves)
        best = [min(pair, key=attrgetter("additions")) for pair in zip(best, found, strict=True)]
    for matrix, program in zip(matrices, best, strict=True):
        if not np.array_equal(program.matrix(ring), matrix):
            raise AssertionError("a shortened program does not compute its matrix")
    return best


def _annealed(
    matrices: Sequence[IntArray],
    programs: Sequence[Sequence[Program]],
    ring: Ring,
    seconds: float,
    seed: int,
    moves: int | None,
) -> list[Program]:
    """Return programs of the matrices in which forms were exchanged."""
    idle = 3 - len(matrices)
    search = Annealing(
        [*matrices, *[np.zeros((0, 1), np.int64)] * idle],
        [*programs, *[()] * idle],
        ring,
        seed=seed,
    )
    end = time.thread_time() + seconds
    while True:
        search.run(PASSES * MOVES if moves is None else moves)
        if moves is not None or time.thread_time() > end:
            return search.best()[1][: len(matrices)]


def _both_sides(
    matrix: IntArray, seconds: float, seed: int, passes: int | None
) -> tuple[Program, Program]:
    """Return programs of a matrix found by sharing from either side."""
    sides = [matrix, np.ascontiguousarray(matrix.T)]
    ternary = bool((np.abs(matrix) <= 1).all())
    searches = [
        (_Ternary if ternary else _General)(side, seed + k) for k, side in enumerate(sides)
    ]
    _improve(searches, seconds, passes)
    straight, turned = (search.program() for search in searches)
    return straight, transposed(turned)


def _improve(searches: Sequence[_Ternary | _General], seconds: float, passes: int | None) -> None:
    """Run greedy passes in turn, for a processor time or a number of passes."""
    rounds, end = 0, None
    while True:
        for search in searches:
            search.improve(PASSES if passes is None else min(PASSES, passes))
        rounds += PASSES
        end = end or time.thread_time() + seconds  # after the first passes, which may compile
        if rounds >= passes if passes is not None else time.thread_time() > end:
            break


class _Ternary:
    """Compiled passes over a matrix of -1, 0, 1; keeps the best choices."""

    def __init__(self, matrix: IntArray, seed: int) -> None:
        self.matrix = matrix
        rows, inputs = matrix.shape
        words = max(1, -(-rows // 64))
        self.plus, self.minus = (_packed((matrix == sign).T, inputs, words) for sign in (1, -1))
        nonzeros = int(np.count_nonzero(matrix))
        self.best = np.zeros((min(nonzeros, 4096) + 1, 3), np.int64)
        self.length, self.additions = 0, 1 << 60
        self.state = np.array([seed], np.uint64)

    def improve(self, passes: int) -> None:
        self.length, self.additions = shorten_repeatedly(
            self.plus, self.minus, self.best, self.length, self.additions, passes, self.state
        )

    def program(self) -> Program:
        """Replay the best choices on the rows."""
        inputs = self.matrix.shape[1]
        rows = [{x: int(p) for x, p in enumerate(row) if p} for row in self.matrix]
        shared: list[Step] = []
        for x, y, negative in self.best[: self.length].tolist():
            sign = -1 if negative else 1
            replace(rows, (x, y, 1, sign), inputs + len(shared))
            shared.append((1, x, sign, y))
        return chained(inputs, shared, [[(p, x) for x, p in row.items()] for row in rows])


class _General:
    """Plain passes over a matrix of any integers."""

    def __init__(self, matrix: IntArray, seed: int) -> None:
        self.matrix = matrix
        self.random = Random(seed)
        self.best: Program | None = None

    def improve(self, passes: int) -> None:
        for _ in range(max(1, passes // PASSES)):
            found = shorten_plain(self.matrix, self.random)
            if self.best is None or found.additions < self.best.additions:
                self.best = found

    def program(self) -> Program:
        assert self.best is not None
        return self.best


def _packed(members: IntArray, variables: int, words: int) -> Any:
    """Return the rows in which each variable is present, as bits; shape (variables, words)."""
    packed = np.zeros((variables, words), np.uint64)
    for variable, row in np.argwhere(members).tolist():
        packed[variable, row // 64] |= np.uint64(1) << np.uint64(row % 64)
    return packed
