"""Kernels by name: written to a cache folder, imported like any other module.

Invariant: a cached file is imported only when its text is exactly what would be written now; a
changed or damaged file is replaced first.
"""

from __future__ import annotations

import importlib.util
import os
import sys
from pathlib import Path
from types import ModuleType

import platformdirs

from flipsearch.errors import NotFoundError
from flipsearch.formats import MatrixProduct, parse_format
from flipsearch.kernels.builtin import builtin_scheme
from flipsearch.kernels.emit import KernelError, emit_kernel, write_kernel
from flipsearch.rings import Ring
from flipsearch.scheme import Scheme


def cache_folder() -> Path:
    """Return the folder kernels are written to: FLIPSEARCH_CACHE or the user's cache folder."""
    chosen = os.environ.get("FLIPSEARCH_CACHE")
    base = Path(chosen) if chosen else Path(platformdirs.user_cache_dir("flipsearch"))
    return base / "kernels"


def load_kernel(
    source: str | os.PathLike[str] | Scheme, database: str | None = None
) -> ModuleType:
    """Return an imported kernel module.

    Parameters
    ----------
    source : str, path or Scheme
        A format (``"4x4x4"``: the stored scheme of lowest rank over ZT, Z or Q), a stored
        scheme's hash prefix, the path of a kernel file, or a scheme.
    database : str, optional
        Catalogue to look in; the usual one by default.

    Returns
    -------
    module
        With ``matmul(a, b, out=None, threads=None, levels=None)`` and ``prove()``.

    Raises
    ------
    NotFoundError
        Nothing is stored under that name.
    KernelError
        The file is no kernel.
    """
    if not isinstance(source, Scheme):
        path = Path(source)
        if path.suffix == ".py":
            return import_kernel(path)
        source = find_scheme(os.fspath(source), database)
    folder = cache_folder()
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"kernel_{source.content_hash[:20]}.py"
    try:
        current = path.read_text(encoding="utf8") == emit_kernel(source)
    except (OSError, UnicodeDecodeError):
        current = False
    if not current:
        write_kernel(source, path)
    return import_kernel(path)


def import_kernel(path: str | os.PathLike[str]) -> ModuleType:
    """Import a kernel file as a module of its own; the same file is imported once.

    Raises
    ------
    KernelError
        There is no such file, or it defines no ``matmul`` and ``SCHEME``.
    """
    path = Path(path).resolve()
    name = f"flipsearch_kernel_{path.stem}_{abs(hash(path)):x}"
    stamp = path.stat().st_mtime_ns if path.is_file() else None
    known = sys.modules.get(name)
    if known is not None and getattr(known, "_stamp", None) == stamp:
        return known
    specification = importlib.util.spec_from_file_location(name, path)
    if stamp is None or specification is None or specification.loader is None:
        raise KernelError(f"{path}: no kernel there; write one with `kernel FORMAT -o FILE`")
    module = importlib.util.module_from_spec(specification)
    sys.modules[name] = module
    try:
        specification.loader.exec_module(module)
        if not callable(module.matmul) or not isinstance(module.SCHEME, str):
            raise AttributeError
    except BaseException as error:
        sys.modules.pop(name, None)
        if not isinstance(error, Exception):
            raise
        hint = ": import a fault-tolerant one like any module" if hasattr(module, "CODE") else ""
        raise KernelError(f"{path} is no kernel of flipsearch{hint}") from error
    module._stamp = stamp  # type: ignore[attr-defined]
    return module


def find_scheme(name: str, database: str | None = None) -> Scheme:
    """Return a scheme a kernel can be written from: by format, or by hash prefix.

    Parameters
    ----------
    name : str
        A format such as ``4x4x4`` or ``gt:4x4x4``, or at least 6 hex digits of a hash.
    database : str, optional
        Catalogue to look in.

    Raises
    ------
    NotFoundError
        Nothing is stored under that name.
    """
    from flipsearch.catalogue import Catalogue

    with Catalogue.open(database, read_only=True) as catalogue:
        if "x" not in name:
            return catalogue.get(name).scheme
        format_ = parse_format(name)
        record = catalogue.best(format_, Ring.Q)
        schemes = [] if record is None else [_turned(record.scheme, format_)]
    known = builtin_scheme(format_)
    if known is not None:
        schemes.append(known)
    if not schemes:
        raise NotFoundError(
            f"no scheme for {format_} over ZT, Z or Q is stored: find one with "
            f"`search {format_} --ring ZT`, or lift one"
        )
    return min(schemes, key=lambda scheme: (scheme.rank, scheme.nonzeros))


def _turned(scheme: Scheme, format_: MatrixProduct) -> Scheme:
    """Return the scheme for the asked order of the sides; it may be stored in another one."""
    from flipsearch.transform import ORDERS, permute

    stored = scheme.format
    if stored == format_ or not isinstance(stored, MatrixProduct):
        return scheme
    order = next(order for order in ORDERS if stored.permuted(order) == format_)
    return permute(scheme, order)
