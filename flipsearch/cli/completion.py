"""completion: a script by which a shell completes commands, options and their values.

The scripts are made from the parsers themselves and therefore know every option.
"""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from flipsearch.cli.output import printable


@dataclass(frozen=True)
class Option:
    """An option: its spellings, its help, whether a value follows, and which."""

    flags: tuple[str, ...]
    help: str
    takes_value: bool
    values: tuple[str, ...] = ()


@dataclass(frozen=True)
class Command:
    """A command or the part of one: its words, its help, its options, what may follow it."""

    path: tuple[str, ...]
    help: str
    options: tuple[Option, ...]
    words: tuple[str, ...] = ()
    parts: tuple[Command, ...] = field(default=(), repr=False)

    @property
    def all(self) -> Iterator[Command]:
        """The command itself and all its parts."""
        yield self
        for part in self.parts:
            yield from part.all


def register(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command of this group."""
    parser = commands.add_parser(
        "completion",
        help="print a script that completes commands in a shell",
        description="Print a script that completes commands, options and their values. The shell "
        "reads it when it starts.",
        examples=("completion bash", "completion zsh"),
    )
    parser.add_argument("shell", choices=tuple(SCRIPTS), help="the shell to print it for")
    parser.set_defaults(handler=run_completion)


def run_completion(arguments: argparse.Namespace) -> int:
    """Print the script of a shell."""
    from flipsearch.cli import build_parser

    print(SCRIPTS[arguments.shell](command_tree(build_parser(), _values())), end="")
    return 0


def command_tree(
    parser: argparse.ArgumentParser,
    values: dict[str, tuple[str, ...]],
    path: tuple[str, ...] = (),
    about: str = "",
) -> Command:
    """Return the words, options and parts that a parser takes.

    `values` gives the values of options that take any text, by their names. `path` and `about` are
    the words and the help of the command that it parses.
    """
    options, words, parts = [], list[str](), list[Command]()
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            abouts = {each.dest: each.help or "" for each in action._choices_actions}
            for name, below in action.choices.items():
                parts.append(command_tree(below, values, (*path, name), abouts.get(name, "")))
            words += list(action.choices)
        elif not action.option_strings:
            words += list(action.choices or ())
        else:
            known = values.get(action.option_strings[-1], ())
            options.append(
                Option(
                    tuple(action.option_strings),
                    "" if action.help == argparse.SUPPRESS else _line(action.help),
                    action.nargs != 0,
                    tuple(map(str, action.choices or known)),
                )
            )
    return Command(path, _line(about), tuple(options), tuple(words), tuple(parts))


def _values() -> dict[str, tuple[str, ...]]:
    from flipsearch.executors import executor_names
    from flipsearch.rings import Ring
    from flipsearch.search.registry import strategy_names

    return {
        "--ring": tuple(ring.value for ring in Ring),
        "--strategy": ("symmetric", *strategy_names()),
        "--executor": tuple(executor_names()),
    }


def _line(text: str | None) -> str:
    return printable(" ".join((text or "").split())).replace("%%", "%")


def bash_script(root: Command) -> str:
    """Return the script for bash: ``eval "$(flipsearch completion bash)"``."""
    paths = [part.path for part in root.all if part.path]
    descend = "|".join(shlex.quote(f"{' '.join(path[:-1])}/{path[-1]}") for path in paths)
    values, words = [], []
    for part in root.all:
        name = " ".join(part.path)
        for option in part.options:
            if option.takes_value:
                pattern = "|".join(shlex.quote(f"{name}/{flag}") for flag in option.flags)
                values.append(f"    {pattern}) known={shlex.quote(' '.join(option.values))} ;;")
        flags = (flag for option in part.options for flag in option.flags)
        words.append(
            f"    {shlex.quote(name)}) known={shlex.quote(' '.join([*part.words, *flags]))} ;;"
        )
    return f"""# eval "$(flipsearch completion bash)"
_flipsearch() {{
  local current=${{COMP_WORDS[COMP_CWORD]}} before=${{COMP_WORDS[COMP_CWORD - 1]}}
  local command="" known i
  for ((i = 1; i < COMP_CWORD; i++)); do
    case "$command/${{COMP_WORDS[i]}}" in
      {descend}) command="${{command:+$command }}${{COMP_WORDS[i]}}" ;;
    esac
  done
  case "$command/$before" in
{chr(10).join(values)}
    *) case "$command" in
{chr(10).join("  " + line for line in words)}
    esac ;;
  esac
  mapfile -t COMPREPLY < <(compgen -W "$known" -- "$current")
}}
complete -o default -F _flipsearch flipsearch
"""


def zsh_script(root: Command) -> str:
    """Return the script for zsh: ``flipsearch completion zsh > ~/.zfunc/_flipsearch``."""
    lines = ["#compdef flipsearch", ""]
    for part in root.all:
        lines += [f"{_zsh_name(part)}() {{", "  local state line curcontext=$curcontext"]
        specs = [_zsh_option(option) for option in part.options]
        if part.parts:
            pairs = " ".join(shlex.quote(f"{p.path[-1]}:{p.help}") for p in part.parts)
            lines.append(f"  local -a parts=({pairs})")
            specs += ["'1: :->part'", "'*:: :->rest'"]
        elif part.words:
            specs.append(shlex.quote(f"*: :({' '.join(part.words)})"))
        else:
            specs.append("'*: :_files'")
        lines.append("  _arguments -C \\\n    " + " \\\n    ".join(specs))
        if part.parts:
            lines += ["  case $state in", "    part) _describe command parts ;;"]
            lines += ["    rest) case $words[1] in"]
            lines += [f"      {p.path[-1]}) {_zsh_name(p)} ;;" for p in part.parts]
            lines += ["    esac ;;", "  esac"]
        lines += ["}", ""]
    return "\n".join([*lines, "compdef _flipsearch flipsearch", ""])


def _zsh_name(command: Command) -> str:
    return "_".join(["_flipsearch", *(word.replace("-", "_") for word in command.path)])


def _zsh_option(option: Option) -> str:
    about = "".join("\\" + c if c in "[]:\\" else c for c in option.help)
    value = ""
    if option.takes_value:
        value = f": :({' '.join(option.values)})" if option.values else ": :_files"
    return " ".join(shlex.quote(f"*{flag}[{about}]{value}") for flag in option.flags)


def fish_script(root: Command) -> str:
    """Return the script for fish: ``flipsearch completion fish | source``."""
    lines = []
    for part in root.all:
        if part.path:
            seen = " ".join(f"and __fish_seen_subcommand_from {word};" for word in part.path)
            here = seen.removeprefix("and ").rstrip(";")
        else:
            here = "__fish_use_subcommand"
        start = f"complete -c flipsearch -n {shlex.quote(here)}"
        helps = {below.path[-1]: below.help for below in part.parts}
        for word in part.words:
            lines.append(f"{start} -f -a {word} -d {shlex.quote(helps.get(word, ''))}")
        for option in part.options:
            flags = " ".join(
                f"-l {flag[2:]}" if flag.startswith("--") else f"-s {flag[1:]}"
                for flag in option.flags
            )
            value = " -r" if option.takes_value else ""
            if option.values:
                value = f" -x -a {shlex.quote(' '.join(option.values))}"
            lines.append(f"{start} {flags}{value} -d {shlex.quote(option.help)}")
    return "\n".join([*lines, ""])


SCRIPTS: dict[str, Callable[[Command], str]] = {
    "bash": bash_script,
    "zsh": zsh_script,
    "fish": fish_script,
}
"""Writers of completion scripts by shell."""
