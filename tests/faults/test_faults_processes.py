"""Emitted modules on real processes that are really killed."""

from __future__ import annotations

import itertools
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from flipsearch.faults import write_fault_tolerant_kernel
from flipsearch.faults.presets import presets
from flipsearch.formats import parse_format

Emitted = Callable[[str, int], ModuleType]
Named = Callable[[str], ModuleType]


@pytest.fixture(scope="module")
def module(emitted: Emitted) -> ModuleType:
    return emitted("2x2x2", 3)


@pytest.fixture(scope="module")
def pool(module: ModuleType) -> Iterator[Any]:
    with module.workers(4) as workers:
        yield workers


def integers(shape: tuple[int, int], seed: int) -> Any:
    return np.random.default_rng(seed).integers(-50, 51, size=shape)


A, B = integers((9, 7), 1), integers((7, 11), 2)


def wait_until(pool: Any, condition: Callable[[Any], bool]) -> None:
    deadline = time.monotonic() + 20
    while not all(map(condition, pool.processes)):
        assert time.monotonic() < deadline
        time.sleep(0.001)
        for process in pool.processes:
            process.drain()


def test_nothing_lost(module: ModuleType, pool: Any) -> None:
    outcome = module.multiply(A, B, executor=pool)
    assert (outcome.product == A @ B).all()
    assert outcome.lost == {}


@pytest.mark.parametrize("shipped", ["n9_f1", "n12_f2", "n14_f3_up", "n15_f3", "n16_f3"])
def test_every_pattern_of_killed_workers(named: Named, shipped: str) -> None:
    module = named(shipped)
    n, survive = module.CODE.workers, module.CODE.kmin - 1
    patterns = [
        lost for size in range(survive + 1) for lost in itertools.combinations(range(n), size)
    ]
    expected = A @ B
    with module.workers(2) as pool:
        for lost in patterns:
            outcome = module.multiply(
                A, B, executor=pool, retries=0, drill=dict.fromkeys(lost, "kill")
            )
            assert (outcome.product == expected).all(), lost
            assert outcome.resubmitted == ()
            assert not set(outcome.used) & set(lost)
            assert all("ended" in why for why in outcome.lost.values())


def test_killed_from_outside_in_the_middle(module: ModuleType, pool: Any) -> None:
    before = set(pool.pids)

    def shoot() -> None:
        time.sleep(0.3)
        busy = [process for process in pool.processes if process.job is not None]
        os.killpg(busy[0].handle.pid, signal.SIGKILL)

    killer = threading.Thread(target=shoot)
    killer.start()
    outcome = module.multiply(A, B, executor=pool, drill=dict.fromkeys(range(4), 0.8))
    killer.join()
    assert (outcome.product == A @ B).all()
    module.multiply(A, B, executor=pool)
    assert set(pool.pids) != before


def test_too_many_killed_names_the_pattern_or_repairs_it(module: ModuleType, pool: Any) -> None:
    drill = dict.fromkeys(range(7), "kill")
    with pytest.raises(module.LostProductsError) as caught:
        module.multiply(A, B, executor=pool, retries=0, drill=drill)
    assert set(caught.value.lost) == set(range(7))
    assert "its process ended" in str(caught.value)
    outcome = module.multiply(A, B, executor=pool, retries=1, drill=drill)
    assert (outcome.product == A @ B).all()
    assert 0 < len(outcome.resubmitted) < 7


def test_exceptions_wrong_answers_and_stragglers_together(module: ModuleType, pool: Any) -> None:
    begin = time.monotonic()
    outcome = module.multiply(
        A, B, executor=pool, check=True, retries=0, drill={0: "raise", 1: "wrong", 2: 20.0}
    )
    assert (outcome.product == A @ B).all()
    assert 1 in (*outcome.wrong, *outcome.late)
    assert 0 in outcome.late or "rehearsed" in outcome.lost[0]
    assert 2 in outcome.late
    assert time.monotonic() - begin < 15
    again = module.multiply(A, B, executor=pool)  # the straggler's process is replaced if needed
    assert (again.product == A @ B).all()


def test_floats_and_no_file_left_behind(module: ModuleType) -> None:
    generator = np.random.default_rng(3)
    a, b = generator.standard_normal((65, 33)), generator.standard_normal((33, 20))

    def files() -> set[Path]:
        return {f for p in (Path("/dev/shm"), Path("/tmp")) for f in p.glob("flipsearch-*")}

    before = files()
    with module.workers(2) as pool:
        for lost in ({}, {1: "kill"}, {}, {}):
            out = np.empty((65, 20))
            outcome = module.multiply(a, b, executor=pool, drill=lost, out=out)
            assert outcome.product is out
            assert np.allclose(out, a @ b)
            a = a + 1
    assert files() <= before


def test_a_late_worker_is_ended_when_its_product_starts_again(named: Named) -> None:
    module = named("n9_f1")
    with module.workers(4) as pool:
        begin = time.monotonic()
        outcome = module.multiply(
            A, B, executor=pool, deadline=1.0, retries=5, drill={0: 30.0, 1: 30.0, 2: 30.0}
        )
        assert (outcome.product == A @ B).all()
        assert set(outcome.resubmitted) & {0, 1, 2}
        busy = [process.job[1] for process in pool.processes if process.job is not None]
        assert len(set(busy)) == len(busy) <= 2  # of three late ones two had to start again
        assert time.monotonic() - begin < 25


