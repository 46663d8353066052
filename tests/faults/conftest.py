"""Emitted fault-tolerant modules, imported once a session."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Iterator
from types import ModuleType

import pytest

from flipsearch.faults import FaultTolerantScheme, write_fault_tolerant_kernel
from flipsearch.faults.presets import preset_folder, presets, read_union
from flipsearch.formats import parse_format


@pytest.fixture(scope="session")
def written(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Callable[[FaultTolerantScheme, str], ModuleType]]:
    """Return a function (union, name) -> its emitted module, imported."""
    folder = tmp_path_factory.mktemp("faulty")
    sys.path.insert(0, str(folder))
    made: dict[str, ModuleType] = {}

    def get(union: FaultTolerantScheme, name: str) -> ModuleType:
        if name not in made:
            losses = min(union.certificate().survives, 2)
            write_fault_tolerant_kernel(union, folder / f"{name}.py", losses=losses)
            importlib.invalidate_caches()
            made[name] = importlib.import_module(name)
        return made[name]

    yield get
    sys.path.remove(str(folder))


@pytest.fixture(scope="session")
def emitted(
    written: Callable[[FaultTolerantScheme, str], ModuleType],
) -> Callable[[str, int], ModuleType]:
    """Return a function (format, survive) -> the emitted module of the smallest preset."""

    def get(name: str, survive: int) -> ModuleType:
        union = presets(parse_format(name), survive)[0]
        return written(union, f"faulty_{name}_{survive}")

    return get


@pytest.fixture(scope="session")
def named(
    written: Callable[[FaultTolerantScheme, str], ModuleType],
) -> Callable[[str], ModuleType]:
    """Return a function n9_f1 -> the emitted module of the first 2x2x2 preset of that name."""

    def get(name: str) -> ModuleType:
        folder = preset_folder()
        assert folder is not None
        path = next(path for path in sorted(folder.glob("2x2x2_*")) if name in path.name)
        return written(read_union(path), f"named_{name}")

    return get
