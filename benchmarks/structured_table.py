"""Structured products to side 8: a proved scheme of each, from searches, formulas and blocks.

All twenty pairs n x n x n, and the rectangles of ``ug gt sg kg wg``, over Q, Z, F2 and F3. Schemes
that ship count, and formulas, and blocks of both (`flipsearch.constructors.blocks`). Those that do
not ship yet are made and proved; ``--recipes`` writes down how, for every catalogue to take in.
Run it again until it makes no scheme: those of one ring can be blocks over another.

    python -m benchmarks.structured_table --recipes schemes/structured.csv
    python -m benchmarks.structured_table --write docs/structured.md
    python -m benchmarks.structured_table --complete docs/structured_table.md
"""

from __future__ import annotations

import math
import re
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks.common import benchmark_parser, emit
from flipsearch.catalogue import Catalogue, Record
from flipsearch.constructors.recipes import NAMED, Recipe, read_recipes, written_recipes
from flipsearch.formats import OPERANDS, MatrixProduct
from flipsearch.rings import Ring
from flipsearch.verify import verify

LARGEST, LARGEST_RECTANGLE = 8, 6
RINGS = (Ring.Q, Ring.Z, Ring.F2, Ring.F3)
START, END = "<!-- python -m benchmarks.structured_table -->", "<!-- end -->"


def formats(largest: int = LARGEST) -> list[MatrixProduct]:
    """Return the structured formats to a side, small ones first."""
    found = []
    for operands in OPERANDS[1:]:
        for n in range(1, largest + 1):
            free = range(1, largest + 1) if "g" in operands else (n,)
            sides = ((n, m, n) if operands == "gt" else (n, n, m) for m in free)
            found += [MatrixProduct(*each, operands) for each in sides]
    return sorted((f for f in found if f.naive_rank), key=lambda f: f.naive_rank)


def recipes(catalogue: Catalogue, old: dict[str, Recipe]) -> list[Recipe]:
    """Make the missing schemes; return the recipes of all of least rank, sources first."""
    known, wanted = dict(old), list[str]()
    for ring in RINGS:
        maker = catalogue.blocks(ring)
        wanted += [maker.own_name(format_) for format_ in formats() if format_.naive_rank > 1]
        known |= maker.recipes
        made = [maker.fetch(name) for name in maker.recipes]
        new = sum(stored.new for stored in catalogue.schemes.add_many(made))
        print(f"{new} schemes made over {ring}", flush=True)
    found: dict[str, Recipe] = {}

    def take(name: str) -> None:
        recipe = known.get(name[:NAMED])
        if recipe is not None and recipe.hash not in found:
            for source, _ in recipe.sources:
                take(source)
            found[recipe.hash] = recipe

    for name in wanted:
        take(name)
    return list(found.values())


def best(
    catalogue: Catalogue, operands: tuple[str, ...] = tuple(OPERANDS[1:])
) -> Iterator[Record]:
    """Yield the best record of each format in characteristic 0: of equal ones the least gamma."""

    def cost(record: Record) -> tuple[int, int, float]:
        gamma = math.inf if record.gamma is None else record.gamma
        return record.rank, list(Ring).index(record.ring), gamma

    general = [MatrixProduct(n, n, n) for n in range(2, LARGEST + 1)] if "gg" in operands else []
    for format_ in (*general, *(each for each in formats() if each.naive_rank > 1)):
        found = catalogue.schemes.query(format=format_, ring=Ring.Q, sort="rank", limit=8)
        yield min(found, key=cost)


def ranks(catalogue: Catalogue) -> Iterator[str]:
    """Yield the lines of the tables of ranks: squares, then rectangles."""
    found = {record.format: record for record in best(catalogue)}
    yield "| operands | " + " | ".join(map(str, range(2, LARGEST + 1))) + " |"
    yield "|---" * LARGEST + "|"
    for operands in OPERANDS[1:]:
        cells = (_cell(found[MatrixProduct(n, n, n, operands)]) for n in range(2, LARGEST + 1))
        yield f"| `{operands}` | {' | '.join(cells)} |"
    yield ""
    yield (
        "| rectangles | " + " | ".join(f"m = {m}" for m in range(1, LARGEST_RECTANGLE + 1)) + " |"
    )
    yield "|---" * (LARGEST_RECTANGLE + 1) + "|"
    for operands in ("ug", "sg", "kg", "wg"):
        for n in range(2, LARGEST_RECTANGLE + 1):
            each = (MatrixProduct(n, n, m, operands) for m in range(1, LARGEST_RECTANGLE + 1))
            also = f", `gt:{n}×m×{n}`" if operands == "ug" else ""
            cells = (_cell(found[format_]) for format_ in each)
            yield f"| `{operands}:{n}×{n}×m`{also} | {' | '.join(cells)} |"


