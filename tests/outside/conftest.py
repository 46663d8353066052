"""Put the package `toys` on the path, as if somebody had installed it next to flipsearch."""

from pathlib import Path

import pytest

TOYS = Path(__file__).resolve().parent / "toys"


@pytest.fixture(autouse=True)
def toys_are_installed(monkeypatch):
    monkeypatch.syspath_prepend(str(TOYS))
