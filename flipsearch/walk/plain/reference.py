"""Define the meaning of a plain walk by a plain engine without an index.

Every choice is specified here on rows in order: the drawn flippable (slot, row) is the k-th in
slot-major order, the partner is the k-th equal row, and the rules of reductions fix the row that
goes and the place of the last row. Factors are tuples of balanced integers in normal form (first
nonzero entry +1) with a separate sign for each term. Every step scans all rows. The engine is
about a thousand times slower than the others, whose outcomes have to equal its outcomes bit for
bit.

Invariant: the only code shared with the other engines is the packing of states and the random
numbers.
"""

from __future__ import annotations

from collections import Counter
from itertools import combinations, permutations

import numpy as np

from flipsearch.algebra.draws import plain_draws
from flipsearch.formats import Format
from flipsearch.rings import Ring
from flipsearch.scheme import Scheme
from flipsearch.walk.task import STUCK_TIMES, WalkOutcome, WalkTask, Words, pack, unpack

Factor = tuple[int, ...]
TRIES = 64
ORDERS = list(permutations(range(3)))


class Term:
    """The term sign * u (x) v (x) w with factors in normal form."""

    def __init__(self, ring: Ring, factors: list[Factor], sign: int = 1) -> None:
        self.ring = ring
        self.factors = list(factors)
        self.sign = sign
        for slot in range(3):
            self.put(slot, self.factors[slot])

    def put(self, slot: int, factor: Factor) -> None:
        """Set a factor in normal form and multiply the term's sign by its sign."""
        if self.ring is not Ring.F2 and next((x for x in factor if x), 1) < 0:
            factor = tuple(-x for x in factor)
            self.sign = -self.sign
        self.factors[slot] = factor

    def copy(self) -> Term:
        """Return an independent equal term."""
        return Term(self.ring, self.factors, self.sign)


def combine(ring: Ring, x: Factor, y: Factor, sign: int) -> Factor | None:
    """Return x + sign * y, or None if it is not ternary over ZT."""
    total = tuple(p + sign * q for p, q in zip(x, y, strict=True))
    if ring is Ring.F2:
        return tuple(t % 2 for t in total)
    if ring is Ring.F3:
        return tuple((t + 1) % 3 - 1 for t in total)
    return total if all(abs(t) <= 1 for t in total) else None


