"""Softmax and LogSoftmax: scores of any size, and what is not a row of scores."""

from __future__ import annotations

import numpy as np
import pytest

from handloom import nn
from handloom.errors import ShapeError


@pytest.mark.parametrize("shift", [0.0, 1e4, -1e4, 1e6])
def test_a_shift_of_all_scores_changes_nothing(shift: float, rng: np.random.Generator) -> None:
    x = np.round(rng.standard_normal((4, 6)), 2)
    with np.errstate(over="raise", invalid="raise", divide="raise"):
        np.testing.assert_allclose(nn.softmax(x + shift), nn.softmax(x), rtol=1e-9)
        np.testing.assert_allclose(nn.log_softmax(x + shift), nn.log_softmax(x), rtol=1e-8)


@pytest.mark.parametrize("size", [0.0, 1e4, 1e20])
def test_equal_scores_share_alike(size: float) -> None:
    x = np.full((2, 4), size, np.float32)
    assert (nn.softmax(x) == 0.25).all()
    np.testing.assert_allclose(nn.log_softmax(x), -np.log(4), rtol=1e-7)


def test_log_softmax_keeps_what_softmax_rounds_to_zero() -> None:
    x = np.array([[0.0, -1e4]])
    assert nn.softmax(x)[0, 1] == 0
    assert nn.log_softmax(x)[0, 1] == -1e4


def test_sums_to_one_over_axis_1(rng: np.random.Generator) -> None:
    y = nn.Softmax().forward(rng.standard_normal((2, 3, 4, 5)))
    np.testing.assert_allclose(y.sum(axis=1), np.ones((2, 4, 5)))


@pytest.mark.parametrize("layer", [nn.Softmax(), nn.LogSoftmax()])
def test_refuses_an_input_without_classes(layer: nn.Layer) -> None:
    with pytest.raises(ShapeError, match=r"got \(5,\)"):
        layer.forward(np.zeros(5))
    with pytest.raises(ShapeError, match=r"expects \(C, ...\)"):
        layer.output_shape(())
