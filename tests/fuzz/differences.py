"""How far each engine is from PyTorch on a random case, and what is too far.

In float64 nothing but the order of sums may differ: losses, gradient norms, weights and predictions
of all steps are compared. (Adam's and RMSprop's eps are 1e-4 or more in these cases: at 1e-8 a
gradient that is nothing but rounding would move a weight as any other.) In float32 a sum within a
rounding of a rectifier's kink takes either side, and a training goes its own way from there: there
the first step is compared.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from random_cases import Case
from torch_training import Step, TorchTraining

from handloom import models, nn, optim
from handloom.data import Augmentation, Batches, Dataset, Mixing, Normalisation
from handloom.engines import Engine, choose_engine

BOUND = {"float64": 1e-8, "float32": 5e-3}
"""Of relative differences: of a loss and a gradient's norm each by itself, of all weights together
relative to how far they have moved, of predictions relative to the largest."""
ENGINES = ("numpy", "loom", "torch")
STEPS = 4
LOSSES = {"cross-entropy": nn.cross_entropy, "nll": nn.nll, "mse": nn.mse}
TARGET = "HANDLOOM_LOOM_TARGET"


@dataclass(frozen=True)
class Difference:
    """What was too far from PyTorch."""

    case: Case
    engine: str
    precision: str
    what: str
    size: float

    def __str__(self) -> str:
        return (
            f"seed {self.case.seed}: {self.what} of {self.engine} in {self.precision} is "
            f"{self.size:.2g} off (target {self.case.target or 'this machine'}, "
            f"{self.case.threads} threads)"
        )


def differences(case: Case, precisions: tuple[str, ...] = ("float64",)) -> Iterator[Difference]:
    """Every difference above its bound, engine by engine; none where all is well."""
    for precision in precisions:
        dtype = np.dtype(precision)
        oracle = _oracle(case, dtype)
        steps = STEPS if precision == "float64" else 1
        batches = _batches(case, dtype)
        wanted = list(_steps(oracle, case, batches, steps))
        weights = {name: value.numpy().copy() for name, value in oracle.weights_now().items()}
        start = _model(case, dtype).state_dict()
        x = batches.epoch(0)[0].x
        outputs = oracle.predict(x)
        labels = case.labels[: len(x)]
        loss = oracle.loss_sum(outputs, labels)
        for name in ENGINES:
            with _compiled_for(case.target):
                engine, reports = _train(case, name, dtype, len(wanted))
                predicted = engine.predict(x)
                evaluation = engine.evaluate(x, labels)
            found = dict(_compare_steps(wanted, reports))
            state = engine.state_dict()
            ours = {key: state[f"model.{key}"] for key in weights}
            found["the weights"] = _moved_apart(ours, weights, start)
            if np.isfinite(outputs).all():
                apart = np.abs(predicted - outputs).max()
                found["the loss of an evaluation"] = abs(evaluation.loss_sum - loss) / max(
                    abs(loss), 1e-3 * len(x)
                )
                found["a prediction"] = float(apart / max(1.0, np.abs(outputs).max()))
            for what, size in found.items():
                if not size <= BOUND[precision]:
                    yield Difference(case, name, precision, what, size)


# -- both sides ---------------------------------------------------------------------------------


def _oracle(case: Case, dtype: np.dtype) -> TorchTraining:
    model = _model(case, dtype)
    keys = {path: layer.key for path, layer in model.named_layers() if type(layer) is nn.Dropout}
    precision = torch.float64 if dtype == np.float64 else torch.float32
    return TorchTraining(case, model.state_dict(), keys, precision)


def _steps(oracle: TorchTraining, case: Case, batches: Batches, steps: int) -> Iterator[Step]:
    """The oracle's reports, the first that is not finite the last."""
    schedule = _schedule(case)
    for number in range(steps):
        epoch, place = divmod(number, len(batches))
        batch = batches.epoch(epoch)[place]
        report = oracle.step(batch.x, batch.labels, schedule(number))
        yield report
        if not report.is_finite:
            return


def _train(case: Case, name: Any, dtype: np.dtype, steps: int) -> tuple[Engine, list[Any]]:
    """The engine after so many steps, and its reports."""
    batches = _batches(case, dtype)
    model = _model(case, dtype)
    engine = choose_engine(
        name, model, _loss(case, dtype), _optimizer(case, model), input_shape=case.image_shape,
        batch_size=case.batch_size, threads=case.threads if name == "loom" else 1,
        normalisation=batches.normalisation, soft_targets=bool(case.mixing), **case.settings,
    ).engine  # fmt: skip
    reports: list[Any] = []
    while len(reports) < steps:
        number, place = divmod(len(reports), len(batches))
        stop = min(len(batches), place + steps - len(reports))
        reports += engine.train(batches.epoch(number), place, stop)
        if not reports[-1].is_finite:
            break
    return engine, reports


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


def _moved_apart(
    ours: dict[str, np.ndarray], theirs: dict[str, np.ndarray], start: dict[str, np.ndarray]
) -> float:
    """‖w - w'‖ / ‖w' - w₀‖, all weights and statistics together."""
    moved = np.sqrt(sum(float(np.square(theirs[k] - start[k]).sum()) for k in theirs))
    apart = np.sqrt(sum(float(np.square(ours[k] - theirs[k]).sum()) for k in theirs))
    return float(apart / max(moved, 1e-6))
