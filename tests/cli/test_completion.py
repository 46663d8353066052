"""Completion scripts know every command, and the shells that are installed read them."""

from __future__ import annotations

import shutil
import subprocess

import pytest

from flipsearch.cli import build_parser, main
from flipsearch.cli.completion import SCRIPTS, bash_script, command_tree

RINGS = {"--ring": ("F2", "F3")}


@pytest.fixture(scope="module")
def tree():
    return command_tree(build_parser(), RINGS)


def completed(script: str, *words: str) -> list[str]:
    """Return what bash offers for the last of the words."""
    typed = " ".join(f"'{word}'" for word in ("flipsearch", *words))
    program = f"""{script}
COMP_WORDS=({typed}); COMP_CWORD={len(words)}; _flipsearch; printf '%s\\n' "${{COMPREPLY[@]}}" """
    done = subprocess.run(["bash", "-c", program], capture_output=True, text=True, check=True)
    return done.stdout.split()


@pytest.mark.skipif(not shutil.which("bash"), reason="needs bash")
@pytest.mark.parametrize(
    ("words", "offered"),
    [
        (["se"], ["search"]),
        (["search", "--ri"], ["--ring"]),
        (["search", "2x2x2", "--ring", "F"], ["F2", "F3"]),
        (["search", "--gpu", ""], ["auto", "off", "only"]),
        (["-q", "bounds", "u"], ["update"]),
        (["bounds", "list", "--js"], ["--json"]),
        (["search", "list", "--targ"], ["--target"]),
        (["search", "--run", ""], []),
    ],
)
def test_bash_completes(tree, words, offered):
    assert completed(bash_script(tree), *words) == offered


@pytest.mark.parametrize("shell", SCRIPTS)
def test_every_option_is_there(tree, shell):
    script = SCRIPTS[shell](tree)
    for part in tree.all:
        assert not part.path or part.path[-1] in script
        for option in part.options:
            spelled = option.flags[-1].lstrip("-") if shell == "fish" else option.flags[-1]
            assert spelled in script


@pytest.mark.parametrize("shell", SCRIPTS)
def test_the_shell_reads_its_script(shell, capsys, tmp_path):
    assert main(["completion", shell]) == 0
    script = tmp_path / "script"
    script.write_text(capsys.readouterr().out)
    if shutil.which(shell) is None:
        pytest.skip(f"needs {shell}")
    done = subprocess.run([shell, "-n", script], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_shell_that_is_not_known_is_refused(capsys):
    assert main(["completion", "cmd"]) == 2
    assert "no choice 'cmd' for shell: bash, zsh, fish" in capsys.readouterr().err
