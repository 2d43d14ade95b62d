"""Losses against torch; scores of every size; labels and weights that cannot be."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
import pytest
import torch
from numpy.random import Generator
from torch.nn import functional

from handloom import nn
from handloom.errors import ConfigError, LabelError, ShapeError
from handloom.nn.losses import loss_weight, weighted_loss

N, C = 7, 5
WEIGHTS = np.array([0.5, 2.0, 1.0, 0.0, 3.0])


@pytest.fixture
def scores(rng: Generator) -> np.ndarray:
    return 3 * rng.standard_normal((N, C))


@pytest.fixture
def labels(rng: Generator) -> np.ndarray:
    return rng.permutation(np.arange(N) % C)


def assert_equals_torch(
    ours: tuple[float, np.ndarray],
    torch_loss: Callable[[torch.Tensor], torch.Tensor],
    scores: np.ndarray,
) -> None:
    torch_scores = torch.from_numpy(scores).requires_grad_()
    value = torch_loss(torch_scores)
    value.backward()
    assert torch_scores.grad is not None
    assert ours[0] == pytest.approx(value.item(), rel=1e-12)
    expected = torch_scores.grad.numpy()
    assert np.abs(ours[1] - expected).max() <= 1e-10 * np.abs(expected).max()


@pytest.mark.parametrize("smoothing", [0.0, 0.1, 1.0])
@pytest.mark.parametrize("weights", [None, WEIGHTS], ids=["unweighted", "weighted"])
def test_cross_entropy_on_shares_equals_torch(
    scores: np.ndarray, rng: Generator, smoothing: float, weights: np.ndarray | None
) -> None:
    shares = rng.dirichlet(np.ones(C), N)
    before = shares.copy()
    ours = nn.cross_entropy(scores, shares, label_smoothing=smoothing, class_weights=weights)
    torch_weights = None if weights is None else torch.from_numpy(weights)
    assert_equals_torch(
        ours,
        lambda s: functional.cross_entropy(
            s, torch.from_numpy(shares), torch_weights, label_smoothing=smoothing
        ),
        scores,
    )
    np.testing.assert_array_equal(shares, before)


def test_shares_that_are_whole_are_labels(scores: np.ndarray, labels: np.ndarray) -> None:
    by_share = nn.cross_entropy(scores, np.eye(C, dtype=np.float32)[labels])
    by_label = nn.cross_entropy(scores, labels)
    assert by_share[0] == by_label[0]
    np.testing.assert_array_equal(by_share[1], by_label[1])


@pytest.mark.parametrize(
    ("shares", "error", "words"),
    [
        (np.ones((N, C + 1)) / (C + 1), ShapeError, "shares of the same shape"),
        (np.eye(C, dtype=int)[np.arange(N) % C], ShapeError, r"labels of the shape \(7,\)"),
        (np.ones((N, C)), LabelError, "row 0 is not a distribution"),
        (np.tile([1.5, -0.5, 0, 0, 0], (N, 1)), LabelError, "row 0 is not a distribution"),
    ],
)
def test_shares_that_cannot_be_are_refused(
    scores: np.ndarray, shares: np.ndarray, error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words):
        nn.cross_entropy(scores, shares)


@pytest.mark.parametrize("smoothing", [0.0, 0.1, 1.0])
@pytest.mark.parametrize("weights", [None, WEIGHTS], ids=["unweighted", "weighted"])
def test_cross_entropy_equals_torch(
    scores: np.ndarray, labels: np.ndarray, smoothing: float, weights: np.ndarray | None
) -> None:
    ours = nn.cross_entropy(scores, labels, label_smoothing=smoothing, class_weights=weights)
    torch_weights = None if weights is None else torch.from_numpy(weights)
    assert_equals_torch(
        ours,
        lambda s: functional.cross_entropy(
            s, torch.from_numpy(labels), torch_weights, label_smoothing=smoothing
        ),
        scores,
    )


@pytest.mark.parametrize("weights", [None, WEIGHTS], ids=["unweighted", "weighted"])
def test_nll_equals_torch(
    scores: np.ndarray, labels: np.ndarray, weights: np.ndarray | None
) -> None:
    torch_weights = None if weights is None else torch.from_numpy(weights)
    assert_equals_torch(
        nn.nll(scores, labels, class_weights=weights),
        lambda s: functional.nll_loss(s, torch.from_numpy(labels), torch_weights),
        scores,
    )


def test_mse_equals_torch_for_targets_and_for_labels(
    scores: np.ndarray, labels: np.ndarray, rng: Generator
) -> None:
    targets = rng.standard_normal((N, C))
    one_hot = functional.one_hot(torch.from_numpy(labels), C).double()
    assert_equals_torch(
        nn.mse(scores, targets), lambda s: functional.mse_loss(s, torch.from_numpy(targets)), scores
    )
    assert_equals_torch(nn.mse(scores, labels), lambda s: functional.mse_loss(s, one_hot), scores)


def test_log_softmax_and_nll_are_cross_entropy(scores: np.ndarray, labels: np.ndarray) -> None:
    layer = nn.LogSoftmax()
    value, dlog_p = nn.nll(layer.forward(scores), labels)
    expected, dlogits = nn.cross_entropy(scores, labels)
    assert value == pytest.approx(expected, rel=1e-13)
    np.testing.assert_allclose(layer.backward(dlog_p), dlogits, rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("shift", [1e4, -1e4, 1e6])
def test_cross_entropy_does_not_see_a_shift(
    scores: np.ndarray, labels: np.ndarray, shift: float
) -> None:
    expected, dexpected = nn.cross_entropy(scores, labels)
    with np.errstate(over="raise", invalid="raise", divide="raise"):
        value, dlogits = nn.cross_entropy(scores + shift, labels)
    assert value == pytest.approx(expected, rel=1e-8)
    np.testing.assert_allclose(dlogits, dexpected, atol=1e-9)


@pytest.mark.parametrize("size", [1e4, 1e6])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_cross_entropy_of_a_sure_and_wrong_network_is_the_gap(size: float, dtype: type) -> None:
    logits = np.array([[size, 0.0], [size, 0.0]], dtype)
    with np.errstate(over="raise", invalid="raise", divide="raise"):
        value, dlogits = nn.cross_entropy(logits, np.array([0, 1]))
    assert value == size / 2
    assert dlogits.tolist() == [[0, 0], [0.5, -0.5]]


def test_float32_stays_float32(scores: np.ndarray, labels: np.ndarray) -> None:
    single = scores.astype(np.float32)
    results = [
        nn.cross_entropy(single, labels, label_smoothing=0.1, class_weights=WEIGHTS),
        nn.nll(single, labels, class_weights=WEIGHTS),
        nn.mse(single, labels),
        nn.mse(single, scores),
    ]
    assert all(type(value) is float and grad.dtype == np.float32 for value, grad in results)


@pytest.mark.parametrize("loss", [nn.cross_entropy, nn.nll, nn.mse])
@pytest.mark.parametrize(
    ("bad", "error", "told"),
    [
        ([0, 1, 5, 9], LabelError, "label 5 in row 2 is not a class id: 5 classes .* 0 to 4"),
        ([0, -1, 5, 2], LabelError, "label -1 in row 1 "),
        ([0.0, 1.0, 2.0, 3.0], LabelError, "integer dtype.*got float64"),
        ([True, False, True, True], LabelError, "got bool"),
        ([0, 1, 2], ShapeError, r"4 rows of scores need labels of the shape \(4,\), got \(3,\)"),
    ],
)
def test_bad_labels_are_named(loss, bad: list, error: type[Exception], told: str) -> None:
    with pytest.raises(error, match=told):
        loss(np.zeros((4, 5)), np.array(bad))


@pytest.mark.parametrize("loss", [nn.cross_entropy, nn.nll, nn.mse])
def test_a_mean_over_nothing_is_refused(loss) -> None:
    with pytest.raises(ShapeError, match="at least one example"):
        loss(np.zeros((0, 5)), np.zeros(0, int))


def test_mse_refuses_targets_of_another_shape() -> None:
    with pytest.raises(ShapeError, match=r"outputs \(4, 5\) .* got \(4, 1\)"):
        nn.mse(np.zeros((4, 5)), np.zeros((4, 1)))


@pytest.mark.parametrize("smoothing", [-0.1, 1.1])
def test_refuses_an_impossible_smoothing(
    scores: np.ndarray, labels: np.ndarray, smoothing: float
) -> None:
    with pytest.raises(ConfigError, match="label_smoothing should lie in"):
        nn.cross_entropy(scores, labels, label_smoothing=smoothing)


@pytest.mark.parametrize("weights", [[1, 1, 1, 1, -1], [1, 1, 1, 1, np.inf], [0, 0, 0, 0, 0]])
def test_refuses_impossible_weights(
    scores: np.ndarray, labels: np.ndarray, weights: list[float]
) -> None:
    for loss in (nn.cross_entropy, nn.nll):
        with pytest.raises(ConfigError, match="class_weights"):
            loss(scores, labels, class_weights=np.array(weights, float))
        with pytest.raises(ShapeError, match="class_weights"):
            loss(scores, labels, class_weights=np.ones(C + 1))


@pytest.mark.parametrize("smoothing", [0.0, 0.3])
def test_labels_that_all_weigh_nothing(scores: np.ndarray, smoothing: float) -> None:
    """PyTorch divides 0 by 0, and by smoothing something by 0."""
    nothing = np.full(N, 3)
    losses = [
        nn.cross_entropy(scores, nothing, label_smoothing=smoothing, class_weights=WEIGHTS),
        nn.nll(nn.log_softmax(scores), nothing, class_weights=WEIGHTS),
    ]
    for value, gradient in losses:
        assert value == 0.0
        assert not np.signbit(value)
        assert gradient.shape == scores.shape
        assert not gradient.any()


@pytest.mark.parametrize("smoothing", [0.0, 0.3])
def test_sums_over_batches_make_the_mean_over_all(
    scores: np.ndarray, labels: np.ndarray, smoothing: float
) -> None:
    losses = [
        partial(nn.cross_entropy, label_smoothing=smoothing, class_weights=WEIGHTS),
        partial(nn.nll, class_weights=WEIGHTS),
        partial(nn.cross_entropy, label_smoothing=smoothing),
        nn.mse,
    ]
    for loss in losses:
        sums = [weighted_loss(loss, scores[i : i + 1], labels[i : i + 1]) for i in range(N)]
        total, weight = np.sum(sums, axis=0)
        assert total / weight == pytest.approx(loss(scores, labels)[0], rel=1e-12)
        assert weight == pytest.approx(loss_weight(loss, labels))
    assert loss_weight(losses[0], labels) == WEIGHTS[labels].sum()
    assert loss_weight(losses[0], nn.softmax(scores)) == N