class Walker:
    """The state of one walk."""

    def __init__(self, task: WalkTask) -> None:
        self.ring = task.ring
        scheme = unpack(task.format, task.ring, task.start)
        rows = zip(*(matrix.tolist() for matrix in scheme.factors), strict=True)
        self.terms = [Term(task.ring, [tuple(row) for row in term]) for term in rows]
        self.draws, self.merge = plain_draws(task.seed), task.policy.merge
        self.capacity = task.capacity

    def choose(self) -> tuple[int, int, int, int] | None:
        """Draw (slot, row, partner, lambda), or return None if no row can be flipped."""
        counts = [Counter(term.factors[slot] for term in self.terms) for slot in range(3)]
        flippable = [
            (slot, row)
            for slot in range(3)
            for row, term in enumerate(self.terms)
            if counts[slot][term.factors[slot]] > 1
        ]
        if not flippable:
            return None
        z = next(self.draws)
        slot, row = flippable[((z >> 32) * len(flippable)) >> 32]
        factor = self.terms[row].factors[slot]
        partners = [
            other
            for other, term in enumerate(self.terms)
            if other != row and term.factors[slot] == factor
        ]
        partner = partners[(((z & 0xFFFFFFFF) >> 8) * len(partners)) >> 24]
        return slot, row, partner, -1 if z & 1 and self.ring is not Ring.F2 else 1

    def flip(self, slot: int, i: int, j: int, sign: int) -> bool:
        """Flip with lambda = sign, or else with -sign; return whether one was possible."""
        first, second = self.terms[i], self.terms[j]
        b, c = (slot + 1) % 3, (slot + 2) % 3
        for attempt in (sign, -sign):
            new_b = combine(self.ring, first.factors[b], second.factors[b], attempt)
            minus = -attempt * first.sign * second.sign
            new_c = combine(self.ring, second.factors[c], first.factors[c], minus)
            if new_b is not None and new_c is not None:
                first.put(b, new_b)
                second.put(c, new_c)
                return True
        return False

    def drop(self, row: int) -> None:
        """Remove a row; the last row replaces it."""
        last = self.terms.pop()
        if row < len(self.terms):
            self.terms[row] = last

    def reduce_once(self) -> bool:
        """Carry out the first possible reduction; return whether there was one."""
        for row, term in enumerate(self.terms):
            if not all(any(factor) for factor in term.factors):
                self.drop(row)
                return True
        if not self.merge:
            return False
        for i, j in combinations(range(len(self.terms)), 2):
            first, second = self.terms[i], self.terms[j]
            for slot in range(3):
                rest = [s for s in range(3) if s != slot]
                if all(first.factors[s] == second.factors[s] for s in rest):
                    sign = first.sign * second.sign
                    merged = combine(self.ring, first.factors[slot], second.factors[slot], sign)
                    if merged is not None:
                        first.put(slot, merged)
                        self.drop(j)
                        return True
        return False

    def is_reducible(self, row: int, slot: int) -> bool:
        """Return whether a row's new factor is zero, or the row now agrees with another in two."""
        here = self.terms[row].factors
        if not any(here[slot]):
            return True
        if not self.merge:
            return False
        for other, term in enumerate(self.terms):
            same = [x == y for x, y in zip(here, term.factors, strict=True)]
            if other != row and same[slot] and sum(same) >= 2:
                return True
        return False

    def plus(self) -> bool:
        """Make a plus transition; return whether a pair was found."""
        rank = len(self.terms)
        if rank < 2:
            return False
        for _ in range(TRIES):
            z = next(self.draws)
            i = ((z >> 32) * rank) >> 32
            j = ((z & 0xFFFFFFFF) * (rank - 1)) >> 32
            j += j >= i
            first, second = self.terms[i], self.terms[j]
            if any(x == y for x, y in zip(first.factors, second.factors, strict=True)):
                continue
            z = next(self.draws)
            order = ORDERS[((z >> 32) * 6) >> 32]
            signs = (1, 1)
            if self.ring is not Ring.F2:
                signs = (-1 if z & 1 else 1, -1 if z & 2 else 1)
            variant = ((z & 0xFFFFFFFF) >> 2) % 3
            for attempt in range(3):
                terms = self.expand(first, second, order, signs, (variant + attempt) % 3)
                if terms is not None:
                    self.terms[i], self.terms[j] = terms[0], terms[1]
                    self.terms.append(terms[2])
                    return True
        return False

    def expand(
        self,
        first: Term,
        second: Term,
        order: tuple[int, ...],
        signs: tuple[int, int],
        variant: int,
    ) -> list[Term] | None:
        """Return the three terms of a plus variant, or None if one is not ternary."""

        def scaled(factor: Factor, sign: int) -> Factor:
            return factor if self.ring is Ring.F2 else tuple(sign * x for x in factor)

        a1, b1, c1 = (first.factors[slot] for slot in order)
        a2, b2, c2 = (second.factors[slot] for slot in order)
        c1 = scaled(c1, first.sign)
        a2, b2 = scaled(a2, signs[0]), scaled(b2, signs[1])
        c2 = scaled(c2, signs[0] * signs[1] * second.sign)

        def plus(x: Factor, y: Factor) -> Factor | None:
            return combine(self.ring, x, y, 1)

        def minus(x: Factor, y: Factor) -> Factor | None:
            return combine(self.ring, x, y, -1)

        table = (
            ((a1, plus(b1, b2), c1), (minus(a2, a1), b2, c2), (a1, b2, minus(c2, c1))),
            ((a1, b1, plus(c1, c2)), (a2, minus(b2, b1), c2), (minus(a2, a1), b1, c2)),
            ((plus(a1, a2), b1, c1), (a2, b2, minus(c2, c1)), (a2, minus(b2, b1), c1)),
        )
        terms = []
        for row in table[variant]:
            factors: list[Factor] = [(), (), ()]
            for slot, factor in zip(order, row, strict=True):
                if factor is None:
                    return None
                factors[slot] = factor
            terms.append(Term(self.ring, factors))
        return terms

    def split(self) -> bool:
        """Split a row along a factor of another row; return whether one was found."""
        rank = len(self.terms)
        for _ in range(TRIES):
            z = next(self.draws)
            row, other = ((z >> 32) * rank) >> 32, ((z & 0xFFFFFFFF) * rank) >> 32
            z = next(self.draws)
            slot = ((z >> 32) * 3) >> 32
            sign = -1 if z & 1 else 1
            u, x = self.terms[row].factors[slot], self.terms[other].factors[slot]
            if u == x:
                continue
            for attempt in (sign, -sign):
                rest = combine(self.ring, u, x, -attempt)
                if rest is not None:
                    half = self.terms[row].copy()
                    half.put(slot, rest)
                    self.terms.append(half)
                    self.terms[row].factors[slot] = x
                    self.terms[row].sign *= 1 if self.ring is Ring.F2 else attempt
                    return True
        return False

    def packed(self, format_: Format) -> Words:
        """Return the packed state."""
        rows = [list(term.factors) for term in self.terms]
        if self.ring is not Ring.F2:
            for row, term in zip(rows, self.terms, strict=True):
                row[2] = tuple(term.sign * x for x in row[2])
        factors = (np.array([row[slot] for row in rows], np.int64) for slot in range(3))
        return pack(Scheme(format_, self.ring, *factors))


