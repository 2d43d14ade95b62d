"""The loom engine's own promises; those of every engine are held in test_contract.py."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import pytest
from covering import covering

from handloom import models, nn, optim
from handloom.data import Augmentation, Batches, Dataset, Epoch, Normalisation
from handloom.engines import NumpyEngine, TrainingSetup, choose_engine
from handloom.errors import ConfigError, HandloomError, ShapeError

machine = pytest.importorskip("handloom.loom.language.machine")
if why := machine.unsupported():
    pytest.skip(why, allow_module_level=True)

from handloom.engines.loom.engine import LoomEngine  # noqa: E402
from handloom.engines.loom.partly import PartlyCompiledEngine, compile_engine  # noqa: E402
from handloom.engines.loom.terms import cross_entropy_of, mostly_dark, name_of  # noqa: E402
from handloom.loom.network.fuse import UncoveredError  # noqa: E402
from handloom.loom.pieces.loss import CrossEntropy  # noqa: E402

SHAPE = (1, 14, 15)
CLASSES = 4


def rows(dtype: Any, rng: np.random.Generator) -> list[nn.Layer]:
    """Enough weights for the threads to share the columns."""
    linear = partial(nn.Linear, rng=rng, dtype=dtype)
    return [nn.Flatten(), linear(210, 170), nn.ReLU(), nn.Dropout(0.2, rng=rng), linear(170, 4)]


def maps(dtype: Any, rng: np.random.Generator) -> list[nn.Layer]:
    conv = partial(nn.Conv2d, rng=rng, dtype=dtype)
    return [
        conv(1, 4, 3), nn.BatchNorm2d(4, dtype=dtype), nn.ReLU(), nn.MaxPool2d(2), conv(4, 5, 3),
        nn.LeakyReLU(0.1), nn.GlobalAvgPool2d(), nn.Linear(5, 4, rng=rng, dtype=dtype),
    ]  # fmt: skip


NETWORKS = {"rows": rows, "maps": maps}
NAMES = {name: name for name in NETWORKS}
TARGETS = {"host": "", "avx2": "avx2"}


def parts(name: str, dtype: Any = np.float32, **how: Any) -> tuple[Any, Any, Any]:
    """Network, loss and optimizer."""
    model = nn.Sequential(*NETWORKS[name](dtype, np.random.default_rng(0)))
    kind = how.pop("kind", optim.Nesterov)
    return model, how.pop("loss", nn.cross_entropy), kind(model.named_parameters(), 0.05)


def arranged(model: Any, loss: Any, rule: Any, **how: Any) -> tuple[Any, TrainingSetup]:
    return model, TrainingSetup(loss, rule, **{"batch_size": 16, **how})


def loom(name: str, dtype: Any = np.float32, threads: int = 1, **how: Any) -> LoomEngine:
    made = parts(name, dtype, loss=how.pop("loss", nn.cross_entropy))
    return LoomEngine(*arranged(*made, threads=threads, **how), input_shape=SHAPE)


def epoch_of(count: int = 70, *, dark: float = 0.8, **how: Any) -> Epoch:
    rng = np.random.default_rng(9)
    images = rng.integers(0, 256, (count, *SHAPE)) * (rng.random((count, 1, 14, 1)) > dark)
    labels = rng.integers(0, CLASSES, count)
    dataset = Dataset(images.astype(np.uint8), labels, tuple("abcd"))
    return Batches(dataset, Normalisation("scale"), 16, seed=0, **how).epoch(0)


def same_bits(one: LoomEngine, other: LoomEngine) -> None:
    first, second = one.state_dict(), other.state_dict()
    for name, array in first.items():
        np.testing.assert_array_equal(array, second[name], err_msg=name)


@covering(name=NAMES, target=TARGETS)
def test_the_number_of_threads_changes_nothing(
    name: str, target: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(machine.VARIABLE, target)
    one, *others = (loom(name, threads=n, ema=0.9, clip_norm=1.0) for n in (1, 2, 3))
    epoch, x = epoch_of(), epoch_of()[0].x
    reports = [*one.train(epoch, 0, 5)]
    for other in others:
        assert [*other.train(epoch, 0, 5)] == reports
        same_bits(one, other)
        np.testing.assert_array_equal(other.predict(x), one.predict(x))


@covering(
    name=NAMES, target=TARGETS,
    settings={"plain": {}, "clipped": {"clip_norm": 0.5, "clip_value": 0.1, "ema": 0.7}},
)  # fmt: skip
def test_float64_networks_are_trained_in_float64(
    name: str, target: str, settings: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not a digit of their weights is lost, and the training is the textbook's to the last ones."""
    monkeypatch.setenv(machine.VARIABLE, target)
    ours = loom(name, np.float64, threads=2, **settings)
    theirs = NumpyEngine(*arranged(*parts(name, np.float64), **settings))
    for state, right in zip(ours.state_dict().items(), theirs.state_dict().items(), strict=True):
        np.testing.assert_array_equal(state[1], right[1], err_msg=right[0])
    for batch in epoch_of():
        x = batch.x.astype(np.float64)
        found, right = (engine.train_step(x, batch.labels) for engine in (ours, theirs))
        assert found == pytest.approx(right, rel=1e-11)
    for name_of_it, array in theirs.state_dict().items():
        found = ours.state_dict()[name_of_it]
        np.testing.assert_allclose(found, array, rtol=1e-11, atol=1e-12, err_msg=name_of_it)


