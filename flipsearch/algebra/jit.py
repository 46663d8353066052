"""Compile functions with numba, with types for mypy and a cache that never goes stale.

**Types.** Arguments of a compiled function have numba's types, which mypy does not know. A module
of compiled code therefore begins with ``# mypy: allow-untyped-defs`` and leaves those arguments
without annotations; the docstring gives shape and dtype. A test checks that such a module has no
other untyped code. `njit` is a typed decorator: mypy still checks the number and names of
arguments and all existing annotations in every call, and no ``type: ignore`` is needed.

**Cache.** numba keeps compiled code on disk and recompiles a function if its own source file has
changed. Functions here are compiled into functions of other modules. `njit` therefore replaces the
file's time stamp by a digest of every source whose code may have been compiled in.

**Processes.** numba numbers the files of compiled code from 1 and writes the index first. A second
process can then find its own key with code of another signature or of an older source, and run it.
Here the name of a file comes from its key and sources, and it is written before the index.
numba also numbers functions from 1 and makes symbols of the numbers. Two closures of one function,
compiled in two processes, may then have the same symbol. A third process that loads both would
run one in the place of the other. Here each process numbers from a random integer.

Invariant: code is taken from the cache only if no source of this folder and of the function's own
part of flipsearch (``walk``, ``lift``, ...) has changed since it was compiled. A compiled function
may therefore call only compiled functions of its own part and of this folder. A function outside
flipsearch may call all compiled functions of flipsearch and of its own package.
"""

from __future__ import annotations

import hashlib
import itertools
import secrets
from collections.abc import Callable
from functools import lru_cache, partial
from pathlib import Path
from typing import Any, ParamSpec, TypeVar, overload

import numba
from numba.core import bytecode, event
from numba.core.serialize import dumps

from flipsearch.algebra.cache import keep_compiled
from flipsearch.algebra.compiling import compilations
from flipsearch.algebra.constants import PruningCompiler

_P = ParamSpec("_P")
_R = TypeVar("_R")

_ALGEBRA = Path(__file__).resolve().parent
_PACKAGE = _ALGEBRA.parent


class _Reported(event.Listener):
    def on_start(self, event: Any) -> None:
        compilations.begin()

    def on_end(self, event: Any) -> None:
        compilations.end()


_functions: Any = bytecode.FunctionIdentity
_functions._unique_ids = itertools.count(secrets.randbits(48))
_numba_events: Any = event  # untyped
_numba_events.register("numba:compile", _Reported())


@overload
def njit(function: Callable[_P, _R], /) -> Callable[_P, _R]: ...
@overload
def njit(**options: Any) -> Callable[[Callable[_P, _R]], Callable[_P, _R]]: ...
def njit(function: Any = None, /, **options: Any) -> Any:
    """Compile a function when it is first called: `numba.njit` with the options used here.

    ``nogil`` is True by default, and so is ``cache`` unless ``inline="always"``, since such a
    function only exists within others. Without a function a decorator with these options is
    returned. Where no folder for a cache is writable the function is compiled in every process.
    """
    if function is None:
        return partial(njit, **options)
    cache = options.pop("cache", options.get("inline") != "always")
    options = {"nogil": True, "pipeline_class": PruningCompiler, **options}
    compiled = numba.njit(**options)(function)
    if cache and compiled is not function:  # equal if NUMBA_DISABLE_JIT is set
        source = Path(function.__code__.co_filename).resolve()
        keep_compiled(compiled, _stamp(*_sources(source)))
        compiled._cache._index_key = partial(_cache_key, function)
    return compiled


def _cache_key(function: Any, signature: Any, codegen: Any) -> tuple[Any, ...]:
    """Return the key of compiled code: signature, machine and function.

    numba's own key changes in every process if a variable of an enclosing function is compiled.
    """
    return signature, codegen.magic_tuple(), _digest(function)


def _digest(function: Any) -> str:
    """Return a digest of a function's code and of the variables of enclosing functions."""
    digest = hashlib.sha256(function.__code__.co_code)
    for cell in function.__closure__ or ():
        inner = getattr(cell.cell_contents, "py_func", None)
        own = dumps(cell.cell_contents) if inner is None else _digest(inner).encode()  # type: ignore[no-untyped-call]
        digest.update(own)
    return digest.hexdigest()


def _sources(path: Path) -> tuple[Path, ...]:
    """Return the folders and files whose code may be compiled into functions of a source file."""
    if not path.is_relative_to(_PACKAGE):
        own = path.parent if (path.parent / "__init__.py").exists() else path
        return own, _PACKAGE
    return _ALGEBRA, _PACKAGE / path.relative_to(_PACKAGE).parts[0]


@lru_cache(maxsize=64)
def _stamp(*places: Path) -> str:
    """Return a digest of the given Python sources and of all sources in the given folders."""
    digest = hashlib.sha256()
    for place in places:
        for path in sorted(place.rglob("*.py")) if place.is_dir() else [place]:
            text = path.read_bytes()
            digest.update(f"{path.name} {len(text)}\n".encode() + text)
    return digest.hexdigest()
