"""Emitted fault-tolerant modules, imported once a session."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Iterator
from types import ModuleType

import pytest

from flipsearch.faults import write_fault_tolerant_kernel
from flipsearch.faults.presets import presets
from flipsearch.formats import parse_format


@pytest.fixture(scope="session")
def emitted(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Callable[[str, int], ModuleType]]:
    """Return a function (format, survive) -> the emitted module of the smallest preset."""
    folder = tmp_path_factory.mktemp("faulty")
    sys.path.insert(0, str(folder))
    made: dict[tuple[str, int], ModuleType] = {}

    def get(name: str, survive: int) -> ModuleType:
        if (name, survive) not in made:
            union = presets(parse_format(name), survive)[0]
            module = f"faulty_{name}_{survive}"
            write_fault_tolerant_kernel(union, folder / f"{module}.py", losses=min(survive, 2))
            importlib.invalidate_caches()
            made[name, survive] = importlib.import_module(module)
        return made[name, survive]

    yield get
    sys.path.remove(str(folder))
