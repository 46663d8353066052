"""Hold the loaded kernels as modules of one package, whose files lie in the cache folder.

Functions are pickled by the name of their module. A loaded kernel's module is
``flipsearch.kernels.loaded.NAME``, and NAME contains a digest of the text. Every process with the
same cache folder finds the same code under the same name: processes started by spawn, Ray workers,
a second run of the same script, two versions of flipsearch side by side.

Invariant: a file is imported only when its text is exactly the given one. Nothing is ever imported
from a folder of another user.
"""

from __future__ import annotations

import hashlib
import importlib
import logging
import os
import re
import stat
import sys
import tempfile
from contextlib import suppress
from pathlib import Path
from types import ModuleType

import platformdirs

from flipsearch.algebra.atomic import write_whole


def cache_folder() -> Path:
    """Return the folder kernels are written to: FLIPSEARCH_CACHE or the user's cache folder."""
    chosen = os.environ.get("FLIPSEARCH_CACHE")
    base = Path(chosen) if chosen else Path(platformdirs.user_cache_dir("flipsearch"))
    return (base / "kernels").absolute()


def temporary_folder() -> Path:
    """Return the folder of this user for kernels where the cache folder cannot be written."""
    user = str(os.getuid()) if hasattr(os, "getuid") else ""
    return Path(tempfile.gettempdir()).absolute() / f"flipsearch-kernels-{user}"


def _is_ours(folder: Path) -> bool:
    """Return whether nobody else can have written to a folder in a shared place."""
    try:
        found = folder.lstat()
    except OSError:
        return False
    owned = not hasattr(os, "getuid") or (found.st_uid == os.getuid() and not found.st_mode & 0o77)
    return stat.S_ISDIR(found.st_mode) and owned


def module_of(text: str, stem: str) -> ModuleType:
    """Return the module of a text, imported once a process; `stem` is a part of its name."""
    digest = hashlib.sha256(text.encode()).hexdigest()[:16]
    name = re.sub(r"\W", "_", f"{stem}_{digest}")
    folder = str(_kept(f"{name}.py", text))
    known = sys.modules.get(f"{__name__}.{name}")
    if known is not None:
        return known
    __path__[:] = [folder, *(other for other in __path__ if other != folder)]
    importlib.invalidate_caches()
    return importlib.import_module(f"{__name__}.{name}")


def _kept(name: str, text: str) -> Path:
    """Return a folder in which the file of that name holds that text, after writing it there."""
    first = cache_folder()
    if not _holds(first / name, text):
        try:
            first.mkdir(parents=True, exist_ok=True)
            write_whole(first / name, text)
        except OSError as error:
            spare = temporary_folder()
            with suppress(OSError):
                spare.mkdir(mode=0o700)
            if not _is_ours(spare):
                spare = Path(tempfile.mkdtemp(prefix="flipsearch-kernels-"))
            logging.getLogger("flipsearch.kernels").warning(
                "%s cannot be written (%s): the kernel is kept in %s", first, error.strerror, spare
            )
            if not _holds(spare / name, text):
                write_whole(spare / name, text)
            return spare
    return first


def _holds(path: Path, text: str) -> bool:
    try:
        return path.read_text(encoding="utf8") == text
    except (OSError, UnicodeDecodeError):
        return False


__path__ = [str(cache_folder())]
if _is_ours(temporary_folder()):
    __path__.append(str(temporary_folder()))
