"""Run walks modulo diagonal terms by a plain engine, on lists of tuples of -1, 0, 1.

Plus transitions are those of `flipsearch.walk.rotation.reference` for orbits of one row.

Invariant: the only code shared with `flipsearch.walk.diagonal.kernel` is the draws, the layout of
states, and the removal and completion of terms.
"""

from __future__ import annotations

import numpy as np

from flipsearch.scheme import Scheme
from flipsearch.walk.diagonal.task import DiagonalTask, always, completed, diagonal, without
from flipsearch.walk.rotation.reference import LOW, Vector, Walker, rows_of, same
from flipsearch.walk.task import WalkOutcome, Words, pack, unpack


def single(x: Vector) -> int | None:
    """Return the entry of a factor with one nonzero entry, else None."""
    entries = [e for e, value in enumerate(x) if value]
    return entries[0] if len(entries) == 1 else None


class DiagonalWalker(Walker):
    """The state of one walk: its rows, orbits of one row each, without the free terms."""

    def __init__(self, task: DiagonalTask) -> None:
        self.free = diagonal(task.format, task.ring)
        start = without(self.free, unpack(task.format, task.ring, task.start))
        super().__init__(task, rows_of(start), order=1, integral=False)

    def mate(self, entry: int | None, side: int) -> int | None:
        """Return the entry paired with an entry of slot 0 (side 0) or slot 2 (side 1), or None."""
        found = [pair[1 - side] for pair in self.free.pairs if pair[side] == entry]
        return found[0] if found else None

    def vanishes(self, row: int) -> bool:
        """Return whether a factor is zero, or the row is free."""
        u, v, w = self.rows[row]
        mate = self.mate(single(u), 0)
        return not (any(u) and any(v) and any(w)) or (mate is not None and single(w) == mate)

    def settle(self) -> int:
        """Remove the rows that vanish; return their number."""
        row, before = 0, len(self.rows)
        while row < len(self.rows):
            if self.vanishes(row):
                last = self.rows.pop()
                if row < len(self.rows):
                    self.rows[row] = last
            else:
                row += 1
        return before - len(self.rows)

    def unit(self, slot: int, entry: int) -> Vector:
        """Return the factor with a single 1."""
        return tuple(int(e == entry) for e in range(self.task.format.dimensions[slot]))

    def free_move(self, z: int) -> list[int]:
        """Change a factor as a free term allows; return the changed row."""
        row, side = (z >> 32) * len(self.rows) >> 32, z & 1
        mate = self.mate(single(self.rows[row][2 * side]), side)
        if mate is None:
            return []
        to = 2 * (1 - side)
        self.rows[row][to] = self.sum(self.rows[row][to], self.unit(to, mate), 1 - (z & 2))
        return [row]

    def flip_rows(self, z: int, choice: int) -> list[int]:
        """Flip two rows that share a factor; return them."""
        rows = self.rows
        slot, turn = (choice & LOW) * 3 >> 32, 1 + (choice >> 63)
        first = (z >> 32) * len(rows) >> 32
        for row in (*range(first, len(rows)), *range(first)):
            factor = rows[row][slot]
            others = [x for x, r in enumerate(rows) if x != row and same(factor, r[slot])]
            if others:
                break
        else:
            return []
        other = others[(z & LOW) * len(others) >> 32]
        scale = -1 if choice >> 62 & 1 else 1
        b, c = (slot + turn) % 3, (slot - turn) % 3
        sign = same(rows[row][slot], rows[other][slot])
        rows[row][b] = self.sum(rows[row][b], rows[other][b], scale)
        rows[other][c] = self.sum(rows[other][c], rows[row][c], -scale * sign)
        return [row, other]

    def merge(self, row: int) -> bool:
        """Merge a row with a row that agrees in two factors; the other's first becomes zero."""
        rows = self.rows
        for slot in range(3):
            b, c = (slot + 1) % 3, (slot + 2) % 3
            for other in range(len(rows)):
                sign = same(rows[row][b], rows[other][b]) * same(rows[row][c], rows[other][c])
                if other != row and sign:
                    rows[row][slot] = self.sum(rows[row][slot], rows[other][slot], sign)
                    rows[other][0] = (0,) * len(rows[other][0])
                    return True
        return False

    def free_row(self) -> None:
        """Add a free term and flip it with a row."""
        z = next(self.draws)
        row, paired = (z >> 32) * len(self.rows) >> 32, sorted(self.free.pairs)
        entry, mate = paired[(z & LOW) * len(paired) >> 32]
        u, v, w = self.rows[row]
        self.rows.append([self.unit(0, entry), v, self.sum(self.unit(2, mate), w, -1)])
        self.rows[row][0] = self.sum(u, self.unit(0, entry), 1)
        self.settle()

    def packed(self) -> Words:
        """Return the packed scheme of the rows and the free terms."""
        factors = (
            np.array([row[slot] for row in self.rows], np.int64).reshape(-1, dimension)
            for slot, dimension in enumerate(self.task.format.dimensions)
        )
        return pack(completed(self.free, Scheme(self.task.format, self.task.ring, *factors)))


def walk(task: DiagonalTask) -> WalkOutcome:
    """Carry out a walk by the plain engine; see `flipsearch.walk.diagonal.kernel.walk`."""
    walker, policy = DiagonalWalker(task), task.policy
    stop, beside = max(0, policy.stop_rank - always(walker.free)), always(walker.free)
    lowest = since = len(walker.rows)
    best, history = walker.packed(), []
    last = step = flips = reductions = escapes = 0
    while step < task.steps and lowest > stop:
        step += 1
        z, choice = next(walker.draws), next(walker.draws)
        changed = walker.free_move(z) if choice % 2 == 0 else walker.flip_rows(z, choice)
        flips += bool(changed)
        lower = any(walker.vanishes(row) for row in changed)
        if policy.merge and not lower:
            lower = any(walker.merge(row) for row in changed)
        if lower:
            reductions += walker.settle()
            rows = len(walker.rows)
            if rows < since:
                since, last = rows, step
            if rows < lowest:
                lowest, best = rows, walker.packed()
                history.append((step, lowest + beside))
        if policy.plus_after and step - last > policy.plus_after:
            rows = len(walker.rows)
            if 0 < rows < min(lowest + policy.band, task.capacity):
                if (z >> 32) % 4 == 0:
                    walker.free_row()
                else:
                    walker.plus()
                escapes += len(walker.rows) > rows
            since, last = len(walker.rows), step
    counts, reason = (step, flips, reductions, escapes), "reached" if lowest <= stop else "budget"
    ends = (best,), walker.packed(), tuple(history)
    return WalkOutcome(task.number, *ends, *counts, reason)
