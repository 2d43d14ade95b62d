"""Winograd's convolution against the textbook's, forward and backward."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import pytest
from covering import covering
from harness import AVX2, HOST, MOST_THREADS, Trial

from handloom import nn
from handloom._typing import FloatArray
from handloom.loom.kernels.activation import Activation, Identity, LeakyReLU, ReLU, Sigmoid, Tanh
from handloom.loom.piece import Place
from handloom.loom.pieces.winograd import tiled as winograd
from handloom.loom.tensor import Sizes


class Case(NamedTuple):
    """Maps of `shape` before the convolution, whose values end in the activation `begins`."""

    shape: tuple[int, int, int]
    filters: int
    batch: int = 9
    examples: int = 9
    bias: bool = True
    begins: Activation = Identity()
    ends: Activation = Identity()
    two_readers: bool = False


CASES = [
    Case((32, 28, 28), 64, batch=1, examples=1),
    Case((64, 14, 14), 128, bias=False),
    Case((64, 7, 7), 64, begins=ReLU(), ends=LeakyReLU(0.1), batch=16, examples=11),
    Case((33, 7, 5), 40, begins=Tanh(), ends=Sigmoid(), two_readers=True),
    Case((16, 5, 9), 33, bias=False, two_readers=True),
    Case((48, 4, 4), 16, batch=24, examples=3, ends=Tanh()),
    Case((130, 3, 3), 70, begins=LeakyReLU(0.3), batch=20, examples=20),
    Case((9, 1, 2), 8, batch=1, examples=1),
]
"""Sizes that are multiples of a tile and not; channels beyond a block, beyond a vector, in odd and
even numbers of vectors; short batches."""


def layer_of(case: Case, rng: np.random.Generator) -> nn.Conv2d:
    layer = nn.Conv2d(
        case.shape[0], case.filters, 3, padding="same", bias=case.bias, rng=rng, dtype=np.float64
    )
    if layer.bias is not None:
        layer.bias.value[:] = rng.standard_normal(case.filters)
    return layer


def parameters_of(layer: nn.Conv2d) -> dict[str, FloatArray]:
    bias = {} if layer.bias is None else {"conv.bias": layer.bias.value}
    return {"conv.weight": layer.weight.value, **bias}


def trial_of(case: Case, layer: nn.Conv2d, **options: Any) -> Trial:
    def make(sizes: Sizes, arena: Any, output: Any, source: Any) -> winograd.WinogradPiece:
        return winograd.WinogradPiece(
            layer, Place(("conv",), (source,), output, sizes, arena), activation=case.ends
        )

    shape = (case.filters, *case.shape[1:])
    return Trial(
        make, [case.shape], shape, batch=case.batch, begins=case.begins, ends=case.ends,
        two_readers=case.two_readers, **options,
    )  # fmt: skip


def arrays_of(case: Case, rng: np.random.Generator) -> tuple[FloatArray, FloatArray, FloatArray]:
    """x, dy, and the errors that another reader has delivered."""
    x = rng.standard_normal((case.examples, *case.shape))
    dy = rng.standard_normal((case.examples, case.filters, *case.shape[1:]))
    return _output(case.begins, x), dy, rng.standard_normal(x.shape) * case.two_readers


def _output(activation: Activation, z: FloatArray) -> FloatArray:
    """The textbook's answer to each activation that the cases use."""
    layers: dict[type, nn.Layer] = {ReLU: nn.ReLU(), Tanh: nn.Tanh(), Sigmoid: nn.Sigmoid()}
    if isinstance(activation, LeakyReLU):
        return np.maximum(z, activation.slope * z)
    return layers[type(activation)].forward(z) if type(activation) in layers else z


def _slope(activation: Activation, y: FloatArray) -> FloatArray:
    if isinstance(activation, LeakyReLU):
        return np.where(y > 0, 1.0, activation.slope)
    slopes = {ReLU: np.where(y > 0, 1.0, 0.0), Tanh: 1 - y**2, Sigmoid: y * (1 - y)}
    return slopes.get(type(activation), np.ones_like(y))


def expected(case: Case, layer: nn.Conv2d, *arrays: FloatArray) -> dict[str, FloatArray]:
    """What the textbook computes, by the names that `computed` gives."""
    x, dy, arrived = arrays
    y = _output(case.ends, layer.forward(x))
    dx = layer.backward(dy * _slope(case.ends, y))
    assert layer.weight.grad is not None
    found = {"y": y, "dx": (dx + arrived) * _slope(case.begins, x), "weight": layer.weight.grad}
    if layer.bias is not None:
        found["bias"] = layer.bias.grad
    squares = sum((found[name] ** 2).sum() for name in ("weight", "bias") if name in found)
    return {**found, "squares": np.asarray(squares)}


