"""Help explains every command and option; mistakes are one line that names the likely word."""

import argparse
import shlex

import pytest

from flipsearch.cli import build_parser, main


def commands(parser, path=()):
    """Yield (words, parser) of every command, those with commands of their own included."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for name, each in action.choices.items():
                yield (*path, name), each
                yield from commands(each, (*path, name))


COMMANDS = dict(commands(build_parser()))


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_every_command_explains_itself(words, monkeypatch):
    parser = COMMANDS[words]
    assert parser.description
    assert len(parser.examples) >= 2
    monkeypatch.setenv("COLUMNS", "80")
    text = parser.format_help()
    assert max(map(len, text.splitlines())) <= 80
    assert text.count("flipsearch " + words[0]) >= 3  # usage and two examples
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            continue
        assert action.help, action.dest
        takes_value = action.option_strings and action.nargs != 0 and not action.required
        assert not takes_value or "default" in action.help, action.option_strings


@pytest.mark.parametrize(
    "example", [example for parser in COMMANDS.values() for example in parser.examples]
)
def test_examples_parse(example):
    parsed = build_parser().parse_args(shlex.split(example))
    assert parsed.command == example.split()[0]
    assert callable(parsed.handler)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("serch 4x4x4", "no command 'serch' (did you mean search?); see `flipsearch --help`"),
        ("zzz", "no command 'zzz': search, resume"),
        ("search 4x4x4 --bugdet 5s", "no argument '--bugdet 5s' (did you mean --budget?)"),
        ("export --to jsn 123456", "no choice 'jsn' for --to (did you mean json?)"),
        ("search 2x2x2 --strategy symetric", "no strategy 'symetric' (did you mean symmetric?)"),
        ("search 2x2x2 --executor thread", "no executor 'thread' (did you mean threads?)"),
        ("bounds", "the following arguments are required: ACTION"),
    ],
)
def test_mistakes_name_the_likely_word(line, message, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("FLIPSEARCH_DB", ":memory:")
    assert main(line.split()) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1


def test_quiet_is_understood_before_and_after_the_command():
    for words in (["-q", "runs"], ["runs", "--quiet"]):
        assert build_parser().parse_args(words).quiet
    assert not build_parser().parse_args(["runs"]).quiet
