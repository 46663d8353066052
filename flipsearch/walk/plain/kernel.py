# mypy: allow-untyped-defs
"""Run plain walks with numba, at the full speed of one core.

`walk` packs a task into flat arrays and runs the jitted walk for its ring, factor width and rank.
One compiled function serves a ring, a width of 1, 2 or 4 words and a number of blocks of 64 rows;
numba keeps it on disk. Walks in few blocks are faster. A walk therefore begins in the fewest
blocks that hold its start. If it needs more rows, it begins again with the blocks of its capacity.

Invariant: `walk(task)` equals `flipsearch.walk.plain.reference.walk(task)`, bit for bit.
"""

from __future__ import annotations

import functools
import threading
from typing import Any

import numpy as np

from flipsearch.algebra.compiling import compilations
from flipsearch.algebra.jit import njit
from flipsearch.algebra.words import ONE, ZERO, U, copy_words
from flipsearch.errors import UsageError
from flipsearch.walk.plain.flips import EVENT, STUCK, make_flips
from flipsearch.walk.plain.index import Layout, allocate, build, extract, layout
from flipsearch.walk.plain.moves import (
    apply_flip,
    normalise_rows,
    plus,
    reduce,
    restore_signs,
    split,
)
from flipsearch.walk.task import (
    HISTORY,
    LARGEST_RANK,
    STUCK_TIMES,
    WalkOutcome,
    WalkTask,
    Words,
    blocks_for,
    counted,
    words_of,
)

STUCK_LIMIT = U(STUCK_TIMES)
_BUDGET, _REACHED, _STUCK, _OVERFULL = U(0), U(1), U(2), U(3)
_compiling = threading.Lock()
_ready: set[Layout] = set()


@njit
def _escape(at, rows, signs, rank, seed, counter):
    """Add a row: by a plus transition, or by a split if no pair of rows allows one."""
    higher, counter = plus(at, rows, signs, rank, seed, counter)
    if higher == rank:
        higher, counter = split(at, rows, signs, rank, seed, counter)
    return higher, counter


@njit
def _keep(at, snapshot, snapshot_signs, rows, signs, rank):
    """Copy the first `rank` rows and their signs."""
    copy_words(snapshot, rows, rank * U(3) * at.key)
    copy_words(snapshot_signs, signs, rank)


@functools.cache
def make_walk(at: Layout) -> Any:
    """Return the jitted walk for one layout.

    Its parameters are rows, signs, nine numbers (uint64: rank, seed, steps, plus_after, band,
    stop_rank, capacity, collect_every, merge), the two arrays of an index, snapshots (collect,
    rows * 3 * key), snapshot_signs (collect, rows) and history (HISTORY, 2). It returns nine
    numbers: final rank, best rank, snapshots taken, steps, flips, reductions, escapes, history
    entries, reason. The reason is 3 if the walk needs more rows than the layout has, within the
    capacity.

    Each number is an argument. Unpacked from an array they cost walks over ZT a third of their
    speed.
    """
    flips = make_flips(at)

    @njit
    def run(
        rows, signs, rank, seed, steps, plus_after, band, stop_rank, capacity, collect_every,
        merge, wide, narrow, snapshots, snapshot_signs, history,
    ):  # fmt: skip
        wanted = U(snapshots.shape[0])
        move = np.zeros(4, np.uint64)
        counter, step, last = ZERO, ZERO, ZERO
        made, reductions, escapes, stuck = ZERO, ZERO, ZERO, ZERO
        best, taken, entries = rank, ONE, ZERO
        next_snapshot = collect_every
        _keep(at, snapshots[0], snapshot_signs[0], rows, signs, rank)
        reason = _BUDGET
        build(at, rows, signs, rank, wide, narrow)
        if rank <= stop_rank and wanted == ONE:
            return rank, best, taken, step, made, reductions, escapes, entries, _REACHED
        while step < steps:
            until = steps
            if plus_after != ZERO:
                until = min(until, last + plus_after)
            collecting = wanted > ONE and best <= stop_rank
            if collecting:
                until = min(until, next_snapshot)
            code, done, flipped, counter = flips(
                wide, narrow, seed, counter, until - step, merge, move
            )
            step += done
            made += flipped
            changed = False
            if code == EVENT:
                extract(at, wide, narrow, rank, rows, signs)
                apply_flip(at, rows, signs, move)
                made += ONE
                lower = reduce(at, rows, signs, rank, merge)
                reductions += rank - lower
                rank = lower
                changed = True
                if rank < best:
                    best, last, taken, stuck = rank, step, ONE, ZERO
                    next_snapshot = step + collect_every
                    _keep(at, snapshots[0], snapshot_signs[0], rows, signs, rank)
                    if entries < HISTORY:
                        history[entries, 0], history[entries, 1] = step, rank
                        entries += ONE
                    if rank <= stop_rank and wanted == ONE:
                        reason = _REACHED
                        break
            if collecting and step >= next_snapshot:
                next_snapshot = step + collect_every
                if rank == best:
                    if not changed:
                        extract(at, wide, narrow, rank, rows, signs)
                    _keep(at, snapshots[taken], snapshot_signs[taken], rows, signs, rank)
                    taken += ONE
                    if taken == wanted:
                        reason = _REACHED
                        break
            due = plus_after != ZERO and step >= last + plus_after
            if code == STUCK or due:
                last = step
                if code == STUCK or rank < best + band:
                    if not changed:
                        extract(at, wide, narrow, rank, rows, signs)
                    # from a state without flips one step up leads straight back
                    top = rank + ONE if code != STUCK else max(rank + ONE, best + band)
                    top = min(top, capacity)
                    before = rank
                    while rank < top:
                        if rank == at.rows:
                            reason = _OVERFULL
                            break
                        higher, counter = _escape(at, rows, signs, rank, seed, counter)
                        if higher == rank:
                            break
                        rank = higher
                    if reason == _OVERFULL:
                        break
                    escapes += rank - before
                    stuck += U(code == STUCK)
                    if code == STUCK and (rank == before or stuck > STUCK_LIMIT):
                        reason = _STUCK
                        break
                    changed = True
            if changed:
                build(at, rows, signs, rank, wide, narrow)
        if reason == _BUDGET:
            extract(at, wide, narrow, rank, rows, signs)
        return rank, best, taken, step, made, reductions, escapes, entries, reason

    return run


