"""Classifiers to cross over, a trained run, and the contract suite's table of layers."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from numpy.random import Generator

from handloom import nn
from handloom.data import Normalisation
from handloom.exchange import PortableClassifier
from handloom.run import session
from handloom.run.results import Run

CLASSES = 3

Make = Callable[..., PortableClassifier]


def load_table() -> ModuleType:
    """tests/nn/conftest.py, where every layer of `nn` has its cases."""
    path = Path(__file__).parents[1] / "nn" / "conftest.py"
    spec = importlib.util.spec_from_file_location("table_of_layers", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def stirred(layer: nn.Layer, rng: Generator) -> nn.Layer:
    """In evaluation mode, and no parameter or running statistic is all 0 or 1."""
    for parameter in layer.named_parameters().values():
        parameter.value += (0.1 * rng.standard_normal(parameter.shape)).astype(np.float32)
    for buffer in layer.named_buffers().values():
        buffer += (0.1 * rng.random(buffer.shape)).astype(buffer.dtype)
    return layer.eval()


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """A test that asks for a `layer_case` runs once for each case of the table."""
    if "layer_case" in metafunc.fixturenames:
        table = load_table().CASES
        params = [
            pytest.param(case, id=f"{kind.__name__}-{index}")
            for kind, cases in table.items()
            for index, case in enumerate(cases)
        ]
        metafunc.parametrize("layer_case", params)


@pytest.fixture
def one_layer(layer_case: Any, rng: Generator) -> tuple[nn.Layer, np.ndarray]:
    """The case's layer, ready to predict, and an input for it, float32."""
    layer = stirred(layer_case.build(rng), rng)
    return layer, rng.standard_normal(layer_case.input_shape).astype(np.float32)


@pytest.fixture
def make_classifier(rng: Generator) -> Make:
    """Make a small classifier; `layers` and `normalisation` may be told."""

    def make(
        layers: Sequence[nn.Layer] | None = None,
        normalisation: Normalisation | None = None,
        shape: tuple[int, int, int] = (2, 7, 6),
        class_names: Sequence[str] = ("shirt", "T-shirt/top", 'an "odd" name \\'),
    ) -> PortableClassifier:
        if layers is None:
            layers = (
                nn.Conv2d(shape[0], 4, 3, rng=rng),
                nn.BatchNorm2d(4),
                nn.ReLU(),
                nn.Dropout(0.2, rng=rng),
                nn.GlobalAvgPool2d(),
                nn.Linear(4, len(class_names), rng=rng),
            )
        network = nn.Sequential(*layers)
        stirred(network, rng)
        return PortableClassifier(
            "a run", network, shape, tuple(class_names), normalisation or Normalisation("scale"),
            'description = "none"\n',
        )  # fmt: skip

    return make


@pytest.fixture
def classifier(make_classifier: Make) -> PortableClassifier:
    return make_classifier()


@pytest.fixture
def images(classifier: PortableClassifier, rng: Generator) -> np.ndarray:
    """Nine images for the classifier."""
    return rng.integers(0, 256, (9, *classifier.image_shape), np.uint8)


@pytest.fixture
def run(bars: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """A finished run of bars.toml, whose images were not drawn."""
    monkeypatch.setattr(session, "draw", lambda run, parts: [])
    return session.train(bars, run_dir=tmp_path / "run")
