"""What a fitted estimator shows of its learner."""

from __future__ import annotations

from typing import Any

from sklearn.utils.validation import check_is_fitted

from handloom import nn
from handloom._typing import Shape
from handloom.estimator.learner import Learner
from handloom.recipes import Recipe


class Learnt:
    """The attributes of an estimator that end in an underscore; NotFittedError before `fit`."""

    _learner: Learner

    @property
    def history_(self) -> list[dict[str, Any]]:
        """One row per epoch: train_loss, train_accuracy, lr, seconds …; val_* if stopped early."""
        return self._fitted().history.epochs

    @property
    def best_epoch_(self) -> int:
        """The epoch whose weights predict, counted from 1."""
        return self._fitted().best_epoch

    @property
    def image_shape_(self) -> Shape:
        """(C, H, W) of an example as the network sees it; (1, 1, D) of one that is no image."""
        return self._fitted().image_shape

    @property
    def recipe_(self) -> Recipe:
        """The recipe that the parameters stand for."""
        return self._fitted().recipe

    @property
    def model_(self) -> nn.Sequential:
        """A copy of the trained network, in evaluation mode."""
        return self._fitted().model

    def _fitted(self) -> Learner:
        check_is_fitted(self, "_learner")
        return self._learner
