"""Which layers become one piece, what cannot become one, and how wide rows get."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import pytest
from covering import covering
from networks import NETWORKS, network

from handloom import nn, optim
from handloom._typing import FloatArray, Shape
from handloom.engines import Engine, TrainingSetup
from handloom.engines.loom.engine import LoomEngine
from handloom.engines.numpy.engine import NumpyEngine
from handloom.loom.kernels.activation import EPILOGUES, Identity
from handloom.loom.language.emitter import Emitter
from handloom.loom.language.machine import host
from handloom.loom.language.value import Value
from handloom.loom.network import chain, fuse
from handloom.loom.network.plan import Plan, Request
from handloom.loom.pieces.gather import Pictures

RNG = np.random.default_rng(0)


def linear(inputs: int, units: int) -> nn.Linear:
    return nn.Linear(inputs, units, rng=RNG)


def conv(inputs: int, filters: int, kernel: int, **how: Any) -> nn.Conv2d:
    return nn.Conv2d(inputs, filters, kernel, rng=RNG, **how)


def named(*layers: nn.Layer) -> list[chain.Named]:
    return list(chain.in_a_row("", nn.Sequential(*layers)))


def pieces(shape: Shape, *layers: nn.Layer, **how: Any) -> list[tuple[str, ...]]:
    """The paths of the layers in each piece."""
    plan = Plan(named(*layers), host(), Request(shape, 8, Pictures(), **how))
    return [piece.paths for piece in plan.pieces]


def test_a_dense_layer_takes_its_activation_along() -> None:
    layers = nn.Flatten(), linear(12, 8), nn.Tanh(), linear(8, 8), linear(8, 3)
    assert pieces((1, 3, 4), *layers) == [("1", "2"), ("3",), ("4",)]


@pytest.mark.parametrize("layer", [nn.SiLU(), nn.GELU(), nn.GELU("tanh")], ids=repr)
def test_a_slope_that_y_does_not_tell_needs_a_piece_of_its_own(layer: nn.Layer) -> None:
    layers = nn.Flatten(), linear(12, 8), layer, linear(8, 3)
    assert pieces((1, 3, 4), *layers) == [("1",), ("2",), ("3",)]


def test_of_two_activations_the_second_is_a_piece() -> None:
    assert pieces((8,), linear(8, 8), nn.ReLU(), nn.Tanh()) == [("0", "1"), ("2",)]


@pytest.mark.parametrize(
    "behind", [(nn.ReLU(), nn.MaxPool2d(2)), (nn.MaxPool2d(2), nn.ReLU())], ids=["ReLU", "pool"]
)
def test_a_convolution_takes_activation_and_pooling_along(behind: Any) -> None:
    """In either order: the largest stays the largest."""
    layers = conv(1, 3, 3), *behind, nn.Flatten(), linear(27, 5)
    assert pieces((1, 8, 8), *layers)[0] == ("0", "1", "2")


def test_a_norm_does_so_too() -> None:
    layers = conv(1, 3, 3), nn.BatchNorm2d(3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten()
    assert pieces((1, 8, 8), *layers)[:2] == [("0",), ("1", "2", "3")]


class Negated(nn.Layer):
    """y = -x, which turns the largest into the smallest."""

    def forward(self, x: FloatArray) -> FloatArray:
        return -x

    def backward(self, dy: FloatArray) -> FloatArray:
        return -dy

    def output_shape(self, input_shape: Shape) -> Shape:
        return input_shape


@dataclass(frozen=True)
class NegatedEpilogue(Identity):
    """The same in the loom's terms."""

    increasing: ClassVar[bool] = False

    def output(self, e: Emitter, z: Value) -> Value:
        return -1.0 * z

    def gradient(self, e: Emitter, error: Value, y: Value) -> Value:
        return -1.0 * error


