"""Whole compiled networks against the numpy engine; and that nothing else changes their bits."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import pytest
from networks import CLASSES, NETWORKS, Training, arrays_of, examples, network, steps

from handloom import nn, optim
from handloom.data import Normalisation
from handloom.engines.loom.terms import pixels_as_numbers
from handloom.errors import ShapeError
from handloom.loom.language.machine import VARIABLE
from handloom.loom.pieces.gather import Pictures

every_network = pytest.mark.parametrize("name", NETWORKS)
WEIGHTS = np.linspace(0.5, 2, CLASSES)
WAYS: dict[str, dict[str, Any]] = {
    "plain": {"rule": optim.SGD},
    "decayed": {"decay": optim.WeightDecay(0.1, biases_and_norms=True), "clip_value": 0.05},
    "bounded": {"rule": optim.Nesterov, "decay": 0.1, "clip_norm": 0.3, "ema": 0.8},
    "adam": {"rule": partial(optim.Adam, eps=1e-3), "clip_norm": 0.3, "clip_value": 0.05},
    "layer by layer": {
        "rule": partial(optim.AdamW, eps=1e-3), "ema": 0.8,
        "loss": partial(nn.cross_entropy, label_smoothing=0.1, class_weights=WEIGHTS),
    },
}  # fmt: skip


def trials() -> list[Any]:
    """Every network in two ways, the second of them for the lesser machine, too.

    Each is always tried once, in turns here and there; the others are slow, for they compile more.
    """
    ways = list(WAYS)
    found = []
    for i, name in enumerate(NETWORKS):
        first, second = ways[i % len(ways)], ways[(i + 2) % len(ways)]
        quick = (first, "") if i % 2 == 0 else (second, "avx2")
        for trial in ((first, ""), (second, ""), (second, "avx2")):
            marks = [] if trial == quick else [pytest.mark.slow]
            found.append(pytest.param(name, *trial, marks=marks))
    return found


def same_bits(one: Training, other: Training) -> None:
    for (name, first), (_, second) in zip(one.arrays(), other.arrays(), strict=True):
        np.testing.assert_array_equal(first, second, err_msg=name)


@pytest.mark.parametrize(("name", "way", "target"), trials())
def test_a_training_is_that_of_the_numpy_engine(
    name: str, way: str, target: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In float64: reports, weights, states, buffers; the last of four batches is short."""
    monkeypatch.setenv(VARIABLE, target)
    how = dict(WAYS[way])
    if way == "layer by layer":
        first = next(iter(network(name).named_parameters()))
        how["decay"] = optim.WeightDecay(0.1, per_layer={first: 0.5})
    training = Training(name, threads=2, **how)
    x, labels = examples(name, 16 * 3 + 5)
    found = training.train(x, labels)
    twin = Training(name, **how).twin()
    for report, (loss, hits, squares) in zip(steps(twin, x, labels, 16), found, strict=True):
        assert loss == pytest.approx(report.loss, rel=1e-12)
        assert hits == report.correct
        assert np.sqrt(squares) == pytest.approx(report.grad_norm, rel=1e-11)
    right = arrays_of(twin)
    assert {name for name, _ in training.arrays()} == right.keys()
    for name_of, array in training.arrays():
        np.testing.assert_allclose(array, right[name_of], rtol=1e-11, atol=1e-12, err_msg=name_of)
    outputs = training.compiled.predict(x, Pictures(), 32)
    np.testing.assert_allclose(outputs, twin.predict(x), rtol=1e-11, atol=1e-12)


@every_network
def test_threads_change_nothing(name: str) -> None:
    one, *others = (Training(name, threads=n, dtype=np.float32) for n in (1, 2, 3))
    x, labels = examples(name, 16 * 2 + 5)
    reports, outputs = one.train(x, labels), one.compiled.predict(x, Pictures(), 16)
    for other in others:
        np.testing.assert_array_equal(other.train(x, labels), reports)
        np.testing.assert_array_equal(other.compiled.predict(x, Pictures(), 16), outputs)
        same_bits(one, other)


@every_network
def test_steps_in_one_call_or_in_several(name: str) -> None:
    whole, parts = (Training(name, dtype=np.float32, threads=2) for _ in range(2))
    x, labels = examples(name, 16 * 4 + 3)
    reports = [parts.train(x[a:b], labels[a:b]) for a, b in ((0, 16), (16, 48), (48, 67))]
    np.testing.assert_array_equal(whole.train(x, labels), np.concatenate(reports))
    same_bits(whole, parts)


@every_network
def test_a_picture_is_judged_alike_in_any_company(name: str) -> None:
    compiled = Training(name, dtype=np.float32).compiled
    x, _ = examples(name, 40)
    together = compiled.predict(x, Pictures(), 16)
    alone = compiled.predict(x[5:6], Pictures(), 1)
    if compiled.takes_rows:
        np.testing.assert_array_equal(alone, together[5:6])
    else:  # convolutions by rows, where others go by tiles
        np.testing.assert_allclose(alone, together[5:6], rtol=1e-4, atol=1e-5)
    np.testing.assert_array_equal(compiled.predict(x[::-1], Pictures(), 16), together[::-1])
    assert compiled.predict(x[:0], Pictures(), 16).shape == (0, CLASSES)


