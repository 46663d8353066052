#!/usr/bin/env python3
"""Run flipsearch from a checkout, with nothing installed but Python 3.11 or later.

The first use makes ``.venv`` beside this file and installs the locked dependencies into it; after
that this file only hands over to the command line. `run.py test` installs what the tests need and
runs them. Standard library only.

Invariant: `.venv` holds exactly what the lock file of the wanted set says; a mark in `.venv` says
which lock file was installed last, so that a changed lock installs again.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent
VENV = ROOT / ".venv"
PYTHON = VENV / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
EXTRA_COMMANDS = {"test", "plot", "report"}


def fail(message: str) -> None:
    """Say one line on standard error and stop."""
    print(f"flipsearch: {message}", file=sys.stderr)
    raise SystemExit(1)


def wanted_set(arguments: list[str]) -> str:
    """Return the lock file the command needs: ``base``, or ``all`` for tests, plots and Ray."""
    ray = any(
        argument == "--executor=ray" or (argument == "ray" and previous == "--executor")
        for previous, argument in zip(["", *arguments], arguments, strict=False)
    )
    command = next((argument for argument in arguments if not argument.startswith("-")), "")
    plot = command == "bench-kernel" and any(a.startswith("--plot") for a in arguments)
    return "all" if ray or plot or command in EXTRA_COMMANDS else "base"


def install(wanted: str) -> None:
    """Make the environment, and install a lock file into it, unless that is done already."""
    lock = ROOT / "requirements" / f"{wanted}.txt"
    digest = hashlib.sha256(lock.read_bytes()).hexdigest()
    mark = VENV / f"flipsearch-{wanted}"
    full = VENV / "flipsearch-all"
    if PYTHON.exists():
        if mark.exists() and mark.read_text() == digest:
            return
        if wanted == "base" and full.exists():
            everything = (ROOT / "requirements" / "all.txt").read_bytes()
            if full.read_text() == hashlib.sha256(everything).hexdigest():
                return
    print(f"flipsearch: installing {lock.relative_to(ROOT)} into .venv (once)", file=sys.stderr)
    try:
        if not PYTHON.exists():
            subprocess.run([sys.executable, "-m", "venv", str(VENV)], check=True)
        command = [str(PYTHON), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*command, "--require-hashes", "-r", str(lock)], check=True)
        mark.write_text(digest)
    except (OSError, subprocess.CalledProcessError) as error:
        fail(f"cannot install into {VENV.name}: {error}; mend that, or remove .venv and run again")


def main(arguments: list[str]) -> int:
    """Install what is needed and hand over."""
    if sys.version_info < (3, 11):  # noqa: UP036 - it may be started by any Python 3
        fail(f"needs Python 3.11 or later, this is {sys.version.split()[0]}")
    install(wanted_set(arguments))
    environment = dict(os.environ)
    environment["PYTHONPATH"] = os.pathsep.join(
        [str(ROOT), *filter(None, [environment.get("PYTHONPATH")])]
    )
    if arguments[:1] == ["test"]:
        command = [str(PYTHON), "-m", "pytest", str(ROOT / "tests"), *arguments[1:]]
        return subprocess.run(command, cwd=ROOT, env=environment).returncode
    command = [str(PYTHON), "-m", "flipsearch", *arguments]
    if os.name != "nt":
        os.execve(command[0], command, environment)
    return subprocess.run(command, env=environment).returncode


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        print("flipsearch: interrupted", file=sys.stderr)
        sys.exit(130)
