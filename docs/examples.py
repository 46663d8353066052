"""Run the scripts of ``examples/`` and write ``docs/examples.md``: each script and its output.

Usage: ``.venv/bin/python docs/examples.py [NAME ...]``. Without a name all scripts run, for some
minutes; sections of others are kept as they are. Matplotlib draws ``docs/examples.svg``.
"""

from __future__ import annotations

import ast
import re
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "examples.md"
COMMANDS = {
    "find_4x4x4": f"--seed 1 --plot {ROOT / 'docs' / 'examples.svg'}",
    "own_tensor": "--budget 20s",
    "own_strategy": "--format 3x3x4 --target 29 --seeds 5 --budget 60s",
    "night_on_ray": "4x4x4 --budget 30s --every 10 --db night.sqlite",
}
HEAD = """# Examples, executed

Four scripts to copy from, each with the output of one run. It was made on two cores of an AMD
Zen 4 that other work kept busy (load 15).
`.venv/bin/python docs/examples.py` runs them again and writes this page. The tests run them with
small budgets.
"""


def section(name: str) -> str:
    """Run a script in an empty folder; return its part of the page."""
    source = (ROOT / "examples" / f"{name}.py").read_text()
    about = (ast.get_docstring(ast.parse(source)) or "").splitlines()[0]
    code = source.partition('"""\n\n')[2].rstrip()
    with tempfile.TemporaryDirectory() as folder:
        program = [sys.executable, str(ROOT / "examples" / f"{name}.py")]
        done = subprocess.run(
            [*program, *shlex.split(COMMANDS[name])],
            cwd=folder,
            check=True,
            stdout=subprocess.PIPE,
            text=True,
        )
    options = re.sub(rf"{ROOT}/docs/\S+", "rank.svg", COMMANDS[name])
    shown = f"$ python examples/{name}.py {options}\n{done.stdout.rstrip()}"
    picture = "\n![best rank over time](examples.svg)\n" if ".svg" in COMMANDS[name] else ""
    return f"## {name}\n\n{about}\n\n```\n{shown}\n```\n{picture}\n```python\n{code}\n```\n"


def main() -> None:
    """Write the page."""
    held = re.split(r"^(?=## )", PAGE.read_text() if PAGE.exists() else "", flags=re.MULTILINE)
    parts = {part.split()[1]: part for part in held if part.startswith("## ")}
    for name in sys.argv[1:] or COMMANDS:
        parts[name] = section(name)
    known = (parts[name].rstrip("\n") + "\n" for name in COMMANDS if name in parts)
    PAGE.write_text("\n".join([HEAD, *known]))


if __name__ == "__main__":
    main()
