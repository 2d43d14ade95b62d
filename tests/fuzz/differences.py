"""How far each engine is from PyTorch on a random case, and what is too far.

In float64 nothing but the order of sums may differ: losses, gradient norms, weights and predictions
of all steps are compared. (Adam's and RMSprop's eps are 1e-4 or more in these cases: at 1e-8 a
gradient that is nothing but rounding would move a weight as any other.) In float32 a sum within a
rounding of a rectifier's kink takes either side, and a training goes its own way from there: there
the first step is compared.

Some trainings make roundings grow all the same, Muon's above all: it scales up a gradient that
is nothing but rounding. So where an engine exceeds a bound, twins measure the case: the PyTorch
training again, its first weights a rounding apart. The engine may be as far away as they are.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import torch
from random_cases import Case
from torch_training import Step, TorchTraining

from handloom import models, nn, optim
from handloom.data import Augmentation, Batches, Dataset, Mixing, Normalisation
from handloom.engines import TrainingSetup, choose_engine

BOUND = {"float64": 1e-8, "float32": 5e-3}
"""Of relative differences: of a loss and a gradient's norm each by itself, of all weights together
relative to how far they have moved, of predictions relative to the largest."""
TWINS, AS_A_TWIN = 5, 10
"""Or so many times as far as the furthest of so many twins. Measured: most are as far as a twin, a
bias before a batch norm, whose gradient is nothing but rounding, four times as far."""
ENGINES = ("numpy", "loom", "torch")
STEPS = 4
LOSSES = {"cross-entropy": nn.cross_entropy, "nll": nn.nll, "mse": nn.mse}
TARGET = "HANDLOOM_LOOM_TARGET"
Weights = dict[str, np.ndarray]


@dataclass(frozen=True)
class Difference:
    """What was further from PyTorch than the bound; `twin` is how far the furthest twin was."""

    case: Case
    engine: str
    precision: str
    what: str
    size: float
    twin: float

    @property
    def is_growth(self) -> bool:
        """Whether growing roundings explain it."""
        return self.size <= AS_A_TWIN * self.twin

    def __str__(self) -> str:
        return (
            f"seed {self.case.seed}: {self.what} of {self.engine} in {self.precision} is "
            f"{self.size:.2g} off, a twin {self.twin:.2g} "
            f"(target {self.case.target or 'this machine'}, {self.case.threads} threads)"
        )


class Trained(NamedTuple):
    """What one side has to show: `reports` of its steps, weights and statistics after them, what
    it makes of the first batch (N, C), and the loss of that, a sum."""

    reports: list[Any]
    weights: Weights
    outputs: np.ndarray
    loss_sum: float


def differences(case: Case, precisions: tuple[str, ...] = ("float64",)) -> Iterator[Difference]:
    """Every difference above its bound, engine by engine, growth of roundings among them."""
    for precision in precisions:
        dtype = np.dtype(precision)
        steps = STEPS if precision == "float64" else 1
        start = _model(case, dtype).state_dict()
        right = _oracle(case, dtype, start, steps)
        twins: dict[str, float] = {}
        for name in ENGINES:
            with _compiled_for(case.target):
                ours = _engine(case, name, dtype, len(right.reports))
            for what, size in _apart(ours, right, start).items():
                if not size <= BOUND[precision]:
                    twins = twins or _twins(case, dtype, right, start, steps)
                    yield Difference(case, name, precision, what, size, twins.get(what, 0.0))


# -- both sides ---------------------------------------------------------------------------------


def _oracle(case: Case, dtype: np.dtype, start: Weights, steps: int) -> Trained:
    """PyTorch's training from these weights; a step that is not finite is the last."""
    layers = _model(case, dtype).named_layers()
    keys = {path: layer.key for path, layer in layers if type(layer) is nn.Dropout}
    precision = torch.float64 if dtype == np.float64 else torch.float32
    oracle = TorchTraining(case, start, keys, precision)
    batches, schedule = _batches(case, dtype), _schedule(case)
    reports: list[Step] = []
    while len(reports) < steps and (not reports or reports[-1].is_finite):
        epoch, place = divmod(len(reports), len(batches))
        batch = batches.epoch(epoch)[place]
        reports.append(oracle.step(batch.x, batch.labels, schedule(len(reports))))
    weights = {name: value.numpy().copy() for name, value in oracle.weights_now().items()}
    x = batches.epoch(0)[0].x
    outputs = oracle.predict(x)
    return Trained(reports, weights, outputs, oracle.loss_sum(outputs, case.labels[: len(x)]))


def _twins(
    case: Case, dtype: np.dtype, right: Trained, start: Weights, steps: int
) -> dict[str, float]:
    """How far the furthest of PyTorch's trainings with stirred weights comes away from `right`."""
    furthest: dict[str, float] = {}
    for number in range(TWINS):
        chance = np.random.default_rng([case.seed, number])
        stirred = {name: _stirred(value, chance) for name, value in start.items()}
        apart = _apart(_oracle(case, dtype, stirred, steps), right, start)
        furthest = {what: max(size, furthest.get(what, 0.0)) for what, size in apart.items()}
    return furthest


def _stirred(values: np.ndarray, chance: np.random.Generator) -> np.ndarray:
    """Each number a rounding up or down; zeros, which have no rounding, stay."""
    rounding = np.finfo(values.dtype).eps * chance.choice([-1, 1], values.shape)
    return (values * (1 + rounding)).astype(values.dtype)


