"""A case's training in PyTorch, by torch.nn, torch.autograd and torch.optim: the oracle.

What it takes from Handloom are first weights, batches, the numbers that dropout draws and the
learning rate of a step.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import torch
from random_cases import Case
from torch import nn
from torch.nn import functional
from torch_networks import dropouts, network, norm_parameters

QUINTIC = (3.4445, -4.7750, 2.0315)  # Jordan 2024
OTHERS_LR_SCALE = 0.1
DECOUPLED = ("adamw", "muon")  # unless told otherwise


class Step(NamedTuple):
    """What a step reports."""

    loss: float
    correct: int
    grad_norm: float

    @property
    def is_finite(self) -> bool:
        return math.isfinite(self.loss) and math.isfinite(self.grad_norm)


class TorchTraining:
    """One network and its rule; `state` are the first weights and statistics by our names."""

    def __init__(
        self, case: Case, state: dict[str, np.ndarray], keys: dict[str, int], dtype: torch.dtype
    ) -> None:
        self.case, self.dtype, self.steps = case, dtype, 0
        self.net = network(case.layers, case.image_shape).to(dtype)
        own = {
            name: value
            for name, value in self.net.state_dict().items()
            if not name.endswith("num_batches_tracked")
        }
        assert own.keys() == state.keys(), own.keys() ^ state.keys()
        for name, value in own.items():
            value.copy_(torch.from_numpy(state[name]))
        for path, dropout in dropouts(self.net):
            dropout.key = keys[path]
        self.params = dict(self.net.named_parameters())
        self.norms = norm_parameters(self.net)
        self.decay = {name: self._decay_of(name) for name in self.params}
        self.rule = _Rule(case, self.params, self.norms)
        self.slow = {name: value.detach().clone() for name, value in self.params.items()}
        self.average = {name: value.clone() for name, value in self.weights_now().items()}

    def step(self, x: np.ndarray, labels: np.ndarray, lr: float) -> Step:
        """One update, unless loss or gradient are not finite."""
        self.net.train()
        for _, dropout in dropouts(self.net):
            dropout.step = self.steps
        for value in self.params.values():
            value.grad = None
        targets = torch.from_numpy(labels)
        outputs = self.net(torch.from_numpy(x).to(self.dtype))
        loss = self._loss(outputs, targets)
        loss.backward()
        for value in self.params.values():
            value.grad = torch.zeros_like(value) if value.grad is None else value.grad
        gradients = [value.grad for value in self.params.values()]
        norm = math.sqrt(sum(float((each * each).sum()) for each in gradients))
        classes = targets if targets.ndim == 1 else targets.argmax(1)
        report = Step(loss.item(), int((outputs.argmax(1) == classes).sum()), norm)
        if report.is_finite:
            self._clip()
            with torch.no_grad():
                self._update(lr)
        return report

    @torch.no_grad()
    def predict(self, x: np.ndarray) -> np.ndarray:
        """Outputs of the averaged weights, if they are kept."""
        self.net.eval()
        current = {name: value.clone() for name, value in self.weights_now().items()}
        if "ema" in self.case.settings:
            self.net.load_state_dict(self.average, strict=False)
        outputs = self.net(torch.from_numpy(x).to(self.dtype)).numpy()
        self.net.load_state_dict(current, strict=False)
        return outputs

    def loss_sum(self, outputs: np.ndarray, labels: np.ndarray) -> float:
        """Σ w l of class ids, of which the loss of a part is made."""
        loss, scores = self.case.loss, torch.from_numpy(outputs).double()
        targets = torch.from_numpy(labels)
        weights = loss.get("class_weights")
        weight = None if weights is None else torch.tensor(weights, dtype=self.dtype).double()
        if loss["name"] == "mse":
            hot = functional.one_hot(targets, self.case.classes).double()
            return float(functional.mse_loss(scores, hot)) * len(labels)
        if loss["name"] == "nll":
            return float(functional.nll_loss(scores, targets, weight, reduction="sum"))
        smoothing = loss.get("label_smoothing", 0.0)
        return float(
            functional.cross_entropy(
                scores, targets, weight, label_smoothing=smoothing, reduction="sum"
            )
        )

    def weights_now(self) -> dict[str, torch.Tensor]:
        """Weights and statistics by name."""
        state = self.net.state_dict().items()
        return {k: v for k, v in state if not k.endswith("num_batches_tracked")}

    # -- details ----------------------------------------------------------------------------------

    def _loss(self, outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        loss = self.case.loss
        weights = loss.get("class_weights")
        weight = None if weights is None else torch.tensor(weights, dtype=self.dtype)
        if weight is not None and targets.ndim == 1 and not float(weight[targets].sum()):
            return (outputs * 0).sum()  # PyTorch divides by zero there
        if loss["name"] == "cross-entropy":
            smoothing = loss.get("label_smoothing", 0.0)
            shares = targets if targets.ndim == 1 else targets.to(self.dtype)
            return functional.cross_entropy(outputs, shares, weight, label_smoothing=smoothing)
        if loss["name"] == "nll":
            return functional.nll_loss(outputs, targets, weight)
        if targets.ndim == 1:
            targets = functional.one_hot(targets, self.case.classes)
        return functional.mse_loss(outputs, targets.to(self.dtype))

    def _clip(self) -> None:
        settings = self.case.settings
        if "clip_norm" in settings:
            nn.utils.clip_grad_norm_(self.params.values(), settings["clip_norm"])
        if "clip_value" in settings:
            nn.utils.clip_grad_value_(self.params.values(), settings["clip_value"])

    def _decay_of(self, name: str) -> float:
        rule = self.case.optimizer
        covering = [p for p in rule.get("per_layer", {}) if name == p or name.startswith(p + ".")]
        is_weight = name.endswith("weight") and name not in self.norms
        if not is_weight and not rule.get("biases_and_norms") and name not in covering:
            return 0.0
        if covering:
            return rule["per_layer"][max(covering, key=len)]
        return rule.get("weight_decay", 0.01 if rule["name"] == "adamw" else 0.0)

    def _update(self, lr: float) -> None:
        rule = self.case.optimizer
        is_decoupled = rule.get("decoupled", rule["name"] in DECOUPLED)
        for name, value in self.params.items():
            if is_decoupled:
                value.mul_(1 - lr * self.rule.lr_scale(name) * self.decay[name])
            else:
                assert value.grad is not None
                value.grad.add_(value, alpha=self.decay[name])
        self.rule.step(lr)
        self.steps += 1
        ahead = rule.get("lookahead")
        if ahead and self.steps % ahead["every"] == 0:
            for name, value in self.params.items():
                self.slow[name].add_(value - self.slow[name], alpha=ahead["share"])
                value.copy_(self.slow[name])
        if "ema" in self.case.settings:
            share = min(self.case.settings["ema"], (1 + self.steps) / (10 + self.steps))
            for name, value in self.weights_now().items():
                mean = self.average[name]
                is_learnt = name in self.params
                mean.copy_(share * mean + (1 - share) * value if is_learnt else value)


class _Rule:
    """The optimizer without weight decay; Muon is written out here: torch.optim's is another."""

    def __init__(self, case: Case, params: dict[str, nn.Parameter], norms: set[str]) -> None:
        self.spec = spec = case.optimizer
        is_matrix = {n: p.ndim >= 2 and n not in norms for n, p in params.items()}
        orthogonal = spec["name"] == "muon"
        self.matrices = {n: p for n, p in params.items() if orthogonal and is_matrix[n]}
        self.velocity = {name: torch.zeros_like(value) for name, value in self.matrices.items()}
        rest = [value for name, value in params.items() if name not in self.matrices]
        self.torch = _torch_rule(spec, rest) if rest else None

    def lr_scale(self, name: str) -> float:
        """Of a parameter's learning rate."""
        is_other = self.spec["name"] == "muon" and name not in self.matrices
        return OTHERS_LR_SCALE if is_other else 1.0

    def step(self, lr: float) -> None:
        for name, value in self.matrices.items():
            assert value.grad is not None
            velocity = self.velocity[name].mul_(0.95).add_(value.grad)
            ahead = value.grad + 0.95 * velocity if self.spec["nesterov"] else velocity
            rows, columns = len(value), value.numel() // len(value)
            direction = _orthogonal(ahead, self.spec["rounds"])
            value.sub_(direction, alpha=lr * max(1, rows / columns) ** 0.5)
        if self.torch is not None:
            for group in self.torch.param_groups:
                group["lr"] = lr * (OTHERS_LR_SCALE if self.matrices else 1.0)
            self.torch.step()


