"""An average of the weights over the steps, whose memory grows with the training."""

from __future__ import annotations


def average_decay(decay: float, updates: int) -> float:
    """β of  w̄ <- β w̄ + (1 - β) w  after update number `updates`, counted from 1.

        β(t) = min(decay, (1 + t) / (10 + t))

    The average starts as the first weights do, which nobody wants: so it remembers few steps at
    first, about a ninth of those done, and 1 / (1 - decay) of them in the end.
    Source: TensorFlow's tf.train.ExponentialMovingAverage with num_updates = t; timm's ModelEmaV3
    warms up for the same reason, by another formula.
    """
    return min(decay, (1 + updates) / (10 + updates))
