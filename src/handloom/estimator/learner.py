"""Learner: a network in training, which predicts at any time and can be copied and pickled."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

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


class Predictor(NamedTuple):
    """An engine, and the dtype of its weights and of the numbers it takes."""

    engine: Engine
    dtype: type[np.floating[Any]]


class Learner:
    """The network of a recipe, for examples (C, H, W) of `num_classes` classes.

    What it has learnt is an engine's state, arrays by name; engines themselves come and go, since
    they hold compiled code and the memory of devices. The first examples decide how many steps the
    schedule takes for an epoch.
    """

    def __init__(
        self,
        recipe: Recipe,
        normalisation: Normalisation,
        image_shape: Shape,
        num_classes: int,
    ) -> None:
        self.recipe = recipe
        self.normalisation = normalisation
        self.image_shape = image_shape
        self.num_classes = num_classes
        self.steps_per_epoch = 0
        self.history = History()
        self.best_epoch = 0
        self._has_warned = False
        self._begun: dict[str, AnyArray] = {}
        self._state: dict[str, AnyArray] = {}
        self._engine: Engine | None = None
        self._predictor: Predictor | None = None

    def __getstate__(self) -> dict[str, Any]:
        """Arrays, numbers and texts, whatever it was doing."""
        return self.__dict__ | {"_state": self._learnt(), "_engine": None, "_predictor": None}

    # -- learning ---------------------------------------------------------------------------------

    def start_from(self, weights: Mapping[str, AnyArray]) -> None:
        """Before the first training: begin with these weights, as `weights` gives them."""
        self._begun = dict(weights)

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
        model = self._network()
        assemble.check_batches(self.recipe, model, train)
        batches = assemble.training_batches(self.recipe, parts, model)
        self._warn(*assemble.note_left_out(self.recipe, batches, model))
        self.steps_per_epoch = self.steps_per_epoch or batches.steps_per_epoch
        engine = self._training_engine(model)
        trainer = Trainer(
            engine,
            batches,
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

    def _network(self) -> nn.Layer:
        """The network that is in training, or a new one."""
        if self._engine is not None:
            return self._engine.model
        return assemble.build_model(self.recipe, self.image_shape, self.num_classes)

    def _warn(self, *notes: str) -> None:
        """Say a sentence to whoever called the estimator, the first time that there is one."""
        for note in () if self._has_warned else notes:
            warnings.warn(note, stacklevel=5)  # _warn, _train, fit, Classifier.fit, its caller
            self._has_warned = True

    def _training_engine(self, model: nn.Layer) -> Engine:
        """The recipe's engine around `model`, with all that was learnt so far."""
        if self._engine is None:
            self._engine, _ = assemble.engine_for(
                self.recipe,
                model,
                self.image_shape,
                steps_per_epoch=self.steps_per_epoch,
                normalisation=self.normalisation,
            )
            if state := self._state or self._first_state(self._engine):
                self._engine.load_state_dict(state)
        return self._engine

    def _first_state(self, engine: Engine) -> dict[str, AnyArray]:
        """The state to start from, where training begins with the weights of another."""
        if not self._begun:
            return {}
        state = engine.state_dict()
        names = ((f"{part}.{name}", name) for part in ("model", "ema") for name in self._begun)
        return state | {full: self._begun[name] for full, name in names if full in state}

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
        engine, dtype = self._predictor
        with limited_to(assemble.count_threads(self.recipe)), np.errstate(over="ignore"):
            parts = [
                engine.predict(self.normalisation(examples[start:stop], dtype))
                for start in range(0, len(examples), PREDICTED_AT_ONCE)
                for stop in (start + PREDICTED_AT_ONCE,)
            ]
        return np.concatenate(parts).astype(np.float64)

    def _build_predictor(self) -> Predictor:
        """What predicts: in float32 where that rounds each example by itself, else in float64.

        The loom does; BLAS sums in another order in a batch of another size, which float64 hides.
        A GPU is taken as it is: it is slow in float64, or has none.
        """
        model = self.model
        engine = assemble.build_predictor(self.recipe, model, self.image_shape)
        compiled_whole = engine.name == "loom" and not getattr(engine, "uncovered", ())
        on_gpu = getattr(engine, "ahead", False)
        if compiled_whole or on_gpu:
            return Predictor(engine, np.float32)
        model.astype(np.float64)
        engine = assemble.build_predictor(self.recipe, model, self.image_shape)
        return Predictor(engine, np.float64)


def predicting_part(state: Mapping[str, AnyArray]) -> str:
    """The part of an engine's state whose weights predict: "ema" where it keeps an average."""
    return "ema" if any(name.startswith("ema.") for name in state) else "model"
