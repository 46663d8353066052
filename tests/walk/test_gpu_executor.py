"""Batches and the device executor, on a device that is this machine's C++ compiler."""

import logging
import sys
import time
import types
from dataclasses import replace

import numpy as np
import pytest
import test_same_outcome
from host_device import HostDevice, needs_compiler
from hypothesis import given, settings
from hypothesis import strategies as st

from flipsearch.catalogue import Catalogue
from flipsearch.cli import doctor
from flipsearch.errors import UsageError
from flipsearch.executors.device import DeviceExecutor, Together, local_executor
from flipsearch.executors.threads import ThreadExecutor
from flipsearch.formats import parse_format
from flipsearch.rings import Ring
from flipsearch.scheme import naive_scheme
from flipsearch.search.driver import Driver
from flipsearch.search.progress import Stop
from flipsearch.search.schedules import Schedule
from flipsearch.search.strategies.cyclic import CyclicStrategy
from flipsearch.search.strategies.pool import PoolStrategy
from flipsearch.walk import engine
from flipsearch.walk.gpu import batch as gpu_batch
from flipsearch.walk.gpu import device as gpu
from flipsearch.walk.gpu.batch import Engine, walk_many
from flipsearch.walk.gpu.presence import availability
from flipsearch.walk.task import Policy, WalkTask, pack, words_of


def tasks(count, name="3x3x3", ring=Ring.F2, steps=2000, policy=None):
    format_ = parse_format(name)
    start = pack(naive_scheme(format_, ring))
    policy = policy or Policy(300, 3)
    return [WalkTask(format_, ring, start, 17 * k, steps, policy, k) for k in range(count)]


def assert_same(ours, task):
    test_same_outcome.assert_same(ours, engine.walk(task))


def collect(executor, count):
    found, deadline = {}, time.monotonic() + 60
    while len(found) < count and time.monotonic() < deadline:
        outcome = executor.next_outcome(0.25)
        if outcome is not None:
            assert outcome.number not in found
            found[outcome.number] = outcome
    return found


@given(
    ring=st.sampled_from([Ring.F2, Ring.F3, Ring.ZT]),
    name=st.sampled_from(["2x3x4", "4x4x4", "4x5x6", "3x8x9", "12x12x13"]),
    team=st.sampled_from([1, 32]),
    count=st.integers(1, 3),
    rank=st.integers(1, 60),
    seed=st.integers(0, 2**32),
)
@settings(max_examples=60, deadline=None)
def test_states_survive_the_way_to_the_device_and_back(ring, name, team, count, rank, seed):
    format_ = parse_format(name)
    generator = np.random.default_rng(seed)
    states = np.zeros((count, rank, 3, words_of(format_) * (1 + (ring is not Ring.F2))), np.uint64)
    width = states.shape[3] // (1 + (ring is not Ring.F2))
    for slot, dimension in enumerate(format_.dimensions):
        bits = generator.integers(0, 3, size=(count, rank, 64 * width))
        bits[..., dimension:] = 0
        for plane, some in enumerate((bits > 0, bits > 1)[: 1 + (ring is not Ring.F2)]):
            packed = np.packbits(some, axis=-1, bitorder="little").view("<u8")
            states[:, :, slot, plane * width : (plane + 1) * width] = packed
    task = WalkTask(format_, ring, states[0], 0, 1)
    shape = gpu.shape_for(task, team=team if gpu.shape_for(task).team == 1 else 32)
    there = gpu.encode(shape, states)
    assert there.shape == (count, shape.saved)
    assert np.array_equal(gpu.decode(shape, there, rank, states.shape[3]), states)


def test_shapes_follow_the_task():
    small = gpu.shape_for(tasks(1, "4x4x4")[0])
    assert (small.bits, small.rows, small.team, small.halves) == (16, 96, 1, True)
    large = gpu.shape_for(tasks(1, "8x8x8", Ring.ZT)[0])
    assert (large.bits, large.rows, large.team) == (64, 544, 32)
    assert large.shared <= gpu.LARGEST_SHARED
    with pytest.raises(UsageError, match="does not fit"):
        gpu.shape_for(tasks(1, "15x15x16", Ring.ZT)[0])