def computed(
    case: Case, layer: nn.Conv2d, trial: Trial, *arrays: FloatArray, threads: int = 1
) -> dict[str, FloatArray]:
    """One step; what other stages have left in the scratch memory must not matter."""
    x, dy, arrived = arrays
    scratch = trial.arena.scratch
    assert scratch.start is not None
    trial.work[scratch.start : scratch.start + MOST_THREADS * scratch.size] = np.nan
    result = trial.run(
        x,
        dy=dy,
        arrived=[arrived] * case.two_readers,
        parameters=parameters_of(layer),
        threads=threads,
    )
    gradients = {name.removeprefix("conv."): g for name, g in result.gradients.items()}
    dx = {"dx": result.dx[0]} if result.dx else {}
    return {"y": result.y, **dx, **gradients, "squares": np.asarray(result.squares)}


def assert_close(got: dict[str, FloatArray], wanted: dict[str, FloatArray], bound: float) -> None:
    """Every number within `bound` of the largest of its array."""
    assert got.keys() == wanted.keys()
    for name, want in wanted.items():
        error = np.abs(got[name] - want).max() / np.abs(want).max()
        assert error < bound, f"{name}: {error:.1e}"


@covering(
    case={f"{case.shape}-{case.filters}": case for case in CASES},
    machine={"host": HOST, "avx2": AVX2},
)
def test_double_equals_the_textbook(case: Case, machine: Any, rng: np.random.Generator) -> None:
    layer, arrays = layer_of(case, rng), arrays_of(case, rng)
    got = computed(case, layer, trial_of(case, layer, machine=machine), *arrays)
    assert_close(got, expected(case, layer, *arrays), 1e-12)


@pytest.mark.parametrize("machine", [HOST, AVX2], ids=["host", "avx2"])
def test_float_rounds_within_the_bound(machine: Any, rng: np.random.Generator) -> None:
    case = Case((48, 14, 14), 64, batch=32, examples=30)
    layer, arrays = layer_of(case, rng), arrays_of(case, rng)
    got = computed(case, layer, trial_of(case, layer, machine=machine, real="float"), *arrays)
    assert_close(got, expected(case, layer, *arrays), 2e-5)


def test_threads_change_nothing(rng: np.random.Generator) -> None:
    case = Case((40, 6, 6), 40, batch=30, examples=29)
    layer, arrays = layer_of(case, rng), arrays_of(case, rng)
    trial = trial_of(case, layer, real="float")
    alone, together = (computed(case, layer, trial, *arrays, threads=n) for n in (1, 3))
    for name, numbers in alone.items():
        np.testing.assert_array_equal(together[name], numbers, err_msg=name)


def test_no_errors_for_an_input(rng: np.random.Generator) -> None:
    case = Case((16, 5, 5), 16)
    layer, arrays = layer_of(case, rng), arrays_of(case, rng)
    got = computed(case, layer, trial_of(case, layer, needs_errors=False), *arrays)
    wanted = expected(case, layer, *arrays)
    del wanted["dx"]
    assert_close(got, wanted, 1e-12)


def test_prediction(rng: np.random.Generator) -> None:
    case = Case((16, 6, 5), 24, ends=ReLU())
    layer, (x, _, _) = layer_of(case, rng), arrays_of(case, rng)
    trial = trial_of(case, layer, training=False)
    y = trial.run(x, parameters=parameters_of(layer)).y
    np.testing.assert_allclose(y, np.maximum(layer.forward(x), 0), rtol=0, atol=1e-12)


@pytest.mark.parametrize(
    ("covered", "channels", "filters", "kernel", "options"),
    [
        (True, 32, 64, 3, {"padding": 1}),
        (True, 16, 16, 3, {"padding": "same"}),
        (False, 3, 64, 3, {"padding": 1}),
        (False, 64, 3, 3, {"padding": 1}),
        (False, 32, 32, 3, {}),
        (False, 32, 32, 5, {"padding": 1}),
        (False, 32, 32, 3, {"padding": 1, "stride": 2}),
        (False, 32, 32, 3, {"padding": 1, "dilation": 2}),
        (False, 32, 32, 3, {"padding": 1, "groups": 2}),
    ],
)
def test_covers(
    covered: bool, channels: int, filters: int, kernel: int, options: dict[str, Any],
    rng: np.random.Generator,
) -> None:  # fmt: skip
    layer = nn.Conv2d(channels, filters, kernel, rng=rng, **options)
    lanes = HOST.lanes("float")
    sizes = Sizes(HOST, lanes, 32, lanes, 4, 16, True)
    assert winograd.covers(layer, sizes) is covered


def test_weights_come_back_as_they_were(rng: np.random.Generator) -> None:
    case = Case((17, 4, 4), 9, batch=1, examples=1)
    layer = layer_of(case, rng)
    stored = trial_of(case, layer).piece.parameters["conv.weight"]
    numbers = np.full(stored.block.size, 7.0)
    stored.pack(numbers, layer.weight.value)
    np.testing.assert_array_equal(stored.unpack(numbers), layer.weight.value)
    assert np.count_nonzero(numbers) == layer.weight.value.size
