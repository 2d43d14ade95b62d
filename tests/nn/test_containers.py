"""Containers with real blocks inside: against torch, in shapes, and in what they leave out."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from numpy.random import Generator
from torch import nn as tnn

from handloom import nn
from handloom.errors import ShapeError


class TorchInception(tnn.Module):
    """Four branches joined on channels."""

    def __init__(self) -> None:
        super().__init__()
        self.branches = tnn.ModuleList(
            [
                tnn.Conv2d(3, 2, 1),
                tnn.Sequential(tnn.Conv2d(3, 4, 1), tnn.ReLU(), tnn.Conv2d(4, 5, 3, padding=1)),
                tnn.Sequential(tnn.Conv2d(3, 2, 1), tnn.ReLU(), tnn.Conv2d(2, 3, 5, padding=2)),
                tnn.Sequential(tnn.MaxPool2d(3, 1, 1), tnn.Conv2d(3, 2, 1)),
            ]
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.cat([branch(x) for branch in self.branches], dim=1)


def inception(rng: Generator) -> nn.Layer:
    return nn.Parallel(
        nn.Conv2d(3, 2, 1, rng=rng),
        nn.Sequential(
            nn.Conv2d(3, 4, 1, rng=rng), nn.ReLU(), nn.Conv2d(4, 5, 3, padding=1, rng=rng)
        ),
        nn.Sequential(
            nn.Conv2d(3, 2, 1, rng=rng), nn.ReLU(), nn.Conv2d(2, 3, 5, padding=2, rng=rng)
        ),
        nn.Sequential(nn.MaxPool2d(3, 1, 1), nn.Conv2d(3, 2, 1, rng=rng)),
    )


class TorchResidualBlock(tnn.Module):
    """A ResNet's block that halves the image."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = tnn.Conv2d(3, 6, 3, stride=2, padding=1, bias=False)
        self.norm1 = tnn.BatchNorm2d(6)
        self.conv2 = tnn.Conv2d(6, 6, 3, padding=1, bias=False)
        self.norm2 = tnn.BatchNorm2d(6)
        self.conv3 = tnn.Conv2d(3, 6, 1, stride=2, bias=False)
        self.norm3 = tnn.BatchNorm2d(6)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        body = self.norm2(self.conv2(torch.relu(self.norm1(self.conv1(x)))))
        return torch.relu(body + self.norm3(self.conv3(x)))


def residual_block(rng: Generator) -> nn.Layer:
    return nn.Sequential(
        nn.Residual(
            nn.Sequential(
                nn.Conv2d(3, 6, 3, stride=2, padding=1, bias=False, rng=rng),
                nn.BatchNorm2d(6),
                nn.ReLU(),
                nn.Conv2d(6, 6, 3, padding=1, bias=False, rng=rng),
                nn.BatchNorm2d(6),
            ),
            nn.Sequential(nn.Conv2d(3, 6, 1, stride=2, bias=False, rng=rng), nn.BatchNorm2d(6)),
        ),
        nn.ReLU(),
    )


@pytest.mark.parametrize(
    ("build", "twin"),
    [(inception, TorchInception), (residual_block, TorchResidualBlock)],
    ids=["inception", "residual"],
)
def test_block_equals_torch(
    build: Callable[[Generator], nn.Layer], twin: type[tnn.Module], rng: Generator
) -> None:
    block, torch_block = build(rng).astype(np.float64), twin().double()
    with torch.no_grad():  # the twin's parameters stand in the same order
        for theirs, ours in zip(
            torch_block.parameters(), block.named_parameters().values(), strict=True
        ):
            theirs.copy_(torch.from_numpy(ours.value))
    x = rng.standard_normal((4, 3, 8, 8))
    torch_x = torch.from_numpy(x).requires_grad_()
    torch_y = torch_block(torch_x)
    y = block.forward(x)
    dy = rng.standard_normal(y.shape)
    torch_y.backward(torch.from_numpy(dy))
    assert torch_x.grad is not None
    pairs = [(y, torch_y.detach()), (block.backward(dy), torch_x.grad)]
    for theirs, ours in zip(
        torch_block.parameters(), block.named_parameters().values(), strict=True
    ):
        assert theirs.grad is not None
        pairs.append((ours.grad, theirs.grad))
    for ours_array, theirs_array in pairs:
        expected = theirs_array.numpy()
        assert ours_array.shape == expected.shape
        assert np.abs(ours_array - expected).max() <= 1e-10 * np.abs(expected).max()


