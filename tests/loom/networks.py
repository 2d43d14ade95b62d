"""Small whole networks with every piece of the loom in them, and a training of each.

Their twin is the numpy engine, in float64: what a Training leaves behind has to be the same.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

import numpy as np
from numpy.random import Generator
from numpy.typing import DTypeLike

from handloom import nn, optim
from handloom._typing import AnyArray, FloatArray, IntArray
from handloom.engines import NumpyEngine, StepReport, TrainingSetup
from handloom.engines.loom.compile import compile_network
from handloom.loom.pieces.gather import Pictures

CLASSES = 5
Layers = Callable[[Generator, DTypeLike], list[nn.Layer]]


def _mlp(rng: Generator, dtype: DTypeLike) -> list[nn.Layer]:
    linear = partial(nn.Linear, rng=rng, dtype=dtype)
    return [nn.Flatten(), linear(12, 8), nn.ReLU(), linear(8, CLASSES)]


def _dark(rng: Generator, dtype: DTypeLike) -> list[nn.Layer]:
    """Enough weights for all threads to share the columns, and for dark pixels to be skipped."""
    linear = partial(nn.Linear, rng=rng, dtype=dtype)
    return [nn.Flatten(), linear(210, 170), nn.Tanh(), linear(170, CLASSES)]


def _rows(rng: Generator, dtype: DTypeLike) -> list[nn.Layer]:
    """All that rows can go through; the widest of them is within a branch."""
    linear = partial(nn.Linear, rng=rng, dtype=dtype)
    body = nn.Sequential(linear(9, 70), nn.SiLU(), linear(70, 11))
    return [
        nn.Flatten(), nn.Dropout(0.1, rng=rng), linear(12, 9), nn.BatchNorm1d(9, dtype=dtype),
        nn.ELU(0.7), nn.Residual(body, linear(9, 11)), nn.LeakyReLU(0.1),
        nn.Residual(nn.Sequential(linear(11, 11), nn.GELU())), nn.Sigmoid(), linear(11, CLASSES),
    ]  # fmt: skip


def _lenet(rng: Generator, dtype: DTypeLike) -> list[nn.Layer]:
    conv = partial(nn.Conv2d, rng=rng, dtype=dtype)
    linear = partial(nn.Linear, rng=rng, dtype=dtype)
    return [
        conv(1, 3, 3), nn.LeakyReLU(0.1), nn.MaxPool2d(2),
        conv(3, 4, 3), nn.MaxPool2d(2), nn.ReLU(),
        nn.Flatten(), linear(16, 11), nn.ReLU(), linear(11, CLASSES),
    ]  # fmt: skip


def _residual(rng: Generator, dtype: DTypeLike) -> list[nn.Layer]:
    conv, norm = partial(nn.Conv2d, rng=rng, dtype=dtype), partial(nn.BatchNorm2d, dtype=dtype)
    body = [conv(4, 6, 3, padding=1, stride=2), norm(6), nn.ReLU(), conv(6, 6, 3, padding=1)]
    return [
        conv(2, 4, 3, padding="same", bias=False), norm(4), nn.ReLU(),
        nn.Residual(nn.Sequential(*body), conv(4, 6, 1, stride=2)), nn.Tanh(),
        nn.Dropout(0.2, rng=rng), nn.AvgPool2d(2, ceil_mode=True), nn.GlobalAvgPool2d(),
        nn.Linear(6, CLASSES, rng=rng, dtype=dtype),
    ]  # fmt: skip


def _branches(rng: Generator, dtype: DTypeLike) -> list[nn.Layer]:
    conv = partial(nn.Conv2d, rng=rng, dtype=dtype)
    return [
        nn.Parallel(conv(3, 2, 1), nn.Sequential(conv(3, 3, 3, padding=1), nn.SiLU())), nn.ReLU(),
        nn.MaxPool2d(3, stride=2, padding=1), conv(5, 33, 1),
        conv(33, 34, 3, padding=1), nn.ReLU(),  # many channels: by Winograd
        nn.Flatten(), nn.Linear(34 * 9, CLASSES, rng=rng, dtype=dtype), nn.LeakyReLU(0.3),
    ]  # fmt: skip


def _tiles(rng: Generator, dtype: DTypeLike) -> list[nn.Layer]:
    """Convolutions of few channels by Winograd: with tiles that fit and not, pooled and not."""
    conv = partial(nn.Conv2d, rng=rng, dtype=dtype)
    return [
        conv(2, 3, 1), conv(3, 17, 3, padding=1, bias=False), nn.ReLU(), conv(17, 6, 1), nn.Tanh(),
        conv(6, 9, 5, padding=2), nn.MaxPool2d(2), nn.LeakyReLU(0.1),
        nn.Flatten(), nn.Linear(9 * 12, CLASSES, rng=rng, dtype=dtype),
    ]  # fmt: skip


NETWORKS: dict[str, tuple[tuple[int, int, int], Layers]] = {
    "mlp": ((1, 3, 4), _mlp),
    "dark": ((1, 14, 15), _dark),
    "rows": ((1, 3, 4), _rows),
    "lenet": ((1, 14, 14), _lenet),
    "residual": ((2, 7, 6), _residual),
    "branches": ((3, 6, 5), _branches),
    "tiles": ((2, 9, 7), _tiles),
}


def network(name: str, dtype: DTypeLike = np.float64) -> nn.Sequential:
    """One of the networks, always with the same weights."""
    return nn.Sequential(*NETWORKS[name][1](np.random.default_rng(7), dtype))


def examples(name: str, count: int, seed: int = 0) -> tuple[FloatArray, IntArray]:
    """Pictures for a network, half of their pixels dark, and labels."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(count, *NETWORKS[name][0]))
    return x * (rng.random(x.shape) < 0.5), rng.integers(0, CLASSES, count)


