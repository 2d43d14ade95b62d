"""What holds for every command: help, versions, exit codes, silence, closed pipes, completion."""

from __future__ import annotations

import os
import resource
import subprocess
import sys

import pytest

import handloom as package
from handloom.recipes import list_recipes

COMMANDS = (
    "train", "test", "predict", "show", "report", "reproduce", "export", "import", "gradcheck",
    "data list", "data fetch", "data check", "recipes list", "recipes show", "cache", "cache clear",
)  # fmt: skip


@pytest.mark.parametrize("command", COMMANDS)
def test_help_teaches_by_example(command: str, handloom, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    outcome = handloom(*command.split(), "--help")
    assert (outcome.code, outcome.err) == (0, "")
    head, examples = outcome.out.split("\n  Examples:\n")
    assert head.startswith(f"Usage: handloom {command} ")
    lines = examples.splitlines()
    shown = [line for line in lines if line.startswith("    handloom ") or "=" in line]
    assert shown, "examples stand a line each"
    assert all(f"handloom {command}" in line for line in shown)
    assert max(map(len, outcome.out.splitlines())) <= 80


def test_the_whole_of_it(handloom) -> None:
    outcome = handloom("--help")
    for command in ("train", "test", "predict", "show", "gradcheck", "data", "recipes", "cache"):
        assert f"\n  {command} " in outcome.out
    assert "..." not in outcome.out.partition("Commands:")[2], "every summary fits its line"
    assert "    2   a user error; the message says what to do\n" in outcome.out
    assert handloom("--version").out == f"handloom {package.__version__}\n"


@pytest.mark.parametrize(
    "arguments", [["train", "--nonsense"], ["predict", "runs/a"], ["fly"], ["gradcheck"]]
)
def test_what_no_command_knows_is_a_mistake(arguments: list[str], handloom) -> None:
    outcome = handloom(*arguments)
    assert (outcome.code, outcome.out) == (2, "")
    assert "Error" in outcome.err
    assert "Traceback" not in outcome.err


def test_help_comes_quickly() -> None:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    program = "from handloom.cli.main import main; main()"
    subprocess.run(
        [sys.executable, "-c", program, "train", "--help"], check=True, stdout=subprocess.DEVNULL
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    seconds = (after.ru_utime + after.ru_stime) - (before.ru_utime + before.ru_stime)
    assert seconds < 1.0  # half of that on a quiet machine


def test_help_loads_nothing_heavy() -> None:
    heavy = "('numpy', 'rich', 'matplotlib', 'sklearn', 'cv2', 'safetensors', 'pooch')"
    program = (
        "import sys; sys.argv = ['handloom', 'train', '--help']\n"
        "from handloom.cli.main import main\n"
        "try:\n main()\nfinally:\n"
        f" print([name for name in {heavy} if name in sys.modules], file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stderr == "[]\n"


@pytest.mark.parametrize(
    "arguments",
    [
        ["recipes", "show", "mnist-lenet"],
        # a process for each, and less to write
        pytest.param(["recipes", "list"], marks=pytest.mark.slow),
        pytest.param(["data", "list"], marks=pytest.mark.slow),
    ],
    ids=" ".join,
)
def test_a_closed_pipe_ends_it_without_a_word(arguments: list[str], start) -> None:
    process = start(*arguments)
    process.stdout.close()
    assert process.stderr.read() == ""
    assert process.wait(timeout=60) == 141


def complete(words: str, *, shell: str = "zsh") -> str:
    """What the shell is offered for the last of the words."""
    done = subprocess.run(
        [sys.executable, "-c", "from handloom.cli.main import main; main()"],
        env={
            **os.environ,
            "_HANDLOOM_COMPLETE": f"complete_{shell}",
            "_TYPER_COMPLETE_ARGS": words,
            "COMP_WORDS": words,
            "COMP_CWORD": str(len(words.split()) - 1),
        },
        capture_output=True,
        text=True,
    )
    assert "Traceback" not in done.stderr
    return done.stdout


def test_the_shell_is_offered_recipes_sets_and_runs(elsewhere) -> None:
    assert complete("handloom train fashion-mlp-5", shell="bash").split() == ["fashion-mlp-512"]
    offered = complete("handloom train fashion-", shell="bash").split()
    assert offered == [name for name in list_recipes() if name.startswith("fashion-")]
    for name in ("one", "two"):
        (elsewhere / "runs" / name).mkdir(parents=True)
        (elsewhere / "runs" / name / "recipe.toml").touch()
    assert complete("handloom test r", shell="bash").split() == ["runs/one", "runs/two"]
    assert complete("handloom train --resume runs/t", shell="bash").split() == ["runs/two"]
    assert complete("handloom data check kmn", shell="bash").split() == ["kmnist"]
