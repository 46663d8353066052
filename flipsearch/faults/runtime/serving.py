"""Serve jobs in a worker process: JSON lines on standard input, answers on standard output.

On a system with fork, a child does the work and first reports its process id. If it dies, its
parent reports this and forks another. An answer is one short write, so a killed child leaves a
whole answer or none.

Invariant: answers come in the order of the events, each on one line.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from flipsearch.faults.runtime.code import Code
from flipsearch.faults.runtime.transports import Operands
from flipsearch.faults.runtime.work import product_of_blocks

POOL = "FLIPSEARCH_WORKERS"
"""Name of the environment variable that holds the pool of a worker."""


def views_of(code: Code, layout: dict[str, Any], mode: str) -> tuple[Any, Any, list[Any]]:
    """Map A, B and one slot for each product."""
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


def shared_file(size: int, pool: str) -> Path:
    """Create a sparse file of a given size, in memory if the system has room.

    `pool` is a part of its name, by which `remove_files` finds it.
    """
    fit = [p for p in _places() if shutil.disk_usage(p).free > size + (1 << 20)]
    if not fit:
        where = " or ".join(map(str, _places()))
        raise OSError(f"no room for {size} bytes of operands in {where}")
    handle, name = tempfile.mkstemp(prefix=f"flipsearch-{pool}-", dir=fit[0])
    os.truncate(handle, size)
    os.close(handle)
    return Path(name)


def remove_files(pool: str) -> None:
    """Remove the files of a pool."""
    for place in _places() if pool else ():
        for path in place.glob(f"flipsearch-{pool}-*"):
            path.unlink(missing_ok=True)


def _places() -> list[Path]:
    return [p for p in (Path("/dev/shm"), Path(tempfile.gettempdir())) if p.is_dir()]


def serve(code: Code) -> None:
    """Answer jobs on standard input until it closes, then remove the pool's files.

    Standard input closes when the caller is gone, which may have had no time to remove the files.
    """
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # other output must not mix with the answers
    sys.path.insert(0, os.getcwd())
    is_child = not hasattr(os, "fork")
    with contextlib.suppress(BrokenPipeError):  # nobody listens any more
        while not is_child:
            child = os.fork()
            is_child = child == 0
            if is_child:
                _tell(answers, {"child": os.getpid()})
                continue
            _, status = os.waitpid(child, 0)
            if os.waitstatus_to_exitcode(status) == 0:
                break
            error = f"its process ended without an answer, status {status}"
            _tell(answers, {"error": error})
        if is_child:
            _work(code, answers)
    remove_files(os.environ.get(POOL, ""))


def _tell(answers: Any, answer: dict[str, Any]) -> None:
    answers.write(json.dumps(answer).encode() + b"\n")
    answers.flush()


def _work(code: Code, answers: Any) -> None:
    mapped: tuple[Any, Any] = (None, None)
    for line in sys.stdin:
        job = json.loads(line)
        answer: dict[str, Any] = {"job": job["job"]}
        try:
            key = [job[name] for name in ("file", "dtype", "a", "b", "product")]
            if mapped[0] != key:
                mapped = (key, views_of(code, job, "r+"))
            a, b, slots = mapped[1]
            operands, r = Operands(code, a, b), job["job"][1]
            left, right, blocks = operands.needs(r)
            # only a whole product goes into the slot, from which an earlier try may be read
            slots[r][...] = product_of_blocks(
                operands.shapes, left, right, job["leaf"], job["drill"], *blocks, keep=True
            )
        except Exception as error:
            answer["error"] = f"{type(error).__name__}: {error}"[:500]
        _tell(answers, answer)
