"""Losses: a number to make small, and its gradient with respect to what the network put out.

Each returns (value, gradient). The value is a mean over the examples, the gradient already holds
the 1/N. With class weights w the mean is weighted, Σ w[label] · loss / Σ w[label], as in PyTorch.
Where all labels weigh 0 there is nothing to learn: value and gradient are 0 (PyTorch: NaN).
`loss_weight` and `weighted_loss` make the mean over several batches what it is over all at once.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from handloom._typing import AnyArray, FloatArray, IntArray
from handloom.errors import ConfigError, LabelError, ShapeError
from handloom.nn.layer import check_shape
from handloom.nn.softmax import log_softmax

SHARES_OFF = 1e-3
"""How far from 1 the sum of a row of shares may lie: half-precision's rounding."""


def cross_entropy(
    logits: FloatArray,
    labels: AnyArray,
    *,
    label_smoothing: float = 0.0,
    class_weights: FloatArray | None = None,
) -> tuple[float, FloatArray]:
    """Cross-entropy between softmax(logits) and the labels, in nats; logits (N, C).

    `labels` are class ids (N,), or the shares of the classes (N, C): floats, rows sum to 1. With
    q[n, c] = 1[c = label], or the shares, and ε the label smoothing:

        t[n, c] = w[c] ((1 - ε) q[n, c] + ε / C)
        value = -Σ t log softmax(logits) / W      dlogits = (softmax(logits) Σ_c t - t) / W

    W = Σ_n w[label] for class ids and N for shares, as in PyTorch; value and gradient are 0 where
    W is. Raises ShapeError, LabelError, and ConfigError for ε outside [0, 1] or impossible weights.
    Source: Goodfellow et al. 2016, sec. 6.2.2.3; Szegedy et al. 2016, sec. 7 for the smoothing.
    """
    if not 0 <= label_smoothing <= 1:
        raise ConfigError(f"label_smoothing should lie in [0, 1], got {label_smoothing}")
    if labels.ndim == 2 and labels.dtype.kind == "f":
        check_shares(labels, logits)
        target = labels.astype(logits.dtype)
        weights, total = _class_weights(class_weights, logits), float(len(logits))
    else:
        check_labels(labels, logits)
        target = one_hot(labels, logits)
        weights, total = _weights(class_weights, labels, logits)
    if label_smoothing:
        target = (1 - label_smoothing) * target + label_smoothing / logits.shape[1]
    target *= weights
    log_p = log_softmax(logits)
    dlogits = np.exp(log_p)
    dlogits *= target.sum(axis=1, keepdims=True)
    dlogits -= target
    dlogits /= total
    return (-float(np.vdot(target, log_p)) or 0.0) / total, dlogits


def nll(
    log_probabilities: FloatArray, labels: IntArray, *, class_weights: FloatArray | None = None
) -> tuple[float, FloatArray]:
    """Negative log-likelihood of the labels (N,), in nats, of log-probabilities (N, C).

        value = -Σ_n w[label] log_p[n, label] / W
        gradient = -w[label] / W at (n, label), else 0      with W = Σ_n w[label]

    Both are 0 where W is. To be used behind LogSoftmax. Raises ShapeError, LabelError, ConfigError
    as cross_entropy does.
    """
    check_labels(labels, log_probabilities)
    weights, total = _weights(class_weights, labels, log_probabilities)
    gradient = one_hot(labels, log_probabilities) * weights / -total
    picked = log_probabilities[np.arange(len(labels)), labels]
    return float(-(weights[labels] * picked).sum() or 0.0) / total, gradient


def mse(outputs: FloatArray, targets: AnyArray) -> tuple[float, FloatArray]:
    """Mean squared error of outputs (N, C) over all N·C numbers.

        value = Σ (outputs - targets)² / (N C)      gradient = 2 (outputs - targets) / (N C)

    `targets` is (N, C), or class ids (N,), which stand for 1 at their class and 0 elsewhere.
    Raises ShapeError, and LabelError for class ids out of range.
    """
    if targets.ndim == 1:
        check_labels(targets, outputs)
        targets = one_hot(targets, outputs)
    if outputs.shape != targets.shape or outputs.size == 0:
        raise ShapeError(
            f"mse compares outputs {outputs.shape} with targets of the same shape, or with one "
            f"class id for each row; got {targets.shape}"
        )
    difference = outputs - targets.astype(outputs.dtype, copy=False)
    return float((difference**2).mean()), difference * (2 / difference.size)


