from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.random import Generator

from handloom import nn
from handloom.errors import ShapeError
from handloom.models import from_layers

FLATTEN = {"layer": "flatten"}
SCORES = {"layer": "linear", "out_features": 10}
CONV = {"layer": "conv2d", "out_channels": 4, "kernel_size": 3}
IMAGE = (1, 28, 28)


def test_every_kind_of_layer_is_built_with_what_arrives(rng: Generator) -> None:
    layers: list[dict[str, Any]] = [
        {**CONV, "padding": "same", "bias": False, "init": "xavier-uniform"},
        {"layer": "batch-norm", "momentum": 0.2},
        {"layer": "relu"},
        {"layer": "max-pool", "kernel_size": 2},
        {"layer": "residual", "body": [{**CONV, "padding": 1}, {"layer": "silu"}]},
        {
            "layer": "residual",
            "body": [{**CONV, "out_channels": 6, "stride": 2, "padding": 1, "groups": 2}],
            "shortcut": [{**CONV, "out_channels": 6, "kernel_size": (1, 1), "stride": (2, 2)}],
        },
        {"layer": "leaky-relu", "negative_slope": 0.2},
        {
            "layer": "parallel",
            "branches": [[{**CONV, "dilation": 2}], [{**CONV, "kernel_size": 5}]],
        },
        {"layer": "layer-norm"},
        {"layer": "elu", "alpha": 0.5},
        {"layer": "avg-pool", "kernel_size": 2, "stride": 1},
        {"layer": "gelu", "approximate": "tanh"},
        {"layer": "global-avg-pool"},
        {"layer": "linear", "out_features": 12},
        {"layer": "batch-norm"},
        {"layer": "sigmoid"},
        {"layer": "dropout", "p": 0.5},
        {"layer": "tanh"},
        {"layer": "linear", "out_features": 10},
        {"layer": "softmax"},
        {"layer": "log-softmax"},
    ]
    network = from_layers(layers, IMAGE, 10, rng=rng, dtype=np.float64)
    kinds = [type(layer) for layer in network]
    assert kinds[1] is nn.BatchNorm2d
    assert kinds[14] is nn.BatchNorm1d
    assert len(set(kinds)) == 19
    assert network.output_shape(IMAGE) == (10,)
    network.begin_step(0)
    y = network.forward(rng.standard_normal((3, *IMAGE)))
    assert y.shape == (3, 10)
    assert y.dtype == np.float64
    assert network.backward(y).shape == (3, *IMAGE)


def test_a_norm_starts_where_it_is_told(rng: Generator) -> None:
    for init, weight in ((None, 1.0), ("ones", 1.0), ("zeros", 0.0)):
        norm = {"layer": "batch-norm"} | ({} if init is None else {"init": init})
        layers = [CONV, norm, {"layer": "global-avg-pool"}, SCORES]
        network = from_layers(layers, IMAGE, 10, rng=rng)
        assert network.named_parameters()["1.weight"].value.tolist() == [weight] * 4


def test_an_empty_branch_passes_on_what_arrives(rng: Generator) -> None:
    layers = [{"layer": "parallel", "branches": [[], [CONV | {"padding": 1}]]}, FLATTEN, SCORES]
    network = from_layers(layers, IMAGE, 10, rng=rng)
    x = rng.standard_normal((2, *IMAGE)).astype(np.float32)
    assert np.array_equal(network[0].forward(x)[:, :1], x)


def test_the_same_generator_gives_the_same_network() -> None:
    layers = [CONV, FLATTEN, {"layer": "dropout", "p": 0.5}, SCORES]
    one, same, other = (
        from_layers(layers, IMAGE, 10, rng=np.random.default_rng(seed)) for seed in (1, 1, 2)
    )
    x = np.ones((2, *IMAGE), np.float32)
    for network in (one, same, other):
        network.begin_step(7)
    assert np.array_equal(one.forward(x), same.forward(x))
    assert not np.array_equal(one.forward(x), other.forward(x))


