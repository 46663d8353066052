"""`flipsearch` and `python -m flipsearch`: the command line, interruptible from its first instant.

Invariant: Ctrl-C is one line and exit code 130 at any time. Inside an import it ends the process
at once, because half-loaded libraries catch or garble the exception. Elsewhere it is the usual
`KeyboardInterrupt`, and commands save their results first.
"""

import os
import signal
import sys
from types import FrameType
from typing import NoReturn


def leave(*_: object) -> NoReturn:
    """End the process with one line on standard error and exit code 130."""
    os.write(2, b"flipsearch: interrupted\n")
    os._exit(130)


def interrupt(number: int, frame: FrameType | None) -> NoReturn:
    """Handle SIGINT: leave at once inside an import, else raise `KeyboardInterrupt`."""
    while frame is not None:
        if frame.f_code.co_filename == "<frozen importlib._bootstrap>":
            leave()
        frame = frame.f_back
    raise KeyboardInterrupt


def main() -> int:
    """Run the command line with Ctrl-C in hand and return its exit code."""
    if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:  # as after nohup
        signal.signal(signal.SIGINT, interrupt)
    try:
        if hasattr(signal, "pthread_sigmask"):  # run.py holds signals back until here
            signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGINT])
        from flipsearch.cli import main as command_line

        return command_line()
    except KeyboardInterrupt:
        leave()
    finally:
        if signal.getsignal(signal.SIGINT) is interrupt:
            signal.signal(signal.SIGINT, leave)  # while the interpreter shuts down


if __name__ == "__main__":
    sys.exit(main())
