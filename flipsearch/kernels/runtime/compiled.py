"""Compile functions by numba and keep them on disk for the next process.

numba's cache finds a function by its file and line, but compiled code names the module it was made
in. Each name that a file is imported by (`mm`, `package.mm`) therefore has entries of its own:
code made under one name cannot be loaded under another one alone.

Invariant: a function works where no folder can be written; it is then compiled in each process.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

import numba

from flipsearch.algebra.cache import keep_compiled

P = ParamSpec("P")
R = TypeVar("R")

VECTOR_BITS = int(os.environ.get("FLIPSEARCH_VECTOR_BITS") or 0)
"""Widest vectors to use, 0 for the processor's: 128, 256 or 512."""

HAS_COMPILER = not getattr(numba.config, "DISABLE_JIT", 0)
"""False under NUMBA_DISABLE_JIT=1: products are then left to numpy."""


def compiled(function: Callable[P, R], inline: str = "never") -> Callable[P, R]:
    """Return the function compiled; it needs no interpreter lock."""
    function.__qualname__ = f"{function.__module__}.{function.__qualname__}"
    jit: Any = numba.njit
    made = jit(nogil=True, inline=inline)(function)
    if HAS_COMPILER and inline == "never":
        keep_compiled(made, variant=VECTOR_BITS)
    result: Callable[P, R] = made
    return result


def inlined(function: Callable[P, R]) -> Callable[P, R]:
    """Return a function compiled into each of its callers."""
    return compiled(function, inline="always")
