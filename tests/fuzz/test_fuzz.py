"""Random trainings on every engine against PyTorch: a few quickly, hundreds with --slow.

`python tests/fuzz/fuzz.py --cases 2000` tries as many as you like.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch")
machine = pytest.importorskip("handloom.loom.language.machine")
if why := machine.unsupported():
    pytest.skip(why, allow_module_level=True)

import differences as fuzzed  # noqa: E402
from differences import Difference, differences  # noqa: E402
from random_cases import random_case  # noqa: E402

from handloom import nn, optim  # noqa: E402
from handloom.engines.numpy.engine import NumpyEngine  # noqa: E402
from handloom.optim import muon  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel lengths")
TARGETS = (None, *machine.kinds_here())
QUICK, SLOW = 3, 300
ADAM, GROWING = 249, 198
"""Cases: Adam and a short last batch; Muon, whose roundings grow to 1e-3."""


@pytest.mark.parametrize("seed", range(QUICK))
def test_every_engine_trains_as_pytorch_does(seed: int) -> None:
    found = _faults(seed, "float64", "float32")
    assert not found, "\n".join(map(str, found))


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(QUICK, SLOW))
def test_every_engine_trains_as_pytorch_does_for_long(seed: int) -> None:
    test_every_engine_trains_as_pytorch_does(seed)


def test_a_difference_is_found_and_named(monkeypatch: pytest.MonkeyPatch) -> None:
    right = nn.Linear.backward

    def wrong(self: nn.Linear, dy):
        dx = right(self, dy)
        self.weight.grad *= 1.001
        return dx

    monkeypatch.setattr(nn.Linear, "backward", wrong)
    found = _faults(1)
    assert {each.engine for each in found} == {"numpy"}
    assert isinstance(found[0], Difference)
    assert str(found[0]).startswith("seed 1: gradient norm 1 of numpy in float64 is ")


def test_growing_roundings_are_no_faults_and_hide_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fuzzed, "ENGINES", ("numpy",))
    assert list(differences(random_case(GROWING)))
    assert not _faults(GROWING)

    a, b, c = muon.QUINTIC
    monkeypatch.setattr(muon, "QUINTIC", (a, b, c * 1.001))
    assert _faults(GROWING)


def adam_without_its_corrections(self: optim.Adam, param, grad, slots, lr: float) -> None:
    m, v = _moments(self, grad, slots)
    param.value -= lr * m / (np.sqrt(v) + self.eps)


def adam_with_eps_inside_the_root(self: optim.Adam, param, grad, slots, lr: float) -> None:
    m, v = _moments(self, grad, slots)
    first, second = (1 - beta ** (self.steps + 1) for beta in self.betas)
    param.value -= lr * m / first / np.sqrt(v / second + self.eps**2)


def adam_with_eps_before_the_correction(self: optim.Adam, param, grad, slots, lr: float) -> None:
    m, v = _moments(self, grad, slots)
    first, second = (1 - beta ** (self.steps + 1) for beta in self.betas)
    param.value -= lr * m / first / ((np.sqrt(v) + self.eps) / np.sqrt(second))


def _moments(rule: optim.Adam, grad, slots) -> tuple[np.ndarray, np.ndarray]:
    m, v = slots["first_moment"], slots["second_moment"]
    m += (1 - rule.betas[0]) * (grad - m)
    v += (1 - rule.betas[1]) * (grad**2 - v)
    return m, v


@pytest.mark.parametrize(
    "wrong",
    [
        adam_without_its_corrections,
        adam_with_eps_inside_the_root,
        adam_with_eps_before_the_correction,
    ],
)
def test_a_wrong_rule_is_found(wrong: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fuzzed, "ENGINES", ("numpy",))
    assert not _faults(ADAM)
    monkeypatch.setattr(optim.Adam, "update", wrong)
    assert _faults(ADAM)


def test_an_example_that_a_short_batch_lost_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    right = NumpyEngine.train_step
    case = random_case(ADAM, TARGETS)
    assert case.examples % case.batch_size > 2

    def wrong(self: NumpyEngine, x, labels):
        stop = len(x) - (len(x) < case.batch_size)
        return right(self, x[:stop], labels[:stop])

    monkeypatch.setattr(fuzzed, "ENGINES", ("numpy",))
    monkeypatch.setattr(NumpyEngine, "train_step", wrong)
    assert _faults(ADAM)


def _faults(seed: int, *precisions: str) -> list[Difference]:
    """Differences that growing roundings do not explain."""
    found = differences(random_case(seed, TARGETS), precisions or ("float64",))
    return [each for each in found if not each.is_growth]
