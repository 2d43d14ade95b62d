"""The gradient check: it catches wrong derivatives, and only those."""

from __future__ import annotations

import re

import numpy as np
import pytest
from numpy.random import Generator

from handloom import nn
from handloom.errors import ShapeError

Array = np.ndarray


class TransposedWeight(nn.Linear):
    def backward(self, dy: Array) -> Array:
        super().backward(dy)
        return dy @ self.weight.value.T


class ForgottenBias(nn.Linear):
    def backward(self, dy: Array) -> Array:
        dx = super().backward(dy)
        self.bias.zero_grad()
        return dx


class BiasOfOneExample(nn.Linear):
    def backward(self, dy: Array) -> Array:
        dx = super().backward(dy)
        self.bias.grad = dy[0]
        return dx


class OneEntryOff(nn.Linear):
    def backward(self, dy: Array) -> Array:
        dx = super().backward(dy)
        self.weight.grad[2, 0] *= 1.05
        return dx


class WrongSign(nn.Tanh):
    def backward(self, dy: Array) -> Array:
        return -super().backward(dy)


class SumInsteadOfMean(nn.GlobalAvgPool2d):
    def backward(self, dy: Array) -> Array:
        ((height, width),) = self._saved
        return super().backward(dy) * (height * width)


class UnscaledDropout(nn.Dropout):
    def backward(self, dy: Array) -> Array:
        return super().backward(dy) * (1 - self.p)


class MeanIsNoConstant(nn.BatchNorm1d):
    """Takes the batch's mean and variance for constants."""

    def backward(self, dy: Array) -> Array:
        _, inv_std = self._saved
        super().backward(dy)
        return dy * (self.weight.value * inv_std)


class SlopeOffByLittle(nn.ReLU):
    def backward(self, dy: Array) -> Array:
        return super().backward(dy) * (1 + 1e-5)


class NotANumber(nn.Tanh):
    def backward(self, dy: Array) -> Array:
        return super().backward(dy) * np.nan


def linear(layer: type[nn.Linear]) -> nn.Linear:
    return layer(4, 4, rng=np.random.default_rng(1))


WRONG = [
    (linear(TransposedWeight), (3, 4), "x"),
    (linear(ForgottenBias), (3, 4), "bias"),
    (linear(BiasOfOneExample), (3, 4), "bias"),
    (linear(OneEntryOff), (3, 4), "weight"),
    (WrongSign(), (3, 4), "x"),
    (SumInsteadOfMean(), (2, 3, 4, 4), "x"),
    (UnscaledDropout(0.5, rng=np.random.default_rng(1)), (3, 4), "x"),
    (MeanIsNoConstant(4), (6, 4), "x"),
    (SlopeOffByLittle(), (3, 4), "x"),
    (NotANumber(), (3, 4), "x"),
]


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize(("layer", "shape", "name"), WRONG, ids=lambda v: type(v).__name__)
def test_catches_what_is_wrong_and_only_that(
    layer: nn.Layer, shape: tuple[int, ...], name: str, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    report = nn.gradcheck(layer, rng.standard_normal(shape), rng=rng)
    assert not report.passed
    assert report.max_rel_error > 1e-6
    assert {row.name for row in report.rows if row.rel_error > 1e-6} == {name}
    assert re.match(rf"{name}\[[\d, ]+\]: \S+ vs \S+$", report.worst)


@pytest.mark.parametrize("where", [0.0, 0.5], ids=["on the kinks", "beside them"])
def test_a_kink_is_no_excuse(where: float, rng: Generator) -> None:
    x = np.where(rng.random((3, 4)) < 0.5, 0.0, where)
    assert not nn.gradcheck(SlopeOffByLittle(), x, rng=rng).passed
    assert nn.gradcheck(nn.ReLU(), x, rng=rng).passed


def test_finds_the_one_wrong_entry_of_many(rng: Generator) -> None:
    layer = OneEntryOff(50, 40, rng=rng)
    report = nn.gradcheck(layer, rng.standard_normal((3, 50)), rng=rng, num_entries=0)
    assert report.worst.startswith("weight[2, 0]: ")
    (row,) = [row for row in report.rows if row.entry == (2, 0)]
    assert row.analytic == pytest.approx(1.05 * row.numeric, rel=1e-6)


def test_blank_pictures_and_equal_pixels_pass(rng: Generator) -> None:
    network = nn.Sequential(nn.Conv2d(1, 2, 3, rng=rng), nn.ReLU(), nn.MaxPool2d(2), nn.ELU())
    for x in (np.zeros((2, 1, 6, 6)), np.ones((2, 1, 6, 6), np.uint8)):
        report = nn.gradcheck(network, x, rng=rng)
        assert report.passed, report.worst


def test_a_parameter_that_changes_nothing_passes(rng: Generator) -> None:
    network = nn.Sequential(nn.Linear(4, 3, rng=rng), nn.BatchNorm1d(3))  # takes any bias away
    report = nn.gradcheck(network, rng.standard_normal((5, 4)), rng=rng)
    assert report.passed, report.worst


class HiddenChance(nn.Tanh):
    """Another function at every call."""

    chance = np.random.default_rng(0)

    def forward(self, x: Array) -> Array:
        return super().forward(x * self.chance.random())


def test_a_layer_without_a_smooth_place_fails_and_says_so(rng: Generator) -> None:
    report = nn.gradcheck(HiddenChance(), np.ones((2, 3)), rng=rng)
    assert not report.passed
    assert report.max_rel_error == np.inf
    assert report.worst.endswith("no smooth point was found for the comparison")


def test_leaves_the_layer_as_it_is(rng: Generator) -> None:
    layer = nn.Sequential(
        nn.Linear(4, 3, rng=rng), nn.BatchNorm1d(3), nn.Dropout(0.5, rng=rng)
    ).eval()
    layer.skip_input_gradient()
    layer.begin_step(7)
    before, x = layer.state_dict(), rng.standard_normal((5, 4)).astype(np.float32)
    x_before = x.copy()
    report = nn.gradcheck(layer, x, rng=rng)
    assert report.passed, report.worst
    assert {row.name for row in report.rows} == {"x", *layer.named_parameters()}
    assert all(np.array_equal(before[n], a) for n, a in layer.state_dict().items())
    assert not any(p.grad.any() for p in layer.named_parameters().values())
    assert not layer.training
    assert not layer.needs_input_gradient
    assert layer[2].step == 7
    assert np.array_equal(x, x_before)


def test_a_gradient_of_another_shape_is_an_error(rng: Generator) -> None:
    class Flat(nn.Tanh):
        def backward(self, dy: Array) -> Array:
            return super().backward(dy).ravel()

    with pytest.raises(ShapeError, match=r"shape \(12,\) for a value of \(3, 4\)"):
        nn.gradcheck(Flat(), np.ones((3, 4)), rng=rng)
    with pytest.raises(ShapeError, match="at least one value"):
        nn.gradcheck(nn.Tanh(), np.ones((0, 4)), rng=rng)
