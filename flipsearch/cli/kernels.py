"""Commands that make and time kernels: kernel, bench-kernel, reduce."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flipsearch.cli.names import is_file, opened
from flipsearch.cli.output import hint

if TYPE_CHECKING:
    from flipsearch.kernels import Timing
    from flipsearch.scheme import Scheme


def register(commands: Any) -> None:
    """Add the parsers of this group."""
    from flipsearch.cli.parser import finish, natural

    kernel = commands.add_parser(
        "kernel",
        help="write a scheme as a standalone numba module",
        description="Write a Python module that multiplies matrices by a scheme: import it and "
        "call matmul(a, b). It calls numpy below the size from which on the scheme is faster.",
        examples=("kernel 4x4x4 -o mm.py", "kernel 43e44e4548b7 -o mm.py --levels 1"),
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

    reduce = commands.add_parser(
        "reduce",
        help="find fewer additions for a scheme: its programs, and others of its rank",
        description="Walk among schemes of the same rank for one whose straight-line programs "
        "need few additions (over F2 XORs), and store scheme and programs. Of a format the walk "
        "begins at all stored schemes of least rank: search --keep brings inequivalent ones.",
        examples=(
            "reduce 4x4x4 --budget 5m",
            "reduce 4x4x4 --ring F2",
            "reduce 43e44e4548b7 --keep",
        ),
    )
    reduce.add_argument(
        "ids", nargs="+", metavar="ID|FORMAT|FILE", help="a hash prefix, a format or a scheme file"
    )
    reduce.add_argument(
        "--budget",
        default="60s",
        metavar="TIME",
        help="time for each scheme, such as 30s, 5m (default 60s)",
    )
    reduce.add_argument(
        "--ring",
        default="Q",
        metavar="RING",
        help="of a format: the ring of its schemes, such as F2 (default Q, with ZT and Z)",
    )
    reduce.add_argument(
        "--seed",
        type=natural,
        default=0,
        metavar="N",
        help="seed of the random choices (default 0)",
    )
    reduce.add_argument(
        "--keep", action="store_true", help="keep the scheme, look for programs only"
    )
    reduce.add_argument(
        "-o",
        "--output",
        metavar="FILE",
        help="also write the programs as JSON (default: only store them)",
    )
    finish(reduce, run_reduce)


def run_kernel(arguments: argparse.Namespace) -> int:
    """Write the kernel of a stored scheme, and say from which size on it beats numpy."""
    from flipsearch.catalogue.arguments import is_hash
    from flipsearch.errors import UsageError
    from flipsearch.formats.named import short_name
    from flipsearch.kernels import fastest_here, verdict, write_kernel
    from flipsearch.rings import parse_ring

    ring = parse_ring(arguments.ring)
    if arguments.faults is not None:
        if arguments.levels != "auto" or ring.characteristic:
            raise UsageError("--levels and --ring do not go with --faults: leave them out")
        return _run_fault_tolerant(arguments)
    if arguments.levels not in ("auto", "0", "1", "2", "3"):
        raise UsageError(f"--levels is {arguments.levels!r}: choose auto, 0, 1, 2 or 3")
    levels = None if arguments.levels == "auto" else int(arguments.levels)
    if is_file(arguments.target) or is_hash(arguments.target):
        scheme, why = _scheme(arguments, arguments.target, ring=ring), "the one named"
    else:
        with opened(arguments) as catalogue:
            scheme, why = fastest_here(catalogue, catalogue.format(arguments.target), ring)
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
    _tell(arguments, record | {"verdict": said}, said)
    hint(f"next       bench-kernel {path}  |  in Python: import {path.stem}")
    return 0


def _scheme(arguments: argparse.Namespace, name: str, **how: Any) -> Scheme:
    """Return the scheme of a name; for a format the one with the best kernel."""
    from flipsearch.files.convert import read
    from flipsearch.kernels import find_scheme

    return read(name) if is_file(name) else find_scheme(name, arguments.db, **how)


def _tell(arguments: argparse.Namespace, record: dict[str, Any], text: str) -> None:
    """Print a record as JSON with ``--json``, else the text."""
    from flipsearch.cli.output import print_json

    if arguments.json:
        print_json(record)
    else:
        print(text)


def _run_fault_tolerant(arguments: argparse.Namespace) -> int:
    """Write the fault-tolerant kernel of the stored union with the fewest workers."""
    from flipsearch.errors import NotFoundError
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
    _tell(arguments, record, text)
    return 0


def run_bench_kernel(arguments: argparse.Namespace) -> int:
    """Time a kernel file against numpy by size and threads."""
    import numpy as np

    from flipsearch.errors import UsageError
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
            _tell(arguments, _ratio(timing) | details, str(timing))
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
        _tell(arguments, record, text)
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
        _tell(arguments, record, f"{timing}{mark}")
    if chosen < 0 and not arguments.json:
        print(f"at {size} numpy is called")


def _least_rank(arguments: argparse.Namespace, name: str) -> list[Scheme]:
    """Return the scheme that a name means; of a format, all of least rank, the sparsest first."""
    from flipsearch.catalogue.arguments import is_hash
    from flipsearch.kernels.choice import candidates
    from flipsearch.rings import parse_ring

    if is_file(name) or is_hash(name):
        return [_scheme(arguments, name)]
    with opened(arguments) as catalogue:
        found = candidates(catalogue, catalogue.format(name), parse_ring(arguments.ring))
    found.sort(key=lambda scheme: (scheme.rank, scheme.nonzeros))
    return [scheme for scheme in found if scheme.rank == found[0].rank]


def run_reduce(arguments: argparse.Namespace) -> int:
    """Look for fewer additions, store scheme and programs, and print the numbers of additions."""
    import json

    from flipsearch.catalogue import Provenance
    from flipsearch.errors import UsageError
    from flipsearch.files import write_atomically
    from flipsearch.kernels.additions import fewest_additions
    from flipsearch.rings import Ring
    from flipsearch.search.budget import parse_budget

    seconds = parse_budget(arguments.budget)
    if arguments.output and len(arguments.ids) > 1:
        raise UsageError("-o names one file: reduce one scheme at a time with it")
    for name in arguments.ids:
        scheme, *others = _least_rank(arguments, name)
        found = fewest_additions(scheme, seconds, arguments.seed, not arguments.keep, others)
        best = found.scheme
        provenance = Provenance(
            parent=scheme.content_hash,
            method="reduce",
            seed=arguments.seed,
            details={"shared_additions": found.additions, "parts": found.parts},
        )
        with opened(arguments, read_only=False) as catalogue:
            if is_file(name):
                catalogue.schemes.add(scheme, Provenance(source=name, method="imported"))
            stored = catalogue.programs.add(found, provenance)
        record = {
            "format": str(best.format),
            "ring": best.ring.value,
            "rank": best.rank,
            "scheme": best.content_hash,
            "from": scheme.content_hash,
            "new": stored.scheme.new,
            "kept": stored.kept,
            "naive_additions": best.additions,
            "additions": found.additions,
            "left": found.left.additions,
            "right": found.right.additions,
            "output": found.output.additions,
        }
        if arguments.output:
            text = json.dumps(record | {"programs": found.to_dict()}) + "\n"
            write_atomically(Path(arguments.output), text.encode(), force=True)
        parts = " + ".join(map(str, found.parts))
        kind = "XORs" if best.ring is Ring.F2 else "additions"
        text = (
            f"{best.format}:{best.rank} {best.content_hash[:12]}: {found.additions} {kind} "
            f"({parts}), {best.additions} as written; {scheme.content_hash[:12]} as written needs "
            f"{scheme.additions}"
            + ("" if stored.kept else "; the programs stored before need no more: kept")
        )
        _tell(arguments, record, text)
        short = best.content_hash[:12]
        hint(f"next       export {short} --to reduced  |  kernel {short} -o mm.py")
    return 0
