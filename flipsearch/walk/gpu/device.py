"""Define the shapes of GPU kernels, the layout of states there, and the device itself.

The kernel is `walk.cu` with its three headers, compiled at its first use for a `Shape`. Only
`CudaDevice` needs cupy and a GPU. It is thin, so tests can run all other code against the same
source compiled for the host.

Invariant: `flipsearch.walk.gpu.batch.walk_many` gives the outcome of
`flipsearch.walk.plain.reference.walk` for each task, bit for bit.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from flipsearch.errors import UsageError
from flipsearch.rings import Ring
from flipsearch.walk.gpu.presence import availability
from flipsearch.walk.task import WalkTask, Words, words_of

Words32 = npt.NDArray[np.uint32]

SOURCES = Path(__file__).parent
LANES = 32
LARGEST_SHARED = 227 * 1024
"""Largest shared memory of a block on the newest devices, in bytes."""
THREAD_SHARED = 48 * 1024
"""Largest shared memory of 32 walkers, in bytes, for which a walker is a thread.

Four or more warps then fit on a multiprocessor. For larger states a walker is a warp."""
SLACK = 2
"""Number of rows beyond the band in a walker; if it needs more, it starts again with more."""

FIELDS = (
    *("seed", "steps", "plus_after", "band", "stop_rank", "collect", "collect_every", "capacity"),
    *("merge", "counter", "step", "last", "next", "made", "reductions", "escapes", "stuck"),
    *("rank", "best", "taken", "entries", "status"),
)
"""The numbers of a walker, in the order of walk.cu."""
IDLE, FRESH, RUNNING, BUDGET, REACHED, STUCK, OVERFULL = range(7)
REASONS = {BUDGET: "budget", REACHED: "reached", STUCK: "stuck"}


@dataclass(frozen=True)
class Shape:
    """The constants that a kernel is compiled with.

    `bits` is the number of bits of a plane of a factor: 16, 32, 64, 128 or 256. `rows` is the
    largest number of rows of a walker, `team` the number of its threads: 1 or 32.
    """

    ring: Ring
    bits: int
    rows: int
    team: int

    @property
    def plane(self) -> int:
        """The number of 32-bit words of a plane."""
        return max(1, self.bits // 32)

    @property
    def halves(self) -> bool:
        """Whether a word holds two rows."""
        return self.ring is Ring.F2 and self.bits == 16

    @property
    def twins(self) -> bool:
        """Whether a word holds two planes."""
        return self.ring is not Ring.F2 and self.bits == 16

    @property
    def key(self) -> int:
        """The number of words of a factor."""
        return self.plane if self.ring is Ring.F2 or self.twins else 2 * self.plane

    @property
    def masks(self) -> int:
        """The number of words of a bitmap of rows."""
        return -(-self.rows // 32)

    @property
    def signs(self) -> int:
        """The number of words before the bitmap of signs."""
        return 3 * self.rows // 2 if self.halves else 3 * self.rows * self.key

    @property
    def saved(self) -> int:
        """The number of words of a state."""
        return self.signs + (0 if self.ring is Ring.F2 else self.masks)

    @property
    def words(self) -> int:
        """The number of words of a walker."""
        words = self.saved + 3 * self.masks + 3
        if self.team == 1:
            return words
        span = min(-(-self.rows // 128) * 4, 16)  # successive rows that a lane scans
        pages = -(-self.rows // (32 * span))
        return words + words % 2 + 3 * pages * span * 16

    @property
    def stride(self) -> int:
        """The number of walkers with interleaved words."""
        return LANES // self.team

    @property
    def shared(self) -> int:
        """The bytes of shared memory of a block of 32 threads."""
        return 4 * self.words * self.stride

    @property
    def macros(self) -> tuple[str, ...]:
        """The compiler options that define this shape."""
        numbers = self.ring.characteristic, self.bits, self.rows, self.team
        names = "RING", "BITS", "ROWS", "TEAM"
        return tuple(f"-D{name}={n}" for name, n in zip(names, numbers, strict=True))


def shape_for(task: WalkTask, rows: int = 0, team: int | None = None) -> Shape:
    """Return the shape of the kernel for a task, with at least so many rows.

    A walker has a team of 1 or 32 threads, by default chosen by memory. Raises `UsageError` if a
    walker would not fit on a multiprocessor, or its factors have more than 256 entries.
    """
    words_of(task.format)  # raises an error if there is no such width
    bits = next(b for b in (16, 32, 64, 128, 256) if max(task.format.dimensions) <= b)
    rows = min(task.capacity, max(rows, task.rank + task.policy.band + SLACK))
    unit = 32 if bits == 16 and task.ring is Ring.F2 else 8
    thread = Shape(task.ring, bits, -(-rows // unit) * unit, 1)
    warp = Shape(task.ring, bits, -(-rows // 32) * 32, 32)
    if team is None:
        team = 1 if thread.shared <= THREAD_SHARED else 32
    shape = thread if team == 1 else warp
    if shape.shared > LARGEST_SHARED:
        raise UsageError(f"{task.format} at rank {task.rank} does not fit on a GPU's chip")
    return shape


def encode(shape: Shape, starts: Words) -> Words32:
    """Return packed states in the layout of the kernel, with signs in the factors.

    Their shape changes from (N, R, 3, K), uint64, to (N, shape.saved), uint32.
    """
    count, rank = starts.shape[:2]
    planes = 1 if shape.ring is Ring.F2 else 2
    halves = np.ascontiguousarray(starts).astype("<u8").view("<u4")
    halves = halves.reshape(count, rank, 3, planes, -1)[..., : shape.plane]
    out = np.zeros((count, shape.saved), dtype=np.uint32)
    rows = out[:, : shape.signs]
    if shape.halves:
        short = np.zeros((count, 3, shape.rows), dtype="<u2")
        short[:, :, :rank] = halves[:, :, :, 0, 0].transpose(0, 2, 1)
        pairs = short.reshape(count, 3, -1, 2, 16).swapaxes(3, 4)
        rows[:] = np.ascontiguousarray(pairs).reshape(count, -1).view("<u4")
        return out
    if shape.twins:
        halves = halves[:, :, :, :1] | (halves[:, :, :, 1:] << np.uint32(16))
    keys = halves.reshape(count, rank, 3, shape.key).swapaxes(1, 2)
    _by_row(shape, rows)[:, :, :rank] = keys
    return out


def _by_row(shape: Shape, rows: Words32) -> Words32:
    """Return a view of the words of factors with shape (N, 3, shape.rows, shape.key)."""
    if shape.team == 32:
        return rows.reshape(-1, 3, shape.rows, shape.key)
    return rows.reshape(-1, 3, shape.key, shape.rows).swapaxes(2, 3)


def decode(shape: Shape, states: Words32, rank: int, width: int) -> Words:
    """Return states of the kernel as packed states, with signs in the third factors.

    Their shape changes from (N, shape.saved), uint32, to (N, R, 3, K), uint64, with R the rank of
    all states and K the width.
    """
    count = len(states)
    planes = 1 if shape.ring is Ring.F2 else 2
    out = np.zeros((count, rank, 3, planes, 2 * width // planes), dtype="<u4")
    rows = np.ascontiguousarray(states[:, : shape.signs])
    if shape.halves:
        pairs = rows.astype("<u4").view("<u2").reshape(count, 3, -1, 16, 2)
        short = pairs.swapaxes(3, 4).reshape(count, 3, shape.rows)[:, :, :rank]
        out[:, :, :, 0, 0] = short.transpose(0, 2, 1)
    else:
        keys = _by_row(shape, rows)[:, :, :rank].swapaxes(1, 2)
        if shape.twins:
            keys = np.concatenate((keys & np.uint32(0xFFFF), keys >> np.uint32(16)), axis=3)
        out[..., : shape.plane] = keys.reshape(count, rank, 3, planes, shape.plane)
    if planes == 2:
        signs = np.ascontiguousarray(states[:, shape.signs : shape.saved]).astype("<u4")
        bits = np.unpackbits(signs.view(np.uint8), axis=1, bitorder="little")[:, :rank]
        third = out[:, :, 2]
        third[:, :, 1] ^= third[:, :, 0] * bits[..., None].astype(np.uint32)
    return out.reshape(count, rank, 3, 2 * width).view("<u8").astype(np.uint64, copy=False)


Kernel = Callable[[Any, Any, Any, Any, int, int, int, int], None]
"""Takes the arguments of `walk` in walk.cu; returns when all walkers have done their chunk."""


class Device(Protocol):
    """The members of a device that a batch uses."""

    name: str
    arrays: Any
    """numpy or cupy."""
    out_of_memory: type[BaseException]

    def attach(self) -> None:
        """Make this the current device of the calling thread."""

    def kernel(self, shape: Shape) -> Kernel:
        """Return the compiled kernel for a shape."""

    def walkers(self, shape: Shape) -> int:
        """Return the number of walkers that fit on the device at once, a multiple of 32."""

    def to_host(self, array: Any) -> npt.NDArray[Any]:
        """Return a copy in the host's memory."""


