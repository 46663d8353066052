"""Drop compiled code on disk whose sources have changed.

numba keeps compiled functions in the folder of their source and looks at that one file alone.
Functions here are inlined across modules. An edit of one module therefore leaves the others'
compiled code stale, and it would go on behaving as the old version did.

Invariant: after `drop_stale(folder)` no compiled function of the folder is older than any of the
folder's sources.
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path


def drop_stale(folder: Path) -> None:
    """Remove numba's index files of a package folder that are older than its newest source.

    A folder that cannot be written is left alone: numba then keeps its code elsewhere.
    """
    with suppress(OSError):
        indices = list((folder / "__pycache__").glob("*.nbi"))
        if indices:
            newest = max(source.stat().st_mtime_ns for source in folder.glob("*.py"))
            for index in indices:
                if index.stat().st_mtime_ns < newest:
                    index.unlink(missing_ok=True)