def walk(task: WalkTask) -> WalkOutcome:
    """Carry out a walk by the plain engine; see `flipsearch.walk.plain.kernel.walk`."""
    walker, policy = Walker(task), task.policy
    step = last = flips = reductions = escapes = stuck = 0
    best = len(walker.terms)
    states, history = [walker.packed(task.format)], []
    next_snapshot, reason = policy.collect_every, "budget"
    if best <= policy.stop_rank and policy.collect == 1:
        reason = "reached"
    while step < task.steps and reason == "budget":
        collecting = policy.collect > 1 and best <= policy.stop_rank
        choice = walker.choose()
        if choice is not None:
            step += 1
            slot, i, j, sign = choice
            if walker.flip(slot, i, j, sign):
                flips += 1
                b, c = (slot + 1) % 3, (slot + 2) % 3
                if walker.is_reducible(i, b) or walker.is_reducible(j, c):
                    while walker.reduce_once():
                        reductions += 1
                    rank = len(walker.terms)
                    if rank < best:
                        best, last, states = rank, step, [walker.packed(task.format)]
                        stuck = 0
                        next_snapshot = step + policy.collect_every
                        history.append((step, rank))
                        if rank <= policy.stop_rank and policy.collect == 1:
                            reason = "reached"
                            break
        if collecting and step >= next_snapshot:
            next_snapshot = step + policy.collect_every
            if len(walker.terms) == best:
                states.append(walker.packed(task.format))
                if len(states) == policy.collect:
                    reason = "reached"
                    break
        if choice is None or (policy.plus_after and step >= last + policy.plus_after):
            last = step
            if choice is None or len(walker.terms) < best + policy.band:
                before = len(walker.terms)
                top = before + 1 if choice is not None else max(before + 1, best + policy.band)
                while len(walker.terms) < min(top, walker.capacity):
                    if not (walker.plus() or walker.split()):
                        break
                    escapes += 1
                stuck += choice is None
                unmoved = len(walker.terms) == before
                if choice is None and (unmoved or stuck > STUCK_TIMES):
                    reason = "stuck"
    ends = tuple(states), walker.packed(task.format), tuple(history)
    return WalkOutcome(task.number, *ends, step, flips, reductions, escapes, reason)
