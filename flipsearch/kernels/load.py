"""Load kernels by name, by file, or from a scheme; they are imported like any other module."""

from __future__ import annotations

import os
from pathlib import Path
from types import ModuleType

from flipsearch.kernels.checks import KernelError
from flipsearch.kernels.choice import find_scheme
from flipsearch.kernels.emit import emit_kernel
from flipsearch.kernels.loaded import module_of
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
        With ``matmul(a, b, out=None, threads=None, levels=None)``, of a tensor ``apply(a, b)``,
        and ``prove()``.

    Raises
    ------
    NotFoundError, KernelError
        Nothing is stored under that name; or the file is no kernel.

    Examples
    --------
    >>> from flipsearch.scheme import naive_scheme
    >>> kernel = load_kernel(naive_scheme("2x2x2", "ZT"))
    >>> kernel.prove()
    >>> kernel.matmul([[1, 2], [3, 4]], [[0, 1], [1, 0]]).tolist()
    [[2, 1], [4, 3]]
    """
    if not isinstance(source, Scheme):
        if Path(source).suffix == ".py":
            return import_kernel(source)
        source = find_scheme(os.fspath(source), database)
    return module_of(emit_kernel(source), f"kernel_{source.content_hash[:12]}")


def import_kernel(path: str | os.PathLike[str]) -> ModuleType:
    """Return the module of a kernel file, fault-tolerant ones included.

    The text is copied to the cache folder and imported from there; a file that has changed is
    another module. A missing file, or one that defines neither ``matmul`` nor ``apply``, raises a
    `KernelError`.
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
    except OSError:
        raise  # of the cache folder
    except Exception as error:
        raise KernelError(f"{path} is no kernel of flipsearch") from error
    works = getattr(module, "matmul", None) or getattr(module, "apply", None)
    if not callable(works) or not hasattr(module, "prove"):
        raise KernelError(f"{path} is no kernel of flipsearch")
    return module
