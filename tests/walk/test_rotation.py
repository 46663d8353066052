"""Walks by rotated orbits: against a plain engine on tuples, and by their invariants."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numba import njit
from plain_walks import LOW, Term, Vector, draw, same

from flipsearch.errors import UsageError
from flipsearch.formats import MatrixProduct, parse_format
from flipsearch.formats.format import OPERANDS
from flipsearch.rings import Ring
from flipsearch.verify import is_valid
from flipsearch.walk import engine, rotation_kernel
from flipsearch.walk.rotation import (
    OPERANDS as ROTATED,
)
from flipsearch.walk.rotation import (
    RotationTask,
    naive_orbits,
    orders,
    rotation_walk,
)
from flipsearch.walk.task import Policy, WalkOutcome, Words, unpack


@njit
def total(a, s, b, t):  # type: ignore[no-untyped-def]
    """Compile `total`, which is only ever inlined."""
    return rotation_kernel.total(a, s, b, t)


@njit
def form(a, s):  # type: ignore[no-untyped-def]
    return rotation_kernel.form(a, s)


def balanced(x: int, integral: bool) -> int:
    return x if integral else (x + 1) % 3 - 1


def vectors(state: Words, entries: int) -> list[Term]:
    """Return the factors of packed rows as tuples of -1, 0, 1."""
    return [
        [
            tuple(
                (int(a) >> e & 1) * (1 - 2 * (int(s) >> e & 1))  # a sign where there is an entry
                for e in range(entries)
            )
            for a, s in row
        ]
        for row in state
    ]


def plus(x: Vector, y: Vector, scale: int, integral: bool) -> Vector:
    return tuple(balanced(p + scale * q, integral) for p, q in zip(x, y, strict=True))


class Plain:
    """The walk, on lists of tuples."""

    def __init__(self, task: RotationTask) -> None:
        self.task = task
        self.rows = vectors(task.start, max(task.format.dimensions))
        self.integral = task.integral or task.ring is Ring.ZT
        self.counter = 1
        self.reductions = 0

    def draw(self) -> int:
        z = draw(self.task.seed, self.counter)
        self.counter += 1
        return z

    def images(self, row: int) -> list[int]:
        d = self.task.order
        return [row - row % d + (row + t) % d for t in range(d)]

    def fits(self, *made: Vector) -> bool:
        return not self.integral or all(abs(e) <= 1 for vector in made for e in vector)

    def flip(self) -> bool:
        rows, d = self.rows, self.task.order
        z, choice = self.draw(), self.draw()
        row, start = (z >> 32) * len(rows) >> 32, (z & LOW) * len(rows) >> 32
        slot, turn = (choice & LOW) * 3 >> 32, 1 + (choice >> 63)
        c = -1 if choice >> 62 & 1 else 1
        candidates = [(start + k) % len(rows) for k in range(len(rows))]
        others = [
            x
            for x in candidates
            if x // d != row // d and same(rows[row][slot], rows[x][slot]) != 0
        ]
        if not others:
            return False
        other, b, e = others[0], (slot + turn) % 3, (slot - turn) % 3
        sign = same(rows[row][slot], rows[other][slot])
        first = plus(rows[row][b], rows[other][b], c, self.integral)
        second = plus(rows[other][e], rows[row][e], -c * sign, self.integral)
        if not self.fits(first, second):
            return False
        for x, y in zip(self.images(row), self.images(other), strict=True):
            rows[x][b] = plus(rows[x][b], rows[y][b], c, self.integral)
            rows[y][e] = plus(rows[y][e], rows[x][e], -c * sign, self.integral)
        for orbit in sorted({row // d, other // d}, reverse=True):
            if any(not any(factor) for factor in rows[orbit * d]):
                rows[orbit * d : orbit * d + d] = rows[-d:]
                del rows[-d:]
                self.reductions += 1
        return True

    def plus(self) -> bool:
        rows = self.rows
        if len(rows) < 2 * self.task.order:
            return False
        for _ in range(64):
            z, choice = self.draw(), self.draw()
            p, q = (z >> 32) * len(rows) >> 32, (z & LOW) * len(rows) >> 32
            a, turn = (choice & LOW) * 3 >> 32, 1 + (choice >> 63)
            b, c = (a + turn) % 3, (a - turn) % 3
            if p // self.task.order == q // self.task.order:
                continue
            if any(same(x, y) for x, y in zip(rows[p], rows[q], strict=True)):
                continue
            made = [
                plus(rows[p][b], rows[q][b], 1, self.integral),
                plus(rows[q][c], rows[p][c], -1, self.integral),
                plus(rows[q][a], rows[p][a], -1, self.integral),
            ]
            if not self.fits(*made):
                continue
            for x, y in zip(self.images(p), self.images(q), strict=True):
                new: Term = [(), (), ()]
                new[a], new[b] = rows[x][a], rows[y][b]
                new[c] = plus(rows[y][c], rows[x][c], -1, self.integral)
                rows[x][b] = plus(rows[x][b], rows[y][b], 1, self.integral)
                rows[y][a] = plus(rows[y][a], rows[x][a], -1, self.integral)
                rows.append(new)
            return True
        return False

    def walk(self) -> tuple[list[Term], int, int, int]:
        """Return the first rows of the lowest rank, steps, flips and plus transitions."""
        policy = self.task.policy
        best = [list(row) for row in self.rows]
        since, last, step, flips, escapes = len(best), 0, 0, 0, 0
        while step < self.task.steps and len(best) > policy.stop_rank:
            step += 1
            flips += self.flip()
            if len(self.rows) < since:
                since, last = len(self.rows), step
            if len(self.rows) < len(best):
                best = [list(row) for row in self.rows]
            if policy.plus_after and step - last > policy.plus_after:
                if len(self.rows) + self.task.order <= len(best) + policy.band:
                    escapes += self.plus()
                since, last = len(self.rows), step
        return best, step, flips, escapes


def task(
    name: str,
    ring: Ring,
    seed: int,
    steps: int,
    order: int,
    integral: bool = False,
    after: int = 50,
) -> RotationTask:
    format_ = parse_format(name)
    start = naive_orbits(format_, order)
    policy = Policy(after, 2 * order, merge=False, plus_since="lower")
    return RotationTask(
        format_, ring, start, seed, steps, policy, 7, order=order, integral=integral
    )


def in_orbits(format_: MatrixProduct, state: Words, order: int) -> bool:
    """Whether row o d + t is the image of the row before it, computed from the entries."""
    n = format_.n
    shift = n // order

    def moved(vector: Vector, slot: int) -> Vector:
        result = [0] * len(vector)
        for i in range(n):
            for j in range(n):
                a, b = (i + shift) % n, (j + shift) % n
                if slot == 2:
                    result[b * n + a] = vector[j * n + i]
                    continue
                layout = (format_.left, format_.right)[slot]
                old, new = layout.entry(i, j), layout.entry(a, b)
                if old is not None and new is not None:
                    result[new[0]] = vector[old[0]] * old[1] * new[1]
        return tuple(result)

    rows = vectors(state, max(format_.dimensions))
    return all(
        rows[o + (t + 1) % order][slot] == moved(rows[o + t][slot], slot)
        for o in range(0, len(rows), order)
        for t in range(order)
        for slot in range(3)
    )


WALKS = [
    ("ss:3x3x3", Ring.F3, 3, False),
    ("ss:3x3x3", Ring.F3, 3, True),
    ("sw:4x4x4", Ring.ZT, 2, False),
    ("sw:4x4x4", Ring.F3, 4, False),
    ("kk:3x3x3", Ring.F3, 3, False),
    ("2x2x2", Ring.F3, 2, False),
    ("3x3x3", Ring.ZT, 3, True),
]


@pytest.mark.parametrize(("name", "ring", "order", "integral"), WALKS)
@pytest.mark.parametrize("seed", [1, 2**64 - 5])
def test_the_plain_engine_walks_alike(
    name: str, ring: Ring, order: int, integral: bool, seed: int
) -> None:
    one = task(name, ring, seed, 1500, order, integral)
    outcome, plain = rotation_walk(one), Plain(one)
    best, steps, flips, escapes = plain.walk()
    entries = max(one.format.dimensions)
    assert vectors(outcome.best[0], entries) == best
    assert vectors(outcome.final, entries) == plain.rows
    assert (outcome.steps, outcome.flips, outcome.escapes) == (steps, flips, escapes)
    assert escapes > 0
    assert outcome.reductions == plain.reductions
    assert outcome.reductions > 0 or not (integral and name == "ss:3x3x3")


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from(ROTATED),
    st.sampled_from([(2, 2), (3, 3), (4, 2), (4, 4)]),
    st.sampled_from([Ring.F3, Ring.ZT]),
    st.booleans(),
    st.integers(0, 2**64 - 1),
)
def test_every_state_is_a_scheme_in_orbits(
    operands: str, shape: tuple[int, int], ring: Ring, integral: bool, seed: int
) -> None:
    n, order = shape
    one = task(f"{operands}:{n}x{n}x{n}", ring, seed, 4000, order, integral)
    outcome = rotation_walk(one)
    assert outcome.reason == "budget"
    for state in (*outcome.best, outcome.final):
        assert len(state) % order == 0
        assert in_orbits(one.format, state, order)  # type: ignore[arg-type]
        assert is_valid(unpack(one.format, ring, state))
        if integral or ring is Ring.ZT:
            assert is_valid(unpack(one.format, Ring.ZT, state))
    ranks = [rank for _, rank in outcome.history]
    assert ranks == sorted(ranks, reverse=True)
    assert outcome.rank == min([one.rank, *ranks])


@given(st.integers(0, 3**6 - 1), st.integers(0, 3**6 - 1))
def test_sums_and_forms(x: int, y: int) -> None:
    one, two = ([x_ // 3**e % 3 - 1 for e in range(6)] for x_ in (x, y))
    packed = [
        np.uint64(sum(1 << e for e in range(6) if condition(v[e])))
        for v in (one, two)
        for condition in (lambda c: c != 0, lambda c: c < 0)
    ]
    a, s = total(*packed)
    (result,) = vectors(np.array([[[a, s]]], np.uint64), 6)
    assert list(result[0]) == [balanced(p + q, False) for p, q in zip(one, two, strict=True)]
    (shaped,) = vectors(np.array([[[packed[0], form(*packed[:2])]]], np.uint64), 6)
    first = next((c for c in one if c), 1)
    assert list(shaped[0]) == [first * c for c in one]


@pytest.mark.parametrize("n", [2, 3, 4, 5, 6])
@pytest.mark.parametrize("operands", ROTATED)
def test_naive_orbits(operands: str, n: int) -> None:
    format_ = parse_format(f"{operands}:{n}x{n}x{n}")
    for order in orders(format_, Ring.ZT):
        state = naive_orbits(format_, order)
        assert len(state) == format_.naive_rank
        assert in_orbits(format_, state, order)
        assert is_valid(unpack(format_, Ring.ZT, state))


def test_the_walk_stops_where_it_is_told() -> None:
    one = task("ss:3x3x3", Ring.F3, 1, 100_000, 3)
    outcome = rotation_walk(RotationTask(*_values(one, Policy(50, 6, 24)), order=3))
    assert outcome.reason == "reached"
    assert outcome.rank == 24 == outcome.history[-1][1]
    assert outcome.steps == outcome.history[-1][0]
    still = rotation_walk(RotationTask(*_values(one, Policy(0, 6, 27)), order=3))
    assert (still.steps, still.rank, still.escapes) == (0, 27, 0)


def _values(one: RotationTask, policy: Policy) -> tuple[object, ...]:
    return one.format, one.ring, one.start, one.seed, one.steps, policy, one.number


def test_a_start_that_is_no_scheme_is_found_out() -> None:
    one = task("ss:3x3x3", Ring.F3, 1, 100, 3)
    one.start[3:6, 0, 0] ^= np.uint64(2)
    outcome: WalkOutcome = engine.walk(one)
    assert outcome.reason == "broken"


def test_refusals() -> None:
    for operands in OPERANDS:
        format_ = parse_format(f"{operands}:3x3x3")
        if operands in ROTATED:
            assert orders(format_, Ring.F3) == (3,)
        else:
            with pytest.raises(UsageError, match="does not fix"):
                orders(format_, Ring.F3)
    for name in ("2x2x3", "3x3x3a", "9x9x9", "1x1x1"):
        with pytest.raises(UsageError, match="does not fix"):
            orders(parse_format(name), Ring.ZT)
    assert orders(parse_format("6x6x6"), Ring.ZT) == (6, 3, 2)
    with pytest.raises(UsageError, match="F3 and ZT, not over F2"):
        orders(parse_format("3x3x3"), Ring.F2)
    with pytest.raises(UsageError, match="no rotation of order 2"):
        naive_orbits(parse_format("3x3x3"), 2)
    one = task("ss:3x3x3", Ring.F3, 1, 100, 3)
    with pytest.raises(UsageError, match="not in orbits"):
        rotation_walk(RotationTask(one.format, one.ring, one.start[:4], 1, 100, Policy(), order=3))
    with pytest.raises(UsageError, match="by rotations of order 2"):
        rotation_walk(RotationTask(one.format, one.ring, one.start, 1, 100, Policy(), order=2))