def complete(catalogue: Catalogue) -> Iterator[str]:
    """Yield the lines of the complete table, a format each: squares, then rectangles."""
    blocks = catalogue.blocks(Ring.Q).blocks
    found = {record.format: record for record in best(catalogue, OPERANDS)}
    squares = [MatrixProduct(n, n, n, pair) for pair in OPERANDS for n in range(2, LARGEST + 1)]
    sides = range(1, LARGEST_RECTANGLE + 1)
    rectangles = [
        MatrixProduct(n, m, n, pair) if pair == "gt" else MatrixProduct(n, n, m, pair)
        for pair in ("ug", "gt", "sg", "kg", "wg")
        for n in sides[1:]
        for m in sides
        if m != n
    ]
    for some in (squares, rectangles):
        yield "| format | rank | ring | calls | gamma | by blocks | seconds |"
        yield "|---" * 7 + "|"
        for format_ in some:
            record, start = found[format_], time.process_time()
            verify(record.scheme)
            seconds = time.process_time() - start
            yield f"{known(record)} {blocks.divided(format_)} | {seconds:.2f} |"
        yield ""


def known(record: Record) -> str:
    """Return the cells that the shipped schemes decide, the others of their row left out."""
    denominator = record.denominator
    halves = record.ring is Ring.Q and denominator & (denominator - 1) == 0
    gamma = "" if record.gamma is None else f"{record.gamma:.4f}"
    cells = (
        f"`{record.format}`", record.rank, "Z[1/2]" if halves else record.ring,
        "" if record.calls is None else record.calls, gamma,
    )  # fmt: skip
    return f"| {' | '.join(map(str, cells))} |"


def _cell(record: Record) -> str:
    """Return a rank, over Q marked by ½, or by q if 3 divides a denominator."""
    ring = "" if record.ring is not Ring.Q else "½" if record.denominator % 3 else "q"
    return f"{record.rank}{ring}"


def main() -> None:
    """Make, measure and print."""
    parser = benchmark_parser(__doc__)
    parser.add_argument("--recipes", type=Path, help="where to write the recipes")
    parser.add_argument("--write", type=Path, help="put the ranks between their marks in a file")
    parser.add_argument("--complete", type=Path, help="put the complete table there instead")
    arguments = parser.parse_args()
    with (
        tempfile.TemporaryDirectory() as folder,
        Catalogue.open(Path(folder) / "c.sqlite") as catalogue,
    ):
        if path := arguments.recipes:
            text = path.read_text() if path.exists() else written_recipes([])
            old = {recipe.hash[:NAMED]: recipe for recipe in read_recipes(text, path.name)}
            path.write_text(written_recipes(recipes(catalogue, old)))
            return
        for path, lines in ((arguments.write, ranks), (arguments.complete, complete)):
            if path:
                pattern = re.compile(f"{re.escape(START)}.*{re.escape(END)}", re.DOTALL)
                marked = "\n".join([START, *lines(catalogue), END])
                path.write_text(pattern.sub(lambda _, marked=marked: marked, path.read_text()))
        if arguments.write or arguments.complete:
            return
        blocks = catalogue.blocks(Ring.Q).blocks
        for record in best(catalogue):
            start = time.perf_counter()
            verify(record.scheme)
            seconds = time.perf_counter() - start
            assert isinstance(record.format, MatrixProduct)
            keys = {"ring": str(record.ring), "by_blocks": blocks.divided(record.format)}
            keys |= {"calls": record.calls, "gamma": record.gamma, "source": record.source}
            keys |= {"seconds": round(seconds, 3), "format": str(record.format)}
            emit(arguments.json, "rank", record.rank, "products", **keys)


if __name__ == "__main__":
    main()
