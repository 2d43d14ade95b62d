"""Classifier: a network as an estimator of scikit-learn."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils import Tags, check_random_state, compute_class_weight
from sklearn.utils.multiclass import check_classification_targets, unique_labels
from sklearn.utils.validation import check_is_fitted, validate_data

from handloom._typing import AnyArray, FloatArray, Shape
from handloom.data import Dataset, split
from handloom.engines import check_threads
from handloom.errors import ConfigError, LabelError, ShapeError
from handloom.estimator.inputs import Inputs, flattened, picture_shape
from handloom.estimator.learner import Learner
from handloom.estimator.learnt import Learnt
from handloom.estimator.listeners import Printed
from handloom.estimator.settings import recipe_of, refusal, settled
from handloom.recipes import Recipe
from handloom.training.callbacks import Callback

LARGEST_SEED = 2**31 - 1


class Classifier(ClassifierMixin, Learnt, BaseEstimator):
    """A neural network under scikit-learn's rules: fit, predict, score, clone, search, pickle.

    X is (N, D), numbers of any kind; or images (N, H, W) or (N, C, H, W), or their pixels in rows
    with `image_shape`. Images of whole numbers from 0 to 255 are pixels, and can be augmented;
    anything else is taken as numbers. y (N,) are classes of any kind that scikit-learn knows.

    Parameters; those that are tables in a recipe take a name, or a mapping like the table:

    hidden               widths of the hidden layers, or one width; None: the architecture's own
    architecture         "mlp", "lenet", "resnet-cifar", …: a recipe's [model]
    activation, dropout  as in [model]; None: the architecture's own
    image_shape          (H, W) or (C, H, W), where the rows of X are images
    normalise            "scale" (pixels' default), "standard" (numbers' default: each feature's
                         mean and deviation in fit), "per-picture" (pixels), "none" (numbers)
    augment              None, or a mapping like {"rotate": 10, "shift": 0.1}: a recipe's [augment]
    optimizer, schedule  as in a recipe; `lr` and `weight_decay` are the optimizer's
    epochs, batch_size   passes over the data; examples a step
    early_stopping       hold `validation_fraction` of the examples back, stop after `patience`
                         epochs without progress in `monitor` ("val_loss" or "val_accuracy"), and
                         take the weights of the best epoch
    class_weight         None, "balanced", or a mapping from classes to weights
    engine, threads      what computes, on how many threads; None: on all cores, or fewer where
                         joblib, OMP_NUM_THREADS or threadpoolctl limits them
    settings             further keys of a recipe: {"training.ema": 0.99}
    warm_start           fit goes on from the weights of the fit before
    random_state         None, a number or a RandomState; with a number the same X gives the same
                         bits, on the same machine and number of threads
    verbose              print one line per epoch

    Fitted: classes_ (K,), n_features_in_, feature_names_in_ where X has names, image_shape_
    (C, H, W), history_ (one row per epoch), best_epoch_, recipe_, model_ (an nn.Sequential).

    Raises ValueErrors that say what to mend, and DivergenceError where the loss is finite no more.
    """

    def __init__(
        self,
        hidden: int | Sequence[int] | None = None,
        *,
        architecture: str | Mapping[str, Any] = "mlp",
        activation: str | None = None,
        dropout: float | None = None,
        image_shape: Shape | None = None,
        normalise: str | None = None,
        augment: Mapping[str, Any] | None = None,
        optimizer: str | Mapping[str, Any] = "adamw",
        lr: float = 2e-3,
        weight_decay: float | None = None,
        schedule: str | Mapping[str, Any] = "cosine",
        epochs: int = 100,
        batch_size: int = 32,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        patience: int = 10,
        monitor: str = "val_loss",
        class_weight: str | Mapping[Any, float] | None = None,
        engine: str = "auto",
        threads: int | None = None,
        settings: Mapping[str, Any] | None = None,
        warm_start: bool = False,
        random_state: int | np.random.RandomState | None = None,
        verbose: bool = False,
    ) -> None:
        self.hidden = hidden
        self.architecture = architecture
        self.activation = activation
        self.dropout = dropout
        self.image_shape = image_shape
        self.normalise = normalise
        self.augment = augment
        self.optimizer = optimizer
        self.lr = lr
        self.weight_decay = weight_decay
        self.schedule = schedule
        self.epochs = epochs
        self.batch_size = batch_size
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.patience = patience
        self.monitor = monitor
        self.class_weight = class_weight
        self.engine = engine
        self.threads = threads
        self.settings = settings
        self.warm_start = warm_start
        self.random_state = random_state
        self.verbose = verbose

    # -- learning ---------------------------------------------------------------------------------

    def fit(self, X: Any, y: Any) -> Self:
        """Learn from examples X (N, D), (N, H, W) or (N, C, H, W), and their classes y (N,)."""
        rows, shape, y = self._checked_with_classes(X, y, reset=True)
        before = vars(self).pop("_learner", None) if self.warm_start else None
        classes = unique_labels(y)
        if before is not None and not np.array_equal(classes, self.classes_):
            raise LabelError(
                f"with warm_start the classes stay the same, {self.classes_.tolist()}; "
                f"y has {classes.tolist()}"
            )
        learner = self._begun(rows, shape, y, classes)
        if before is not None:
            learner.start_from(before.weights())
        examples = self._dataset(rows, y)
        train, validation = self._divided(examples, learner.recipe.seed)
        learner.fit(train, validation, self._listeners())
        self._learner = learner
        return self

    def partial_fit(self, X: Any, y: Any, classes: Any = None) -> Self:
        """Learn for one epoch from these examples, and keep what was learned before.

        The first call names all `classes`, unless y has them all, and decides the scale of the
        features and how many steps a schedule counts as an epoch. Every call learns, also after
        `fit`: a schedule that ends with the last epoch ("cosine", "linear", "one-cycle") stays at
        `lr`. Parameters that were changed since the last call count from now on; those that
        settle what the weights mean cannot change.
        """
        if self.early_stopping:
            raise ConfigError(
                "partial_fit learns from all of its examples, and early_stopping would hold some "
                "back; set early_stopping=False"
            )
        first = not hasattr(self, "_learner")
        rows, shape, y = self._checked_with_classes(X, y, reset=first)
        given = None if classes is None else unique_labels(classes)
        if first:
            self._check_not_balanced()
            learner = self._begun(rows, shape, y, unique_labels(y) if given is None else given)
            recipe = learner.recipe
        else:
            learner = self._learner
            if given is not None and not np.array_equal(given, self.classes_):
                raise LabelError(
                    f"classes differs from the first call's, {self.classes_.tolist()}; got "
                    f"{given.tolist()}"
                )
            self._check_shape(shape)
            recipe = self._recipe_now(y)
        learner.go_on(recipe, self._dataset(rows, y), self._listeners())
        self._learner = learner
        return self

    # -- predicting -------------------------------------------------------------------------------

    def predict(self, X: Any) -> AnyArray:
        """The most probable class of each example, (N,)."""
        best = self._fitted().outputs(self._examples(X)).argmax(axis=1)
        return self.classes_[best]

    def predict_proba(self, X: Any) -> FloatArray:
        """The probability of each class, (N, K) float64 in the order of classes_; rows sum to 1."""
        return self._fitted().probabilities(self._examples(X))

    def predict_log_proba(self, X: Any) -> FloatArray:
        """The logarithm of `predict_proba`, finite where that is 0 by rounding."""
        return self._fitted().log_probabilities(self._examples(X))

    # -- details ----------------------------------------------------------------------------------

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        return tags

    def _examples(self, X: Any) -> AnyArray:
        """X to predict as the network takes it, (N, C, H, W)."""
        check_is_fitted(self, "_learner")
        rows, shape = self._checked(X)
        self._check_shape(shape)
        return self._inputs.examples(rows)

    def _check_shape(self, shape: Shape | None) -> None:
        if shape not in (None, learnt := self._learner.image_shape):
            raise ShapeError(
                f"X has examples of shape {shape}, but the classifier was fitted on {learnt}"
            )

    def _check_not_balanced(self) -> None:
        if self.class_weight == "balanced":
            raise ConfigError(
                'class_weight "balanced" would change with every partial_fit; give the '
                "weights of the classes as a mapping"
            )

    def _checked(self, X: Any) -> tuple[AnyArray, Shape | None]:
        """X to predict as rows (N, D), and (C, H, W) where X itself has the shape of images."""
        X, shape = flattened(X)
        rows: Any = validate_data(self, X, reset=False)
        return rows, shape

    def _checked_with_classes(
        self, X: Any, y: Any, *, reset: bool
    ) -> tuple[AnyArray, Shape | None, AnyArray]:
        """X to learn from as rows (N, D), the shape of its images if they are any, and y (N,)."""
        X, own = flattened(X)
        rows: Any
        rows, y = validate_data(self, X, y, reset=reset)
        check_classification_targets(y)
        return rows, picture_shape(self.image_shape, own, rows.shape[1]), y

    def _dataset(self, rows: AnyArray, y: AnyArray) -> Dataset:
        """Examples and their class ids; raises LabelError for a class that was not told of."""
        ids = np.searchsorted(self.classes_, y).clip(max=len(self.classes_) - 1)
        unknown = self.classes_[ids] != y
        if unknown.any():
            raise LabelError(
                f"y has the class {y[unknown].tolist()[0]!r}, which is not one of "
                f"{self.classes_.tolist()}; the first partial_fit has to list all classes"
            )
        return self._inputs.dataset(rows, ids, [f"class {i}" for i in range(len(self.classes_))])

    def _begun(
        self, rows: AnyArray, shape: Shape | None, y: AnyArray, classes: AnyArray
    ) -> Learner:
        """A learner of these classes that has not learned yet; how X is looked at is settled here.

        Raises ConfigError where the parameters do not suit X.
        """
        vars(self).pop("_learner", None)  # what is fitted and what is not shall not be mixed
        self.classes_ = classes
        self._inputs = inputs = Inputs.fit(rows, shape, self.normalise)
        self._settled = settled(self.get_params(deep=False))
        seed = check_random_state(self.random_state).randint(LARGEST_SEED)
        recipe = self._recipe(seed, self._weights_of_classes(y))
        return Learner(recipe, inputs.normalisation, inputs.image_shape, len(classes))

    def _recipe(self, seed: int, class_weights: Any) -> Recipe:
        """The recipe of the parameters; ConfigError where they do not suit the examples."""
        recipe = recipe_of(self.get_params(deep=False), seed=seed, class_weights=class_weights)
        check_threads(recipe.training.threads, "threads")
        if recipe.augment is not None and not self._inputs.are_pixels:
            raise ConfigError(
                "augment works on pixels: images of integers from 0 to 255, with their "
                "shape in X or in image_shape; X has other numbers"
            )
        return recipe

    def _recipe_now(self, y: AnyArray) -> Recipe:
        """The recipe of the parameters as they are now, after learning has begun."""
        now, begun = settled(self.get_params(deep=False)), self._learner.recipe
        for name in ("normalise", "random_state"):
            if now[name] != self._settled[name]:
                raise refusal(name, self._settled[name], now[name])
        if now["class_weight"] == self._settled["class_weight"]:
            return self._recipe(begun.seed, begun.loss.model_dump().get("class_weights"))
        self._check_not_balanced()
        recipe = self._recipe(begun.seed, self._weights_of_classes(y))
        self._settled = now
        return recipe

    def _weights_of_classes(self, y: AnyArray) -> FloatArray | None:
        if self.class_weight is None or len(self.classes_) < 2:
            return None
        return compute_class_weight(self.class_weight, classes=self.classes_, y=y)

    def _divided(self, examples: Dataset, seed: int) -> tuple[Dataset, Dataset | None]:
        """What is trained on, and what early stopping holds back."""
        if not self.early_stopping:
            return examples, None
        try:
            return split(examples, self.validation_fraction, seed=seed, stratify=True)
        except ConfigError as error:
            raise ConfigError(
                f"early_stopping cannot hold back a part of n_samples = {len(examples)}: {error}"
            ) from None

    def _listeners(self) -> list[Callback]:
        return [Printed()] if self.verbose else []
