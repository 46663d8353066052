"""A fault-tolerant scheme as one readable, standalone Python module.

The module holds the products, the parity checks and the decoders of least growth as integers, and
the sources of `flipsearch.faults.runtime`; it needs numpy alone, and Ray where it is asked for.

Invariant: every number written comes from a verified scheme, and every decoder has been verified
against the Brent equations before it is written; the module can prove itself again (`prove()`).
Names are made from sizes and digests; the text is parsed again and refused unless all of its
statements, imports and names are on an allow-list.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from flipsearch import __version__
from flipsearch.algebra.atomic import write_whole
from flipsearch.errors import UsageError
from flipsearch.faults.decoders import RowBook
from flipsearch.faults.union import Certificate, FaultTolerantScheme, general
from flipsearch.formats import MatrixProduct
from flipsearch.kernels.emit import FORBIDDEN_NAMES, check_source, merged_sources, module_path
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
"""About how many linear programmes are solved when a module is written."""

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
        print(outcome)                         # what was lost, how it was decoded
    c = matmul(a, b, executor="ray")           # on Ray tasks without retries

`prove()` checks all relations and decoders of this file against the definition, exactly.
The process that calls holds A, B and C: its loss is the one loss that nothing here survives.
"""
'''

_TAIL = '''

def multiply(a: Any, b: Any, **options: Any) -> Outcome:
    """Return C = AB with a report of what was lost and how it was decoded.

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
        Of a general format.
    losses : int, optional
        Decoders of least growth are written for every pattern of up to that many lost products;
        others are solved when needed, exactly, with growth reduced but not always least. By
        default kmin - 1 for small unions, fewer for large ones.
    module : str
        The module's name, for the usage lines in its header.

    Raises
    ------
    UsageError
        The format is structured, or `module` is no module's name.
    """
    if not module.isidentifier():
        raise UsageError(f"{module!r} is no name of a module: call it something like mm")
    name = "{}x{}x{}".format(*general(union.format).sides)
    certificate = union.certificate()
    if losses is None:
        losses, outputs = certificate.survives, union.format.dimensions[2]
        while losses > 1 and outputs * (union.workers / 2) ** losses > _PROGRAMMES:
            losses -= 1
    books = _books(union, losses)
    imports, runtime = merged_sources("flipsearch.faults.runtime", _PARTS)
    growth = max(
        float((np.abs(book[0][1]) * _weights(union)).sum() / book[0][0]) for book in books
    )
    header = _HEADER.format(
        title=f"Fault-tolerant multiplication of {name} on {union.workers} workers.",
        n=union.workers,
        version=__version__,
        format=name,
        rank=union.rank,
        hash=union.content_hash,
        survives=certificate.survives,
        corrects=certificate.corrects,
        counts=_counts(certificate),
        growth=growth,
        module=module,
    )
    future = "from __future__ import annotations\n"
    data = _data(union, certificate, books)
    text = "\n".join([header, future, imports, runtime, "", "", data, _TAIL.strip(), ""])
    check_source(text, _ALLOWED_IMPORTS, FORBIDDEN_NAMES - {"subprocess"}, is_program=True)
    return text


def write_fault_tolerant_kernel(
    union: FaultTolerantScheme, path: str | Path, *, losses: int | None = None
) -> Path:
    """Write the module of `emit_fault_tolerant_kernel`, whole or not at all; return its path.

    Raises
    ------
    UsageError
        The format is structured, or the file name is no Python module's, or is in a folder that
        does not exist.
    """
    target = module_path(path)
    source = emit_fault_tolerant_kernel(union, losses=losses, module=target.stem)
    write_whole(target, source)
    return target


def _weights(union: FaultTolerantScheme) -> IntArray:
    weights: IntArray = np.abs(union.u).sum(axis=1) * np.abs(union.v).sum(axis=1)
    return weights


def _counts(certificate: Certificate) -> str:
    text = " ".join(map(str, certificate.counts))
    return text if certificate.is_complete else text + " (larger sets not enumerated)"


def _books(union: FaultTolerantScheme, losses: int) -> list[list[tuple[int, IntArray]]]:
    """Return the decoder rows of each block of C, row-major, least growth first, verified."""
    assert isinstance(union.format, MatrixProduct)
    n, _, p = union.format.sides
    book = RowBook(union)
    ordered: list[list[tuple[int, IntArray]]] = []
    for i in range(n):
        for k in range(p):
            output = union.format.output_index(i, k)
            assert output is not None
            book.fill(output, losses)
            ordered.append([(scale, row) for row, scale in book.rows(output)])
    for which in range(max(map(len, ordered))):
        rows = [
            ordered[_row_major(union.format, c)][which % len(ordered[_row_major(union.format, c)])]
            for c in range(len(ordered))
        ]
        union.prove_decoder(np.stack([row for _, row in rows]), [scale for scale, _ in rows])
    return ordered


def _row_major(format_: MatrixProduct, output: int) -> int:
    i, k = format_.output_position(output)
    return i * format_.p + k


def _data(
    union: FaultTolerantScheme,
    certificate: Certificate,
    books: list[list[tuple[int, IntArray]]],
) -> str:
    assert isinstance(union.format, MatrixProduct)
    lines = ["CODE = Code(", f"    sides={union.format.sides},"]
    for name, matrix in (("left", union.u), ("right", union.v), ("checks", union.relations)):
        lines.append(f"    {name}=(")
        lines += [f"        {_row(row)}," for row in matrix]
        lines.append("    ),")
    lines.append("    rows=(")
    for book in books:
        lines.append("        (")
        lines += [f"            ({scale}, {_row(row)})," for scale, row in book]
        lines.append("        ),")
    lines += ["    ),", f"    kmin={certificate.kmin},", ")", "", ""]
    return "\n".join(lines)


def _row(row: IntArray) -> str:
    entries = [int(x) for x in row]
    return f"({entries[0]},)" if len(entries) == 1 else f"({', '.join(map(str, entries))})"
