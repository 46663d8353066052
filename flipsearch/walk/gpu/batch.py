"""Run batches of walkers on a device, in launches of about half a second.

Only thousands of walkers keep a device busy, and a task may take many launches. A walker's state
therefore stays on the device between launches, and the next task replaces a finished one. After a
launch only the status of each walker and the states of finished walkers come back.

Invariant: an outcome depends on its task only, not on other walkers of the batch and not on the
division of its steps into launches.
"""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from flipsearch.errors import UsageError
from flipsearch.walk.engine import check
from flipsearch.walk.gpu.device import (
    BUDGET,
    FIELDS,
    FRESH,
    IDLE,
    LANES,
    OVERFULL,
    REASONS,
    RUNNING,
    Device,
    Shape,
    decode,
    encode,
    shape_for,
)
from flipsearch.walk.task import HISTORY, WalkOutcome, WalkTask

logger = logging.getLogger("flipsearch.walk")

LAUNCH_SECONDS = 0.5
"""Duration of a launch to aim at, short enough to watch and stop a walk."""
FIRST_CHUNK = 256
LARGEST_CHUNK = 1 << 40
FIRST_CAPACITY = 4096
LARGEST_BAND = 1 << 20
_AT = {name: k for k, name in enumerate(FIELDS)}


class Batch:
    """The walkers of one shape that live on a device.

    Their number is rounded up to a multiple of 32; it is less if memory is short. `room` is the
    number of states that a walker can return.
    """

    def __init__(self, device: Device, shape: Shape, walkers: int, room: int) -> None:
        self.device, self.shape, self.room = device, shape, room
        self.entries = min(shape.rows, HISTORY)
        self.chunk = FIRST_CHUNK
        self._kernel = device.kernel(shape)
        walkers = -(-walkers // LANES) * LANES
        while True:
            try:
                self._allocate(walkers)
                break
            except device.out_of_memory:
                if walkers <= LANES:
                    raise
                smaller = max(LANES, walkers // 2 // LANES * LANES)
                logger.warning(
                    "%s: no memory for %d walkers, trying %d", device.name, walkers, smaller
                )
                walkers = smaller
        self.walkers = walkers
        self.tasks: dict[int, WalkTask] = {}
        self._free = list(range(walkers))[::-1]

    def _allocate(self, walkers: int) -> None:
        zeros, shape = self.device.arrays.zeros, self.shape
        blocks, stride = walkers // shape.stride, shape.stride
        # frees the memory of a larger attempt first
        self._states: Any = None
        self._snapshots: Any = None
        self._states = zeros((blocks, shape.words, stride), dtype=np.uint32)
        self._snapshots = zeros((blocks, self.room, shape.saved, stride), dtype=np.uint32)
        self._numbers = zeros((len(FIELDS), walkers), dtype=np.uint64)
        self._history = zeros((self.entries, walkers), dtype=np.uint64)

    @property
    def free(self) -> int:
        """The number of walkers without a task."""
        return len(self._free)

    def load(self, tasks: Sequence[WalkTask]) -> None:
        """Give each task of this shape to a free walker."""
        arrays = self.device.arrays
        by_rank: dict[int, list[WalkTask]] = {}
        for task in tasks:
            by_rank.setdefault(task.rank, []).append(task)
        for rank, equal in by_rank.items():
            walkers = [self._free.pop() for _ in equal]
            self.tasks.update(zip(walkers, equal, strict=True))
            at = arrays.asarray(np.array(walkers))
            starts = encode(self.shape, np.stack([task.start for task in equal]))
            block, lane = at // self.shape.stride, at % self.shape.stride
            self._states[block, : self.shape.saved, lane] = arrays.asarray(starts)
            self._numbers[:, at] = arrays.asarray(_numbers(equal, rank))

    def advance(self) -> float:
        """Launch once; return the duration in seconds."""
        started = time.perf_counter()
        self._kernel(
            *(self._states, self._numbers, self._snapshots, self._history),
            *(self.walkers, self.room, self.entries, self.chunk),
        )
        seconds = time.perf_counter() - started
        # the factor is limited, because first and last launches of walks are not representative
        factor = LAUNCH_SECONDS / max(seconds, 1e-4)
        self.chunk = min(LARGEST_CHUNK, max(1, int(self.chunk * min(4.0, factor))))
        return seconds

    def cut(self) -> None:
        """End all walks at their present step, as if their tasks had no more steps."""
        status = self.device.to_host(self._numbers[_AT["status"]])
        at = self.device.arrays.asarray(np.flatnonzero(status == RUNNING))
        self._numbers[_AT["status"], at] = BUDGET

    def flips(self) -> int:
        """Return the number of flips of the walkers that hold a task."""
        made = self.device.to_host(self._numbers[_AT["made"]])
        return int(made[list(self.tasks)].sum())

    def finished(self) -> list[tuple[WalkTask, WalkOutcome | None]]:
        """Remove the finished walks; return tasks and outcomes, None if a walk needs more rows."""
        status = self.device.to_host(self._numbers[_AT["status"]])
        done = np.flatnonzero(status >= BUDGET)
        if not len(done):
            return []
        at = self.device.arrays.asarray(done)
        numbers = self.device.to_host(self._numbers[:, at]).astype(np.int64)
        entries = int(numbers[_AT["entries"]].max())
        history = self.device.to_host(self._history[:entries, at])
        states = self._take(self._states, done, None)
        count, taken = len(done), numbers[_AT["taken"]]
        owners = np.repeat(np.arange(count), taken)
        which = np.concatenate([np.arange(number) for number in taken])
        best = self._take(self._snapshots, done[owners], which)
        first = np.concatenate(([0], np.cumsum(taken)))
        self._numbers[_AT["status"], at] = IDLE
        found: list[tuple[WalkTask, WalkOutcome | None]] = []
        for k, walker in enumerate(done.tolist()):
            ended = _Ended(numbers[:, k], states[k], best[first[k] : first[k + 1]], history[:, k])
            task = self.tasks[walker]
            found.append((task, ended.outcome(self.shape, task)))
        for walker in done.tolist():  # only now, because an error above must not lose a task
            del self.tasks[walker]
            self._free.append(walker)
        return found

    def _take(
        self, source: Any, walkers: npt.NDArray[np.int64], which: npt.NDArray[np.int64] | None
    ) -> npt.NDArray[np.uint32]:
        """Return the states of some walkers, gathered on the device; shape (number, saved)."""
        arrays, shape = self.device.arrays, self.shape
        block, lane = (
            arrays.asarray(walkers // shape.stride),
            arrays.asarray(walkers % shape.stride),
        )
        if which is None:
            return self.device.to_host(source[block, : shape.saved, lane])
        return self.device.to_host(source[block, arrays.asarray(which), :, lane])


@dataclass(frozen=True)
class _Ended:
    """The numbers and states of a finished walker."""

    numbers: npt.NDArray[np.int64]
    final: npt.NDArray[np.uint32]
    best: npt.NDArray[np.uint32]
    history: npt.NDArray[np.uint64]

    def outcome(self, shape: Shape, task: WalkTask) -> WalkOutcome | None:
        number = dict(zip(FIELDS, self.numbers.tolist(), strict=True))
        if number["status"] == OVERFULL:
            return None
        width = task.start.shape[2]
        final = decode(shape, self.final[None], number["rank"], width)[0]
        best = tuple(decode(shape, self.best, number["best"], width))
        entries = self.history[: number["entries"]].tolist()
        history = tuple((entry >> 16, entry & 0xFFFF) for entry in entries)
        counts = number["step"], number["made"], number["reductions"], number["escapes"]
        reason = REASONS[number["status"]]
        found = WalkOutcome(task.number, best, final, history, *counts, reason)
        return check(task, found, task.seed)


def _numbers(tasks: Sequence[WalkTask], rank: int) -> npt.NDArray[np.uint64]:
    """Return the numbers of fresh walkers, one column for each task."""
    numbers = np.zeros((len(FIELDS), len(tasks)), dtype=np.uint64)
    for k, task in enumerate(tasks):
        policy = task.policy
        numbers[:9, k] = (
            *(task.seed, task.steps, policy.plus_after, min(policy.band, LARGEST_BAND)),
            *(policy.stop_rank, policy.collect, policy.collect_every),
            *(task.capacity, policy.merge),
        )
    numbers[_AT["rank"]] = rank
    numbers[_AT["status"]] = FRESH
    return numbers


@dataclass
class _Queue:
    """The waiting tasks of one shape and room, and their batch."""

    waiting: deque[WalkTask] = field(default_factory=deque)
    batch: Batch | None = None

    @property
    def busy(self) -> int:
        return 0 if self.batch is None else len(self.batch.tasks)


class Engine:
    """All walks on one device, with a batch for each shape of kernel.

    At most `walkers` walk at once, by default as many as fit on the device. A walker has a team of
    1 or 32 threads, by default chosen by memory.

    Attributes
    ----------
    pending : int
        Number of submitted tasks whose outcomes were not returned.
    capacity : int
        Number of walkers at once for the last shape; at first a guess.
    """

    def __init__(
        self, device: Device, walkers: int | None = None, team: int | None = None
    ) -> None:
        if walkers is not None and walkers < 1:
            raise UsageError("at least one walker is needed")
        self.device = device
        self._walkers, self._team = walkers, team
        self._queues: dict[tuple[Shape, int], _Queue] = {}
        self._last = -1
        self._refused: list[WalkTask] = []
        self.pending = 0
        self.capacity = walkers or FIRST_CAPACITY

    def submit(self, task: WalkTask) -> None:
        """Take a task; raises `UsageError` if its walker does not fit on the device."""
        self._queue(task, shape_for(task, team=self._team))
        self.pending += 1

    def _queue(self, task: WalkTask, shape: Shape) -> None:
        room = 1 << (task.policy.collect - 1).bit_length()
        self._queues.setdefault((shape, room), _Queue()).waiting.append(task)

    def advance(self) -> list[WalkOutcome]:
        """Load waiting tasks, launch once, and return the outcomes of finished walks."""
        self.device.attach()
        queues = [(at, queue) for at, queue in self._queues.items() if queue.waiting or queue.busy]
        if not queues:
            return []
        self._last = (self._last + 1) % len(queues)
        (shape, room), queue = queues[self._last]
        if queue.batch is None:
            self._drop_idle()
            try:
                walkers = self._walkers or self.device.walkers(shape)
                queue.batch = Batch(self.device, shape, walkers, room)
            except UsageError:  # this device has less shared memory than others
                self._refuse(queue.waiting)
                del self._queues[shape, room]
                return []
            self.capacity = queue.batch.walkers
        batch, waiting = queue.batch, queue.waiting
        batch.load([waiting.popleft() for _ in range(min(batch.free, len(waiting)))])
        batch.advance()
        outcomes = []
        for task, outcome in batch.finished():
            if outcome is not None:
                outcomes.append(outcome)
                continue
            try:
                larger = shape_for(task, rows=shape.rows + shape.rows // 2, team=self._team)
                self._queue(task, larger)
            except UsageError:
                self._refuse([task])
        self.pending -= len(outcomes)
        return outcomes

    def take_refused(self) -> list[WalkTask]:
        """Return the tasks that became too large for the device since the last call."""
        refused, self._refused = self._refused, []
        return refused

    def _refuse(self, tasks: Iterable[WalkTask]) -> None:
        before = len(self._refused)
        self._refused += tasks
        self.pending -= len(self._refused) - before

    def cut(self) -> tuple[list[WalkOutcome], int]:
        """End all walks at their present step; return outcomes and the number of dropped tasks."""
        if not self.pending:
            return [], 0
        self.device.attach()
        outcomes = []
        for queue in self._queues.values():
            queue.waiting.clear()
            if queue.batch is not None and queue.busy:
                queue.batch.cut()
                outcomes += [found for _, found in queue.batch.finished() if found is not None]
        dropped, self.pending = self.pending - len(outcomes), 0
        return outcomes, dropped

    def abandon(self) -> list[WalkTask]:
        """Give up all walks; return their tasks."""
        queues, self._queues, self.pending = self._queues.values(), {}, 0
        tasks = self.take_refused() + [task for queue in queues for task in queue.waiting]
        return tasks + [t for q in queues if q.batch is not None for t in q.batch.tasks.values()]

    def _drop_idle(self) -> None:
        """Free the memory of batches that no task waits for."""
        for at in [at for at, queue in self._queues.items() if not (queue.waiting or queue.busy)]:
            del self._queues[at]


def walk_many(
    device: Device,
    tasks: Iterable[WalkTask],
    *,
    walkers: int | None = None,
    team: int | None = None,
) -> list[WalkOutcome]:
    """Carry out walks on a device; return the outcomes in the order of the tasks.

    The numbers of the tasks have to differ. The other arguments are as for `Engine`.
    """
    engine = Engine(device, walkers, team)
    order = []
    for task in tasks:
        engine.submit(task)
        order.append(task.number)
    if len(set(order)) != len(order):
        raise UsageError("tasks walked together need different numbers")
    outcomes = {}
    while engine.pending:
        for outcome in engine.advance():
            outcomes[outcome.number] = outcome
        if refused := engine.take_refused():
            raise UsageError(f"walk {refused[0].number} has outgrown {device.name}: use the CPU")
    return [outcomes[number] for number in order]
