"""The same training with PyTorch at its best, and the accuracy at its end, as JSON.

    python -m benchmarks.trainings.pytorch JOB.json

The job holds the recipe with every default, the first weights, the learning rate of every step and
the files of the pictures. Pictures stay in memory as bytes, batches are gathered from there, the
optimizer is fused, convolutions are channels-last: no DataLoader, no float copies of the set.
"""

from __future__ import annotations

import gzip
import json
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from benchmarks.peers.torch import network


def read(images_file: str, labels_file: str) -> tuple[Tensor, Tensor]:
    """Images (N, 1, 28, 28) uint8 and labels (N,) int64 of two gzipped IDX files."""
    images = np.frombuffer(gzip.decompress(Path(images_file).read_bytes()), np.uint8, offset=16)
    labels = np.frombuffer(gzip.decompress(Path(labels_file).read_bytes()), np.uint8, offset=8)
    shaped = images.reshape(len(labels), 1, 28, 28).copy()
    return torch.from_numpy(shaped), torch.from_numpy(labels.astype(np.int64))


class Training:
    def __init__(self, job: dict[str, Any]) -> None:
        self.recipe = job["recipe"]
        torch.manual_seed(self.recipe["seed"])
        torch.set_num_threads(job["threads"])
        train_images, train_labels, *test_files = job["files"]
        images, labels = read(train_images, train_labels)
        order = torch.randperm(len(labels))
        held_out, rows = order.split([job["num_validation"], len(labels) - job["num_validation"]])
        self.images, self.labels = images[rows], labels[rows]
        seen = read(*test_files) if job["part"] == "test" else (images[held_out], labels[held_out])
        self.seen_images, self.seen_labels = seen
        self.mean, self.std = self._normalisation()
        with np.load(job["weights"]) as stored:
            weights = dict(stored)
        layers = self.recipe["model"]["layers"]
        self.layout = torch.channels_last if layers[0]["layer"] != "flatten" else None
        model: Any = network(layers, weights)
        self.model: torch.nn.Module = model.to(memory_format=self.layout) if self.layout else model
        self.optimizer = self._optimizer()
        self.rates = job["learning_rates"]

    def _normalisation(self) -> tuple[float, float]:
        """Mean and standard deviation to subtract and divide by, of bytes."""
        if self.recipe["data"]["normalise"] == "scale":
            return 0.0, 255.0
        counts = torch.bincount(self.images.flatten().int(), minlength=256).double()
        share, levels = counts / counts.sum(), torch.arange(256.0, dtype=torch.float64)
        mean = (share * levels).sum()
        return float(mean), float((share * (levels - mean) ** 2).sum().sqrt())

    def _optimizer(self) -> torch.optim.Optimizer:
        """Biases and norms do not decay, as in the recipe."""
        said = self.recipe["optimizer"]
        parameters = list(self.model.parameters())
        groups = [
            {
                "params": [p for p in parameters if p.ndim > 1],
                "weight_decay": said["weight_decay"],
            },
            {"params": [p for p in parameters if p.ndim == 1], "weight_decay": 0.0},
        ]
        if said["name"] in ("adam", "adamw"):
            rule = torch.optim.Adam if said["name"] == "adam" else torch.optim.AdamW
            return rule(groups, lr=said["lr"], betas=said["betas"], eps=said["eps"], fused=True)
        return torch.optim.SGD(
            groups,
            lr=said["lr"],
            momentum=said.get("momentum", 0.0),
            nesterov=said["name"] == "nesterov",
            fused=True,
        )

    def numbers(self, images: Tensor) -> Tensor:
        """Bytes -> what the network takes."""
        x = images.float().sub_(self.mean).mul_(1.0 / self.std)
        if self.layout is None:
            return x.flatten(1)
        return x.contiguous(memory_format=self.layout)

    def fit(self) -> None:
        size = self.recipe["training"]["batch_size"]
        smoothing = self.recipe["loss"]["label_smoothing"]
        rates = iter(self.rates)
        for _ in range(self.recipe["training"]["epochs"]):
            for rows in torch.randperm(len(self.labels)).split(size):
                rate = next(rates)
                for group in self.optimizer.param_groups:
                    group["lr"] = rate
                self.optimizer.zero_grad(set_to_none=True)
                outputs = self.model(self.numbers(self.images.index_select(0, rows)))
                labels = self.labels.index_select(0, rows)
                F.cross_entropy(outputs, labels, label_smoothing=smoothing).backward()
                self.optimizer.step()

    def accuracy(self) -> float:
        self.model.eval()
        with torch.inference_mode():
            parts = zip(self.seen_images.split(1000), self.seen_labels.split(1000), strict=True)
            hits = sum(
                int((self.model(self.numbers(images)).argmax(1) == labels).sum())
                for images, labels in parts
            )
        return hits / len(self.seen_labels)


def main(job_file: str) -> None:
    training = Training(json.loads(Path(job_file).read_text()))
    started = time.perf_counter()
    training.fit()
    trained = time.perf_counter()
    accuracy = training.accuracy()
    outcome = {
        "accuracy": accuracy,
        "note": f"torch {torch.__version__}",
        "compile_s": 0.0,
        "training_s": trained - started,
        "evaluation_s": time.perf_counter() - trained,
    }
    print(json.dumps(outcome))


if __name__ == "__main__":
    main(*sys.argv[1:])
