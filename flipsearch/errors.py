"""The errors a user can meet: one class a kind, one sentence that says what to do.

Everything raised on purpose derives from `FlipsearchError`, which carries the exit code that the
command line returns for it. Anything else that escapes is a bug.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class FlipsearchError(Exception):
    """Base of all errors raised on purpose; `exit_code` is what the command line returns."""

    exit_code = 1


class UsageError(FlipsearchError):
    """An argument that cannot be meant: unknown format or ring, size out of range, bad budget."""

    exit_code = 2


class FormatError(FlipsearchError):
    """A file or text that is not what it claims to be."""


class InvalidSchemeError(FlipsearchError):
    """A scheme that does not satisfy the Brent equations of its format over its ring."""


class LiftError(FlipsearchError):
    """A scheme over a finite field that does not lift; the message names the step."""


class CatalogueError(FlipsearchError):
    """A catalogue that cannot be opened, read or written."""


class NotFoundError(FlipsearchError):
    """Nothing in the catalogue answers to that name."""


def did_you_mean(word: str, choices: Iterable[str]) -> str:
    """Return `` (did you mean X?)`` for the choice most like a word, or nothing."""
    near = difflib.get_close_matches(word.lower(), {each.lower(): each for each in choices}, 1)
    return f" (did you mean {near[0]}?)" if near else ""