class CudaDevice:
    """A CUDA device, by its number, used through cupy."""

    def __init__(self, index: int = 0) -> None:
        if (problem := availability()) is not None:
            raise UsageError(problem)
        import cupy

        self.arrays = cupy
        self.out_of_memory = cupy.cuda.memory.OutOfMemoryError
        self._device = cupy.cuda.Device(index)
        self.attach()
        self._properties = cupy.cuda.runtime.getDeviceProperties(index)
        self.name = self._properties["name"].decode()
        self._functions: dict[Shape, Any] = {}

    def attach(self) -> None:
        """Make this the current device of the calling thread."""
        self._device.use()

    def kernel(self, shape: Shape) -> Kernel:
        """Return the kernel for a shape; it is compiled once and kept on disk."""
        function, team = self._function(shape), shape.team

        def launch(
            states: Any,
            numbers: Any,
            snapshots: Any,
            history: Any,
            walkers: int,
            room: int,
            entries: int,
            chunk: int,
        ) -> None:
            sizes = np.uint32(walkers), np.uint32(room), np.uint32(entries), np.uint64(chunk)
            function(
                (walkers * team // LANES,),
                (LANES,),
                (states, numbers, snapshots, history, *sizes),
                shared_mem=shape.shared,
            )
            self.arrays.cuda.get_current_stream().synchronize()

        return launch

    def walkers(self, shape: Shape) -> int:
        """Return the number of walkers that fit on the device at once, a multiple of 32."""
        per_processor = blocks_on_a_processor(
            shape.shared,
            self._function(shape).num_regs,
            self._properties["sharedMemPerMultiprocessor"],
            self._properties["regsPerMultiprocessor"],
        )
        blocks = max(1, per_processor) * self._properties["multiProcessorCount"]
        return -(-blocks * shape.stride // LANES) * LANES

    def to_host(self, array: Any) -> npt.NDArray[Any]:
        """Return a copy in the host's memory."""
        return self.arrays.asnumpy(array)

    def _function(self, shape: Shape) -> Any:
        if shape not in self._functions:
            allowed = self._properties["sharedMemPerBlockOptin"]
            if shape.shared > allowed:
                raise UsageError(f"{self.name} has {allowed} bytes of shared memory a block")
            module = self.arrays.RawModule(code=source(), options=("--std=c++17", *shape.macros))
            function = module.get_function("walk")
            function.max_dynamic_shared_size_bytes = shape.shared
            function.preferred_shared_memory_carveout = 100
            self._functions[shape] = function
        return self._functions[shape]


def blocks_on_a_processor(shared: int, registers: int, all_shared: int, all_registers: int) -> int:
    """Return the number of blocks of one warp that a multiprocessor holds at once.

    A block takes `shared` bytes of shared memory; the device adds 1,024 and rounds up to 128. A
    warp gets the registers of its threads in units of 256. The multiprocessor has `all_shared`
    bytes and `all_registers` registers.
    """
    by_shared = all_shared // (-(-shared // 128) * 128 + 1024)
    by_registers = all_registers // (-(-max(registers, 1) * LANES // 256) * 256)
    return min(32, by_shared, by_registers)


@functools.cache
def source() -> str:
    """Return the CUDA source as one text that includes its three headers."""
    text = (SOURCES / "walk.cu").read_text(encoding="utf-8")
    for name in ("rows.cuh", "matches.cuh", "moves.cuh"):
        text = text.replace(f'#include "{name}"\n', (SOURCES / name).read_text(encoding="utf-8"))
    return text
