"""Compute the products on threads, on any concurrent.futures pool, or on Ray.

A transport holds the operands of one call. It starts products on request and reports each once: as
an array, or as the exception that stands for its loss.
"""

from __future__ import annotations

import concurrent.futures
import queue
import sys
from collections.abc import Mapping
from typing import Any, Protocol

from flipsearch.algebra.cores import available_cores
from flipsearch.faults.runtime.code import Code
from flipsearch.faults.runtime.work import Drill, Leaf, blocks_of, product_of_blocks

Report = tuple[int, Any]


class Transport(Protocol):
    """The protocol of a transport: start products, wait for reports, drop the rest."""

    def start(self, r: int, drill: Drill) -> None:
        """Start product r."""

    def wait(self, timeout: float | None) -> list[Report]:
        """Return finished products, or exceptions in their place; no reports after `timeout`."""

    def close(self) -> None:
        """Drop all products that have not arrived."""


class Operands:
    """The blocks of A and B; a worker is sent only the blocks of its product."""

    def __init__(self, code: Code, a: Any, b: Any) -> None:
        n, m, p = code.sides
        self.lefts, self.rights = blocks_of(a, n, m), blocks_of(b, m, p)
        self.shapes = (self.lefts[0].shape, self.rights[0].shape)
        self._code = code

    def needs(self, r: int) -> tuple[list[int], list[int], list[Any]]:
        """Return the left coefficients, the right coefficients and the blocks of product r."""
        u, v = self._code.left[r], self._code.right[r]
        blocks = [self.lefts[i] for i, x in enumerate(u) if x]
        blocks += [self.rights[i] for i, x in enumerate(v) if x]
        return [x for x in u if x], [x for x in v if x], blocks


class PoolTransport:
    """Any `concurrent.futures.Executor`; threads share the blocks, processes are sent theirs.

    A `ProcessPoolExecutor` breaks as a whole if one of its processes dies, and all products that
    have not arrived are lost. With `workers()` of the emitted module a dead process loses one.
    """

    def __init__(
        self, operands: Operands, executor: concurrent.futures.Executor | None, leaf: Any
    ) -> None:
        self._operands, self._leaf = operands, leaf
        self._own = executor is None
        self._executor = executor or concurrent.futures.ThreadPoolExecutor(available_cores())
        self._done: queue.SimpleQueue[tuple[int, concurrent.futures.Future[Any]]] = (
            queue.SimpleQueue()
        )
        self._futures: list[concurrent.futures.Future[Any]] = []

    def start(self, r: int, drill: Drill) -> None:
        """Submit product r; on threads a simulated kill raises an error instead."""
        left, right, blocks = self._operands.needs(r)
        if drill == "kill" and isinstance(self._executor, concurrent.futures.ThreadPoolExecutor):
            drill = "raise"
        try:
            future = self._executor.submit(
                product_of_blocks, self._operands.shapes, left, right, self._leaf, drill, *blocks
            )
        except (RuntimeError, concurrent.futures.BrokenExecutor) as error:
            future = concurrent.futures.Future()
            future.set_exception(error)
        self._futures.append(future)
        future.add_done_callback(lambda done: self._done.put((r, done)))

    def wait(self, timeout: float | None) -> list[Report]:
        """Return one or more reports, or none after `timeout`."""
        try:
            ready = [self._done.get(timeout=timeout)]
            while not self._done.empty():
                ready.append(self._done.get_nowait())
        except queue.Empty:
            return []
        return [(r, _result_of(future)) for r, future in ready]

    def close(self) -> None:
        """Cancel waiting products; running products finish and are ignored."""
        for future in self._futures:
            future.cancel()
        if self._own:
            self._executor.shutdown(wait=False, cancel_futures=True)


def _result_of(future: concurrent.futures.Future[Any]) -> Any:
    if future.cancelled():  # by the executor's owner
        return concurrent.futures.CancelledError("it was cancelled")
    return future.exception() or future.result()


class RayTransport:
    """Ray tasks without retries, spread over the nodes; each block is stored once.

    A lost task is an erasure and is not retried. The driver, which holds A and B, and its node
    remain a single point of failure.
    """

    def __init__(self, operands: Operands, leaf: Leaf | str | None, options: Mapping[str, Any]):
        import ray

        self._ray = ray
        if not ray.is_initialized():
            ray.init(log_to_driver=False)
        module = sys.modules.get(product_of_blocks.__module__)
        if module is not None:  # the workers may lack this file
            ray.cloudpickle.register_pickle_by_value(module)  # type: ignore[no-untyped-call]
        chosen = {"max_retries": 0, "scheduling_strategy": "SPREAD", **options}
        self._task = ray.remote(product_of_blocks).options(**chosen)
        self._operands, self._leaf = operands, leaf
        self._stored: dict[int, Any] = {}
        self._pending: dict[Any, int] = {}

    def start(self, r: int, drill: Drill) -> None:
        """Start the task of product r on references to its own blocks."""
        left, right, blocks = self._operands.needs(r)
        references = []
        for block in blocks:
            if id(block) not in self._stored:
                self._stored[id(block)] = self._ray.put(block)
            references.append(self._stored[id(block)])
        task = self._task.remote(
            self._operands.shapes, left, right, self._leaf, drill, *references
        )
        self._pending[task] = r

    def wait(self, timeout: float | None) -> list[Report]:
        """Return the next report of `ray.wait`."""
        if not self._pending:
            return []
        ready, _ = self._ray.wait(list(self._pending), num_returns=1, timeout=timeout)
        reports: list[Report] = []
        for reference in ready:
            r = self._pending.pop(reference)
            try:
                reports.append((r, self._ray.get(reference)))
            except Exception as error:  # any failure of a task is a loss of its product
                reports.append((r, getattr(error, "cause", None) or error))
        return reports

    def close(self) -> None:
        """Cancel the tasks that have not finished."""
        for reference in self._pending:
            self._ray.cancel(reference, force=True)
        self._pending.clear()
