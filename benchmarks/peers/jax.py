"""JAX: one jitted function a step, gather and update inside it, its arguments donated.

Pictures are kept as (N, H, W, C), the layout that XLA's convolutions like best on a CPU.
"""

# The library need not be installed here, and this file has its name: its types are not known.
# pyright: reportAttributeAccessIssue=false, reportOptionalMemberAccess=false
# pyright: reportArgumentType=false, reportOptionalOperand=false
from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.job import Job, Unable

TITLE = "JAX jit"

Arrays = dict[str, Any]


def _on_cores(count: int) -> None:
    """XLA has no count of threads to set: it takes the cores that it may use when it starts."""
    if hasattr(os, "sched_setaffinity"):
        cores = sorted(os.sched_getaffinity(0))
        if count < len(cores):
            os.sched_setaffinity(0, cores[:count])


class _Base:
    def __init__(self, job: Job) -> None:
        _on_cores(job.threads)
        import jax  # pyright: ignore[reportMissingImports]

        self.job, self.jax = job, jax
        images, labels = job.pictures()
        self.images = jax.numpy.asarray(images.transpose(0, 2, 3, 1))
        self.labels = jax.numpy.asarray(labels.astype(np.int32))
        self.weights = {name: jax.numpy.asarray(w) for name, w in _layout(job).items()}
        self.note = f"jax {jax.__version__}"


class Train(_Base):
    def __init__(self, job: Job) -> None:
        super().__init__(job)
        jax, jnp, said = self.jax, self.jax.numpy, job.optimizer
        rate, decay, inertia = said["lr"], said.get("weight_decay", 0.0), said.get("momentum", 0.0)
        ahead = said["name"] == "nesterov"
        forward = _forward(jax, job)

        def loss(weights: Arrays, x: Any, labels: Any) -> Any:
            log_p = jax.nn.log_softmax(forward(weights, x))
            return -jnp.take_along_axis(log_p, labels[:, None], 1).mean()

        def update(w: Any, v: Any, g: Any) -> tuple[Any, Any]:
            g = g + decay * w
            v = inertia * v + g
            return w - rate * (g + inertia * v if ahead else v), v

        def step(weights: Arrays, velocities: Arrays, images: Any, labels: Any, rows: Any) -> Any:
            x = images[rows].astype(jnp.float32) / 255.0
            grads = jax.grad(loss)(weights, x, labels[rows])
            pairs = {n: update(w, velocities.get(n, 0.0), grads[n]) for n, w in weights.items()}
            moved = {name: pair[0] for name, pair in pairs.items()}
            return moved, {name: pair[1] for name, pair in pairs.items()} if inertia else {}

        self.step = jax.jit(step, donate_argnums=(0, 1))
        zeros = {name: jnp.zeros_like(w) for name, w in self.weights.items()}
        self.velocities = zeros if inertia else {}
        self.rows = job.batches(len(self.images))

    def run(self, steps: int) -> None:
        for _ in range(steps):
            rows = next(self.rows).astype(np.int32)
            self.weights, self.velocities = self.step(
                self.weights, self.velocities, self.images, self.labels, rows
            )
        self.jax.block_until_ready(self.weights)

    def result(self) -> dict[str, np.ndarray]:
        return {
            name: w.transpose(3, 2, 0, 1) if w.ndim == 4 else w.T
            for name, w in ((name, np.asarray(w)) for name, w in self.weights.items())
        }


class Predict(_Base):
    def __init__(self, job: Job) -> None:
        super().__init__(job)
        jax, jnp = self.jax, self.jax.numpy
        forward, size = _forward(jax, job), job.batch_size

        def outputs(weights: Arrays, images: Any, first: Any) -> Any:
            x = jax.lax.dynamic_slice_in_dim(images, first, size).astype(jnp.float32) / 255.0
            return forward(weights, x)

        self.outputs = jax.jit(outputs)
        self.classes = jax.jit(lambda *given: outputs(*given).argmax(1))
        self.slices = job.slices(len(self.images))

    def run(self, steps: int) -> None:
        for _ in range(steps):
            self.classes(self.weights, self.images, next(self.slices).start).block_until_ready()

    def result(self) -> dict[str, np.ndarray]:
        return {"outputs": np.asarray(self.outputs(self.weights, self.images, 0))}


def _layout(job: Job) -> dict[str, np.ndarray]:
    """Weights as XLA likes them: (in, out), and (height, width, in, out) of a convolution."""
    return {
        name: np.ascontiguousarray(w.transpose(2, 3, 1, 0) if w.ndim == 4 else w.T)
        for name, w in job.weights().items()
    }


def _forward(jax: Any, job: Job) -> Callable[[Arrays, Any], Any]:
    """(weights, x (N, H, W, C)) -> outputs (N, K); batch norm with the batch's own statistics.

    Running averages are left out: no gradient needs them, and it spares JAX a little work.
    """
    jnp, lax = jax.numpy, jax.lax

    def conv(x: Any, w: Any, spec: Any) -> Any:
        padding = spec.get("padding", 0)
        sides = "SAME" if padding == "same" else [(padding, padding)] * 2
        order = ("NHWC", "HWIO", "NHWC")
        return lax.conv_general_dilated(x, w, (1, 1), sides, dimension_numbers=order)

    def forward(weights: Arrays, x: Any) -> Any:
        for place, spec in enumerate(job.layers):
            w, b = weights.get(f"{place}.weight"), weights.get(f"{place}.bias")
            match spec["layer"]:
                case "flatten":
                    x = x.transpose(0, 3, 1, 2).reshape(x.shape[0], -1)
                case "linear":
                    x = x @ w
                case "conv2d":
                    x = conv(x, w, spec)
                case "batch-norm":
                    mean, variance = x.mean((0, 1, 2)), x.var((0, 1, 2))
                    x = (x - mean) * (w * lax.rsqrt(variance + 1e-5))
                case "max-pool":
                    window = (1, spec["kernel_size"], spec["kernel_size"], 1)
                    x = lax.reduce_window(x, -jnp.inf, lax.max, window, window, "VALID")
                case "global-avg-pool":
                    x = x.mean((1, 2))
                case "relu":
                    x = jax.nn.relu(x)
                case "leaky-relu":
                    x = jnp.where(
                        x > 0, x, spec["negative_slope"] * x
                    )  # JAX's own has slope 1 at 0
                case unknown:
                    raise Unable(f"knows no layer {unknown!r}")
            x = x if b is None else x + b
        return x

    return forward


TASKS = {"train": Train, "predict": Predict}
