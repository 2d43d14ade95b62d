"""The first step of a training, behind a dark frame: the loom's gradients are the numpy engine's.

Biases begin with zero, so windows of dark pixels lie at a rectifier's kink, in layers of any depth.
A step later they have left it: biases are drawn stirred as well.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from handloom import models, nn, optim
from handloom.engines import TrainingSetup, choose_engine

machine = pytest.importorskip("handloom.loom.language.machine")
if why := machine.unsupported():
    pytest.skip(why, allow_module_level=True)

EXACT = 1e-12
"""Of the largest number of an array, in float64; measured: 1e-15."""
RELU, LEAKY, ELU = ({"layer": name} for name in ("relu", "leaky-relu", "elu"))
NORM, POOL, MEAN = ({"layer": name} for name in ("batch-norm", "max-pool", "global-avg-pool"))
POOL = {**POOL, "kernel_size": 2}
CLASSES = [MEAN, {"layer": "linear", "out_features": 3}]


def conv(filters: int, kernel: int = 3, **more: Any) -> dict[str, Any]:
    layer = {"layer": "conv2d", "out_channels": filters, "kernel_size": kernel}
    return {**layer, "padding": "same", **more}


def residual(*body: dict[str, Any], shortcut: tuple[dict[str, Any], ...] = ()) -> dict[str, Any]:
    more = {"shortcut": list(shortcut)} if shortcut else {}
    return {"layer": "residual", "body": list(body), **more}


NETWORKS: dict[str, list[dict[str, Any]]] = {
    "a second convolution": [conv(8), RELU, conv(8), RELU, *CLASSES],
    "deep, pooled": [
        conv(4, 5), LEAKY, POOL, conv(9), ELU, POOL, conv(9), LEAKY, conv(3, 5), RELU, *CLASSES,
    ],
    "residual": [
        conv(8), RELU, residual(conv(8), LEAKY, conv(8)), RELU,
        residual(conv(9), shortcut=(conv(9, 1),)), LEAKY, POOL, conv(4, 4), RELU, *CLASSES,
    ],
    "behind norms and dropout": [
        conv(8, bias=False), NORM, RELU, {"layer": "dropout", "p": 0.5}, conv(8), RELU, POOL,
        conv(9), NORM, ELU, conv(8, 5), POOL, RELU, *CLASSES,
    ],
}  # fmt: skip


def first_step(name: str, engine: str, stirred: bool, dtype: Any) -> tuple[dict[str, Any], Any]:
    """The engine's state after a step, whose velocities are the gradients; and its report."""
    rng = np.random.default_rng(5)
    x = np.zeros((11, 1, 16, 15), dtype)
    x[:, :, 5:10, 4:11] = rng.random((11, 1, 5, 7))
    x[0] = 0.0
    model = models.from_layers(NETWORKS[name], x.shape[1:], 3, rng=rng, dtype=dtype)
    assert isinstance(model, nn.Sequential)
    for parameter in model.named_parameters().values():
        if stirred and parameter.value.ndim == 1:
            parameter.value += 0.1 * rng.normal(size=parameter.shape).astype(dtype)
    rule = optim.Momentum(model.named_parameters(), 0.05)
    setup = TrainingSetup(nn.cross_entropy, rule, batch_size=11)
    made = choose_engine(engine, model, setup, input_shape=x.shape[1:]).engine
    report = made.train_step(x, rng.integers(0, 3, 11))
    return made.state_dict(), report


@pytest.mark.parametrize("target", ["", pytest.param("avx2", marks=pytest.mark.slow)])
@pytest.mark.parametrize("stirred", [False, True], ids=["untouched", "stirred"])
@pytest.mark.parametrize("name", NETWORKS)
def test_every_gradient_of_the_first_step(
    name: str, stirred: bool, target: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(machine.VARIABLE, target)
    (ours, report), (theirs, right) = (
        first_step(name, engine, stirred, np.float64) for engine in ("loom", "numpy")
    )
    assert report.loss == pytest.approx(right.loss, rel=EXACT)
    assert report.grad_norm == pytest.approx(right.grad_norm, rel=EXACT)
    for key, want in theirs.items():
        error = np.abs(np.asarray(ours[key]) - want).max()
        assert error <= EXACT * max(1e-3, np.abs(want).max()), f"{key}: {error:.1e}"
