"""Studies as files: those that are shipped, both spellings of a key path, and what is refused."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from handloom.errors import ConfigError
from handloom.studies.search import list_studies, load_study
from handloom.studies.search.plan.domains import Choice, Int, ListOf

SIZES = {
    "fashion-grid": 48,
    "mnist-activations": 3,
    "mnist-gamma": 4,
    "mnist-grid": 27,
    "mnist-optimizers": 2,
}
SPACE = '[space]\n"optimizer.lr" = { choice = [0.1, 0.2] }\n'


def study(folder: Path, text: str, recipe: str = "digits") -> Path:
    path = folder / "mine.toml"
    path.write_text(f'recipe = "{recipe}"\n{text}')
    return path


def test_the_designs_studies_are_shipped_with_all_their_configurations() -> None:
    assert list_studies().keys() == SIZES.keys()
    for name, description in list_studies().items():
        plan = load_study(name)
        points = plan.space.points()
        assert points is not None
        keys = {plan.configuration(point).key for point in points}
        assert len(points) == len(keys) == SIZES[name]
        assert description


def test_published_values_are_in_the_shipped_studies() -> None:
    grid = load_study("fashion-grid")
    assert {"optimizer.lr": 0.1, "optimizer.weight_decay": 0.0, "model.hidden": [256, 128]} in (
        grid.space.points() or []
    )
    assert (grid.recipe.training.batch_size, grid.recipe.training.epochs) == (100, 40)
    sample = load_study("mnist-optimizers").recipe
    assert (sample.data.sample, sample.data.validation) == (0.1, 1000)
    assert (sample.optimizer.lr, sample.optimizer.weight_decay) == (0.01, 1e-4)
    assert (sample.training.batch_size, sample.training.epochs) == (32, 20)


def test_key_paths_are_told_in_quotes_or_without(tmp_path: Path) -> None:
    quoted = load_study(
        study(
            tmp_path,
            '[overrides]\n"training.epochs" = 3\n[space]\n"optimizer.lr" = { choice = [0.1] }\n'
            '"model.hidden" = { length = [1, 2], each = { int = [8, 16] }, '
            'when = { "optimizer.lr" = 0.1 } }\n[budget]\ntrials = 3\n',
        )
    )
    bare = load_study(
        study(
            tmp_path,
            "[overrides.training]\nepochs = 3\n[space]\noptimizer.lr = { choice = [0.1] }\n"
            "model.hidden = { length = [1, 2], each = { int = [8, 16] }, "
            "when = { optimizer.lr = 0.1 } }\n[budget]\ntrials = 3\n",
        )
    )
    assert dict(quoted.space) == dict(bare.space)
    assert quoted.recipe == bare.recipe
    assert quoted.recipe.training.epochs == 3
    assert isinstance(bare.space["model.hidden"], ListOf)
    assert bare.name == "mine"


def test_what_a_folder_keeps_is_the_same_plan(tmp_path: Path) -> None:
    text = (
        'description = "why"\n[space]\noptimizer.name = { choice = ["sgd", "adam"] }\n'
        'optimizer.betas = { choice = [[0.9, 0.99]], when = { "optimizer.name" = "adam" } }\n'
        "model.hidden = { length = [1, 2], each = { int = [8, 64], log = true } }\n"
        "optimizer.lr = { log = [1e-4, 1.0] }\nmodel.dropout = { range = [0.0, 0.5] }\n"
        '[search]\nminimise = "val_loss"\nseeds = [4, 2]\npruner = "hyperband"\n'
        "[budget]\nminutes = 2.5\nparameters = 100000\n"
    )
    plan = load_study(study(tmp_path, text))
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "study.toml").write_text(plan.to_toml("base.toml"))
    (folder / "base.toml").write_text(plan.recipe_toml())
    kept = load_study(folder)
    assert kept.name == "mine"
    assert (kept.search, kept.budget, dict(kept.space)) == (
        plan.search,
        plan.budget,
        dict(plan.space),
    )
    # Also beside another kind of optimizer, to which this one's defaults must not stick.
    point = {"optimizer.name": "adam", "optimizer.betas": [0.9, 0.99], "model.hidden": [8]}
    assert kept.configuration(point).key == plan.configuration(point).key
    assert isinstance(kept.space["optimizer.name"], Choice)


def test_a_recipe_beside_the_study_is_found_from_anywhere(
    bars: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = study(bars.parent, f"{SPACE}[search]\nsampler = 'grid'\n", recipe="bars.toml")
    monkeypatch.chdir(tmp_path)
    assert load_study(path).recipe.data.images == str(bars.parent / "images.npy")


def test_the_recipe_takes_overrides_from_outside(tmp_path: Path) -> None:
    path = study(tmp_path, f"{SPACE}[search]\nsampler = 'grid'\n")
    assert load_study(path, ["training.epochs=2"]).recipe.training.epochs == 2
    limited = load_study(path).limited(trials=7, minutes=0.5)
    assert (limited.budget.trials, limited.budget.minutes) == (7, 0.5)


def test_whole_numbers_and_lists_keep_their_kind(tmp_path: Path) -> None:
    plan = load_study(
        study(tmp_path, "[space]\ntraining.batch_size = { int = [8, 64] }\n[budget]\ntrials = 1\n")
    )
    assert isinstance(plan.space["training.batch_size"], Int)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "space is missing"),
        ("[space]\n", "space"),
        ("[space]\noptimizer.lr = 0.1\n", "space.optimizer: a domain has to be"),
        (
            "[space]\noptimizer.lr = { coice = [1] }\n",
            r"space.optimizer.lr: a domain has to be one of",
        ),
        ("[space]\noptimizer.lrr = { choice = [0.1] }\n", "did you mean optimizer.lr"),
        ('[space]\noptimizer.lr = { choice = ["fast"] }\n', 'optimizer.lr is "fast"'),
        ("[space]\ntraining.epochs = { range = [1, 2.5], step = 1.5 }\n", "training.epochs is"),
        ("[space]\nseed = { choice = [1, 2] }\n", "search.seeds"),
        (f"{SPACE}[search]\nsampler = 'gird'\n", "did you mean"),
        (f"{SPACE}[search]\nmaximise = 'val_accuracy'\nminimise = 'val_loss'\n", "either"),
        (f"{SPACE}[search]\nseeds = [1, 1]\n", "twice"),
        (f"{SPACE}", "never ends"),
        (
            "[space]\noptimizer.lr = { log = [0.1, 1] }\n[search]\nsampler = 'grid'\n",
            "infinitely or too many",
        ),
        (
            "[space]\noptimizer.momentum = { choice = [0.5], when = { optimizer.name = 'sgd' } }\n"
            "optimizer.name = { choice = ['sgd'] }\n",
            "come before",
        ),
        (
            "[space]\noptimizer.name = { choice = ['sgd'] }\n"
            "model.dropout = { choice = [0.5], when = { optimizer.name = 'adam' } }\n",
            "never occurs",
        ),
        (f"{SPACE}[bugdet]\ntrials = 3\n", "bugdet is unknown; did you mean budget"),
        (f"{SPACE}[budget]\ntrials = 0\n", "budget.trials is 0"),
        (f"{SPACE}[overrides]\nloss.nmae = 'mse'\n", "loss.name is missing"),
        ("space = [", "not valid TOML"),
    ],
)
def test_what_is_wrong_is_said_in_a_sentence(tmp_path: Path, text: str, reason: str) -> None:
    grid = "" if "sampler" in text or "search]" in text else "[search]\nsampler = 'grid'\n"
    with pytest.raises(ConfigError, match=reason) as told:
        load_study(study(tmp_path, text if text in ("space = [", SPACE) else text + grid))
    assert "mine.toml" in str(told.value)
    assert "\n" not in str(told.value)


def test_the_pages_example_is_a_study(tmp_path: Path) -> None:
    page = (Path(__file__).parents[4] / "docs/tune.md").read_text(encoding="utf-8")
    (example,) = re.findall(r"```toml\n(.*?)```", page, re.DOTALL)
    path = tmp_path / "example.toml"
    path.write_text(example)
    plan = load_study(path)
    assert (plan.search.sampler, plan.search.pruner, plan.budget.trials) == ("tpe", "median", 60)
    assert len(plan.space) == 5


def test_an_unknown_study_is_told_what_there_is(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="did you mean mnist-gamma"):
        load_study("mnist-gama")
    with pytest.raises(ConfigError, match="cannot read the study"):
        load_study(tmp_path / "none.toml")
    with pytest.raises(ConfigError, match="it has no study"):
        load_study(tmp_path)


def test_a_name_unlike_any_other_gets_no_hint() -> None:
    with pytest.raises(ConfigError) as told:
        load_study("qqqqqqqqqqqq")
    assert "there is no study 'qqqqqqqqqqqq'; `handloom tune --list`" in str(told.value)
