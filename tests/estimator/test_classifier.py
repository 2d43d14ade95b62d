"""Classifier at work: on features and images, alone and in scikit-learn's company."""

from __future__ import annotations

import copy
import pickle
import pickletools

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.datasets import load_digits, load_wine
from sklearn.exceptions import NotFittedError
from sklearn.metrics import log_loss
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils import compute_class_weight

import handloom as hl
from handloom import nn
from handloom.data import split
from handloom.errors import ConfigError, DataError, LabelError, RecipeError, ShapeError
from handloom.estimator import Classifier

WINE = load_wine(return_X_y=True)


@pytest.fixture
def quick() -> Classifier:
    """Fast, and the same bits each time."""
    return Classifier(8, epochs=8, lr=0.02, engine="numpy", threads=1, random_state=0)


@pytest.fixture(scope="module")
def pictures() -> tuple[np.ndarray, np.ndarray]:
    """(N, 8, 8) uint8 and their digits."""
    X, y = load_digits(return_X_y=True)
    return (X.reshape(-1, 8, 8) * 15).astype(np.uint8)[:300], y[:300]


def same(one: Classifier, other: Classifier, X: np.ndarray) -> bool:
    return np.array_equal(one.predict_proba(X), other.predict_proba(X))


# -- features --------------------------------------------------------------------------------------


def test_it_is_as_good_as_the_best_of_scikit_learn() -> None:
    """On wine, whose scales differ a thousandfold, an MLP after a scaler has 0.978 ± 0.011."""
    ours = Classifier(threads=1, epochs=40, random_state=0)
    assert cross_val_score(ours, *WINE, cv=5).mean() > 0.96


def test_features_are_brought_to_one_scale_as_a_scaler_does(quick: Classifier) -> None:
    X, y = WINE
    scaled = make_pipeline(StandardScaler(), clone(quick).set_params(normalise="none"))
    np.testing.assert_allclose(
        quick.fit(X, y).predict_proba(X), scaled.fit(X, y).predict_proba(X), rtol=1e-4, atol=1e-6
    )
    constant = np.hstack([X, np.full((len(X), 1), 7.0)])
    assert np.isfinite(quick.fit(constant, y).predict_proba(constant)).all()


