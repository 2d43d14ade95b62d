"""scikit-learn's MLPClassifier, trained by partial_fit.

One call of partial_fit takes many batches, so that its checks of the arguments are spread over
them. It knows no LeakyReLU, and decays no biases; its `alpha` is divided by the batch size.
"""

from __future__ import annotations

import warnings
from typing import Any, cast

import numpy as np
import sklearn
from sklearn.neural_network import MLPClassifier

from benchmarks.job import Job, Unable

TITLE = "scikit-learn"
RELU_ONLY = True

ROWS_A_CALL = 3000


class _Base:
    def __init__(self, job: Job) -> None:
        warnings.simplefilter("ignore")  # that one epoch did not converge
        images, self.labels = job.pictures()
        self.images = images.reshape(len(images), -1)
        self.job = job
        self.linear = _linear_places(job)
        self.model = self._model(job)
        self.note = f"scikit-learn {sklearn.__version__}"

    def _model(self, job: Job) -> MLPClassifier:
        weights = [job.weights_of(place) for place in self.linear]
        said = job.optimizer
        model: Any = MLPClassifier(
            [len(own["bias"]) for own in weights[:-1]],
            solver="sgd",
            batch_size=cast(Any, job.batch_size),  # its stub knows "auto" only
            shuffle=False,
            learning_rate_init=said.get("lr", 0.1),
            momentum=said.get("momentum", 0.0),
            nesterovs_momentum=said.get("name") == "nesterov",
            alpha=said.get("weight_decay", 0.0) * job.batch_size,
        )
        first = slice(0, job.batch_size)
        model.partial_fit(self._floats(first), self.labels[first], classes=np.arange(10))
        for place, own in enumerate(weights):  # in place: its optimizer holds on to the arrays
            model.coefs_[place][...] = own["weight"].T
            model.intercepts_[place][...] = own["bias"]
        for velocity in model._optimizer.velocities:
            velocity[...] = 0.0
        return model

    def _floats(self, rows: np.ndarray | slice) -> np.ndarray:
        return np.multiply(self.images[rows], 1.0 / 255.0, dtype=np.float32)


class Train(_Base):
    def __init__(self, job: Job) -> None:
        super().__init__(job)
        self.rows = job.batches(len(self.labels))

    def run(self, steps: int) -> None:
        at_once = max(1, ROWS_A_CALL // self.job.batch_size)
        while steps:
            count = min(steps, at_once)
            rows = np.concatenate([next(self.rows) for _ in range(count)])
            self.model.partial_fit(self._floats(rows), self.labels[rows])
            steps -= count

    def result(self) -> dict[str, np.ndarray]:
        weights = {}
        for place, coef, bias in zip(
            self.linear, self.model.coefs_, self.model.intercepts_, strict=True
        ):
            weights |= {f"{place}.weight": coef.T, f"{place}.bias": bias}
        return weights


class Predict(_Base):
    def __init__(self, job: Job) -> None:
        super().__init__(job)
        self.slices = job.slices(len(self.labels))

    def run(self, steps: int) -> None:
        for _ in range(steps):
            self.model.predict(self._floats(next(self.slices)))

    def result(self) -> dict[str, np.ndarray]:
        outputs = self.model._forward_pass_fast(self._floats(slice(0, self.job.batch_size)))
        return {"probabilities": np.asarray(outputs)}


def _linear_places(job: Job) -> list[int]:
    """Where the linear layers stand; Unable where there is more than they and ReLU."""
    foreign = {spec["layer"] for spec in job.layers} - {"flatten", "linear", "relu"}
    if foreign:
        raise Unable(f"knows no {', '.join(sorted(foreign))}")
    return [place for place, spec in enumerate(job.layers) if spec["layer"] == "linear"]


TASKS = {"train": Train, "predict": Predict}
