"""Learner: a network in training, which predicts at any time and can be copied and pickled."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from handloom import nn
from handloom._typing import AnyArray, FloatArray, Shape
from handloom.data import Dataset, Normalisation
from handloom.engines import Engine, limited_to
from handloom.errors import ConfigError, StateError
from handloom.estimator.listeners import BestWeights
from handloom.estimator.settings import check_change, ends_in_softmax, without_end
from handloom.recipes import Recipe
from handloom.run import assemble
from handloom.training import History, Trainer
from handloom.training.callbacks import Callback, EarlyStop, Plateau

PREDICTED_AT_ONCE = 1000


class Predictor(NamedTuple):
    """An engine, and the dtype of its weights and of the numbers it takes."""

    engine: Engine
    dtype: type[np.floating[Any]]


class Learner:
    """The network of a recipe, for examples (C, H, W) of `num_classes` classes.

    What it has learned is an engine's state, arrays by name; engines themselves come and go, since
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
        self._trained_by: Recipe | None = None
        self._predictor: Predictor | None = None

    def __getstate__(self) -> dict[str, Any]:
        """Arrays, numbers and texts, whatever it was doing."""
        gone = dict.fromkeys(("_engine", "_trained_by", "_predictor"))
        return self.__dict__ | gone | {"_state": self._learnt()}

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
        """Train for the recipe's epochs; with a validation split, keep the best epoch's weights."""
        said = self.recipe.training
        best = BestWeights()
        watching: list[Callback] = []
        if validation is not None:
            watching.append(best)
            if said.plateau is not None:
                watching.append(
                    Plateau(said.plateau.monitor, said.plateau.factor, said.plateau.patience)
                )
            if said.early_stopping_patience is not None:
                watching.append(
                    EarlyStop(said.early_stopping_monitor, said.early_stopping_patience)
                )
        assemble.check_class_weights(self.recipe, {"training": train, "validation": validation})
        self._train(self.recipe, train, validation, [*watching, *callbacks], 0, said.epochs)
        self.best_epoch = best.epoch or len(self.history.epochs)
        part = predicting_part(state := self._learnt())
        self._state = state | {f"{part}.{name}": each for name, each in best.weights.items()}
        self._engine = None  # it may hold on to the data

    def go_on(self, recipe: Recipe, train: Dataset, callbacks: Sequence[Callback] = ()) -> None:
        """Train for one more epoch, on these examples, from now on by `recipe`.

        Raises ConfigError for a recipe whose network or rule is not the one so far.
        """
        check_change(self.recipe, recipe)
        done = len(self.history.epochs)
        self._train(without_end(recipe), train, None, callbacks, done, done + 1)
        self.recipe, self.best_epoch = recipe, done + 1

    def _train(
        self,
        recipe: Recipe,
        train: Dataset,
        validation: Dataset | None,
        callbacks: Sequence[Callback],
        start: int,
        stop: int,
    ) -> None:
        """Train by `recipe` from the epoch `start`, counted from 0, up to `stop`."""
        train, augmentation = assemble.appended(recipe, train)
        # Of these parts the batches of training see the first one only.
        parts = assemble.Parts(train, train, None, self.normalisation, augmentation)
        judged = None
        if validation is not None:
            judged = assemble.evaluation_batches(recipe, validation, self.normalisation)
        model = self._network(recipe)
        assemble.check_batches(recipe, model, train)
        batches = assemble.training_batches(recipe, parts, model)
        notes = assemble.schedule_notes(recipe) + assemble.note_left_out(recipe, batches, model)
        for note in () if self._has_warned else notes:
            warnings.warn(note, stacklevel=4)  # this, fit, Classifier.fit, and who called that
            self._has_warned = True
        self.steps_per_epoch = self.steps_per_epoch or batches.steps_per_epoch
        engine = self._training_engine(recipe, model)
        if validation is None:
            engine.lr_scale = 1.0  # a plateau's of a fit before; nothing would ever raise it again
        trainer = Trainer(
            engine,
            batches,
            judged,
            epochs=stop,
            monitor=recipe.training.monitor,
            evaluate_every=None if judged is None else recipe.training.evaluate_every,
            callbacks=callbacks,
            history=self.history,
        )
        trainer.epoch = start
        self._predictor = None
        with limited_to(assemble.count_threads(recipe)):
            trainer.fit()

    def _network(self, recipe: Recipe) -> nn.Layer:
        """The network that is in training by `recipe`, or a new one."""
        if self._engine is not None and self._trained_by == recipe:
            return self._engine.model
        return assemble.build_model(recipe, self.image_shape, self.num_classes)

    def _training_engine(self, recipe: Recipe, model: nn.Layer) -> Engine:
        """The engine of `recipe` around `model`, with all that was learned so far."""
        if self._engine is not None and self._trained_by == recipe:
            return self._engine
        engine, _ = assemble.engine_for(
            recipe,
            model,
            self.image_shape,
            steps_per_epoch=self.steps_per_epoch,
            normalisation=self.normalisation,
        )
        try:
            if state := self._learnt() or self._first_state(engine):
                engine.load_state_dict(state)
        except StateError as error:
            raise ConfigError(
                f"the state learned so far does not fit the present parameters: {error}; "
                "set them back, or call fit without warm_start to start over"
            ) from None
        self._engine, self._trained_by = engine, recipe
        return engine

    def _first_state(self, engine: Engine) -> dict[str, AnyArray]:
        """The state to start from, where training begins with the weights of another."""
        if not self._begun:
            return {}
        state = engine.state_dict()
        names = ((f"{part}.{name}", name) for part in ("model", "ema") for name in self._begun)
        return state | {full: self._begun[name] for full, name in names if full in state}

    def _learnt(self) -> dict[str, AnyArray]:
        return self._state if self._engine is None else self._engine.state_dict()

    # -- what was learned --------------------------------------------------------------------------

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

    def probabilities(self, examples: AnyArray) -> FloatArray:
        """The probability of each class for examples (N, C, H, W): (N, K) float64."""
        outputs = self.outputs(examples)
        if ends_in_softmax(self.recipe):
            return outputs / outputs.sum(axis=1, keepdims=True)
        return nn.softmax(outputs)

    def log_probabilities(self, examples: AnyArray) -> FloatArray:
        """Their logarithms, finite where a probability is 0 by rounding."""
        if ends_in_softmax(self.recipe):
            return np.log(np.maximum(self.probabilities(examples), np.finfo(np.float64).tiny))
        return nn.log_softmax(self.outputs(examples))

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
