"""NumPy as in a textbook, or a good student's program: plain formulas, float32, no buffers kept.

Convolutions are one matrix product over columns (im2col), max-pooling marks the first largest
number of each window, the gradient of every layer's input is computed, the first one's too.
"""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from benchmarks.job import Job, Unable

TITLE = "NumPy textbook"

Array = np.ndarray


class Layer:
    """y = forward(x); dx = backward(dy), which leaves `grads` of the `weights`, name by name."""

    def __init__(self, weights: Mapping[str, Array], spec: Mapping[str, Any]) -> None:
        self.weights = dict(weights)
        self.grads: dict[str, Array] = {}
        self.spec = spec

    def forward(self, x: Array) -> Array:
        raise NotImplementedError

    def backward(self, dy: Array) -> Array:
        raise NotImplementedError


class Linear(Layer):
    def forward(self, x: Array) -> Array:
        self.x = x
        return x @ self.weights["weight"].T + self.weights["bias"]

    def backward(self, dy: Array) -> Array:
        self.grads = {"weight": dy.T @ self.x, "bias": dy.sum(axis=0)}
        return dy @ self.weights["weight"]


class Conv2d(Layer):
    """No stride, no padding."""

    def forward(self, x: Array) -> Array:
        weight = self.weights["weight"]
        if self.spec.get("padding", 0) or self.spec.get("stride", 1) != 1:
            raise Unable("has no padded or strided convolution")
        self.input_shape = x.shape
        windows = np.lib.stride_tricks.sliding_window_view(x, weight.shape[2:], axis=(2, 3))
        n, _, height, width, *_ = windows.shape
        self.columns = windows.transpose(0, 2, 3, 1, 4, 5).reshape(n * height * width, -1)
        y = self.columns @ weight.reshape(len(weight), -1).T + self.weights["bias"]
        return y.reshape(n, height, width, -1).transpose(0, 3, 1, 2)

    def backward(self, dy: Array) -> Array:
        weight = self.weights["weight"]
        n, out_channels, height, width = dy.shape
        rows = dy.transpose(0, 2, 3, 1).reshape(-1, out_channels)
        self.grads = {
            "weight": (rows.T @ self.columns).reshape(weight.shape),
            "bias": rows.sum(axis=0),
        }
        columns = rows @ weight.reshape(out_channels, -1)
        columns = columns.reshape(n, height, width, *weight.shape[1:])
        dx = np.zeros(self.input_shape, dy.dtype)
        for i in range(weight.shape[2]):
            for j in range(weight.shape[3]):
                shifted = columns[..., i, j].transpose(0, 3, 1, 2)
                dx[:, :, i : i + height, j : j + width] += shifted
        return dx


