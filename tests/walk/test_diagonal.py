"""Walks modulo diagonal terms: against a plain engine on tuples, and by their invariants."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from plain_walks import LOW, Term, Vector, draw, same

from flipsearch.errors import UsageError
from flipsearch.formats import MatrixProduct, parse_format
from flipsearch.rings import Ring
from flipsearch.scheme import Scheme
from flipsearch.search.descent import naive_start
from flipsearch.verify import is_valid
from flipsearch.walk import engine
from flipsearch.walk.diagonal import (
    DiagonalTask,
    completed,
    diagonal,
    diagonal_walk,
    without,
)
from flipsearch.walk.task import Policy, WalkTask, Words, pack, unpack


def plus(x: Vector, y: Vector, scale: int) -> Vector:
    return tuple((p + scale * q + 1) % 3 - 1 for p, q in zip(x, y, strict=True))


def single(x: Vector) -> int | None:
    """The entry of a factor that has one, else None."""
    entries = [e for e, value in enumerate(x) if value]
    return entries[0] if len(entries) == 1 else None


class Plain:
    """The walk, on lists of tuples."""

    def __init__(self, task: WalkTask) -> None:
        self.task, self.free = task, diagonal(task.format)
        start = without(self.free, unpack(task.format, task.ring, task.start))
        self.rows = terms(start)
        self.counter, self.reductions = 1, 0

    def draw(self) -> int:
        z = draw(self.task.seed, self.counter)
        self.counter += 1
        return z

    def mate(self, entry: int | None, side: int) -> int | None:
        found = [pair[1 - side] for pair in self.free.pairs if pair[side] == entry]
        return found[0] if found else None

    def vanishes(self, row: int) -> bool:
        u, v, w = self.rows[row]
        if not (any(u) and any(v) and any(w)):
            return True
        mate = self.mate(single(u), 0)
        return mate is not None and single(w) == mate

    def settle(self) -> None:
        row = 0
        while row < len(self.rows):
            if self.vanishes(row):
                last = self.rows.pop()
                if row < len(self.rows):
                    self.rows[row] = last
                self.reductions += 1
            else:
                row += 1

    def unit(self, slot: int, entry: int) -> Vector:
        length = len(self.rows[0][slot])
        return tuple(int(e == entry) for e in range(length))

    def free_move(self, z: int) -> list[int]:
        row, side = (z >> 32) * len(self.rows) >> 32, z & 1
        mate = self.mate(single(self.rows[row][2 * side]), side)
        if mate is None:
            return []
        to = 2 * (1 - side)
        sign = -1 if z >> 1 & 1 else 1
        self.rows[row][to] = plus(self.rows[row][to], self.unit(to, mate), sign)
        return [row]

    def flip(self, z: int, choice: int) -> list[int]:
        rows = self.rows
        slot, turn = (choice & LOW) * 3 >> 32, 1 + (choice >> 63)
        first = (z >> 32) * len(rows) >> 32
        for k in range(len(rows)):
            row = (first + k) % len(rows)
            others = [
                x
                for x in range(len(rows))
                if x != row and same(rows[row][slot], rows[x][slot]) != 0
            ]
            if others:
                break
        else:
            return []
        other = others[(z & LOW) * len(others) >> 32]
        scale = -1 if choice >> 62 & 1 else 1
        b, c = (slot + turn) % 3, (slot - turn) % 3
        sign = same(rows[row][slot], rows[other][slot])
        rows[row][b] = plus(rows[row][b], rows[other][b], scale)
        rows[other][c] = plus(rows[other][c], rows[row][c], -scale * sign)
        return [row, other]

    def merge(self, row: int) -> bool:
        rows = self.rows
        for slot in range(3):
            b, c = (slot + 1) % 3, (slot + 2) % 3
            for other in range(len(rows)):
                sign = same(rows[row][b], rows[other][b]) * same(rows[row][c], rows[other][c])
                if other != row and sign:
                    rows[row][slot] = plus(rows[row][slot], rows[other][slot], sign)
                    rows[other][0] = (0,) * len(rows[other][0])
                    return True
        return False

    def free_row(self) -> None:
        z = self.draw()
        row, paired = (z >> 32) * len(self.rows) >> 32, sorted(self.free.pairs)
        entry, mate = paired[(z & LOW) * len(paired) >> 32]
        u, v, w = self.rows[row]
        self.rows.append([self.unit(0, entry), v, plus(self.unit(2, mate), w, -1)])
        self.rows[row][0] = plus(u, self.unit(0, entry), 1)
        self.settle()

    def plus(self) -> bool:
        rows = self.rows
        if len(rows) < 2:
            return False
        for _ in range(64):
            z, choice = self.draw(), self.draw()
            p, q = (z >> 32) * len(rows) >> 32, (z & LOW) * len(rows) >> 32
            a, turn = (choice & LOW) * 3 >> 32, 1 + (choice >> 63)
            b, c = (a + turn) % 3, (a - turn) % 3
            if p == q or any(same(x, y) for x, y in zip(rows[p], rows[q], strict=True)):
                continue
            new: Term = [(), (), ()]
            new[a], new[b] = rows[p][a], rows[q][b]
            new[c] = plus(rows[q][c], rows[p][c], -1)
            rows[p][b] = plus(rows[p][b], rows[q][b], 1)
            rows[q][a] = plus(rows[q][a], rows[p][a], -1)
            rows.append(new)
            return True
        return False

    def walk(self) -> tuple[list[Term], int, int, int]:
        """Return the first rows of the lowest rank, steps, moves and escapes."""
        policy = self.task.policy
        always = self.task.rank - len(self.rows)
        best = [list(row) for row in self.rows]
        since, last, step, moves, escapes = len(best), 0, 0, 0, 0
        while step < self.task.steps and len(best) + always > policy.stop_rank:
            step += 1
            z, choice = self.draw(), self.draw()
            changed = self.free_move(z) if choice % 2 == 0 else self.flip(z, choice)
            moves += bool(changed)
            lower = any(self.vanishes(row) for row in changed)
            if policy.merge and not lower:
                lower = any(self.merge(row) for row in changed)
            if lower:
                self.settle()
                if len(self.rows) < since:
                    since, last = len(self.rows), step
                if len(self.rows) < len(best):
                    best = [list(row) for row in self.rows]
            if policy.plus_after and step - last > policy.plus_after:
                if 0 < len(self.rows) < min(len(best) + policy.band, 64):
                    before = len(self.rows)
                    if (z >> 32) % 4 == 0:
                        kept = self.reductions
                        self.free_row()
                        self.reductions = kept
                    else:
                        self.plus()
                    escapes += len(self.rows) > before
                since, last = len(self.rows), step
        return best, step, moves, escapes


def terms(scheme: Scheme) -> list[Term]:
    return [
        [tuple(int(e) for e in factor[row]) for factor in scheme.factors]
        for row in range(scheme.rank)
    ]


def task(
    name: str,
    seed: int,
    steps: int,
    after: int = 40,
    start: Words | None = None,
    merge: bool = True,
) -> WalkTask:
    format_ = parse_format(name)
    if start is None:
        start = naive_start(format_, Ring.F3)
    return DiagonalTask(format_, Ring.F3, start, seed, steps, Policy(after, 3, merge=merge), 7)


@pytest.mark.parametrize("name", ["us:2x2x2", "us:3x3x3", "us:4x4x4", "us:5x5x5"])
@pytest.mark.parametrize("seed", [1, 2**64 - 5])
@pytest.mark.parametrize("merge", [True, False])
def test_the_plain_engine_walks_alike(name: str, seed: int, merge: bool) -> None:
    one = task(name, seed, 2_000, merge=merge)
    outcome, plain = diagonal_walk(one), Plain(one)
    best, steps, moves, escapes = plain.walk()
    free = diagonal(one.format)
    assert terms(without(free, unpack(one.format, one.ring, outcome.best[0]))) == best
    assert terms(without(free, unpack(one.format, one.ring, outcome.final))) == plain.rows
    assert (outcome.steps, outcome.flips, outcome.escapes) == (steps, moves, escapes)
    assert outcome.reductions == plain.reductions
    assert escapes > 0
    assert name == "us:2x2x2" or plain.reductions > 0


@settings(max_examples=40, deadline=None)
@given(
    st.sampled_from(["us:2x2x2", "us:3x3x3", "us:4x4x4", "us:5x5x5"]),
    st.integers(0, 2**64 - 1),
    st.integers(1, 100),
)
def test_every_state_is_a_scheme(name: str, seed: int, after: int) -> None:
    one = task(name, seed, 3_000, after)
    outcome = diagonal_walk(one)
    assert outcome.reason == "budget"
    for state in (*outcome.best, outcome.final):
        assert is_valid(unpack(one.format, Ring.F3, state))
    ranks = [rank for _, rank in outcome.history]
    assert ranks == sorted(ranks, reverse=True)
    assert outcome.rank == (ranks or [one.rank])[-1] == len(outcome.best[0])
    again = task(name, seed, 3_000, after, outcome.final)
    assert is_valid(unpack(one.format, Ring.F3, diagonal_walk(again).final))


@pytest.mark.parametrize(("n", "pairs"), [(2, 2), (3, 5), (4, 9), (5, 14)])
def test_the_pairs_are_the_entries_of_the_rows_before_the_last(n: int, pairs: int) -> None:
    format_ = parse_format(f"us:{n}x{n}x{n}")
    assert isinstance(format_, MatrixProduct)
    free = diagonal(format_)
    assert len(free.pairs) == pairs == n * (n + 1) // 2 - 1
    for slot in range(2):
        assert len({pair[slot] for pair in free.pairs}) == pairs
    for a, c in free.pairs:
        assert format_.left.position(a) == format_.output_position(c)
    assert len(free.kept[1]) == n * (n - 1) // 2
    walked = without(free, unpack(format_, Ring.F3, naive_start(format_, Ring.F3)))
    assert walked.rank == sum((n - i) * (n - 1) for i in range(n - 1))


def test_any_scheme_can_be_the_start() -> None:
    """What a general walk leaves has neither free terms nor a last row of its own."""
    format_ = parse_format("us:4x4x4")
    mixed = engine.walk(
        WalkTask(format_, Ring.F3, naive_start(format_, Ring.F3), 3, 40_000, Policy(0, 0))
    ).final
    free, scheme = diagonal(format_), unpack(format_, Ring.F3, mixed)
    whole = completed(free, without(free, scheme))
    assert is_valid(whole)
    outcome = diagonal_walk(task("us:4x4x4", 5, 20_000, start=pack(whole)))
    assert is_valid(unpack(format_, Ring.F3, outcome.best[0]))
    assert outcome.rank <= whole.rank


def test_it_reaches_low_ranks_and_stops_there() -> None:
    one = task("us:3x3x3", 1, 2_000_000, after=2_000)
    stopped = diagonal_walk(
        DiagonalTask(one.format, one.ring, one.start, 1, one.steps, Policy(2_000, 3, 14))
    )
    assert (stopped.rank, stopped.reason) == (14, "reached")
    assert stopped.steps < one.steps
    np.testing.assert_array_equal(stopped.best[0], stopped.final)


def test_what_has_no_such_walk_is_refused() -> None:
    for name in ("4x4x4", "ug:3x3x3", "ss:3x3x3", "us:6x6x6"):
        with pytest.raises(UsageError, match="take us:n x n x n, n from 2 to 5"):
            diagonal(parse_format(name))
    for ring in (Ring.F2, Ring.ZT):
        with pytest.raises(UsageError, match="run over F3"):
            diagonal(parse_format("us:3x3x3"), ring)


def test_more_terms_than_there_is_room_for_are_refused() -> None:
    format_ = parse_format("us:5x5x5")
    risen = naive_start(format_, Ring.F3)
    seed = 1
    while len(risen) < 90:
        risen = engine.walk(
            WalkTask(format_, Ring.F3, risen, seed, 200, Policy(2, 100, merge=False))
        ).final
        seed += 1
    with pytest.raises(UsageError, match="63 at most: start from a scheme of lower rank"):
        diagonal_walk(task("us:5x5x5", 1, 100, start=risen))
