"""Steps that are launched ahead of their reports: the same training as with a look at each."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from subjects import assert_same, epoch_of, network, trained

from handloom import nn, optim
from handloom.data import Augmentation, Mixing, Stage
from handloom.engines import TorchSettings, TrainingSetup
from handloom.engines.torch import TorchEngine
from handloom.engines.torch.ahead import Checkpoint
from handloom.errors import ConfigError, ShapeError

ON_CPU = TorchSettings("cpu")


def engine_of(lr: Any = 0.05, **how: Any) -> TorchEngine:
    """As it is on a GPU: several steps on the way at any time."""
    model = network()
    rule = optim.Momentum(model.named_parameters(), lr)
    engine = TorchEngine(model, TrainingSetup(nn.cross_entropy, rule, torch=ON_CPU, **how))
    engine.ahead = True
    return engine


def watched(**how: Any) -> TorchEngine:
    engine = engine_of(**how)
    engine.ahead = False
    return engine


CHANGES: dict[str, dict[str, Any]] = {
    "as they are": {},
    "flipped": {"augmentation": Augmentation(flip=0.5)},
    "mixed": {"mixing": Mixing(mixup=0.4, cutmix=1.0)},
}


@pytest.mark.parametrize("change", CHANGES)
def test_it_trains_as_with_a_look_at_every_step(change: str) -> None:
    epoch = epoch_of(200, **CHANGES[change])
    one, other = engine_of(ema=0.9, clip_norm=0.5), watched(ema=0.9, clip_norm=0.5)
    found, right = ([*engine.train(epoch, 0, len(epoch))] for engine in (one, other))
    assert len(found) == len(epoch) == 25
    for ours, theirs in zip(found, right, strict=True):
        assert ours.loss == pytest.approx(theirs.loss, rel=1e-4)
        assert (ours.correct, ours.lr) == (theirs.correct, theirs.lr)
    assert_same(one, other, close=True)


def test_pictures_that_grow_are_taken_in_their_size() -> None:
    trainings = []
    for ahead_of_reports in (True, False):
        rng = np.random.default_rng(0)
        model = nn.Sequential(
            nn.Conv2d(2, 4, 3, rng=rng), nn.GlobalAvgPool2d(), nn.Linear(4, 3, rng=rng)
        )
        rule = optim.SGD(model.named_parameters(), 0.1)
        engine = TorchEngine(model, TrainingSetup(nn.cross_entropy, rule, torch=ON_CPU))
        engine.ahead = ahead_of_reports
        batches = replace(epoch_of(40).batches, stages=(Stage(1, 5), Stage(2, 6)))
        epochs = [batches.epoch(number) for number in range(3)]
        assert [epoch.batches.planes.shape[2] for epoch in epochs] == [5, 6, 7]
        for epoch in epochs:
            trained(engine, epoch, 0, 5)
        trainings.append(engine)
    assert_same(*trainings, close=True)


def test_in_portions_or_at_once_to_the_same_bits() -> None:
    epoch = epoch_of(200)
    one, other = engine_of(), engine_of()
    whole = [*one.train(epoch, 0, 25)]
    assert [r for a, b in ((0, 1), (1, 20), (20, 25)) for r in other.train(epoch, a, b)] == whole
    assert_same(one, other)


def test_who_stops_listening_can_go_on() -> None:
    epoch = epoch_of(400)
    one, other = engine_of(), engine_of()
    reports = one.train(epoch, 0, len(epoch))
    next(reports)
    reports.close()  # type: ignore[attr-defined]
    assert 1 <= one.steps <= len(epoch)
    for engine in (one, other):
        list(engine.train(epoch, engine.steps, len(epoch)))
    assert_same(one, other)


@pytest.mark.parametrize("bad", [3, 8, 13, 24])
def test_it_goes_back_to_the_step_before_the_numbers_were_lost(bad: int) -> None:
    """A rate that throws the weights away at step `bad`: the step after it has no finite loss."""

    def schedule(step: int) -> float:
        return 1e39 if step == bad else 0.01

    epoch = epoch_of(250)
    one, other = engine_of(schedule), watched(lr=schedule)
    found, right = ([*engine.train(epoch, 0, len(epoch))] for engine in (one, other))
    assert len(found) == len(right) < len(epoch)
    assert not found[-1].is_finite
    assert all(report.is_finite for report in found[:-1])
    assert one.steps == other.steps == len(found) - 1
    assert_same(one, other)


def test_a_wrong_rate_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    engine = engine_of(lambda step: 0.1 if step < 3 else np.nan)
    with pytest.raises(ConfigError, match="learning rate of step 3"):
        list(engine.train(epoch_of(), 0, 6))


def test_other_pictures_are_refused_before_they_are_uploaded() -> None:
    model = nn.Sequential(nn.Conv2d(1, 2, 3, rng=np.random.default_rng(0)), nn.Flatten())
    rule = optim.SGD(model.named_parameters(), 0.1)
    engine = TorchEngine(model, TrainingSetup(nn.cross_entropy, rule, torch=ON_CPU))
    engine.ahead = True
    with pytest.raises(ShapeError, match=r"Conv2d expects \(1, H, W\), got \(2, 7, 6\)"):
        list(engine.train(epoch_of(), 0, 2))


def test_a_checkpoint_is_a_copy() -> None:
    tensors = [torch.arange(3.0), torch.zeros(2, 2)]
    before = Checkpoint(tensors, 5)
    for tensor in tensors:
        tensor += 7
    before.restore()
    assert (tensors[0].tolist(), tensors[1].sum().item(), before.steps) == ([0, 1, 2], 0, 5)