def test_blocks_on_a_processor():
    h100 = 228 * 1024, 65536
    assert gpu.blocks_on_a_processor(13440, 72, *h100) == 16
    assert gpu.blocks_on_a_processor(1024, 72, *h100) == 28
    assert gpu.blocks_on_a_processor(1024, 32, *h100) == 32
    assert gpu.blocks_on_a_processor(300_000, 32, *h100) == 0


@needs_compiler
def test_more_tasks_than_walkers_in_many_short_launches(monkeypatch):
    monkeypatch.setattr(gpu_batch, "LAUNCH_SECONDS", 1e-4)
    device, asked = HostDevice(), tasks(40, steps=700)
    asked[3] = tasks(4, policy=Policy(300, 3, 25, 3, 100))[3]
    outcomes = walk_many(device, asked, walkers=32)
    assert device.launches > 10
    assert [outcome.number for outcome in outcomes] == list(range(40))
    for task, outcome in zip(asked, outcomes, strict=True):
        assert_same(outcome, task)


@needs_compiler
def test_a_walk_that_needs_more_rows_starts_again(monkeypatch):
    monkeypatch.setattr(gpu, "SLACK", -5)
    asked = growing()
    engine, outcomes, rows = Engine(HostDevice()), {}, set()
    for task in asked:
        engine.submit(task)
    while engine.pending:
        rows |= {shape.rows for shape, _ in engine._queues}
        outcomes |= {outcome.number: outcome for outcome in engine.advance()}
    assert rows == {24, 40}
    for task in asked:
        assert_same(outcomes[task.number], task)


def growing():
    """Walks that need more rows at once, from shapes made too small by a negative slack."""
    return tasks(8, "2x3x4", Ring.F3, policy=Policy(20, 5), steps=900)


@needs_compiler
def test_walks_that_outgrow_the_chip_end_on_a_core(monkeypatch):
    asked = growing()
    monkeypatch.setattr(gpu, "SLACK", -5)
    monkeypatch.setattr(gpu, "LARGEST_SHARED", gpu.shape_for(asked[0]).shared)
    with DeviceExecutor(HostDevice()) as executor:
        for task in asked:
            executor.submit(task)
        found = collect(executor, len(asked))
        assert executor.pending == 0
        executor.submit(tasks(9)[8])  # the device itself is still in use
        assert executor.next_outcome(30) is not None
    for task in asked:
        assert_same(found[task.number], task)
    with pytest.raises(UsageError, match=r"walk \d has outgrown host: use the CPU"):
        walk_many(HostDevice(), asked)


@needs_compiler
def test_a_device_with_a_smaller_chip_leaves_large_walks_to_a_core():
    class Small(HostDevice):
        def kernel(self, shape):
            if shape.rows > 64:
                raise UsageError("host has 1 byte of shared memory a block")
            return super().kernel(shape)

    asked = tasks(2, "4x5x6", steps=300) + tasks(4, steps=300)[2:]
    device = Small()
    with DeviceExecutor(device) as executor:
        for task in asked:
            executor.submit(task)
        found = collect(executor, len(asked))
    assert device.launches > 0
    for task in asked:
        assert_same(found[task.number], task)


@needs_compiler
def test_an_outcome_that_cannot_be_read_loses_no_task(monkeypatch, caplog):
    def fail(*_):
        raise RuntimeError("bits fell out")

    monkeypatch.setattr(gpu_batch, "decode", fail)
    asked = tasks(4)
    with caplog.at_level(logging.WARNING), DeviceExecutor(HostDevice()) as executor:
        for task in asked:
            executor.submit(task)
        found = collect(executor, len(asked))
    assert "bits fell out" in caplog.text
    for task in asked:
        assert_same(found[task.number], task)


@needs_compiler
def test_several_shapes_take_turns():
    engine = Engine(HostDevice())
    asked = tasks(5) + [t for t in tasks(9, "2x2x2", Ring.ZT) if t.number >= 5]
    for task in asked:
        engine.submit(task)
    outcomes = []
    while engine.pending:
        outcomes += engine.advance()
    assert sorted(outcome.number for outcome in outcomes) == list(range(9))
    assert engine.advance() == []


