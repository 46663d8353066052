"""Walks by rotated orbits: against a plain engine on tuples, and by their invariants."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numba import njit
from test_same_outcome import assert_same

from flipsearch.algebra.planes import add_modulo_3
from flipsearch.errors import UsageError
from flipsearch.formats import MatrixProduct, parse_format
from flipsearch.formats.format import OPERANDS
from flipsearch.rings import Ring
from flipsearch.verify import is_valid
from flipsearch.walk import engine
from flipsearch.walk.rotation import kernel as rotation_kernel
from flipsearch.walk.rotation.reference import Row, Vector
from flipsearch.walk.rotation.task import (
    OPERANDS as ROTATED,
)
from flipsearch.walk.rotation.task import (
    RotationTask,
    naive_orbits,
    orders,
)
from flipsearch.walk.task import Policy, WalkOutcome, Words, unpack


@njit
def total(a, s, b, t):  # type: ignore[no-untyped-def]
    """Compile `add_modulo_3`, which is only ever inlined."""
    return add_modulo_3(a, s, b, t)


@njit
def form(a, s):  # type: ignore[no-untyped-def]
    return rotation_kernel.form(a, s)


def balanced(x: int) -> int:
    return (x + 1) % 3 - 1


def vectors(state: Words, entries: int) -> list[Row]:
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
    outcome = engine.walk(one)
    assert_same(outcome, engine.reference(one))
    assert outcome.escapes > 0
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
    outcome = rotation_kernel.walk(one)
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
    assert list(result[0]) == [balanced(p + q) for p, q in zip(one, two, strict=True)]
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
    outcome = rotation_kernel.walk(RotationTask(*_values(one, Policy(50, 6, 24)), order=3))
    assert outcome.reason == "reached"
    assert outcome.rank == 24 == outcome.history[-1][1]
    assert outcome.steps == outcome.history[-1][0]
    still = rotation_kernel.walk(RotationTask(*_values(one, Policy(0, 6, 27)), order=3))
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
        rotation_kernel.walk(
            RotationTask(one.format, one.ring, one.start[:4], 1, 100, Policy(), order=3)
        )
    with pytest.raises(UsageError, match="by rotations of order 2"):
        rotation_kernel.walk(
            RotationTask(one.format, one.ring, one.start, 1, 100, Policy(), order=2)
        )
