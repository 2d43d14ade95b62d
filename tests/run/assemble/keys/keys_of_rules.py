"""[loss], [optimizer] and [schedule]: by their formulas, written down here once more."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from key import Built, Key, same

from handloom import optim

OUTPUTS = np.array([[2.0, -1.0, 0.5], [0.3, 0.2, -0.7], [0.0, 1.0, 3.0], [1.0, 1.5, -2.0]])
LABELS = np.array([0, 2, 1, 1])
WEIGHTS = [1.0, 3.0, 0.5]

LOG_SOFTMAX = {
    "model": {
        "name": "sequential",
        "layers": [
            {"layer": "flatten"}, {"layer": "linear", "out_features": 3}, {"layer": "log-softmax"},
        ],
    }
}  # fmt: skip


def loss(built: Built) -> float:
    """Of four rows, as the engine computes it."""
    return round(float(built.engine.loss(OUTPUTS, LABELS)[0]), 5)


def _log_probabilities() -> Any:
    return OUTPUTS - np.log(np.exp(OUTPUTS).sum(axis=1, keepdims=True))


def _smoothed(share: float) -> float:
    target = np.full((4, 3), share / 3)
    target[np.arange(4), LABELS] += 1 - share
    return round(float(-(target * _log_probabilities()).sum(axis=1).mean()), 5)


def _weighted(log_probabilities: Any) -> float:
    weights = np.array(WEIGHTS)[LABELS]
    picked = log_probabilities[np.arange(4), LABELS]
    return round(float(-(weights * picked).sum() / weights.sum()), 5)


_MSE = round(float(((OUTPUTS - np.eye(3)[LABELS]) ** 2).mean()), 5)
_NLL = round(float(-OUTPUTS[np.arange(4), LABELS].mean()), 5)

LOSSES = {
    "loss.CrossEntropy.name": Key(
        "loss", {"name": "cross-entropy"}, loss, _smoothed(0.0), {"loss": {"name": "mse"}}
    ),
    "loss.CrossEntropy.label_smoothing": Key(
        "loss.label_smoothing", 0.2, loss, _smoothed(0.2),
        {"loss.name": "cross-entropy"},
    ),
    "loss.CrossEntropy.class_weights": Key(
        "loss.class_weights", WEIGHTS, loss, _weighted(_log_probabilities()),
        {"loss.name": "cross-entropy"},
    ),
    "loss.NLL.name": Key("loss", {"name": "nll"}, loss, _NLL, LOG_SOFTMAX),
    "loss.NLL.class_weights": Key(
        "loss.class_weights", WEIGHTS, loss, _weighted(OUTPUTS),
        LOG_SOFTMAX | {"loss.name": "nll"},
    ),
    "loss.MSE.name": Key("loss", {"name": "mse"}, loss, _MSE),
}  # fmt: skip


# -- optimizers -----------------------------------------------------------------------------------


def setting(name: str) -> Any:
    return lambda built: getattr(built.optimizer, name)


def decays(built: Built) -> dict[str, float]:
    return {name: decay for name, decay in built.optimizer.decays.items() if decay}


def _shared(rule: str, other: str) -> dict[str, Key]:
    """What every rule has; `other` is another rule."""
    base = {"optimizer": {"name": rule, "lr": 0.2, "weight_decay": 0.5}}
    made = {
        "name": Key(
            "optimizer.name", rule, lambda built: type(built.optimizer).__name__,
            next(kind for kind in SETTINGS if kind.lower() == rule),
            {"optimizer": {"name": other, "lr": 0.2}},
        ),
        "lr": Key("optimizer.lr", 0.07, lambda built: built.optimizer.current_lr(), 0.07, base),
        "weight_decay": Key(
            "optimizer.weight_decay", 0.3, decays, {"1.weight": 0.3, "3.weight": 0.3}, base
        ),
        "decay_biases": Key(
            "optimizer.decay_biases", True, decays,
            dict.fromkeys(["1.weight", "1.bias", "3.weight", "3.bias"], 0.5), base,
        ),
        "decoupled": Key(
            "optimizer.decoupled", rule != "muon",
            lambda built: built.optimizer.weight_decay.decoupled, rule != "muon", base,
        ),
        "per_layer_decay": Key(
            "optimizer.per_layer_decay", {"3": 0.1}, decays, {"1.weight": 0.5, "3.weight": 0.1},
            base,
        ),
        "clip_norm": Key("optimizer.clip_norm", 2.0, lambda b: b.engine.setup.clip_norm, 2.0, base),
        "clip_value": Key(
            "optimizer.clip_value", 3.0, lambda b: b.engine.setup.clip_value, 3.0, base
        ),
        "lookahead": Key(
            "optimizer.lookahead", {}, setting("lookahead"), optim.Lookahead(5, 0.5), base
        ),
    }  # fmt: skip
    if rule == "adamw":  # decoupled is the only form it has: what is not is refused
        del made["decoupled"]
    return made


SETTINGS: dict[str, dict[str, Any]] = {
    "SGD": {},
    "Momentum": {"momentum": 0.5},
    "Nesterov": {"momentum": 0.5},
    "RMSprop": {"alpha": 0.8, "eps": 1e-3},
    "Adam": {"betas": (0.8, 0.95), "eps": 1e-3},
    "AdamW": {"betas": (0.8, 0.95), "eps": 1e-3},
    "Muon": {"momentum": 0.5, "nesterov": False, "rounds": 3, "others": "nesterov",
             "others_lr_scale": 0.4},
}  # fmt: skip

RULES = {
    f"optimizer.{kind}.{name}": key
    for kind in SETTINGS
    for name, key in _shared(kind.lower(), "sgd" if kind != "SGD" else "adam").items()
} | {
    f"optimizer.{kind}.{name}": same(
        f"optimizer.{name}", value, setting(name), optimizer={"name": kind.lower(), "lr": 0.2}
    )
    for kind, settings in SETTINGS.items()
    for name, value in settings.items()
}  # fmt: skip
RULES |= {
    "optimizer.Muon.hidden_only": Key(
        "optimizer.hidden_only", True, lambda built: set(built.optimizer.matrices), {"3.weight"},
        {"optimizer": {"name": "muon", "lr": 0.2}, "model.hidden": [4, 4]},
    ),
    "optimizer.Lookahead.every": Key(
        "optimizer.lookahead.every", 3, setting("lookahead"), optim.Lookahead(3, 0.5),
        {"optimizer.lookahead": {}},
    ),
    "optimizer.Lookahead.share": Key(
        "optimizer.lookahead.share", 0.3, setting("lookahead"), optim.Lookahead(5, 0.3),
        {"optimizer.lookahead": {}},
    ),
}  # fmt: skip


# -- schedules ------------------------------------------------------------------------------------

STEPS = (0, 3, 10, 19, 20, 39)  # of 40: 4 epochs of 10


def rates(built: Built) -> list[float]:
    return [round(built.schedule(step), 9) for step in STEPS]


def _rates(rate: Any) -> list[float]:
    return [round(rate(step), 9) for step in STEPS]


def _cosine(start: float, end: float, done: float) -> float:
    return end + (start - end) * (1 + math.cos(math.pi * done)) / 2


def _one_cycle(rise: float) -> Any:
    top = rise * 40 - 1

    def rate(step: int) -> float:
        if step < top:
            return _cosine(1 / 25, 1.0, step / top)
        return _cosine(1.0, 1 / 25e4, (step - top) / (39 - top))

    return rate


BASE = {"optimizer.lr": 1.0, "training.epochs": 4}
FORMULAS: dict[str, tuple[str, dict[str, Any], Any]] = {
    "Constant": ("constant", {}, lambda t: 1.0),
    "Step": ("step", {"every": 1}, lambda t: 0.1 ** (t // 10)),
    "MultiStep": ("multi-step", {"milestones": [2]}, lambda t: 1.0 if t < 20 else 0.1),
    "Exponential": ("exponential", {"factor": 0.5}, lambda t: 0.5 ** (t // 10)),
    "ExponentialStep": ("exponential-step", {"k": 0.1}, lambda t: math.exp(-0.1 * t)),
    "Cosine": ("cosine", {}, lambda t: _cosine(1.0, 0.0, t / 40)),
    "Linear": ("linear", {}, lambda t: 1 - t / 40),
    "OneCycle": ("one-cycle", {}, _one_cycle(0.3)),
}
CHANGES: dict[str, tuple[Any, Any]] = {
    "Step.every": (2, lambda t: 0.1 ** (t // 20)),
    "Step.factor": (0.5, lambda t: 0.5 ** (t // 10)),
    "MultiStep.milestones": ([1], lambda t: 1.0 if t < 10 else 0.1),
    "MultiStep.factor": (0.5, lambda t: 1.0 if t < 20 else 0.5),
    "Exponential.factor": (0.9, lambda t: 0.9 ** (t // 10)),
    "ExponentialStep.k": (0.02, lambda t: math.exp(-0.02 * t)),
    "Cosine.final": (0.3, lambda t: _cosine(1.0, 0.3, t / 40)),
    "Linear.final": (0.3, lambda t: 1 - 0.7 * t / 40),
    "OneCycle.rise": (0.6, _one_cycle(0.6)),
}


def _warm(rate: Any) -> Any:
    """The first 20 steps, two epochs, rise to the schedule's own rate."""
    return lambda step: rate(step) * min(1.0, (step + 1) / 20)


SCHEDULES = {
    f"schedule.{kind}.name": Key(
        "schedule", {"name": name, **needed}, rates, _rates(rate),
        {**BASE, "schedule": {"name": "constant" if kind != "Constant" else "cosine"}},
    )
    for kind, (name, needed, rate) in FORMULAS.items()
} | {
    f"schedule.{kind}.warmup_epochs": Key(
        "schedule.warmup_epochs", 2.0, rates, _rates(_warm(rate)),
        {**BASE, "schedule": {"name": name, **needed}},
    )
    for kind, (name, needed, rate) in FORMULAS.items()
} | {
    f"schedule.{path}": Key(
        f"schedule.{path.partition('.')[2]}", value, rates, _rates(rate),
        {**BASE, "schedule": {"name": FORMULAS[kind][0], **FORMULAS[kind][1]}},
    )
    for path, (value, rate) in CHANGES.items()
    for kind in [path.partition(".")[0]]
}  # fmt: skip

KEYS = LOSSES | RULES | SCHEDULES