@needs_compiler
def test_too_little_memory_means_fewer_walkers(caplog):
    class Poor(HostDevice):
        def __init__(self):
            super().__init__()
            self.arrays = types.SimpleNamespace(zeros=self.zeros, asarray=np.asarray)

        def zeros(self, shape, dtype):
            if np.prod(shape) > 2**18:
                raise MemoryError
            return np.zeros(shape, dtype)

    asked = tasks(3)
    with caplog.at_level(logging.WARNING, "flipsearch.walk"):
        outcomes = walk_many(Poor(), asked, walkers=8192)
    assert "no memory for 8192 walkers" in caplog.text
    for task, outcome in zip(asked, outcomes, strict=True):
        assert_same(outcome, task)


@needs_compiler
def test_the_executor_hands_back_every_task_once():
    asked = tasks(20) + tasks(24, "2x2x2", Ring.ZT)[20:]
    with DeviceExecutor(HostDevice()) as executor:
        for task in asked:
            executor.submit(task)
        assert executor.pending == 24
        found = collect(executor, 24)
        assert executor.pending == 0
        assert executor.next_outcome(0.01) is None
    for task in asked:
        assert_same(found[task.number], task)


@needs_compiler
def test_symmetric_walks_and_large_states_run_on_a_core():
    strategy = CyclicStrategy(parse_format("3x3x3"), seed=1, schedules=(Schedule(5_000, 500, 6),))
    asked = [strategy.ask() for _ in range(3)]
    with DeviceExecutor(HostDevice()) as executor:
        for task in asked:
            executor.submit(task)
        found = collect(executor, 3)
    for task in asked:
        assert type(found[task.number]) is type(engine.walk(task))
        assert found[task.number].history == engine.walk(task).history


@needs_compiler
def test_walks_of_a_device_that_fails_go_on_on_a_core(caplog):
    class Failing(HostDevice):
        def kernel(self, shape):
            launch = super().kernel(shape)

            def fail_later(*arguments):
                if self.launches:
                    raise RuntimeError("the device fell off the bus")
                launch(*arguments)

            return fail_later

    asked = tasks(6, steps=50_000)
    with caplog.at_level(logging.WARNING), DeviceExecutor(Failing()) as executor:
        for task in asked:
            executor.submit(task)
        found = collect(executor, 6)
        executor.submit(tasks(7)[6])
        found.update(collect(executor, 1))
    assert "fell off the bus" in caplog.text
    for task in asked:
        assert_same(found[task.number], task)
    assert 6 in found


@needs_compiler
def test_what_a_walk_raises_on_the_core_is_raised():
    def refuse(task):
        raise UsageError(f"{task.number} is refused")

    large = tasks(1, "15x15x16", Ring.ZT, steps=1)[0]
    with DeviceExecutor(HostDevice(), walk=refuse) as executor:
        executor.submit(large)
        with pytest.raises(UsageError, match="0 is refused"):
            collect(executor, 1)
        assert executor.pending == 0


@needs_compiler
def test_device_and_threads_together_drive_a_strategy():
    strategy = PoolStrategy(parse_format("2x2x2"), Ring.F2, seed=2, target=7, steps=2_000)
    with Together(ThreadExecutor(1), DeviceExecutor(HostDevice(), walkers=32)) as executor:
        assert executor.capacity == sum(part.capacity for part in executor.executors)
        shares, deadline = set(), time.monotonic() + 60
        while not strategy.finished and time.monotonic() < deadline:
            while executor.pending < executor.capacity:
                executor.submit(strategy.ask())
            shares.add(tuple(part.pending > 0 for part in executor.executors))
            outcome = executor.next_outcome(0.25)
            if outcome is not None:
                strategy.tell(outcome)
        assert (True, True) in shares
    assert strategy.best_rank == 7


@needs_compiler
def test_closing_does_not_wait_for_the_walks():
    executor = DeviceExecutor(HostDevice())
    for task in tasks(40, steps=10**9):
        executor.submit(task)
    assert executor.next_outcome(0.3) is None
    start = time.monotonic()
    executor.close()
    executor._thread.join(20)
    assert not executor._thread.is_alive()
    assert time.monotonic() - start < 20


@needs_compiler
def test_in_a_hurry_walks_end_where_they_are():
    device = HostDevice()
    asked = tasks(40, steps=10**9) + tasks(140)[40:]
    with DeviceExecutor(device, walkers=32) as executor:
        for task in asked:
            executor.submit(task)
        while device.launches < 2:
            assert executor.next_outcome(0.1) is None or device.launches
        executor.hurry()
        found = {}
        while executor.pending:
            outcome = executor.next_outcome(0.25)
            if outcome is not None:
                found[outcome.number] = outcome
    cut = [number for number, outcome in found.items() if outcome.steps < asked[number].steps]
    assert 0 < len(cut) <= 32
    for number in cut[:4]:
        assert_same(found[number], replace(asked[number], steps=found[number].steps))


