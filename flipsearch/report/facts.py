"""State the facts of a scheme and of a format as the pages of the site show them."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from flipsearch.catalogue import Best, Record
from flipsearch.errors import FormatError
from flipsearch.files import file_name, to_bytes
from flipsearch.formats import Format, MatrixProduct, parse_format
from flipsearch.report import pages
from flipsearch.rings import Ring

WORDS = {
    "json": "JSON, as the FMM catalogue has it",
    "txt": "text, as ternary_flip_graph",
    "npz": "NumPy archive, as AlphaTensor",
    "exp": "products, .exp",
    "m": "nested braces, .m",
    "mpl": "Maple",
    "npy": "NumPy array, as flip-cpd",
    "scheme": "readable text",
    "reduced": "JSON with shared sums: fewer additions",
    "sms": "sparse matrices L, R and P, as plinopt",
    "slp": "programs L, R and P, as plinopt",
}
RING_NAMES = {
    Ring.F2: "the field of two elements",
    Ring.F3: "the field of three elements",
    Ring.ZT: "coefficients -1, 0 and 1, exact over the integers",
    Ring.Z: "the integers",
    Ring.Q: "the rationals",
}
Facts = list[tuple[str, Any]]


@dataclass(frozen=True)
class Download:
    """A file in the folder of a scheme's page."""

    name: str
    kind: str
    data: bytes


def downloads_of(record: Record, kinds: Sequence[str]) -> list[Download]:
    """Return a scheme's files in those of the given formats that can hold it."""
    source = pages.without_folders(record.source)[:1000]
    meta = {"source": "".join(letter if letter.isprintable() else "?" for letter in source)}
    found = []
    for kind in kinds:
        try:
            shared = record.reduction if kind == "reduced" else None
            data = to_bytes(record.scheme, kind, meta, shared)
        except FormatError:
            continue  # the file format cannot hold this scheme
        name = re.sub(r"[^A-Za-z0-9._-]", "-", file_name(record.scheme, kind))
        found.append(Download(name, kind, data))
    return found


def row_of(name: str, cells: dict[Ring, Best]) -> dict[str, Any]:
    """Return the values of a format's row in the table of the index."""
    naive = None if name.startswith("tensor:") else parse_format(name).naive_rank
    real = cells.get(Ring.Q)
    omega = None
    if real is not None and real.rank is not None and ":" not in name and naive and naive > 1:
        omega = 3 * math.log(real.rank) / math.log(naive)
    stored = any(cell.rank is not None for cell in cells.values())
    return {"cells": cells, "naive": naive, "omega": omega, "stored": stored}


def figures(record: Record) -> Facts:
    """Return the figures at the top of a scheme's page."""
    form = record.format
    is_product = isinstance(form, MatrixProduct) and form.is_general and record.survives is None
    return [
        ("rank", pages.number(record.rank)),
        ("gap to the known bound", pages.signed(record.gap)),
        ("additions", pages.number(record.additions)),
        ("growth", pages.number(record.growth, 4)),
        # an exponent for general products only
        ("omega", f"{record.omega:.4f}" if is_product else None),
    ]


def facts(record: Record) -> Facts:
    """Return the names and values of the facts on a scheme's page."""
    union = shared = None
    if record.survives is not None:
        union = f"{record.workers} products of which any {record.survives} may be lost"
    if record.fewest_additions < record.additions:
        shared = pages.number(record.fewest_additions)
    return [
        ("computes", _meaning(record.format)),
        ("ring", f"{record.ring}: {RING_NAMES[record.ring]}"),
        ("known bound", record.known_bound),
        ("naive rank", pages.number(record.format.naive_rank)),
        ("nonzero coefficients", pages.number(record.nonzeros)),
        ("additions with shared sums", shared),
        ("recursive calls", record.calls),
        ("recursion factor gamma", None if record.gamma is None else f"{record.gamma:.5g}"),
        ("fault-tolerant union", union),
        ("hash", pages.code(record.hash)),
        ("stored", pages.moment(record.stored)),
        ("last proved", pages.moment(record.verified)),
    ]


def _meaning(form: Format) -> str:
    if not isinstance(form, MatrixProduct):
        return "a bilinear map given as a sparse tensor"
    n, m, p = form.sides
    if form.is_general and not form.corner:
        return f"C = A B with A {n} x {m}, B {m} x {p}, C {n} x {p}"
    return f"a structured product: left operand {n} x {m}, output {n} x {p}"
