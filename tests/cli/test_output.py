"""Three ways to speak, and what a table looks like."""

from __future__ import annotations

import json
import math

import pytest
from rich.console import Console

from handloom.cli.output import Voice, console, number


@pytest.mark.parametrize(
    ("as_json", "quiet", "voice"),
    [
        (False, False, Voice.PERSON),
        (False, True, Voice.NOBODY),
        (True, False, Voice.PROGRAM),
        (True, True, Voice.PROGRAM),
    ],
)
def test_who_listens(as_json: bool, quiet: bool, voice: Voice) -> None:
    assert Voice.choose(as_json=as_json, quiet=quiet) is voice


@pytest.mark.parametrize("voice", Voice)
def test_each_is_told_its_own(voice: Voice, capsys: pytest.CaptureFixture[str]) -> None:
    voice.say("a line")
    voice.table(("name", "count"), [("a", "1")])
    voice.answer({"größe": 1})
    printed = capsys.readouterr()
    assert printed.err == ""
    if voice is Voice.PERSON:
        assert printed.out.startswith("a line\nname   count\n")
    elif voice is Voice.PROGRAM:
        assert json.loads(printed.out) == {"größe": 1}
    else:
        assert printed.out == ""


def test_numbers_stand_at_the_right_and_words_at_the_left(
    capsys: pytest.CaptureFixture[str],
) -> None:
    rows = [("a", "1,000", "·", "x" * 300), ("bb", "2e-7", "12", "[red]y")]
    Voice.PERSON.table(("name", "number", "count", "text"), rows)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "name   number   count   text"
    assert set(lines[1]) == {"─"}
    assert (
        lines[2] == "a       1,000       ·   " + "x" * 300
    )  # not broken, for no terminal is there
    assert lines[3] == "bb       2e-7      12   [red]y"


def test_a_narrow_terminal_loses_no_figure(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("handloom.cli.output.console", lambda: Console(width=20))
    rows = [(f"{'long name' * 3}", *("123456" for _ in range(9)), "some words that wrap")]
    Voice.PERSON.table(("", *"abcdefghi", "text"), rows)
    lines = capsys.readouterr().out.splitlines()
    assert lines[2].split()[-10:] == [*["123456"] * 9, "some"]
    assert [line.strip() for line in lines[3:]] == ["words", "that", "wrap"]


def test_a_program_is_never_told_what_is_no_json() -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        Voice.PROGRAM.answer({"loss": math.nan})


@pytest.mark.parametrize(
    ("value", "digits", "text"),
    [
        (0.123456, 4, "0.1235"),
        (2.0, 2, "2.00"),
        (None, 4, "not finite"),
        (-1e30, 2, "-1.0e+30"),
        (math.inf, 4, "not finite"),
    ],
)
def test_figures(value: float | None, digits: int, text: str) -> None:
    assert number(value, digits) == text


def test_colours_forced_by_the_environment_make_no_terminal(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert not console().is_terminal
    assert not console(stderr=True).is_terminal