def test_what_is_late_is_ended_and_its_worker_free_for_the_next_call(named: Named) -> None:
    module = named("n9_f1")
    with module.workers(2) as pool:
        wait_until(pool, lambda process: process.child is not None)
        before = pool.pids
        drill = {0: 60.0} | dict.fromkeys(range(1, 9), 0.01)  # the late one runs for a while
        outcome = module.multiply(A, B, executor=pool, retries=0, drill=drill)
        assert 0 in outcome.late
        wait_until(pool, lambda process: process.job is None)
        file = pool._spare[0]
        outcome = module.multiply(A + 1, B, executor=pool, retries=0)
        assert (outcome.product == (A + 1) @ B).all()
        assert outcome.lost == {}
        assert pool.pids == before  # no interpreter was started for it
        assert pool._spare[0] == file  # nobody writes to the first call's memory


def test_what_had_only_just_begun_is_ended_by_the_next_call(named: Named) -> None:
    module = named("n9_f1")
    with module.workers(1) as pool:
        wait_until(pool, lambda process: process.child is not None)
        before, [process] = pool.pids, pool.processes
        transport = module.ProcessTransport(module.CODE, A, B, pool, None)
        transport.start(3, 60.0)
        transport.close()  # at once: the product is left alone
        assert process.job is not None
        outcome = module.multiply(A, B, executor=pool, retries=0)
        assert (outcome.product == A @ B).all()
        assert outcome.lost == {}
        assert pool.pids == before


def test_calls_from_two_threads_take_turns(module: ModuleType, pool: Any) -> None:
    found: dict[int, Any] = {}

    def call(k: int) -> None:
        found[k] = module.multiply(A + k, B, executor=pool, retries=0)

    callers = [threading.Thread(target=call, args=(k,)) for k in range(4)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join(60)
    for k in range(4):
        assert (found[k].product == (A + k) @ B).all()
        assert found[k].lost == {}


def test_workers_whose_caller_is_gone_remove_its_memory(named: Named) -> None:
    module = named("n9_f1")
    with module.workers(1) as pool:
        module.multiply(A, B, executor=pool)
        [file], [process] = pool._spare, pool.processes
        assert file.exists()
        process.handle.stdin.close()  # what the end of this process would do
        assert process.handle.wait(20) == 0
        assert not file.exists()


def test_no_workers_and_closed_ones_are_refused(named: Named) -> None:
    module = named("n9_f1")
    with pytest.raises(ValueError, match="at least 1"):
        module.workers(0)
    with module.workers(1) as pool:
        pass
    for _ in range(2):  # the second does not wait for the first
        with pytest.raises(ValueError, match="closed"):
            module.matmul(A, B, executor=pool)


def test_a_leaf_by_name(module: ModuleType, pool: Any) -> None:
    assert (module.matmul(A, B, executor=pool, leaf="numpy:matmul") == A @ B).all()
    with pytest.raises(TypeError, match="module:function"):
        module.matmul(A, B, executor=pool, leaf=np.matmul)


def test_a_leaf_that_is_missing_is_a_loss_that_is_named(module: ModuleType, pool: Any) -> None:
    with pytest.raises(module.LostProductsError, match="no_such_module"):
        module.matmul(A, B, executor=pool, leaf="no_such_module:f")


def test_a_process_pool_of_the_standard_library(module: ModuleType) -> None:
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as executor:
        outcome = module.multiply(A, B, executor=executor, drill={2: "raise"})
        assert (outcome.product == A @ B).all()
        assert 2 in outcome.late or "rehearsed" in outcome.lost[2]


_AGAIN = """
import sys
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import numpy as np

if __name__ == "__main__":
    if sys.argv[1] == "file":
        import sturdy as module
    else:
        from flipsearch.kernels import load_kernel
        module = load_kernel("sturdy.py")
    a, b = np.arange(54).reshape(9, 6), np.arange(42).reshape(6, 7)
    with ProcessPoolExecutor(1, get_context("spawn")) as spawned, module.workers(1) as pool:
        for executor in (None, spawned, pool):
            outcome = module.multiply(a, b, executor=executor, check=True, retries=0)
            assert (outcome.product == a @ b).all(), executor
            assert outcome.lost == {}, outcome
    print(module.__name__)
"""


def test_a_module_works_again_in_later_processes_however_it_is_imported(tmp_path: Path) -> None:
    write_fault_tolerant_kernel(presets(parse_format("2x2x2"), 1)[0], tmp_path / "sturdy.py")
    (tmp_path / "again.py").write_text(_AGAIN)
    environment = os.environ | {
        "FLIPSEARCH_CACHE": str(tmp_path / "cache"),
        "PYTHONPATH": str(Path(__file__).parents[2]),
    }
    names = []
    for way in ("load", "load", "file", "load"):
        command = [sys.executable, "again.py", way]
        done = subprocess.run(
            command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        names.append(done.stdout.strip())
    assert names[2] == "sturdy"
    assert len(set(names)) == 2
