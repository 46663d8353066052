#!/usr/bin/env python3
"""Run flipsearch from a checkout, with nothing installed but Python 3.11 or later.

The first use makes ``.venv`` in this folder and installs locked dependencies into it. After that
this file only hands over to the command line. Two commands are its own: ``run.py test`` runs the
tests, ``run.py install SET`` installs one of the sets in ``requirements/``, for instance ``gpu``.
It needs only the standard library.

Invariant: a mark in ``.venv`` holds the digest of each lock file installed there and of this
folder's path. A changed lock file, or a checkout that has moved, installs again.
"""

from __future__ import annotations

import os
import signal
import sys


def leave(*_: object) -> None:
    """End at once with one line on standard error and exit code 130, as after Ctrl-C."""
    os.write(2, b"flipsearch: interrupted\n")
    os._exit(130)


if __name__ == "__main__" and signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:
    signal.signal(signal.SIGINT, leave)

import hashlib  # noqa: E402 - Ctrl-C is one line while these load, too
import subprocess  # noqa: E402
from pathlib import Path  # noqa: E402

ROOT = Path(__file__).resolve().parent
VENV = ROOT / ".venv"
PYTHON = VENV / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
SETS = sorted(path.stem for path in (ROOT / "requirements").glob("*.txt"))
SET_OF_COMMAND = {"test": "all", "plot": "plot", "report": "plot"}


def fail(message: str) -> None:
    """Say one line on standard error and stop."""
    print(f"flipsearch: {message}", file=sys.stderr)
    raise SystemExit(1)


def wanted_set(arguments: list[str]) -> str:
    """Return the name of the lock file that the command needs: all, base, plot or ray."""
    for previous, argument in zip(["", *arguments], arguments, strict=False):
        if argument == "--executor=ray" or (argument == "ray" and previous == "--executor"):
            return "ray"
    command = next((argument for argument in arguments if not argument.startswith("-")), "")
    if command == "bench-kernel" and any(a.startswith("--plot") for a in arguments):
        return "plot"
    return SET_OF_COMMAND.get(command, "base")


def digest(name: str) -> str:
    """Return what the mark of an installed set holds."""
    lock = (ROOT / "requirements" / f"{name}.txt").read_bytes()
    return hashlib.sha256(lock + os.fsencode(ROOT)).hexdigest()


def is_installed(wanted: str) -> bool:
    """Return whether `.venv` holds a set; each has ``base``, ``all`` has all but the GPUs'."""
    holders = {wanted} if wanted.startswith("gpu") else {wanted, "all"}
    for name in SETS if wanted == "base" else holders:
        mark = VENV / f"flipsearch-{name}"
        if mark.exists() and mark.read_text() == digest(name):
            return PYTHON.exists()
    return False


def hold_interrupts(hold: bool) -> None:
    """Hold SIGINT back, in programs started meanwhile for good, or let it through again."""
    if hasattr(signal, "pthread_sigmask"):
        how = signal.SIG_BLOCK if hold else signal.SIG_UNBLOCK
        signal.pthread_sigmask(how, [signal.SIGINT])


def do(*command: str) -> str:
    """Run a program and return its output; Ctrl-C ends it, with all that it started, unheard."""
    hold_interrupts(True)
    child = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        hold_interrupts(False)
        output, _ = child.communicate()
    except BaseException:
        os.killpg(child.pid, signal.SIGKILL) if os.name != "nt" else child.kill()
        raise
    if child.returncode:
        raise subprocess.CalledProcessError(child.returncode, command)
    return output


def install(wanted: str) -> None:
    """Make the environment and install a lock file into it, unless that is done already.

    A ``.pth`` file in it makes ``import flipsearch`` work from any folder.
    """
    if is_installed(wanted):
        return
    lock = f"requirements/{wanted}.txt"
    print(f"flipsearch: installing {lock} into .venv (once)", file=sys.stderr)
    try:
        if not (PYTHON.exists() and any(VENV.glob("flipsearch-*"))):
            do(sys.executable, "-m", "venv", str(VENV))
        pip = [str(PYTHON), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        do(*pip, "--require-hashes", "-r", str(ROOT / lock))
        packages = do(str(PYTHON), "-c", "import sysconfig; print(sysconfig.get_path('purelib'))")
        Path(packages.strip(), "flipsearch-checkout.pth").write_text(f"{ROOT}\n")
        (VENV / f"flipsearch-{wanted}").write_text(digest(wanted))
    except (OSError, subprocess.CalledProcessError) as error:
        fail(f"cannot install into {VENV.name}: {error}; mend that, or remove .venv and run again")


def test_options(arguments: list[str]) -> list[str]:
    """Return the arguments for pytest: one process a core, ``--quick`` leaves slow tests out."""
    affinity = getattr(os, "sched_getaffinity", None)
    cores = len(affinity(0)) if affinity else os.cpu_count() or 1
    options = ["-n", str(cores), "--dist", "loadgroup", "--no-loadscope-reorder"]
    for argument in arguments:
        options += ["-m", "not slow and not ray"] if argument == "--quick" else [argument]
    return options


def hand_over(command: list[str]) -> int:
    """Become another program, on Windows run it; return its exit code."""
    path = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path)}
    if os.name != "nt":
        os.execve(command[0], command, environment)
    return subprocess.run(command, env=environment).returncode


def main(arguments: list[str]) -> int:
    """Install what is needed and hand over."""
    if sys.version_info < (3, 11):  # noqa: UP036 - any Python 3 may start it
        fail(f"needs Python 3.11 or later, this is {sys.version.split()[0]}")
    if arguments[:1] == ["install"]:
        if len(arguments) != 2 or arguments[1] not in SETS:
            fail(f"install one of {', '.join(SETS)}: run.py install gpu")
        install(arguments[1])
        return 0
    install(wanted_set(arguments))
    if arguments[:1] == ["test"]:
        os.chdir(ROOT)
        return hand_over([str(PYTHON), "-m", "pytest", *test_options(arguments[1:])])
    hold_interrupts(True)  # until flipsearch.__main__ lets them through
    return hand_over([str(PYTHON), "-m", "flipsearch", *arguments])


if __name__ == "__main__":
    try:
        if signal.getsignal(signal.SIGINT) is leave:
            signal.signal(signal.SIGINT, signal.default_int_handler)
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        leave()
