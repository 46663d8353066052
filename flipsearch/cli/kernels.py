"""Commands that make and time kernels: kernel and bench-kernel."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from flipsearch.cli.names import is_file, is_hash, opened, scheme_of
from flipsearch.cli.output import hint, tell
from flipsearch.cli.parser import finish, natural
from flipsearch.errors import NotFoundError, UsageError

if TYPE_CHECKING:
    from flipsearch.kernels import Timing


def register(commands: Any) -> None:
    """Add the parsers of this group."""
    kernel = commands.add_parser(
        "kernel",
        help="write a scheme as a standalone numba module",
        description="Write a Python module that multiplies matrices by a scheme: import it and "
        "call matmul(a, b). It calls numpy below the size from which on the scheme is faster.",
        examples=(
            "kernel 4x4x4 -o mm.py",
            "kernel 43e44e4548b7 -o mm.py --levels 1",
            "kernel 2x2x2 --prefer accuracy -o mm.py",
        ),
    )
    kernel.add_argument(
        "target",
        metavar="FORMAT|ID|FILE",
        help="a format (its fastest scheme), a hash prefix, or a scheme file",
    )
    kernel.add_argument("-o", "--output", metavar="FILE", required=True, help="module to write")
    kernel.add_argument(
        "--levels",
        default="auto",
        help="levels of recursion unless a call says otherwise: auto, 0, 1, 2, 3 (default auto)",
    )
    kernel.add_argument(
        "--ring",
        default="Q",
        help="F2 or F3: exact products modulo 2 or 3; by default of floats and integers",
    )
    kernel.add_argument(
        "--prefer",
        choices=("speed", "accuracy"),
        help="of a format: its fastest scheme here, or the one of least rank with the smallest "
        "growth factor of 2-norms (default speed)",
    )
    kernel.add_argument(
        "--faults",
        type=natural,
        metavar="F",
        help="use a stored union of products that survives F lost ones (default: a plain scheme)",
    )
    finish(kernel, run_kernel, printed="one JSON object")

    bench = commands.add_parser(
        "bench-kernel",
        help="time a kernel file against numpy",
        description="Time a kernel against numpy in alternating pairs, by size and threads.",
        examples=("bench-kernel mm.py --sizes 1024,2048", "bench-kernel mm.py --tune --threads 1"),
    )
    bench.add_argument("file", metavar="FILE", help="a module that `kernel` wrote")
    bench.add_argument(
        "--sizes",
        default="256,512,1024,2048,4096",
        metavar="LIST",
        help="sides of square matrices (default 256,512,1024,2048,4096)",
    )
    bench.add_argument(
        "--threads",
        default="1,2",
        metavar="LIST",
        help="threads of kernel and numpy (default 1,2)",
    )
    bench.add_argument(
        "--dtype",
        default="float64",
        metavar="TYPE",
        help="such as float32, complex128, int64 (default float64)",
    )
    bench.add_argument(
        "--pairs", type=int, default=5, metavar="N", help="timed pairs a figure (default 5)"
    )
    bench.add_argument(
        "--tune",
        action="store_true",
        help="time this machine again and keep its table; show every number of levels",
    )
    bench.add_argument(
        "--plot",
        metavar="FILE",
        help="draw the ratios into a file; needs matplotlib (default: no picture)",
    )
    finish(bench, run_bench_kernel, database=False)


def run_kernel(arguments: argparse.Namespace) -> int:
    """Write the kernel of a stored scheme, and say from which size on it beats numpy."""
    from flipsearch.formats.named import short_name
    from flipsearch.kernels import fastest_here, most_accurate, verdict, write_kernel
    from flipsearch.rings import parse_ring

    ring = parse_ring(arguments.ring)
    if arguments.faults is not None:
        if arguments.levels != "auto" or ring.characteristic or arguments.prefer:
            raise UsageError("--levels, --ring and --prefer do not go with --faults")
        return _run_fault_tolerant(arguments)
    if arguments.levels not in ("auto", "0", "1", "2", "3"):
        raise UsageError(f"--levels is {arguments.levels!r}: choose auto, 0, 1, 2 or 3")
    levels = None if arguments.levels == "auto" else int(arguments.levels)
    if is_file(arguments.target) or is_hash(arguments.target):
        if arguments.prefer:
            raise UsageError("--prefer goes with a format: a hash or file is one scheme already")
        scheme, why = scheme_of(arguments, arguments.target), "the one named"
        scheme = scheme.over(ring) if ring.characteristic else scheme
    else:
        accurate = arguments.prefer == "accuracy"
        if accurate and ring.characteristic:
            raise UsageError(f"products over {ring} are exact: leave out --prefer")
        with opened(arguments) as catalogue:
            format_ = catalogue.format(arguments.target)
            if accurate:
                scheme, why = most_accurate(catalogue, format_)
            else:
                scheme, why = fastest_here(catalogue, format_, ring)
    path = write_kernel(scheme, arguments.output, levels)
    record = {
        "kernel": str(path),
        "format": str(scheme.format),
        "ring": scheme.ring.value,
        "rank": scheme.rank,
        "scheme": scheme.content_hash,
        "choice": why,
    }
    if not arguments.json:
        short = f"scheme {scheme.content_hash[:12]}, {why}"
        print(f"{path}: {short_name(scheme.format)} of rank {scheme.rank}, {short}", flush=True)
    said = verdict(scheme)  # may time this machine first
    tell(arguments, record | {"verdict": said}, said)
    hint(f"next       bench-kernel {path}  |  in Python: import {path.stem}")
    return 0


def _run_fault_tolerant(arguments: argparse.Namespace) -> int:
    """Write the fault-tolerant kernel of the stored union with the fewest workers."""
    from flipsearch.faults import from_scheme, write_fault_tolerant_kernel
    from flipsearch.faults.union import general
    from flipsearch.formats import parse_format

    with opened(arguments) as catalogue:
        if "x" in arguments.target:
            format_ = general(parse_format(arguments.target))
            records = list(catalogue.schemes.records(format=str(format_), exact=True))
        else:
            records = [catalogue.schemes.get(arguments.target)]
            format_ = general(records[0].scheme.format)
        unions = (record for record in records if record.survives is not None)
        enough = [union for union in unions if (union.survives or 0) >= arguments.faults]
        if not enough:
            raise NotFoundError(
                f"no stored union for {arguments.target} survives {arguments.faults} lost "
                f"products: find one with `protect {format_} --survive "
                f"{max(1, arguments.faults)}`"
            )
        best = min(enough, key=lambda record: record.workers or 0)
        scheme = best.scheme
    path = write_fault_tolerant_kernel(from_scheme(scheme), arguments.output)
    record = {
        "kernel": str(path),
        "format": str(scheme.format),
        "workers": best.workers,
        "survives": best.survives,
        "scheme": scheme.content_hash,
    }
    text = f"{path}: {scheme.format} on {best.workers} workers, survives {best.survives}"
    tell(arguments, record, text)
    return 0


def run_bench_kernel(arguments: argparse.Namespace) -> int:
    """Time a kernel file against numpy by size and threads."""
    import numpy as np

    from flipsearch.kernels import import_kernel, time_against_numpy

    try:
        sizes = [int(part) for part in arguments.sizes.split(",")]
        threads = [int(part) for part in arguments.threads.split(",")]
        dtype = np.dtype(arguments.dtype)
    except (ValueError, TypeError) as error:
        raise UsageError(f"--sizes and --threads are lists of integers: {error}") from None
    if min(sizes) < 1 or min(threads) < 1 or arguments.pairs < 1:
        raise UsageError("sizes, threads and pairs are at least 1")
    module = import_kernel(arguments.file)
    if getattr(getattr(module, "ALGORITHM", None), "modulus", 0):
        raise UsageError(
            f"{arguments.file} multiplies over a finite field, which numpy does not: time it with "
            "`python -m benchmarks.exact`"
        )
    if not hasattr(module, "ALGORITHM"):
        raise UsageError(
            f"{arguments.file} is fault-tolerant, or of a tensor: bench-kernel times kernels of "
            "matrix products by single schemes"
        )
    timings = []
    for count in threads:
        if arguments.tune and dtype in module.SUPPORTED:
            _tune_host(arguments, module, dtype, count)
        for size in sizes:
            if arguments.tune:
                _time_levels(arguments, module, size, dtype, count)
                continue
            timing = time_against_numpy(module, size, dtype, count, arguments.pairs)
            timings.append(timing)
            details = {
                "seconds": timing.kernel_seconds,
                "numpy_seconds": timing.numpy_seconds,
                "difference": timing.error,
                "levels": timing.levels,
                "scheme": module.SCHEME,
                "plan": module.plan(size, dtype=dtype, threads=count),
            }
            tell(arguments, _ratio(timing) | details, str(timing))
    if arguments.plot and timings:
        from flipsearch.kernels.picture import plot_ratios

        plot_ratios(timings, arguments.plot, f"{module.FORMAT} {module.SCHEME[:12]}")
    return 0


def _ratio(timing: Timing) -> dict[str, Any]:
    return {
        "name": "ratio_to_numpy",
        "value": round(timing.ratio, 4),
        "unit": "",
        "dtype": timing.dtype,
        "size": timing.shape[0],
        "threads": timing.threads,
    }


def _tune_host(arguments: argparse.Namespace, module: Any, dtype: Any, threads: int) -> None:
    """Time the host for a type and threads, keep the table, and print it."""
    half = module.FORMAT.partition(":")[0].endswith("t")
    speeds = module.tune(dtype, threads, half)
    for size, ours, step in zip(speeds.sizes, speeds.ours, speeds.numpys, strict=True):
        record = {
            "name": "host_speed",
            "value": round(1e-9 / step, 2),
            "unit": "G multiply-adds/s",
            "dtype": dtype.name,
            "size": size,
            "threads": threads,
            "ours_over_model": round(ours, 4),
        }
        text = (
            f"{size}, {dtype}, {threads} threads: numpy {1e-9 / step:.1f} G multiply-adds/s, "
            f"our leaf {ours:.2f} of its modelled time"
        )
        tell(arguments, record, text)
    if not arguments.json:
        print(f"kept in {module.speeds_file()}")


def _time_levels(
    arguments: argparse.Namespace, module: Any, size: int, dtype: Any, threads: int
) -> None:
    """Time each number of levels that the kernel can take at a size, and mark the chosen one."""
    from flipsearch.kernels import time_against_numpy
    from flipsearch.kernels.timing import chosen_levels

    chosen = chosen_levels(module, (size, size, size), dtype, threads)
    for levels in range(4 if module.ALGORITHM.recursive else 2):
        if size // max(module.SIDES) ** levels < 64:
            break
        timing = time_against_numpy(module, size, dtype, threads, arguments.pairs, levels)
        mark = "  <- chosen" if levels == chosen else ""
        record = _ratio(timing) | {"levels": levels, "chosen": levels == chosen}
        tell(arguments, record, f"{timing}{mark}")
    if chosen < 0 and not arguments.json:
        print(f"at {size} numpy is called")
