"""Every option of the commands that train reaches the library, as the argument that it stands for.

The options are read off the commands: a new one fails here until it is said what it changes.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import typer

from handloom import series
from handloom.recipes import Recipe, load_recipe
from handloom.run import session
from handloom.studies import compare
from handloom.studies import search as tune
from handloom.studies.compare import subjects

pytest.importorskip("optuna")
OUTPUT = {"as_json", "quiet"}
"""Options of every command; what they do: test_output.py, and here that they are heeded."""


class HeardError(Exception):
    """What a spy raises with what it was called with: nothing is trained."""

    def __init__(self, name: str, *arguments: Any, **keywords: Any) -> None:
        super().__init__(name)
        self.name, self.arguments, self.keywords = name, arguments, keywords


def spy(name: str) -> Callable[..., Any]:
    def listen(*arguments: Any, **keywords: Any) -> Any:
        raise HeardError(name, *arguments, **keywords)

    return listen


def options(command: str) -> set[str]:
    """The parameters of a command."""
    from handloom.cli.app import app

    group: Any = typer.main.get_command(app)
    return {parameter.name for parameter in group.commands[command].params} - {"help"}


@pytest.fixture
def heard(monkeypatch: pytest.MonkeyPatch) -> Callable[..., HeardError]:
    """Run a command until it calls the library; how it did."""
    from handloom.cli import ensemble

    monkeypatch.setattr(session, "train", spy("train"))
    monkeypatch.setattr(session, "resume", spy("resume"))
    monkeypatch.setattr(ensemble, "train_ensemble", spy("train_ensemble"))
    monkeypatch.setattr(ensemble, "check_on", lambda on: None)  # without Ray
    monkeypatch.setattr(tune, "tune", spy("tune"))
    monkeypatch.setattr(compare, "compare", spy("compare"))

    def run(*arguments: Any) -> HeardError:
        with pytest.raises(HeardError) as caught:
            _call(*arguments)
        return caught.value

    return run


def _call(*arguments: Any) -> None:
    from handloom.cli.app import app

    command: Any = typer.main.get_command(app)
    command.main([*map(str, arguments)], standalone_mode=False)


Look = Callable[[HeardError], Any]


def asked(heard: HeardError) -> Recipe:
    """The recipe that is to be trained."""
    return load_recipe(heard.arguments[0], heard.keywords["overrides"])


def listeners(heard: HeardError) -> list[str]:
    return [type(each).__name__ for each in heard.keywords["callbacks"]]


TRAIN: dict[str, tuple[list[str], Look, Any]] = {
    "recipe": ([], lambda h: asked(h).description.split()[0], "A"),
    "out": (["--out", "there"], lambda h: h.keywords["run_dir"], Path("there")),
    "override": (["-o", "model.hidden=[5]"], lambda h: asked(h).model.hidden, (5,)),
    "data_dir": (["--data-dir", "data"], lambda h: h.keywords["data_dir"], Path("data")),
    "engine": (["--engine", "torch"], lambda h: asked(h).engine, "torch"),
    "device": (
        ["--device", "cuda:1", "--engine", "torch"], lambda h: asked(h).torch.device,
        "cuda:1",
    ),
    "threads": (["--threads", "2"], lambda h: asked(h).training.threads, 2),
    "seed": (["--seed", "9"], lambda h: asked(h).seed, 9),
    "folds": (["--folds", "4"], lambda h: (h.name, h.keywords["folds"]), ("train_ensemble", 4)),
    "seeds": (
        ["--seeds", "3"], lambda h: (h.name, h.keywords["seeds"]), ("train_ensemble", (1, 2, 3)),
    ),
    "workers": (["--workers", "3", "--folds", "2"], lambda h: h.keywords.get("workers"), 3),
    "on": (["--on", "ray", "--folds", "2"], lambda h: h.keywords.get("on"), "ray"),
    "tensorboard": (["--tensorboard"], lambda h: asked(h).training.tensorboard, True),
    "resume": (
        ["--resume", "there"], lambda h: (h.name, h.arguments[0]), ("resume", Path("there")),
    ),
    "quiet": (["-q"], listeners, ["FolderWatcher"]),
}  # fmt: skip


@pytest.mark.parametrize("name", TRAIN)
def test_an_option_of_train(name: str, bars: Path, heard: Any) -> None:
    told, look, expected = TRAIN[name]
    assert look(heard("train", bars, *told)) == expected
    if name not in ("recipe", "device", "folds", "seeds", "workers", "on"):
        assert look(heard("train", bars)) != expected


def test_without_options_a_recipe_is_trained_as_it_is(bars: Path, heard: Any) -> None:
    found = heard("train", bars)
    assert asked(found) == load_recipe(bars)
    assert found.keywords["data_dir"] is None
    assert found.keywords["run_dir"] is None
    assert len(listeners(found)) == 2


TUNE: dict[str, tuple[list[str], Look, Any]] = {
    "study": ([], lambda h: h.arguments[0].name, "lr"),
    "out": (["--out", "there"], lambda h: h.keywords["out"], Path("there")),
    "workers": (["--workers", "3"], lambda h: h.keywords["workers"], 3),
    "on": (["--on", "ray"], lambda h: h.keywords["on"], "ray"),
    "trials": (["--trials", "7"], lambda h: h.keywords["trials"], 7),
    "minutes": (["--minutes", "1.5"], lambda h: h.keywords["minutes"], 1.5),
    "override": (
        ["-o", "training.epochs=9"], lambda h: h.arguments[0].recipe.training.epochs, 9,
    ),
    "storage": (
        ["--storage", "sqlite:///a.db"], lambda h: h.keywords["storage"].url, "sqlite:///a.db",
    ),
    "grace": (
        ["--storage", "sqlite:///a.db", "--grace", "45"], lambda h: h.keywords["storage"].grace,
        45,
    ),
    "data_dir": (["--data-dir", "data"], lambda h: h.keywords["data_dir"], Path("data")),
    "quiet": (["-q"], lambda h: h.keywords["listener"], None),
}  # fmt: skip


@pytest.fixture
def study(bars: Path) -> Path:
    path = bars.with_name("lr.toml")
    path.write_text(
        'recipe = "bars.toml"\n[space]\noptimizer.lr = { choice = [0.1, 0.2] }\n'
        '[search]\nsampler = "grid"\n'
    )
    return path


@pytest.mark.parametrize("name", TUNE)
def test_an_option_of_tune(
    name: str, study: Path, heard: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(series, "check_on", lambda on: None)  # Ray is not installed everywhere
    told, look, expected = TUNE[name]
    assert look(heard("tune", study, *told)) == expected
    if name not in ("study", "quiet"):
        plain = heard("tune", study)
        found = None if name in ("storage", "grace") else look(plain)
        assert found != expected
        assert plain.keywords["storage"] is None


COMPARE: dict[str, tuple[list[str], Look, Any]] = {
    "subjects": ([], lambda h: [run.path.name for run in h.arguments[0]], ["run"]),
    "test": (["--test"], lambda h: h.keywords["part"], "test"),
    "reach": (["--reach", "0.8"], lambda h: h.keywords["reach"], 0.8),
    "pace": (["--no-pace"], lambda h: h.keywords["pace"], False),
    "data_dir": (["--data-dir", "data"], lambda h: h.keywords["data_dir"], Path("data")),
}


@pytest.mark.parametrize("name", COMPARE)
def test_an_option_of_compare(name: str, trained: Path, heard: Any) -> None:
    told, look, expected = COMPARE[name]
    assert look(heard("compare", trained, *told)) == expected
    if name != "subjects":
        assert look(heard("compare", trained)) != expected


def test_options_for_recipes_reach_their_trainings(
    bars: Path, heard: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(subjects, "plan_row", spy("plan_row"))
    found = heard(
        "compare", bars, "--seeds", "3,4", "-o", "training.epochs=1", "--runs", "there",
        "--data-dir", "data",
    )  # fmt: skip
    assert found.arguments == (str(bars), Path("there"))
    assert found.keywords == {
        "seeds": "3,4", "overrides": ["training.epochs=1"], "data_dir": Path("data"),
    }  # fmt: skip
    found = heard("compare", bars)
    assert found.arguments == (str(bars), Path("runs/compare"))
    assert found.keywords == {"seeds": "", "overrides": [], "data_dir": None}


def test_workers_reach_the_series_of_a_comparison(
    bars: Path, heard: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(series, "train_all", spy("train_all"))
    monkeypatch.setitem(sys.modules, "ray", SimpleNamespace())
    found = heard("compare", bars, "--workers", "3", "--on", "ray=head:1").keywords
    assert (found["workers"], found["on"]) == (3, "ray=head:1")
    found = heard("compare", bars).keywords
    assert (found["workers"], found["on"]) == (None, None)


def test_a_comparison_is_printed_in_its_format_and_written_where_it_is_told(
    trained: Path, handloom: Any
) -> None:
    printed = handloom("compare", trained, "--no-pace", "--format", "csv", "--out", "there")
    assert printed.code == 0
    assert printed.out == Path("there/comparison.csv").read_text()


def test_shipped_studies_are_listed_instead(handloom: Any) -> None:
    assert "mnist-gamma" in handloom("tune", "--list").out
    assert handloom("tune", "--list", "-q").out == ""
    assert "mnist-gamma" in json.loads(handloom("tune", "--list", "--json").out)


def test_output_is_json_or_nothing(trained: Path, handloom: Any) -> None:
    done = handloom("train", "--resume", trained, "--json", "-q")
    assert json.loads(done.out)["run"] == str(trained)
    compared = handloom("compare", trained, "--no-pace", "--json")
    assert isinstance(json.loads(compared.out), dict)
    assert handloom("compare", trained, "--no-pace", "-q").out == ""


def test_every_option_is_tried() -> None:
    assert options("train") == {*TRAIN, *OUTPUT}
    assert options("tune") == {*TUNE, *OUTPUT, "show_list"}
    of_recipes = {"seeds", "workers", "on", "override", "runs"}
    assert options("compare") == {*COMPARE, *OUTPUT, *of_recipes, "form", "out"}
