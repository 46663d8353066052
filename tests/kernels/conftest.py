"""Kernel tests neither time this machine nor write to the user's cache folder."""

import pytest


@pytest.fixture(autouse=True)
def shipped_speeds(monkeypatch):
    """Choose by the shipped default table."""
    monkeypatch.setenv("FLIPSEARCH_TUNING", "default")
