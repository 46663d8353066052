"""A kind of walk: flips over F2 in plain Python, with a pause now and then."""

import time
from dataclasses import dataclass

import numpy as np

from flipsearch.algebra.draws import plain_draw
from flipsearch.walk.kinds import Kind, register
from flipsearch.walk.task import WalkOutcome, WalkTask


@dataclass(frozen=True, eq=False)
class ToyTask(WalkTask):
    """A walk that sleeps `pause` milliseconds before it starts."""

    pause: int = 0


def toy_walk(task: ToyTask) -> WalkOutcome:
    """Walk, and stop at the first rank below `stop_rank` or at the end of the steps."""
    time.sleep(task.pause / 1000)
    rows = [[int(factor[0]) for factor in row] for row in task.start]
    best, history, flips, step = [*map(list, rows)], [], 0, 0
    for step in range(1, task.steps + 1):
        draw = plain_draw(task.seed, step)
        i, j, turn = draw % len(rows), (draw >> 20) % len(rows), (draw >> 40) % 3
        shared, left, right = turn, (turn + 1) % 3, (turn + 2) % 3
        if i == j or rows[i][shared] != rows[j][shared]:
            continue
        rows[i][left] ^= rows[j][left]
        rows[j][right] ^= rows[i][right]
        flips += 1
        rows = [row for row in rows if all(row)]
        if len(rows) < len(best):
            best = [*map(list, rows)]
            history.append((step, len(best)))
            if len(best) <= task.policy.stop_rank:
                break
    ended = "reached" if len(best) <= task.policy.stop_rank else "budget"
    states = [np.array(each, np.uint64).reshape(-1, 3, 1) for each in (best, rows)]
    lowered = task.rank - len(rows)
    return WalkOutcome(
        task.number, (states[0],), states[1], tuple(history), step, flips, lowered, 0, ended
    )


register(
    Kind(
        *("toy", ToyTask, toy_walk, toy_walk),
        policies={"plus_after": (0,), "collect": (1,), "merge": (False,), "plus_since": ("best",)},
    )
)
