"""Fashion-MNIST by hand: how long to train, and which of 48 settings to train with."""

from __future__ import annotations

from handloom.studies.reproduce.checks import IsBest, LowestNear, Overfits, Reaches
from handloom.studies.reproduce.claims import Claim
from handloom.studies.reproduce.experiment import Experiment, Published, SeriesSubject, StudySubject

STEPPED, CONSTANT = "rate × 0.9 an epoch", "constant rate"

DEEP_MLP = Experiment(
    name="fashion-mlp-512",
    title="Fashion-MNIST, 784-512-128-10: where overfitting starts",
    source="report 1, its curves of 50 epochs",
    subjects={
        STEPPED: SeriesSubject("fashion-mlp-512", quick={"data.sample": 0.25}),
        # Not published: it tells whether the rate's decay is what moves the lowest point.
        CONSTANT: SeriesSubject(
            "fashion-mlp-512",
            {"schedule.name": "constant"},
            quick={"data.sample": 0.25},
            name="fashion-mlp-512-constant",
        ),
    },
    published=(Published(STEPPED, "lowest_epoch", 20),),
    figures=("test_accuracy", "lowest_epoch"),
    claims=(
        Claim(
            "validation loss is lowest near epoch 20",
            "near 20 of 50",
            LowestNear(STEPPED, epoch=20, around=5),
            at_full_length=True,
        ),
        Claim("the network overfits by epoch 50", "", Overfits(STEPPED), at_full_length=True),
        Claim("with a constant rate it overfits by epoch 50", "not published", Overfits(CONSTANT)),
    ),
)

WINNER = "256-128, lr 0.1, L2 0"

GRID = Experiment(
    name="fashion-grid",
    title="Fashion-MNIST, three networks × four learning rates × four L2: the best of 48",
    source="report 2, the winner of its grid",
    subjects=StudySubject("fashion-grid", quick={"training.epochs": 6, "data.sample": 0.2}),
    published=(
        Published(WINNER, "validation_accuracy", 0.8922),
        Published(WINNER, "validation_loss", 0.3198),
    ),
    claims=(
        Claim(
            "784-256-128-10 with lr 0.1 and no L2 is the best of 48",
            "0.8922",
            IsBest(WINNER),
        ),
        Claim(
            "the winner's validation accuracy is reached",
            "0.8922",
            Reaches(WINNER, 0.8922, "validation_accuracy"),
            at_full_length=True,
        ),
    ),
    figures=("validation_accuracy",),
    top=5,
)

NETWORK = "784-256-128-10"

GRID_WINNER = Experiment(
    name="fashion-mlp-256",
    title="Fashion-MNIST, 784-256-128-10: the grid's winner on the test split",
    source="report 2, its test of the best weights",
    subjects={NETWORK: SeriesSubject("fashion-mlp-256", quick={"training.epochs": 15})},
    published=(
        Published(NETWORK, "test_accuracy", 0.8932),
        Published(NETWORK, "test_loss", 0.3213),
    ),
    claims=(
        Claim(
            "the test accuracy is reached",
            "0.8932",
            Reaches(NETWORK, 0.8932),
            at_full_length=True,
        ),
    ),
)
