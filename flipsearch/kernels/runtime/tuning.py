"""Speeds of this machine, measured once, and the choice they lead to: levels, or numpy.

Two speeds decide: that of our classical product relative to its model, and numpy's. Both depend
on type, size and threads, and on the vector units that numpy's BLAS was built for. They are timed
in alternation on a few sizes when a type is first used, and kept in a file in the user's cache
folder (FLIPSEARCH_CACHE, or flipsearch below XDG_CACHE_HOME or ~/.cache), one for each processor
and BLAS. The model prices the levels of a scheme.

Invariant: the choice depends on the file, sizes, type and threads alone: equal calls give equal
bits on a machine. With FLIPSEARCH_TUNING=default nothing is timed or read, and equal calls give
equal choices on machines with the same vector registers.
"""

from __future__ import annotations

import hashlib
import json
import os
import threading
import time
from contextlib import suppress
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import llvmlite.binding as llvm
import numpy as np

from flipsearch.kernels.runtime.algorithm import (
    CLASSICAL,
    COMPLEX,
    PRICES,
    Algorithm,
    best_levels,
    modelled_seconds,
)
from flipsearch.kernels.runtime.compiled import HAS_COMPILER
from flipsearch.kernels.runtime.execute import (
    INTEGER,
    blas_library,
    element_of_sums,
    on_threads,
    run,
    sensible_threads,
)
from flipsearch.kernels.runtime.microkernel import TILE_ROWS, VECTOR_BYTES
from flipsearch.kernels.runtime.operands import flat_view
from flipsearch.kernels.runtime.products import COLUMNS, DEPTH, ROWS, mirror

MARGIN = 0.96
"""Our predicted time must be below this much of numpy's."""

THIN_MARGIN = 0.85
"""The same where a side is below half of a cube's of the same volume."""

SIZES, INTEGER_SIZES = (128, 192, 256, 384, 512, 1024), (36, 48, 96, 192)
"""Sides that are timed."""

ENOUGH, FEWEST, LONGEST = 0.02, 12, 0.2
"""A size is timed for at least so many seconds and pairs. Two pairs suffice from `LONGEST` seconds
on: the least time counts, and other programs can spoil many pairs."""

THOROUGH = 1.0
"""Seconds that `tune` spends on a size."""

REST = 0.15
"""Seconds for which a call on several threads waits after one of numpy's: OpenBLAS's threads keep
their cores busy for about 0.1 s after their work."""

LOADED, QUIET = 0.7, 0.4
"""Speeds timed under a load above the first are timed again where it is below the second."""

HALF = 0.55
"""Work of a symmetric result in parts of a general one's."""


@dataclass(frozen=True)
class Speeds:
    """Times of square products of some sizes, for one type and number of threads.

    For each side in `sizes`, rising, `ours` is our classical product's seconds / modelled seconds,
    and `numpys` numpy's seconds a multiply-add. `load` is the number of programs that wanted to
    run meanwhile, for each core.
    """

    sizes: tuple[int, ...]
    ours: tuple[float, ...]
    numpys: tuple[float, ...]
    load: float = 0.0


def default_speeds(dtype: Any, threads: int) -> Speeds:
    """Return speeds to assume unmeasured: a BLAS as fast as our leaf, numpy's plain integers."""
    if dtype in INTEGER:
        return Speeds((1024,), (1.0,), (5e-10,))
    return Speeds((1024,), (1.0,), (_modelled(dtype, (1024,) * 3, threads) / 1024**3,))


def choose_levels(
    algorithm: Algorithm, shape: tuple[int, int, int], dtype: Any, threads: int, half: bool = False
) -> int:
    """Return how many levels to take, 0 for the classical product, -1 for numpy's.

    `shape` holds the sides (m, k, n) of the operands, and either side has `threads`. With `half`
    only the upper triangle of the result is wanted, and numpy's rival is ``a @ a.T``.
    """
    return _chosen(algorithm, *shape, dtype, threads, half)[0] if HAS_COMPILER else -1


def predicted_ratio(
    algorithm: Algorithm, shape: tuple[int, int, int], dtype: Any, threads: int, half: bool = False
) -> float:
    """Return numpy's predicted time over ours; parameters as in `choose_levels`."""
    return _chosen(algorithm, *shape, dtype, threads, half)[1] if HAS_COMPILER else 0.0


@lru_cache(maxsize=4096)
def _chosen(
    algorithm: Algorithm, m: int, k: int, n: int, dtype: Any, threads: int, half: bool
) -> tuple[int, float]:
    shape = (m, k, n)
    element = COMPLEX.get(dtype, dtype)
    work = 3 if dtype in COMPLEX else 1
    used = sensible_threads(threads, shape)
    levels, modelled = best_levels(algorithm, shape, used, element.itemsize)
    if half:
        classical = modelled_seconds(CLASSICAL, shape, 0, used, element.itemsize) * HALF
        levels, modelled = (0, classical) if classical < modelled else (levels, modelled)
    ratio = _ratio(modelled * work, shape, host_speeds(dtype, threads, half), half)
    return levels if ratio * _margin(shape) > 1 else -1, ratio


