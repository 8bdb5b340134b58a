"""The help of a command is wrapped to the terminal's width, independently of line breaks in docstrings."""

from dataclasses import dataclass

import pytest

from experiments.cli import VERBS, main
from experiments.commands.arguments import parse


@dataclass(frozen=True)
class Arguments:
    """Do what a command does, in a sentence that is too long for a narrow terminal but
    not for a wide one.

    A second paragraph.
    """

    depth: int = 1
    """The depth of something, in a docstring whose lines are
    shorter; a word
    stands alone."""


@pytest.mark.parametrize("columns", [80, 120])
def test_help_rewraps_docstrings_to_the_terminal_width(
    columns: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    with pytest.raises(SystemExit):
        parse(Arguments, "do", ["--help"])
    shown = capsys.readouterr().out
    lines = [line.strip(" │|") for line in shown.splitlines()]
    assert max(map(len, shown.splitlines())) <= columns
    if columns == 120:
        whole = "Do what a command does, in a sentence that is too long for a narrow terminal but not for a wide one."
        assert whole in lines
        assert "shorter; a word stands alone. (default: 1)" in " ".join(lines)
    assert "A second paragraph." in lines
    first = next(line for line in lines if "The depth of something" in line)
    assert len(first) > columns - 30, "the line is wrapped too early"


@pytest.mark.parametrize("verb", VERBS)
def test_help_of_a_verb_fits_80_columns(
    verb: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    with pytest.raises(SystemExit) as end:
        main([verb, "--help"])
    assert not end.value.code
    usage, *lines = capsys.readouterr().out.splitlines()
    assert usage.startswith(f"usage: nas {verb} ")
    assert max(map(len, lines)) <= 80
