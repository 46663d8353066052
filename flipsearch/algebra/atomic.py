"""Write a file whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path


def write_whole(path: Path, data: bytes | str, *, replace: bool = True) -> None:
    """Write a file durably in an existing folder; after a failure it holds its earlier content.

    Text is encoded as UTF-8. Raises `FileExistsError` if `replace` is false, and the file exists
    or another process made it meanwhile; `OSError` if the file cannot be written. No partial file
    remains.
    """
    content = data.encode() if isinstance(data, str) else data
    part = path.parent / f".{path.name[:80]}.{os.urandom(4).hex()}"
    try:
        with part.open("xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        if replace or not _linked(part, path):
            os.replace(part, path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise


def _linked(part: Path, path: Path) -> bool:
    """Give a finished file a name that must be free; return False without hard links."""
    try:
        os.link(part, path)
    except FileExistsError:
        raise
    except OSError:
        return False
    part.unlink()
    return True