@covering(norm={"conv": False, "norm": True}, pooled_first={"activation": False, "pooling": True})
def test_an_activation_that_is_not_increasing_is_not_fused_with_a_pooling(
    norm: bool, pooled_first: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(EPILOGUES, Negated, lambda _: NegatedEpilogue())
    last = [nn.MaxPool2d(2), Negated()] if pooled_first else [Negated(), nn.MaxPool2d(2)]
    norms = [nn.BatchNorm2d(3)] * norm
    x, labels = RNG.normal(size=(5, 1, 8, 8)).astype(np.float32), RNG.integers(0, 3, 5)
    layers = conv(1, 3, 3), *norms, *last, nn.Flatten(), linear(27, 3)

    def setup(model: nn.Layer) -> TrainingSetup:
        rule = optim.SGD(model.named_parameters(), 0.1)
        return TrainingSetup(nn.cross_entropy, rule, batch_size=5)

    twin, model = copy.deepcopy(nn.Sequential(*layers)), nn.Sequential(*layers)
    ours: Engine = LoomEngine(twin, setup(twin), input_shape=(1, 8, 8))
    theirs: Engine = NumpyEngine(model, setup(model))
    report, right = (engine.train_step(x, labels) for engine in (ours, theirs))
    assert report.grad_norm == pytest.approx(right.grad_norm, rel=1e-5)
    for count in (1, 5):
        np.testing.assert_allclose(
            ours.predict(x[:count]), theirs.predict(x[:count]), rtol=1e-4, atol=1e-5
        )


def test_pooling_with_windows_that_overlap_is_a_piece() -> None:
    layers = conv(1, 3, 3), nn.ReLU(), nn.MaxPool2d(3, stride=1), nn.Flatten()
    assert pieces((1, 8, 8), *layers)[:2] == [("0", "1"), ("2",)]


def test_pictures_that_are_flattened_at_once_are_gathered_as_rows() -> None:
    plan = Plan(named(nn.Flatten(), linear(12, 3)), host(), Request((1, 3, 4), 8, Pictures()))
    assert not plan.input.is_maps
    assert plan.input.shape == (12,)


@pytest.mark.parametrize("sparse", [False, True])
def test_only_the_first_of_large_dense_layers_looks_for_what_is_not_zero(sparse: bool) -> None:
    layers = named(nn.Flatten(), linear(1024, 64), linear(64, 600), linear(600, 3))
    plan = Plan(layers, host(), Request((1, 32, 32), 8, Pictures(sparse=sparse)))
    assert [bool(piece.lit) for piece in plan.pieces] == [sparse, False, False]  # type: ignore[attr-defined]


def test_what_ends_in_pictures_is_flattened_for_whom_it_may_concern() -> None:
    plan = Plan(named(conv(1, 3, 3), nn.ReLU()), host(), Request((1, 6, 5), 8, Pictures()))
    assert plan.classes == 3 * 4 * 3


def test_dropout_is_there_only_while_training() -> None:
    layers = nn.Flatten(), linear(12, 8), nn.Dropout(0.5, rng=RNG), linear(8, 3)
    assert pieces((1, 3, 4), *layers) == [("1",), ("2",), ("3",)]
    assert pieces((1, 3, 4), *layers, training=False) == [("1",), ("3",)]
    layers = nn.Flatten(), linear(12, 8), nn.Dropout(0.0, rng=RNG), linear(8, 3)
    assert pieces((1, 3, 4), *layers) == [("1",), ("3",)]


def test_branches_are_walked_under_their_own_paths() -> None:
    body = nn.Sequential(linear(8, 6), nn.ReLU(), linear(6, 8))
    layers = linear(8, 8), nn.Residual(body, linear(8, 8)), nn.ReLU()
    found = pieces((8,), *layers)
    assert found == [("0",), ("1.body.0", "1.body.1"), ("1.body.2",), ("1.shortcut",), ("1", "2")]
    layers = nn.Parallel(conv(1, 2, 1), nn.Sequential(conv(1, 3, 1), nn.ReLU())), nn.Flatten()
    assert pieces((1, 4, 4), *layers)[:3] == [("0.0",), ("0.1.0", "0.1.1"), ("0",)]


def test_rows_within_rows_are_one_row() -> None:
    inner = nn.Sequential(nn.ReLU(), nn.Sequential(nn.Tanh()))
    layers = list(chain.in_a_row("", nn.Sequential(inner, nn.ELU())))
    assert [path for path, _ in layers] == ["0.0", "0.1.0", "1"]
    assert [path for path, _ in chain.in_a_row("body", inner)] == ["body.0", "body.1.0"]
    assert [path for path, _ in chain.in_a_row("1.body", nn.ReLU())] == ["1.body"]


class Mine(nn.Sequential):
    """Looks like something known, and may do anything."""


UNCOVERED: dict[str, tuple[Shape, tuple[nn.Layer, ...]]] = {
    "1 (Softmax)": ((4,), (linear(4, 4), nn.Softmax())),
    "0 (LayerNorm)": ((4,), (nn.LayerNorm(4),)),
    "0.0 (Mine)": ((4,), (nn.Sequential(Mine(nn.ReLU())),)),
    "1.body.1 (Mine)": ((4,), (linear(4, 4), nn.Residual(nn.Sequential(nn.ReLU(), Mine())))),
    "0.1 (Mine)": ((2, 4, 4), (nn.Parallel(nn.ReLU(), Mine(nn.ReLU())),)),
    "0 (Conv2d)": ((4, 5, 5), (conv(4, 4, 3, groups=2),)),
    "0 (ELU)": ((4,), (nn.ELU(-1.0),)),
}


@pytest.mark.parametrize("what", UNCOVERED)
def test_what_cannot_be_compiled_is_named(what: str) -> None:
    shape, layers = UNCOVERED[what]
    with pytest.raises(fuse.UncoveredError) as caught:
        pieces(shape, *layers)
    assert str(caught.value) == what


@pytest.mark.parametrize("name", NETWORKS)
def test_every_layer_is_in_one_piece_or_needs_none(name: str) -> None:
    model, (shape, _) = network(name), NETWORKS[name]
    plan = Plan(list(chain.in_a_row("", model)), host(), Request(shape, 8, Pictures()))
    paths = [path for piece in plan.pieces for path in piece.paths]
    assert len(paths) == len(set(paths))
    without = {
        path for path, layer in model.named_layers()
        if path not in paths and type(layer) not in (nn.Sequential, nn.Flatten)
    }  # fmt: skip
    assert not without
    assert {name.rpartition(".")[0] for name in plan.parameters} <= set(paths)


WIDTHS: list[tuple[int, Shape, list[nn.Layer]]] = [
    (12, (1, 3, 4), [nn.Flatten(), linear(12, 5)]),
    (40, (1, 3, 4), [nn.Flatten(), linear(12, 40), linear(40, 5)]),
    (64, (1, 8, 8), [nn.ReLU()]),
    (27, (1, 8, 8), [conv(1, 3, 3), nn.MaxPool2d(2), nn.Flatten(), linear(27, 5)]),
    (90, (8,), [nn.Residual(nn.Sequential(linear(8, 90), linear(90, 8)))]),
    (91, (8,), [nn.Residual(linear(8, 8), nn.Sequential(linear(8, 91), linear(91, 8)))]),
    (92, (8,), [nn.Residual(nn.Residual(nn.Sequential(linear(8, 92), linear(92, 8))))]),
    (10, (1, 8, 8), [nn.Residual(conv(1, 1, 1)), nn.GlobalAvgPool2d(), linear(1, 10)]),
]


@pytest.mark.parametrize(("width", "shape", "layers"), WIDTHS, ids=lambda width: str(width)[:9])
def test_rows_are_as_wide_as_the_widest_even_within_branches(
    width: int, shape: Shape, layers: list[nn.Layer]
) -> None:
    assert chain.widest(named(*layers), shape) == width
    plan = Plan(named(*layers), host(), Request(shape, 8, Pictures()))
    assert plan.sizes.row >= width