@pytest.mark.parametrize(
    ("layers", "path", "told"),
    [
        ([SCORES], "0", r"linear expects \(D,\), got \(1, 28, 28\); put a flatten before it"),
        ([FLATTEN, CONV], "1", r"conv2d expects an image \(C, H, W\), got \(784,\)"),
        ([CONV, {**CONV, "kernel_size": 27}], "1", r"27 × 27 .* got 26 × 26"),
        ([{**CONV, "groups": 3}], "0", "numbers of channels that are divisible by groups"),
        ([{"layer": "max-pool", "kernel_size": 2, "padding": 3}], "0", "padding"),
        (
            [{"layer": "residual", "body": [CONV]}],
            "0",
            r"\(4, 26, 26\) to its input.* \(1, 28",
        ),
        (
            [{"layer": "residual", "body": [CONV], "shortcut": [{**CONV, "kernel_size": 1}]}],
            "0",
            r"\(4, 26, 26\) to its shortcut.* \(4, 28, 28\)",
        ),
        ([{"layer": "residual", "body": [CONV, SCORES]}], "0.body.1", "put a flatten before it"),
        ([{"layer": "parallel", "branches": [[CONV], [FLATTEN]]}], "0", "concatenates channels"),
        (
            [FLATTEN, {"layer": "parallel", "branches": [[SCORES], [CONV]]}],
            "1.1.0",
            r"got \(784,\)",
        ),
        (
            [FLATTEN, {"layer": "perceptron"}],
            "1",
            "'perceptron' is not a kind of layer; use one of",
        ),
        ([{}], "0", "None is not a kind of layer"),
        ([{**CONV, "init": "he"}], "0", "'he' is not an initialiser; use one of he-normal, "),
        ([{"layer": "batch-norm", "init": "one"}], "0", "init has to be ones or zeros, got 'one'"),
        ([FLATTEN, {"layer": "resize", "size": 8}], "1", r"Resize expects \(C, H, W\), got"),
        ([{"layer": "resize", "size": 10**4}], "0", "values for one image"),
    ],
)
def test_a_layer_that_does_not_fit_is_named(
    layers: list[dict[str, Any]], path: str, told: str, rng: Generator
) -> None:
    with pytest.raises(ShapeError, match=told) as caught:
        from_layers(layers, IMAGE, 10, rng=rng)
    assert caught.value.path == path


@pytest.mark.parametrize(
    ("layers", "path", "told"),
    [
        ([FLATTEN, {**SCORES, "out_features": 10**9}], "1", "784,000,000,000 weights, 2,920.6 GiB"),
        ([{**CONV, "out_channels": 10**8}], "0", "900,000,000 weights, 3.4 GiB"),
        ([{**CONV, "padding": 10**5, "init": "zeros"}], "0", "values for one image"),
        (
            [FLATTEN, *([{**SCORES, "out_features": 10**4, "init": "zeros"}] * 5)],
            "4",
            "307,840,000 weights, 1.1 GiB; at most 250,000,000 are allowed",
        ),
    ],
)
def test_what_would_fill_the_memory_is_refused_before_it_does(
    layers: list[dict[str, Any]], path: str, told: str
) -> None:
    class NoDraws:
        def standard_normal(self, shape: tuple[int, ...]) -> None:
            raise AssertionError(f"weights of shape {shape} were drawn")

    maker: Any = NoDraws()
    with pytest.raises(ShapeError, match=told) as caught:
        from_layers(layers, IMAGE, 10, rng=maker)
    assert caught.value.path == path


def test_a_network_has_to_give_a_score_for_each_class(rng: Generator) -> None:
    with pytest.raises(ShapeError, match=r"outputs \(784,\) for .* \(1, 28, 28\), .* \(10,\)"):
        from_layers([FLATTEN], IMAGE, 10, rng=rng)
