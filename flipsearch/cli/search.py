"""search and resume: walk the flip graph and keep what is found."""

from __future__ import annotations

import argparse
import re
import signal
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

from flipsearch.cli import database_argument, natural
from flipsearch.cli.output import complain, print_json, print_table
from flipsearch.errors import UsageError

if TYPE_CHECKING:
    from flipsearch.catalogue import Catalogue, Run
    from flipsearch.formats import Format
    from flipsearch.rings import Ring
    from flipsearch.search.progress import Progress, Result, Stop
    from flipsearch.search.strategy import Strategy
    from flipsearch.walk.task import WalkTask

_BUDGET = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s|m|min|h|d)?")
LONGEST_BUDGET = 86400 * 3650
_UNITS = {"ms": 0.001, None: 1, "s": 1, "m": 60, "min": 60, "h": 3600, "d": 86400}


def register(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the commands of this group."""
    parser = commands.add_parser(
        "search", help="search for schemes: walk, lift, verify, store, export"
    )
    parser.add_argument("format", nargs="?", help="for instance 4x5x6 or gt:4x4x4")
    parser.add_argument("--ring", help="F2, F3 or ZT (default F2)")
    parser.add_argument("--target", type=natural, metavar="R", help="stop at rank R")
    _run_options(parser)
    parser.add_argument("--seed", type=natural, help="seed of the run; else drawn")
    parser.add_argument(
        "--from",
        dest="start",
        action="append",
        default=[],
        metavar="ID",
        help="start from a stored scheme, of the format or smaller, instead of the naive one "
        "(meta: of the best stored ones); may be repeated",
    )
    parser.add_argument(
        "--strategy",
        metavar="NAME",
        help="pool (default); meta (default with --within); symmetric: n x n x n, by C3 over F2 "
        "(cyclic), by rotated indices over F3, ZT (rotation); diagonal: us:n x n x n over F3; or "
        "one that an installed package brings",
    )
    parser.add_argument(
        "--within", metavar="LOW..HIGH", help="meta: all formats with sides in that range"
    )
    parser.add_argument(
        "--mirrored", action="store_true", help="symmetric over F2: by C3 x Z2 instead of C3"
    )
    parser.add_argument("--run", metavar="NAME", help="name of the run; goes on if it exists")
    parser.set_defaults(handler=search_command)
    parser = commands.add_parser("resume", help="go on with a stopped run")
    parser.add_argument("run", metavar="RUN", help="number or name")
    _run_options(parser)
    parser.set_defaults(handler=resume_command)


def _run_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--budget", default="60s", help="time to walk: 30s, 5m, 2h (default 60s)")
    parser.add_argument("--workers", type=int, default=None, help="default: all cores")
    parser.add_argument(
        "--executor", metavar="NAME", default="threads", help="threads (default), ray, or another"
    )
    parser.add_argument("--address", default=None, help="ray: a cluster to join (auto or a URL)")
    parser.add_argument("--gpu", choices=["auto", "off", "only"], default="auto")
    parser.add_argument(
        "--deterministic", action="store_true", help="the same seed gives the same run"
    )
    parser.add_argument("--kernel", metavar="DIR", help="write a kernel of the result there")
    parser.add_argument("--json", action="store_true", help="end with one JSON object")
    database_argument(parser)


def parse_budget(text: str) -> float:
    """Return the seconds that a budget such as ``90s``, ``5m`` or ``2h`` stands for.

    Raises
    ------
    UsageError
        It is no time, or not positive.
    """
    match = _BUDGET.fullmatch(text.strip().lower())
    seconds = float(match[1]) * _UNITS[match[2]] if match else 0.0
    if not 0 < seconds <= LONGEST_BUDGET:
        raise UsageError(
            f"budget {text[:40]!r} is no time: write for instance 90s, 5m, 2h or 30d, "
            f"{LONGEST_BUDGET // 86400}d at most"
        )
    return seconds


def search_command(arguments: argparse.Namespace) -> int:
    """Handle ``search``."""
    from flipsearch.catalogue import Catalogue
    from flipsearch.search.registry import held_starts, make_strategy

    budget = parse_budget(arguments.budget)
    folder = _kernel_folder(arguments.kernel)
    wanted = None if arguments.run else _wanted(arguments)
    with Catalogue.open(arguments.db) as catalogue:
        starts = [catalogue.schemes.get(start).hash for start in arguments.start]
        if arguments.run and (existing := catalogue.runs.find(arguments.run)) is not None:
            _refuse_changes(existing, arguments, starts)
            return _resume(catalogue, existing, arguments, budget, folder)
        name, format_, ring = wanted or _wanted(arguments)
        seed = arguments.seed if arguments.seed is not None else time.time_ns() % 2**32
        if arguments.within:
            starts = starts or held_starts(catalogue, arguments.within, ring)
        parameters = {
            "target": arguments.target or 0,
            "start": starts,
            "within": arguments.within,
            "mirrored": arguments.mirrored,
        }
        strategy = make_strategy(catalogue, name, format_, ring, seed, parameters)

        def begin() -> Run:
            return catalogue.runs.start(
                str(strategy.format),
                ring,
                strategy=strategy.name,
                parameters=parameters,
                seed=seed,
                name=arguments.run,
            )

        return _drive(catalogue, begin, strategy, arguments, budget, folder)


def _wanted(arguments: argparse.Namespace) -> tuple[str, Format | None, Ring]:
    """Return strategy, format (None with ``--within``) and ring of a new run.

    Raises
    ------
    UsageError
        They do not go together, or an option would have no effect.
    """
    from flipsearch.formats import MatrixProduct
    from flipsearch.formats.named import named_format
    from flipsearch.rings import parse_ring
    from flipsearch.search.registry import refuse_idle_options, strategy_named

    name = arguments.strategy or ("meta" if arguments.within else "pool")
    ring = parse_ring(arguments.ring or "F2")
    refuse_idle_options(name, ring, vars(arguments))
    if "within" in strategy_named(name, ring).options:
        if not arguments.within:
            raise UsageError(f"--strategy {name} needs a range of sides: --within 2..4")
        return name, None, ring
    if arguments.format is None:
        raise UsageError("which format? for instance: search 4x4x4")
    format_ = named_format(arguments.format)
    general = isinstance(format_, MatrixProduct) and format_.is_general
    least = max(format_.dimensions) if general else 1
    if arguments.target and not least <= arguments.target <= format_.naive_rank:
        raise UsageError(
            f"target {arguments.target} is no rank of {format_}: no scheme has fewer than "
            f"{least} products, and the naive one has {format_.naive_rank}"
        )
    return name, format_, ring


def _refuse_changes(run: Run, arguments: argparse.Namespace, starts: list[str]) -> None:
    """Refuse a command for a run that exists if it asks for something else than the run does.

    Raises
    ------
    UsageError
        It does.
    """
    from flipsearch.formats.named import named_format
    from flipsearch.rings import parse_ring
    from flipsearch.search.registry import strategy_named

    strategy = strategy_named(run.strategy, run.ring).name
    held = {**run.parameters, "format": run.format, "ring": run.ring, "seed": run.seed}
    held["strategy"] = strategy
    if arguments.within is None and run.parameters.get("within"):
        held["format"] = f"those within {run.parameters['within']}"
    wanted = {
        "format": arguments.format and str(named_format(arguments.format)),
        "ring": arguments.ring and parse_ring(arguments.ring),
        "seed": arguments.seed,
        "strategy": arguments.strategy and strategy_named(arguments.strategy, run.ring).name,
        "target": arguments.target,
        "start": starts or None,
        "within": arguments.within,
        "mirrored": arguments.mirrored or None,
    }
    for key, value in wanted.items():
        if value is not None and value != held.get(key):
            raise UsageError(
                f"run {arguments.run} has {key} {held.get(key)}, not {value}: leave that out to "
                "go on with it, or give another --run"
            )


def resume_command(arguments: argparse.Namespace) -> int:
    """Handle ``resume``."""
    from flipsearch.catalogue import Catalogue

    budget = parse_budget(arguments.budget)
    folder = _kernel_folder(arguments.kernel)
    with Catalogue.open(arguments.db) as catalogue:
        return _resume(catalogue, catalogue.runs.get(arguments.run), arguments, budget, folder)


def _resume(
    catalogue: Catalogue,
    run: Run,
    arguments: argparse.Namespace,
    budget: float,
    folder: Path | None,
) -> int:
    from flipsearch.search.checkpoint import outstanding_tasks
    from flipsearch.search.registry import remade

    if run.status == "running":
        catalogue.runs.resume(run)  # raises, and says where it runs
    strategy, state = remade(catalogue, run)

    def begin() -> Run:
        taken = catalogue.runs.resume(run)
        if taken.checkpointed != run.checkpointed:
            raise UsageError(f"run {run.id} has gone on elsewhere meanwhile: resume it again")
        return taken

    outstanding = outstanding_tasks(state or {}, strategy)
    return _drive(catalogue, begin, strategy, arguments, budget, folder, outstanding)


def _kernel_folder(text: str | None) -> Path | None:
    """Return the folder for kernels, made now, so that a bad one fails before the search."""
    if text is None:
        return None
    folder = Path(text)
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"--kernel {folder}: that is a file, not a folder")
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@contextmanager
def _interrupts() -> Iterator[Stop]:
    """First Ctrl-C or SIGTERM: drain and save; second: stop at once."""
    from flipsearch.search.progress import Stop

    stop = Stop()

    def handle(number: int, frame: FrameType | None) -> None:
        stop.asked += 1
        if stop.asked == 1:
            complain("stopping: what runs is finished and saved (again to stop at once)")

    previous = {n: signal.signal(n, handle) for n in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


class _Live:
    """Live progress: one line rewritten on a terminal, a line every 30 s elsewhere."""

    def __init__(self, strategy: Strategy) -> None:
        self.strategy, self.terminal = strategy, sys.stderr.isatty()
        self.last, self.shown = 0.0, (-1, "")

    def __call__(self, progress: Progress) -> None:
        now, news = time.monotonic(), (progress.best_rank, progress.message)
        if not (self.terminal or news != self.shown or now - self.last >= 30):
            return
        self.last, self.shown = now, news
        pools = " ".join(f"{r}:{n}" for r, n in list(progress.sizes.items())[:5])
        rungs = self.strategy.climbing
        climbing = f"climbing {rungs}  " if rungs else ""
        line = (
            f"{self.strategy.format} {self.strategy.ring}  best {progress.best_rank}  "
            f"{progress.flips_per_second / 1e6:.1f} M flips/s  pools {pools}  {climbing}"
            f"{progress.seconds:.0f} s {progress.message}"
        ).rstrip()
        if self.terminal:
            print(f"\r\x1b[2K{line}", end="", file=sys.stderr, flush=True)
        else:
            print(line, file=sys.stderr, flush=True)

    def close(self) -> None:
        """End the line."""
        if self.terminal:
            print(file=sys.stderr)


def _drive(
    catalogue: Catalogue,
    begin: Callable[[], Run],
    strategy: Strategy,
    arguments: argparse.Namespace,
    budget: float,
    folder: Path | None,
    outstanding: Sequence[WalkTask] = (),
) -> int:
    """Compile, record the run, walk, sum up; return the exit code.

    Nothing is recorded before the executor is up and what the walks need is compiled.
    """
    from flipsearch.executors import executor_named
    from flipsearch.search.study import Study, compile_ahead

    live = _Live(strategy)
    with executor_named(arguments.executor)(
        workers=arguments.workers,
        gpu=arguments.gpu,
        address=arguments.address,
        announce=complain,
    ) as executor:
        compile_ahead(strategy, executor)
        with _interrupts() as stop:
            result = Study(
                strategy,
                executor,
                catalogue,
                begin(),
                report=live,
                stop=stop,
                deterministic=arguments.deterministic,
                outstanding=outstanding,
            ).run(budget)
    live.close()
    kernel = _write_kernel(catalogue, result, folder)
    record = _summary(catalogue, strategy, result, kernel)
    _print_summary(record, result)
    if "formats" in record:
        _print_family(record["formats"])
    if kernel is not None and not result.interrupted:
        _time_kernel(kernel)
    if arguments.json:
        print_json(record)
    return 130 if result.interrupted else 0


def _write_kernel(catalogue: Catalogue, result: Result, folder: Path | None) -> Path | None:
    """Write the kernel of the fastest stored scheme of the result's format."""
    scheme = result.lifted
    if folder is None or scheme is None:
        return None
    from flipsearch.kernels import fastest_scheme, write_kernel

    scheme = fastest_scheme(catalogue, scheme.format)
    name = re.sub(r"\W", "_", str(scheme.format))
    return write_kernel(scheme, folder / f"matmul_{name}_{scheme.rank}.py")


def _time_kernel(path: Path) -> None:
    from flipsearch.kernels import load_kernel, time_against_numpy

    kernel = load_kernel(path)
    print(f"kernel     {kernel.plan(2048)}")
    timing = time_against_numpy(kernel, 2048)
    print(f"kernel     {timing}")


def _summary(
    catalogue: Catalogue, strategy: Strategy, result: Result, kernel: Path | None
) -> dict[str, Any]:
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
        "kernel": None if kernel is None else str(kernel),
        "known_bound": None if bound is None else bound.value,
        "lifted_known_bound": None if lifted_bound is None else lifted_bound.value,
        "flips": progress.flips,
        "seconds": round(progress.seconds, 3),
        "flips_per_second": round(progress.flips_per_second),
        "run": result.run.id,
        **({"formats": family} if (family := _family_table(strategy)) else {}),
    }


