"""Inserts, queries and imports of the catalogue.

- ``inserts_per_second``: durable inserts of proved schemes in batches, verification apart (and
  once more with it), SQLite on a real disk, WAL with full synchronous.
- ``query_milliseconds``: the best of every format and ring, of one format, a filtered page, and
  opening an existing catalogue; over a catalogue of 100,000 rows. Those rows are drawn at random
  and written straight into the table: queries read columns, never factors.

- ``import_megabytes_per_second``: a JSON collection of 100 MB of distinct schemes up to 8x8x8 over
  all rings by the command `import` (read, proved, stored; all cores), next to the same without
  storing (``--dry-run``) and a plain copy of the file; ``peak_megabytes`` is the resident memory
  of its largest process, for the whole collection and for a quarter of it.

python -m benchmarks.catalogue [--json] [--schemes 3000] [--rows 100000] [--megabytes 100]
    [--only inserts,queries,import] [--folder DIR]
"""

from __future__ import annotations

import datetime as dt
import os
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from sqlalchemy import insert

from benchmarks.common import benchmark_parser, emit, emit_dgemm, seconds_of
from benchmarks.verify import mixed_set
from flipsearch.catalogue import Catalogue, Provenance
from flipsearch.catalogue.columns import SCHEMES
from flipsearch.catalogue.intake import insert as insert_prepared
from flipsearch.catalogue.intake import prepare
from flipsearch.files import to_bytes
from flipsearch.formats import TABULATED_SIDE, MatrixProduct
from flipsearch.rings import Ring
from flipsearch.scheme import Scheme, naive_scheme

SIDES = [(2, 2, 2), (2, 3, 4), (3, 3, 3), (3, 4, 5), (4, 4, 4), (4, 5, 6), (5, 5, 5), (6, 6, 6)]


def distinct(number: int) -> Scheme:
    """Return a valid scheme of a mixed format and ring, another one for every number."""
    ring = (Ring.F2, Ring.F3, Ring.ZT)[number % 3]
    naive = naive_scheme(MatrixProduct(*SIDES[number % len(SIDES)]), ring)
    generator = np.random.default_rng(number)
    factors = []
    for matrix in naive.factors:
        row = generator.integers(0, 2, matrix.shape[1])
        row[generator.integers(len(row))] = 1
        factors.append(np.concatenate([matrix, [row], [row]]))
    factors[2][-1] = ring.balanced(-factors[2][-1])
    return Scheme(naive.format, ring, *factors)


def measure_inserts(arguments: Any, folder: Path) -> None:
    schemes = [distinct(number) for number in range(arguments.schemes)]
    prepared, preparing = [], 0.0
    for scheme in schemes:
        start = time.perf_counter()
        prepared.append(prepare(scheme))
        preparing += time.perf_counter() - start
    for batch in (1, 100, 1000):
        path = folder / f"inserts-{batch}.sqlite"
        count = min(len(prepared), 200 * batch)
        with Catalogue.open(path) as catalogue:
            run = catalogue.runs.start("2x2x2", "F2")
            items = [(p, Provenance(run=run.id, task=k)) for k, p in enumerate(prepared[:count])]
            start = time.perf_counter()
            for at in range(0, count, batch):
                with catalogue.database.writing() as connection:
                    insert_prepared(connection, items[at : at + batch])
            seconds = time.perf_counter() - start
        emit(
            arguments.json, "inserts_per_second", count / seconds, "1/s",
            batch=batch, verification="apart", database="sqlite",
        )  # fmt: skip
        if batch == 1000:
            emit(
                arguments.json, "inserts_per_second", count / (seconds + preparing), "1/s",
                batch=batch, verification="included", database="sqlite",
            )  # fmt: skip


def fill(catalogue: Catalogue, rows: int) -> None:
    """Write random rows: sides 2 to 16, every ring, ranks near the bound."""
    generator = random.Random(1)
    now = dt.datetime.now(dt.UTC)
    bounds = {key: bound.value for key, bound in catalogue.bounds.all().items()}
    values = []
    for number in range(rows):
        sides = [generator.randint(2, TABULATED_SIDE) for _ in range(3)]
        format_ = MatrixProduct(*sides)
        ring = generator.choice(list(Ring))
        rank = bounds[format_.sorted.name, ring] + generator.randint(0, 20)
        values.append(
            {
                "hash": f"{number:064x}",
                "format": format_.name,
                "tabulated": format_.sorted.name,
                "ring": ring.value,
                "rank": rank,
                "nonzeros": 20 * rank,
                "additions": (additions := generator.randint(10 * rank, 20 * rank)),
                "fewest": additions,
                "growth": None if ring.characteristic else 5.0 * rank,
                "omega": 2.8,
                "stored": now,
                "verified": now,
            }
        )
    with catalogue.database.writing() as connection:
        connection.execute(insert(SCHEMES), values)