@needs_compiler
def test_a_device_that_fails_in_a_hurry_ends_the_run_all_the_same(caplog):
    class Failing(HostDevice):
        broken = False

        def to_host(self, array):
            if self.broken:
                raise RuntimeError("the device fell off the bus")
            return super().to_host(array)

    def briefly(task):
        return engine.walk(replace(task, steps=10))

    device = Failing()
    with caplog.at_level(logging.WARNING), DeviceExecutor(device, walk=briefly) as executor:
        for task in tasks(3, steps=10**9):
            executor.submit(task)
        while device.launches < 1:
            executor.next_outcome(0.05)
        device.broken = True
        executor.hurry()
        deadline = time.monotonic() + 60
        while executor.pending and time.monotonic() < deadline:
            executor.next_outcome(0.25)
        assert executor.pending == 0
    assert "fell off the bus" in caplog.text


@needs_compiler
def test_progress_during_launches_and_an_interrupt_that_drains(tmp_path):
    stop, seen = Stop(), []

    def report(progress):
        seen.append(device.launches)
        stop.asked = int(len(seen) > 2)

    device = HostDevice()
    strategy = PoolStrategy(parse_format("3x3x3"), Ring.F2, seed=2, steps=10**12)
    with (
        Catalogue.open(tmp_path / "c.sqlite") as catalogue,
        DeviceExecutor(device, walkers=32) as executor,
    ):
        run = catalogue.runs.start("3x3x3", "F2")
        driver = Driver(strategy, executor, catalogue, run, report=report, stop=stop)
        result = driver.run(100, lift=False)
    assert result.interrupted
    assert result.progress.seconds < 60
    assert result.progress.flips > 0
    assert strategy.told == result.progress.tasks > 0
    assert sorted(seen) == seen
    assert seen[-1] > seen[0]


def fake_cupy(version="14.0.1", **runtime):
    module = types.ModuleType("cupy")
    module.__version__ = version
    module.cuda = types.SimpleNamespace(runtime=types.SimpleNamespace(**runtime))
    return module


def raising(message):
    def call(*_):
        raise RuntimeError(message)

    return call


@pytest.mark.parametrize(
    ("module", "part"),
    [
        (None, "cupy is not installed"),
        (fake_cupy(getDeviceCount=raising("driver version\nis insufficient")), "is insufficient"),
        (fake_cupy(getDeviceCount=lambda: 0), "no CUDA device"),
        (fake_cupy("12.3.0", getDeviceCount=lambda: 1), "cupy 12.3.0 is too old"),
        (
            fake_cupy(getDeviceCount=lambda: 1, getDeviceProperties=lambda k: {"major": 6}),
            "compute capability 6",
        ),
    ],
)
def test_one_line_says_why_there_is_no_gpu_and_auto_goes_without(
    monkeypatch, capsys, caplog, module, part
):
    monkeypatch.setitem(sys.modules, "cupy", module)
    line = availability()
    assert part in line
    assert "\n" not in line
    with caplog.at_level(logging.INFO), local_executor(1) as executor:
        assert isinstance(executor, ThreadExecutor)
    assert capsys.readouterr() == ("", "")
    assert caplog.text == ""
    with pytest.raises(UsageError, match="no GPU"):
        local_executor(None, "only")
    report = {"flipsearch": "", "python": "", "system": "", "cores": 1, "packages": {}}
    doctor._print_installation({**report, "gpu": doctor._gpu()})
    assert capsys.readouterr().out.splitlines().count(line) == 1


def test_a_usable_device_is_found(monkeypatch):
    properties = {"major": 9}
    module = fake_cupy(getDeviceCount=lambda: 1, getDeviceProperties=lambda k: properties)
    monkeypatch.setitem(sys.modules, "cupy", module)
    assert availability() is None


def test_no_such_way_of_using_a_gpu():
    with pytest.raises(UsageError, match="auto, off or only"):
        local_executor(1, "perhaps")