def _prepare(at: Layout) -> None:
    """Compile the walk of a layout, or load it from disk, once."""
    if at not in _ready:
        with _compiling:
            if at not in _ready:
                _compile(at)
                _ready.add(at)


def _compile(at: Layout) -> None:
    size = int(at.rows) * 3 * int(at.key)
    rows, signs = np.zeros(size, np.uint64), np.zeros(int(at.rows), np.uint64)
    wide, narrow = allocate(at)
    arrays = (wide, narrow, np.zeros((1, size), np.uint64), np.zeros((1, len(signs)), np.uint64))
    ring, about = {2: ("F2", 15), 3: ("F3", 20), 0: ("ZT", 25)}[int(at.ring)]
    bits = 64 * int(at.words)
    name = f"the walk over {ring} for up to {int(at.rows)} rows of {bits} bits"
    with compilations.named(name, about):
        make_walk(at)(rows, signs, *[ZERO] * 9, *arrays, np.zeros((HISTORY, 2), np.uint64))


def walk(task: WalkTask) -> WalkOutcome:
    """Carry out a plain walk.

    Raises `UsageError` if the start has more than `LARGEST_RANK` rows.
    """
    if task.rank > LARGEST_RANK:
        raise UsageError(f"{task.rank} rows to walk on, {LARGEST_RANK} at most")
    layouts = [
        layout(task.ring.characteristic, words_of(task.format), blocks)
        for blocks in sorted({blocks_for(task.rank), task.capacity // 64})
    ]
    for at in layouts:  # all of them now, because a walk must not stop to compile
        _prepare(at)
    return next(outcome for at in layouts if (outcome := _walk(task, at)) is not None)


def _walk(task: WalkTask, at: Layout) -> WalkOutcome | None:
    """Walk in a layout; return None if the layout has too few rows."""
    key, size = int(at.key), int(at.rows)
    rank, policy = task.rank, task.policy
    rows = np.zeros(size * 3 * key, dtype=np.uint64)
    signs = np.zeros(size, dtype=np.uint64)
    rows[: rank * 3 * key] = task.start.reshape(-1)
    normalise_rows(at, rows, signs, U(rank))
    snapshots = np.zeros((policy.collect, size * 3 * key), dtype=np.uint64)
    snapshot_signs = np.zeros((policy.collect, size), dtype=np.uint64)
    history = np.zeros((HISTORY, 2), dtype=np.uint64)
    wide, narrow = allocate(at)
    limits = [rank, task.seed, task.steps, policy.plus_after, policy.band, policy.stop_rank]
    limits += [task.capacity, policy.collect_every, policy.merge]
    final, best, taken, *counts = make_walk(at)(
        *(rows, signs, *(U(number) for number in limits)),
        *(wide, narrow, snapshots, snapshot_signs, history),
    )
    if counts[-1] == _OVERFULL:
        return None

    def packed(source: Words, source_signs: Words, count: int) -> Words:
        state = source[: count * 3 * key].copy()
        restore_signs(at, state, source_signs, U(count))
        return state.reshape(count, 3, key)

    return WalkOutcome(
        best=tuple(packed(snapshots[k], snapshot_signs[k], int(best)) for k in range(int(taken))),
        final=packed(rows, signs, int(final)),
        **counted(task, history, tuple(counts)),
    )