@pytest.mark.parametrize("dark", [0.8, 0.0])
def test_dark_pictures_are_compiled_for_at_once_and_predict_alike(dark: float) -> None:
    engine, other = (loom("rows", normalisation=scale) for scale in (Normalisation("scale"), None))
    assert other.compile_seconds == 0
    before = engine.compile_seconds
    assert before > 0
    epoch = epoch_of(dark=dark)
    assert mostly_dark(epoch.batches.planes) is bool(dark)
    assert len([*engine.train(epoch, 0, 5)]) == 5
    assert (engine.compile_seconds == before) is bool(dark)
    x = epoch[0].x
    other.load_state_dict(engine.state_dict())  # it has seen no images yet
    np.testing.assert_array_equal(other.predict(x), engine.predict(x))
    for batch in epoch:
        engine.train_step(batch.x, batch.labels)
        other.train_step(batch.x, batch.labels)
    same_bits(engine, other)


def test_a_look_at_other_pictures_before_training_changes_nothing() -> None:
    """Whether pixels are dark decides how sums are made up; the images to train on tell it."""
    one, other = (loom("rows", clip_norm=0.1) for _ in range(2))
    epoch = epoch_of()
    other.predict(np.ones((300, *SHAPE), np.float32))
    assert [*other.train(epoch, 0, 5)] == [*one.train(epoch, 0, 5)]
    same_bits(one, other)


def test_prediction_is_compiled_for_a_few_batch_sizes_only() -> None:
    engine, x = loom("rows"), np.zeros((300, *SHAPE), np.float32)
    for count in (1, 20, 300):
        engine.predict(x[:count])
    before = engine.compile_seconds
    for count in (1, 2, 5, 31, 32, 33, 64, 255, 299):
        engine.predict(x[:count])
    assert engine.compile_seconds == before


def test_a_step_may_have_more_examples_than_was_said(rng: np.random.Generator) -> None:
    ours, theirs = loom("maps"), NumpyEngine(*arranged(*parts("maps")))
    x, labels = rng.random((50, *SHAPE), np.float32), rng.integers(0, CLASSES, 50)
    found, right = ours.train_step(x, labels), theirs.train_step(x, labels)
    assert found == pytest.approx(right, rel=1e-4)


def test_the_optimizer_is_up_to_date_when_it_is_asked_for() -> None:
    engine, epoch = loom("rows"), epoch_of()
    assert len([*engine.train(epoch, 0, 5)]) == 5
    state, slots = engine.state_dict(), engine.optimizer.slots
    assert engine.optimizer.steps == 5
    for name, of_parameter in slots.items():
        np.testing.assert_array_equal(of_parameter["velocity"], state[f"optimizer.{name}.velocity"])
        assert of_parameter["velocity"].any()


def test_augmented_pictures_are_prepared_ahead_of_their_turn() -> None:
    augmentation = Augmentation(shift=0.1, rotate=10)
    epochs = [epoch_of(300, augmentation=augmentation, prefetch=ahead) for ahead in (True, False)]
    one, other = loom("maps"), loom("maps")
    assert [*one.train(epochs[0], 0, 19)] == [*other.train(epochs[1], 0, 19)]
    same_bits(one, other)


@pytest.mark.parametrize("clip_norm", [None, 1.0])
def test_a_gradient_that_is_not_finite_ends_the_training(clip_norm: float | None) -> None:
    """The loss still is: its weights are as small as the pixels are large."""
    engine = loom("rows", clip_norm=clip_norm)
    state = engine.state_dict()
    state["model.1.weight"] *= np.float32(1e-30)
    engine.load_state_dict(state)
    batch = epoch_of()[0]
    report = engine.train_step(batch.x * np.float32(1e30), batch.labels)
    assert np.isfinite(report.loss)
    assert not np.isfinite(report.grad_norm)
    assert not report.is_finite


