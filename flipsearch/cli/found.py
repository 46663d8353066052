"""Print the results of a search, and write the kernel of its best scheme."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flipsearch.cli.output import hint, print_table
from flipsearch.errors import UsageError

if TYPE_CHECKING:
    from flipsearch.catalogue import Catalogue
    from flipsearch.formats import Format
    from flipsearch.search.result import Result
    from flipsearch.search.strategy import Strategy
    from flipsearch.search.study import Study


def summary(study: Study, result: Result) -> dict[str, Any]:
    """Return the facts of a search as one JSON object."""
    catalogue, strategy = study.catalogue, study.strategy
    bound = catalogue.bounds.known(str(strategy.format), strategy.ring)
    progress, lifted, scheme = result.progress, result.lifted, result.scheme
    lifted_bound = None
    if lifted is not None:
        lifted_bound = catalogue.bounds.known(str(lifted.format), lifted.natural_ring)
    return {
        "format": str(strategy.format),
        "ring": str(strategy.ring),
        "rank": progress.best_rank,
        "lifted_ring": None if lifted is None else str(lifted.natural_ring),
        "lifted_rank": None if lifted is None else lifted.rank,
        "scheme": None if scheme is None else scheme.content_hash,
        "lifted_scheme": None if lifted is None else lifted.content_hash,
        "kernel": None,
        "known_bound": None if bound is None else bound.value,
        "lifted_known_bound": None if lifted_bound is None else lifted_bound.value,
        "flips": progress.flips,
        "seconds": round(progress.seconds, 3),
        "flips_per_second": round(progress.flips_per_second),
        "classes": result.classes,
        "notes": strategy.notes(),
        "run": result.run.id,
        **({"formats": family} if (family := family_table(strategy)) else {}),
    }


def family_table(strategy: Strategy) -> list[dict[str, Any]]:
    """Return format, rank, known bound and gap of every format of a search of many."""
    return [
        {
            "format": name,
            "rank": rank,
            "known_bound": known,
            "gap": None if known is None else rank - known,
        }
        for name, rank, known in strategy.table()
    ]


def print_summary(record: dict[str, Any], result: Result) -> None:
    """Print the facts of `summary` for people."""
    from flipsearch.formats.named import short_name

    rows = [(record["ring"], record["rank"], record["known_bound"], record["scheme"])]
    if result.lifted is not None and result.lifted is not result.scheme:
        bound = record["lifted_known_bound"]
        rows.append((record["lifted_ring"], result.lifted.rank, bound, record["lifted_scheme"]))
    rows = [(*row[:3], (row[3] or "")[:12]) for row in rows]
    print(f"format     {short_name(record['format'])}   run {record['run']}")
    print_table(["ring", "rank", "known bound", "scheme"], rows)
    if result.lifted is None and result.lift_failure:
        print(f"no lift    {result.lift_failure}")
    if record["flips"]:
        walked, rate = f"{record['flips']:,} flips", speed(record["flips_per_second"])
        print(f"walked     {walked} in {record['seconds']:.1f} s: {rate}")
    for number, line in enumerate(record["notes"]):
        print(f"search     {line}" + ("" if number else f", in {record['seconds']:.1f} s"))
    if result.compared > 1:
        print(
            f"classes    {result.classes} proved inequivalent among {result.compared} schemes of "
            f"rank {record['rank']}"
        )
    if result.lifting_seconds:
        print(
            f"lifted     for {result.lifting_seconds:.1f} s, of "
            f"{result.lifting_share:.0f} s at most"
        )
    if "formats" in record:
        print_family(record["formats"])


def print_family(rows: Sequence[Mapping[str, Any]]) -> None:
    """Print the table of a search of many formats, and how many are at their known bound."""
    print_table(["format", "rank", "known bound", "gap"], [list(row.values()) for row in rows])
    reached = sum(row["gap"] is not None and row["gap"] <= 0 for row in rows)
    print(f"{reached} of {len(rows)} formats at their known bound or below")


def print_next(study: Study, result: Result, *, without_kernel: bool) -> None:
    """Print the commands that suggest themselves after a search."""
    from flipsearch.formats.named import short_name

    strategy, lifted = study.strategy, result.lifted
    if without_kernel:
        name = short_name(strategy.format)
        hint(f"no kernel  it needs a scheme over the integers: search {name} --ring ZT")
    hint(f"stored     {study.catalogue.place.label}")
    steps = [] if strategy.finished else [f"resume {result.run.id}"]
    if (scheme := lifted or result.scheme) is not None:
        steps.append(f"show {scheme.content_hash[:12]}")
    if lifted is not None and not without_kernel and _has_kernel(lifted.format):
        steps.append(f"kernel {lifted.content_hash[:12]} -o mm.py")
    hint(f"next       {'  |  '.join(steps)}")


def _has_kernel(format_: Format) -> bool:
    from flipsearch.kernels.plan import check_format

    try:
        check_format(format_)
    except UsageError:
        return False
    return True


def write_best_kernel(
    catalogue: Catalogue, result: Result, folder: Path | None
) -> tuple[Path | None, str]:
    """Write the kernel of the fastest scheme of the result's format; return path and reason."""
    if folder is None or result.lifted is None:
        return None, ""
    from flipsearch.formats import MatrixProduct
    from flipsearch.kernels import fastest_here, write_kernel

    scheme, why = fastest_here(catalogue, result.lifted.format)
    name = re.sub(r"\W", "_", str(scheme.format))
    word = "matmul" if isinstance(scheme.format, MatrixProduct) else "apply"
    return write_kernel(scheme, folder / f"{word}_{name}_{scheme.rank}.py"), why


def time_kernel(path: Path) -> None:
    """Say which way a kernel takes at side 2048, and how fast it is there."""
    from flipsearch.kernels import load_kernel, time_against_numpy

    kernel = load_kernel(path)
    if not hasattr(kernel, "plan"):
        return  # of a tensor: numpy has nothing to compare it with
    print(f"kernel     {kernel.plan(2048)}")
    timing = time_against_numpy(kernel, 2048)
    print(f"kernel     {timing}")


def speed(flips_per_second: float) -> str:
    """Return a number of flips a second in millions, with its unit."""
    return f"{flips_per_second / 1e6:.1f} M flips/s"
