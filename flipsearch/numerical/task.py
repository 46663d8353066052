"""Define numerical attempts as a kind of walk, which every executor runs.

A task carries an attempt on by some moves, a fraction of a second of work. Its start is the naive
scheme; its `policy.stop_rank` is the rank to reach. The strategy sends an attempt that has not
ended on with the next task.

Invariant: an outcome names a lower rank only with a scheme that is proved. The same task gives the
same outcome, bit for bit, on machines with the same processor and BLAS; others round differently.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, fields
from functools import cache, lru_cache
from typing import Any

import numpy as np
from threadpoolctl import ThreadpoolController

from flipsearch.formats import Format
from flipsearch.numerical.attempt import Search, from_words, to_words
from flipsearch.numerical.problem import Problem
from flipsearch.numerical.reference import PlainProblem
from flipsearch.rings import Ring
from flipsearch.walk.kinds import Kind, register
from flipsearch.walk.task import Policy, WalkOutcome, WalkTask, Words, pack


@dataclass(frozen=True, eq=False)
class NumericalTask(WalkTask):
    """Moves of a numerical attempt; `steps` counts moves, `policy.stop_rank` is the rank sought.

    `attempt` has shape (7, width), see `flipsearch.numerical.attempt.to_words`; without rows the
    task begins an attempt. `symmetry` is as in `flipsearch.numerical.symmetry.group`.
    """

    attempt: Words = field(default_factory=lambda: np.zeros((0, 0), np.uint64))
    symmetry: str = ""


@dataclass(frozen=True, eq=False)
class NumericalOutcome(WalkOutcome):
    """The result of some moves.

    Parameters
    ----------
    best_rows, final_rows : uint64 arrays, shape (R, 3, K)
        The exact scheme if one was reached, else the start.
    best_attempt, final_attempt : uint64 arrays, shape (7, width)
        The attempt that led there, and the attempt after the moves.
    """

    best_rows: Words
    best_attempt: Words
    final_rows: Words
    final_attempt: Words


def walk(task: NumericalTask, plain: bool = False) -> NumericalOutcome:
    """Carry out the moves of a task; `plain` is for `reference`."""
    given, moves, scheme = task.attempt, 0, None
    seed = int(given[-1, 0]) if len(given) else task.seed % 2**32
    search = _search(task.format, task.policy.stop_rank, task.symmetry, seed, plain)
    with one_blas_thread():
        attempt = from_words(given, len(search.unknowns)) if len(given) else search.begun()
        while moves < task.steps and not attempt.stage.is_end:
            attempt, scheme = search.moved(attempt)
            moves += 1
    rows, words = task.start, to_words(attempt)
    lower = scheme is not None and scheme.rank < task.rank
    if scheme is not None and lower:
        rows = pack(scheme.over(Ring.Q))
    return NumericalOutcome(
        task.number,
        (rows,),
        rows,
        ((moves, len(rows)),) if lower else (),
        steps=moves,
        flips=0,
        reductions=task.rank - len(rows),
        escapes=0,
        reason="reached" if lower else "stuck" if attempt.stage.is_end else "budget",
        best_rows=rows,
        best_attempt=words if lower else given,
        final_rows=rows,
        final_attempt=words,
    )


def reference(task: NumericalTask) -> NumericalOutcome:
    """Carry out the moves with dense Jacobians; equal to `walk` up to rounding errors."""
    return walk(task, plain=True)


@lru_cache(maxsize=16)
def _search(format_: Format, rank: int, symmetry: str, seed: int, plain: bool) -> Search:
    return Search(format_, rank, symmetry, seed, PlainProblem if plain else Problem)


@cache
def _blas() -> Any:
    """Return threadpoolctl's handle of the BLAS libraries, which takes milliseconds to make."""
    return ThreadpoolController()


_lock = threading.Lock()
_running = 0
_limit: Any = None


@contextmanager
def one_blas_thread() -> Iterator[None]:
    """Keep BLAS to one thread while any thread of this process is inside the block.

    Attempts run on all cores already, and sums in a fixed order round the same way.
    """
    global _running, _limit
    with _lock:
        if not _running:
            _limit = _blas().limit(limits=1, user_api="blas")
        _running += 1
    try:
        yield
    finally:
        with _lock:
            _running -= 1
            if not _running:
                _limit.restore_original_limits()


register(
    Kind(
        *("numerical", NumericalTask, walk, reference, NumericalOutcome),
        policies={f.name: (f.default,) for f in fields(Policy) if f.name != "stop_rank"},
        parts={"start": "rows", "attempt": "attempt"},
        write_out=lambda task, parts: parts[0],
    )
)
