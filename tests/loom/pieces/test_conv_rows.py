"""A convolution of a single picture, whatever piece its weights are laid out for."""

from __future__ import annotations

import numpy as np
import pytest
from convolutions import Case, assert_close, layers_of
from covering import covering
from harness import HOST

from handloom import nn, optim
from handloom.engines import TrainingSetup
from handloom.engines.loom.compile import compile_network
from handloom.loom.kernels.activation import Identity, LeakyReLU, ReLU, Sigmoid, Tanh
from handloom.loom.language.machine import VARIABLE
from handloom.loom.network.plan import Plan, Request
from handloom.loom.pieces.convolution.rows import ConvRowsPiece
from handloom.loom.pieces.gather import Pictures

LAYERS = {
    Identity: lambda activation: [],
    ReLU: lambda activation: [nn.ReLU()],
    Tanh: lambda activation: [nn.Tanh()],
    Sigmoid: lambda activation: [nn.Sigmoid()],
    LeakyReLU: lambda activation: [nn.LeakyReLU(activation.slope)],
}
CASES = [
    Case((1, 1, 1), 1, 1),
    Case((1, 5, 4), 3, 1, activation=ReLU()),
    Case((3, 6, 7), 5, 1, {"stride": 2, "bias": False}),
    Case((2, 5, 6), 3, 2, {"padding": "same"}, activation=Tanh()),
    Case((4, 8, 6), 6, 3, {"padding": 1, "stride": 2}),
    Case((2, 9, 8), 3, 2, {"stride": 3, "padding": 2}),
    Case((1, 3, 17), 2, (1, 3), {"padding": (0, 2), "stride": (2, 1)}),
    Case((2, 17, 3), 2, (4, 2), {"padding": (3, 1), "stride": (1, 3)}),
    Case((1, 28, 28), 6, 5, pool=2, activation=LeakyReLU(0.1)),
    Case((3, 7, 8), 5, 3, {"padding": 1, "bias": False}, pool=2, activation=Tanh()),
    Case((2, 11, 10), 4, 3, {"stride": 2, "padding": 2}, pool=(1, 3)),
    Case((1, 9, 9), 1, 2, pool=3, activation=LeakyReLU(0.3)),
    # Laid out for Winograd's tiles of few channels
    Case((6, 12, 12), 16, 5, pool=2, activation=LeakyReLU(0.1)),
    Case((3, 9, 7), 21, 5, {"padding": 2}, activation=ReLU()),
    Case((7, 9, 11), 6, 3, pool=(2, 4), activation=ReLU()),
    # And for those of many
    Case((32, 28, 28), 16, 3, {"padding": 1}, activation=ReLU()),
    Case((33, 7, 5), 40, 3, {"padding": 1, "bias": False}, pool=2, activation=Sigmoid()),
]


@covering(
    case={case.name: case for case in CASES},
    target={"host": "", "avx2": "avx2", "sse2": "sse2"},
)
def test_one_picture_against_the_textbook(
    case: Case, target: str, rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VARIABLE, target)
    conv, pool = layers_of(case, rng)
    row: list[nn.Layer] = [conv, *LAYERS[type(case.activation)](case.activation)]
    row += [pool] if pool else []
    model = nn.Sequential(*row, nn.Flatten())
    assert len(model.output_shape(case.shape)) == 1
    rule = optim.SGD(model.named_parameters(), 0.1)
    compiled = compile_network(
        model, TrainingSetup(nn.cross_entropy, rule, batch_size=8), input_shape=case.shape
    )
    compiled.write({name: p.value for name, p in model.named_parameters().items()})
    model.eval()
    for x in rng.normal(size=(2, 1, *case.shape)):
        assert_close(compiled.predict(x, Pictures(), 1), model.forward(x))


def test_only_a_single_picture_goes_by_rows(rng: np.random.Generator) -> None:
    layers = [("0", nn.Conv2d(1, 2, 3, rng=rng)), ("1", nn.Flatten())]

    def goes_by_rows(batch: int, *, training: bool) -> bool:
        request = Request((1, 6, 6), batch, Pictures(), training=training)
        plan = Plan(layers, HOST, request)
        return any(isinstance(piece, ConvRowsPiece) for piece in plan.pieces)

    assert goes_by_rows(1, training=False)
    assert not goes_by_rows(2, training=False)
    assert not goes_by_rows(1, training=True)