def loss_weight(loss: Callable[..., Any], labels: AnyArray) -> float:
    """What `loss`, a mean over these labels, divides by: its share in a mean over several batches.

    Σ w[label] for a `partial` of `cross_entropy` or `nll` with class weights w and class ids (N,);
    N for shares (N, C), whose weights are inside the loss, and for any other loss.
    """
    weights = _weights_of(loss)
    if weights is None or labels.ndim == 2:
        return float(len(labels))
    return float(weights[labels].sum(dtype=np.float64))


def weighted_loss(
    loss: Callable[..., tuple[float, FloatArray]], outputs: FloatArray, labels: AnyArray
) -> tuple[float, float]:
    """(Σ w l, Σ w) of a batch: sums of either over batches, divided, are the mean over all of them.

    For outputs (N, C); what w is says `loss_weight`.
    """
    weight = loss_weight(loss, labels)
    if weight == 0 and isinstance(loss, partial) and loss.func is cross_entropy:
        # Label smoothing gives a part of each target to classes that may weigh more than the label.
        return loss(outputs, one_hot(labels, outputs))[0] * len(labels), 0.0
    return loss(outputs, labels)[0] * weight, weight


def one_hot(labels: IntArray, like: FloatArray) -> FloatArray:
    """(N, C) with 1 at each row's label and 0 elsewhere, in the shape and dtype of `like`."""
    target = np.zeros_like(like)
    target[np.arange(len(labels)), labels] = 1
    return target


def check_labels(labels: AnyArray, scores: AnyArray) -> None:
    """Raise unless `labels` holds one class id in [0, C) for each row of `scores` (N, C).

    ShapeError for the shapes; LabelError for a wrong kind, or naming the first bad label and its
    row (from 0).
    """
    if scores.ndim != 2 or scores.size == 0:
        raise ShapeError(f"a loss needs scores (N, C) of at least one example, got {scores.shape}")
    if labels.shape != scores.shape[:1]:
        raise ShapeError(
            f"{scores.shape[0]} rows of scores need labels of the shape ({scores.shape[0]},), "
            f"got {labels.shape}"
        )
    if labels.dtype.kind not in "iu":
        raise LabelError(f"labels should be whole numbers (an integer dtype), got {labels.dtype}")
    num_classes = scores.shape[1]
    if labels.min() < 0 or labels.max() >= num_classes:
        row = int(((labels < 0) | (labels >= num_classes)).argmax())
        raise LabelError(
            f"label {labels[row]} in row {row} is not a class id: "
            f"{num_classes} classes have the ids 0 to {num_classes - 1}"
        )


def check_shares(shares: AnyArray, scores: AnyArray) -> None:
    """Raise unless `shares` (N, C) holds for each row of `scores` the shares of the classes.

    ShapeError for the shapes; LabelError naming the first row (from 0) that does not sum to 1 or
    holds a negative share.
    """
    if scores.ndim != 2 or scores.size == 0 or shares.shape != scores.shape:
        raise ShapeError(f"scores {scores.shape} need shares of the same shape, got {shares.shape}")
    fine = (shares >= 0).all(axis=1) & (np.abs(shares.sum(axis=1) - 1) < SHARES_OFF)
    if not fine.all():
        row = int((~fine).argmax())
        raise LabelError(
            f"row {row} is not a distribution: {shares[row]}; shares are not negative and sum to 1"
        )


def _weights_of(loss: Callable[..., Any]) -> FloatArray | None:
    """The class weights (C,) that a loss of this module was given."""
    if not isinstance(loss, partial) or loss.func not in (cross_entropy, nll):
        return None
    weights = loss.keywords.get("class_weights")
    return None if weights is None else np.asarray(weights)


def _weights(
    class_weights: FloatArray | None, labels: IntArray, like: FloatArray
) -> tuple[FloatArray, float]:
    """The weight of each class (C,), in the dtype of `like`, and what the sum is divided by."""
    weights = _class_weights(class_weights, like)
    total = float(weights[labels].sum(dtype=np.float64))
    return weights, total or math.inf  # divided by infinity all is 0, what smoothing adds too


def _class_weights(class_weights: FloatArray | None, like: FloatArray) -> FloatArray:
    """The weight of each class (C,), in the dtype of `like`; ones where none are given."""
    num_classes = like.shape[1]
    if class_weights is None:
        return np.ones(num_classes, like.dtype)
    weights = np.asarray(class_weights, like.dtype)
    check_shape(weights, (num_classes,), "class_weights")
    if not (np.isfinite(weights).all() and (weights >= 0).all()):
        raise ConfigError(f"class_weights should be finite and not negative, got {weights}")
    if not weights.any():
        raise ConfigError(
            "class_weights are all 0; give a class that should count a weight above 0"
        )
    return weights
