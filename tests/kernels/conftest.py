"""Kernel tests neither time this machine nor write to the user's cache folder."""

import pytest


@pytest.fixture(scope="session")
def kernel_cache(tmp_path_factory):
    """Return the folder in which the session's loaded kernels are kept."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(autouse=True)
def shipped_speeds(monkeypatch, kernel_cache):
    """Choose by the shipped default table."""
    monkeypatch.setenv("FLIPSEARCH_TUNING", "default")
    monkeypatch.setenv("FLIPSEARCH_CACHE", str(kernel_cache))
