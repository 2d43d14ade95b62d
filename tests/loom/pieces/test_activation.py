"""Every activation that the loom knows, against the textbook's layers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from covering import covering
from emitted import DTYPES, every_machine, machines, native
from harness import HOST

from handloom import nn
from handloom._typing import AnyArray
from handloom.errors import HandloomError
from handloom.loom.kernels.activation import Activation, activation_of
from handloom.loom.language.emitter import Emitter
from handloom.loom.language.machine import Machine
from handloom.loom.language.program import Real
from handloom.loom.language.value import Pointer

OTHER_SETTINGS = [
    nn.LeakyReLU(0.3), nn.LeakyReLU(0), nn.LeakyReLU(1), nn.ELU(0.3), nn.ELU(0), nn.GELU("tanh"),
]  # fmt: skip
EDGES = [sign * z for z in (0.0, 1e-30, 1e-9, 0.003, 0.1, 0.5, 50.0, 700.0) for sign in (1, -1)]


def subjects() -> list[nn.Layer]:
    """Every layer of `nn` that comes without settings and is an activation to the loom."""
    found: list[nn.Layer] = []
    for kind in vars(nn).values():
        if isinstance(kind, type) and issubclass(kind, nn.Layer):
            try:
                layer: Any = kind()
            except (TypeError, HandloomError):  # it wants sizes, or branches; or it is abstract
                continue
            if activation_of(layer) is not None:
                found.append(layer)
    return found + OTHER_SETTINGS


SUBJECTS = subjects()
NAMED = {f"{type(s).__name__}({s.describe()})": s for s in SUBJECTS}
every_activation = pytest.mark.parametrize("layer", NAMED.values(), ids=NAMED)


def known(layer: nn.Layer) -> Activation:
    function = activation_of(layer)
    assert function is not None
    return function


def run(
    layer: nn.Layer, z: AnyArray, error: AnyArray, machine: Machine, real: Real
) -> tuple[AnyArray, AnyArray]:
    """y and ∂loss/∂z of z, given ∂loss/∂y; in vectors, and in scalars, which have to agree."""
    function, size = known(layer), z.size
    found = np.empty((2, 2, size), z.dtype)

    def body(e: Emitter, z: Pointer, error: Pointer, found: Pointer) -> None:
        for i in e.range(0, size, e.lanes):
            y = function.output(e, z.vector(i))
            found[i] = y
            place = y if function.from_output else z.vector(i)
            found[i + size] = function.gradient(e, error.vector(i), place)
        if function.from_output:  # the others are pieces of their own, all in vectors
            for i in e.range(size):
                y = function.output(e, z[i])
                found[i + 2 * size] = y
                found[i + 3 * size] = function.gradient(e, error[i], y)

    native(machine, real, body)(z, error, found)
    if function.from_output:
        np.testing.assert_array_equal(found[0], found[1])
    return found[0, 0], found[0, 1]


@every_activation
@every_machine
def test_the_textbooks_activation_and_its_slope(
    layer: nn.Layer, machine: Machine, rng: np.random.Generator
) -> None:
    z = np.concatenate([EDGES, rng.normal(0, 1, 56), rng.normal(0, 10, 56)])
    error = rng.normal(size=z.size)
    y, gradient = run(layer, z, error, machine, "double")
    np.testing.assert_allclose(y, layer.forward(z), rtol=1e-12, atol=1e-13)
    np.testing.assert_allclose(gradient, layer.backward(error), rtol=1e-12, atol=1e-12)


@every_activation
def test_in_float32(layer: nn.Layer, rng: np.random.Generator) -> None:
    z = np.concatenate([EDGES, rng.normal(0, 3, 112)]).astype(np.float32)
    error = np.ones_like(z)
    y, gradient = run(layer, z, error, HOST, "float")
    np.testing.assert_allclose(y, layer.forward(z.astype(float)), rtol=2e-6, atol=1e-6)
    np.testing.assert_allclose(gradient, layer.backward(error.astype(float)), rtol=2e-5, atol=2e-6)


@covering(
    layer=NAMED,
    machine={machine.cpu: machine for machine in machines()},
    real={real: real for real in DTYPES},
)
def test_over_the_whole_range_of_numbers(layer: nn.Layer, machine: Machine, real: Real) -> None:
    """From zero and the smallest number to the largest: finite, and the textbook's."""
    dtype = DTYPES[real]
    kind = np.finfo(dtype)
    powers = np.logspace(np.log10(kind.smallest_subnormal), np.log10(kind.max) - 0.01, 500)
    middle = np.linspace(0, 2 * np.log(kind.max), 500)
    sizes = [0.0, *powers, *middle, kind.smallest_subnormal, kind.tiny, kind.max]
    z = np.resize(np.concatenate([sizes, np.negative(sizes)]), 2016).astype(dtype)
    with np.errstate(over="ignore"):
        found = run(layer, z, np.ones_like(z), machine, real)
        wanted = layer.forward(z), layer.backward(np.ones_like(z))
    for got, want in zip(found, wanted, strict=True):
        assert np.isfinite(want).all()
        bound = {"rtol": 2e-5, "atol": 2e-6} if real == "float" else {"rtol": 1e-11, "atol": 1e-13}
        np.testing.assert_allclose(got, want, **bound)


@every_activation
@pytest.mark.parametrize("real", DTYPES)
def test_what_is_infinite_is_found_out(layer: nn.Layer, real: Real) -> None:
    """y is as finite, infinite or nan as the textbook's."""
    z = np.array([np.inf, -np.inf] * 8, DTYPES[real])
    with np.errstate(invalid="ignore"):
        y, want = run(layer, z, np.ones_like(z), HOST, real)[0], layer.forward(z)
    np.testing.assert_allclose(y, want)


@every_activation
@pytest.mark.parametrize("real", DTYPES)
def test_what_is_not_a_number_stays_so(layer: nn.Layer, real: Real) -> None:
    """Or a network of rectifiers would hide that its weights are lost."""
    z = np.full(16, np.nan, DTYPES[real])
    y, _ = run(layer, z, np.ones_like(z), HOST, real)
    assert np.isnan(y).all()


@every_activation
def test_what_it_says_about_itself(layer: nn.Layer) -> None:
    function = known(layer)
    z = np.linspace(-9, 9, 4001)
    y = layer.forward(z)
    assert function.keeps_zero == (layer.forward(np.zeros(1))[0] == 0)
    if function.increasing:
        assert (np.diff(y) >= 0).all()
    if function.from_output:
        assert function.increasing, "its slope could not be told from y"
    assert function == known(layer)
    assert hash(function) == hash(known(layer))


def test_what_turns_back_is_no_epilogue() -> None:
    """Below zero its y is positive: from y alone the slope cannot be told."""
    assert activation_of(nn.ELU(-0.5)) is None


def test_other_layers_are_no_activations() -> None:
    class Mine(nn.ReLU):
        """A subclass may do anything."""

    for layer in (Mine(), nn.Flatten(), nn.Softmax()):
        assert activation_of(layer) is None
