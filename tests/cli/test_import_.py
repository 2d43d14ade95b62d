"""handloom import: a run that every command works on, and a table of what went where."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from handloom.run.results import open_run


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    """A state dict of a module with names of its own."""
    torch.manual_seed(0)
    theirs = torch.nn.ModuleDict({"hidden": torch.nn.Linear(36, 8), "out": torch.nn.Linear(8, 3)})
    save_file(theirs.state_dict(), tmp_path / "theirs.safetensors")
    return tmp_path / "theirs.safetensors"


def test_a_table_tells_what_went_where(weights: Path, bars: Path, elsewhere, handloom) -> None:
    outcome = handloom("import", weights, bars)
    assert (outcome.code, outcome.err) == (0, "")
    rows = [line.split() for line in outcome.out.splitlines()]
    assert ["1.weight", "hidden.weight", "8", "×", "36"] in rows
    assert ["3.bias", "out.bias", "3"] in rows
    assert "names differ, so tensors were matched by order" in outcome.out
    result = open_run(elsewhere / "runs" / "bars").result
    assert f"test        accuracy {result['test']['accuracy']:.4f}" in outcome.out
    assert rows[-1] == ["run", "runs/bars"]


def test_every_command_works_on_it(weights: Path, bars: Path, elsewhere: Path, handloom) -> None:
    assert handloom("import", weights, bars, "--out", "mine", "-q").out == ""
    for command in (
        ["test", "mine"],
        ["predict", "mine", "--input", bars.parent / "test-images.npy"],
        ["show", "mine"],
        ["export", "mine", "--to", "onnx"],
        ["train", "--resume", "mine"],
    ):
        outcome = handloom(*command)
        assert (outcome.code, outcome.err) == (0, ""), command
    assert handloom("export", "mine", "--to", "safetensors", "-q").code == 0
    outcome = handloom("import", "mine.safetensors", "mine/recipe.toml", "--out", "copy")
    assert "names differ" not in outcome.out


def test_a_program_reads_json(weights: Path, bars: Path, elsewhere: Path, handloom) -> None:
    outcome = handloom("import", weights, bars, "--out", "mine", "--json")
    told = json.loads(outcome.out)
    assert told["run"] == "mine"
    assert told["matches"][0] == {"name": "1.weight", "source": "hidden.weight", "shape": [8, 36]}
    assert told["test"] == open_run("mine").result["test"]
    assert told["imported"]["matched"] == "by order and shape"


def test_overrides_change_the_recipe(weights: Path, bars: Path, elsewhere: Path, handloom) -> None:
    outcome = handloom("import", weights, bars, "--out", "mine", "-o", "data.normalise=standard")
    assert outcome.code == 0
    assert open_run("mine").normalisation.kind == "standard"