def _torch_rule(spec: dict, params: list[nn.Parameter]) -> torch.optim.Optimizer:
    name, mu = spec["name"], spec.get("momentum", 0.9)
    if name == "muon":
        name, mu = spec["others"], 0.9
        spec = {}
    if name == "sgd":
        return torch.optim.SGD(params, lr=1.0)
    if name in ("momentum", "nesterov"):
        is_nesterov = name == "nesterov" and mu > 0  # PyTorch refuses Nesterov's without momentum
        return torch.optim.SGD(params, lr=1.0, momentum=mu, nesterov=is_nesterov)
    eps = spec.get("eps", 1e-8)
    if name == "rmsprop":
        return torch.optim.RMSprop(params, lr=1.0, eps=eps)
    betas = spec.get("betas", (0.9, 0.999))
    return torch.optim.Adam(params, lr=1.0, betas=betas, eps=eps)


def _orthogonal(matrix: torch.Tensor, rounds: int) -> torch.Tensor:
    """Newton-Schulz, as Jordan 2024 has it."""
    a, b, c = QUINTIC
    x = matrix.reshape(len(matrix), -1)
    x = x / x.norm().clamp(min=1e-7)
    is_tall = x.shape[0] > x.shape[1]
    x = x.T if is_tall else x
    for _ in range(rounds):
        gram = x @ x.T
        x = a * x + (b * gram + c * gram @ gram) @ x
    return (x.T if is_tall else x).reshape(matrix.shape)
