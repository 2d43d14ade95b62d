"""A layer of your own: two formulas, and a check that the second is the first one's derivative."""

from __future__ import annotations

import numpy as np

from handloom import nn


class RMSNorm(nn.Layer):
    """y = g r x with r = 1 / sqrt(mean(x²) + eps), over the D features of x (N, D); g is (D,).

    dg = Σ_n dy r x      dx = r u - x r³ mean(u x), where u = g dy
    Source: Zhang & Sennrich 2019, Root Mean Square Layer Normalization.
    """

    def __init__(self, num_features: int, eps: float = 1e-6) -> None:
        super().__init__()
        self.gain = nn.Parameter(np.ones(num_features, np.float32), decay=False)
        self.eps = eps

    def forward(self, x):
        r = 1.0 / np.sqrt((x * x).mean(axis=1, keepdims=True) + self.eps)
        self.save_for_backward(x, r)
        return self.gain.value * r * x

    def backward(self, dy):
        x, r = self.pop_saved()
        self.gain.accumulate((dy * r * x).sum(axis=0))
        u = self.gain.value * dy
        return r * u - x * r**3 * (u * x).mean(axis=1, keepdims=True)

    def output_shape(self, input_shape):
        return input_shape


class Careless(RMSNorm):
    """The same forward; backward forgets that r depends on x."""

    def backward(self, dy):
        x, r = self.pop_saved()
        self.gain.accumulate((dy * r * x).sum(axis=0))
        return r * self.gain.value * dy


rng = np.random.default_rng(0)
x = rng.standard_normal((4, 6))
for layer in (RMSNorm(6), Careless(6)):
    report = nn.gradcheck(layer, x, rng=rng)
    print(f"{type(layer).__name__}: {'right' if report.passed else 'wrong'}; worst {report.worst}")
