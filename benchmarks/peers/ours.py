"""Handloom, through its public face. Setting: `engine`, "loom" or "numpy"."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

import numpy as np

import handloom
from benchmarks.job import Job, Row, Unable
from handloom import models, nn, optim
from handloom.data import Batches, Dataset, Normalisation, with_channels
from handloom.engines import Engine, TrainingSetup, choose_engine, limited_to

TITLE = "handloom"
INPUT_SHAPE, NUM_CLASSES = (1, 28, 28), 10


def rows(task: str, layers: Sequence[Any], threads: Sequence[int]) -> list[Row]:
    """The loom on each count of threads, the numpy engine on all."""
    loom = [
        Row("handloom loom", count, {"engine": "loom"}, kind=f"loom, {count}", setup=1.5)
        for count in threads
    ]
    return [*loom, Row("handloom numpy", threads[0], {"engine": "numpy"}, kind="numpy")]


class _Base:
    def __init__(self, job: Job) -> None:
        self.job = job
        self.blas = limited_to(job.threads)  # holds from here on
        images, labels = job.pictures()
        self.dataset = Dataset(images, labels, tuple(map(str, range(NUM_CLASSES))))
        self.normalisation = Normalisation("scale")
        rng = np.random.default_rng(0)
        model = models.from_layers(job.layers, INPUT_SHAPE, NUM_CLASSES, rng=rng)
        model.astype(np.dtype(job.dtype))
        for name, parameter in model.named_parameters().items():
            parameter.value[...] = job.weights()[name]
        self.engine = self._engine(model)
        uncovered = getattr(self.engine, "uncovered", ())
        self.note = ", ".join((f"handloom {handloom.__version__}", *uncovered))

    def _engine(self, model: nn.Layer) -> Engine:
        return choose_engine(
            self.job.settings["engine"],
            model,
            TrainingSetup(
                partial(nn.cross_entropy, label_smoothing=0.0),
                _optimizer(model, self.job),
                batch_size=self.job.batch_size,
                threads=self.job.threads,
                normalisation=self.normalisation,
            ),
            input_shape=INPUT_SHAPE,
        ).engine


class Train(_Base):
    def __init__(self, job: Job) -> None:
        super().__init__(job)
        self.turns = self._turns()
        self.epoch, self.at, self.end = next(self.turns)

    def _turns(self) -> Iterator[tuple]:
        """(epoch, first step, end): the first batches in the data's order, then epoch by epoch."""

        def batches(shuffle: bool) -> Batches:
            return Batches(
                self.dataset,
                self.normalisation,
                self.job.batch_size,
                seed=1,
                shuffle=shuffle,
                drop_last=True,
                dtype=np.dtype(self.job.dtype),
            )

        yield batches(False).epoch(0), 0, self.job.check_steps
        shuffled = batches(True)
        number = 0
        while True:
            yield shuffled.epoch(number), 0, shuffled.steps_per_epoch
            number += 1

    def run(self, steps: int) -> None:
        while steps:
            if self.at == self.end:
                self.epoch, self.at, self.end = next(self.turns)
            stop = min(self.end, self.at + steps)
            done = sum(1 for _ in self.engine.train(self.epoch, self.at, stop))
            if self.at + done < stop:
                raise Unable("diverged")
            steps -= done
            self.at += done

    def result(self) -> dict[str, np.ndarray]:
        return self.engine.weights()


class Predict(_Base):
    def __init__(self, job: Job) -> None:
        super().__init__(job)
        self.slices = job.slices(len(self.dataset))
        self.images = with_channels(self.dataset.images)

    def outputs(self, rows: slice) -> np.ndarray:
        return self.engine.predict_pictures(self.images[rows], self.normalisation)

    def run(self, steps: int) -> None:
        for _ in range(steps):
            self.outputs(next(self.slices)).argmax(axis=1)

    def result(self) -> dict[str, np.ndarray]:
        return {"outputs": self.outputs(slice(0, self.job.batch_size))}


class Product:
    """A dense layer as a square matrix product, for the machine's most operations a second."""

    def __init__(self, job: Job) -> None:
        rng = np.random.default_rng(0)
        layers = [{"layer": "flatten"}, {"layer": "linear", "out_features": job.size}]
        model = models.from_layers(layers, (1, 1, job.size), job.size, rng=rng)
        setup = TrainingSetup(
            nn.cross_entropy, _optimizer(model, job), batch_size=job.size, threads=job.threads
        )
        shape = (1, 1, job.size)
        self.engine = choose_engine("loom", model, setup, input_shape=shape).engine
        self.x = rng.random((job.size, 1, 1, job.size), np.float32)
        self.note = f"handloom {handloom.__version__}"

    def run(self, steps: int) -> None:
        for _ in range(steps):
            self.y = self.engine.predict(self.x)

    def result(self) -> dict[str, np.ndarray]:
        return {"outputs": self.y}


def _optimizer(model: nn.Layer, job: Job) -> optim.Optimizer:
    """The rule; every parameter decays, biases too, as PyTorch has it by default."""
    said = {"name": "sgd", "lr": 0.1, **job.optimizer}
    rule = optim.OPTIMIZERS[said.pop("name")]
    decay = optim.WeightDecay(said.pop("weight_decay", 0.0), biases_and_norms=True)
    return rule(model.named_parameters(), said.pop("lr"), weight_decay=decay, **said)


TASKS = {"train": Train, "predict": Predict, "product": Product}