class MaxPool(Layer):
    """Windows side by side."""

    def forward(self, x: Array) -> Array:
        n, c, h, w = x.shape
        k = self.spec["kernel_size"]
        windows = x.reshape(n, c, h // k, k, w // k, k).transpose(0, 1, 2, 4, 3, 5)
        windows = windows.reshape(n, c, h // k, w // k, k * k)
        self.winners = windows.argmax(axis=-1)[..., None]
        return np.take_along_axis(windows, self.winners, axis=-1)[..., 0]

    def backward(self, dy: Array) -> Array:
        n, c, h, w = dy.shape
        k = self.spec["kernel_size"]
        windows = np.zeros((n, c, h, w, k * k), dy.dtype)
        np.put_along_axis(windows, self.winners, dy[..., None], axis=-1)
        windows = windows.reshape(n, c, h, w, k, k).transpose(0, 1, 2, 4, 3, 5)
        return windows.reshape(n, c, h * k, w * k)


class LeakyReLU(Layer):
    def forward(self, x: Array) -> Array:
        self.x = x
        self.slope = x.dtype.type(self.spec.get("negative_slope", 0.0))
        return np.where(x > 0, x, self.slope * x)

    def backward(self, dy: Array) -> Array:
        return np.where(self.x > 0, dy, self.slope * dy)


class Flatten(Layer):
    def forward(self, x: Array) -> Array:
        self.shape = x.shape
        return x.reshape(len(x), -1)

    def backward(self, dy: Array) -> Array:
        return dy.reshape(self.shape)


KINDS = {
    "linear": Linear,
    "conv2d": Conv2d,
    "max-pool": MaxPool,
    "relu": LeakyReLU,
    "leaky-relu": LeakyReLU,
    "flatten": Flatten,
}


class _Base:
    def __init__(self, job: Job) -> None:
        if unknown := {spec["layer"] for spec in job.layers} - KINDS.keys():
            raise Unable(f"has no {', '.join(sorted(unknown))}")
        self.job = job
        self.images, self.labels = job.pictures()
        self.layers = [
            KINDS[spec["layer"]](job.weights_of(place), spec)
            for place, spec in enumerate(job.layers)
        ]
        self.note = f"numpy {np.__version__}"

    def outputs(self, rows: Array | slice) -> Array:
        x = self.images[rows].astype(np.float32) / np.float32(255)
        for layer in self.layers:
            x = layer.forward(x)
        return x


class Train(_Base):
    def __init__(self, job: Job) -> None:
        super().__init__(job)
        self.rows = job.batches(len(self.images))
        self.velocities = [
            {name: np.zeros_like(w) for name, w in layer.weights.items()} for layer in self.layers
        ]

    def run(self, steps: int) -> None:
        for _ in range(steps):
            self.step(next(self.rows))

    def step(self, rows: Array) -> None:
        z = self.outputs(rows)
        p = np.exp(z - z.max(axis=1, keepdims=True))
        p /= p.sum(axis=1, keepdims=True)
        dy = (p - np.eye(z.shape[1], dtype=z.dtype)[self.labels[rows]]) / z.dtype.type(len(z))
        for layer in reversed(self.layers):
            dy = layer.backward(dy)
        said = self.job.optimizer
        lr, momentum, decay = (
            np.float32(said.get(key, 0.0)) for key in ("lr", "momentum", "weight_decay")
        )
        for layer, velocities in zip(self.layers, self.velocities, strict=True):
            for name, weight in layer.weights.items():
                velocity = momentum * velocities[name] + layer.grads[name] + decay * weight
                velocities[name] = velocity
                layer.weights[name] = weight - lr * velocity

    def result(self) -> dict[str, Array]:
        return {
            f"{place}.{name}": weight
            for place, layer in enumerate(self.layers)
            for name, weight in layer.weights.items()
        }


class Predict(_Base):
    def __init__(self, job: Job) -> None:
        super().__init__(job)
        self.slices = job.slices(len(self.images))

    def run(self, steps: int) -> None:
        for _ in range(steps):
            self.outputs(next(self.slices)).argmax(axis=1)

    def result(self) -> dict[str, Array]:
        return {"outputs": self.outputs(slice(0, self.job.batch_size))}


class Product:
    """A square matrix product, for the machine's largest number of operations a second."""

    def __init__(self, job: Job) -> None:
        rng = np.random.default_rng(0)
        self.a, self.b, self.c = rng.random((3, job.size, job.size), np.float32)
        self.note = f"numpy {np.__version__}"

    def run(self, steps: int) -> None:
        for _ in range(steps):
            np.matmul(self.a, self.b, out=self.c)

    def result(self) -> dict[str, Array]:
        return {"outputs": self.c}


class Triad:
    """a = b + c over arrays of `size` bytes together, each thread on its own part of them.

    NumPy has no a = b + 2 c in one pass; a sum moves the same bytes.
    """

    def __init__(self, job: Job) -> None:
        arrays = np.random.default_rng(0).random((3, job.size // 12), np.float32)
        self.parts = [np.array_split(array, job.threads) for array in arrays]
        self.threads = ThreadPoolExecutor(job.threads)
        self.note = f"numpy {np.__version__}"

    def run(self, steps: int) -> None:
        def add(a: Array, b: Array, c: Array) -> None:
            for _ in range(steps):
                np.add(b, c, out=a)

        list(self.threads.map(add, *self.parts))

    def result(self) -> dict[str, Array]:
        return {"outputs": np.concatenate(self.parts[0])}


TASKS = {"train": Train, "predict": Predict, "product": Product, "triad": Triad}