def test_parameters_are_named_by_their_path(rng: Generator) -> None:
    network = nn.Sequential(nn.Flatten(), residual_block(rng), inception(rng))
    names = list(network.named_parameters())
    assert names[0] == "1.0.body.0.weight"
    assert "1.0.shortcut.1.bias" in names
    assert names[-1] == "2.3.1.bias"
    assert "1.0.body.1.running_mean" in network.state_dict()
    assert len(network) == 3
    assert network[0] is next(iter(network))


def test_a_shape_that_does_not_fit_names_the_path_and_both_shapes(rng: Generator) -> None:
    network = nn.Sequential(
        nn.Conv2d(1, 2, 3, rng=rng),
        nn.ReLU(),
        nn.Residual(nn.Sequential(nn.Linear(5, 5, rng=rng), nn.ReLU())),
    )
    with pytest.raises(ShapeError, match=r"^layer 2\.body\.0: .*\(5,\), got \(2, 4, 4\)") as caught:
        network.output_shape((1, 6, 6))
    assert caught.value.path == "2.body.0"


def test_residual_refuses_to_add_unequal_shapes(rng: Generator) -> None:
    widening = nn.Conv2d(1, 3, 1, rng=rng)
    told = r"output \(3, 4, 4\) to its input \(1, 4, 4\)"
    with pytest.raises(ShapeError, match="layer 0: .*" + told):
        nn.Sequential(nn.Residual(widening)).output_shape((1, 4, 4))
    with pytest.raises(ShapeError, match=told):  # NumPy would broadcast these two
        nn.Residual(widening).forward(np.zeros((2, 1, 4, 4)))
    with pytest.raises(ShapeError, match=r"its shortcut's output \(2, 4, 4\)"):
        nn.Residual(widening, nn.Conv2d(1, 2, 1, rng=rng)).output_shape((1, 4, 4))


def test_parallel_refuses_branches_that_cannot_be_joined(rng: Generator) -> None:
    uneven = nn.Parallel(nn.Conv2d(1, 3, 1, rng=rng), nn.Conv2d(1, 2, 3, rng=rng))
    told = r"got \(3, 4, 4\), \(2, 2, 2\)"
    with pytest.raises(ShapeError, match=told):
        uneven.output_shape((1, 4, 4))
    with pytest.raises(ShapeError, match=told):
        uneven.forward(np.zeros((2, 1, 4, 4), np.float32))
    with pytest.raises(ShapeError, match="at least one branch"):
        nn.Parallel()


class Counting(nn.Tanh):
    """A layer without parameters that counts its backwards."""

    backwards = 0

    def backward(self, dy: np.ndarray) -> np.ndarray:
        self.backwards += 1
        return super().backward(dy)


def trained_alike(build: Callable[[], nn.Layer], x: np.ndarray) -> nn.Layer:
    """A network that skips its input's gradient, after checking it against one that does not."""
    whole, skipping = build(), build()
    skipping.skip_input_gradient()
    y = whole.forward(x)
    assert np.array_equal(skipping.forward(x), y)
    dy = np.cos(y)
    assert whole.backward(dy).shape == x.shape
    assert skipping.backward(dy) is nn.NO_GRADIENT
    expected = whole.named_parameters()
    assert all(p.grad.any() for p in expected.values())
    for name, parameter in skipping.named_parameters().items():
        assert np.array_equal(parameter.grad, expected[name].grad), name
    return skipping


def test_layers_before_the_first_parameter_are_not_derived() -> None:
    first, last = [], []

    def build() -> nn.Layer:
        rng = np.random.default_rng(1)
        first.append(Counting())
        last.append(Counting())
        return nn.Sequential(
            nn.Residual(nn.Sequential(first[-1])),
            nn.Sequential(nn.Flatten(), nn.Parallel(Counting(), nn.SiLU())),
            nn.Residual(nn.Sequential(nn.Tanh(), nn.Linear(12, 12, rng=rng))),
            last[-1],
        )

    trained_alike(build, np.linspace(-1, 1, 24).reshape(4, 6))
    assert [layer.backwards for layer in first] == [1, 0]
    assert [layer.backwards for layer in last] == [1, 1]


def test_branches_before_the_first_parameter_are_left_out_one_by_one() -> None:
    def build() -> nn.Layer:
        rng = np.random.default_rng(1)
        return nn.Sequential(
            nn.Parallel(nn.Tanh(), nn.Sequential(nn.Tanh(), nn.Linear(6, 3, rng=rng))),
            nn.Linear(9, 2, rng=rng),
        )

    trained_alike(build, np.linspace(-1, 1, 24).reshape(4, 6))


def test_a_network_without_parameters_may_skip_everything() -> None:
    skipping = trained_alike(lambda: nn.Sequential(nn.Tanh(), nn.Flatten()), np.ones((2, 3, 4)))
    assert not skipping.needs_backward()
