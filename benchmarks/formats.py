"""General formats with a proved scheme, against the known ranks: a table of docs/ranks.md.

For all 680 general formats of sides 2 to 16, over characteristic 0 (the least of ZT, Z and Q, ours
and the known one), and over ZT, Z and F2 alone. Ours are the schemes and recipes that ship.
``--prove`` makes and proves the scheme of every cell again, which takes some minutes.

python -m benchmarks.formats [--json] [--prove] [--write docs/ranks.md]
"""

from __future__ import annotations

import argparse
import re
import tempfile
import time
from pathlib import Path

from flipsearch.catalogue import Best, Catalogue
from flipsearch.constructors.closure import all_sides
from flipsearch.rings import Ring
from flipsearch.verify import verify

START, END = "<!-- python -m benchmarks.formats -->", "<!-- end -->"
COLUMNS = ("held", "at known", "below", "within 3 %", "worst gap")


def cells(catalogue: Catalogue) -> dict[str, dict[str, tuple[int | None, int, Best | None]]]:
    """Return (our rank, known rank, cell) by column, then by format."""
    table = {(cell.format, cell.ring): cell for cell in catalogue.schemes.best_table()}
    columns = {"characteristic 0": (Ring.ZT, Ring.Z, Ring.Q)}
    columns |= {ring.value: (ring,) for ring in (Ring.ZT, Ring.Z, Ring.F2)}
    found: dict[str, dict[str, tuple[int | None, int, Best | None]]] = {n: {} for n in columns}
    for sides in all_sides():
        name = "x".join(map(str, sides))
        for column, rings in columns.items():
            own = [table[name, ring] for ring in rings]
            known = min(c.known_bound for c in own if c.known_bound is not None)
            held = [c for c in own if c.rank is not None]
            best = min(held, key=lambda c: c.rank or 0, default=None)
            found[column][name] = (None if best is None else best.rank, known, best)
    return found


def counts(column: dict[str, tuple[int | None, int, Best | None]]) -> dict[str, object]:
    """Return the numbers of a column of the table."""
    gaps = {name: ours / known - 1 for name, (ours, known, _) in column.items() if ours}
    worst = max(gaps, key=lambda name: gaps[name])
    return {
        "held": len(gaps),
        "at known": sum(gap == 0 for gap in gaps.values()),
        "below": sum(gap < 0 for gap in gaps.values()),
        "within 3 %": sum(gap <= 0.03 for gap in gaps.values()),
        "worst gap": f"{100 * gaps[worst]:.1f} % ({worst})",
    }


def prove(catalogue: Catalogue) -> tuple[int, float]:
    """Make and prove the scheme of every cell; return how many different ones, and the seconds."""
    start = time.perf_counter()
    hashes = {c.hash for column in cells(catalogue).values() for *_, c in column.values() if c}
    for name in sorted(filter(None, hashes)):
        scheme = catalogue.schemes.get(name).scheme
        verify(scheme)
    return len(hashes), time.perf_counter() - start


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="one JSON object")
    parser.add_argument("--prove", action="store_true", help="make and prove every scheme")
    parser.add_argument("--write", metavar="FILE", help="put the table between its marks in FILE")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        with Catalogue.open(Path(folder) / "c.sqlite") as catalogue:
            opened = time.perf_counter() - start
            found = cells(catalogue)
            proved = prove(catalogue) if arguments.prove else None
    rows = {name: counts(column) for name, column in found.items()}
    below = [
        f"{name}:{ours} (known {known} over {over})"
        for over, column in found.items()
        for name, (ours, known, best) in column.items()
        if ours and best and ours < known
    ]
    if arguments.json:
        import json

        print(json.dumps({"opened_seconds": opened, "columns": rows, "below": below}))
        return
    lines = [f"| of 680 formats | {' | '.join(COLUMNS)} |", "|---" * (len(COLUMNS) + 1) + "|"]
    lines += [
        f"| {name} | {' | '.join(str(row[column]) for column in COLUMNS)} |"
        for name, row in rows.items()
    ]
    if below:
        lines += ["", f"Below the table of known ranks: {', '.join(below)}."]
    text = "\n".join(lines)
    print(text)
    print(f"a new catalogue opened in {opened:.1f} s")
    if proved is not None:
        print(f"{proved[0]} schemes made and proved in {proved[1]:.0f} s")
    if arguments.write:
        path = Path(arguments.write)
        pattern = re.compile(f"{re.escape(START)}.*{re.escape(END)}", re.DOTALL)
        marked = f"{START}\n{text}\n{END}"
        path.write_text(pattern.sub(lambda _: marked, path.read_text()))


if __name__ == "__main__":
    main()
