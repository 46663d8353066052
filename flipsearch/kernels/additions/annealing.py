"""Put three matrices and their programs under an annealing, and read better ones back.

Invariant: programs that are read back were evaluated: each computes its matrix.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from flipsearch.kernels.additions.anneal import anneal
from flipsearch.kernels.additions.sums import (
    BUCKETS,
    Sums,
    aim,
    clear,
    find,
    follows,
    insert,
    normal,
    prune,
    save,
)
from flipsearch.programs import Output, Program, Step
from flipsearch.rings import IntArray, Ring

WIDEST = 64
"""Largest number of inputs of a matrix whose programs can be annealed."""

FLIPS, SANDWICHES = 0.7, 0.02
"""Shares of flips and sandwiches among the moves; the others are sums."""

Form = tuple[int, int]  # bits of the inputs with coefficient +1, with -1


def may_anneal(matrices: Sequence[IntArray]) -> bool:
    """Return whether the matrices hold -1, 0 and 1 only, in few enough columns."""
    return all(
        matrix.shape[1] <= WIDEST and bool((np.abs(matrix) <= 1).all()) for matrix in matrices
    )


@dataclass
class Annealing:
    """Three matrices with programs, under moves that keep them valid.

    `matrices` are three int64 arrays of shapes (rows, inputs), of -1, 0 and 1: the factors U, V,
    W, or any others if no flips are made. `programs` are those of each matrix to begin with; steps
    that are not ternary are left out. `ring` is F2, F3 or ZT. `sides` are (n, m, p) of a general
    format, else zeros: no sandwiches then. `weights` are how often the additions of each program
    count.
    """

    matrices: Sequence[IntArray]
    programs: Sequence[Sequence[Program]]
    ring: Ring
    sides: tuple[int, int, int] = (0, 0, 0)
    seed: int = 0
    weights: tuple[int, int, int] = (1, 1, 1)

    def __post_init__(self) -> None:
        self._state = np.array([self.seed], np.uint64)
        self._modulus = self.ring.characteristic
        steps = [sum(len(program.steps) for program in each) for each in self.programs]
        most = max(
            sum(matrix.shape) + int(np.count_nonzero(matrix)) + count
            for matrix, count in zip(self.matrices, steps, strict=True)
        )
        self._sums, self._best = (_empty(self.matrices, most + 32) for _ in range(2))
        self.least = 1 << 60
        for slot, matrix in enumerate(self.matrices):
            forms = [form for program in self.programs[slot] for form in self._forms(program)]
            self._load(slot, matrix, forms)
        self.run(0)

    @property
    def rank(self) -> int:
        """The number of terms."""
        return len(self.matrices[0])

    def run(self, steps: int, hot: float = 1.0, cold: float = 1.0, walk: bool = False) -> int:
        """Try so many moves at falling temperatures; return the least number of additions met.

        `hot` and `cold` are the temperatures at the first and last step, in additions. With `walk`
        the moves go among schemes; otherwise the matrices stay.
        """
        shares = np.array([FLIPS, SANDWICHES] if walk else [0.0, 0.0])
        self.least = anneal(
            self._sums, self._best, np.array(self.sides), np.array(self.weights), self.least,
            self.rank, self._modulus, shares, hot, cold, steps, self._state,
        )  # fmt: skip
        return self.least

    def back(self) -> None:
        """Go back to the least number of additions met."""
        for slot in range(3):
            save(self._best, slot, self._sums, slot)

    def best(self) -> tuple[list[IntArray], list[Program]]:
        """Return the matrices and programs of the least number of additions."""
        pairs = [self._read(slot) for slot in range(3)]
        return [matrix for matrix, _ in pairs], [program for _, program in pairs]

    def _load(self, slot: int, matrix: IntArray, forms: list[Form]) -> None:
        sums = self._sums
        clear(sums, slot)
        for plus, minus in forms:
            self._insert(slot, plus, minus)
        for row, (plus, minus) in enumerate(_rows(matrix)):
            if plus | minus:
                aim(sums, slot, row, np.uint64(plus), np.uint64(minus), self._modulus)
        if not follows(sums, slot, -1):  # some steps of the programs are not ternary
            for row in matrix:
                partial = np.cumsum(np.diag(row), axis=0)[row != 0]
                for plus, minus in _rows(partial):
                    self._insert(slot, plus, minus)
        prune(sums, slot, 0, -1)

    def _insert(self, slot: int, plus: int, minus: int) -> None:
        p, m = map(np.uint64, normal(np.uint64(plus), np.uint64(minus))[:2])
        if plus | minus and find(self._sums, slot, p, m) < 0:
            insert(self._sums, slot, p, m, self._modulus)

    def _forms(self, program: Program) -> list[Form]:
        """Return the steps of a program that are ternary forms."""
        found: list[IntArray] = list(np.eye(program.inputs, dtype=np.int64))
        for p, x, q, y in program.steps:
            found.append(self.ring.balanced(p * found[x] + q * found[y]))
        steps = np.array(found[program.inputs :]).reshape(-1, program.inputs)
        return _rows(steps[(np.abs(steps) <= 1).all(axis=1)])

    def _read(self, slot: int) -> tuple[IntArray, Program]:
        """Return the best matrix of a slot and its program."""
        best, inputs = self._best, int(self._best.inputs[slot])
        size, rows = int(best.size[slot]), len(self.matrices[slot])
        forms = np.zeros((size, inputs), dtype=np.int64)
        for sign, words in ((1, best.plus), (-1, best.minus)):
            bits = words[slot, :size, None] >> np.arange(inputs, dtype=np.uint64)
            forms += sign * (bits & np.uint64(1)).astype(np.int64)
        nodes, signs = best.node[slot, :rows], best.sign[slot, :rows]
        matrix = forms[nodes] * signs[:, None]
        steps: list[Step] = []
        place = {x: x for x in range(inputs)}
        triples = best.triples[slot, : best.count[slot]].tolist()
        while len(place) < size:
            before = len(place)
            for triple in triples:
                missing = [x for x in triple if x not in place]
                if len(missing) != 1:
                    continue
                x, y = (x for x in triple if x in place)
                p, q = next(
                    (p, q)
                    for p in (1, -1)
                    for q in (1, -1)
                    if np.array_equal(
                        self.ring.balanced(p * forms[x] + q * forms[y]), forms[missing[0]]
                    )
                )
                steps.append((p, place[x], q, place[y]))
                place[missing[0]] = inputs + len(steps) - 1
            assert len(place) > before, "a form does not follow from the others"
        outputs: list[Output] = [
            (int(s), place[x] if s else 0) for x, s in zip(nodes.tolist(), signs, strict=True)
        ]
        return matrix, Program(inputs, tuple(steps), tuple(outputs))


def _rows(matrix: IntArray) -> list[Form]:
    """Return the rows of a ternary matrix as bits."""
    weights = 1 << np.arange(matrix.shape[1], dtype=np.uint64)
    plus, minus = (
        np.where(matrix == sign, weights, np.uint64(0)).sum(axis=1, dtype=np.uint64).tolist()
        for sign in (1, -1)
    )
    return list(zip(plus, minus, strict=True))


def _empty(matrices: Sequence[IntArray], most: int) -> Sums:
    """Return programs of no forms with room for so many in each slot."""
    rows = max(len(matrix) for matrix in matrices)
    return Sums(
        plus=np.zeros((6, most), np.uint64),
        minus=np.zeros((6, most), np.uint64),
        wanted=np.zeros((6, most), np.int64),
        size=np.zeros(6, np.int64),
        inputs=np.array([matrix.shape[1] for matrix in matrices] * 2, np.int64),
        triples=np.zeros((6, 16 * most, 3), np.int16),
        count=np.zeros(6, np.int64),
        first=np.zeros((6, BUCKETS), np.int16),
        after=np.zeros((6, most), np.int16),
        node=np.zeros((6, rows), np.int64),
        sign=np.zeros((6, rows), np.int64),
        derived=np.zeros(most, np.int64),
        only=np.zeros(most, np.int64),
        stack=np.zeros(most, np.int64),
    )
