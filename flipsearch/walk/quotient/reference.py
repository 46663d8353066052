"""Run symmetric walks by a plain engine, on lists of integers that each step scans completely.

Invariant: the only code shared with `flipsearch.walk.quotient.kernel` is the draws and the layout
of states.
"""

from __future__ import annotations

from collections import Counter

import numpy as np

from flipsearch.algebra.draws import plain_draws
from flipsearch.walk.quotient.task import QuotientOutcome, QuotientTask, written
from flipsearch.walk.task import Words

LOW = 2**32 - 1
REFUSALS, TRIES = 4096, 64
Parts = tuple[Words, Words]


def matrix_rank(word: int, n: int) -> int:
    """Return the rank over F2 of an n x n matrix; the lowest n bits are the first row."""
    rows, rank = [word >> n * i & (1 << n) - 1 for i in range(n)], 0
    while rows:
        row = rows.pop()
        if row:
            rank += 1
            rows = [min(other, other ^ row) for other in rows]
    return rank


class Walker:
    """The state of one walk: three successive vectors for each orbit, and the fixed cubes."""

    def __init__(self, task: QuotientTask) -> None:
        self.task, self.draws, self.images = task, plain_draws(task.seed), dict[int, int]()
        self.n = round(task.format.dimensions[0] ** 0.5)
        self.vectors = [int(x) for x in task.start.reshape(-1)]
        self.cubes = [int(x) for x in task.cubes]
        self.tidy()

    @property
    def rank(self) -> int:
        """The number of terms, with all terms of each orbit."""
        return len(self.vectors) * (1 + self.task.mirrored) + len(self.cubes)

    def image(self, x: int) -> int:
        """Return the mirror image of a vector."""
        if x not in self.images:
            self.images[x] = int(f"{x:0{self.n**2}b}"[::-1], 2)
        return self.images[x]

    def key(self, x: int) -> int:
        """Return the key of a vector; vectors with equal keys can be flipped with each other."""
        return min(x, self.image(x)) if self.task.mirrored else x

    def refused(self, *made: int) -> bool:
        """Return whether a vector is a matrix of a rank above the limit."""
        largest = self.task.largest_rank
        return largest > 0 and any(matrix_rank(x, self.n) > largest for x in made)

    def tidy(self) -> None:
        """Drop orbits that vanish, turn u u u into cubes, cancel equal cubes."""
        base = 0
        while base < len(self.vectors):
            orbit = self.vectors[base : base + 3]
            gone = 0 in orbit or (self.task.mirrored and all(self.image(x) == x for x in orbit))
            if not gone and len(set(orbit)) == 1:
                self.cubes += [orbit[0]] + [self.image(orbit[0])] * self.task.mirrored
                gone = True
            if gone:
                last = self.vectors[-3:]
                del self.vectors[-3:]
                if base < len(self.vectors):
                    self.vectors[base : base + 3] = last
            else:
                base += 3
        first = 0
        while first < len(self.cubes):
            if self.cubes[first] not in self.cubes[first + 1 :]:
                first += 1
                continue
            for place in (self.cubes.index(self.cubes[first], first + 1), first):
                last_cube = self.cubes.pop()
                if place < len(self.cubes):
                    self.cubes[place] = last_cube

    def flip(self, flippable: list[int]) -> bool | None:
        """Flip two places with equal keys; return None within an orbit or above the rank limit."""
        v, z = self.vectors, next(self.draws)
        p = flippable[(z >> 32) * len(flippable) >> 32]
        others = [
            place for place in flippable if place != p and self.key(v[place]) == self.key(v[p])
        ]
        q = others[(z & LOW) * len(others) >> 32]
        if p // 3 == q // 3:
            return None
        turn = self.task.mirrored and v[p] != v[q]
        if self.task.mirrored and self.image(v[p]) == v[p]:
            turn = bool(z & 1)
        up, before, after, down = after_(p), before_(p), after_(q), before_(q)
        x, y = v[after], v[before]
        if turn:
            x, y = self.image(x), self.image(y)
        x, y = x ^ v[up], y ^ v[down]
        if self.refused(x, y):
            return None
        v[up], v[down] = x, y
        return True

    def plus(self) -> bool:
        """Turn two orbits into three; return whether a pair was found."""
        v, orbits = self.vectors, len(self.vectors) // 3
        if orbits < 2 or len(v) + 3 > self.task.capacity:
            return False
        for _ in range(TRIES):
            z = next(self.draws)
            first, second = (z >> 32) * orbits >> 32, (z & LOW) * (orbits - 1) >> 32
            second += second >= first
            z = next(self.draws)
            p, q = 3 * first + (z >> 32) % 3, 3 * second + (z & LOW) % 3
            if self.task.mirrored and z >> 61 & 1:
                v[3 * second : 3 * second + 3] = map(self.image, v[3 * second : 3 * second + 3])
            on, back = (after_, before_) if z >> 60 & 1 else (before_, after_)
            a, b, c = v[p], v[on(p)], v[back(p)]
            d, e, f = v[q], v[on(q)], v[back(q)]
            if a == d or b == e or c == f or self.refused(b ^ e, c ^ f, a ^ d):
                continue
            v[on(p)], v[q] = b ^ e, a ^ d
            r = len(v)
            v += [0, 0, 0]
            v[r], v[on(r)], v[back(r)] = a, e, c ^ f
            return True
        return False

    def parts(self) -> Parts:
        """Return orbits and cubes in the form of a task."""
        orbits = np.array(self.vectors, dtype=np.uint64).reshape(-1, 3, 1)
        return orbits, np.array(self.cubes, dtype=np.uint64)


def after_(place: int) -> int:
    """Return the place after this one in its orbit."""
    return place + 1 if place % 3 < 2 else place - 2


def before_(place: int) -> int:
    """Return the place before this one in its orbit."""
    return place - 1 if place % 3 else place + 2


def walk(task: QuotientTask) -> QuotientOutcome:
    """Carry out a walk by the plain engine; see `flipsearch.walk.quotient.kernel.walk`."""
    walker, policy = Walker(task), task.policy
    step = last = idle = flips = reductions = escapes = 0
    best, low = walker.rank, walker.parts()
    history: list[tuple[int, int]] = []
    reason = "reached" if best <= policy.stop_rank else "budget"
    while step < task.steps and reason == "budget":
        keys = [walker.key(x) for x in walker.vectors]
        count = Counter(keys)
        flippable = [place for place, key in enumerate(keys) if count[key] > 1]
        stuck = not flippable or idle >= REFUSALS
        if stuck or (policy.plus_after and step >= last + policy.plus_after):
            last, idle, rank = step, 0, walker.rank
            if stuck or (rank < best + policy.band and not 0 < task.plus_below <= rank):
                done = walker.plus()
                escapes += done
                if stuck and not done:
                    reason = "stuck"
                    break
                walker.tidy()
            continue
        step += 1
        before = walker.rank
        if walker.flip(flippable) is None:
            idle += 1
            continue
        idle = 0
        flips += 1
        walker.tidy()
        reductions += walker.rank < before
        if walker.rank < best:
            best, last, low = walker.rank, step, walker.parts()
            history.append((step, best))
            if best <= policy.stop_rank:
                reason = "reached"
    final, counts = walker.parts(), (step, flips, reductions, escapes)
    ends = (written(task, low),), written(task, final), tuple(history)
    return QuotientOutcome(task.number, *ends, *counts, reason, *low, *final)
