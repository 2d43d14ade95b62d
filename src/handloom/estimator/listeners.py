"""What listens to an estimator's training: the best weights, kept in memory; one line per epoch."""

from __future__ import annotations

from handloom._typing import AnyArray
from handloom.training.callbacks import Callback, Training
from handloom.training.metrics import is_better, worst


class BestWeights(Callback):
    """Keep the weights of the best epoch in memory; a tie keeps the earlier one."""

    def __init__(self) -> None:
        self.weights: dict[str, AnyArray] = {}
        self.epoch = 0

    def on_fit_start(self, training: Training) -> None:
        """Nothing is best yet."""
        self.best = worst(training.monitor)

    def on_epoch_end(self, training: Training) -> None:
        """Compare."""
        score = training.history.last(training.monitor)
        if is_better(training.monitor, score, self.best):
            self.best, self.epoch = score, training.epoch
            self.weights = training.engine.weights()


class Printed(Callback):
    """Print one line per epoch, as scikit-learn's `verbose` does."""

    def on_epoch_end(self, training: Training) -> None:
        """The epoch's losses and accuracies."""
        row = training.history.epochs[-1]
        parts = [
            f"{name.replace('_', ' ')} {row[name]:.4f}"
            for name in ("train_loss", "train_accuracy", "val_loss", "val_accuracy")
            if row.get(name) is not None
        ]
        print(f"epoch {row['epoch']}/{training.epochs}: {', '.join(parts)}")
