"""Compiled code older than any source of its folder is dropped, newer code is kept."""

import ast
import os
import re
from pathlib import Path

import flipsearch
from flipsearch.compiled import drop_stale

FLIPSEARCH = Path(flipsearch.__file__).parent
NUMBA = re.compile(r"^(from|import) numba", re.MULTILINE)


def test_stale_code_goes_and_fresh_code_stays(tmp_path):
    cache = tmp_path / "__pycache__"
    cache.mkdir()
    for name, when in [("old.py", 100), ("edited.py", 300)]:
        (tmp_path / name).write_text("")
        os.utime(tmp_path / name, (when, when))
    for name, when in [("stale.nbi", 200), ("fresh.nbi", 400)]:
        (cache / name).write_text("")
        os.utime(cache / name, (when, when))
    drop_stale(tmp_path)
    assert sorted(path.name for path in cache.iterdir()) == ["fresh.nbi"]


def test_a_folder_without_compiled_code(tmp_path):
    drop_stale(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_folders_whose_compiled_code_reaches_across_modules_are_looked_at():
    """What a compiled function calls is compiled into it, from whatever module it comes."""
    found = set()
    for path in FLIPSEARCH.rglob("*.py"):
        beside = {p.stem for p in path.parent.glob("*.py") if NUMBA.search(p.read_text())}
        package = ".".join(("flipsearch", *path.parent.relative_to(FLIPSEARCH).parts))
        for node in ast.walk(ast.parse(path.read_text())) if path.stem in beside else ():
            if isinstance(node, ast.ImportFrom) and node.module is not None:
                home, _, name = node.module.rpartition(".")
                if home == package and name in beside:
                    found.add(path.parent)
    assert found
    for folder in found:
        own, above = ((home / "__init__.py").read_text() for home in (folder, folder.parent))
        assert "drop_stale(" in own or ("drop_stale(" in above and f'"{folder.name}"' in above)
