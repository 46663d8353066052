"""Compiled functions: typed where mypy sees them, and recompiled when what they call changes."""

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

import flipsearch
from flipsearch.algebra.jit import njit

FLIPSEARCH = Path(flipsearch.__file__).parent
ALLOWED = "# mypy: allow-untyped-defs"


@njit
def doubled(x):
    """Return twice x."""
    return x + x


@njit(inline="always")
def tripled(x):
    return x + x + x


@njit(cache=False)
def both(x):
    return doubled(x) + tripled(x)


def test_functions_compile_and_keep_their_name():
    assert both(2) == 10
    assert (doubled.__name__, doubled.__doc__) == ("doubled", "Return twice x.")


def run(folder, code, **environment):
    command = [sys.executable, "-c", code]
    paths = os.pathsep.join([str(folder), str(FLIPSEARCH.parent)])
    variables = {**os.environ, "PYTHONPATH": paths, **environment}
    return subprocess.run(
        command, cwd=folder, env=variables, capture_output=True, text=True, check=True
    ).stdout


SOURCE = """
from flipsearch.algebra.jit import njit
from {inner} import value

@njit
def outer():
    return value()
"""
CALL = "from {outer} import outer; print(outer(), bool(outer.stats.cache_hits))"


def inner(number):
    return (
        "from flipsearch.algebra.jit import njit\n"
        f"@njit(inline='always')\ndef value():\n    return {number}\n"
    )


def write(path, text):
    """Write a source that keeps its time stamp: only its text tells that it has changed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    os.utime(path, (10**9, 10**9))
    for code in (path.parent / "__pycache__").glob(f"{path.stem}.*.pyc"):
        code.unlink()


def test_an_edited_module_recompiles_what_calls_it(tmp_path):
    """numba looks at the file of `outer` alone and would go on returning 1."""
    call = CALL.format(outer="plug.outer")
    write(tmp_path / "plug" / "__init__.py", "")
    write(tmp_path / "plug" / "outer.py", SOURCE.format(inner="plug.inner"))
    write(tmp_path / "plug" / "inner.py", inner(1))
    cache = {"NUMBA_CACHE_DIR": str(tmp_path / "cache")}
    assert run(tmp_path, call, **cache) == "1 False\n"
    assert run(tmp_path, call, **cache) == "1 True\n"
    write(tmp_path / "plug" / "inner.py", inner(2))
    assert run(tmp_path, call, **cache) == "2 False\n"


@pytest.mark.parametrize("home", ["algebra", "walk", "walk/inner"])
def test_sources_of_the_ground_floor_and_of_the_own_part_count(home, tmp_path):
    package = tmp_path / "flipsearch"
    (package / "algebra").mkdir(parents=True)
    source = (FLIPSEARCH / "algebra" / "jit.py").read_text()
    for folder in ("", "algebra", home):
        write(package / folder / "__init__.py", "")
    write(package / "algebra" / "jit.py", source)
    place = f"flipsearch.{home}.value".replace("/", ".")
    write(package / "walk" / "outer.py", SOURCE.format(inner=place))
    write(package / home / "value.py", inner(1))
    call = CALL.format(outer="flipsearch.walk.outer")
    assert run(tmp_path, call) == "1 False\n"
    write(package / "kernels" / "other.py", "")
    assert run(tmp_path, call) == "1 True\n"
    write(package / home / "value.py", inner(2))
    assert run(tmp_path, call) == "2 False\n"


def test_no_folder_to_write_is_no_error(tmp_path):
    write(tmp_path / "module.py", inner(3).replace("inline='always'", ""))
    nowhere = tmp_path / "file"
    nowhere.write_text("")
    code = "from module import value; print(value())"
    assert run(tmp_path, code, NUMBA_CACHE_DIR=str(nowhere / "below")) == "3\n"


def test_python_functions_without_the_compiler(tmp_path):
    code = "from flipsearch.algebra.jit import njit\nprint(njit(lambda x: x + 1)(1))"
    assert run(tmp_path, code, NUMBA_DISABLE_JIT="1") == "2\n"


def is_compiled(function):
    return any("njit" in ast.unparse(decorator) for decorator in function.decorator_list)


def functions(path):
    tree = ast.walk(ast.parse(path.read_text()))
    return [node for node in tree if isinstance(node, ast.FunctionDef)]


def untyped(function):
    arguments = function.args
    named = arguments.posonlyargs + arguments.args + arguments.kwonlyargs
    bare = [a for a in named if a.annotation is None and a.arg not in ("self", "cls")]
    return bool(bare) or function.returns is None


def modules():
    return [path for path in FLIPSEARCH.rglob("*.py") if path.read_text().startswith(ALLOWED)]


def test_only_compiled_functions_are_untyped():
    for path in modules():
        for function in functions(path):
            assert is_compiled(function) or not untyped(function), (path, function.name)


def test_compiled_functions_call_their_own_part_and_the_ground_floor():
    """Whatever else they called could change without their cached code being dropped."""
    rooms = {}
    for path in FLIPSEARCH.rglob("*.py"):
        room = path.relative_to(FLIPSEARCH).parts[0]
        for function in functions(path):
            if is_compiled(function):
                rooms.setdefault(function.name, set()).add(room)
    assert "doubled" not in rooms
    for path in FLIPSEARCH.rglob("*.py"):
        room = path.relative_to(FLIPSEARCH).parts[0]
        if not any(is_compiled(function) for function in functions(path)):
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("flipsearch."):
                other = node.module.split(".")[1]
                names = {alias.name for alias in node.names}
                shared = {name for name in names if other in rooms.get(name, ())}
                assert other in (room, "algebra") or not shared, (path, other, shared)