def _margin(shape: tuple[int, int, int]) -> float:
    return THIN_MARGIN if _is_thin(shape) else MARGIN


def _is_thin(shape: tuple[int, int, int]) -> bool:
    return min(shape) < (shape[0] * shape[1] * shape[2]) ** (1 / 3) / 2


def _ratio(modelled: float, shape: tuple[int, int, int], speeds: Speeds, half: bool) -> float:
    """Return numpy's predicted time over that of our product, given its modelled time."""
    volume, least = shape[0] * shape[1] * shape[2], min(shape)
    side = volume ** (1 / 3)
    thin = _is_thin(shape)
    ours = modelled * _at(speeds.sizes, speeds.ours, 2 * least if thin else side)
    step = min(speeds.numpys) if thin else _at(speeds.sizes, speeds.numpys, side)
    return volume * step * (HALF if half else 1.0) / ours


def _at(sizes: tuple[int, ...], values: tuple[float, ...], side: float) -> float:
    """Return a timed value between the sizes, by the logarithm of the side."""
    return float(np.interp(np.log(max(side, 1.0)), np.log(sizes), values))


numpy_below: dict[Any, int] = dict.fromkeys(map(np.dtype, "fdFD"), 200_000_000)
"""By type: operands whose numbers of elements multiply to less go to numpy at once."""

_known_lock = threading.Lock()
_known: dict[str, Speeds] = {}


def host_speeds(dtype: Any, threads: int, half: bool = False) -> Speeds:
    """Return the speeds of a type on this host: known, read from the file, or timed now.

    Unasked, all sizes are timed on one thread, in CPU time, which other programs disturb less, and
    the largest of them on several threads, for the share that these lose; `tune` times all.
    """
    if os.environ.get("FLIPSEARCH_TUNING") == "default":
        return default_speeds(dtype, threads)
    key, single = _key(dtype, threads, half), _key(dtype, 1, half)
    with _known_lock:
        if key not in _known and single not in _known:
            found = {key: known for key, known in _read().items() if not _is_spoilt(known)}
            wanted = found.keys() & {key, single}
            _keep(found if wanted else {single: timed_speeds(dtype, 1, half)})
        if key not in _known:
            _keep({key: shared_speeds(_known[single], dtype, threads, half)})
        return _known[key]


def shared_speeds(single: Speeds, dtype: Any, threads: int, half: bool) -> Speeds:
    """Return the speeds of several threads, given those of one.

    They share numpy's work evenly. Our product at the largest size is timed next to numpy's, and
    takes longer by as much as it is timed to lose on several threads; it is never taken to gain.
    """
    size, load = single.sizes[-1], _load()
    ours, numpys = on_threads(threads, _timed, np.dtype(dtype), size, threads, half, ENOUGH)
    loss = max(1.0, ours / single.ours[-1] * single.numpys[-1] / threads / numpys)
    slower = tuple(loss * value for value in single.ours)
    return Speeds(single.sizes, slower, tuple(step / threads for step in single.numpys), load)


def tune(dtype: Any, threads: int, half: bool = False) -> Speeds:
    """Time a type again, thoroughly; keep, write and return the speeds."""
    speeds = timed_speeds(dtype, threads, half, THOROUGH)
    with _known_lock:
        _keep({_key(dtype, threads, half): speeds})
    return speeds


def _is_spoilt(speeds: Speeds) -> bool:
    """Return whether speeds were timed on a busy machine and can be timed better now."""
    return speeds.load > LOADED and _load() < QUIET


def _load() -> float:
    """Return how many programs a core wanted to run in the last minute; 0 where none can tell."""
    with suppress(OSError, AttributeError):
        return os.getloadavg()[0] / (os.cpu_count() or 1)
    return 0.0


def _key(dtype: Any, threads: int, half: bool) -> str:
    return f"{np.dtype(dtype).name} {threads}{' half' * half}"


def _keep(new: dict[str, Speeds]) -> None:
    """Take over speeds, add missing ones to the file, and note where numpy always wins."""
    _known.update(new)
    _chosen.cache_clear()
    written = _read()
    if not new.items() <= written.items():
        _write(written | new)
    wins: dict[Any, float] = {}
    for key, speeds in _known.items():
        name, threads, *half = key.split()
        if not half and np.dtype(name) not in INTEGER:
            side = _numpy_wins_up_to(np.dtype(name), int(threads), speeds)
            wins[np.dtype(name)] = min(side, wins.get(np.dtype(name), side))
    numpy_below.update({dtype: side**4 for dtype, side in wins.items()})


