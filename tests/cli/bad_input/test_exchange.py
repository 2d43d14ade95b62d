"""Exports that cannot be, and weights from elsewhere that are no weights or of another network."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.numpy import save_file


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    """Weights that fit bars.toml but for one number too many in the last layer."""
    shapes = {"0.weight": (8, 36), "0.bias": (8,), "2.weight": (4, 8), "2.bias": (4,)}
    arrays = {name: np.zeros(shape, np.float32) for name, shape in shapes.items()}
    save_file(arrays, tmp_path / "theirs.safetensors")
    return tmp_path / "theirs.safetensors"


def test_export_of_what_is_no_run(place, refused):
    refused(
        ["export", place.data, "--to", "onnx"], tells="is not a run folder: it has no recipe.toml"
    )


def test_export_into_a_folder(place, refused):
    refused(
        ["export", place.run, "--to", "onnx", "--out", place.data],
        tells="bars is not a file; give one to write with --out",
    )


def test_export_below_a_file(place, refused):
    refused(
        ["export", place.run, "--to", "safetensors", "--out", place.recipe / "net"],
        tells="cannot write … net: Not a directory",
    )


def test_a_module_that_cannot_be_imported(place, refused):
    refused(
        ["export", place.run, "--to", "torch", "--out", "my-net.py"],
        tells="my-net.py cannot be imported; choose a name like my_network.py",
    )


def test_export_of_damaged_weights(place, refused):
    best = place.run / "checkpoints" / "best.safetensors"
    best.write_bytes(best.read_bytes()[:-4])
    refused(["export", place.run, "--to", "torch"], tells="best.safetensors is damaged")


def test_weights_that_are_not_there(place, refused):
    refused(["import", "nowhere.safetensors", place.recipe], tells="nowhere.safetensors does not")


def test_weights_of_torch_save(place, tmp_path, refused):
    torch.save({"0.weight": torch.zeros(8, 36)}, tmp_path / "theirs.pt")
    refused(
        ["import", tmp_path / "theirs.pt", place.recipe],
        tells="theirs.pt is not a safetensors file … pickle … safetensors.torch.save_file(",
    )


def test_weights_of_another_network(place, weights, refused):
    refused(
        ["import", weights, place.recipe],
        tells="theirs.safetensors belongs to another network: no layer of the file fits the "
        "network's 3 (weight (3, 8), bias (3,)); the first one left is 2 (bias (4,)",
    )


def test_an_import_into_a_run(place, refused):
    refused(
        [
            "import",
            place.run / "checkpoints" / "best.safetensors",
            place.recipe,
            "--out",
            place.run,
        ],
        tells="run is not empty",
    )


def test_an_import_for_an_unknown_recipe(place, weights, refused):
    refused(["import", weights, "digitz"], tells="there is no recipe 'digitz'")
