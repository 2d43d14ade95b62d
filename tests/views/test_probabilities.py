from __future__ import annotations

import numpy as np
import pytest
from scipy.special import softmax

from handloom import nn
from handloom.views.run.probabilities import probabilities


def as_floats(images: np.ndarray) -> np.ndarray:
    return (images[:, None] / 255).astype(np.float32)


@pytest.mark.parametrize("last", [None, nn.Softmax(), nn.LogSoftmax()])
def test_any_last_layer_gives_the_same_probabilities(
    last: nn.Layer | None, rng: np.random.Generator
) -> None:
    images = rng.integers(0, 256, (1203, 3, 3), np.uint8)
    linear = nn.Linear(9, 4, rng=rng)
    body = nn.Sequential(nn.Flatten(), linear)
    model = body if last is None else nn.Sequential(nn.Sequential(body, last))
    expected = softmax(linear.forward(as_floats(images).reshape(-1, 9)), axis=1)
    np.testing.assert_allclose(probabilities(model, images, as_floats), expected, rtol=1e-5)
