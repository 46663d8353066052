"""search and resume: walk the flip graph and keep what is found."""

from __future__ import annotations

import argparse
import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flipsearch.cli import found
from flipsearch.cli.names import is_file, is_hash, opened, scheme_named
from flipsearch.cli.output import complain, print_json, status
from flipsearch.cli.parser import finish, natural
from flipsearch.errors import UsageError

if TYPE_CHECKING:
    from flipsearch.catalogue import Catalogue
    from flipsearch.formats import Format
    from flipsearch.scheme import Scheme
    from flipsearch.search.study import Study


def register(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the commands of this group."""
    parser = commands.add_parser(
        "search",
        help="walk the flip graph for schemes of low rank; prove, lift and store them",
        description="Walk the flip graph of a format on all cores (and a GPU) for the time given, "
        "store every new best scheme at once, and lift the best over F2 and F3 to the integers or "
        "rationals. Ctrl-C stops after saving; `resume` goes on.",
        examples=(
            "search 4x4x4 --ring F2 --budget 120s --kernel out/",
            "search 5x5x5 --strategy symmetric --budget 5m",
            "search --within 2..4 --budget 10m",
        ),
    )
    parser.add_argument(
        "format",
        nargs="?",
        help="sizes such as 4x5x6, structured operands such as gt:4x4x4, or a tensor; none with "
        "--within",
    )
    parser.add_argument(
        "--ring", help="F2, F3 or ZT, coefficients -1, 0, 1 (default F2; numerical: Q)"
    )
    parser.add_argument(
        "--target", type=natural, metavar="R", help="stop at rank R (default: search on)"
    )
    _run_options(parser)
    parser.add_argument("--seed", type=natural, help="seed of the run (default: drawn)")
    parser.add_argument(
        "--from",
        dest="start",
        action="append",
        default=[],
        metavar="ID|FORMAT|FILE",
        help="start from a scheme, of the format or smaller; may be repeated (default: the "
        "naive scheme and the best stored ones)",
    )
    parser.add_argument(
        "--fresh",
        action="store_true",
        help="leave out the best stored schemes of the format, from which a pool walks otherwise",
    )
    parser.add_argument(
        "--strategy",
        metavar="NAME",
        help="pool (default); meta (default with --within); symmetric: n x n x n, by C3 over F2 "
        "(cyclic), by rotated indices over F3, ZT (rotation); diagonal: us:n x n x n over F3; "
        "numerical: over Q, by optimisation and rounding; or one that an installed package brings",
    )
    parser.add_argument(
        "--within",
        metavar="LOW..HIGH",
        help="meta: search all formats with sides in that range (default: one format)",
    )
    parser.add_argument(
        "--mirrored", action="store_true", help="symmetric over F2: by C3 x Z2 instead of C3"
    )
    parser.add_argument(
        "--symmetry",
        metavar="NAME",
        help="numerical: impose C3 (cyclic shift), Z2 (transposition), R2 (reversed indices) or "
        "several, such as C3xZ2 (default: none)",
    )
    parser.add_argument(
        "--run",
        metavar="NAME",
        help="name of the run; a run of that name goes on (default: none, runs are numbered)",
    )
    finish(parser, search_command, printed="one JSON object")
    parser = commands.add_parser(
        "resume",
        help="go on with a stopped run from its last checkpoint",
        description="Go on with a run that was interrupted or had spent its budget, from its last "
        "checkpoint, with the same strategy and seed. `runs` lists the runs.",
        examples=("resume 15 --budget 10m", "resume overnight --workers 2"),
    )
    parser.add_argument("run", metavar="RUN", help="number or name")
    _run_options(parser)
    finish(parser, resume_command, printed="one JSON object")


def _run_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--budget", default="60s", help="time to walk, such as 30s, 5m, 2h (default 60s)"
    )
    parser.add_argument(
        "--stale",
        metavar="TIME",
        help="end when no lower rank was found for so long, such as 5m (default: never)",
    )
    parser.add_argument(
        "--keep",
        type=natural,
        metavar="N",
        help="store N inequivalent schemes of each best rank, and at the target go on until they "
        "are found (default: up to 16 distinct ones)",
    )
    parser.add_argument(
        "--priority",
        metavar="FILE",
        help="meta: a format and the factor of its share a line, such as 3x4x6 5; read again when "
        "it changes (default: by the formats that a gain would lower)",
    )
    parser.add_argument(
        "--workers", type=int, metavar="N", help="threads to walk on (default: all cores)"
    )
    parser.add_argument(
        "--executor",
        metavar="NAME",
        default="threads",
        help="where walks run: threads (default), ray, or one of an installed package",
    )
    parser.add_argument(
        "--address",
        default=None,
        help="ray: cluster to join, auto or a URL (default: start one here)",
    )
    parser.add_argument(
        "--gpu",
        choices=["auto", "off", "only"],
        default="auto",
        help="walk on the GPU too, not at all, or on it only (default: auto)",
    )
    parser.add_argument(
        "--deterministic",
        action="store_true",
        help="make the same seed give the same run, at some cost in speed",
    )
    parser.add_argument(
        "--kernel",
        metavar="DIR",
        help="write a kernel of the best lifted scheme there and time it (default: none)",
    )


def search_command(arguments: argparse.Namespace) -> int:
    """Handle ``search``."""
    from flipsearch.search.request import Request

    names = (field.name for field in dataclasses.fields(Request))
    request = Request(**{name: getattr(arguments, name) for name in names})
    if arguments.run is None and not (arguments.format or "").startswith("tensor:"):
        request.settled()  # before a catalogue is made
    return _search(arguments, vars(request))


def resume_command(arguments: argparse.Namespace) -> int:
    """Handle ``resume``."""
    return _search(arguments, {})


def _search(arguments: argparse.Namespace, request: dict[str, Any]) -> int:
    """Search, sum up, and return the exit code."""
    from flipsearch.executors import executor_named
    from flipsearch.search.budget import parse_budget
    from flipsearch.search.priorities import Priorities
    from flipsearch.search.study import Study

    budget = parse_budget(arguments.budget)
    stale = None if arguments.stale is None else parse_budget(arguments.stale)
    executor_named(arguments.executor)  # refused before a catalogue is made
    priorities = [Priorities(path, complain) for path in [arguments.priority] if path]
    if priorities and arguments.deterministic:
        raise UsageError("--priority has no effect with --deterministic: leave one of them out")
    with opened(arguments, read_only=False) as catalogue:
        study = Study(
            **request | {"start": _starts(catalogue, request)},
            run=arguments.run,
            catalogue=catalogue,
            executor=arguments.executor,
            workers=arguments.workers,
            gpu=arguments.gpu,
            address=arguments.address,
            deterministic=arguments.deterministic,
            callbacks=[_Live(), *priorities],
            progress=False,
            announce=complain,
        )
        for each in priorities:
            each.apply(study.strategy)
        several = "within" in type(study.strategy).options
        folder = _kernel_folder(arguments.kernel, None if several else study.strategy.format)
        result = study.run(budget, stale=stale, keep=arguments.keep)
        status.clear()
        record = found.summary(study, result)
        if not arguments.json:
            found.print_summary(record, result)
        kernel, why = found.write_best_kernel(catalogue, result, folder)
        if arguments.json:
            print_json(record | {"kernel": None if kernel is None else str(kernel)})
            return 130 if result.interrupted else 0
        if kernel is not None:
            print(f"kernel     {kernel}, {why}")
            if not result.interrupted:
                found.time_kernel(kernel)
        found.print_next(study, result, without_kernel=folder is not None and kernel is None)
    return 130 if result.interrupted else 0


def _starts(catalogue: Catalogue, request: Mapping[str, Any]) -> tuple[Scheme | str, ...]:
    """Return the schemes to start from: schemes of files, and hashes of stored ones."""
    starts: list[Scheme | str] = []
    for name in request.get("start", ()):
        by_format = not (is_file(name) or is_hash(name))
        start = scheme_named(catalogue, name, (request["ring"] or "F2") if by_format else None)
        starts.append(start.scheme if start.record is None else start.record.hash)
    return tuple(starts)


def _kernel_folder(text: str | None, format_: Format | None) -> Path | None:
    """Return the folder for kernels, made before the search, which fails early if none can be.

    A file of that name, or a format without kernels (None: a range of formats), raises a
    `UsageError`.
    """
    if text is None:
        return None
    if format_ is not None:
        from flipsearch.kernels.plan import check_format

        check_format(format_)
    folder = Path(text)
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"--kernel {folder}: that is a file, not a folder")
    folder.mkdir(parents=True, exist_ok=True)
    return folder


class _Live:
    """Show progress, most important figures first, because a narrow terminal cuts the rest."""

    message = ""

    def __call__(self, study: Study) -> None:
        from flipsearch.formats.named import short_name

        strategy, progress = study.strategy, study.progress
        pools = " ".join(f"{r}:{n}" for r, n in list(progress.sizes.items())[:5])
        rungs = strategy.climbing
        facts = [
            f"{short_name(strategy.format)} {strategy.ring}",
            f"best {progress.best_rank}",
            f"{progress.seconds:.0f} s",
            progress.message or (found.speed(progress.flips_per_second) if progress.flips else ""),
            *strategy.notes(),
            f"climbing {rungs}" if rungs else "",
            f"pools {pools}",
        ]
        status.show("  ".join(filter(None, facts)), news=progress.message != self.message)
        self.message = progress.message