def test_an_average_predicts_in_the_weights_place() -> None:
    training = Training("rows", ema=0.5)
    x, labels = examples("rows", 48)
    training.train(x, labels)
    twin = network("rows").eval()
    state = {name: training.compiled.read(name, 1) for name in training.values()}
    buffers = {name: training.compiled.read(name) for name in training.model.named_buffers()}
    twin.load_state_dict({**state, **buffers})
    outputs = training.compiled.predict(x, Pictures(), 32)
    np.testing.assert_allclose(outputs, twin.forward(x), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("threads", [1, 3])
def test_dark_pixels_change_nothing(threads: int) -> None:
    """Bytes of the data set or numbers; with a look at which are zero or without: the same bits.

    Only the loss and the norm that are reported add up in other tiles.
    """
    rng = np.random.default_rng(3)
    pixels = rng.integers(0, 256, (37, 1, 14, 15)) * (rng.random((37, 1, 14, 15)) < 0.2)
    pixels, labels = pixels.astype(np.uint8), rng.integers(0, CLASSES, 37)
    scale = Normalisation("scale")
    how = pixels_as_numbers(scale, 1)
    one, *others = (Training("dark", threads=threads, dtype=np.float32) for _ in range(3))
    reports = one.train(scale(pixels), labels)
    for other, sparse in zip(others, (False, True), strict=True):
        told = Pictures(how.scale, how.shift, sparse=sparse)
        found = other.train(pixels, labels, told)
        np.testing.assert_allclose(found, reports, rtol=1e-6)
        same_bits(one, other)
    x = scale(pixels)
    np.testing.assert_array_equal(
        one.compiled.predict(x, Pictures(sparse=True), 32), one.compiled.predict(x, Pictures(), 32)
    )


@pytest.mark.parametrize(
    ("name", "bad", "clip_norm"),
    [*((name, np.nan, None) for name in NETWORKS), ("lenet", np.inf, None), ("rows", np.inf, 1.0)],
)
def test_after_a_loss_that_is_not_finite_nothing_happens(
    name: str, bad: float, clip_norm: float | None
) -> None:
    """One picture of the third of five batches is not finite."""
    training, twin = (Training(name, dtype=np.float32, clip_norm=clip_norm) for _ in range(2))
    x, labels = examples(name, 80)
    x[37] = bad
    reports = training.train(x, labels)
    before = twin.train(x[:32], labels[:32])
    np.testing.assert_array_equal(reports[:2], before)
    assert not np.isfinite(reports[2, 0])
    assert np.isnan(reports[2, 2])
    assert np.isnan(reports[3:]).all()
    norms = {path for path, layer in training.model.named_layers() if layer.buffer_names}
    for (title, one), (_, other) in zip(training.arrays(), twin.arrays(), strict=True):
        if title.rpartition(".")[0] not in norms:  # running statistics have seen the batch
            np.testing.assert_array_equal(one, other, err_msg=title)


@every_network
def test_arrays_come_out_as_they_went_in(name: str) -> None:
    training = Training(name, rule=optim.Adam, ema=0.9, dtype=np.float32)
    rng = np.random.default_rng(1)

    def draw(shapes: dict[str, Any]) -> dict[str, Any]:
        return {n: rng.normal(size=shape).astype(np.float32) for n, shape in shapes.items()}

    shapes = {name: value.shape for name, value in training.values().items()}
    buffers = {name: b.shape for name, b in training.model.named_buffers().items()}
    put = {None: draw({**shapes, **buffers}), **{state: draw(shapes) for state in range(3)}}
    for state, arrays in put.items():
        training.compiled.write(arrays, state)
    for state, arrays in put.items():
        for name_of, array in arrays.items():
            found = training.compiled.read(name_of, state)
            assert found.flags.owndata or found.base is not training.compiled.parameters
            np.testing.assert_array_equal(found, array, err_msg=f"{name_of}, state {state}")


def test_native_code_is_never_given_other_shapes() -> None:
    training = Training("lenet")
    x, labels = examples("lenet", 16)
    for wrong in (x[:, :, :-1], x[:, 0], x.reshape(16, -1), np.repeat(x, 2, axis=1)):
        for call in (
            lambda x: training.train(x, labels),
            lambda x: training.compiled.predict(x, Pictures(), 32),
        ):
            with pytest.raises(ShapeError, match=r"should have the shape \(N, 1, 14, 14\)"):
                call(wrong)


def test_other_kinds_and_orders_in_memory_are_copied() -> None:
    one, *others = (Training("lenet", dtype=np.float32) for _ in range(4))
    x, labels = examples("lenet", 16)
    x = x.astype(np.float32)
    reports, outputs = one.train(x, labels), one.compiled.predict(x, Pictures(), 32)
    turned = np.asfortranarray(x)
    strided = np.repeat(x, 2, axis=3)[..., ::2]
    for other, like in zip(others, (turned, strided, x.astype(np.float64)), strict=True):
        np.testing.assert_array_equal(other.train(like, labels), reports)
        np.testing.assert_array_equal(other.compiled.predict(like, Pictures(), 32), outputs)


def test_seconds_of_compiling_are_counted() -> None:
    compiled = Training("mlp").compiled
    assert compiled.compile_seconds == 0
    compiled.prepare(Pictures())
    before = compiled.compile_seconds
    assert before > 0
    compiled.prepare(Pictures())
    assert compiled.compile_seconds == before
