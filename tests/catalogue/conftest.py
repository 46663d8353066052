from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from flipsearch.catalogue import Catalogue

BACKENDS = ["sqlite", pytest.param("postgresql", marks=pytest.mark.postgresql)]


@pytest.fixture(params=BACKENDS)
def address(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """Where a fresh catalogue may be made, on each kind of database."""
    if request.param == "sqlite":
        yield str(tmp_path / "catalogue.sqlite")
    else:
        with _server_database() as url:
            yield url


@pytest.fixture(scope="session", params=BACKENDS)
def template(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    """Give a fresh catalogue without schemes, to be copied: making one takes its time."""
    if request.param == "sqlite":
        path = str(tmp_path_factory.mktemp("template") / "catalogue.sqlite")
        _make_empty(path)
        yield path
    else:
        with _server_database() as url:
            _make_empty(url)
            yield url


def _make_empty(address: str) -> None:
    """Make a catalogue without the shipped schemes; nothing stays patched."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("flipsearch.catalogue.shipped.shipped_folder", lambda: None)
        Catalogue.open(address).close()


@pytest.fixture
def catalogue(template: str, tmp_path: Path) -> Iterator[Catalogue]:
    """Give an open catalogue without schemes, on each kind of database."""
    if "://" not in template:
        with Catalogue.open(shutil.copy(template, tmp_path)) as opened:
            yield opened
        return
    with _server_database(template) as url, Catalogue.open(url) as opened:
        yield opened


@contextmanager
def _server_database(template: str | None = None) -> Iterator[str]:
    server = os.environ.get("FLIPSEARCH_TEST_POSTGRESQL")
    if not server:
        pytest.skip("needs FLIPSEARCH_TEST_POSTGRESQL")
    from sqlalchemy import create_engine, text
    from sqlalchemy.engine import make_url

    url = make_url(server).set(drivername="postgresql+psycopg")
    name = f"flipsearch_test_{secrets.token_hex(4)}"
    copied = "" if template is None else f" TEMPLATE {make_url(template).database}"
    admin = create_engine(url, isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name}{copied}"))
    try:
        yield url.set(database=name).render_as_string(hide_password=False)
    finally:
        with admin.connect() as connection:
            connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))
        admin.dispose()


@pytest.fixture(autouse=True)
def _no_shipped_schemes(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Fresh catalogues start empty, and spool files go nowhere near the user's own."""
    monkeypatch.setattr("flipsearch.catalogue.shipped.shipped_folder", lambda: None)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.delenv("FLIPSEARCH_DB", raising=False)