def measure_queries(arguments: Any, folder: Path) -> None:
    path = folder / "queries.sqlite"
    with Catalogue.open(path) as catalogue:
        fill(catalogue, arguments.rows)
        page = {"sort": "gap,-additions", "limit": 50}
        queries: dict[str, Callable[[], Any]] = {
            "best per format and ring": catalogue.schemes.best_table,
            "best of one format": lambda: catalogue.best("4x5x6", "Z"),
            "page by gap": lambda: catalogue.schemes.query(ring="ZT", gap=(0, 2), **page),
            "page of a format": lambda: catalogue.schemes.query(format="4x5x6", limit=50),
        }
        for name, query in queries.items():
            query()
            times = [seconds_of(query) for _ in range(arguments.repetitions)]
            emit(
                arguments.json, "query_milliseconds", 1000 * statistics.median(times), "ms",
                query=name, rows=arguments.rows, database="sqlite",
            )  # fmt: skip
    for module, code in (
        ("importing SQLAlchemy", "import sqlalchemy.orm"),
        (
            "importing and opening",
            f"from flipsearch.catalogue import Catalogue\nCatalogue.open({str(path)!r}).close()",
        ),
    ):
        command = [sys.executable, "-c", code]
        run: Callable[[], Any] = lambda c=command: subprocess.run(c, check=True)  # noqa: E731
        run()
        times = [seconds_of(run) for _ in range(arguments.repetitions)]
        emit(
            arguments.json, "query_milliseconds", 1000 * statistics.median(times), "ms",
            query=module, rows=arguments.rows, database="sqlite",
        )  # fmt: skip


def write_collection(path: Path, megabytes: float) -> int:
    """Write distinct schemes as one JSON array of at least that size; return how many."""
    count = size = 0
    with path.open("wb") as file:
        while size < megabytes * 1_000_000:
            for scheme in mixed_set(200, seed=1000 + count):
                body = to_bytes(scheme, "json")
                file.write((b",\n" if count else b"[") + body)
                count += 1
                size += len(body)
                if size >= megabytes * 1_000_000:
                    break
        file.write(b"]\n")
    return count


def run_measured(command: list[str]) -> tuple[float, float]:
    """Run a command; return its wall time and the peak memory in MB of its largest process."""
    start = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - start
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"{command} ended with {process.returncode}")
    return seconds, usage.ru_maxrss / 1024


def measure_import(arguments: Any, folder: Path) -> None:
    command = [sys.executable, "-m", "flipsearch", "import"]
    for share in (0.25, 1.0):
        path = folder / f"collection-{share}.json"
        count = write_collection(path, share * arguments.megabytes)
        size = path.stat().st_size / 1e6
        keys = {"collection_mb": round(size), "schemes": count}
        copying = seconds_of(lambda p=path: shutil.copyfile(p, p.with_suffix(".copy")))
        base = folder / f"import-{share}.sqlite"
        Catalogue.open(base).close()
        ways = {
            "import": [*command, str(path), "--db", str(base)],
            "verify only": [*command, str(path), "--dry-run"],
        }
        for way, words in ways.items():
            seconds, peak = run_measured(words)
            emit(
                arguments.json, "import_megabytes_per_second", size / seconds, "MB/s",
                way=way, processes=os.cpu_count(), **keys,
            )  # fmt: skip
            emit(arguments.json, "peak_megabytes", round(peak), "MB", way=way, **keys)
        emit(
            arguments.json, "import_megabytes_per_second", size / copying, "MB/s",
            way="copy of the file", **keys,
        )  # fmt: skip


def main() -> None:
    parser = benchmark_parser(__doc__)
    parser.add_argument("--schemes", type=int, default=3000, help="to insert")
    parser.add_argument("--rows", type=int, default=100_000, help="to query")
    parser.add_argument("--repetitions", type=int, default=9)
    parser.add_argument("--megabytes", type=float, default=100, help="of JSON to import")
    parser.add_argument("--only", default="inserts,queries,import", help="parts to measure")
    parser.add_argument("--folder", help="where the databases go; default the temporary folder")
    arguments = parser.parse_args()
    emit_dgemm(arguments.json)
    with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
        parts = {
            "inserts": measure_inserts,
            "queries": measure_queries,
            "import": measure_import,
        }
        for name in arguments.only.split(","):
            parts[name](arguments, Path(folder))


if __name__ == "__main__":
    main()
