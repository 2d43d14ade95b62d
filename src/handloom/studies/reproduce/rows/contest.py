"""A contest's ResNet-18. The contest's own images are not public; Fashion-MNIST stands in."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np

from handloom import data
from handloom._files import make_folder, write_atomic
from handloom.studies.reproduce.checks import Reaches
from handloom.studies.reproduce.claims import Claim
from handloom.studies.reproduce.experiment import Experiment, Published, SeriesSubject

RESNET = "ResNet-18"
SEED, LABELLED, HIDDEN = 2021, 30_000, 5_000


def make_contest(folder: Path, data_dir: Path | None) -> dict[str, Any]:
    """train.npy + .csv (30,000 × 784) and hidden.npy + .csv (5,000 × 784), and where they are.

    All come from the training split of Fashion-MNIST. The hidden ones, whose labels a contest keeps
    for its leaderboard, stand as the recipe's test split.
    """
    fashion = data.load("fashion-mnist", data_dir).train
    drawn = np.random.default_rng(SEED).permutation(len(fashion))[: LABELLED + HIDDEN]
    make_folder(folder, within=None)
    overrides = {}
    for part, keys, rows in (
        ("train", ("data.images", "data.labels"), drawn[:LABELLED]),
        ("hidden", ("data.test_images", "data.test_labels"), drawn[LABELLED:]),
    ):
        images, labels = folder / f"{part}.npy", folder / f"{part}.csv"
        array = io.BytesIO()
        np.save(array, fashion.images[rows].reshape(len(rows), -1))
        write_atomic(images, array.getvalue())
        lines = (f"{image_id},{fashion.labels[row]}\n" for image_id, row in enumerate(rows))
        write_atomic(labels, ("image_id,label\n" + "".join(lines)).encode())
        overrides |= {keys[0]: str(images), keys[1]: str(labels)}
    return overrides


CONTEST = Experiment(
    name="contest-resnet",
    title="A contest, ResNet-18 on 28×28, its images made of Fashion-MNIST",
    source="report 4, its validation and its two places on the leaderboard",
    subjects={
        RESNET: SeriesSubject(
            "contest-resnet",
            # Published: 40 epochs. On a CPU each takes minutes, and five suffice.
            {"training.epochs": 5},
            seeds=(0,),
            quick={"training.epochs": 2, "data.sample": 0.05, "data.validation": 250},
            prepare=make_contest,
        )
    },
    note="the contest's own images are not public; 5 epochs instead of 40, 28×28 instead of 224",
    published=(
        Published(RESNET, "validation_accuracy", 0.8942),
        Published(RESNET, "test_accuracy", 0.888, most=0.893),
    ),
    figures=("validation_accuracy", "test_accuracy"),
    claims=(
        Claim(
            "the validation accuracy is reached",
            "0.8942",
            Reaches(RESNET, 0.8942, "validation_accuracy"),
            at_full_length=True,
        ),
        Claim(
            "the leaderboard's lower accuracy is reached",
            "0.888",
            Reaches(RESNET, 0.888),
            at_full_length=True,
        ),
    ),
)
