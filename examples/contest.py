"""A contest's files, made of Fashion-MNIST: train.npy, train.csv, test.npy, and the hidden truth.

    python examples/contest.py contest && cd contest
    handloom train contest-resnet
    handloom predict runs/contest-resnet --input test.npy --sample sample.csv --output submit.csv
    python ../examples/contest.py . --score submit.csv

30,000 rows of 784 pixels have labels, 5,000 others wait for theirs; all come from the training part
of Fashion-MNIST, so that nobody looks at its test part.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

import handloom as hl

SEED, LABELLED, UNLABELLED = 2021, 30_000, 5_000


def build(folder: Path) -> None:
    fashion = hl.data.load("fashion-mnist").train
    drawn = np.random.default_rng(SEED).permutation(len(fashion))[: LABELLED + UNLABELLED]
    folder.mkdir(parents=True, exist_ok=True)
    for name, rows in (("train", drawn[:LABELLED]), ("test", drawn[LABELLED:])):
        np.save(folder / f"{name}.npy", fashion.images[rows].reshape(len(rows), -1))
        truth = folder / ("train.csv" if name == "train" else "truth.csv")
        table = "".join(f"{image_id},{fashion.labels[row]}\n" for image_id, row in enumerate(rows))
        truth.write_text("image_id,label\n" + table)
    zeros = "".join(f"{image_id},0\n" for image_id in range(UNLABELLED))
    (folder / "sample.csv").write_text("image_id,label\n" + zeros)
    print(f"{folder}: {LABELLED:,} rows with labels, {UNLABELLED:,} to predict")


def score(folder: Path, submission: Path) -> None:
    told = np.loadtxt(submission, str, delimiter=",")
    truth = np.loadtxt(folder / "truth.csv", str, delimiter=",")
    assert (told[:, 0] == truth[:, 0]).all(), "header or ids differ"
    right = (told[1:, 1] == truth[1:, 1]).mean()
    print(f"{submission.name}: {right:.4f} of {UNLABELLED:,} right")


arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
arguments.add_argument("folder", type=Path)
arguments.add_argument("--score", type=Path, metavar="SUBMIT.CSV")
said = arguments.parse_args()
score(said.folder, said.score) if said.score else build(said.folder)
