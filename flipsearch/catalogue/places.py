"""Resolve the address of a catalogue, as a user types it, to a database.

A path is an SQLite file. Without an address the catalogue is ``db/catalogue.sqlite`` of the
checkout from which the package runs or, once installed, a file in the user's data folder. Other
databases are given by URL; PostgreSQL is supported.
"""

from __future__ import annotations

import errno
import hashlib
import os
import stat
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path

from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

import flipsearch
from flipsearch.errors import UsageError

FILE_NAME = "catalogue.sqlite"


@dataclass(frozen=True)
class Place:
    """The address of a catalogue: a URL, and the path if it is an SQLite file on disk.

    `is_default` tells whether it is the usual place because the user named none.
    """

    url: URL
    path: Path | None
    is_default: bool = False

    @property
    def is_sqlite(self) -> bool:
        """Whether it is an SQLite database, on disk or in memory."""
        return self.url.get_backend_name() == "sqlite"

    @property
    def in_memory(self) -> bool:
        """Whether it is an SQLite database in memory, which has one connection only."""
        return self.is_sqlite and self.path is None

    @property
    def label(self) -> str:
        """The catalogue's name in messages: the path, or the URL without its password."""
        return str(self.path) if self.path else self.url.render_as_string(hide_password=True)

    @property
    def lock(self) -> Path | None:
        """The lock file of the one writer of an SQLite catalogue on disk, or None."""
        if self.path is None:
            return None
        path = self.path.resolve()  # a file and all links to it have one lock
        return path.with_name(path.name + ".lock")

    @property
    def spools(self) -> list[tuple[Path, str]]:
        """The folders for spool files, in order of preference, and the beginnings of file names.

        The folders are the database's own, the user's data folder and the temporary folder.
        """
        digest = hashlib.sha256(self.label.encode()).hexdigest()[:12]
        name = f"flipsearch-{digest}.spool-"
        places = [(data_folder(), name), (shared_folder(), name)]
        if self.path is not None:
            places.insert(0, (self.path.parent, f"{self.path.name}.spool-"))
        return places


def checkout() -> Path | None:
    """Return the root of the checkout from which this package runs, or None if installed."""
    root = Path(flipsearch.__file__).resolve().parent.parent
    return root if (root / "pyproject.toml").is_file() and (root / "db").is_dir() else None


def data_folder() -> Path:
    """Return the user's data folder for this program; it need not exist yet."""
    import platformdirs

    return Path(platformdirs.user_data_dir("flipsearch", appauthor=False))


def shared_folder() -> Path:
    """Return this user's folder in the temporary folder; another user may have made it."""
    user = getattr(os, "getuid", lambda: "user")()
    return Path(tempfile.gettempdir()) / f"flipsearch-{user}"


def open_regular(path: Path, flags: int) -> int:
    """Open a regular file and return its descriptor; refuse links, pipes and folders."""
    for name in ("O_NOFOLLOW", "O_NONBLOCK", "O_CLOEXEC"):
        flags |= getattr(os, name, 0)
    descriptor = os.open(path, flags, 0o666)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(errno.EINVAL, f"{path.name} is no regular file", str(path))
    return descriptor


def resolve(address: str | os.PathLike[str] | None = None) -> Place:
    """Return the place of a path or a URL; by default that of FLIPSEARCH_DB, or the usual one.

    A URL that cannot be read, or of a database that is not supported, raises a `UsageError`.
    """
    if address is None:
        address = os.environ.get("FLIPSEARCH_DB") or None
    if address is None:
        root = checkout()
        found = _file((root / "db" if root else data_folder()) / FILE_NAME)
        return replace(found, is_default=True)
    text = os.fspath(address)
    if text in (":memory:", "sqlite://", "sqlite:///:memory:"):
        return Place(URL.create("sqlite"), None)
    if "://" not in text:
        if not text.strip():
            raise UsageError("an empty catalogue address: give a path or a URL")
        return _file(Path(text))
    try:
        url = make_url(text)
    except (ArgumentError, ValueError):
        raise UsageError(
            "cannot read that catalogue URL: write a path, or postgresql://user@host/database"
        ) from None
    backend = url.get_backend_name()
    if backend == "sqlite":
        if not url.database:
            raise UsageError("an SQLite URL needs a path: sqlite:///catalogue.sqlite")
        return _file(Path(url.database))
    if backend in ("postgresql", "postgres"):
        return Place(url.set(drivername="postgresql+psycopg"), None)
    raise UsageError(
        f"catalogues lie in SQLite files or PostgreSQL, not in {backend}: write a path, or "
        "postgresql://user@host/database"
    )


def _file(path: Path) -> Place:
    try:
        path = Path(os.path.abspath(path.expanduser()))
    except RuntimeError:
        raise UsageError(f"{path}: nobody here has that name") from None
    return Place(URL.create("sqlite", database=str(path)), path)
