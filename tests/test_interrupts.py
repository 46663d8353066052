"""Ctrl-C during start-up: one line and exit code 130 from the first instant, in real processes."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
LINE = "flipsearch: interrupted\n"

pytestmark = pytest.mark.skipif(os.name == "nt", reason="signals are POSIX's")


def start(arguments, **options):
    """Start a program with nothing of the caller's input, and the checkout to import from."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    pipes = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    return subprocess.Popen(arguments, env=environment, text=True, **pipes, **options)


def hold_interrupts():
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])


def test_an_interrupt_before_the_first_line_of_code():
    child = start([sys.executable, "-m", "flipsearch", "list"], preexec_fn=hold_interrupts)
    child.send_signal(signal.SIGINT)
    output, error = child.communicate(timeout=60)
    assert (child.returncode, output, error) == (130, "", LINE)


def test_the_checkout_hands_an_early_interrupt_over(tmp_path):
    """`run.py` holds signals back while it becomes another program; none is lost on the way."""
    program = (
        "import os, runpy, signal, sys\n"
        f"run = runpy.run_path({str(ROOT / 'run.py')!r})\n"
        "hand_over = run['hand_over']\n"
        "def interrupted(command):\n"
        "    os.kill(os.getpid(), signal.SIGINT)\n"
        "    return hand_over([sys.executable, *command[1:]])\n"
        "names = run['main'].__globals__\n"
        "names.update(hand_over=interrupted, install=lambda wanted: None)\n"
        "run['main'](['list'])\n"
    )
    child = start([sys.executable, "-c", program])
    output, error = child.communicate(timeout=60)
    assert (child.returncode, output, error) == (130, "", LINE)


def test_an_interrupted_installation(tmp_path):
    """The folder is no checkout yet: its installer waits for ever, until Ctrl-C."""
    (tmp_path / "run.py").write_text((ROOT / "run.py").read_text())
    (tmp_path / "requirements").mkdir()
    (tmp_path / "requirements" / "base.txt").write_text("")
    (tmp_path / "venv.py").write_text("import time\nprint('waiting', flush=True)\ntime.sleep(600)")
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    child = subprocess.Popen(
        [sys.executable, str(tmp_path / "run.py"), "list"],
        env=environment,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert "installing" in child.stderr.readline()
    child.send_signal(signal.SIGINT)
    _, error = child.communicate(timeout=60)
    assert (child.returncode, error) == (130, LINE)
    assert not (tmp_path / ".venv").exists()


@pytest.mark.parametrize("moment", ["argparse", "flipsearch.cli.output", "numpy", "sqlalchemy"])
@pytest.mark.parametrize("command", [["list"], ["doctor"], ["search", "2x2x2"]])
def test_an_interrupt_in_the_middle_of_imports(command, moment, tmp_path):
    """Python reports each finished import, so that the moment is the same on any machine."""
    database = str(tmp_path / "catalogue.sqlite")
    traced = [sys.executable, "-X", "importtime", "-m", "flipsearch", *command, "--db", database]
    child = start(traced)
    for line in child.stderr:
        if line.rpartition("|")[2].strip() == moment:
            break
    child.send_signal(signal.SIGINT)
    _, error = child.communicate(timeout=60)
    said = [line for line in error.splitlines(True) if not line.startswith("import time:")]
    assert (child.returncode, said) == (130, [LINE])


def test_ignored_interrupts_stay_ignored(tmp_path):
    """A background job of a shell, or one under nohup, is none of Ctrl-C's business."""
    child = start(
        [sys.executable, "-X", "importtime", "-m", "flipsearch", "--version"],
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_IGN),
    )
    child.stderr.readline()
    child.send_signal(signal.SIGINT)
    output, _ = child.communicate(timeout=60)
    assert child.returncode == 0
    assert output.startswith("flipsearch ")