@pytest.mark.parametrize(
    ("how", "error"),
    [
        ({"loss": partial(nn.cross_entropy, class_weights=np.ones(3))}, ShapeError),
        ({"loss": partial(nn.cross_entropy, class_weights=np.array([1, 1, 1, -1]))}, ConfigError),
        ({"loss": partial(nn.cross_entropy, class_weights=np.zeros(4))}, ConfigError),
        ({"loss": partial(nn.cross_entropy, label_smoothing=2)}, ConfigError),
        ({"ema": 1.0}, ConfigError),
        ({"threads": 0}, ConfigError),
    ],
)
def test_settings_that_cannot_be_are_refused_before_anything_runs(
    how: dict[str, Any], error: type[HandloomError]
) -> None:
    with pytest.raises(error):
        loom("rows", **how)


class OwnRule(optim.SGD):
    """Nobody knows what it does."""


def own_loss(outputs: Any, labels: Any) -> Any:
    return nn.cross_entropy(outputs, labels)


def test_what_cannot_be_compiled_is_refused_by_this_engine_and_partly_compiled_by_another() -> None:
    rng = np.random.default_rng(0)
    mine = nn.Sequential(nn.Flatten(), nn.Linear(210, 4, rng=rng), nn.Softmax())
    cases = [
        (parts("rows", kind=OwnRule), "the optimizer OwnRule"),
        (parts("rows", loss=own_loss), "the loss own_loss"),
        ((mine, nn.cross_entropy, optim.SGD(mine.named_parameters(), 0.1)), r"2 \(Softmax\)"),
    ]
    for made, told in cases:
        with pytest.raises(UncoveredError, match=told):
            LoomEngine(*arranged(*made), input_shape=SHAPE)
        assert type(compile_engine(*arranged(*made), input_shape=SHAPE)) is PartlyCompiledEngine
    assert type(compile_engine(*arranged(*parts("rows")), input_shape=SHAPE)) is LoomEngine


def test_losses_in_the_looms_terms() -> None:
    assert cross_entropy_of(nn.cross_entropy) == CrossEntropy()
    told = partial(nn.cross_entropy, label_smoothing=0.1, class_weights=np.array([1, 2], "f4"))
    assert cross_entropy_of(told) == CrossEntropy(0.1, (1.0, 2.0))
    assert cross_entropy_of(partial(nn.cross_entropy, class_weights=None)) == CrossEntropy()

    class Own:
        """A loss that is no function, and so has no name of its own."""

        def __call__(self, outputs: Any, labels: Any) -> Any:
            return own_loss(outputs, labels)

    with pytest.raises(UncoveredError, match=r"the loss Own$"):
        cross_entropy_of(Own())
    for loss in (nn.nll, partial(nn.mse), own_loss, partial(own_loss)):
        with pytest.raises(UncoveredError, match=f"the loss {name_of(loss)}"):
            cross_entropy_of(loss)


def test_pictures_are_dark_where_long_runs_of_pixels_are() -> None:
    rng = np.random.default_rng(0)
    whole = np.ones((20, 1, 28, 28), np.uint8)
    rows_only = whole * (np.arange(28) % 2)[:, None].astype(np.uint8)
    scattered = (rng.random(whole.shape) < 0.5).astype(np.uint8)  # half dark, but no run of it
    assert not mostly_dark(whole)
    assert mostly_dark(rows_only)
    assert not mostly_dark(scattered)
    assert mostly_dark(0 * whole)
    assert not mostly_dark(whole[:, :, :2, :2])
    assert not mostly_dark(whole[:0])


@pytest.mark.parametrize("target", machine.kinds_here())
@pytest.mark.parametrize("first", ["dropout", "avg-pool"])
def test_prediction_finds_the_weights_as_training_left_them(
    first: str, target: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both programs take the same way to compute a convolution, whatever only one of them skips."""
    monkeypatch.setenv("HANDLOOM_LOOM_TARGET", target)
    layers = [
        {"layer": first, **({"p": 0.5} if first == "dropout" else {"kernel_size": 2, "stride": 1})},
        {"layer": "conv2d", "out_channels": 16, "kernel_size": 3, "padding": "same"},
        {"layer": "flatten"},
        {"layer": "linear", "out_features": 3},
    ]
    rng, shape = np.random.default_rng(3), (1, 12, 12)
    model = models.from_layers(layers, shape, 3, rng=rng, dtype=np.float64)
    setup = TrainingSetup(nn.cross_entropy, optim.SGD(model.named_parameters(), 0.1), batch_size=8)
    engine = choose_engine("loom", model, setup, input_shape=shape).engine
    x, labels = rng.random((8, *shape)), rng.integers(0, 3, 8)
    engine.train_step(x, labels)
    np.testing.assert_allclose(engine.predict(x), engine.model.eval()(x), rtol=0, atol=1e-12)
