"""Compute products in a pool of processes; a killed process loses only its present product.

Each process runs the emitted module itself (``python FILE --worker``). Messages are JSON lines. On
a system with fork, a child of the process does the work: a dead child is reported and replaced in
milliseconds, without a new interpreter. A late product is therefore ended by killing the child.
Answers name their call and product. All processes map one file with A and B, which lies in memory
if the system has room. A worker reads the blocks of its product there and writes the product into
its slot.

Invariant: a file is used again only after all workers have stopped writing to it. A worker whose
child is being killed gets no product until the child's death is reported.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import secrets
import selectors
import signal
import subprocess
import threading
import time
import weakref
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from flipsearch.algebra.cores import available_cores
from flipsearch.faults.runtime.code import Code
from flipsearch.faults.runtime.serving import POOL, shared_file, views_of
from flipsearch.faults.runtime.transports import Operands, Report
from flipsearch.faults.runtime.work import Drill

_PATIENCE = 0.02  # seconds before a late product is ended, which costs some milliseconds
_RESTART = 0.25  # seconds after the start of a call until a busy worker is replaced
_THREADS = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS")


class WorkerLostError(RuntimeError):
    """A worker failed, or its process ended, before its product was complete."""


class _Process:
    def __init__(self, command: list[str], threads: int, pool: str) -> None:
        environment = os.environ | dict.fromkeys(_THREADS, str(threads)) | {POOL: pool}
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
        self.begun = 0.0  # time at which the job was sent
        self.child: int | None = None  # the process that does the work
        self.is_ending = False  # the child was killed, and its death is not yet reported
        self.is_stopped = False
        self.text = b""

    def send(self, message: dict[str, Any]) -> None:
        assert self.handle.stdin is not None
        self.handle.stdin.write(json.dumps(message).encode() + b"\n")
        self.handle.stdin.flush()

    def answers(self) -> Iterator[tuple[tuple[int, int], str | None]]:
        """Yield the job and its error if it has finished; the process is then free.

        A job that is being ended finishes with the death of the child.

        Raises
        ------
        EOFError
            The process has ended.
        """
        try:
            data = os.read(self.out, 1 << 16)
        except BlockingIOError:
            return
        if not data:
            raise EOFError("its process ended without an answer")
        *lines, self.text = (self.text + data).split(b"\n")
        for line in lines:
            try:
                answer = json.loads(line)
            except ValueError:  # other output from the start of the interpreter
                continue
            if "child" in answer:
                self.child = answer["child"]
                continue
            if "job" not in answer:  # the death of its child
                self.child, self.is_ending = None, False
            elif self.is_ending or tuple(answer["job"]) != self.job:
                continue
            if self.job is not None:
                job, self.job = self.job, None
                yield job, answer.get("error")

    def drain(self) -> None:
        """Read and drop all answers."""
        if self.is_stopped:
            return
        try:
            for _ in self.answers():
                pass
        except EOFError:
            self.job, self.is_ending = None, False

    def end(self) -> None:
        """Kill the late child; another replaces it in milliseconds."""
        if self.child is not None and not self.is_ending:
            self.is_ending = True
            with contextlib.suppress(OSError):
                os.kill(self.child, signal.SIGKILL)

    def stop(self) -> None:
        if self.is_stopped:
            return
        self.is_stopped = True
        with contextlib.suppress(OSError):  # kills the child too, before the streams close
            os.killpg(self.handle.pid, signal.SIGKILL)
        for stream in (self.handle.stdin, self.handle.stdout):
            if stream is not None:
                with contextlib.suppress(OSError):
                    stream.close()
        self.handle.wait()


class ProcessWorkers:
    """A pool of processes that lasts from call to call; use it as a context manager.

    It carries out one call at a time: a call from another thread waits. `command` starts one
    worker. `count` is the number of workers, by default that of cores; further products wait. Each
    worker has `threads` BLAS threads.
    """

    def __init__(self, command: list[str], count: int | None = None, threads: int = 1) -> None:
        if (count is not None and count < 1) or threads < 1:
            raise ValueError(f"{count} workers of {threads} threads: at least 1 of each is needed")
        self._name = secrets.token_hex(8)
        self._start = command, threads, self._name
        self.count = count or available_cores()
        self.lock = threading.Lock()
        self.processes: list[_Process] = []
        self.calls = 0
        self._spare: list[Path] = []  # the last call's file, whose pages are in memory
        weakref.finalize(self, _discard, self._spare)
        for _ in range(self.count):
            self.processes.append(_Process(*self._start))

    @property
    def pids(self) -> list[int]:
        """The process ids of the workers."""
        return [process.handle.pid for process in self.processes]

    def idle(self, call: int, waited: float) -> _Process | None:
        """Return a free worker for a call, `waited` seconds after its start, or None.

        Jobs of earlier calls are ended after `_PATIENCE` seconds.
        """
        for i, process in enumerate(self.processes):
            if process.job is None or process.job[0] != call:
                process.drain()
            if process.handle.poll() is not None and process.job is None:
                process.stop()
                self.processes[i] = process = _Process(*self._start)
            if process.job is None:
                return process
        for i, process in enumerate(self.processes):
            if process.job is not None and process.job[0] != call and waited > _PATIENCE:
                process.end()
                # on a system with fork, a worker without a child is only starting
                if waited > _RESTART and (process.is_ending or not hasattr(os, "fork")):
                    process.stop()
                    self.processes[i] = _Process(*self._start)
                    return self.processes[i]
        return None

    def take_file(self, size: int) -> Path:
        """Return a file of a given size to which no worker writes."""
        if self._spare and self._spare[0].stat().st_size == size:
            until = time.monotonic() + _PATIENCE  # fresh memory would cost more time
            while any(process.job is not None for process in self.processes):
                for process in self.processes:
                    process.drain()
                if time.monotonic() > until or not any(p.is_ending for p in self.processes):
                    break
                time.sleep(0.0005)
            if all(process.job is None for process in self.processes):
                return self._spare.pop()
        _discard(self._spare)
        return shared_file(size, self._name)

    def give_file(self, path: Path) -> None:
        """Keep the file of a call for the next call."""
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

    def __exit__(self, *_: object) -> None:
        self.close()


class ProcessTransport:
    """One call on `ProcessWorkers`."""

    def __init__(self, code: Code, a: Any, b: Any, pool: ProcessWorkers, leaf: Any) -> None:
        if leaf is not None and not isinstance(leaf, str):
            raise TypeError("on processes the leaf is a string, 'module:function'")
        self._pool, self._leaf = pool, leaf
        self._file: Path | None = None
        self._waiting: deque[tuple[int, Drill]] = deque()
        pool.lock.acquire()
        try:
            self._lay_out(code, a, b)
        except BaseException:
            self.close()
            raise

    def _lay_out(self, code: Code, a: Any, b: Any) -> None:
        """Copy A and B into the file that the workers map."""
        pool = self._pool
        if not pool.processes:
            raise ValueError("these workers were closed")
        pool.calls += 1
        self._call = pool.calls
        operands = Operands(code, a, b)
        height, columns = operands.shapes[0][0], operands.shapes[1][1]
        size = a.nbytes + b.nbytes + code.workers * height * columns * a.itemsize
        self._file = pool.take_file(size)
        self._layout = {
            "file": str(self._file),
            "dtype": a.dtype.str,
            "a": list(a.shape),
            "b": list(b.shape),
            "product": [height, columns],
        }
        views = views_of(code, self._layout, "r+")
        views[0][...] = a
        views[1][...] = b
        self._slots = views[2]
        self._began = time.monotonic()

    def start(self, r: int, drill: Drill) -> None:
        """Send product r to a free worker or queue it; end an earlier try (same slot)."""
        for process in self._pool.processes:
            if process.job == (self._call, r):
                process.job = None
                process.stop()
        self._waiting.append((r, drill))
        self._dispatch()

    def _dispatch(self) -> None:
        while self._waiting:
            process = self._pool.idle(self._call, time.monotonic() - self._began)
            if process is None:
                return
            r, drill = self._waiting.popleft()
            process.job, process.begun = (self._call, r), time.monotonic()
            try:
                process.send(
                    self._layout | {"job": process.job, "leaf": self._leaf, "drill": drill}
                )
            except OSError:
                process.job = None
                process.stop()
                self._waiting.appendleft((r, drill))

    def wait(self, timeout: float | None) -> list[Report]:
        """Return reports of this call; a closed pipe reports the loss of its worker's product."""
        until = None if timeout is None else time.monotonic() + timeout
        while True:
            processes = self._pool.processes
            with selectors.DefaultSelector() as selector:
                for process in processes:
                    if process.job is not None:
                        selector.register(process.out, selectors.EVENT_READ, process)
                if not selector.get_map():
                    return []
                left = math.inf if until is None else max(0.0, until - time.monotonic())
                late = any(p.job is not None and p.job[0] != self._call for p in processes)
                nap = min(left, _PATIENCE) if self._waiting and late else left
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
        """Drop waiting products, and end products that have run longer than `_PATIENCE` seconds.

        Others finish and are ignored, or the next call ends them.
        """
        self._waiting.clear()
        for process in self._pool.processes:
            process.drain()
            if process.job is not None and time.monotonic() > process.begun + _PATIENCE:
                process.end()
        if self._file is not None:
            self._pool.give_file(self._file)
        self._pool.lock.release()


def _discard(files: list[Path]) -> None:
    while files:
        files.pop().unlink(missing_ok=True)