def test_probabilities_are_the_networks_own(quick: Classifier) -> None:
    X, y = WINE
    quick.fit(X, y)
    scaled = StandardScaler().fit_transform(X).reshape(-1, 1, 1, X.shape[1])
    outputs = quick.model_.forward(scaled.astype(np.float32)).astype(np.float64)
    probabilities = quick.predict_proba(X)
    np.testing.assert_allclose(probabilities, nn.softmax(outputs), rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(quick.predict_log_proba(X), np.log(probabilities), rtol=1e-9)
    assert log_loss(y, probabilities) < 0.5
    assert quick.image_shape_ == (1, 1, 13)
    assert quick.n_features_in_ == 13


def test_a_row_is_judged_alone(quick: Classifier) -> None:
    """BLAS rounds a row by the size of its batch; what is predicted in float64 shows none of it."""
    X, y = WINE
    for engine in ("numpy", "auto"):
        whole = quick.set_params(engine=engine).fit(X, y).predict_proba(X)
        alone = np.vstack([quick.predict_proba(X[row : row + 1]) for row in range(30)])
        np.testing.assert_allclose(alone, whole[:30], rtol=1e-9)


def test_classes_may_be_words(quick: Classifier) -> None:
    X, y = WINE
    words = np.array(["red", "white", "rosé"])[y]
    numbered = clone(quick).fit(X, y)
    worded = quick.fit(X, words)
    assert worded.classes_.tolist() == ["red", "rosé", "white"]
    assert set(worded.predict(X)) == {"red", "rosé", "white"}
    assert worded.score(X, words) == pytest.approx(numbered.score(X, y), abs=0.1)


def test_engines_agree(quick: Classifier) -> None:
    X, y = WINE
    by_engine = [clone(quick).set_params(engine=name).fit(X, y) for name in ("numpy", "auto")]
    one, other = (each.predict_proba(X) for each in by_engine)
    np.testing.assert_allclose(one, other, atol=1e-3)


# -- images --------------------------------------------------------------------------------------


def test_pictures_by_shape_or_in_rows_are_the_same(quick: Classifier, pictures) -> None:
    X, y = pictures
    shaped = clone(quick).fit(X, y)
    rows = X.reshape(len(X), 64)
    flat = clone(quick).set_params(image_shape=(8, 8)).fit(rows.astype(float), y)
    assert shaped.image_shape_ == flat.image_shape_ == (1, 8, 8)
    assert shaped.recipe_ == flat.recipe_
    assert same(shaped, flat, X)
    np.testing.assert_array_equal(shaped.predict_proba(rows), flat.predict_proba(X[:, None]))
    assert shaped.n_features_in_ == 64


def test_a_convolution_with_augmentation_and_early_stopping(pictures) -> None:
    X, y = pictures
    net = Classifier(
        architecture={"name": "lenet", "channels": [8], "kernel_size": 3}, hidden=32, lr=0.01,
        augment={"rotate": 10}, early_stopping=True, validation_fraction=60, epochs=20,
        threads=1, random_state=0,
    )  # fmt: skip
    assert net.fit(X[:240], y[:240]).score(X[240:], y[240:]) > 0.75
    losses = [row["val_loss"] for row in net.history_]
    assert net.best_epoch_ == int(np.argmin(losses)) + 1
    held_back = split(
        hl.data.Dataset(X[:240], y[:240], [*"0123456789"]), 60, seed=net.recipe_.seed, stratify=True
    )[1]
    found = log_loss(held_back.labels, net.predict_proba(held_back.images), labels=range(10))
    assert found == pytest.approx(min(losses), rel=1e-4)
    assert net.model_.forward(X[:2, None] / np.float32(255)).shape == (2, 10)


def test_copies_that_are_appended_count_as_examples(quick: Classifier, pictures) -> None:
    X, y = pictures
    quick.set_params(augment={"flip": 0.5, "mode": "append", "copies": 2}, epochs=1)
    assert quick.fit(X, y).history_[0]["step"] == int(np.ceil(3 * len(X) / 32))


def test_numbers_in_the_shape_of_pictures_are_scaled_by_channel(quick: Classifier, rng) -> None:
    X = rng.normal([[[0.0]], [[5.0]]], [[[1.0]], [[100.0]]], (40, 2, 3, 3))
    y = (X[:, 1].mean(axis=(1, 2)) > 5).astype(int)
    first = quick.fit(X, y).predict_proba(X)
    by_hand = (X - X.mean(axis=(0, 2, 3), keepdims=True)) / X.std(axis=(0, 2, 3), keepdims=True)
    again = quick.set_params(normalise="none").fit(by_hand, y).predict_proba(by_hand)
    np.testing.assert_allclose(first, again, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("normalise", ["standard", "per-picture"])
def test_pixels_may_be_normalised(quick: Classifier, normalise: str, pictures) -> None:
    X, y = pictures
    quick.set_params(normalise=normalise).fit(X, y)
    images = hl.data.Normalisation.fit(normalise, X)(X)
    outputs = quick.model_.forward(images).astype(float)
    np.testing.assert_allclose(quick.predict_proba(X), nn.softmax(outputs), rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize(
    ("change", "look", "error", "told"),
    [
        ({}, lambda X: X / 255, DataError, "numbers that are not pixels, but the classifier was"),
        ({}, lambda X: X.reshape(-1, 4, 16), ShapeError, r"\(1, 4, 16\), but .* \(1, 8, 8\)"),
        ({}, lambda X: X[:, 1:], ValueError, "56 features, but Classifier is expecting 64"),
    ],
)
def test_other_pictures_are_refused(
    quick: Classifier, pictures, change: dict, look, error, told: str
) -> None:
    X, y = pictures
    quick.fit(X, y)
    with pytest.raises(error, match=told):
        quick.predict(look(X))


@pytest.mark.parametrize(
    ("params", "error", "told"),
    [
        ({"image_shape": (8, 9)}, ShapeError, r"\(1, 8, 9\), but the examples in X are \(1, 8, 8"),
        ({"image_shape": 8}, ConfigError, r"image_shape is 8; it has to be \(H, W\) or"),
        ({"image_shape": (0, 64)}, ConfigError, r"image_shape is \(0, 64\)"),
        ({"normalise": "none"}, ConfigError, "normalise is 'none'; for pixels use scale, sta"),
        ({"lr": -1.0}, RecipeError, r"Classifier: optimizer\.lr is -1\.0; it has to be a number"),
        ({"architecture": "lenet5"}, RecipeError, 'model.name is "lenet5"; .* did you mean "le'),
        ({"architecture": 5}, ConfigError, "architecture is 5; it has to be a name, or a mapping"),
        ({"schedule": {"every": 3}}, ConfigError, "schedule is {'every': 3}; it has to be a name"),
        ({"hidden": [8, -1]}, RecipeError, r"model\.hidden\.1 is -1; it has to be a whole number"),
        ({"settings": {"training.emu": 1}}, RecipeError, r"did you mean training\.ema\?"),
        ({"early_stopping": True, "validation_fraction": 1.5}, ConfigError, "n_samples = 300"),
        ({"engine": "nump"}, RecipeError, 'engine is "nump"; it has to be one of'),
    ],
)
def test_what_cannot_be_is_said_in_a_sentence(
    quick: Classifier, pictures, params: dict, error, told: str
) -> None:
    with pytest.raises(error, match=told):
        quick.set_params(**params).fit(*pictures)
    with pytest.raises(NotFittedError):
        quick.predict(pictures[0])


def test_what_only_pixels_allow_is_refused_for_numbers(quick: Classifier) -> None:
    with pytest.raises(ConfigError, match="augment works on pixels"):
        quick.set_params(augment={"flip": 0.5}).fit(*WINE)
    with pytest.raises(ConfigError, match="normalise is 'scale'; for numbers that are not pixels"):
        quick.set_params(augment=None, normalise="scale").fit(*WINE)
    with pytest.raises(DataError, match="too large for float32"):
        quick.set_params(normalise="none").fit(WINE[0] * 1e60, WINE[1])


@pytest.mark.parametrize("engine", ["numpy", "auto"])
def test_a_batch_norm_leaves_a_last_batch_of_one_out(
    quick: Classifier, engine: str, recwarn: pytest.WarningsRecorder
) -> None:
    """As cross-validation, which chooses the sizes, meets it; a sentence says so, once."""
    quick.set_params(architecture={"name": "mlp", "norm": "batch"}, engine=engine, epochs=3)
    quick.fit(WINE[0][40:73], WINE[1][40:73])
    assert [row["step"] for row in quick.history_] == [1, 2, 3]  # of 33 examples in batches of 32
    (warning,) = recwarn
    assert str(warning.message) == (
        "each epoch omits 1 of the 33 training examples, a different one each time: it would "
        "be alone in the last batch, but layer 2 (BatchNorm1d) needs two"
    )
    assert warning.filename == __file__
    assert quick.fit(WINE[0][40:74], WINE[1][40:74]).history_[-1]["step"] == 6
    assert len(recwarn) == 1


def test_a_stream_is_warned_once(quick: Classifier, recwarn: pytest.WarningsRecorder) -> None:
    quick.set_params(architecture={"name": "mlp", "norm": "batch"})
    for _ in range(3):
        quick.partial_fit(WINE[0][40:73], WINE[1][40:73])
    assert len(recwarn) == 1
    with pytest.raises(RecipeError, match=r"1 training example, but layer 2 \(BatchNorm1d\)"):
        quick.partial_fit(WINE[0][:1], WINE[1][40:41])


def test_a_batch_norm_needs_batches_of_two(quick: Classifier) -> None:
    quick.set_params(architecture={"name": "mlp", "norm": "batch"}, batch_size=1)
    with pytest.raises(
        RecipeError, match=r"batch_size is 1, but layer 2 \(BatchNorm1d\) needs two"
    ):
        quick.fit(*WINE)


# -- parameters ------------------------------------------------------------------------------------


def test_parameters_stand_for_a_recipe() -> None:
    net = Classifier(
        np.array([16, 8]), activation="tanh", dropout=np.float64(0.1), optimizer="nesterov",
        lr=np.float64(0.05), weight_decay=1e-4, schedule={"name": "step", "every": np.int64(2)},
        epochs=np.int64(3), batch_size=64, early_stopping=True, patience=3, monitor="val_accuracy",
        settings={"training.ema": 0.9, "loss.label_smoothing": 0.1}, engine="numpy", threads=1,
    )  # fmt: skip
    recipe = net.fit(*WINE).recipe_
    model, training, loss = recipe.model.model_dump(), recipe.training, recipe.loss.model_dump()
    assert (model["hidden"], model["activation"], model["dropout"]) == ((16, 8), "tanh", 0.1)
    assert recipe.optimizer.name == "nesterov"
    assert (recipe.optimizer.lr, recipe.optimizer.weight_decay) == (0.05, 1e-4)
    assert recipe.schedule.model_dump()["every"] == 2
    assert (training.epochs, training.batch_size, training.ema) == (3, 64, 0.9)
    assert (training.early_stopping_patience, training.monitor) == (3, "val_accuracy")
    assert training.early_stopping_monitor == "val_accuracy"
    assert (loss["label_smoothing"], recipe.engine) == (0.1, "numpy")


def test_without_parameters_it_has_one_hidden_layer() -> None:
    net = Classifier(epochs=1, engine="numpy", threads=1).fit(*WINE)
    assert net.recipe_.model.model_dump()["hidden"] == (128,)
    deep = Classifier((), epochs=1, engine="numpy", threads=1).fit(*WINE)
    assert deep.model_.num_parameters() == 13 * 3 + 3


def test_early_stopping_stops(quick: Classifier) -> None:
    quick.set_params(early_stopping=True, patience=2, lr=1e-12, epochs=40, monitor="val_accuracy")
    assert len(quick.fit(*WINE).history_) == 3
    assert quick.best_epoch_ == 1


def test_balanced_weights_are_scikit_learns(quick: Classifier) -> None:
    X, y = WINE[0][30:140], WINE[1][30:140]
    balanced = clone(quick).set_params(class_weight="balanced").fit(X, y)
    weights = compute_class_weight("balanced", classes=np.unique(y), y=y)
    assert balanced.recipe_.loss.model_dump()["class_weights"] == pytest.approx(weights)
    told = clone(quick).set_params(class_weight=dict(enumerate(weights))).fit(X, y)
    assert same(balanced, told, X)
    assert not same(balanced, quick.fit(X, y), X)


def test_classes_that_weigh_nothing(quick: Classifier) -> None:
    """A batch of nothing else teaches nothing; a part of nothing else is refused."""
    X, y = WINE
    order = np.argsort(y, kind="stable")[:66]  # 59 of the first class, 7 of the second
    model = clone(quick).set_params(class_weight={0: 0, 1: 1}, batch_size=7)
    model.fit(X[order], y[order])
    assert np.isfinite([row["train_loss"] for row in model.history_]).all()
    assert (model.predict(X[order]) == 1).all()
    nothing = clone(quick).set_params(class_weight={0: 0, 1: 0, 2: 1})
    with pytest.raises(RecipeError, match="every label of the training split"):
        clone(quick).set_params(class_weight=dict.fromkeys(range(3), 0)).fit(X, y)
    nothing.partial_fit(X[y == 0], y[y == 0], classes=[0, 1, 2])
    assert nothing.history_[-1]["train_loss"] == nothing.history_[-1]["grad_norm"] == 0.0


def test_chance_is_the_random_states(quick: Classifier) -> None:
    X, y = WINE
    first = clone(quick).fit(X, y)
    assert same(first, clone(quick).fit(X, y), X)
    assert same(first, clone(quick).set_params(random_state=np.random.RandomState(0)).fit(X, y), X)
    assert not same(first, clone(quick).set_params(random_state=1).fit(X, y), X)
    free = clone(quick).set_params(random_state=None)
    assert not same(clone(free).fit(X, y), free.fit(X, y), X)


def test_a_grid_is_searched_within_a_pipeline(quick: Classifier) -> None:
    X, y = WINE
    flow = make_pipeline(StandardScaler(), quick)
    grid = {"classifier__lr": np.logspace(-7, -2, 2), "classifier__hidden": [4, (8, 4)]}
    search = GridSearchCV(flow, grid, cv=2).fit(X, y)
    assert search.best_params_["classifier__lr"] == pytest.approx(0.01)
    assert search.best_score_ > 0.7
    assert search.predict(X).shape == y.shape


def test_verbose_prints_a_line_an_epoch(
    quick: Classifier, capsys: pytest.CaptureFixture[str]
) -> None:
    quick.set_params(verbose=True, epochs=2).fit(*WINE)
    row = quick.history_[0]
    first, second = capsys.readouterr().out.splitlines()
    assert first == (
        f"epoch 1/2: train loss {row['train_loss']:.4f}, train accuracy {row['train_accuracy']:.4f}"
    )
    assert second.startswith("epoch 2/2: ")
    quick.set_params(verbose=False).fit(*WINE)
    assert capsys.readouterr().out == ""
    quick.set_params(verbose=True, early_stopping=True).fit(*WINE)
    last = quick.history_[-1]
    assert (
        capsys.readouterr()
        .out.splitlines()[-1]
        .endswith(f"val loss {last['val_loss']:.4f}, val accuracy {last['val_accuracy']:.4f}")
    )


# -- going on --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("schedule", "settings"),
    [
        ("constant", None),
        ({"name": "step", "every": 2, "warmup_epochs": 1.5}, {"training.ema": 0.9}),
        ({"name": "exponential", "factor": 0.5}, {"optimizer.clip_norm": 0.1}),
    ],
)
@pytest.mark.parametrize("engine", ["numpy", "auto"])
def test_epochs_by_partial_fit_are_those_of_fit(
    quick: Classifier, engine: str, schedule: str | dict, settings: dict | None
) -> None:
    X, y = WINE
    quick.set_params(engine=engine, schedule=schedule, settings=settings, epochs=4)
    whole = clone(quick).fit(X, y)
    for epoch in range(4):
        quick = pickle.loads(pickle.dumps(quick.partial_fit(X, y)))
        assert len(quick.history_) == epoch + 1
    assert same(whole, quick, X)
    assert [row["train_loss"] for row in whole.history_] == [
        row["train_loss"] for row in quick.history_
    ]


def test_partial_fit_knows_classes_that_are_still_to_come(quick: Classifier) -> None:
    X, y = WINE
    quick.partial_fit(X[:40], y[:40], classes=[2, 1, 0])
    assert quick.classes_.tolist() == [0, 1, 2]
    assert quick.predict_proba(X).shape == (len(X), 3)
    quick.partial_fit(X[-40:], y[-40:])
    with pytest.raises(LabelError, match=r"classes differs from the first call.s, \[0, 1, 2\]"):
        quick.partial_fit(X, y, classes=[0, 1])
    with pytest.raises(LabelError, match=r"y has the class 5, which is not one of \[0, 1, 2\]"):
        quick.partial_fit(X, np.where(y == 2, 5, y))
    with pytest.raises(ConfigError, match="would change with every partial_fit"):
        clone(quick).set_params(class_weight="balanced").partial_fit(X, y)


def test_a_warm_start_goes_on_from_the_weights(quick: Classifier) -> None:
    X, y = WINE
    cold = clone(quick).fit(X, y).history_
    warm = quick.set_params(warm_start=True).fit(X, y)
    assert warm.history_[0]["train_loss"] == cold[0]["train_loss"]
    assert warm.fit(X, y).history_[0]["train_loss"] < 0.5 * cold[0]["train_loss"]
    assert len(warm.history_) == len(cold)
    with pytest.raises(LabelError, match=r"with warm_start the classes stay the same"):
        warm.fit(X[:100], y[:100])


def test_it_is_copied_and_pickled_without_its_engine(quick: Classifier) -> None:
    X, y = WINE
    quick.set_params(engine="auto").fit(X, y)
    quick.predict(X)
    written = pickle.dumps(quick)
    texts = [text for _, text, _ in pickletools.genops(written) if isinstance(text, str)]
    modules = {text for text in texts if text.startswith("handloom.")}
    assert {name.split(".")[1] for name in modules} == {"estimator", "data", "recipes", "training"}
    assert len(written) < 40_000
    for other in (pickle.loads(written), copy.deepcopy(quick)):
        assert same(quick, other, X)
        assert other.history_ == quick.history_


@pytest.mark.parametrize("engine", ["numpy", "auto"])
def test_it_is_pickled_in_the_middle_of_a_stream(quick: Classifier, engine: str) -> None:
    """Arrays and numbers alone, no engine, no predictor, though both are held by then."""
    X, y = WINE
    quick.set_params(engine=engine).partial_fit(X, y).predict(X)
    written = pickle.dumps(quick)
    texts = [text for _, text, _ in pickletools.genops(written) if isinstance(text, str)]
    modules = {text.split(".")[1] for text in texts if text.startswith("handloom.")}
    assert modules == {"estimator", "data", "recipes", "training"}
    other = pickle.loads(written)
    assert same(quick.partial_fit(X, y), other.partial_fit(X, y), X)


def test_it_is_found_at_the_top() -> None:
    assert hl.Classifier is Classifier