def _family_table(strategy: Strategy) -> list[dict[str, Any]]:
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


def _print_family(rows: Sequence[Mapping[str, Any]]) -> None:
    """Print the table of a search of many formats, and how many are at their known bound."""
    print_table(["format", "rank", "known bound", "gap"], [list(row.values()) for row in rows])
    reached = sum(row["gap"] is not None and row["gap"] <= 0 for row in rows)
    print(f"{reached} of {len(rows)} formats at their known bound or below")


def _print_summary(record: dict[str, Any], result: Result) -> None:
    rows = [(record["ring"], record["rank"], record["known_bound"], record["scheme"])]
    if result.lifted is not None and result.lifted is not result.scheme:
        bound = record["lifted_known_bound"]
        rows.append((record["lifted_ring"], result.lifted.rank, bound, record["lifted_scheme"]))
    rows = [(*row[:3], (row[3] or "")[:12]) for row in rows]
    print(f"format     {record['format']}   run {record['run']}")
    print_table(["ring", "rank", "known bound", "scheme"], rows)
    if result.lifted is None and result.lift_failure:
        print(f"no lift    {result.lift_failure}")
    print(
        f"walked     {record['flips']:,} flips in {record['seconds']:.1f} s: "
        f"{record['flips_per_second'] / 1e6:.1f} M flips/s"
    )
    if result.lifting_seconds:
        print(
            f"lifted     for {result.lifting_seconds:.1f} s, of "
            f"{result.lifting_share:.0f} s at most"
        )
    if record["kernel"]:
        print(f"kernel     {record['kernel']}")
