"""The command line: a thin roof over the library.

One module a group of commands, each with `register(commands)`, which adds its parsers and sets
`handler` to a function from the parsed arguments to an exit code. Handlers import what they need
when they run, so that `--help` is quick and nobody pays for what he does not use.

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
from flipsearch.errors import FlipsearchError

GROUPS = (
    "search", "schemes", "listing", "show", "catalogue", "kernels", "faults", "report", "doctor",
    "completion",
)  # fmt: skip


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of all commands."""
    parser = argparse.ArgumentParser(
        prog="flipsearch",
        description="Find, prove, keep and run fast matrix-multiplication algorithms.",
    )
    parser.add_argument("--version", action="version", version=f"flipsearch {__version__}")
    parser.add_argument("-v", "--verbose", action="store_true", help="log what is done")
    parser.add_argument(
        "-q", "--quiet", action="store_true", help="show results and errors only, no progress"
    )
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for name in GROUPS:
        importlib.import_module(f"flipsearch.cli.{name}").register(commands)
    return parser


def database_argument(parser: argparse.ArgumentParser) -> None:
    """Add ``--db URL``, the catalogue to use; default FLIPSEARCH_DB, then the usual place."""
    parser.add_argument(
        "--db",
        metavar="URL",
        default=os.environ.get("FLIPSEARCH_DB") or None,
        help="catalogue: an SQLAlchemy URL or the path of an SQLite file",
    )


def natural(text: str) -> int:
    """Return a number from 0 on: the argparse type of counts and seeds."""
    if not (text.isascii() and text.isdecimal() and len(text) <= 64):
        raise argparse.ArgumentTypeError(f"{text[:20]!r} is no whole number from 0 on")
    return int(text)


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
