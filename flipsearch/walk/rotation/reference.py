"""Run walks by rotated orbits by a plain engine, on lists of tuples of -1, 0, 1.

Invariant: the only code shared with `flipsearch.walk.rotation.kernel` is the draws and the layout
of states.
"""

from __future__ import annotations

import numpy as np

from flipsearch.algebra.draws import plain_draws
from flipsearch.rings import Ring
from flipsearch.scheme import Scheme
from flipsearch.walk.rotation.task import RotationTask
from flipsearch.walk.task import WalkOutcome, WalkTask, Words, pack, unpack

Vector = tuple[int, ...]
Row = list[Vector]
LOW, TRIES = 2**32 - 1, 64


def same(x: Vector, y: Vector) -> int:
    """Return c if y = c x with c = 1 or -1, else 0."""
    return 1 if x == y else -1 if tuple(-e for e in x) == y else 0


def rows_of(scheme: Scheme) -> list[Row]:
    """Return the factors of a scheme's terms as tuples."""
    return [
        [tuple(map(int, factor[row])) for factor in scheme.factors] for row in range(scheme.rank)
    ]


class Walker:
    """The state of one walk."""

    def __init__(self, task: WalkTask, rows: list[Row], order: int, integral: bool) -> None:
        self.task, self.rows, self.order, self.integral = task, rows, order, integral
        self.draws, self.reductions = plain_draws(task.seed), 0

    def sum(self, x: Vector, y: Vector, scale: int) -> Vector:
        """Return x + scale * y, modulo 3 unless the walk is integral."""
        total = tuple(p + scale * q for p, q in zip(x, y, strict=True))
        return total if self.integral else tuple((e + 1) % 3 - 1 for e in total)

    def images(self, row: int) -> list[int]:
        """Return the rows of the orbit of a row, beginning with it."""
        first = row - row % self.order
        return [first + (row + t) % self.order for t in range(self.order)]

    def pair(self, p: int, q: int, factors: tuple[tuple[int, int, int, int], ...]) -> bool:
        """Add factors in all images of two rows; return whether the coefficients allow it.

        Each of `factors` is (row, slot, other row, scale), with row 0 for p and 1 for q.
        """
        rows = self.rows
        images = list(zip(self.images(p), self.images(q), strict=True))
        for at, slot, other, scale in factors:
            made = self.sum(rows[(p, q)[at]][slot], rows[(p, q)[other]][slot], scale)
            if any(abs(e) > 1 for e in made):
                return False
        for both in images:
            for at, slot, other, scale in factors:
                rows[both[at]][slot] = self.sum(
                    rows[both[at]][slot], rows[both[other]][slot], scale
                )
        return True

    def flip(self) -> bool:
        """Try a random flip of two orbits; return whether it was made."""
        rows, d = self.rows, self.order
        z, choice = next(self.draws), next(self.draws)
        p, start = (z >> 32) * len(rows) >> 32, (z & LOW) * len(rows) >> 32
        slot, turn = (choice & LOW) * 3 >> 32, 1 + (choice >> 63)
        scale = -1 if choice >> 62 & 1 else 1
        around = [(start + k) % len(rows) for k in range(len(rows))]
        others = [x for x in around if x // d != p // d and same(rows[p][slot], rows[x][slot])]
        if not others:
            return False
        q, b, c = others[0], (slot + turn) % 3, (slot - turn) % 3
        opposite = -scale * same(rows[p][slot], rows[q][slot])
        if not self.pair(p, q, ((0, b, 1, scale), (1, c, 0, opposite))):
            return False
        for orbit in sorted({p // d, q // d}, reverse=True):
            if not all(any(factor) for factor in rows[orbit * d]):
                rows[orbit * d : orbit * d + d] = rows[-d:]
                del rows[-d:]
                self.reductions += 1
        return True

    def plus(self) -> bool:
        """Turn two orbits into three; return whether a pair was found."""
        rows, d = self.rows, self.order
        if len(rows) < 2 * d or len(rows) + d > self.task.capacity:
            return False
        for _ in range(TRIES):
            z, choice = next(self.draws), next(self.draws)
            p, q = (z >> 32) * len(rows) >> 32, (z & LOW) * len(rows) >> 32
            a, turn = (choice & LOW) * 3 >> 32, 1 + (choice >> 63)
            b, c = (a + turn) % 3, (a - turn) % 3
            if p // d == q // d or any(map(same, rows[p], rows[q])):
                continue
            new = []
            for x, y in zip(self.images(p), self.images(q), strict=True):
                row: Row = [(), (), ()]
                row[a], row[b] = rows[x][a], rows[y][b]
                row[c] = self.sum(rows[y][c], rows[x][c], -1)
                new.append(row)
            if any(abs(e) > 1 for e in new[0][c]):
                continue
            if self.pair(p, q, ((0, b, 1, 1), (1, a, 0, -1))):
                rows += new
                return True
        return False


def packed(task: WalkTask, rows: list[Row]) -> Words:
    """Return the packed state of rows."""
    factors = (np.array([row[slot] for row in rows], np.int64) for slot in range(3))
    return pack(Scheme(task.format, task.ring, *factors))


def walk(task: RotationTask) -> WalkOutcome:
    """Carry out a walk by the plain engine; see `flipsearch.walk.rotation.kernel.walk`."""
    rows = rows_of(unpack(task.format, task.ring, task.start))
    walker = Walker(task, rows, task.order, task.integral or task.ring is Ring.ZT)
    policy = task.policy
    lowest = since = len(walker.rows)
    best, history = packed(task, walker.rows), []
    last = step = flips = escapes = 0
    while step < task.steps and lowest > policy.stop_rank:
        step += 1
        flips += walker.flip()
        if len(walker.rows) < since:
            since, last = len(walker.rows), step
        if len(walker.rows) < lowest:
            lowest, best = len(walker.rows), packed(task, walker.rows)
            history.append((step, lowest))
        if policy.plus_after and step - last > policy.plus_after:
            if len(walker.rows) < lowest + policy.band:
                escapes += walker.plus()
            since, last = len(walker.rows), step
    counts = step, flips, walker.reductions, escapes
    ends = (best,), packed(task, walker.rows), tuple(history)
    reason = "reached" if lowest <= policy.stop_rank else "budget"
    return WalkOutcome(task.number, *ends, *counts, reason)
