"""Processes that die alone: one killed process loses the one product it was computing.

Each process runs the emitted module itself (``python FILE --worker``) and is spoken to in JSON
lines. Where there is fork, it lets a child do the work: a child that dies is reported and
replaced in milliseconds, without a new interpreter. Answers name their call and product, so that
none is taken for another's. A and B lie once in a file that all map, in memory where the system
has room for it; a worker maps and reads the blocks of its product, and writes the product into
its slot of that file.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import selectors
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import weakref
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np

from flipsearch.faults.runtime.code import Code
from flipsearch.faults.runtime.transports import Operands, Report
from flipsearch.faults.runtime.work import Drill, product_of_blocks

_PATIENCE = 0.25  # seconds that a call waits for stragglers of an earlier one
_THREADS = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS")


class WorkerLostError(RuntimeError):
    """A worker failed, or its process ended, before it had a product."""


class _Process:
    def __init__(self, command: list[str], threads: int) -> None:
        environment = os.environ | dict.fromkeys(_THREADS, str(threads))
        self.handle = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=environment,
            start_new_session=True,
        )
        assert self.handle.stdout is not None
        self.out = self.handle.stdout.fileno()
        os.set_blocking(self.out, False)
        self.job: tuple[int, int] | None = None  # (call, product)
        self.text = b""

    def send(self, message: dict[str, Any]) -> None:
        assert self.handle.stdin is not None
        self.handle.stdin.write(json.dumps(message).encode() + b"\n")
        self.handle.stdin.flush()

    def answers(self) -> Iterator[tuple[tuple[int, int], str | None]]:
        """Yield the finished job and its error, if it has finished; then it is free again.

        EOFError if the process has ended.
        """
        try:
            data = os.read(self.out, 1 << 16)
        except BlockingIOError:
            return
        if not data:
            raise EOFError("its process ended without an answer")
        *lines, self.text = (self.text + data).split(b"\n")
        for line in lines:
            answer = json.loads(line)
            job = tuple(answer.get("job") or self.job or ())
            if self.job is not None and job == self.job:
                yield self.job, answer.get("error")
                self.job = None

    def drain(self) -> None:
        """Take in the answer to an earlier call, if it has come."""
        if self.job is not None:
            with contextlib.suppress(EOFError):
                for _ in self.answers():
                    pass

    def stop(self) -> None:
        for stream in (self.handle.stdin, self.handle.stdout):
            if stream is not None:
                with contextlib.suppress(OSError):
                    stream.close()
        with contextlib.suppress(OSError):  # it and its child
            os.killpg(self.handle.pid, signal.SIGKILL)
        self.handle.wait()


class ProcessWorkers:
    """A pool of processes, kept between calls; a context manager.

    Parameters
    ----------
    command : list of str
        How to start one worker.
    count : int, optional
        How many; the number of cores by default. Products beyond that wait their turn.
    threads : int
        BLAS threads of each.
    """

    def __init__(self, command: list[str], count: int | None = None, threads: int = 1) -> None:
        self._command, self._threads = command, threads
        self.count = count or os.cpu_count() or 1
        self.processes: list[_Process] = []
        self.calls = 0
        self._spare: list[Path] = []  # the last call's file, its pages touched already
        weakref.finalize(self, _discard, self._spare)
        for _ in range(self.count):
            self.processes.append(_Process(command, threads))

    @property
    def pids(self) -> list[int]:
        """Process ids of the workers."""
        return [process.handle.pid for process in self.processes]

    def idle(self, call: int, is_patient: bool) -> _Process | None:
        """Return a free worker for a call; without patience, stragglers of others are replaced."""
        for i, process in enumerate(self.processes):
            if process.job is not None and process.job[0] != call:
                process.drain()
            if process.handle.poll() is not None and process.job is None:
                process.stop()
                self.processes[i] = process = _Process(self._command, self._threads)
            if process.job is None:
                return process
        for i, process in enumerate(self.processes):
            if not is_patient and process.job is not None and process.job[0] != call:
                process.stop()
                self.processes[i] = _Process(self._command, self._threads)
                return self.processes[i]
        return None

    def take_file(self, size: int) -> Path:
        """Return a file of at least that size which no worker still writes to."""
        if self._spare and self._spare[0].stat().st_size == size:
            for process in self.processes:
                process.drain()
            if all(process.job is None for process in self.processes):
                return self._spare.pop()
        _discard(self._spare)
        return _shared_file(size)

    def give_file(self, path: Path) -> None:
        """Keep a call's file for the next one."""
        self._spare.append(path)
        if len(self._spare) > 1 or not self.processes:
            _discard(self._spare)

    def close(self) -> None:
        """End all workers."""
        for process in self.processes:
            process.stop()
        self.processes = []
        _discard(self._spare)

    def __enter__(self) -> ProcessWorkers:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self.close()


