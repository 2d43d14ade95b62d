"""MLX on the CPU: one compiled function a step, gather and update inside it.

Pictures are kept as (N, H, W, C), the only layout of its convolutions.
"""

# The library need not be installed here, and this file has its name: its types are not known.
# pyright: reportAttributeAccessIssue=false, reportOptionalMemberAccess=false
# pyright: reportArgumentType=false, reportOptionalOperand=false
from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import version
from typing import Any

import mlx.core as mx  # pyright: ignore[reportMissingImports]
import mlx.nn as nn  # pyright: ignore[reportMissingImports]
import numpy as np

from benchmarks.job import Job, Row, Unable

TITLE = "MLX"
Weights = Mapping[str, Any]


def rows(task: str, layers: Sequence[Any], threads: Sequence[int]) -> list[Row]:
    """One, whose kernels a compiler has to write."""
    return [Row(TITLE, threads[0], setup=4.0)]


class _Base:
    def __init__(self, job: Job) -> None:
        mx.set_default_device(mx.cpu)
        self.job = job
        images, labels = job.pictures()
        self.images = mx.array(images.transpose(0, 2, 3, 1))
        self.labels = mx.array(labels.astype(np.int32))
        self.weights = {
            name: mx.array(w.transpose(0, 2, 3, 1) if w.ndim == 4 else w)
            for name, w in job.weights().items()
        }
        self.note = f"mlx {version('mlx')}"


class Train(_Base):
    def __init__(self, job: Job) -> None:
        super().__init__(job)
        rule = job.optimizer
        rate, decay, inertia = rule["lr"], rule.get("weight_decay", 0.0), rule.get("momentum", 0.0)
        is_nesterov = rule["name"] == "nesterov"

        def loss(weights: Weights, x: Any, labels: Any) -> Any:
            return nn.losses.cross_entropy(_forward(job, weights, x), labels, reduction="mean")

        def step(weights: Weights, velocities: Weights, rows: Any) -> Any:
            x = self.images[rows].astype(mx.float32) * (1.0 / 255.0)
            gradients = mx.grad(loss)(weights, x, self.labels[rows])
            moved, kept = {}, {}
            for name, w in weights.items():
                g = gradients[name] + decay * w
                if inertia:
                    kept[name] = v = inertia * velocities[name] + g
                    g = g + inertia * v if is_nesterov else v
                moved[name] = w - rate * g
            return moved, kept

        self.step: Callable[..., Any] = mx.compile(step)
        self.velocities = {name: mx.zeros_like(w) for name, w in self.weights.items()}
        self.rows = job.batches(len(self.images))

    def run(self, steps: int) -> None:
        for _ in range(steps):
            rows = mx.array(next(self.rows).astype(np.int32))
            self.weights, self.velocities = self.step(self.weights, self.velocities, rows)
            mx.eval(self.weights, self.velocities)

    def result(self) -> dict[str, np.ndarray]:
        return {
            name: w.transpose(0, 3, 1, 2) if w.ndim == 4 else w
            for name, w in ((name, np.array(w)) for name, w in self.weights.items())
        }


class Predict(_Base):
    def __init__(self, job: Job) -> None:
        super().__init__(job)
        self.classes: Callable[..., Any] = mx.compile(lambda x: self._outputs(x).argmax(1))
        self.slices = job.slices(len(self.images))

    def _outputs(self, x: Any) -> Any:
        return _forward(self.job, self.weights, x.astype(mx.float32) * (1.0 / 255.0))

    def run(self, steps: int) -> None:
        for _ in range(steps):
            mx.eval(self.classes(self.images[next(self.slices)]))

    def result(self) -> dict[str, np.ndarray]:
        return {"outputs": np.array(self._outputs(self.images[: self.job.batch_size]))}


def _forward(job: Job, weights: Weights, x: Any) -> Any:
    """Outputs (N, K) for x (N, H, W, C); batch norm with the batch's own statistics."""
    for place, spec in enumerate(job.layers):
        w, b = weights.get(f"{place}.weight"), weights.get(f"{place}.bias")
        match spec["layer"]:
            case "flatten":
                x = x.transpose(0, 3, 1, 2).reshape(x.shape[0], -1)
            case "linear":
                x = x @ w.T
            case "conv2d":
                x = mx.conv2d(x, w, padding=spec.get("padding", 0))
            case "batch-norm":
                mean, variance = x.mean((0, 1, 2)), x.var((0, 1, 2))
                x = (x - mean) * (w * mx.rsqrt(variance + 1e-5))
            case "max-pool":
                n, height, width, channels = x.shape
                k = spec["kernel_size"]
                x = x.reshape(n, height // k, k, width // k, k, channels).max((2, 4))
            case "global-avg-pool":
                x = x.mean((1, 2))
            case "relu":
                x = mx.maximum(x, 0.0)
            case "leaky-relu":
                x = mx.where(x > 0, x, spec["negative_slope"] * x)
            case unknown:
                raise Unable(f"knows no layer {unknown!r}")
        x = x if b is None else x + b
    return x


TASKS = {"train": Train, "predict": Predict}