def _engine(case: Case, name: Any, dtype: np.dtype, steps: int) -> Trained:
    """The engine's training of so many steps; one that is not finite is the last."""
    batches = _batches(case, dtype)
    model = _model(case, dtype)
    setup = TrainingSetup(
        _loss(case, dtype), _optimizer(case, model),
        batch_size=case.batch_size, threads=case.threads if name == "loom" else 1,
        normalisation=batches.normalisation, soft_targets=bool(case.mixing), **case.settings,
    )  # fmt: skip
    engine = choose_engine(name, model, setup, input_shape=case.image_shape).engine
    reports: list[Any] = []
    while len(reports) < steps and (not reports or reports[-1].is_finite):
        number, place = divmod(len(reports), len(batches))
        stop = min(len(batches), place + steps - len(reports))
        reports += engine.train(batches.epoch(number), place, stop)
    state = engine.state_dict()
    weights = {key: state[f"model.{key}"] for key in model.state_dict()}
    x = batches.epoch(0)[0].x
    evaluation = engine.evaluate(x, case.labels[: len(x)])
    return Trained(reports, weights, engine.predict(x), evaluation.loss_sum)


def _model(case: Case, dtype: np.dtype) -> nn.Sequential:
    chance = np.random.default_rng(case.seed)
    model = models.from_layers(
        case.layers, case.image_shape, case.classes, rng=chance, dtype=np.float64
    )
    if case.stirred:
        for parameter in model.named_parameters().values():
            parameter.value += chance.normal(0, 0.05, parameter.value.shape)
    model.astype(dtype)
    return model


def _batches(case: Case, dtype: np.dtype) -> Batches:
    images = case.images
    data = Dataset(images, case.labels, tuple(map(str, range(case.classes))))
    augmentation = Augmentation(**case.augmentation) if case.augmentation else None
    return Batches(
        data, Normalisation.fit(case.normalise, images), case.batch_size, seed=case.seed,
        augmentation=augmentation, mixing=Mixing(**case.mixing) if case.mixing else None,
        dtype=dtype, prefetch=False,
    )  # fmt: skip


def _loss(case: Case, dtype: np.dtype) -> Any:
    settings = {key: value for key, value in case.loss.items() if key != "name"}
    if "class_weights" in settings:
        settings["class_weights"] = np.asarray(settings["class_weights"], dtype)
    return partial(LOSSES[case.loss["name"]], **settings)


def _schedule(case: Case) -> optim.Schedule:
    lr, total = case.optimizer["lr"], 10
    made: dict[str, optim.Schedule] = {
        "constant": optim.Constant(lr), "cosine": optim.Cosine(lr, total, lr / 10),
        "linear": optim.Linear(lr, total, 0.0), "one-cycle": optim.OneCycle(lr, total, 0.3),
        "step": optim.StepDecay(lr, 2, 0.5),
    }  # fmt: skip
    return made[case.schedule]


def _optimizer(case: Case, model: nn.Sequential) -> optim.Optimizer:
    spec = dict(case.optimizer)
    name, lookahead = spec.pop("name"), spec.pop("lookahead", None)
    del spec["lr"]
    decay = optim.WeightDecay(
        spec.pop("weight_decay", 0.01 if name == "adamw" else 0.0),
        decoupled=spec.pop("decoupled", None),
        biases_and_norms=spec.pop("biases_and_norms", False),
        per_layer=spec.pop("per_layer", {}),
    )
    return optim.OPTIMIZERS[name](
        model.named_parameters(), _schedule(case), weight_decay=decay,
        lookahead=optim.Lookahead(**lookahead) if lookahead else None, **spec,
    )  # fmt: skip


@contextmanager
def _compiled_for(target: str | None) -> Iterator[None]:
    before = os.environ.pop(TARGET, None)
    if target is not None:
        os.environ[TARGET] = target
    try:
        yield
    finally:
        os.environ.pop(TARGET, None)
        if before is not None:
            os.environ[TARGET] = before


# -- how far ------------------------------------------------------------------------------------


def _apart(ours: Trained, right: Trained, start: Weights) -> dict[str, float]:
    """What was compared, and how far it is from what is right."""
    found = dict(_compare_steps(right.reports, ours.reports))
    if not right.reports[-1].is_finite:
        return found  # what a step that overflows leaves of the weights, engines may differ in
    found["the weights"] = _moved_apart(ours.weights, right.weights, start)
    if np.isfinite(right.outputs).all():
        smallest = 1e-3 * len(right.outputs)
        apart = abs(ours.loss_sum - right.loss_sum)
        found["the loss of an evaluation"] = apart / max(abs(right.loss_sum), smallest)
        largest = max(1.0, np.abs(right.outputs).max())
        found["a prediction"] = float(np.abs(ours.outputs - right.outputs).max() / largest)
    return found


def _compare_steps(wanted: list[Step], found: list[Any]) -> Iterator[tuple[str, float]]:
    if len(found) != len(wanted):
        yield "the number of steps", float("inf")
    for number, (theirs, ours) in enumerate(zip(wanted, found, strict=False), 1):
        if not theirs.is_finite:
            yield f"step {number}, finite or not,", float(ours.is_finite)
            continue
        yield f"loss {number}", abs(ours.loss - theirs.loss) / max(abs(theirs.loss), 1e-3)
        apart = abs(ours.grad_norm - theirs.grad_norm)
        yield f"gradient norm {number}", apart / max(theirs.grad_norm, 1e-3)


def _moved_apart(ours: Weights, theirs: Weights, start: Weights) -> float:
    """‖w - w'‖ / ‖w' - w₀‖, all weights and statistics together."""
    moves = np.concatenate([(theirs[k] - start[k]).ravel() for k in theirs])
    gaps = np.concatenate([(ours[k] - theirs[k]).ravel() for k in theirs])
    largest = max(float(np.abs(moves).max(initial=0.0)), 1.0)  # its square may be too large
    moved, apart = (float(np.linalg.norm(each / largest)) for each in (moves, gaps))
    return apart / max(moved, 1e-6 / largest)
