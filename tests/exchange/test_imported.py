"""hl.import_weights: a run of somebody else's weights is a run like any other."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file
from safetensors.numpy import save_file as save_arrays
from safetensors.torch import save_file

import handloom as hl
from handloom.errors import CheckpointError, RunError
from handloom.run.results import Run


@pytest.fixture
def theirs() -> torch.nn.Module:
    """A perceptron that fits bars.toml, with names of its own."""
    torch.manual_seed(0)
    return torch.nn.ModuleDict({"hidden": torch.nn.Linear(36, 8), "out": torch.nn.Linear(8, 3)})


@pytest.fixture
def weights(theirs: torch.nn.Module, tmp_path: Path) -> Path:
    save_file(theirs.state_dict(), tmp_path / "theirs.safetensors")
    return tmp_path / "theirs.safetensors"


def test_it_predicts_as_the_pytorch_module_does(
    theirs: torch.nn.Module, weights: Path, bars: Path, tmp_path: Path
) -> None:
    imported = hl.import_weights(weights, bars, tmp_path / "imported")
    run = hl.open_run(tmp_path / "imported")
    part = run.parts().test
    assert part is not None
    assert not imported.matching.by_name
    x = torch.from_numpy(part.images).float().flatten(1) / 255
    with torch.inference_mode():
        expected = theirs["out"](torch.relu(theirs["hidden"](x))).numpy()
    np.testing.assert_allclose(run.predict_outputs(part.images), expected, rtol=1e-4, atol=1e-5)
    accuracy = float((expected.argmax(axis=1) == part.labels).mean())
    assert run.result["test"]["accuracy"] == accuracy
    assert run.result["imported"] == {
        "file": "theirs.safetensors",
        "sha256": hashlib.sha256(weights.read_bytes()).hexdigest(),
        "matched": "by order and shape",
    }


def test_it_is_a_finished_run(weights: Path, bars: Path, tmp_path: Path) -> None:
    run = hl.import_weights(weights, bars, tmp_path / "imported").run
    assert run.is_finished
    assert run.looks == 1
    assert run.test().accuracy == run.result["test"]["accuracy"]
    assert run.looks == 2
    assert run.history.rows == []
    assert run.recipe.training.threads == 1
    assert run.recipe.engine == "numpy"
    assert hl.export(run, "onnx", tmp_path / "again.onnx").real


@pytest.mark.parametrize("ema", [None, 0.9])
def test_going_on_with_it_changes_nothing(
    weights: Path, bars: Path, tmp_path: Path, ema: float | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    from handloom.run import session

    monkeypatch.setattr(session, "draw", lambda run, parts: [])
    changes = {} if ema is None else {"training.ema": ema}
    run = hl.import_weights(weights, bars, tmp_path / "imported", overrides=changes).run
    before = run.folder.checkpoint("best").read_bytes(), run.result
    again = hl.resume(run.path)
    assert (again.folder.checkpoint("best").read_bytes(), again.result) == before
    last = load_file(run.folder.checkpoint("last"))
    for name, array in run.model.state_dict().items():
        np.testing.assert_array_equal(last[f"model.{name}"], array)
        if ema is not None:
            np.testing.assert_array_equal(last[f"ema.{name}"], array)


def test_its_pictures_are_drawn_without_a_history(
    weights: Path, bars: Path, tmp_path: Path
) -> None:
    from handloom.run.session import draw

    run = hl.import_weights(weights, bars, tmp_path / "imported").run
    drawn = [path.name for path in draw(run, run.parts())]
    assert {"curves.png", "weights-filters.png", "confusion.png"} <= set(drawn)


def test_a_run_goes_out_and_comes_back(run: Run, bars: Path, tmp_path: Path) -> None:
    hl.export(run, "safetensors", tmp_path / "net.safetensors")
    recipe = bars.read_text().replace(
        "validation = 0.25", 'validation = 0.5\nnormalise = "standard"'
    )
    bars.write_text(recipe)
    imported = hl.import_weights(tmp_path / "net.safetensors", bars, tmp_path / "back")
    assert imported.matching.by_name
    assert imported.run.normalisation == run.normalisation, "the file's, not the recipe's"
    part = imported.run.parts().test
    assert part is not None
    np.testing.assert_array_equal(
        imported.run.predict_outputs(part.images), run.predict_outputs(part.images)
    )


def with_metadata(run: Run, path: Path, **changes: str) -> Path:
    hl.export(run, "safetensors", path)
    from safetensors import safe_open

    with safe_open(path, framework="numpy") as file:
        metadata = file.metadata() | changes
    save_arrays(load_file(path), path, metadata)
    return path


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        (
            {"class_names": json.dumps(["1", "0", "2"])},
            "was trained with the class names ['1', '0', '2'], but the recipe's data have ['0', ",
        ),
        ({"image_shape": "[3, 6, 6]"}, "was trained with the image shape [3, 6, 6], but the"),
        ({"image_shape": "[" * 100_000}, "'image_shape' in its metadata is not JSON"),
        ({"handloom_format": "2"}, "has the format 2, but this handloom reads 1: upgrade handloom"),
        ({"normalisation": "{}"}, "{} is not a stored normalisation"),
        ({"normalisation": "[1"}, "'normalisation' in its metadata is not JSON"),
    ],
)
def test_a_file_of_other_pictures_is_refused(
    run: Run, bars: Path, tmp_path: Path, changes: dict[str, str], told: str
) -> None:
    path = with_metadata(run, tmp_path / "net.safetensors", **changes)
    with pytest.raises(CheckpointError) as refused:
        hl.import_weights(path, bars, tmp_path / "new")
    assert told in str(refused.value)
    assert not (tmp_path / "new").exists()


def test_a_network_that_does_not_fit_leaves_nothing(
    weights: Path, bars: Path, tmp_path: Path
) -> None:
    with pytest.raises(
        CheckpointError, match=r"theirs\.safetensors belongs to another network: no lay"
    ):
        hl.import_weights(weights, bars, tmp_path / "new", overrides={"model.hidden": [9]})
    assert not (tmp_path / "new").exists()


def test_a_folder_that_is_not_empty(weights: Path, bars: Path, run: Run) -> None:
    with pytest.raises(RunError, match="is not empty"):
        hl.import_weights(weights, bars, run.path)
