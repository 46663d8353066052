"""The command line: a thin roof over the library.

One module a group of commands, each with `register(commands)`, which adds its parsers and sets
`handler` to a function from the parsed arguments to an exit code. Handlers import what they need
when they run. `--help` is therefore quick, and a command imports only its own modules.

Exit codes: 0 done, 1 not found or not valid, 2 bad usage, 130 interrupted and 143 terminated
(after saving).
"""

from __future__ import annotations

import argparse
import importlib
import os
import sys
import warnings
from collections.abc import Sequence

from flipsearch import __version__
from flipsearch.algebra.compiling import compilations
from flipsearch.cli.output import Terminated, adapt_streams, complain, log, status, terminable
from flipsearch.cli.parser import Parser
from flipsearch.errors import FlipsearchError, on_the_command_line

GROUPS = (
    "search", "constructing", "planning", "schemes", "sparsening", "listing", "show", "catalogue",
    "kernels", "reducing", "bases", "faults", "report", "doctor", "completion",
)  # fmt: skip


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of all commands."""
    parser = Parser(
        prog="flipsearch",
        description="Find, prove, keep and run fast matrix-multiplication algorithms. Schemes are "
        "kept in a catalogue: --db of each command, else the variable FLIPSEARCH_DB, else "
        "db/catalogue.sqlite of a checkout or a file in the user's data folder. `COMMAND --help` "
        "explains a command.",
        examples=("search 4x4x4 --budget 60s", "list --best", "show 4x4x4 --products"),
    )
    parser.add_argument(
        "--version", action="version", version=f"flipsearch {__version__}", help="show the version"
    )
    parser.set_defaults(verbose=False, quiet=False)
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for name in GROUPS:
        importlib.import_module(f"flipsearch.cli.{name}").register(commands)
    for each in (parser, *(commands.choices or {}).values()):
        each.add_argument(
            "-q", "--quiet", action="store_true", default=argparse.SUPPRESS,
            help="show results and errors only, no progress and no hints",
        )  # fmt: skip
        each.add_argument(
            "-v", "--verbose", action="store_true", default=argparse.SUPPRESS, help="say more"
        )
    return parser


@on_the_command_line()
def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code; errors are one line on standard error."""
    compiles = os.environ.get("NUMBA_DISABLE_JIT", "0") == "0"
    if not compiles:  # compiled integers wrap silently
        warnings.simplefilter("ignore", RuntimeWarning)
    try:
        adapt_streams()
        arguments = build_parser().parse_args(argv)
        log(arguments.verbose, arguments.quiet)
        compilations.watchers[:] = [_tell_compiling]
        with terminable():
            code: int = arguments.handler(arguments)
            sys.stdout.flush()
        return code
    except FlipsearchError as error:
        complain(str(error))
        return error.exit_code
    except Terminated:
        complain("terminated")
        return 143
    except KeyboardInterrupt:
        complain("interrupted")
        return 130
    except NotImplementedError:  # numba's answer to code that only its compiler can run
        if compiles:
            raise
        complain(f"{arguments.command} needs numba's compiler: unset NUMBA_DISABLE_JIT")
        return 2
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:
        complain(f"{error.strerror or error}: {error.filename or ''}".rstrip(": "))
        return 1
    finally:
        status.clear()


def _tell_compiling(name: str | None) -> None:
    if name is None:
        status.end()
    else:
        status.begin(f"compiling {name}")
