"""Signals that ask the program to end: at any moment a line and an exit code, never a traceback."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import weakref
from collections.abc import Iterator

import pytest

from handloom.cli.interrupts import Stopped, resumable, signals_interrupt
from handloom.errors import StateError

SIGNALS = [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)]


@pytest.fixture(autouse=True)
def usual_handlers() -> Iterator[None]:
    """A shell may have told its children to ignore Ctrl-C."""
    before = {number: signal.getsignal(number) for number, _ in SIGNALS}
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize(("number", "code"), SIGNALS)
def test_while_libraries_load_it_ends_with_a_line(number: int, code: int, start) -> None:
    program = (
        "import os, builtins\n"
        "from handloom.cli.main import main\n"
        "load = builtins.__import__\n"
        "def slow(name, *rest):\n"
        f"    if name == 'typer': os.kill(os.getpid(), {int(number)})\n"
        "    return load(name, *rest)\n"
        "builtins.__import__ = slow\n"
        "main()"
    )
    out, err = start("recipes", "list", program=program).communicate(timeout=60)
    assert (out, err) == ("", "handloom: stopped\n")
    assert start("recipes", "list", program=program).wait(timeout=60) == code


@pytest.mark.parametrize(("number", "code"), SIGNALS)
def test_a_command_says_how_it_is_continued(
    number: int, code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended, signals_interrupt(), resumable(lambda: "again"):
        os.kill(os.getpid(), number)
    assert ended.value.code == code
    assert capsys.readouterr().err == "handloom: stopped; again\n"


def test_of_several_processes_one_speaks(capsys: pytest.CaptureFixture[str]) -> None:
    silent = resumable(lambda: "again", aloud=False)
    with pytest.raises(SystemExit), signals_interrupt(), silent:
        os.kill(os.getpid(), signal.SIGTERM)
    assert capsys.readouterr().err == ""


def test_an_interrupt_that_a_library_passes_on_as_its_own_error(
    capsys: pytest.CaptureFixture[str],
) -> None:
    def load() -> None:
        try:
            os.kill(os.getpid(), signal.SIGINT)
        except KeyboardInterrupt:
            raise ImportError("numpy._core failed to import") from None

    with pytest.raises(SystemExit) as ended, signals_interrupt():
        load()
    assert ended.value.code == 130
    assert capsys.readouterr().err == "handloom: stopped\n"


def test_an_interrupt_within_a_callback_is_raised_again(
    capsys: pytest.CaptureFixture[str],
) -> None:
    class Thing:
        pass

    def interrupted(_: object) -> None:
        os.kill(os.getpid(), signal.SIGINT)

    thing = Thing()
    finalizer = weakref.ref(thing, interrupted)

    def lose_it_and_wait() -> None:
        nonlocal thing
        del thing
        signal.pause()  # until the interrupt comes anew

    with pytest.raises(SystemExit) as ended, signals_interrupt():
        lose_it_and_wait()
    assert finalizer() is None
    assert ended.value.code == 130
    assert capsys.readouterr().err == "handloom: stopped\n"


def test_what_was_ignored_stays_ignored() -> None:
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    with signals_interrupt():
        os.kill(os.getpid(), signal.SIGHUP)
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN


def test_other_errors_pass_and_handlers_come_back() -> None:
    before = [signal.getsignal(number) for number, _ in SIGNALS], sys.unraisablehook
    with pytest.raises(StateError), signals_interrupt(), resumable(lambda: "again"):
        raise StateError("mine")
    with contextlib.suppress(SystemExit), signals_interrupt():
        raise Stopped(130, "")
    assert before == ([signal.getsignal(number) for number, _ in SIGNALS], sys.unraisablehook)
