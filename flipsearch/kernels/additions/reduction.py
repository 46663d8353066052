"""A scheme's three linear parts as short programs, proved to be the same scheme.

The additions of a scheme form S_r from A, T_r from B and C from the products. Each of these parts
is shortened from both sides: as it stands, and transposed with the program run backwards; by
shared pairs alone, and with operations in place around them.

Invariant: each program returned computes the scheme's factor exactly; any other is a bug and
raises.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import repeat
from random import Random
from typing import Any

import numpy as np

from flipsearch.algebra.cores import available_cores
from flipsearch.errors import UsageError
from flipsearch.kernels.additions.anneal import fewer_additions
from flipsearch.kernels.additions.greedy import shorten_repeatedly
from flipsearch.kernels.additions.inplace import InPlace
from flipsearch.kernels.additions.plain import replace, shorten_plain
from flipsearch.programs import Program, Reduction, Step, chained, transposed
from flipsearch.rings import IntArray, Ring
from flipsearch.scheme import Scheme

PASSES = 20
"""Greedy passes between two looks at the clock."""

CYCLE = 20_000
"""Steps of a cycle of annealing."""

MOST_ENTRIES = 2_000_000
"""Coefficients of a scheme whose sums are shared; 16x16x16 of rank 2,401 has 1.8 million."""

WALKED, LOOK = 0.3, 0.15
"""Shares of the time that go into walking, and into a look at a scheme."""


def reduce_additions(
    scheme: Scheme, seconds: float = 5.0, seed: int = 0, passes: int | None = None
) -> Reduction:
    """Return short programs for a scheme's linear parts.

    Parameters
    ----------
    scheme : Scheme
        Over ZT, Z or Q. Over a finite field only stored representatives could be shortened, and
        the programs would compute another scheme: refused.
    seconds : float
        Time to spend; over ZT on as many cores as there are, up to three. The parts have a thread
        each and share the cores' time by their nonzeros.
    seed : int
        Of the random choices.
    passes : int, optional
        Stop each side after so many greedy passes instead, for repeatable results.

    Raises
    ------
    UsageError
        The scheme is over a finite field, or has more than `MOST_ENTRIES` coefficients.
    """
    if scheme.ring.characteristic:
        raise UsageError(
            f"additions are shared over the integers: lift the scheme over {scheme.ring}"
        )
    _refuse_large(scheme)
    matrices = scheme.u, scheme.v, scheme.w.T
    sizes = [max(1, int(np.count_nonzero(matrix))) for matrix in matrices]
    # the plain passes, for coefficients beyond -1, 0, 1, hold the interpreter's lock
    cores = min(3, available_cores()) if scheme.natural_ring is Ring.ZT else 1
    work = cores * seconds
    shares = [min(seconds, work * size / sum(sizes)) for size in sizes]
    seeds = range(seed, seed + 3)
    with ThreadPoolExecutor(3) as threads:
        left, right, output = threads.map(shorten, matrices, shares, seeds, repeat(passes))
    return Reduction(scheme, left, right, output)


def _refuse_large(scheme: Scheme) -> None:
    if (entries := scheme.rank * sum(scheme.format.dimensions)) > MOST_ENTRIES:
        raise UsageError(
            f"{scheme.format} at rank {scheme.rank} has {entries:,} coefficients: sums are shared "
            f"among {MOST_ENTRIES:,} at most"
        )


def fewest_additions(
    scheme: Scheme, seconds: float = 60.0, seed: int = 0, walk: bool = True
) -> Reduction:
    """Walk to schemes that share better, then share; return the best reduction met.

    Parameters
    ----------
    scheme : Scheme
        Over ZT, Z or Q; only ternary schemes are walked from, others are shortened as they are.
    seconds : float
        Time to spend: with walks, one a core, a third on them; then a look at the given scheme and
        at the best walked one, and the rest on that in which fewer additions are left.
    seed : int
        Of the random choices.
    walk : bool
        Whether the scheme may be exchanged for another of the same format and rank.
    """
    _refuse_large(scheme)
    if not walk or scheme.natural_ring is not Ring.ZT:
        return reduce_additions(scheme, seconds, seed)
    ternary, walks = scheme.canonical.over(Ring.ZT), available_cores()
    seeds = range(walks * seed, walks * (seed + 1))
    with ThreadPoolExecutor(walks) as threads:
        walked = threads.map(fewer_additions, repeat(ternary), repeat(WALKED * seconds), seeds)
    shared = (reduce_additions(each, seed=seed, passes=PASSES) for each in walked)
    schemes = scheme, min(shared, key=_additions).scheme
    looks = [reduce_additions(each, LOOK * seconds, seed) for each in schemes]
    look = min(looks, key=_additions)
    again = reduce_additions(look.scheme, (1 - WALKED - 2 * LOOK) * seconds, seed + 3)
    sides = ((getattr(x, side) for x in (look, again)) for side in ("left", "right", "output"))
    return Reduction(look.scheme, *(min(programs, key=_additions) for programs in sides))


def _additions(found: Reduction | Program) -> int:
    return found.additions


def shorten(
    matrix: IntArray, seconds: float = 1.0, seed: int = 0, passes: int | None = None
) -> Program:
    """Return a short program for the rows of an integer matrix.

    Parameters
    ----------
    matrix : int64 array, shape (outputs, inputs)
        Ternary matrices take the compiled passes, others plain ones.
    seconds : float
        Processor time to spend.
    seed, passes
        As in `reduce_additions`.
    """
    sides = [matrix, np.ascontiguousarray(matrix.T)]
    ternary = bool((np.abs(matrix) <= 1).all())
    searches = [
        (_Ternary if ternary else _General)(side, 2 * seed + k) for k, side in enumerate(sides)
    ]
    share = 0.4 if ternary else 1.0
    _improve(searches, share * seconds, passes)
    straight, turned = (search.program() for search in searches)
    programs = [straight, transposed(turned)]
    if ternary and passes is None and seconds > 0:
        flat = matrix.shape[0] < matrix.shape[1]  # operations go on either end: one side is enough
        found = _around(sides[flat], 0.6 * seconds, seed)
        programs.append(transposed(found) if flat else found)
    program = min(programs, key=_additions)
    if not np.array_equal(program.matrix(), matrix):
        raise AssertionError("a shortened program does not compute its matrix")
    return program


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


def _around(matrix: IntArray, seconds: float, seed: int) -> Program:
    """Return a program with operations in place around shared sums."""
    search = InPlace(matrix, seed)
    search.improve(1, fresh=True)  # compiles, apart from the time to spend
    start = time.thread_time()  # other programs do not take steps away
    search.improve(200, fresh=True)
    each = max(1e-6, (time.thread_time() - start) / 200)  # a coarse clock may say 0
    cycles = max(1, int(0.8 * seconds / each / CYCLE))
    for cycle in range(cycles):
        steps = min(CYCLE, int(0.8 * seconds / each))
        search.improve(steps, fresh=cycle % 3 < 2)
    rest = search.rest()
    shared = _Ternary(rest, seed)
    _improve([shared], 0.2 * seconds, None)
    return search.around(shared.program())


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
