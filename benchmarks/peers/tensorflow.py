"""TensorFlow: one tf.function a step, gather and update inside it, with XLA and without.

Setting: `xla`. Pictures are kept as (N, H, W, C), the only layout of its convolutions on a CPU.
"""

# The library need not be installed here, and this file has its name: its types are not known.
# pyright: reportAttributeAccessIssue=false, reportOptionalMemberAccess=false
# pyright: reportArgumentType=false, reportOptionalOperand=false
from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf  # pyright: ignore[reportMissingImports]

from benchmarks.job import Job, Row, Unable

TITLE = "TensorFlow"
Weights = Mapping[str, Any]


def rows(task: str, layers: Sequence[Any], threads: Sequence[int]) -> list[Row]:
    """Its graph as it is, and compiled; one of them takes part."""
    return [
        Row("TensorFlow graph", threads[0], {"xla": False}, setup=1.5),
        Row("TensorFlow XLA", threads[0], {"xla": True}, setup=1.5),
    ]


class _Base:
    def __init__(self, job: Job) -> None:
        if tf.config.threading.get_intra_op_parallelism_threads() != job.threads:
            tf.config.threading.set_intra_op_parallelism_threads(job.threads)
            tf.config.threading.set_inter_op_parallelism_threads(1)
        self.job = job
        images, labels = job.pictures()
        self.images = tf.constant(images.transpose(0, 2, 3, 1))
        self.labels = tf.constant(labels.astype(np.int32))
        self.weights = {
            name: tf.Variable(w.transpose(2, 3, 1, 0) if w.ndim == 4 else w.T)
            for name, w in job.weights().items()
        }
        self.note = f"tensorflow {tf.__version__}"

    def compiled(self, function: Any) -> Any:
        return tf.function(function, jit_compile=self.job.settings["xla"])


class Train(_Base):
    def __init__(self, job: Job) -> None:
        super().__init__(job)
        rule = job.optimizer
        rate, decay, inertia = rule["lr"], rule.get("weight_decay", 0.0), rule.get("momentum", 0.0)
        is_nesterov = rule["name"] == "nesterov"
        velocities = {name: tf.Variable(tf.zeros_like(w)) for name, w in self.weights.items()}

        def step(images: Any, labels: Any, rows: Any) -> None:
            with tf.GradientTape() as tape:
                x = tf.cast(tf.gather(images, rows), tf.float32) * (1.0 / 255.0)
                outputs = _forward(job, self.weights, x)
                loss = tf.reduce_mean(
                    tf.nn.sparse_softmax_cross_entropy_with_logits(tf.gather(labels, rows), outputs)
                )
            names = list(self.weights)
            gradients = tape.gradient(loss, [self.weights[name] for name in names])
            for name, gradient in zip(names, gradients, strict=True):
                w, v = self.weights[name], velocities[name]
                g = gradient + decay * w if decay else gradient
                if inertia:
                    v.assign(inertia * v + g)
                    g = g + inertia * v if is_nesterov else v
                w.assign_sub(rate * g)

        self.step = self.compiled(step)
        self.rows = job.batches(int(self.images.shape[0]))

    def run(self, steps: int) -> None:
        for _ in range(steps):
            rows = tf.constant(next(self.rows).astype(np.int32))
            self.step(self.images, self.labels, rows)
        next(iter(self.weights.values())).numpy()  # waits for the last step

    def result(self) -> dict[str, np.ndarray]:
        return {
            name: w.transpose(3, 2, 0, 1) if w.ndim == 4 else w.T
            for name, w in ((name, w.numpy()) for name, w in self.weights.items())
        }


class Predict(_Base):
    def __init__(self, job: Job) -> None:
        super().__init__(job)
        self.outputs = self.compiled(lambda x: _forward(job, self.weights, _floats(x)))
        self.classes = self.compiled(
            lambda x: tf.argmax(_forward(job, self.weights, _floats(x)), 1)
        )
        self.slices = job.slices(int(self.images.shape[0]))

    def run(self, steps: int) -> None:
        for _ in range(steps):
            self.classes(self.images[next(self.slices)]).numpy()

    def result(self) -> dict[str, np.ndarray]:
        return {"outputs": self.outputs(self.images[: self.job.batch_size]).numpy()}


def _floats(x: Any) -> Any:
    return tf.cast(x, tf.float32) * (1.0 / 255.0)


def _forward(job: Job, weights: Weights, x: Any) -> Any:
    """Outputs (N, K) for x (N, H, W, C); batch norm with the batch's own statistics."""
    for place, spec in enumerate(job.layers):
        w, b = weights.get(f"{place}.weight"), weights.get(f"{place}.bias")
        match spec["layer"]:
            case "flatten":
                x = tf.reshape(tf.transpose(x, (0, 3, 1, 2)), (x.shape[0], -1))
            case "linear":
                x = x @ w
            case "conv2d":
                sides = [spec.get("padding", 0)] * 2
                x = tf.nn.conv2d(x, w, 1, [[0, 0], sides, sides, [0, 0]])
            case "batch-norm":
                mean, variance = tf.nn.moments(x, (0, 1, 2))
                x = (x - mean) * (w * tf.math.rsqrt(variance + 1e-5))
            case "max-pool":
                x = tf.nn.max_pool2d(x, spec["kernel_size"], spec["kernel_size"], "VALID")
            case "global-avg-pool":
                x = tf.reduce_mean(x, (1, 2))
            case "relu":
                x = tf.nn.relu(x)
            case "leaky-relu":
                x = tf.nn.leaky_relu(x, spec["negative_slope"])
            case unknown:
                raise Unable(f"knows no layer {unknown!r}")
        x = x if b is None else x + b
    return x


TASKS = {"train": Train, "predict": Predict}