def _numpy_wins_up_to(dtype: Any, threads: int, speeds: Speeds) -> int:
    """Return a side up to which our classical product is never quicker on squares."""
    side = 100
    while side < speeds.sizes[-1]:
        shape = (side + 4,) * 3
        modelled = _modelled(dtype, shape, sensible_threads(threads, shape))
        if _ratio(modelled, shape, speeds, half=False) * MARGIN > 1:
            break
        side += 4
    return side


def timed_speeds(dtype: Any, threads: int, half: bool = False, enough: float = ENOUGH) -> Speeds:
    """Time our classical product and numpy's on squares of a few sizes."""
    dtype = np.dtype(dtype)
    sizes = INTEGER_SIZES if dtype in INTEGER else SIZES
    load = _load()
    pairs = [on_threads(threads, _timed, dtype, size, threads, half, enough) for size in sizes]
    ours, numpys = zip(*pairs, strict=True)
    return Speeds(sizes, ours, numpys, load)


def _timed(dtype: Any, size: int, threads: int, half: bool, enough: float) -> tuple[float, float]:
    """Return our seconds / modelled seconds, and numpy's seconds a multiply-add.

    Both are timed in alternation, and the least of each counts; on one thread that is CPU time,
    which other programs disturb less.
    """
    shape = (size, size, size)
    a = (np.arange(size * size).reshape(size, size) % 7 - 3).astype(dtype)
    b = a.T if half else a
    out = np.zeros((size, size), dtype)
    element = element_of_sums(CLASSICAL, a, b, 0)
    used = sensible_threads(threads, shape)

    def ours() -> None:
        run(CLASSICAL, a, b, out, 0, used, element, upper=half)
        if half:
            mirror(*flat_view(out, out.dtype, True), size)

    clock = time.thread_time if threads == 1 else time.perf_counter
    ours()
    np.matmul(a, b, out=out)
    times: list[tuple[float, float]] = []
    begun = time.perf_counter()
    while (
        (spent := time.perf_counter() - begun) < enough
        or len(times) < 2
        or (len(times) < FEWEST and spent < max(enough, LONGEST))
    ):
        time.sleep(REST * (threads > 1))
        start = clock()
        ours()
        middle = clock()
        np.matmul(a, b, out=out)
        times.append((middle - start, clock() - middle))
    mine, its = (max(1e-9, min(column)) for column in zip(*times, strict=True))
    share = HALF if half else 1.0
    return mine / (_modelled(dtype, shape, used) * share), its / (size**3 * share)


def _modelled(dtype: Any, shape: tuple[int, int, int], threads: int) -> float:
    """Return the modelled seconds of our classical product of matrices of a type."""
    itemsize = COMPLEX.get(dtype, dtype).itemsize
    work = 3 if dtype in COMPLEX else 1
    return work * modelled_seconds(CLASSICAL, shape, 0, threads, itemsize)


def speeds_file() -> Path:
    """Return the file of this processor's and BLAS' speeds."""
    library = blas_library()
    parts = (
        llvm.get_host_cpu_name(), os.cpu_count(), VECTOR_BYTES, TILE_ROWS, DEPTH, ROWS, COLUMNS,
        PRICES, np.__version__,
        getattr(library, "architecture", None), getattr(library, "version", None),
    )  # fmt: skip
    name = hashlib.sha256(repr(parts).encode()).hexdigest()[:12]
    chosen = os.environ.get("FLIPSEARCH_CACHE")
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return (Path(chosen) if chosen else Path(base) / "flipsearch") / f"speeds-{name}.json"


def _read() -> dict[str, Speeds]:
    """Return the entries of the file that have the right form; none if there is no file."""
    found: dict[str, Speeds] = {}
    with suppress(OSError, ValueError, RuntimeError, AttributeError):
        for key, entry in json.loads(speeds_file().read_text(encoding="utf8")).items():
            with suppress(KeyError, TypeError, ValueError):
                speeds = Speeds(
                    tuple(int(x) for x in entry["sizes"]),
                    tuple(float(x) for x in entry["ours"]),
                    tuple(float(x) for x in entry["numpys"]),
                    float(entry.get("load", 0.0)),
                )
                values = (*speeds.sizes, *speeds.ours, *speeds.numpys)
                lengths = {len(speeds.sizes), len(speeds.ours), len(speeds.numpys)}
                if len(lengths) == 1 and values and all(0 < x < 1e9 for x in values):
                    found[key] = speeds
    return found


def _write(speeds: dict[str, Speeds]) -> None:
    """Write the file, whole or not at all; a folder that cannot be written is left alone."""
    with suppress(OSError, RuntimeError):
        path = speeds_file()
        path.parent.mkdir(parents=True, exist_ok=True)
        text = json.dumps({key: asdict(entry) for key, entry in sorted(speeds.items())}, indent=1)
        partial = path.with_suffix(f".{os.getpid()}")
        partial.write_text(text + "\n", encoding="utf8")
        os.replace(partial, path)
