"""Where the products are computed: threads, any concurrent.futures pool, or Ray.

A transport is given one call's operands, is told which products to start, and reports each one
once: the product, or the exception that stands for its loss.
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
    """The protocol of `run`: start products, wait for reports, drop the rest."""

    def start(self, r: int, drill: Drill) -> None:
        """Start product r."""

    def wait(self, timeout: float | None) -> list[Report]:
        """Return finished products, or exceptions in their place; empty after `timeout`."""

    def close(self) -> None:
        """Drop all products still out."""


class Operands:
    """The blocks of A and B, and which of them a product needs: no others are sent."""

    def __init__(self, code: Code, a: Any, b: Any) -> None:
        n, m, p = code.sides
        self.lefts, self.rights = blocks_of(a, n, m), blocks_of(b, m, p)
        self.shapes = (self.lefts[0].shape, self.rights[0].shape)
        self._code = code

    def needs(self, r: int) -> tuple[list[int], list[int], list[Any]]:
        """Return the coefficients left and right and the blocks of product r."""
        u, v = self._code.left[r], self._code.right[r]
        blocks = [self.lefts[i] for i, x in enumerate(u) if x]
        blocks += [self.rights[i] for i, x in enumerate(v) if x]
        return [x for x in u if x], [x for x in v if x], blocks


class PoolTransport:
    """Any `concurrent.futures.Executor`: threads share the blocks, processes are sent theirs.

    A `ProcessPoolExecutor` breaks as a whole when one of its processes dies; then every product
    still out is lost. `workers()` of the emitted module gives processes that die alone.
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
        """Submit product r; in threads a rehearsed kill is a raised one."""
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
        """Return at least one report unless the time runs out first."""
        try:
            ready = [self._done.get(timeout=timeout)]
            while not self._done.empty():
                ready.append(self._done.get_nowait())
        except queue.Empty:
            return []
        return [(r, _result_of(future)) for r, future in ready]

    def close(self) -> None:
        """Cancel waiting products; running ones finish unheard."""
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

    A lost task is an erasure, not a retry. The driver that holds A and B, and the node it runs
    on, remain a single point of failure.
    """

    def __init__(self, operands: Operands, leaf: Leaf | str | None, options: Mapping[str, Any]):
        import ray

        self._ray = ray
        if not ray.is_initialized():
            ray.init(log_to_driver=False)
        module = sys.modules.get(product_of_blocks.__module__)
        if module is not None:  # this file need not exist on the workers
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
            except Exception as error:  # whatever became of the task, its product is lost
                reports.append((r, getattr(error, "cause", None) or error))
        return reports

    def close(self) -> None:
        """Cancel the tasks still out."""
        for reference in self._pending:
            self._ray.cancel(reference, force=True)
        self._pending.clear()
