"""What Newton-Schulz does to a matrix, which parameters are matrices, and Muon beside PyTorch's."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from handloom.errors import ConfigError
from handloom.nn.layer import Parameter
from handloom.optim import Muon
from handloom.optim.muon import orthogonalise
from tests.optim import svd_muon


@pytest.mark.parametrize("shape", [(6, 6), (4, 9), (9, 4), (1, 5), (5, 1)])
@pytest.mark.parametrize("rounds", [1, 5])
def test_singular_values_go_through_the_quintic(
    shape: tuple[int, int], rounds: int, rng: np.random.Generator
) -> None:
    matrix = rng.standard_normal(shape)
    expected = svd_muon.orthogonalise(torch.from_numpy(matrix), rounds).numpy()
    np.testing.assert_allclose(orthogonalise(matrix, rounds), expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("size", [1e-6, 1.0, 1e6])
def test_all_directions_move_about_alike(size: float, rng: np.random.Generator) -> None:
    steep = rng.standard_normal((32, 20)) * np.logspace(0, -1, 20) * size
    values = np.linalg.svd(orthogonalise(steep, 5), compute_uv=False)
    assert 0.6 < values.min() <= values.max() < 1.3


def test_a_gradient_of_zeros_moves_nothing() -> None:
    assert not orthogonalise(np.zeros((3, 4)), 5).any()


def test_steps_are_those_of_torch_within_its_bfloat16(rng: np.random.Generator) -> None:
    start, gradients = rng.standard_normal((8, 5)), rng.standard_normal((10, 8, 5))
    ours = Parameter(start.copy())
    theirs = torch.tensor(start, requires_grad=True)
    optimizer = Muon({"w": ours}, 0.1, weight_decay=0.2)
    twin = torch.optim.Muon([theirs], lr=0.1, weight_decay=0.2, momentum=0.95)
    for gradient in gradients:
        ours.grad, theirs.grad = gradient, torch.tensor(gradient)
        optimizer.step()
        twin.step()
    moved = np.abs(ours.value - start).max()
    np.testing.assert_allclose(ours.value, theirs.detach().numpy(), rtol=0, atol=0.02 * moved)


def test_both_ends_go_to_the_other_rule_on_request(rng: np.random.Generator) -> None:
    shapes = {"0.weight": (3, 1, 2, 2), "0.bias": (3,), "1.weight": (4, 3), "2.weight": (2, 4)}
    params = {name: Parameter(rng.standard_normal(shape)) for name, shape in shapes.items()}
    params["1.scale"] = Parameter(np.ones((4, 5, 5)), decay=False)  # a norm over whole images
    all_of_them = {"0.weight", "1.weight", "2.weight"}
    assert Muon(params, 0.1).matrices == all_of_them
    hidden = Muon(params, 0.1, hidden_only=True)
    assert hidden.matrices == {"1.weight"}
    assert {name for name, slots in hidden.slots.items() if "velocity" in slots} == {"1.weight"}
    assert hidden.slots["0.bias"].keys() == {"first_moment", "second_moment"}


def test_a_matrix_is_learnt(rng: np.random.Generator) -> None:
    goal = rng.standard_normal((6, 4))
    weight = Parameter(np.zeros((6, 4)))
    optimizer = Muon({"w": weight}, lambda step: 0.1 * (1 - step / 200), momentum=0.5)
    for _ in range(200):
        weight.grad = weight.value - goal
        optimizer.step()
    assert np.linalg.norm(weight.value - goal) < 0.01 * np.linalg.norm(goal)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"momentum": 1.0}, "momentum"),
        ({"rounds": 0}, "rounds"),
        ({"others": "adam"}, "others has to be one of adamw, nesterov, got 'adam'"),
        ({"others_lr_scale": 0.0}, "others_lr_scale"),
        ({"hidden_only": True}, "there are only 1: set hidden_only to false"),
    ],
)
def test_settings_that_cannot_be_are_refused(settings: dict[str, object], words: str) -> None:
    params = {"w": Parameter(np.zeros((2, 2)))}
    with pytest.raises(ConfigError, match=words):
        Muon(params, 0.1, **settings)  # type: ignore[arg-type]
