"""Write a fault-tolerant scheme as one readable, standalone Python module.

The module holds the products, the parity checks and the decoders of least growth as integers, and
the sources of `flipsearch.faults.runtime`. It needs only numpy, and Ray if the user chooses it.

Invariant: every number comes from a verified scheme, and every decoder is verified against the
Brent equations before it is written. The module can prove itself again (`prove()`). Names are made
from sizes and digests. The text is parsed again and refused unless all of its statements, imports
and names are on an allow-list.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from flipsearch import __version__
from flipsearch.algebra.atomic import write_whole
from flipsearch.errors import UsageError
from flipsearch.faults.decoders import RowBook
from flipsearch.faults.union import FaultTolerantScheme, general
from flipsearch.kernels.checks import FORBIDDEN_NAMES, check_source, merged_sources
from flipsearch.kernels.emit import module_path
from flipsearch.rings import IntArray

_PARTS = (
    "flipsearch.algebra.cores", "code", "work", "checks", "decode", "transports", "serving",
    "processes", "product",
)  # fmt: skip
_ALLOWED_IMPORTS = {
    "__future__", "collections", "concurrent", "contextlib", "dataclasses", "fractions",
    "importlib", "itertools", "json", "math", "numpy", "os", "pathlib", "queue", "ray", "secrets",
    "selectors", "shutil", "signal", "subprocess", "sys", "tempfile", "threading", "time", "types",
    "typing", "weakref",
}  # fmt: skip
_PROGRAMMES = 4_000
"""Approximate number of linear programmes to solve for a module."""

_HEADER = '''"""{title}

C = AB on {n} workers that may be lost, late, dead or wrong. Written by flipsearch {version}.

Format {format}; {n} products, rank {rank}; scheme {hash}.
Survives any {survives} lost workers, detects any {survives} silently wrong ones, corrects any
{corrects} without a check. Undecodable sets of 0, 1, 2, ... lost products: {counts}.
Growth of rounding errors in decoding, with nothing lost: {growth:g}.

    from {module} import matmul, multiply, workers

    c = matmul(a, b)                           # on threads
    with workers(8) as pool:                   # on processes that die alone
        outcome = multiply(a, b, executor=pool, check=True)
        print(outcome)                         # losses, and how C was decoded
    c = matmul(a, b, executor="ray")           # on Ray tasks without retries

`prove()` checks all relations and decoders of this file against the definition, exactly.
The calling process holds A, B and C: nothing here survives its loss.
"""
'''

_TAIL = '''

def multiply(a: Any, b: Any, **options: Any) -> Outcome:
    """Return C = AB with a report of losses and decoding.

    Options are those of `run` above: executor, check, correct, deadline, retries, leaf, drill,
    ray_options, out.
    """
    return run(CODE, a, b, **options)


def matmul(a: Any, b: Any, **options: Any) -> Any:
    """Return C = AB; options are those of `multiply`."""
    return multiply(a, b, **options).product


def workers(count: int | None = None, threads: int = 1) -> ProcessWorkers:
    """Return a pool of `count` processes, each with `threads` BLAS threads; close it after use."""
    command = [sys.executable, str(Path(__file__).resolve()), "--worker"]
    return ProcessWorkers(command, count, threads)


def prove() -> None:
    """Check every relation and decoder of this file exactly; AssertionError if one is wrong."""
    CODE.prove()


if __name__ == "__main__":
    if sys.argv[1:2] == ["--worker"]:
        serve(CODE)
    else:
        prove()
        print("all relations and decoders hold")
'''


def emit_fault_tolerant_kernel(
    union: FaultTolerantScheme, *, losses: int | None = None, module: str = "kernel"
) -> str:
    """Return the source of a standalone fault-tolerant module.

    Parameters
    ----------
    union : FaultTolerantScheme
        A union of a general format.
    losses : int, optional
        Decoders of least growth are written for every pattern of up to `losses` lost products. The
        module solves other decoders exactly when it needs them; their growth is reduced but not
        always least. By default kmin - 1 for small unions, fewer for large ones.
    module : str
        The module's name, for the usage lines in its header.

    Raises
    ------
    UsageError
        The format is structured, or `module` is no name of a module.
    """
    if not module.isidentifier():
        raise UsageError(f"{module!r} is no name of a module: call it something like mm")
    name = "{}x{}x{}".format(*general(union.format).sides)
    certificate = union.certificate()
    if losses is None:
        losses, outputs = certificate.survives, union.format.dimensions[2]
        while losses > 1 and outputs * (union.workers / 2) ** losses > _PROGRAMMES:
            losses -= 1
    decoders, growth = _decoders(union, losses)
    imports, runtime = merged_sources("flipsearch.faults.runtime", _PARTS)
    header = _HEADER.format(
        title=f"Fault-tolerant multiplication of {name} on {union.workers} workers.",
        n=union.workers,
        version=__version__,
        format=name,
        rank=union.rank,
        hash=union.content_hash,
        survives=certificate.survives,
        corrects=certificate.corrects,
        counts=" ".join(map(str, certificate.counts))
        + ("" if certificate.is_complete else " (larger sets not enumerated)"),
        growth=growth,
        module=module,
    )
    future = "from __future__ import annotations\n"
    data = _data(union, certificate.kmin, decoders)
    text = "\n".join([header, future, imports, runtime, "", "", data, _TAIL.strip(), ""])
    check_source(text, _ALLOWED_IMPORTS, FORBIDDEN_NAMES - {"subprocess"}, is_program=True)
    return text


def write_fault_tolerant_kernel(
    union: FaultTolerantScheme, path: str | Path, *, losses: int | None = None
) -> Path:
    """Write the module of `emit_fault_tolerant_kernel`, whole or not at all; return its path.

    A structured format, a file name that is no name of a module, or a missing folder raises a
    `UsageError`.
    """
    target = module_path(path)
    source = emit_fault_tolerant_kernel(union, losses=losses, module=target.stem)
    write_whole(target, source)
    return target


Rows = list[tuple[IntArray, int]]
"""Decoder rows of one block of C: (numerators, denominator), least growth first."""


def _decoders(union: FaultTolerantScheme, losses: int) -> tuple[list[Rows], float]:
    """Return the verified rows of each block of C, row-major, and the growth without losses."""
    book = RowBook(union)
    found = []
    for output in range(union.format.dimensions[2]):
        book.fill(output, losses)
        found.append(book.rows(output))
    for which in range(max(map(len, found))):
        decoder = [rows[which % len(rows)] for rows in found]
        union.prove_decoder(np.stack([row for row, _ in decoder]), [scale for _, scale in decoder])
    order = sorted(range(len(found)), key=general(union.format).output_position)
    return [found[output] for output in order], max(book.growth(rows[0]) for rows in found)


def _data(union: FaultTolerantScheme, kmin: int, decoders: list[Rows]) -> str:
    lines = ["CODE = Code(", f"    sides={general(union.format).sides},"]
    for name, matrix in (("left", union.u), ("right", union.v), ("checks", union.relations)):
        lines.append(f"    {name}=(")
        lines += [f"        {tuple(row)}," for row in matrix.tolist()]
        lines.append("    ),")
    lines.append("    rows=(")
    for rows in decoders:
        lines.append("        (")
        lines += [f"            ({scale}, {tuple(row.tolist())})," for row, scale in rows]
        lines.append("        ),")
    lines += ["    ),", f"    kmin={kmin},", ")", "", ""]
    return "\n".join(lines)
