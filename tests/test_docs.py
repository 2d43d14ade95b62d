"""The pages under docs/: quoted lines are in the files, programs run, links lead somewhere."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from handloom import nn, optim
from handloom.engines import NumpyEngine
from handloom.recipes import load_recipe

ROOT = Path(__file__).parents[1]
PAGES = sorted((ROOT / "docs").rglob("*.md"))
OPTIMISATION = (ROOT / "docs/optimisation.md").read_text(encoding="utf-8")
LOOM = (ROOT / "docs/loom.md").read_text(encoding="utf-8")
SOURCE = re.compile(r"\[[^]]+\]\(\.\./(src/\S+\.py)\):\n\n```python\n(.*?)```", re.DOTALL)


def programs() -> str:
    """The Python of the page that is no quotation, as one program."""
    return "\n".join(re.findall(r"```python\n(.*?)```", SOURCE.sub("", LOOM), re.DOTALL))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_leads_somewhere(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    for link in re.findall(r"\]\(([^)#:]+)\)", text):
        assert (page.parent / link).exists(), link
    for path in re.findall(r"`(\w+(?:/\w+)+\.py)`", text):
        assert (ROOT / path).exists() or (ROOT / "src/handloom" / path).exists(), path
    heads = {
        re.sub(r"[^\w\- ]", "", head).strip().lower().replace(" ", "-")
        for head in re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    }
    assert set(re.findall(r"\]\(#([^)]+)\)", text)) <= heads


@pytest.mark.parametrize("part", re.findall(r"```toml\n(.*?)```", OPTIMISATION, re.DOTALL))
def test_parts_of_recipes_can_stand_in_a_recipe(part: str) -> None:
    tables = tomllib.loads(part)
    recipe = load_recipe("digits", tables)
    for table, keys in tables.items():
        told = getattr(recipe, table).model_dump()
        assert (
            told.items()
            >= {k: v for k, v in keys.items() if not isinstance(v, dict | list)}.items()
        )


@pytest.mark.parametrize(("path", "quoted"), SOURCE.findall(LOOM))
def test_quoted_lines_stand_in_the_file(path: str, quoted: str) -> None:
    lines = iter((ROOT / path).read_text(encoding="utf-8").splitlines())
    for line in quoted.splitlines():
        if line.strip() != "...":
            assert line in lines, f"{path} has no line {line!r} where the page quotes it"


def test_the_launcher_and_the_command_have_the_options_that_the_page_gives_them() -> None:
    launcher = pytest.importorskip("torch.distributed.run")
    page = (ROOT / "docs/machines.md").read_text(encoding="utf-8")
    said = re.findall(r"```sh\n(.*?)```", page, re.DOTALL)
    given = set(re.findall(r"(?<=\s)--[a-z-]+", re.sub(r"#SBATCH.*", "", " ".join(said))))
    theirs = {name for a in launcher.get_args_parser()._actions for name in a.option_strings}
    ours = {"--out", "--data-dir", "--resume"}
    assert given - ours <= theirs
    assert ours <= given


def test_pictures_are_drawn_by_the_script() -> None:
    script = (ROOT / "docs/draw_loom.py").read_text(encoding="utf-8")
    for name in re.findall(r"pictures/loom-(\w+)\.png", LOOM):
        assert f'"{name}": draw_{name}' in script


# -- the programs of the page about the loom -------------------------------------------------------

BATCH, STEPS, LEFT_OVER, CLASSES, SHAPE = 20, 2, 3, 5, (1, 5, 5)


@pytest.fixture(scope="module")
def page() -> dict[str, Any]:
    """All that its programs define, when they have run."""
    pytest.importorskip("llvmlite")
    names: dict[str, Any] = {"__name__": "page"}
    exec(compile(programs(), "docs/loom.md", "exec"), names)
    return names


@pytest.fixture
def taught(page: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The loom, with the page's additions to it, and without its cache on disk."""
    from handloom.loom.native import cache

    monkeypatch.setattr(cache, "read", lambda key: None)
    monkeypatch.setattr(cache, "write", lambda key, code: None)
    return page


def network(page: dict[str, Any]) -> nn.Sequential:
    """The page's layers between others, in float64."""
    rng = np.random.default_rng(3)
    model = nn.Sequential(
        nn.Flatten(), nn.Linear(25, 37, rng=rng), page["Softsign"](), page["Gain"](37),
        nn.Linear(37, CLASSES, rng=rng),
    )  # fmt: skip
    for parameter in model.named_parameters().values():
        parameter.value = parameter.value + 0.1 * rng.normal(size=parameter.shape)
        parameter.grad = np.zeros_like(parameter.value)
    return model


@pytest.mark.parametrize("threads", [1, 2])
def test_the_page_s_activation_and_layer_train_as_they_do_in_numpy(
    taught: dict[str, Any], threads: int
) -> None:
    from handloom.engines import TrainingSetup
    from handloom.engines.loom.compile import compile_network

    rng = np.random.default_rng(4)
    count = STEPS * BATCH + LEFT_OVER
    x, labels = rng.normal(size=(count, *SHAPE)), rng.integers(0, CLASSES, count)
    model = network(taught)
    numpy = NumpyEngine(
        model, TrainingSetup(nn.cross_entropy, optim.RMSprop(model.named_parameters(), 0.01))
    )
    twin = network(taught)
    rule = optim.RMSprop(twin.named_parameters(), 0.01)
    compiled = compile_network(
        twin,
        TrainingSetup(nn.cross_entropy, rule, batch_size=BATCH, threads=threads),
        input_shape=SHAPE,
    )
    assert [piece.paths for piece in compiled.plan.pieces] == [("1", "2"), ("3",), ("4",)]
    compiled.write({name: each.value for name, each in twin.named_parameters().items()})
    batches = [slice(first, first + BATCH) for first in range(0, count, BATCH)]
    settings = np.array([compiled.settings(0.01, 1, labels[batch]) for batch in batches])
    found = compiled.train(
        x, compiled.request.pictures, np.arange(count), labels, settings, 0, BATCH
    )
    for batch, (loss, hits, squares) in zip(batches, found, strict=True):
        report = numpy.train_step(x[batch], labels[batch])
        assert loss == pytest.approx(report.loss, rel=1e-12)
        assert hits == report.correct
        assert np.sqrt(squares) == pytest.approx(report.grad_norm, rel=1e-12)
    for name, parameter in model.named_parameters().items():
        np.testing.assert_allclose(compiled.read(name), parameter.value, rtol=0, atol=1e-12)


def test_the_page_s_layers_are_right_in_numpy(page: dict[str, Any]) -> None:
    rng = np.random.default_rng(5)
    for layer in (page["Softsign"](), page["Gain"](6)):
        report = nn.gradcheck(layer, rng.normal(size=(4, 6)), rng=rng)
        assert report.passed, report.worst
