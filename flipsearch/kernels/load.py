"""Kernels by name, by file, or from a scheme: imported like any other module."""

from __future__ import annotations

import os
from pathlib import Path
from types import ModuleType

from flipsearch.errors import NotFoundError
from flipsearch.formats import MatrixProduct, parse_format
from flipsearch.kernels.builtin import builtin_scheme
from flipsearch.kernels.emit import KernelError, emit_kernel
from flipsearch.kernels.loaded import module_of
from flipsearch.rings import Ring
from flipsearch.scheme import Scheme


def load_kernel(
    source: str | os.PathLike[str] | Scheme, database: str | None = None
) -> ModuleType:
    """Return an imported kernel module.

    Its functions can be sent to other processes that have the same cache folder.

    Parameters
    ----------
    source : str, path or Scheme
        A format (``"4x4x4"``: the stored scheme over ZT, Z or Q from which the fastest kernel is
        expected), a stored scheme's hash prefix, the path of a kernel file, or a scheme.
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
        if Path(source).suffix == ".py":
            return import_kernel(source)
        source = find_scheme(os.fspath(source), database)
    return module_of(emit_kernel(source), f"kernel_{source.content_hash[:12]}")


def import_kernel(path: str | os.PathLike[str]) -> ModuleType:
    """Return the module of a kernel file, fault-tolerant ones included.

    The text is copied to the cache folder and imported from there; a file that has changed is
    another module.

    Raises
    ------
    KernelError
        There is no such file, or it defines no ``matmul``.
    """
    path = Path(path)
    try:
        text = path.read_text(encoding="utf8")
    except OSError:
        raise KernelError(
            f"{path}: no kernel there; write one with `kernel FORMAT -o FILE`"
        ) from None
    except UnicodeDecodeError as error:
        raise KernelError(f"{path} is no kernel of flipsearch") from error
    try:
        module = module_of(text, path.stem)
    except Exception as error:
        raise KernelError(f"{path} is no kernel of flipsearch") from error
    if not callable(getattr(module, "matmul", None)) or not hasattr(module, "prove"):
        raise KernelError(f"{path} is no kernel of flipsearch")
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
