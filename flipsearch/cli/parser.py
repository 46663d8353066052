"""Parse command lines; help shows examples, and a mistake names the likely word.

Invariant: a mistake is one line, raised as a `UsageError` like any other bad input.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

from flipsearch.errors import UsageError, did_you_mean

_CHOICE = re.compile(r"(.*invalid choice: )'(.*)' \(choose from (.*)\)", re.DOTALL)


class Parser(argparse.ArgumentParser):
    """The parser of a command, with command lines as `examples`, without the program's name."""

    def __init__(self, *args: Any, examples: Sequence[str] = (), **options: Any) -> None:
        if examples:
            options["epilog"] = "\n  flipsearch ".join(["examples:", *examples])
        super().__init__(*args, **{"formatter_class": _Formatter, **options})
        self.examples = examples

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Parse, and refuse an unknown option with the likely one."""
        found, rest = super().parse_known_args(args, namespace)
        if rest:
            options = [name for action in self._actions for name in action.option_strings]
            self.error(f"no argument {' '.join(rest)!r}{did_you_mean(rest[0], options)}")
        return found, rest

    def error(self, message: str) -> NoReturn:
        """Raise a mistake as a `UsageError`."""
        if match := _CHOICE.fullmatch(message):
            choices = re.findall(r"[\w-]+", match[3])
            near = did_you_mean(match[2], choices)
            what = "command" if "COMMAND" in match[1] else "choice"
            among = "" if near else f": {', '.join(choices)}"
            name = re.sub(r"argument (\S+): .*", r"\1", match[1])
            place = "" if what == "command" else f" for {name}"
            message = f"no {what} {match[2]!r}{place}{near or among}"
        raise UsageError(f"{message}; see `{self.prog} --help`")


class _Formatter(argparse.HelpFormatter):
    """Wrap text to the terminal, but leave examples as they are."""

    def __init__(self, prog: str) -> None:
        super().__init__(prog, max_help_position=26, width=min(99, shutil.get_terminal_size()[0]))

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        if text.startswith("examples:"):
            return text
        return super()._fill_text(text, width, indent)


def finish(
    parser: argparse.ArgumentParser,
    handler: Callable[[argparse.Namespace], int],
    *,
    printed: str = "one JSON object a line",
    database: bool = True,
) -> None:
    """Give a command ``--json``, which prints what `printed` says, ``--db`` and its handler.

    The handler returns the exit code for the parsed arguments. ``--db`` is left out unless the
    command uses a `database`: by default that of FLIPSEARCH_DB, or the usual one.
    """
    parser.add_argument("--json", action="store_true", help=f"print {printed}")
    parser.set_defaults(handler=handler)
    if not database:
        return
    parser.add_argument(
        "--db",
        metavar="URL",
        default=os.environ.get("FLIPSEARCH_DB") or None,
        help="catalogue: the path of an SQLite file, or postgresql://user@host/name (default: "
        "the variable FLIPSEARCH_DB, else db/catalogue.sqlite of a checkout, else a file in the "
        "user's data folder, which `doctor` names)",
    )


def natural(text: str) -> int:
    """Return a number from 0 on: the argparse type of counts and seeds."""
    if not (text.isascii() and text.isdecimal() and len(text) <= 64):
        raise argparse.ArgumentTypeError(f"{text[:20]!r} is no whole number from 0 on")
    return int(text)
