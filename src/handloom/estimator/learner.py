"""Learner: a network in training, which predicts at any time and can be copied and pickled."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from handloom import assemble, nn
from handloom._typing import AnyArray, FloatArray, Shape
from handloom.data import Dataset, Normalisation
from handloom.engines import Engine, limited_to
from handloom.estimator.listeners import BestWeights
from handloom.recipes import Recipe
from handloom.training import History, Trainer
from handloom.training.callbacks import Callback, EarlyStop

PREDICTED_AT_ONCE = 1000


class Learner:
    """The network of a recipe, for examples (C, H, W) of `num_classes` classes.

    What it has learnt is an engine's state, arrays by name; engines themselves come and go, since
    they hold compiled code and the memory of devices. The schedule counts `steps_per_epoch`.
    """

    def __init__(
        self,
        recipe: Recipe,
        normalisation: Normalisation,
        image_shape: Shape,
        num_classes: int,
        steps_per_epoch: int,
    ) -> None:
        self.recipe = recipe
        self.normalisation = normalisation
        self.image_shape = image_shape
        self.num_classes = num_classes
        self.steps_per_epoch = steps_per_epoch
        self.history = History()
        self.best_epoch = 0
        self._state: dict[str, AnyArray] = {}
        self._engine: Engine | None = None
        self._predictor: Engine | None = None

    def __getstate__(self) -> dict[str, Any]:
        """Arrays, numbers and texts, whatever it was doing."""
        return self.__dict__ | {"_state": self._learnt(), "_engine": None, "_predictor": None}

    # -- learning ---------------------------------------------------------------------------------

    def start_from(self, weights: Mapping[str, AnyArray]) -> None:
        """Begin with these weights, as `weights` gives them, instead of the first ones."""
        state = self._training_engine().state_dict()
        begun = {
            f"{part}.{name}": array
            for part in ("model", "ema")
            for name, array in weights.items()
            if f"{part}.{name}" in state
        }
        self._training_engine().load_state_dict(state | begun)

    def fit(
        self,
        train: Dataset,
        validation: Dataset | None = None,
        callbacks: Sequence[Callback] = (),
    ) -> None:
        """Train for the recipe's epochs; with a validation part, keep the best epoch's weights."""
        said = self.recipe.training
        best = BestWeights()
        watching: list[Callback] = []
        if validation is not None:
            watching.append(best)
            if said.early_stopping_patience is not None:
                watching.append(EarlyStop(said.monitor, said.early_stopping_patience))
        self._train(train, validation, [*watching, *callbacks], 0, said.epochs)
        self.best_epoch = best.epoch or len(self.history.epochs)
        part = predicting_part(state := self._learnt())
        self._state = state | {f"{part}.{name}": each for name, each in best.weights.items()}
        self._engine = None  # it may hold on to the data

    def go_on(self, train: Dataset, callbacks: Sequence[Callback] = ()) -> None:
        """Train for one more epoch, on these examples."""
        done = len(self.history.epochs)
        self._train(train, None, callbacks, done, done + 1)
        self.best_epoch = done + 1

    def _train(
        self,
        train: Dataset,
        validation: Dataset | None,
        callbacks: Sequence[Callback],
        start: int,
        stop: int,
    ) -> None:
        """Train from the epoch `start`, counted from 0, up to `stop`."""
        train, augmentation = assemble.appended(self.recipe, train)
        # Of these parts the batches of training see the first one only.
        parts = assemble.Parts(train, train, None, self.normalisation, augmentation)
        judged = None
        if validation is not None:
            judged = assemble.evaluation_batches(self.recipe, validation, self.normalisation)
        trainer = Trainer(
            self._training_engine(),
            assemble.training_batches(self.recipe, parts),
            judged,
            epochs=stop,
            monitor=self.recipe.training.monitor,
            callbacks=callbacks,
            history=self.history,
        )
        trainer.epoch = start
        self._predictor = None
        with limited_to(assemble.count_threads(self.recipe)):
            trainer.fit()

    def _training_engine(self) -> Engine:
        """The recipe's engine, with all that was learnt so far."""
        if self._engine is None:
            self._engine, _ = assemble.engine_for(
                self.recipe,
                assemble.build_model(self.recipe, self.image_shape, self.num_classes),
                self.image_shape,
                steps_per_epoch=self.steps_per_epoch,
                normalisation=self.normalisation,
            )
            if self._state:
                self._engine.load_state_dict(self._state)
        return self._engine

    def _learnt(self) -> dict[str, AnyArray]:
        return self._state if self._engine is None else self._engine.state_dict()

    # -- what was learnt --------------------------------------------------------------------------

    def weights(self) -> dict[str, AnyArray]:
        """The weights that predict, by name: the averaged ones where an average is kept."""
        part = f"{predicting_part(state := self._learnt())}."
        return {
            name.removeprefix(part): array for name, array in state.items() if name.startswith(part)
        }

    @property
    def model(self) -> nn.Sequential:
        """The network with the weights that predict, in evaluation mode; a new one each time."""
        model = assemble.build_model(self.recipe, self.image_shape, self.num_classes)
        model.load_state_dict(self.weights())
        model.eval()
        return model

    def outputs(self, examples: AnyArray) -> FloatArray:
        """What the network gives for examples (N, C, H, W): (N, K) float64.

        What it gives for one example does not depend on the others, but for a GPU's roundings.
        """
        if self._predictor is None:
            self._predictor = self._build_predictor()
        exact = self._predictor.weights()
        dtype = np.result_type(*exact.values())
        with limited_to(assemble.count_threads(self.recipe)), np.errstate(over="ignore"):
            parts = [
                self._predictor.predict(self.normalisation(examples[start:stop], dtype))
                for start in range(0, len(examples), PREDICTED_AT_ONCE)
                for stop in (start + PREDICTED_AT_ONCE,)
            ]
        return np.concatenate(parts).astype(np.float64)

    def _build_predictor(self) -> Engine:
        """What predicts: in float32 where that rounds each example by itself, else in float64.

        The loom does; BLAS sums in another order in a batch of another size, which float64 hides.
        A GPU is taken as it is: it is slow in float64, or has none.
        """
        predictor = assemble.build_predictor(self.recipe, self.model, self.image_shape)
        compiled_whole = predictor.name == "loom" and not getattr(predictor, "uncovered", ())
        on_gpu = getattr(predictor, "ahead", False)
        if compiled_whole or on_gpu:
            return predictor
        exact = self.model
        exact.astype(np.float64)
        return assemble.build_predictor(self.recipe, exact, self.image_shape)


def predicting_part(state: Mapping[str, AnyArray]) -> str:
    """The part of an engine's state whose weights predict: "ema" where it keeps an average."""
    return "ema" if any(name.startswith("ema.") for name in state) else "model"
