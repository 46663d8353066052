from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest

from flipsearch.catalogue import Catalogue

BACKENDS = ["sqlite", pytest.param("postgresql", marks=pytest.mark.postgresql)]


@pytest.fixture(params=BACKENDS)
def address(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """Where a fresh catalogue may be made, on each kind of database."""
    if request.param == "sqlite":
        yield str(tmp_path / "catalogue.sqlite")
        return
    server = os.environ.get("FLIPSEARCH_TEST_POSTGRESQL")
    if not server:
        pytest.skip("needs FLIPSEARCH_TEST_POSTGRESQL")
    from sqlalchemy import create_engine, text
    from sqlalchemy.engine import make_url

    url = make_url(server).set(drivername="postgresql+psycopg")
    name = f"flipsearch_test_{secrets.token_hex(4)}"
    admin = create_engine(url, isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name}"))
    try:
        yield url.set(database=name).render_as_string(hide_password=False)
    finally:
        with admin.connect() as connection:
            connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))
        admin.dispose()


@pytest.fixture
def catalogue(address: str) -> Iterator[Catalogue]:
    with Catalogue.open(address) as opened:
        yield opened


@pytest.fixture(autouse=True)
def _no_shipped_schemes(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Fresh catalogues start empty, and spool files go nowhere near the user's own."""
    monkeypatch.setattr("flipsearch.catalogue.shipped.shipped_folder", lambda: None)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.delenv("FLIPSEARCH_DB", raising=False)
