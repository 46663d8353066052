"""Define the errors for users: one class for each kind, one sentence that tells the remedy.

Every error raised on purpose derives from `FlipsearchError`, which holds the exit code of the
command line. Any other error that escapes is a bug.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class FlipsearchError(Exception):
    """Base of all errors raised on purpose, with the `exit_code` of the command line."""

    exit_code = 1


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
