from __future__ import annotations

import numpy as np

from handloom import nn
from handloom.views.run.kernels import draw_kernels, kernels


def test_kernels_are_laid_out_inputs_down_outputs_across(rng: np.random.Generator) -> None:
    model = nn.Sequential(nn.Conv2d(3, 6, 5, rng=rng), nn.ReLU(), nn.Conv2d(6, 40, 3, rng=rng))
    found = kernels(model)
    assert found is not None
    first, second = found.layers
    weight = model.named_parameters()["0.weight"].value
    assert (first.path, first.shape) == ("0.weight", (6, 3, 5, 5))
    np.testing.assert_array_equal(first.tiles[2, 4], weight[4, 2])
    assert first.limit == np.abs(weight).max()
    assert second.tiles.shape == (6, 32, 3, 3)
    assert found.num_layers == 2


def test_a_network_without_convolutions_has_no_kernels(rng: np.random.Generator) -> None:
    assert kernels(nn.Sequential(nn.Flatten(), nn.Linear(4, 2, rng=rng))) is None


def test_of_a_deep_network_the_first_layers_are_drawn(rng: np.random.Generator) -> None:
    model = nn.Sequential(*(nn.Conv2d(2, 2, (1, 7), rng=rng) for _ in range(9)))
    found = kernels(model)
    assert found is not None
    assert len(found.layers) == 6
    told = [text.get_text() for text in draw_kernels(found).texts]
    assert "the first 6 of 9 convolutions" in " ".join(told)
    assert "5.weight   2 × 2 × 1 × 7" in told