class ProcessTransport:
    """One call on `ProcessWorkers`."""

    def __init__(self, code: Code, a: Any, b: Any, pool: ProcessWorkers, leaf: Any) -> None:
        if leaf is not None and not isinstance(leaf, str):
            raise TypeError("on processes the leaf is a string, 'module:function'")
        pool.calls += 1
        self._pool, self._call, self._leaf = pool, pool.calls, leaf
        operands = Operands(code, a, b)
        height, columns = operands.shapes[0][0], operands.shapes[1][1]
        size = a.nbytes + b.nbytes + code.workers * height * columns * a.itemsize
        self._file = pool.take_file(max(size, 1))
        self._layout = {
            "file": str(self._file),
            "dtype": a.dtype.str,
            "a": list(a.shape),
            "b": list(b.shape),
            "product": [height, columns],
        }
        views = _views(code, self._layout, "r+")
        views[0][...] = a
        views[1][...] = b
        self._slots = views[2]
        self._waiting: deque[tuple[int, Drill]] = deque()
        self._began = time.monotonic()

    def start(self, r: int, drill: Drill) -> None:
        """Hand product r to a free worker, or queue it; end a late twin: they share a slot."""
        for process in self._pool.processes:
            if process.job == (self._call, r):
                process.job = None
                process.stop()
        self._waiting.append((r, drill))
        self._dispatch()

    def _dispatch(self) -> None:
        while self._waiting:
            is_patient = time.monotonic() < self._began + _PATIENCE
            process = self._pool.idle(self._call, is_patient)
            if process is None:
                return
            r, drill = self._waiting.popleft()
            process.job = (self._call, r)
            try:
                process.send(
                    self._layout | {"job": process.job, "leaf": self._leaf, "drill": drill}
                )
            except OSError:
                process.job = None
                process.stop()
                self._waiting.appendleft((r, drill))

    def wait(self, timeout: float | None) -> list[Report]:
        """Return reports of this call; a closed pipe is the loss of what its worker had."""
        until = None if timeout is None else time.monotonic() + timeout
        while True:
            with selectors.DefaultSelector() as selector:
                for process in self._pool.processes:
                    if process.job is not None:
                        selector.register(process.out, selectors.EVENT_READ, process)
                if not selector.get_map():
                    return []
                left = math.inf if until is None else max(0.0, until - time.monotonic())
                nap = min(left, _PATIENCE) if self._waiting else left
                events = selector.select(None if nap == math.inf else nap)
            if not events and nap == left:
                return []
            reports = [report for key, _ in events for report in self._read(key.data)]
            self._dispatch()
            if reports:
                return reports

    def _read(self, process: _Process) -> list[Report]:
        job = process.job
        reports: list[Report] = []
        try:
            for (call, r), error in process.answers():
                if call == self._call:
                    result = self._slots[r] if error is None else WorkerLostError(error)
                    reports.append((r, result))
        except EOFError as error:
            process.job = None
            process.stop()
            if job is not None and job[0] == self._call:
                reports.append((job[1], WorkerLostError(str(error))))
        return reports

    def close(self) -> None:
        """Forget the rest."""
        self._waiting.clear()
        self._pool.give_file(self._file)


def _discard(files: list[Path]) -> None:
    while files:
        files.pop().unlink(missing_ok=True)


def _shared_file(size: int) -> Path:
    """Create a sparse file of that size, in memory if the system offers a place with room."""
    places = [Path("/dev/shm"), Path(tempfile.gettempdir())]
    fit = [p for p in places if p.is_dir() and shutil.disk_usage(p).free > size + (1 << 20)]
    if not fit:
        raise OSError(f"no room for {size} bytes of operands in {' or '.join(map(str, places))}")
    handle, name = tempfile.mkstemp(prefix="flipsearch-", dir=fit[0])
    os.truncate(handle, max(size, 1))
    os.close(handle)
    return Path(name)


def _views(code: Code, layout: dict[str, Any], mode: str) -> tuple[Any, Any, list[Any]]:
    """Map A, B and one slot a product."""
    kind = np.dtype(layout["dtype"])
    everything: Any = np.memmap(layout["file"], dtype=np.uint8, mode=mode)  # type: ignore[call-overload]
    position = 0

    def take(shape: list[int]) -> Any:
        nonlocal position
        size = int(np.prod(shape)) * kind.itemsize
        part = everything[position : position + size].view(kind).reshape(shape)
        position += size
        return part.view(np.ndarray)

    a, b = take(layout["a"]), take(layout["b"])
    return a, b, [take(layout["product"]) for _ in range(code.workers)]


def serve(code: Code) -> None:
    """Answer jobs on standard input until it closes: the body of a worker process."""
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # nothing else may write among the answers
    sys.path.insert(0, os.getcwd())
    while hasattr(os, "fork"):
        child = os.fork()
        if child == 0:
            break
        _, status = os.waitpid(child, 0)
        if os.waitstatus_to_exitcode(status) == 0:
            return
        error = f"its process ended without an answer, status {status}"
        answers.write(json.dumps({"error": error}).encode() + b"\n")
        answers.flush()
    mapped: tuple[Any, Any] = (None, None)
    for line in sys.stdin:
        job = json.loads(line)
        answer: dict[str, Any] = {"job": job["job"]}
        try:
            key = [job[name] for name in ("file", "dtype", "a", "b", "product")]
            if mapped[0] != key:
                mapped = (key, _views(code, job, "r+"))
            a, b, slots = mapped[1]
            operands, r = Operands(code, a, b), job["job"][1]
            left, right, blocks = operands.needs(r)
            # only a whole product goes into the slot: a late twin of this job may be read there
            slots[r][...] = product_of_blocks(
                operands.shapes, left, right, job["leaf"], job["drill"], *blocks, keep=True
            )
        except Exception as error:
            answer["error"] = f"{type(error).__name__}: {error}"
        answers.write(json.dumps(answer).encode() + b"\n")
        answers.flush()