class Training:
    """A compiled network that trains, as an engine holds it."""

    def __init__(
        self,
        name: str,
        *,
        rule: Callable[..., optim.Optimizer] = optim.Momentum,
        loss: Callable[..., Any] = nn.cross_entropy,
        dtype: DTypeLike = np.float64,
        batch: int = 16,
        threads: int = 1,
        decay: float | optim.WeightDecay = 0.0,
        **settings: float | None,
    ) -> None:
        self.model = network(name, dtype)
        schedule = optim.Cosine(0.05, 20)
        self.optimizer = rule(self.model.named_parameters(), schedule, weight_decay=decay)
        self.loss = loss
        self.setup = TrainingSetup(
            loss,
            self.optimizer,
            batch_size=batch,
            threads=threads,
            **settings,  # type: ignore[arg-type]
        )
        self.compiled = compile_network(self.model, self.setup, input_shape=NETWORKS[name][0])
        self.batch, self.done = batch, 0
        self.compiled.write(self.values())
        self.compiled.write(self.model.named_buffers())
        if self.setup.ema is not None:
            self.compiled.write(self.values(), len(self.compiled.slots))

    def values(self) -> dict[str, AnyArray]:
        return {name: p.value for name, p in self.model.named_parameters().items()}

    def train(
        self,
        pictures: AnyArray,
        labels: IntArray,
        how: Pictures = Pictures(),  # noqa: B008
    ) -> FloatArray:
        """Train on the pictures in their order; the reports."""
        rows, settings = np.arange(len(pictures)), []
        for first in range(0, len(pictures), self.batch):
            lr = self.optimizer.current_lr()
            self.optimizer.steps += 1
            some = labels[first : first + self.batch]
            settings.append(self.compiled.settings(lr, self.optimizer.steps, some))
        told = np.array(settings, self.compiled.dtype)
        done, self.done = self.done, self.done + len(settings)
        return self.compiled.train(pictures, how, rows, labels, told, done, self.batch)

    def twin(self) -> NumpyEngine:
        """The numpy engine, as this training would be in it at its start."""
        return NumpyEngine(self.model, self.setup)

    def arrays(self) -> Iterator[tuple[str, AnyArray]]:
        """All that was trained, by name."""
        plan, states = self.compiled.plan, self.compiled.request.states
        for name in plan.parameters:
            yield name, self.compiled.read(name)
            for state in range(states - (self.compiled.request.max_norm is not None)):
                yield f"{name}, state {state}", self.compiled.read(name, state)
        for name in plan.buffers:
            yield name, self.compiled.read(name)


def arrays_of(engine: NumpyEngine) -> dict[str, AnyArray]:
    """The same of the numpy engine."""
    found: dict[str, AnyArray] = {}
    average: Mapping[str, Any] = engine.average.named_parameters() if engine.average else {}
    for name, parameter in engine.parameters.items():
        found[name] = parameter.value
        states = list(engine.optimizer.slots[name].values())
        states += [average[name].value] if average else []
        found |= {f"{name}, state {number}": state for number, state in enumerate(states)}
    return found | engine.model.named_buffers()


def steps(engine: NumpyEngine, x: FloatArray, labels: IntArray, batch: int) -> list[StepReport]:
    """Train the numpy engine on the examples in their order."""
    return [
        engine.train_step(x[first : first + batch], labels[first : first + batch])
        for first in range(0, len(x), batch)
    ]
