"""Give one process at a time the lease to write to an SQLite catalogue.

SQLite would let two programs write in turn and wait for each other, and long searches would fail
at a random commit. Here the second program is refused at its first write, and the message names
the holder of the lease. The lease is a lock of the operating system on a file next to the
database. It ends with its process, however that ends.

Invariant: at most one process holds the lease of a path. Within a process it is shared and
counted; SQLite's own transactions keep its threads apart.
"""

from __future__ import annotations

import datetime as dt
import json
import os
import socket
import sys
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from flipsearch.catalogue.places import open_regular
from flipsearch.errors import CatalogueError

_POLL_SECONDS = 0.05
_guard = threading.Lock()
_held: dict[Path, _Held] = {}


@dataclass
class _Held:
    descriptor: int
    count: int


def _try_lock(descriptor: int) -> bool:
    if sys.platform == "win32":
        import msvcrt

        try:
            os.lseek(descriptor, 1 << 20, os.SEEK_SET)
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True
    import fcntl

    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):
        return False
    return True


def _forget_in_child() -> None:
    """Close the lock files that a forked child inherited; the lease stays with its parent."""
    global _guard
    _guard = threading.Lock()
    for held in _held.values():
        os.close(held.descriptor)
    _held.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_in_child)


def _located(path: Path) -> Path:
    """Return the path of a lock file with all links of its folder resolved."""
    return path.parent.resolve() / path.name


class Lease:
    """The right to write to a database, until `release`.

    The lock file `path` is made if it is missing, and `name` is the database's name in messages.
    The lease is waited for up to `wait` seconds. If another process holds it then, or the folder
    cannot be written, a `CatalogueError` is raised.
    """

    def __init__(self, path: Path, name: str, wait: float = 5.0) -> None:
        self.path = _located(path)
        self._released = False
        deadline = time.monotonic() + wait
        while True:
            with _guard:
                if self._take():
                    return
            if time.monotonic() >= deadline:
                raise CatalogueError(
                    f"{name} is being written by {holder(self.path) or 'another process'}: wait "
                    "until it ends, or choose another catalogue with --db (several writers at "
                    "once need PostgreSQL)"
                )
            time.sleep(_POLL_SECONDS)

    def _take(self) -> bool:
        held = _held.get(self.path)
        if held is not None:
            held.count += 1
            return True
        try:
            descriptor = open_regular(self.path, os.O_RDWR | os.O_CREAT)
        except OSError as error:
            raise CatalogueError(
                f"cannot write to {self.path.parent}: {error.strerror or error}; choose another "
                "catalogue with --db"
            ) from None
        if not _try_lock(descriptor):
            os.close(descriptor)
            return False
        with suppress(OSError):  # on a full disk the lock still holds, without a signature
            _sign(descriptor)
        _held[self.path] = _Held(descriptor, 1)
        return True

    def release(self) -> None:
        """Release the lease; later calls do nothing."""
        with _guard:
            held = _held.get(self.path)
            if self._released or held is None:
                return
            self._released = True
            held.count -= 1
            if held.count == 0:
                del _held[self.path]
                os.close(held.descriptor)


def _sign(descriptor: int) -> None:
    signature = {
        "pid": os.getpid(),
        "host": socket.gethostname(),
        "command": " ".join([Path(sys.argv[0] or "python").name, *sys.argv[1:]])[:120],
        "since": dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
    }
    os.ftruncate(descriptor, 0)
    os.lseek(descriptor, 0, os.SEEK_SET)
    os.write(descriptor, json.dumps(signature).encode())


def holder(path: Path) -> str | None:
    """Return a description of the process that signed a lock file, or None."""
    try:
        with open(open_regular(path, os.O_RDONLY), "rb") as file:
            signed = json.loads(file.read(4096))
        return (
            f"process {int(signed['pid'])} on {signed['host']} ({signed['command']}, since "
            f"{signed['since']})"
        )
    except (OSError, ValueError, KeyError, TypeError):
        return None


def is_held(path: Path) -> bool:
    """Return whether any process, including this one, holds the lease of a lock file."""
    path = _located(path)
    with _guard:
        if path in _held:
            return True
        try:
            descriptor = open_regular(path, os.O_RDWR)
        except OSError:
            return False
        try:
            return not _try_lock(descriptor)
        finally:
            os.close(descriptor)
