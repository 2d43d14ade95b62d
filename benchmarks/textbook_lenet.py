"""How much faster than a textbook are the layers of handloom.nn, on one LeNet training step?

The textbook here is written as student programs are: float64, convolution as one matrix product
over columns (the usual im2col), pooling with Python loops over the output positions, gradients of
every layer whether needed or not, momentum one parameter at a time. Ours is float32 with the
layers and the optimizer of the library. Both do forward, cross-entropy, backward and update on the
same pictures. First it is checked, in float64, that all gradients agree, on random numbers: the
mask of the textbook's max-pooling gives the gradient to every one of equal numbers, and the black
of real pictures is full of them.

    python benchmarks/textbook_lenet.py [--batch-size 32] [--rounds 20] [--threads 2]

The pictures are MNIST's where HANDLOOM_DATA names its folder, else random numbers.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from collections.abc import Callable

import numpy as np
from threadpoolctl import threadpool_limits

import handloom as hl
from handloom import nn, optim

LR, MOMENTUM, SLOPE = 0.01, 0.9, 0.01
STEPS_A_TURN = 5


# -- the textbook ----------------------------------------------------------------------------------


class TextbookConv:
    def __init__(self, weight: np.ndarray, bias: np.ndarray) -> None:
        self.params = [weight, bias]

    def forward(self, x: np.ndarray) -> np.ndarray:
        weight, bias = self.params
        num_filters, _, kh, kw = weight.shape
        n, c, h, w = self.x_shape = x.shape
        oh, ow = h - kh + 1, w - kw + 1
        columns = np.zeros((n, c, kh, kw, oh, ow))
        for i in range(kh):
            for j in range(kw):
                columns[:, :, i, j] = x[:, :, i : i + oh, j : j + ow]
        self.columns = columns.transpose(0, 4, 5, 1, 2, 3).reshape(n * oh * ow, -1)
        y = self.columns @ weight.reshape(num_filters, -1).T + bias
        return y.reshape(n, oh, ow, num_filters).transpose(0, 3, 1, 2)

    def backward(self, dy: np.ndarray) -> np.ndarray:
        weight, _ = self.params
        num_filters, _, kh, kw = weight.shape
        n, c, h, w = self.x_shape
        oh, ow = h - kh + 1, w - kw + 1
        dy = dy.transpose(0, 2, 3, 1).reshape(-1, num_filters)
        self.grads = [(dy.T @ self.columns).reshape(weight.shape), dy.sum(axis=0)]
        dcolumns = (dy @ weight.reshape(num_filters, -1)).reshape(n, oh, ow, c, kh, kw)
        dcolumns = dcolumns.transpose(0, 3, 4, 5, 1, 2)
        dx = np.zeros((n, c, h, w))
        for i in range(kh):
            for j in range(kw):
                dx[:, :, i : i + oh, j : j + ow] += dcolumns[:, :, i, j]
        return dx


class TextbookMaxPool:
    """Windows of 2 × 2, side by side; backward marks each window's largest number by a mask."""

    params: tuple[np.ndarray, ...] = ()

    def forward(self, x: np.ndarray) -> np.ndarray:
        self.x = x
        n, c, h, w = x.shape
        y = np.zeros((n, c, h // 2, w // 2))
        for p in range(h // 2):
            for q in range(w // 2):
                y[:, :, p, q] = x[:, :, 2 * p : 2 * p + 2, 2 * q : 2 * q + 2].max(axis=(2, 3))
        return y

    def backward(self, dy: np.ndarray) -> np.ndarray:
        dx = np.zeros_like(self.x)
        for p in range(dy.shape[2]):
            for q in range(dy.shape[3]):
                rows, columns = slice(2 * p, 2 * p + 2), slice(2 * q, 2 * q + 2)
                window = self.x[:, :, rows, columns]
                mask = window == window.max(axis=(2, 3), keepdims=True)
                dx[:, :, rows, columns] += mask * dy[:, :, p, q][:, :, None, None]
        return dx


class TextbookLinear:
    def __init__(self, weight: np.ndarray, bias: np.ndarray) -> None:
        self.params = [weight, bias]

    def forward(self, x: np.ndarray) -> np.ndarray:
        self.x = x
        return x @ self.params[0].T + self.params[1]

    def backward(self, dy: np.ndarray) -> np.ndarray:
        self.grads = [dy.T @ self.x, dy.sum(axis=0)]
        return dy @ self.params[0]


class TextbookLeakyReLU:
    params: tuple[np.ndarray, ...] = ()

    def forward(self, x: np.ndarray) -> np.ndarray:
        self.x = x
        return np.where(x > 0, x, SLOPE * x)

    def backward(self, dy: np.ndarray) -> np.ndarray:
        return np.where(self.x > 0, dy, SLOPE * dy)


class TextbookFlatten:
    params: tuple[np.ndarray, ...] = ()

    def forward(self, x: np.ndarray) -> np.ndarray:
        self.shape = x.shape
        return x.reshape(len(x), -1)

    def backward(self, dy: np.ndarray) -> np.ndarray:
        return dy.reshape(self.shape)


class TextbookLeNet:
    """The layers in a row, with the weights of `net`."""

    def __init__(self, net: nn.Sequential) -> None:
        twins = {
            nn.Conv2d: TextbookConv,
            nn.MaxPool2d: TextbookMaxPool,
            nn.Linear: TextbookLinear,
            nn.LeakyReLU: TextbookLeakyReLU,
            nn.Flatten: TextbookFlatten,
        }
        self.layers = [
            twins[type(layer)](
                *(p.value.astype(np.float64) for p in layer.named_parameters().values())
            )
            for layer in net
        ]
        self.velocities = [[np.zeros_like(p) for p in layer.params] for layer in self.layers]

    def backpropagate(self, x: np.ndarray, labels: np.ndarray) -> None:
        for layer in self.layers:
            x = layer.forward(x)
        p = np.exp(x - x.max(axis=1, keepdims=True))
        p /= p.sum(axis=1, keepdims=True)
        dy = (p - np.eye(10)[labels]) / len(x)
        for layer in reversed(self.layers):
            dy = layer.backward(dy)

    def train_step(self, x: np.ndarray, labels: np.ndarray) -> None:
        self.backpropagate(x, labels)
        for layer, velocities in zip(self.layers, self.velocities, strict=True):
            for index, velocity in enumerate(velocities):
                velocities[index] = MOMENTUM * velocity + layer.grads[index]
                layer.params[index] -= LR * velocities[index]

    def gradients(self) -> list[np.ndarray]:
        return [grad for layer in self.layers if layer.params for grad in layer.grads]


# -- ours ------------------------------------------------------------------------------------------


def lenet(rng: np.random.Generator) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(1, 6, 5, rng=rng),
        nn.LeakyReLU(SLOPE),
        nn.MaxPool2d(2),
        nn.Conv2d(6, 16, 5, rng=rng),
        nn.LeakyReLU(SLOPE),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(256, 128, rng=rng),
        nn.LeakyReLU(SLOPE),
        nn.Linear(128, 64, rng=rng),
        nn.LeakyReLU(SLOPE),
        nn.Linear(64, 10, rng=rng),
    )


def backpropagate(net: nn.Sequential, x: np.ndarray, labels: np.ndarray) -> None:
    net.zero_grad()
    _, dlogits = nn.cross_entropy(net.forward(x), labels)
    net.backward(dlogits)


# -- the comparison --------------------------------------------------------------------------------


def pictures(batch_size: int, rng: np.random.Generator) -> tuple[str, np.ndarray, np.ndarray]:
    """(where from, uint8 (N, 1, 28, 28), labels (N,))."""
    if "HANDLOOM_DATA" in os.environ:
        train = hl.data.load("mnist").train
        chosen = rng.choice(len(train.labels), batch_size, replace=False)
        return "MNIST", train.images[chosen].reshape(-1, 1, 28, 28), train.labels[chosen]
    images = rng.integers(0, 256, (batch_size, 1, 28, 28), np.uint8)
    return "random pictures", images, rng.integers(0, 10, batch_size)


def worst_disagreement(net: nn.Sequential, x: np.ndarray, labels: np.ndarray) -> float:
    """The largest difference of a gradient in float64, as a share of its largest number."""
    textbook = TextbookLeNet(net)
    textbook.backpropagate(x, labels)
    net.astype(np.float64)
    backpropagate(net, x, labels)
    ours = [parameter.grad for parameter in net.named_parameters().values()]
    net.astype(np.float32)
    return max(
        float(np.abs(a - b).max() / np.abs(b).max())
        for a, b in zip(ours, textbook.gradients(), strict=True)
    )


def interleaved_seconds(contestants: list[Callable[[], None]], rounds: int) -> list[float]:
    """The median time of a step of each, in seconds.

    They take turns of a few steps, so that a busy moment of the machine hits all alike; the first
    step of a turn, which finds the other's numbers in the cache, is left out.
    """
    times: list[list[float]] = [[] for _ in contestants]
    for _ in range(rounds):
        for contestant, seconds in zip(contestants, times, strict=True):
            contestant()
            for _ in range(STEPS_A_TURN):
                start = time.perf_counter()
                contestant()
                seconds.append(time.perf_counter() - start)
    return [statistics.median(seconds) for seconds in times]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--threads", type=int, default=os.cpu_count(), help="of the BLAS")
    args = parser.parse_args()

    rng = np.random.default_rng(0)
    net = lenet(rng)
    source, images, labels = pictures(args.batch_size, rng)
    disagreement = worst_disagreement(net, rng.standard_normal(images.shape), labels)
    print(f"gradients agree to {disagreement:.1e} in float64")
    if disagreement > 1e-10:
        raise SystemExit("the gradients differ: there is nothing to compare")

    textbook = TextbookLeNet(net)
    net.skip_input_gradient()
    momentum = optim.Momentum(net.named_parameters(), LR, momentum=MOMENTUM)
    x = images / 255.0
    x32 = x.astype(np.float32)

    def our_step() -> None:
        backpropagate(net, x32, labels)
        momentum.step()

    with threadpool_limits(args.threads):
        ours, theirs = interleaved_seconds(
            [our_step, lambda: textbook.train_step(x, labels)], args.rounds
        )
    print(f"{source}, batches of {args.batch_size}, {args.threads} BLAS threads, medians")
    print(f"{'':12}{'ms/step':>10}{'pictures/s':>14}")
    for name, seconds in (("textbook", theirs), ("handloom", ours)):
        print(f"{name:12}{1e3 * seconds:10.2f}{args.batch_size / seconds:14,.0f}")
    print(f"handloom is {theirs / ours:.1f} times as fast")


if __name__ == "__main__":
    main()
