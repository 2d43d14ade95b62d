"""hl.load_weights: all of a file into a network, or nothing."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.random import Generator
from safetensors.torch import save_file

import handloom as hl
from handloom import nn
from handloom.errors import CheckpointError
from handloom.exchange import PortableClassifier
from handloom.exchange.weights_file import write_weights
from handloom.run.results import Run


def network(rng: Generator) -> nn.Sequential:
    return nn.Sequential(nn.Linear(4, 5, rng=rng), nn.BatchNorm1d(5), nn.Linear(5, 3, rng=rng))


def test_a_pytorch_module(rng: Generator, tmp_path: Path) -> None:
    theirs = torch.nn.Sequential(
        torch.nn.Linear(4, 5), torch.nn.BatchNorm1d(5), torch.nn.Linear(5, 3)
    )
    theirs(torch.rand(20, 4))  # moves the statistics
    save_file(theirs.state_dict(), tmp_path / "net.safetensors")
    ours = network(rng)
    matching = hl.load_weights(ours, tmp_path / "net.safetensors")
    assert matching.by_name
    x = rng.standard_normal((7, 4)).astype(np.float32)
    with torch.inference_mode():
        expected = theirs.eval()(torch.from_numpy(x)).numpy()
    np.testing.assert_allclose(ours.eval().forward(x), expected, rtol=1e-5, atol=1e-6)


def test_what_export_wrote(classifier: PortableClassifier, make_classifier, tmp_path: Path) -> None:
    write_weights(tmp_path / "net.safetensors", classifier)
    other = make_classifier().network
    hl.load_weights(other, tmp_path / "net.safetensors")
    for name, array in classifier.network.state_dict().items():
        np.testing.assert_array_equal(other.state_dict()[name], array)


def test_a_run_s_best_weights(run: Run) -> None:
    ours = hl.open_run(run.path).model
    for parameter in ours.named_parameters().values():
        parameter.value[...] = 0
    hl.load_weights(ours, run.folder.checkpoint("best"))
    for name, array in run.model.state_dict().items():
        np.testing.assert_array_equal(ours.state_dict()[name], array)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_model_keeps_its_dtype(dtype: type, rng: Generator, tmp_path: Path) -> None:
    ours = network(rng).astype(dtype)
    values = {name: torch.rand(a.shape).bfloat16() for name, a in ours.state_dict().items()}
    save_file(values, tmp_path / "net.safetensors")
    hl.load_weights(ours, tmp_path / "net.safetensors")
    for name, array in ours.state_dict().items():
        assert array.dtype == dtype
        np.testing.assert_array_equal(array, values[name].double().numpy())


def test_a_misfit_leaves_the_model_as_it_was(rng: Generator, tmp_path: Path) -> None:
    ours = network(rng)
    before = ours.state_dict()
    save_file({"0.weight": torch.zeros(5, 4)}, tmp_path / "net.safetensors")
    with pytest.raises(CheckpointError, match="belongs to another network: no layer of"):
        hl.load_weights(ours, tmp_path / "net.safetensors")
    for name, array in ours.state_dict().items():
        np.testing.assert_array_equal(array, before[name])
