"""Write ``docs/recording.txt``: commands in a terminal of 80 columns, and their core time.

Usage: ``.venv/bin/python docs/recording.py > docs/recording.txt``. It needs a pseudo-terminal and
an empty folder, in which it makes a catalogue of its own.
"""

from __future__ import annotations

import fcntl
import os
import pty
import re
import struct
import sys
import tempfile
import termios
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
COMMANDS = (
    "search 3x3x3 --ring F2 --fresh --target 23 --budget 20s --gpu off",
    "list 3x3x3",
    "show 2x2x2 --products",
    "list --best --limit 6",
    "query --gap ..-1 --limit 5",
    "verify 3x3x3 --paranoid",
    "kernel 3x3x3 -o mm.py",
    "reduce 2x2x2 --budget 2s",
    "protect 2x2x2 --survive 1",
    "serch 4x4x4",
)
_CONTROL = re.compile(rb"\x1b\[[0-9;?]*([A-Za-z])|\r|\n|[^\x1b\r\n]+")


def screen(output: bytes) -> list[str]:
    """Return the lines that a terminal shows after some output; colours are left out."""
    lines, row, column = [""], 0, 0
    for match in _CONTROL.finditer(output):
        text = match[0]
        if text == b"\r":
            column = 0
        elif text == b"\n":
            row, column = row + 1, 0
            lines += [""] * (row + 1 - len(lines))
        elif match[1] == b"A":
            row = max(0, row - 1)
        elif match[1] == b"K":
            lines[row] = "" if b"2K" in text else lines[row][:column]
        elif match[1] is None:
            words = text.decode()
            lines[row] = (
                lines[row].ljust(column)[:column] + words + lines[row][column + len(words) :]
            )
            column += len(words)
    return [line.rstrip() for line in lines]


def run(command: str, folder: Path) -> tuple[list[str], float]:
    """Run a command in a terminal of 80 columns; return what it shows, and its seconds."""
    child, terminal = pty.fork()
    if child == 0:
        os.chdir(folder)
        os.environ |= {"TERM": "xterm", "PYTHONPATH": str(ROOT), "PAGER": "cat"}
        os.execv(sys.executable, [sys.executable, "-m", "flipsearch", *command.split()])
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 60, 80, 0, 0))
    output = b""
    try:
        while part := os.read(terminal, 65536):
            output += part
    except OSError:  # the other end is closed
        pass
    return screen(output), os.wait4(child, 0)[2].ru_utime


def main() -> None:
    """Print the recording."""
    with tempfile.TemporaryDirectory() as folder:
        os.environ["FLIPSEARCH_DB"] = "catalogue.sqlite"
        for command in COMMANDS:
            lines, seconds = run(command, Path(folder))
            print(f"$ flipsearch {command}")
            print("\n".join(lines).strip("\n").replace(f"{os.path.realpath(folder)}/", ""))
            print(f"[{seconds:.1f} s of a core]\n")


if __name__ == "__main__":
    main()
