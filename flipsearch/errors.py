"""Define the errors for users: one class for each kind, one sentence that tells the remedy.

Every error raised on purpose derives from `FlipsearchError`, which holds the exit code of the
command line. Any other error that escapes is a bug. Messages name options as the command line
spells them. Python shows them as its arguments: ``start`` for ``--from``.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

_OPTION = re.compile(r"(?<!install )--([a-z]+)")
_ARGUMENTS = {"from": "start", "db": "Catalogue.open(path)"}
_spelled = ["arguments"]


class FlipsearchError(Exception):
    """Base of all errors raised on purpose, with the `exit_code` of the command line."""

    exit_code = 1

    def __str__(self) -> str:
        """Return the message, with options as arguments except in commands within backquotes."""
        parts = super().__str__().split("`")
        if _spelled[-1] == "arguments":
            parts[::2] = [
                _OPTION.sub(lambda option: _ARGUMENTS.get(option[1], option[1]), part)
                for part in parts[::2]
            ]
        return "`".join(parts)


def is_on_the_command_line() -> bool:
    """Return whether messages name options as the command line spells them."""
    return _spelled[-1] == "options"


@contextmanager
def on_the_command_line() -> Iterator[None]:
    """Let messages name options as the command line spells them."""
    _spelled.append("options")
    try:
        yield
    finally:
        _spelled.pop()


class UsageError(FlipsearchError):
    """An argument is not possible: unknown format or ring, size out of range, bad budget."""

    exit_code = 2


class FormatError(FlipsearchError):
    """A file or text does not have the form that it claims."""


class InvalidSchemeError(FlipsearchError):
    """A scheme does not satisfy the Brent equations of its format over its ring."""


class LiftError(FlipsearchError):
    """A scheme over a finite field does not lift; the message names the step."""


class CatalogueError(FlipsearchError):
    """A catalogue cannot be opened, read or written."""


class NotFoundError(FlipsearchError):
    """The catalogue has no entry of that name."""


def did_you_mean(word: str, choices: Iterable[str]) -> str:
    """Return `` (did you mean X?)`` for the choice most like a word, or an empty string."""
    near = difflib.get_close_matches(word.lower(), {each.lower(): each for each in choices}, 1)
    return f" (did you mean {near[0]}?)" if near else ""
