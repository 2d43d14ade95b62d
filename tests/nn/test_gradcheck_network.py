"""The gradient check of a network: a row for each layer, one for the whole, the culprit by name."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.random import Generator

from handloom import nn

Array = np.ndarray


def lenet(rng: Generator, conv: type[nn.Conv2d] = nn.Conv2d) -> nn.Sequential:
    return nn.Sequential(
        conv(1, 3, 3, rng=rng),
        nn.BatchNorm2d(3),
        nn.LeakyReLU(),
        nn.MaxPool2d(2),
        nn.Residual(nn.Sequential(conv(3, 3, 3, padding=1, rng=rng), nn.ReLU())),
        nn.Flatten(),
        nn.Dropout(0.2, rng=rng),
        nn.Linear(27, 4, rng=rng),
    )


@pytest.fixture
def images(rng: Generator) -> Array:
    """Images like real ones: most pixels are blank."""
    return rng.random((3, 1, 8, 8)) * (rng.random((3, 1, 8, 8)) < 0.3)


LABELS = np.array([0, 3, 1])


def test_one_row_a_layer_and_one_for_the_whole(images: Array, rng: Generator) -> None:
    network = lenet(rng)
    network.skip_input_gradient()
    report = nn.gradcheck_network(network, images, LABELS, nn.cross_entropy, rng=rng)
    assert report.passed, report.worst
    assert 0 < report.max_rel_error <= 1e-6
    assert [(row.path, row.kind, row.output_shape, row.num_parameters) for row in report.rows] == [
        ("0", "Conv2d", (3, 6, 6), 30),
        ("1", "BatchNorm2d", (3, 6, 6), 6),
        ("2", "LeakyReLU", (3, 6, 6), 0),
        ("3", "MaxPool2d", (3, 3, 3), 0),
        ("4.body.0", "Conv2d", (3, 3, 3), 84),
        ("4.body.1", "ReLU", (3, 3, 3), 0),
        ("5", "Flatten", (27,), 0),
        ("6", "Dropout", (27,), 0),
        ("7", "Linear", (4,), 112),
        ("", "Sequential", (4,), 30 + 6 + 84 + 112),
    ]
    assert [row.parameter_error is None for row in report.rows] == [
        row.num_parameters == 0 for row in report.rows
    ]
    assert all(row.input_error <= 1e-6 for row in report.rows)


class BiasTwice(nn.Conv2d):
    """Counts the gradient of its bias twice."""

    def backward(self, dy: Array) -> Array:
        dx = super().backward(dy)
        self.bias.grad = 2 * self.bias.grad
        return dx


def test_names_the_layer_that_is_wrong(images: Array, rng: Generator) -> None:
    network = lenet(rng)
    network[4].body.layers[0] = BiasTwice(3, 3, 3, padding=1, rng=rng)
    report = nn.gradcheck_network(network, images, LABELS, nn.cross_entropy, rng=rng)
    assert not report.passed
    assert [row.path for row in report.rows if not row.report.passed] == ["4.body.0", ""]
    assert report.worst.startswith("4.body.0 (BiasTwice) bias[")


class ForgetfulResidual(nn.Residual):
    """Forgets the gradient of its shortcut."""

    def backward(self, dy: Array) -> Array:
        return self.body.backward(dy)


def test_the_whole_finds_what_no_single_layer_can(images: Array, rng: Generator) -> None:
    network = nn.Sequential(
        nn.Flatten(),
        nn.Linear(64, 4, rng=rng),
        ForgetfulResidual(nn.Sequential(nn.Tanh(), nn.Linear(4, 4, rng=rng))),
    )
    report = nn.gradcheck_network(network, images, LABELS, nn.cross_entropy, rng=rng)
    assert [row.path for row in report.rows if not row.report.passed] == [""]
    assert report.worst.startswith("network (Sequential) ")


def test_the_whole_checks_the_loss(images: Array, rng: Generator) -> None:
    def without_mean(logits: Array, labels: Array) -> tuple[float, Array]:
        value, dlogits = nn.cross_entropy(logits, labels)
        return value, dlogits * len(labels)

    network = nn.Sequential(nn.Flatten(), nn.Linear(64, 4, rng=rng))
    for loss in (nn.cross_entropy, nn.mse):
        assert nn.gradcheck_network(network, images, LABELS, loss, rng=rng).passed
    report = nn.gradcheck_network(network, images, LABELS, without_mean, rng=rng)
    assert [row.path for row in report.rows if not row.report.passed] == [""]
