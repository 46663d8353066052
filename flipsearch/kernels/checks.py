"""Check the parts of a generated module, and merge the runtime's modules into its text."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Set
from importlib import resources

from flipsearch.errors import FlipsearchError

ALLOWED_IMPORTS = {
    "__future__", "collections", "concurrent", "contextlib", "dataclasses", "functools",
    "hashlib", "itertools", "json", "llvmlite", "numba", "numpy", "os", "pathlib", "threading",
    "threadpoolctl", "time", "typing",
}  # fmt: skip
FORBIDDEN_NAMES = {
    "eval", "exec", "compile", "__import__", "open", "input", "globals", "locals", "setattr",
    "delattr", "vars", "breakpoint", "pickle", "subprocess", "system", "popen", "__builtins__",
    "__subclasses__", "__globals__", "__class__", "__bases__", "__code__",
}  # fmt: skip
_MAIN = "__name__ == '__main__'"


class KernelError(FlipsearchError):
    """A kernel that cannot be written, or a file that is no kernel."""


def check_source(
    text: str,
    imports: Set[str] = ALLOWED_IMPORTS,
    forbidden: Set[str] = FORBIDDEN_NAMES,
    is_program: bool = False,
) -> None:
    """Raise a `KernelError` unless a kernel's source is made of allowed parts only.

    At the top level these are a docstring, imports of the packages in `imports`, assignments,
    functions and classes; with `is_program` also ``if __name__ == "__main__":``. Names in
    `forbidden` may occur nowhere.
    """
    tree = ast.parse(text)
    top = (ast.Import, ast.ImportFrom, ast.Assign, ast.AnnAssign, ast.FunctionDef, ast.ClassDef)
    for statement in tree.body:
        text_only = isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)
        main = isinstance(statement, ast.If) and ast.unparse(statement.test) == _MAIN
        if not isinstance(statement, top) and not text_only and not (main and is_program):
            raise KernelError(f"line {statement.lineno}: no such statement belongs in a kernel")
    for node in ast.walk(tree):
        modules: list[str] = []
        if isinstance(node, ast.Import):
            modules = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            modules = [node.module or ""]
        for module in modules:
            if module.split(".")[0] not in imports:
                raise KernelError(f"a kernel does not import {module}")
        name = getattr(node, "id", getattr(node, "attr", None))
        if name in forbidden:
            raise KernelError(f"a kernel does not use {name}")


def merged_sources(package: str, names: Iterable[str]) -> tuple[str, str]:
    """Return the imports and the bodies of some modules as those of one module.

    `names` are modules of the package, or full names of others with a dot in them, each after
    those it imports. Their docstrings become comments; imports of flipsearch are left out.
    """
    whole: set[str] = set()
    parts: dict[str, set[str]] = {}
    bodies = []
    for name in names:
        where, _, name = (name if "." in name else f"{package}.{name}").rpartition(".")
        text = resources.files(where).joinpath(f"{name}.py").read_text(encoding="utf8")
        lines = text.splitlines()
        tree = ast.parse(text)
        dropped: set[int] = set()
        for node in tree.body:
            if isinstance(node, ast.Import | ast.ImportFrom):
                dropped.update(range(node.lineno, (node.end_lineno or node.lineno) + 1))
                module = getattr(node, "module", None) or ""
                if isinstance(node, ast.Import):
                    whole.add(ast.unparse(node))
                elif module != "__future__" and not module.startswith("flipsearch"):
                    parts.setdefault(module, set()).update(map(ast.unparse, node.names))
        docstring = tree.body[0]
        dropped.update(range(1, (docstring.end_lineno or 1) + 1))
        said = (ast.get_docstring(tree) or "").splitlines()
        body = [line for number, line in enumerate(lines, 1) if number not in dropped]
        comment = [f"# {line}".rstrip() for line in said]
        heading = ["", "", f"# ---- {name} ----", "#", *comment, "", ""]
        bodies.append("\n".join([*heading, "\n".join(body).strip()]))
    imports = [f"from {module} import {', '.join(sorted(x))}" for module, x in parts.items()]
    return "\n".join([*sorted(whole), *sorted(imports)]), "\n".join(bodies)
